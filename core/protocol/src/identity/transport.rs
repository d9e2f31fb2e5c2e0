//! The key behind a PeerId, and how long it lives (ID-3, decision 7).

use core::{fmt, time::Duration};

use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    crypto::kdf,
    id::{DiscoveryId, TransportId},
};

/// How long a transport key is used over IP (LOC-1: it rotates every 24 h with the discovery id).
pub const TRANSPORT_KEY_LIFETIME: Duration = Duration::from_secs(24 * 3600);

const LAN_DISCOVERY_ID: &str = "sovereign/v1/lan-discovery-id";

/// A transport key pair with the time it was made. The seed is wiped from memory on drop.
#[derive(Clone)]
pub struct TransportKey {
    /// The secret Ed25519 seed.
    pub seed: Zeroizing<[u8; 32]>,
    /// The node's life clock when the key was made.
    pub made: Duration,
}

impl TransportKey {
    /// The key of a seed, made at `made` of the life clock.
    #[must_use]
    pub fn from_seed(seed: [u8; 32], made: Duration) -> Self {
        Self {
            seed: Zeroizing::new(seed),
            made,
        }
    }

    /// A new key, made now.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng, life: Duration) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self { seed, made: life }
    }

    /// The public key behind the PeerId.
    #[must_use]
    pub fn id(&self) -> TransportId {
        TransportId(
            SigningKey::from_bytes(&self.seed)
                .verifying_key()
                .to_bytes(),
        )
    }

    /// The discovery id on the local network: it changes with the key and with nothing else.
    #[must_use]
    pub fn lan_discovery_id(&self) -> DiscoveryId {
        DiscoveryId(kdf(&*self.seed, &[], LAN_DISCOVERY_ID))
    }

    /// Whether the key has to be replaced. A key from the future of the life clock has an unknown
    /// age and counts as expired.
    #[must_use]
    pub fn expired(&self, life: Duration) -> bool {
        life.checked_sub(self.made)
            .is_none_or(|age| age >= TRANSPORT_KEY_LIFETIME)
    }
}

impl fmt::Debug for TransportKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportKey")
            .field("id", &self.id())
            .field("made", &self.made)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    #[test]
    fn lives_a_day_of_the_life_clock() {
        // ID-3: over IP after 24 h, kept across restarts.
        let made = Duration::from_secs(1_000);
        let key = TransportKey::from_seed([5; 32], made);
        assert!(!key.expired(made));
        assert!(!key.expired(made + Duration::from_secs(86_399)));
        assert!(key.expired(made + Duration::from_secs(86_400)));
        assert!(
            key.expired(made - Duration::from_secs(1)),
            "made in the future"
        );
    }

    #[test]
    fn id_and_discovery_id_change_together() {
        // LOC-1.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let one = TransportKey::generate(&mut rng, Duration::ZERO);
        let two = TransportKey::generate(&mut rng, Duration::ZERO);
        assert_ne!(one.id(), two.id());
        assert_ne!(one.lan_discovery_id(), two.lan_discovery_id());
        assert_ne!(
            one.lan_discovery_id().0,
            one.id().0[..8],
            "not linkable to the id"
        );
        let restored = TransportKey::from_seed(*one.seed, one.made);
        assert_eq!(restored.id(), one.id());
        assert_eq!(restored.lan_discovery_id(), one.lan_discovery_id());
    }

    #[test]
    fn debug_shows_no_secret() {
        let text = format!("{:?}", TransportKey::from_seed([0xd5; 32], Duration::ZERO));
        assert!(!text.contains("d5d5") && !text.contains("213"), "{text}");
        assert!(text.contains("TransportId"));
    }
}
