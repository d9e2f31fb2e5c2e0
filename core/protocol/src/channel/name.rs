//! Names of channels (§4.1): the canonical form that a public channel's key is made from, and the
//! free label of a private one.

use core::{fmt, str::FromStr};

use unicode_normalization::{
    UnicodeNormalization,
    char::{is_combining_mark, is_public_assigned},
};

/// Longest name, in bytes of its canonical form.
pub const MAX_NAME: usize = 64;
/// Longest input that is looked at at all, in bytes: normalisation can make text shorter or longer.
pub const MAX_NAME_INPUT: usize = 256;

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is left of it.
    #[error("the name is empty")]
    Empty,
    /// Too long as given or in canonical form.
    #[error("the name is longer than {MAX_NAME} bytes")]
    TooLong,
    /// White space, an invisible, control, bidirectional, private-use or unassigned character, or
    /// one that cannot stand where it does.
    #[error("the character U+{:04X} is not allowed here", *.0 as u32)]
    Character(char),
}

/// The name of a public channel in canonical form: whoever writes it in any of its ways comes to
/// the same channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CanonicalName(String);

impl CanonicalName {
    /// The canonical form of what a person typed, with or without the leading `#`.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parse(input: &str) -> Result<Self, NameError> {
        if input.len() > MAX_NAME_INPUT {
            return Err(NameError::TooLong);
        }
        let name: String = input.nfkc().map(simple_lowercase).nfkc().collect();
        let name = name.strip_prefix('#').unwrap_or(&name);
        let first = bounded(name)?;
        if first == '#' || is_combining_mark(first) {
            return Err(NameError::Character(first));
        }
        let refused =
            |&c: &char| c.is_whitespace() || is_hidden(c) || is_joiner(c) || !is_public_assigned(c);
        match name.chars().find(refused) {
            Some(c) => Err(NameError::Character(c)),
            None => Ok(Self(name.to_owned())),
        }
    }

    /// The canonical form, without `#`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A private channel's name: for people only, no key depends on it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(String);

impl Label {
    /// Normalises (NFC) and trims what a person typed.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn parse(input: &str) -> Result<Self, NameError> {
        if input.len() > MAX_NAME_INPUT {
            return Err(NameError::TooLong);
        }
        let name: String = input.nfc().collect();
        let name = name.trim();
        bounded(name)?;
        let refused = |&c: &char| {
            is_hidden(c) || !is_public_assigned(c) || matches!(c, '\u{2028}' | '\u{2029}')
        };
        if let Some(c) = name.chars().find(refused) {
            return Err(NameError::Character(c));
        }
        if name.chars().all(is_joiner) {
            return Err(NameError::Empty);
        }
        Ok(Self(name.to_owned()))
    }

    /// A label that a node has written already; `None` if it is not in the form that it writes.
    pub(crate) fn from_canonical(text: &str) -> Option<Self> {
        Self::parse(text).ok().filter(|label| label.0 == text)
    }

    /// The label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
text!(CanonicalName, Label);

/// Characters that no name shows: controls, private use, and what Unicode's general category Cf or
/// the property `Default_Ignorable_Code_Point` make invisible (bidirectional controls among them),
/// except [`is_joiner`].
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || (!is_joiner(c)
            && matches!(c,
                '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}'
                | '\u{890}'..='\u{891}' | '\u{8E2}' | '\u{115F}'..='\u{1160}'
                | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
                | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
                | '\u{E000}'..='\u{F8FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
                | '\u{FFF0}'..='\u{FFFB}' | '\u{110BD}' | '\u{110CD}'
                | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}'
                | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{10FFFF}'))
}

/// Invisible, but needed to write some scripts and emoji: allowed in labels and display names,
/// which nothing is derived from.
pub(crate) const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE0E}' | '\u{FE0F}')
}

