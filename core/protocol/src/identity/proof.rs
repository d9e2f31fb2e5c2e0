//! The challenge proof of an identity (ID-4): bound to both nonces, both transport ids and the
//! role, so that it can be neither replayed nor relayed nor reflected.

use super::{Identity, SignatureError, Transcript};
use crate::{id::IdentityKey, link_kind::Role};

const DOMAIN: &str = "sovereign/v1/proof";

/// Proves this node's identity on one link. `role` is the prover's own.
#[must_use]
pub fn sign(identity: &Identity, role: Role, transcript: &Transcript) -> [u8; 64] {
    identity.signer.sign(DOMAIN, &transcript.bytes(role))
}

/// Verifies the other side's proof. `role` is the prover's.
///
/// # Errors
/// [`SignatureError`] for any other key, role, id or nonce.
pub fn verify(
    prover: &IdentityKey,
    role: Role,
    transcript: &Transcript,
    proof: &[u8],
) -> Result<(), SignatureError> {
    super::verify(prover.as_bytes(), DOMAIN, &transcript.bytes(role), proof)
}

#[cfg(test)]
mod tests {
    use super::super::transcript::tests::{example, neighbours};
    use super::*;

    #[test]
    fn holds_on_its_link_only() {
        // ID-4; attack 3: replay on another link, attack 13: wrong signer.
        let alice = Identity::from_seed([1; 32]);
        let proof = sign(&alice, Role::Dialer, &example());
        let key = alice.public();
        assert_eq!(verify(&key, Role::Dialer, &example(), &proof), Ok(()));
        for other in neighbours() {
            assert_eq!(
                verify(&key, Role::Dialer, &other, &proof),
                Err(SignatureError)
            );
        }
        // Reflection: what the dialer said does not hold as the listener's word.
        assert!(verify(&key, Role::Listener, &example(), &proof).is_err());
        let bob = Identity::from_seed([2; 32]).public();
        assert!(verify(&bob, Role::Dialer, &example(), &proof).is_err());
        assert!(verify(&key, Role::Dialer, &example(), &proof[..63]).is_err());
    }

    #[test]
    fn a_signature_for_another_purpose_is_no_proof() {
        let alice = Identity::from_seed([1; 32]);
        let bytes = example().bytes(Role::Dialer);
        let bare = alice.signer().sign("sovereign/v1/binding", &bytes);
        assert!(verify(&alice.public(), Role::Dialer, &example(), &bare).is_err());
    }
}
