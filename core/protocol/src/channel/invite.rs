//! Invitations to private channels (§4.4).

use core::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::{
    epochs::Chain,
    name::{Label, MAX_NAME},
};
use crate::crypto::hash;

/// What every invitation begins with.
pub const PREFIX: &str = "sovereign:invite/";

const VERSION: u8 = 1;
const FIXED: usize = 1 + 32 + 4 + 32;
const CHECK: usize = 4;
const MIN_BYTES: usize = FIXED + 1 + CHECK;
const MAX_BYTES: usize = FIXED + MAX_NAME + CHECK;
/// base64 without padding: four characters for each three bytes begun.
const MAX_TEXT: usize = PREFIX.len() + (MAX_BYTES * 4).div_ceil(3);

/// Why a text is no invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// It does not begin with [`PREFIX`].
    #[error("an invitation begins with {PREFIX}")]
    Prefix,
    /// Not base64url, or not as long as an invitation.
    #[error("the invitation is incomplete or holds a character that does not belong to it")]
    Malformed,
    /// The check at its end does not fit: mistyped or cut.
    #[error("the invitation is damaged: copy it again in full")]
    Check,
    /// Made by a later version.
    #[error("this invitation needs a newer version (format {0})")]
    Version(u8),
    /// The channel's name in it is not one that this protocol allows.
    #[error("the invitation holds a name that is not allowed")]
    Name,
}

/// An invitation: whoever has it can read and write the channel from its epoch on. Its text form
/// is a secret; `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    pub(super) fixed_secret: Zeroizing<[u8; 32]>,
    pub(super) epoch: u32,
    pub(super) chain: Chain,
    pub(super) label: Label,
}

impl Invite {
    /// The name that the inviting member's node shows for the channel.
    #[must_use]
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The first epoch that the invited member can read.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
        bytes.push(VERSION);
        bytes.extend_from_slice(&*self.fixed_secret);
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&*self.chain);
        bytes.extend_from_slice(self.label.as_str().as_bytes());
        let check = hash(&[&bytes]);
        bytes.extend_from_slice(&check[..CHECK]);
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(&*bytes));
        write!(f, "{PREFIX}{}", *text)
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    /// Reads an invitation; white space around it is ignored.
    fn from_str(text: &str) -> Result<Self, InviteError> {
        let text = text.trim();
        let encoded = text.strip_prefix(PREFIX).ok_or(InviteError::Prefix)?;
        if text.len() > MAX_TEXT {
            return Err(InviteError::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| InviteError::Malformed)?;
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < MIN_BYTES {
            return Err(InviteError::Malformed);
        }
        let (content, check) = bytes.split_at(bytes.len() - CHECK);
        if hash(&[content])[..CHECK] != *check {
            return Err(InviteError::Check);
        }
        if content[0] != VERSION {
            return Err(InviteError::Version(content[0]));
        }
        let label = core::str::from_utf8(&content[FIXED..]).map_err(|_| InviteError::Name)?;
        let label = Label::from_canonical(label).ok_or(InviteError::Name)?;
        let array = |range: core::ops::Range<usize>| {
            let mut out = Zeroizing::new([0; 32]);
            out.copy_from_slice(&content[range]);
            out
        };
        let mut epoch = [0; 4];
        epoch.copy_from_slice(&content[33..37]);
        Ok(Self {
            fixed_secret: array(1..33),
            epoch: u32::from_be_bytes(epoch),
            chain: array(37..69),
            label,
        })
    }
}

impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn example(label: &str) -> Invite {
        Invite {
            fixed_secret: Zeroizing::new([0xd5; 32]),
            epoch: 0x0102_0304,
            chain: Zeroizing::new([0xd6; 32]),
            label: Label::parse(label).expect("a label"),
        }
    }

    /// The text of these bytes with a check that fits.
    fn text(content: &[u8]) -> String {
        let bytes = [content, &hash(&[content])[..CHECK]].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn content(label: &[u8]) -> Vec<u8> {
        [&[1][..], &[0xd5; 32], &[1, 2, 3, 4], &[0xd6; 32], label].concat()
    }

    fn refused(content: &[u8]) -> InviteError {
        text(content).parse::<Invite>().expect_err("refused")
    }

    #[test]
    fn the_text_form_is_the_one_of_the_protocol() {
        let invite = example("Family");
        let shown = invite.to_string();
        assert_eq!(shown, text(&content(b"Family")));
        assert_eq!(shown.parse(), Ok(invite.clone()));
        assert_eq!(format!(" {shown}\n").parse(), Ok(invite.clone()));
        assert_eq!(
            (invite.epoch(), invite.label().as_str()),
            (0x0102_0304, "Family")
        );
    }

    #[test]
    fn bounds_hold_at_both_ends() {
        for label in ["x".to_owned(), "x".repeat(64)] {
            let invite = example(&label);
            assert_eq!(invite.to_string().parse(), Ok(invite));
        }
        assert_eq!(refused(&content(b"")), InviteError::Malformed);
        assert_eq!(refused(&content(&[b'x'; 65])), InviteError::Malformed);
        assert_eq!(refused(&[]), InviteError::Malformed);
        assert_eq!(PREFIX.parse::<Invite>(), Err(InviteError::Malformed));
        let long = format!("{PREFIX}{}", "A".repeat(1 << 20));
        assert_eq!(long.parse::<Invite>(), Err(InviteError::Malformed));
    }

    #[test]
    fn each_part_is_checked() {
        let good = text(&content(b"Family"));
        let other = good.replacen("sovereign", "Sovereign", 1);
        assert_eq!(other.parse::<Invite>(), Err(InviteError::Prefix));
        assert_eq!(
            format!("{good}=").parse::<Invite>(),
            Err(InviteError::Malformed)
        );
        let whole_groups = text(&content(b"Families"));
        assert_eq!(
            whole_groups[..whole_groups.len() - 4].parse::<Invite>(),
            Err(InviteError::Check),
            "cut when it was copied"
        );
        let mut later = content(b"Family");
        later[0] = 2;
        assert_eq!(refused(&later), InviteError::Version(2));
        assert_eq!(refused(&content(b" Family")), InviteError::Name);
        assert_eq!(refused(&content(b"Fam\xffly")), InviteError::Name);
        assert_eq!(
            refused(&content("a\u{202E}b".as_bytes())),
            InviteError::Name
        );
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", example("Family")), "Invite { .. }");
    }

    proptest! {
        #[test]
        fn any_changed_character_is_refused(at in 17usize..122, to in "[A-Za-z0-9_-]") {
            let good = example("Family").to_string();
            prop_assume!(at < good.len() && good[at..=at] != to);
            let mut changed = good;
            changed.replace_range(at..=at, &to);
            prop_assert!(changed.parse::<Invite>().is_err());
        }

        #[test]
        fn no_text_panics(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..150)) {
            prop_assert!(text.parse::<Invite>().is_err());
            let encoded = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert!(encoded.parse::<Invite>().is_err());
        }
    }
}