/// Unicode's simple lower-case mapping: one character for one. It differs from the full mapping
/// at U+0130 only, where it is the first character of the full one.
fn simple_lowercase(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// The first character of a name of 1 to [`MAX_NAME`] bytes.
fn bounded(name: &str) -> Result<char, NameError> {
    if name.len() > MAX_NAME {
        return Err(NameError::TooLong);
    }
    name.chars().next().ok_or(NameError::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(input: &str) -> Result<String, NameError> {
        CanonicalName::parse(input).map(|name| name.0)
    }

    fn label(input: &str) -> Result<String, NameError> {
        Label::parse(input).map(|name| name.0)
    }

    #[test]
    fn ways_to_write_a_name_meet() {
        for way in ["#straße", "straße", "#STRAßE", "＃Straße", "#strA\u{DF}e"] {
            assert_eq!(canonical(way).as_deref(), Ok("straße"), "{way}");
        }
        assert_eq!(canonical("e\u{301}").as_deref(), Ok("\u{e9}"));
        assert_eq!(canonical("ＨＡＬＬＥ").as_deref(), Ok("halle"));
        assert_eq!(canonical("K").as_deref(), Ok("k"), "Kelvin sign");
        assert_eq!(
            canonical("\u{130}").as_deref(),
            Ok("i"),
            "simple lower case"
        );
        assert_eq!(canonical("ΟΔΟΣ").as_deref(), Ok("οδοσ"), "no final sigma");
        assert_eq!(canonical("ﬁeld").as_deref(), Ok("field"), "compatibility");
    }

    #[test]
    fn one_hash_is_taken_off() {
        assert_eq!(canonical("#"), Err(NameError::Empty));
        assert_eq!(canonical(""), Err(NameError::Empty));
        assert_eq!(canonical("##a"), Err(NameError::Character('#')));
        assert_eq!(canonical("a#").as_deref(), Ok("a#"));
        assert_eq!(canonical("#\u{301}"), Err(NameError::Character('\u{301}')));
    }

    #[test]
    fn canonical_names_hold_what_can_be_seen_and_typed() {
        let bad = [
            ' ',
            '\t',
            '\n',
            '\u{A0}',
            '\u{2003}',
            '\u{2028}',
            '\0',
            '\u{7F}',
            '\u{85}',
            '\u{AD}',
            '\u{200B}',
            '\u{200C}',
            '\u{200D}',
            '\u{200E}',
            '\u{202E}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{61C}',
            '\u{FEFF}',
            '\u{E000}',
            '\u{F8FF}',
            '\u{F0000}',
            '\u{10FFFD}',
            '\u{E0041}',
            '\u{E0100}',
            '\u{FE0F}',
            '\u{34F}',
            '\u{3164}',
            '\u{180E}',
            '\u{378}',
            '\u{FFFF}',
            '\u{FFF9}',
        ];
        for c in bad {
            assert!(
                matches!(canonical(&format!("a{c}b")), Err(NameError::Character(_))),
                "U+{:04X}",
                c as u32
            );
        }
        for good in ["a-b_c.d", "łódź", "日本", "עברית", "😀", "a1", "हिन्दी"]
        {
            assert_eq!(canonical(good).as_deref(), Ok(good));
        }
    }

    #[test]
    fn length_is_bounded_before_and_after_normalisation() {
        assert_eq!(canonical(&"a".repeat(64)).map(|n| n.len()), Ok(64));
        assert_eq!(canonical(&"a".repeat(65)), Err(NameError::TooLong));
        // 84 full-width letters are 252 bytes as given and 84 in canonical form.
        assert_eq!(canonical(&"ａ".repeat(84)), Err(NameError::TooLong));
        assert_eq!(canonical(&"ａ".repeat(64)).map(|n| n.len()), Ok(64));
        // 128 + 128 bytes compose to 128 + 0: within the first bound, over the second.
        assert_eq!(canonical(&"e\u{301}".repeat(32)).map(|n| n.len()), Ok(64));
        // Wide characters that become short ones: the first bound alone refuses the longer.
        let wide = |n| "\u{1D41A}".repeat(n);
        assert_eq!(canonical(&wide(64)).map(|n| n.len()), Ok(64));
        assert_eq!(canonical(&wide(65)), Err(NameError::TooLong));
        let marked = |n: usize| format!("{}{}", "a".repeat(n), "\u{1D41A}".repeat(60));
        assert_eq!(canonical(&marked(4)).map(|n| n.len()), Ok(64));
        let spaces = |n: usize| format!("a{}", " ".repeat(n));
        assert_eq!(label(&spaces(255)).as_deref(), Ok("a"));
        assert_eq!(label(&spaces(256)), Err(NameError::TooLong));
        assert_eq!(label(&"a".repeat(64)).map(|n| n.len()), Ok(64));
        assert_eq!(label(&"a".repeat(65)), Err(NameError::TooLong));
    }

    #[test]
    fn labels_are_free_text_without_tricks() {
        assert_eq!(label("  Our Family  ").as_deref(), Ok("Our Family"));
        assert_eq!(label("e\u{301}").as_deref(), Ok("\u{e9}"));
        assert_eq!(
            label("👨\u{200D}👩 ❤\u{FE0F}").as_deref(),
            Ok("👨\u{200D}👩 ❤\u{FE0F}")
        );
        assert_eq!(label("  "), Err(NameError::Empty));
        assert_eq!(label("\u{200D}\u{FE0F}"), Err(NameError::Empty));
        for c in [
            '\n', '\u{1B}', '\u{9B}', '\u{202E}', '\u{2067}', '\u{200F}', '\u{E001}', '\u{2028}',
        ] {
            assert!(
                matches!(label(&format!("a{c}b")), Err(NameError::Character(_))),
                "U+{:04X}",
                c as u32
            );
        }
    }

    #[test]
    fn labels_from_others_are_in_their_final_form() {
        assert!(Label::from_canonical("Our Family").is_some());
        assert!(Label::from_canonical(" padded").is_none());
        assert!(Label::from_canonical("e\u{301}").is_none());
    }

    proptest! {
        #[test]
        fn canonical_form_is_a_fixed_point(input in "#?\\PC{0,40}") {
            if let Ok(name) = canonical(&input) {
                prop_assert!(!name.is_empty() && name.len() <= MAX_NAME);
                prop_assert_eq!(canonical(&name), Ok(name.clone()));
                let hashed = format!("#{}", name);
                prop_assert_eq!(canonical(&hashed), Ok(name));
            }
            if let Ok(name) = label(&input) {
                prop_assert_eq!(label(&name), Ok(name.clone()));
                prop_assert!(Label::from_canonical(&name).is_some());
            }
        }
    }
}
