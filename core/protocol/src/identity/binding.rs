//! The statement that ties transport keys to an identity (ID-3), shown only to those entitled.

use core::time::Duration;

use bytes::Bytes;
use prost::Message;

use super::{Identity, SignatureError};
use crate::{
    id::{IdentityKey, TransportId},
    wire::v1::IdentityBinding,
};

/// Longest time between issue and expiry.
pub const MAX_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// Most transport ids in one binding: old and new key overlap, and each medium has its own.
pub const MAX_TRANSPORT_IDS: usize = 4;
/// Longest binding on the wire, in bytes, signature included.
pub const MAX_LEN: usize = 512;

const DOMAIN: &str = "sovereign/v1/binding";
const SIGNATURE: usize = 64;

/// Why a binding was refused, or not issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// Shorter than a signature or longer than [`MAX_LEN`].
    #[error("a binding has 64 to 512 bytes, not {0}")]
    Length(usize),
    /// Not an `IdentityBinding`, or a key in it is not 32 bytes long.
    #[error("the binding does not decode")]
    Malformed,
    /// Not signed by the identity it names.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// More than [`MAX_TRANSPORT_IDS`] ids.
    #[error("a binding names at most 4 transport ids, not {0}")]
    TransportIds(usize),
    /// The link's transport id is not among those that it names.
    #[error("the binding does not name the transport id of this link")]
    OtherLink,
    /// Expires before it was issued, or more than [`MAX_LIFETIME`] after.
    #[error("a binding lives at most 7 days")]
    Lifetime,
    /// Its time is over by this node's wall clock.
    #[error("the binding has expired")]
    Expired,
}

/// A verified binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Whose transport ids these are.
    pub identity: IdentityKey,
    /// 1 to 4 transport ids.
    pub transport_ids: Vec<TransportId>,
    /// Unix seconds; of two bindings the newer one counts.
    pub issued_s: u64,
    /// Unix seconds: valid before this moment.
    pub expires_s: u64,
}

/// Signs a binding of `transport_ids`, valid from `issued_s` (Unix seconds) for `lifetime`.
///
/// # Errors
/// [`BindingError::TransportIds`] with none or more than four ids, [`BindingError::Lifetime`] with
/// a lifetime above seven days.
pub fn issue(
    identity: &Identity,
    transport_ids: &[TransportId],
    issued_s: u64,
    lifetime: Duration,
) -> Result<Vec<u8>, BindingError> {
    if transport_ids.is_empty() || transport_ids.len() > MAX_TRANSPORT_IDS {
        return Err(BindingError::TransportIds(transport_ids.len()));
    }
    if lifetime > MAX_LIFETIME {
        return Err(BindingError::Lifetime);
    }
    let body = IdentityBinding {
        identity: Bytes::copy_from_slice(&identity.public().0),
        transport_ids: transport_ids
            .iter()
            .map(|id| Bytes::copy_from_slice(&id.0))
            .collect(),
        expires_s: issued_s.saturating_add(lifetime.as_secs()),
        issued_s,
    }
    .encode_to_vec();
    let signature = identity.signer.sign(DOMAIN, &body);
    Ok([&signature[..], &body].concat())
}

