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
    // Bounded work on long input: nothing shorter comes of more than this. What is hidden goes before
    // the normalisation: without it a mark may come to stand beside the letter that it composes with.
    let seen = name
        .chars()
        .take(4 * MAX_DISPLAY_NAME)
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_hidden(*c));
    for c in seen.nfc() {
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(body: &str, name: Option<&str>) -> TextBody {
        TextBody {
            body: body.to_owned(),
            name: name.map(str::to_owned),
        }
    }

    /// As a peer without manners sends it.
    fn received(body: &str, name: &str) -> Result<TextBody, TextError> {
        let (body, name) = (body.to_owned(), name.to_owned());
        TextBody::decode(&Text { body, name }.encode_to_vec())
    }

    #[test]
    fn round_trip() {
        for sent in [text("two\nlines\tand a tab", Some("Åsa")), text("x", None)] {
            let payload = sent.encode().expect("encoded");
            assert_eq!(TextBody::decode(&payload), Ok(sent));
        }
    }

    #[test]
    fn length_is_one_to_twelve_thousand_bytes() {
        let longest = "x".repeat(MAX_BODY);
        assert!(text(&longest, None).encode().is_ok());
        assert!(received(&longest, "").is_ok());
        let over = format!("{longest}x");
        assert_eq!(text(&over, None).encode(), Err(TextError::TooLong(12_001)));
        assert_eq!(received(&over, ""), Err(TextError::TooLong(12_001)));
        assert_eq!(text("", None).encode(), Err(TextError::Empty));
        assert_eq!(received("\u{7}\u{1b}\r", ""), Err(TextError::Empty));
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let shown = received("a\u{1b}[2Jb\u{9b}c\rd\0\n\te", "n\u{1b}a\u{202E}me").expect("text");
        assert_eq!(shown, text("a[2Jbcd\n\te", Some("name")));
        let sent = text("a\u{1b}b", Some("\u{7}n")).encode().expect("encoded");
        let raw = Text::decode(sent).expect("a Text");
        assert_eq!((raw.body.as_str(), raw.name.as_str()), ("ab", "n"));
    }

    #[test]
    fn not_a_text() {
        assert_eq!(TextBody::decode(b"\x0a\x05ab"), Err(TextError::Malformed));
        assert_eq!(TextBody::decode(b"\x0a\x01\xff"), Err(TextError::Malformed));
        assert_eq!(TextBody::decode(b""), Err(TextError::Empty));
    }

    #[test]
    fn names_are_one_visible_line() {
        let name = |name| clean_name(name);
        assert_eq!(name("  Anna \n\t Maria  ").as_deref(), Some("Anna Maria"));
        assert_eq!(name("e\u{301}").as_deref(), Some("\u{e9}"));
        let apart = name("e\u{200B}\u{301}");
        assert_eq!(apart.as_deref(), Some("\u{e9}"), "what was between is gone");
        assert_eq!(
            name("a\u{2066}b\u{200B}c\u{AD}\u{E000}").as_deref(),
            Some("abc")
        );
        assert_eq!(name("👨\u{200D}👩").as_deref(), Some("👨\u{200D}👩"));
        for nothing in ["", " \n", "\u{202E}\u{200B}", "\u{200D} \u{200D}"] {
            assert_eq!(name(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn names_are_cut_at_a_character() {
        assert_eq!(clean_name(&"x".repeat(64)).map(|n| n.len()), Some(64));
        assert_eq!(clean_name(&"x".repeat(65)).map(|n| n.len()), Some(64));
        let cut = clean_name(&format!("x{}", "é".repeat(40))).expect("a name");
        assert_eq!(cut.len(), 63, "half a character does not fit");
        let spaced = format!("{} x", "y".repeat(63));
        assert_eq!(clean_name(&spaced).map(|n| n.len()), Some(63));
        // Nothing beyond 256 characters is looked at.
        let late = |n: usize| format!("{}a", "\u{200B}".repeat(n));
        assert_eq!(clean_name(&late(255)).as_deref(), Some("a"));
        assert_eq!(clean_name(&late(256)), None);
    }

    proptest! {
        #[test]
        fn clean_names_stay_as_they_are(input in any::<String>()) {
            if let Some(name) = clean_name(&input) {
                prop_assert!(name.len() <= MAX_DISPLAY_NAME);
                prop_assert!(!name.chars().any(is_hidden));
                prop_assert_eq!(clean_name(&name), Some(name));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(text) = TextBody::decode(&bytes) {
                let again = text.encode().expect("what was decoded can be sent");
                prop_assert_eq!(TextBody::decode(&again), Ok(text));
            }
        }
    }
}
