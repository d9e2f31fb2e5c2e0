//! The few primitives that everything else is made of: `docs/protocol.md` §1.

use hkdf::HkdfExtract;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// HKDF-SHA256 (RFC 5869) of `N` bytes; an empty salt is the RFC's default salt.
///
/// The caller wraps what it gets in [`zeroize::Zeroizing`] where it is a secret.
///
/// # Panics
/// Never with the lengths of this protocol: the RFC's limit is 8,160 bytes, and `N` is a constant.
#[must_use]
pub fn kdf<const N: usize>(ikm: &[u8], salt: &[u8], info: &str) -> [u8; N] {
    let mut extract = HkdfExtract::<Sha256>::new(Some(salt));
    extract.input_ikm(ikm);
    let (mut prk, expand) = extract.finalize();
    prk.as_mut_slice().zeroize();
    let mut out = [0; N];
    expand
        .expand(info.as_bytes(), &mut out)
        .expect("N is below the 8,160 bytes of RFC 5869");
    out
}

/// HMAC-SHA256 over the concatenation of `parts`.
///
/// # Panics
/// Never: HMAC takes keys of every length.
#[must_use]
pub fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes any key");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The first 8 bytes of [`mac`].
#[must_use]
pub fn mac8(key: &[u8], parts: &[&[u8]]) -> [u8; 8] {
    let full = mac(key, parts);
    let mut out = [0; 8];
    out.copy_from_slice(&full[..8]);
    out
}

/// SHA-256 over the concatenation of `parts`.
#[must_use]
pub fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kdf_is_hkdf_sha256() {
        // RFC 5869, test case 3: 22 times 0x0b, no salt, no info, 42 bytes.
        let out = kdf::<42>(&[0x0b; 22], &[], "");
        assert_eq!(
            hex::encode(out),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        );
        assert_ne!(kdf::<32>(b"k", b"", "a"), kdf::<32>(b"k", b"", "b"));
        assert_ne!(kdf::<32>(b"k", b"s", "a"), kdf::<32>(b"k", b"", "a"));
    }

    #[test]
    fn mac_is_hmac_sha256_of_the_concatenation() {
        // RFC 4231, test case 2, given in pieces.
        let full = mac(b"Jefe", &[b"what do ya want ", b"", b"for nothing?"]);
        assert_eq!(
            hex::encode(full),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(mac8(b"Jefe", &[b"what do ya want for nothing?"]), full[..8]);
    }

    #[test]
    fn hash_is_sha256_of_the_concatenation() {
        // FIPS 180-2, "abc".
        assert_eq!(
            hex::encode(hash(&[b"a", b"bc"])),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
