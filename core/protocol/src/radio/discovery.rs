//! The discovery id on Bluetooth LE: opaque to strangers, resolvable by contacts (LOC-3, docs/protocol.md
//! §11.4, ADR 20).

use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{crypto::mac, id::DiscoveryId};

const DOMAIN: &[u8] = b"sovereign/v1/resolve";

/// Bytes of the id that are drawn for each epoch.
pub const NONCE_LEN: usize = 3;

/// The first 48 bits of a discovery id: what an iPhone can advertise of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdPrefix(pub [u8; 6]);

impl IdPrefix {
    /// Length in bytes.
    pub const LEN: usize = 6;

    /// The prefix of an id.
    #[must_use]
    pub fn of(id: &DiscoveryId) -> Self {
        let mut prefix = [0; Self::LEN];
        prefix.copy_from_slice(&id.0[..Self::LEN]);
        Self(prefix)
    }

    /// Whether the id begins so: the same node in the same epoch, but for 1 in 2^48.
    #[must_use]
    pub fn fits(&self, id: &DiscoveryId) -> bool {
        Self::of(id) == *self
    }
}

impl fmt::Debug for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdPrefix({})", hex::encode(&self.0[..4]))
    }
}

/// As much of an id as was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeenId {
    /// All 64 bits.
    Full(DiscoveryId),
    /// 48 bits.
    Prefix(IdPrefix),
}

impl SeenId {
    /// The bytes that were heard: 8 or 6.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Full(id) => &id.0,
            Self::Prefix(prefix) => &prefix.0,
        }
    }
}

/// A node's secret from which its discovery ids on Bluetooth LE are made, and with which contacts resolve
/// them. Who holds it can follow the node's radio; it says nothing to anybody else. Wiped from memory on
/// drop.
#[derive(Clone)]
pub struct ResolvingKey(Zeroizing<[u8; 32]>);

impl ResolvingKey {
    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *bytes);
        Self(bytes)
    }

    /// The secret bytes: what the node's record holds.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of an epoch with this nonce r: r ‖ MAC(key, domain ‖ 0x00 ‖ r)[..5].
    #[must_use]
    pub fn id(&self, nonce: [u8; NONCE_LEN]) -> DiscoveryId {
        let full = mac(&*self.0, &[DOMAIN, &[0], &nonce]);
        let mut id = [0; DiscoveryId::LEN];
        let (head, tail) = id.split_at_mut(NONCE_LEN);
        head.copy_from_slice(&nonce);
        tail.copy_from_slice(&full[..DiscoveryId::LEN - NONCE_LEN]);
        DiscoveryId(id)
    }

    /// Whether what was heard is an id of this key. One MAC. Another's id fits by chance with 2^-40, 48 bits
    /// of it with 2^-24; and a copied id fits like the true one, so this proves nothing.
    #[must_use]
    pub fn resolves(&self, seen: &SeenId) -> bool {
        let seen = seen.as_bytes();
        let Some(nonce) = seen.first_chunk() else {
            return false;
        };
        self.id(*nonce).0[..seen.len()].ct_eq(seen).into()
    }
}

impl fmt::Debug for ResolvingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvingKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

    fn prefix(id: &DiscoveryId) -> SeenId {
        SeenId::Prefix(IdPrefix::of(id))
    }

    #[test]
    fn the_key_resolves_its_ids_whole_or_in_part_and_no_others() {
        // LOC-3.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (own, other) = (
            ResolvingKey::generate(&mut rng),
            ResolvingKey::generate(&mut rng),
        );
        for n in 0..200 {
            let id = own.id([n, 7, 9]);
            assert_eq!(id.0[..3], [n, 7, 9]);
            assert!(own.resolves(&SeenId::Full(id)) && own.resolves(&prefix(&id)));
            assert!(!other.resolves(&SeenId::Full(id)) && !other.resolves(&prefix(&id)));
        }
    }

    #[test]
    fn every_bit_that_was_heard_counts() {
        let key = ResolvingKey::from_bytes([7; 32]);
        let id = key.id([1, 2, 3]);
        for bit in 0..64 {
            let mut changed = id;
            changed.0[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.resolves(&SeenId::Full(changed)), "bit {bit}");
            assert_eq!(key.resolves(&prefix(&changed)), bit >= 48, "bit {bit}");
            assert_eq!(IdPrefix::of(&id).fits(&changed), bit >= 48, "bit {bit}");
        }
    }

    #[test]
    fn the_bytes_restore_the_key_and_debug_hides_them() {
        let key = ResolvingKey::from_bytes([0xd5; 32]);
        let again = ResolvingKey::from_bytes(*key.as_bytes());
        assert_eq!(key.id([1; 3]), again.id([1; 3]));
        let text = format!("{key:?} {:?}", IdPrefix([0xd5; 6]));
        assert_eq!(text, "ResolvingKey { .. } IdPrefix(d5d5d5d5)");
    }
}
