//! Recognition of contacts (ID-4): a pairwise MAC over the link, shown before any identity, which
//! proves nothing to a third party.

use subtle::ConstantTimeEq;

use super::Transcript;
use crate::{crypto::mac, link_kind::Role};

const DOMAIN: &[u8] = b"sovereign/v1/recognise";

/// Length of a recognition tag.
pub const TAG_LEN: usize = 16;

/// The tag that the side in `role` shows on this link to the holder of the same pair secret.
#[must_use]
pub fn tag(pair_secret: &[u8; 32], role: Role, transcript: &Transcript) -> [u8; TAG_LEN] {
    let full = mac(pair_secret, &[DOMAIN, &[0], &transcript.bytes(role)]);
    let mut out = [0; TAG_LEN];
    out.copy_from_slice(&full[..TAG_LEN]);
    out
}

/// Whether `tag` is the one of the other side, which is in `role`. Takes the same time wherever
/// the tags differ.
#[must_use]
pub fn verify(pair_secret: &[u8; 32], role: Role, transcript: &Transcript, tag: &[u8]) -> bool {
    self::tag(pair_secret, role, transcript).ct_eq(tag).into()
}

#[cfg(test)]
mod tests {
    use super::super::transcript::tests::{example, neighbours};
    use super::*;

    #[test]
    fn holds_for_the_pair_and_the_link_only() {
        let secret = [7; 32];
        let shown = tag(&secret, Role::Listener, &example());
        assert!(verify(&secret, Role::Listener, &example(), &shown));
        assert!(
            !verify(&secret, Role::Dialer, &example(), &shown),
            "reflected"
        );
        assert!(!verify(&[8; 32], Role::Listener, &example(), &shown));
        for other in neighbours() {
            assert!(!verify(&secret, Role::Listener, &other, &shown));
        }
        assert!(!verify(&secret, Role::Listener, &example(), &shown[..15]));
        assert!(!verify(&secret, Role::Listener, &example(), &[]));
        for bit in 0..128 {
            let mut flipped = shown;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&secret, Role::Listener, &example(), &flipped));
        }
    }
}
