//! Text on its way to a terminal. Names and messages of others are untrusted: nothing that moves
//! the cursor, hides text or turns its direction round gets through (decision 20).

use std::io;

use serde::Serialize;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns that a name may take on a terminal.
pub(crate) const NAME_COLUMNS: usize = 32;
/// Marks that may follow one another without taking a column; more of them would smear over other lines.
const MAX_MARKS: usize = 4;

/// Whether a character must not reach a terminal as it is: controls, bidirectional controls,
/// invisible format characters and private use.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}'
            | '\u{f0000}'..='\u{10ffff}')
}

/// One line: unsafe characters become `�`, line breaks a space.
#[must_use]
pub(crate) fn line(text: &str) -> String {
    clean(text, false)
}

/// As [`line`], but line breaks stay.
#[must_use]
pub(crate) fn block(text: &str) -> String {
    clean(text, true)
}

/// A name: one line, at most [`NAME_COLUMNS`] wide; `?` when nothing is left.
#[must_use]
pub(crate) fn name(text: &str) -> String {
    let clean = line(text);
    let trimmed = clean.trim();
    if trimmed.width() == 0 {
        return "?".to_owned();
    }
    fit(trimmed, NAME_COLUMNS)
}

/// Cut to so many columns; `…` stands for what was cut.
#[must_use]
pub(crate) fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if used + width + 1 > columns {
            break;
        }
        used += width;
        out.push(c);
    }
    out.push('…');
    out
}

/// Filled with spaces to so many columns.
#[must_use]
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// One line of JSON in which every character that is unsafe on a terminal is written as an escape:
/// the same value, harmless to look at.
///
/// # Errors
/// As serde says; not for plain data.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Harmless);
    value.serialize(&mut serializer)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

struct Harmless;

impl serde_json::ser::Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_unsafe(*c)) {
            writer.write_all(&fragment.as_bytes()[from..at])?;
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
            from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[from..])
    }
}

fn clean(text: &str, keep_breaks: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        if matches!(c, '\n' | '\t') {
            out.push(if keep_breaks { c } else { ' ' });
            marks = 0;
        } else if c == '\r' {
            // Half of a line break, or an attempt to overwrite the line.
        } else if is_unsafe(c) {
            out.push('\u{fffd}');
            marks = 0;
        } else if c.width() == Some(0) {
            marks += 1;
            if marks <= MAX_MARKS {
                out.push(c);
            }
        } else {
            out.push(c);
            marks = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_does_not_reach_it() {
        let nasty = "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\u{2066}e\u{200f}f\u{7}g\u{85}h\u{e0041}";
        let shown = line(nasty);
        assert!(shown.chars().all(|c| !is_unsafe(c)), "{shown:?}");
        assert_eq!(shown.matches('\u{fffd}').count(), 8);
        assert_eq!(line("a\nb\r\nc"), "a b c");
        assert_eq!(block("a\nb"), "a\nb");
    }

    #[test]
    fn ordinary_languages_and_emoji_stay() {
        for text in [
            "Ærø – žluťoučký",
            "日本語",
            "שלום",
            "👩\u{200d}🚀 ok",
            "❤\u{fe0f}",
        ] {
            assert_eq!(line(text), text);
        }
    }

    #[test]
    fn names_are_capped_by_columns_and_never_empty() {
        assert_eq!(name("  "), "?");
        assert_eq!(name("\u{200d}"), "?");
        assert_eq!(name(&"日".repeat(40)).width(), NAME_COLUMNS - 1);
        assert_eq!(name(&"x".repeat(32)), "x".repeat(32));
        assert_eq!(name(&"x".repeat(33)), format!("{}…", "x".repeat(31)));
        let smear = format!("a{}", "\u{301}".repeat(500));
        assert_eq!(name(&smear).chars().count(), 1 + MAX_MARKS);
        assert_eq!(pad("日", 4), "日  ");
    }

    #[test]
    fn json_is_the_same_value_without_the_tricks() {
        let value = "a\u{202e}\u{9b}\u{1b}\u{f0001}\"ü";
        let written = json(value).unwrap();
        assert_eq!(written, "\"a\\u202e\\u009b\\u001b\\udb80\\udc01\\\"ü\"");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), value);
    }
}
