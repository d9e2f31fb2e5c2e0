//! Short ids, keyed by the session (docs/protocol.md §8.1).

use core::fmt;

use siphasher::{sip::SipHasher24, sip128::SipHasher24 as Sip128};

use crate::id::ContentId;

/// A content id as one session sees it. Both sides' nonces are in its key, so nobody can prepare
/// bundles whose short ids collide. On the wire: 8 bytes, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortId(pub u64);

impl fmt::Debug for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShortId({:016x})", self.0)
    }
}

/// The keys of one session's short ids and checks. Made from the session id (§7.2), never shown.
#[derive(Clone, Copy)]
pub struct SessionKey {
    ids: Sip128,
    checks: SipHasher24,
}

impl SessionKey {
    /// Splits the session id: its first half keys the short ids, its second the checks.
    #[must_use]
    pub fn new(session: &[u8; 32]) -> Self {
        let (mut ids, mut checks) = ([0; 16], [0; 16]);
        ids.copy_from_slice(&session[..16]);
        checks.copy_from_slice(&session[16..]);
        Self {
            ids: Sip128::new_with_key(&ids),
            checks: SipHasher24::new_with_key(&checks),
        }
    }

    /// The short id: the low half of [`Self::share`].
    #[must_use]
    pub fn short(&self, content: &ContentId) -> ShortId {
        low_half(self.share(content))
    }

    /// What the id adds to the fingerprint of a set: SipHash-2-4-128, read as little-endian.
    #[must_use]
    pub fn share(&self, content: &ContentId) -> u128 {
        u128::from_le_bytes(self.ids.hash(content.as_bytes()).as_bytes())
    }

    /// SipHash-2-4 of a short id's 8 bytes: its low 32 bits check a coded symbol, and all of it
    /// seeds the sequence of symbols that the id takes part in (§8.3).
    pub(super) fn check(&self, id: ShortId) -> u64 {
        self.checks.hash(&id.0.to_le_bytes())
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

/// The short id within a share.
pub(super) const fn low_half(share: u128) -> ShortId {
    ShortId(share as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key 00 01 … 0f and the message 00 01 … 1f of SipHash's reference vectors.
    #[test]
    fn short_ids_follow_the_reference_vectors_of_siphash() {
        let session: [u8; 32] = core::array::from_fn(|i| (i % 16) as u8);
        let key = SessionKey::new(&session);
        let content = ContentId(core::array::from_fn(|i| i as u8));
        // vectors_sip128[32] of the reference implementation.
        let mut expected = [0; 16];
        hex::decode_to_slice("7c3956ca5eeafc3e363e9d556546eb68", &mut expected).unwrap();
        assert_eq!(key.share(&content).to_le_bytes(), expected);
        assert_eq!(key.short(&content).0.to_le_bytes(), expected[..8]);
        // vectors_sip64[8]: the message 00 … 07.
        let id = ShortId(u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(key.check(id), 0x93f5_f579_9a93_2462);
    }

    #[test]
    fn each_half_of_the_session_id_keys_its_own_hash() {
        let content = ContentId([7; 32]);
        let mut session = [1; 32];
        let key = SessionKey::new(&session);
        let (short, check) = (key.short(&content), key.check(ShortId(5)));
        session[31] = 2;
        let other = SessionKey::new(&session);
        assert_eq!(other.short(&content), short);
        assert_ne!(other.check(ShortId(5)), check);
        session[31] = 1;
        session[0] = 2;
        let other = SessionKey::new(&session);
        assert_ne!(other.short(&content), short);
        assert_eq!(other.check(ShortId(5)), check);
    }
}
