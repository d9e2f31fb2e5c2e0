//! The bundle: a sealed envelope as carriers see it (§6, decision 8).

use core::{fmt, time::Duration};

use bytes::Bytes;
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    crypto::{hash, kdf, mac8},
    id::ContentId,
};

/// Size of the largest bundle, in bytes.
pub const MAX_BUNDLE: usize = 16_384;
/// Bytes before the commitment: version, class, nonce, tag.
pub const HEADER: usize = 1 + 1 + NONCE + TAG;
/// Bytes of a bundle that are not plaintext: header, commitment, Poly1305 tag.
pub const OVERHEAD: usize = AAD + POLY1305;
/// Longest envelope that a bundle holds: one byte of the plaintext is padding at least.
pub const MAX_ENVELOPE: usize = MAX_BUNDLE - OVERHEAD - 1;
/// Longest life of a bundle (MSG-5).
pub const MAX_LIFETIME: Duration = Duration::from_secs(MAX_LIFETIME_S as u64);
/// [`MAX_LIFETIME`] as it stands beside a bundle, in seconds.
pub const MAX_LIFETIME_S: u32 = 604_800;

const VERSION: u8 = 1;
const NONCE: usize = 16;
const TAG: usize = 8;
const COMMITMENT: usize = 32;
const AAD: usize = HEADER + COMMITMENT;
const POLY1305: usize = 16;
const PAD: u8 = 0x80;
const BUNDLE: &str = "sovereign/v1/bundle";

/// The five sizes a bundle can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SizeClass {
    /// 256 bytes.
    B256,
    /// 512 bytes.
    B512,
    /// 1,024 bytes.
    K1,
    /// 4,096 bytes.
    K4,
    /// 16,384 bytes.
    K16,
}

impl SizeClass {
    /// All classes, smallest first: the index is the byte on the wire.
    pub const ALL: [Self; 5] = [Self::B256, Self::B512, Self::K1, Self::K4, Self::K16];

    /// Size of the whole bundle in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::B256 => 256,
            Self::B512 => 512,
            Self::K1 => 1_024,
            Self::K4 => 4_096,
            Self::K16 => MAX_BUNDLE,
        }
    }

    /// Longest envelope that the class holds, in bytes.
    #[must_use]
    pub const fn capacity(self) -> usize {
        self.size() - OVERHEAD - 1
    }

    /// The class that an envelope of `len` bytes has to use; `None` if it fits none.
    #[must_use]
    pub fn fitting(len: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|class| len <= class.capacity())
    }

    /// The class of a bundle of exactly `size` bytes.
    #[must_use]
    pub fn of_size(size: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.size() == size)
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        self as u8
    }
}

/// Why bytes are no bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// None of the five sizes.
    #[error("a bundle has 256, 512, 1024, 4096 or 16384 bytes, not {0}")]
    Size(usize),
    /// Another version of the format.
    #[error("bundle format {0} is not supported")]
    Version(u8),
    /// The class byte is not the one of the size.
    #[error("size class {0} does not fit the bundle's size")]
    Class(u8),
}

/// Why an envelope was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Longer than [`MAX_ENVELOPE`].
    #[error("an envelope has at most {MAX_ENVELOPE} bytes, not {0}")]
    TooLong(usize),
}

/// Why a bundle was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The tag is not the channel's: somebody else's bundle.
    #[error("not a bundle of this channel")]
    Tag,
    /// The commitment is not the one of this key: another epoch.
    #[error("sealed under another key")]
    Key,
    /// The right key, but the ciphertext was changed.
    #[error("the bundle does not decrypt")]
    Decrypt,
    /// Padded otherwise than the protocol says, or in too large a class.
    #[error("the bundle's padding is wrong")]
    Padding,
}

/// A well-formed bundle. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Bundle {
    bytes: Bytes,
    class: SizeClass,
    id: ContentId,
}

