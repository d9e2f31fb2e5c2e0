//! Who speaks: identity keys, pseudonyms and signatures (ID-1 to ID-4, `docs/protocol.md` §3).

pub mod binding;
pub mod proof;
pub mod recognise;
mod transcript;
mod transport;

use core::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    crypto::kdf,
    id::{AuthorKey, ChannelId, IdentityKey},
};

pub use transcript::Transcript;
pub(crate) use transcript::role_byte;
pub use transport::{TRANSPORT_KEY_LIFETIME, TransportKey};

const PSEUDONYM: &str = "sovereign/v1/pseudonym";

/// The signature does not fit the key, the domain and the message, or the key is not a strong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the key and the message")]
pub struct SignatureError;

/// A person's long-term key pair (ID-1). The seed is wiped from memory on drop.
pub struct Identity {
    seed: Zeroizing<[u8; 32]>,
    signer: Signer,
}

impl Identity {
    /// The identity of a 32-byte Ed25519 seed (RFC 8032).
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        let signer = Signer::from_seed(&seed);
        Self { seed, signer }
    }

    /// A new identity.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(*seed)
    }

    /// The secret seed: what a backup and the node's record hold.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> IdentityKey {
        IdentityKey(self.signer.public())
    }

    /// The key that signs in one public channel and cannot be linked to the identity by others.
    #[must_use]
    pub fn pseudonym(&self, channel: &ChannelId) -> Signer {
        let seed = Zeroizing::new(kdf(&*self.seed, channel.as_bytes(), PSEUDONYM));
        Signer::from_seed(&seed)
    }

    /// The identity key itself as a signer: the author key of private channels.
    #[must_use]
    pub fn signer(&self) -> Signer {
        self.signer.clone()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.public()).finish()
    }
}

/// An Ed25519 key that signs; wiped from memory on drop.
#[derive(Clone)]
pub struct Signer(SigningKey);

impl Signer {
    fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The public key, in its role of an author.
    #[must_use]
    pub fn author(&self) -> AuthorKey {
        AuthorKey(self.public())
    }

    /// Signs `domain ‖ 0x00 ‖ message`.
    #[must_use]
    pub fn sign(&self, domain: &str, message: &[u8]) -> [u8; 64] {
        self.0.sign(&separated(domain, message)).to_bytes()
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.author()).finish()
    }
}

/// Verifies a signature of [`Signer::sign`] strictly: canonical S, no small-order key or nonce point.
///
/// # Errors
/// [`SignatureError`] also for a signature that is not 64 bytes long and for a key that is no point.
pub fn verify(
    key: &[u8; 32],
    domain: &str,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| SignatureError)?;
    let signature = Signature::from_slice(signature).map_err(|_| SignatureError)?;
    key.verify_strict(&separated(domain, message), &signature)
        .map_err(|_| SignatureError)
}

fn separated(domain: &str, message: &[u8]) -> Vec<u8> {
    [domain.as_bytes(), &[0], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    #[test]
    fn a_signature_holds_for_one_key_domain_and_message() {
        let alice = Identity::from_seed([1; 32]);
        let key = alice.public().0;
        let sig = alice.signer().sign("d", b"m");
        assert_eq!(verify(&key, "d", b"m", &sig), Ok(()));
        assert_eq!(verify(&key, "e", b"m", &sig), Err(SignatureError));
        assert_eq!(verify(&key, "d", b"n", &sig), Err(SignatureError));
        assert_eq!(verify(&key, "d", b"m", &sig[..63]), Err(SignatureError));
        let other = Identity::from_seed([2; 32]).public().0;
        assert_eq!(verify(&other, "d", b"m", &sig), Err(SignatureError));
        // The separator: moving a byte from the message into the domain is another statement.
        let sig = alice.signer().sign("d", b"xm");
        assert_eq!(verify(&key, "dx", b"m", &sig), Err(SignatureError));
    }

    #[test]
    fn small_order_keys_sign_nothing() {
        // The neutral element as key and as R with S = 0 satisfies the plain equation for every
        // message; strict verification refuses it (attack 13 of the hardening list).
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut forged = [0; 64];
        forged[..32].copy_from_slice(&neutral);
        let key = VerifyingKey::from_bytes(&neutral).expect("a point");
        let plain = Signature::from_bytes(&forged);
        assert!(
            ed25519_dalek::Verifier::verify(&key, b"d\0m", &plain).is_ok(),
            "the forgery must be one that a lax verifier takes"
        );
        assert_eq!(verify(&neutral, "d", b"m", &forged), Err(SignatureError));
        assert_eq!(verify(&[2; 32], "d", b"m", &forged), Err(SignatureError));
    }

    #[test]
    fn generation_uses_the_given_randomness_and_the_seed_restores() {
        // ID-1.
        let made = Identity::generate(&mut ChaCha8Rng::seed_from_u64(7));
        let again = Identity::generate(&mut ChaCha8Rng::seed_from_u64(7));
        let other = Identity::generate(&mut ChaCha8Rng::seed_from_u64(8));
        assert_eq!(made.public(), again.public());
        assert_ne!(made.public(), other.public());
        assert_eq!(Identity::from_seed(*made.seed()).public(), made.public());
        assert_eq!(made.signer().author().0, made.public().0);
    }

    #[test]
    fn pseudonyms_differ_by_channel_and_from_the_identity() {
        // ID-3: in public channels a pseudonym stands for the identity.
        let alice = Identity::from_seed([1; 32]);
        let one = alice.pseudonym(&ChannelId([1; 16])).author();
        let two = alice.pseudonym(&ChannelId([2; 16])).author();
        assert_ne!(one, two);
        assert_ne!(one.0, alice.public().0);
        assert_eq!(one, alice.pseudonym(&ChannelId([1; 16])).author());
    }

    #[test]
    fn debug_shows_no_secret() {
        let alice = Identity::from_seed([0xd5; 32]);
        let text = format!("{alice:?} {:?}", alice.signer());
        assert!(
            !text.contains("d5d5") && !text.contains("213, 213"),
            "{text}"
        );
        assert!(text.contains("Identity") && text.contains("Signer"));
    }
}
