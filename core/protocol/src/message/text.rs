//! The payload of a text message (§5).

use bytes::Bytes;
use prost::Message;
use unicode_normalization::UnicodeNormalization;

use crate::{
    channel::name::{is_hidden, is_joiner},
    wire::v1::Text,
};

/// Longest text, in bytes of UTF-8.
pub const MAX_BODY: usize = 12_000;
/// Longest display name, in bytes of UTF-8.
pub const MAX_DISPLAY_NAME: usize = 64;

/// Why a text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing in it, or nothing but control characters.
    #[error("the text is empty")]
    Empty,
    /// Longer than [`MAX_BODY`].
    #[error("a text has at most {MAX_BODY} bytes, not {0}")]
    TooLong(usize),
    /// Not a `Text`.
    #[error("the text does not decode")]
    Malformed,
}

/// What a text message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextBody {
    /// 1 to [`MAX_BODY`] bytes, no control characters but line feed and tab.
    pub body: String,
    /// The author's name from this message on; `None` when it has not changed.
    pub name: Option<String>,
}

impl TextBody {
    /// Encodes the payload. Control characters are dropped, the name is cleaned.
    ///
    /// # Errors
    /// [`TextError::Empty`] or [`TextError::TooLong`].
    pub fn encode(&self) -> Result<Bytes, TextError> {
        let text = Text {
            body: clean_body(&self.body)?,
            name: self
                .name
                .as_deref()
                .and_then(clean_name)
                .unwrap_or_default(),
        };
        Ok(text.encode_to_vec().into())
    }

    /// Decodes a payload. What a peer put into it beyond the rules is dropped, never shown.
    ///
    /// # Errors
    /// [`TextError`].
    pub fn decode(payload: &[u8]) -> Result<Self, TextError> {
        let text = Text::decode(payload).map_err(|_| TextError::Malformed)?;
        Ok(Self {
            body: clean_body(&text.body)?,
            name: clean_name(&text.name),
        })
    }
}

/// A display name as it may be shown: NFC, one line, nothing invisible or bidirectional, at most
/// [`MAX_DISPLAY_NAME`] bytes. `None` if nothing is left.
#[must_use]
pub fn clean_name(name: &str) -> Option<String> {
    let mut out = String::new();
    // Bounded work on long input: nothing shorter comes of more than this.
    for c in name.chars().take(4 * MAX_DISPLAY_NAME).nfc() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if is_hidden(c) || (c == ' ' && (out.is_empty() || out.ends_with(' '))) {
            continue;
        }
        if out.len() + c.len_utf8() > MAX_DISPLAY_NAME {
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    let visible = out.chars().any(|c| !is_joiner(c) && c != ' ');
    visible.then_some(out)
}

fn clean_body(body: &str) -> Result<String, TextError> {
    if body.len() > MAX_BODY {
        return Err(TextError::TooLong(body.len()));
    }
    let kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let body: String = body.chars().filter(kept).collect();
    match body.is_empty() {
        true => Err(TextError::Empty),
        false => Ok(body),
    }
}