impl Bundle {
    /// Checks version, class and size.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn parse(bytes: Bytes) -> Result<Self, BundleError> {
        let class = SizeClass::of_size(bytes.len()).ok_or(BundleError::Size(bytes.len()))?;
        if bytes[0] != VERSION {
            return Err(BundleError::Version(bytes[0]));
        }
        if bytes[1] != class.byte() {
            return Err(BundleError::Class(bytes[1]));
        }
        let id = ContentId(hash(&[&bytes]));
        Ok(Self { bytes, class, id })
    }

    /// SHA-256 of the bytes; computed once.
    #[must_use]
    pub fn content_id(&self) -> ContentId {
        self.id
    }

    /// The bytes as they travel and are stored.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The random nonce.
    #[must_use]
    pub fn nonce(&self) -> [u8; NONCE] {
        self.array(2)
    }

    /// The tag by which members find their channel's bundles.
    #[must_use]
    pub fn tag(&self) -> [u8; TAG] {
        self.array(2 + NONCE)
    }

    /// The size class.
    #[must_use]
    pub fn class(&self) -> SizeClass {
        self.class
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.class.size()
    }

    /// Whether the tag was made with `tag_key`. Takes the same time wherever it differs.
    #[must_use]
    pub fn tagged_by(&self, tag_key: &[u8; 32]) -> bool {
        let expected = tag(tag_key, &self.nonce(), &self.commitment());
        expected.ct_eq(&self.tag()).into()
    }

    fn commitment(&self) -> [u8; COMMITMENT] {
        self.array(HEADER)
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes[at..at + N]);
        out
    }
}

impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bundle({:?}, {:?})", self.class, self.id)
    }
}

/// Seals an envelope. A nonce must be used once only with a message key; random ones of 16 bytes
/// are.
///
/// # Errors
/// [`SealError::TooLong`].
///
/// # Panics
/// Never: the plaintext is far below ChaCha20's limit.
pub fn seal(
    envelope: &[u8],
    message_key: &[u8; 32],
    tag_key: &[u8; 32],
    nonce: [u8; NONCE],
) -> Result<Bundle, SealError> {
    let class = SizeClass::fitting(envelope.len()).ok_or(SealError::TooLong(envelope.len()))?;
    let (key, commitment) = derive(message_key, &nonce);
    let mut bytes = Vec::with_capacity(class.size());
    bytes.extend_from_slice(&[VERSION, class.byte()]);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&tag(tag_key, &nonce, &commitment));
    bytes.extend_from_slice(&commitment);
    // The plaintext is encrypted where it is written: no copy of it stays behind.
    bytes.extend_from_slice(envelope);
    bytes.push(PAD);
    bytes.resize(class.size() - POLY1305, 0);
    let (aad, text) = bytes.split_at_mut(AAD);
    let poly1305 = cipher(&key)
        .encrypt_inout_detached(&Default::default(), aad, InOutBuf::from(text))
        .expect("a bundle is far below the limit of ChaCha20");
    bytes.extend_from_slice(&poly1305);
    let id = ContentId(hash(&[&bytes]));
    Ok(Bundle {
        bytes: Bytes::from(bytes),
        class,
        id,
    })
}

/// Opens a bundle with one message key and returns the envelope in it.
///
/// # Errors
/// [`OpenError::Key`] unless the bundle commits to this key, [`OpenError::Decrypt`] and
/// [`OpenError::Padding`] for a bundle that no honest member made.
pub fn open(bundle: &Bundle, message_key: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (key, commitment) = derive(message_key, &bundle.nonce());
    if !bool::from(commitment.ct_eq(&bundle.commitment())) {
        return Err(OpenError::Key);
    }
    let (aad, sealed) = bundle.bytes.split_at(AAD);
    let (text, poly1305) = sealed.split_at(sealed.len() - POLY1305);
    let mut plain = Zeroizing::new(text.to_vec());
    let poly1305 = poly1305.try_into().map_err(|_| OpenError::Decrypt)?;
    cipher(&key)
        .decrypt_inout_detached(
            &Default::default(),
            aad,
            InOutBuf::from(&mut plain[..]),
            poly1305,
        )
        .map_err(|_| OpenError::Decrypt)?;
    let end = plain.iter().rposition(|&byte| byte != 0);
    let end = end
        .filter(|&at| plain[at] == PAD)
        .ok_or(OpenError::Padding)?;
    if SizeClass::fitting(end) != Some(bundle.class) {
        return Err(OpenError::Padding);
    }
    plain.truncate(end);
    Ok(plain)
}

/// The key of one bundle, and the commitment to it that anyone may see.
fn derive(message_key: &[u8; 32], nonce: &[u8; NONCE]) -> (Zeroizing<[u8; 32]>, [u8; COMMITMENT]) {
    let both = Zeroizing::new(kdf::<64>(message_key, nonce, BUNDLE));
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&both[..32]);
    let mut commitment = [0; COMMITMENT];
    commitment.copy_from_slice(&both[32..]);
    (key, commitment)
}

/// It covers the commitment, so that a stranger cannot put a seen tag on a bundle that costs
/// members a search through all epochs.
fn tag(tag_key: &[u8; 32], nonce: &[u8; NONCE], commitment: &[u8; COMMITMENT]) -> [u8; TAG] {
    mac8(tag_key, &[nonce, commitment])
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.into())
}

#[cfg(test)]
mod tests;