/// Verifies a binding that came over a link whose other end is `link`. `now_s` is the wall clock
/// in Unix seconds.
///
/// # Errors
/// Every other variant of [`BindingError`].
pub fn verify(bytes: &[u8], link: &TransportId, now_s: u64) -> Result<Binding, BindingError> {
    if bytes.len() < SIGNATURE || bytes.len() > MAX_LEN {
        return Err(BindingError::Length(bytes.len()));
    }
    let (signature, body) = bytes.split_at(SIGNATURE);
    // The key that must have signed is inside: decoded, but not looked at further, before it has.
    let parsed = IdentityBinding::decode(body).map_err(|_| BindingError::Malformed)?;
    let identity =
        IdentityKey::try_from(&parsed.identity[..]).map_err(|_| BindingError::Malformed)?;
    super::verify(identity.as_bytes(), DOMAIN, body, signature)?;

    if parsed.transport_ids.len() > MAX_TRANSPORT_IDS {
        return Err(BindingError::TransportIds(parsed.transport_ids.len()));
    }
    let transport_ids = parsed
        .transport_ids
        .iter()
        .map(|id| <[u8; 32]>::try_from(&id[..]).map(TransportId))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| BindingError::Malformed)?;
    if !transport_ids.contains(link) {
        return Err(BindingError::OtherLink);
    }
    let lifetime = parsed.expires_s.checked_sub(parsed.issued_s);
    if lifetime.is_none_or(|lifetime| lifetime > MAX_LIFETIME.as_secs()) {
        return Err(BindingError::Lifetime);
    }
    if now_s >= parsed.expires_s {
        return Err(BindingError::Expired);
    }
    Ok(Binding {
        identity,
        transport_ids,
        issued_s: parsed.issued_s,
        expires_s: parsed.expires_s,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: TransportId = TransportId([9; 32]);
    const ISSUED: u64 = 1_800_000_000;
    const WEEK: u64 = 604_800;

    fn alice() -> Identity {
        Identity::from_seed([1; 32])
    }

    fn body() -> IdentityBinding {
        IdentityBinding {
            identity: Bytes::copy_from_slice(&alice().public().0),
            transport_ids: vec![Bytes::copy_from_slice(&LINK.0)],
            expires_s: ISSUED + WEEK,
            issued_s: ISSUED,
        }
    }

    /// Signed by Alice whatever it says.
    fn signed(body: &IdentityBinding) -> Vec<u8> {
        let body = body.encode_to_vec();
        [&alice().signer().sign(DOMAIN, &body)[..], &body].concat()
    }

    #[test]
    fn round_trip() {
        let ids = [TransportId([8; 32]), LINK];
        let bytes = issue(&alice(), &ids, ISSUED, MAX_LIFETIME).expect("issued");
        let binding = verify(&bytes, &LINK, ISSUED).expect("verified");
        assert_eq!(
            binding,
            Binding {
                identity: alice().public(),
                transport_ids: ids.to_vec(),
                issued_s: ISSUED,
                expires_s: ISSUED + WEEK,
            }
        );
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let bytes = signed(&body());
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&flipped, &LINK, ISSUED).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn only_the_named_identity_signs() {
        let body = body().encode_to_vec();
        let mallory = Identity::from_seed([2; 32]);
        let forged = [&mallory.signer().sign(DOMAIN, &body)[..], &body].concat();
        assert_eq!(
            verify(&forged, &LINK, ISSUED),
            Err(BindingError::Signature(SignatureError))
        );
        let other_domain = [&alice().signer().sign("x", &body)[..], &body].concat();
        assert!(verify(&other_domain, &LINK, ISSUED).is_err());
    }

    #[test]
    fn length_is_bounded_before_it_is_read() {
        assert_eq!(verify(&[0; 63], &LINK, 0), Err(BindingError::Length(63)));
        assert_eq!(verify(&[0; 513], &LINK, 0), Err(BindingError::Length(513)));
        // At the bounds themselves something else is wrong.
        assert_eq!(verify(&[0; 64], &LINK, 0), Err(BindingError::Malformed));
        assert_eq!(verify(&[0; 512], &LINK, 0), Err(BindingError::Malformed));
    }

    #[test]
    fn one_to_four_transport_ids() {
        let with = |n: u8| {
            let mut body = body();
            body.transport_ids = (0..n).map(|i| Bytes::from(vec![9 - i; 32])).collect();
            verify(&signed(&body), &LINK, ISSUED)
        };
        assert_eq!(with(0), Err(BindingError::OtherLink));
        assert!(with(1).is_ok());
        assert!(with(4).is_ok());
        assert_eq!(with(5), Err(BindingError::TransportIds(5)));
        let ids = [LINK; 5];
        assert_eq!(
            issue(&alice(), &ids, ISSUED, MAX_LIFETIME),
            Err(BindingError::TransportIds(5))
        );
        assert!(issue(&alice(), &ids[..4], ISSUED, MAX_LIFETIME).is_ok());
        assert_eq!(
            issue(&alice(), &[], ISSUED, MAX_LIFETIME),
            Err(BindingError::TransportIds(0))
        );
    }

    #[test]
    fn keys_have_32_bytes() {
        let mut short = body();
        short.transport_ids.push(Bytes::from_static(&[1; 31]));
        assert_eq!(
            verify(&signed(&short), &LINK, ISSUED),
            Err(BindingError::Malformed)
        );
        let mut short = body();
        short.identity.truncate(31);
        assert_eq!(
            verify(&signed(&short), &LINK, ISSUED),
            Err(BindingError::Malformed)
        );
    }

    #[test]
    fn it_names_the_link_it_comes_over() {
        let bytes = signed(&body());
        assert_eq!(
            verify(&bytes, &TransportId([8; 32]), ISSUED),
            Err(BindingError::OtherLink)
        );
    }

    #[test]
    fn lives_at_most_a_week() {
        let lasting = |issued_s, expires_s| {
            let body = IdentityBinding {
                issued_s,
                expires_s,
                ..body()
            };
            verify(&signed(&body), &LINK, 0).map(|_| ())
        };
        assert_eq!(lasting(ISSUED, ISSUED + WEEK), Ok(()));
        assert_eq!(
            lasting(ISSUED, ISSUED + WEEK + 1),
            Err(BindingError::Lifetime)
        );
        assert_eq!(lasting(ISSUED, ISSUED - 1), Err(BindingError::Lifetime));
        assert_eq!(lasting(0, u64::MAX), Err(BindingError::Lifetime));
        let second = Duration::from_secs(1);
        assert_eq!(
            issue(&alice(), &[LINK], ISSUED, MAX_LIFETIME + second),
            Err(BindingError::Lifetime)
        );
    }

    #[test]
    fn expires_at_its_second() {
        let bytes = signed(&body());
        assert!(verify(&bytes, &LINK, ISSUED + WEEK - 1).is_ok());
        assert_eq!(
            verify(&bytes, &LINK, ISSUED + WEEK),
            Err(BindingError::Expired)
        );
    }
}
