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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [1; 32];
    const TAG_KEY: [u8; 32] = [2; 32];
    const AT: [u8; 16] = [3; 16];

    fn sealed(envelope: &[u8]) -> Bundle {
        seal(envelope, &KEY, &TAG_KEY, AT).expect("sealed")
    }

    /// A bundle whose plaintext, commitment and key need not belong together.
    fn crafted(class: SizeClass, plain: &[u8], key_of: &[u8; 32], commits_to: &[u8; 32]) -> Bundle {
        let (key, _) = derive(key_of, &AT);
        let (_, commitment) = derive(commits_to, &AT);
        let tag = tag(&TAG_KEY, &AT, &commitment);
        let aad = [&[1, class.byte()][..], &AT, &tag, &commitment].concat();
        let mut text = plain.to_vec();
        text.resize(class.size() - OVERHEAD, 0);
        let poly1305 = cipher(&key)
            .encrypt_inout_detached(&Default::default(), &aad, InOutBuf::from(&mut text[..]))
            .expect("short");
        Bundle::parse([&aad[..], &text, &poly1305].concat().into()).expect("well formed")
    }

    #[test]
    fn sizes_are_those_of_the_protocol() {
        let sizes = SizeClass::ALL.map(SizeClass::size);
        assert_eq!(sizes, [256, 512, 1_024, 4_096, 16_384]);
        assert_eq!((HEADER, OVERHEAD, MAX_ENVELOPE), (26, 74, 16_309));
        assert_eq!(MAX_LIFETIME.as_secs(), 604_800);
        for (index, class) in (0u8..).zip(SizeClass::ALL) {
            assert_eq!(class.byte(), index);
            assert_eq!(SizeClass::of_size(class.size()), Some(class));
            assert_eq!(SizeClass::of_size(class.size() + 1), None);
        }
    }

    #[test]
    fn the_smallest_class_that_fits_is_used() {
        for class in SizeClass::ALL {
            let bundle = sealed(&vec![0x80; class.capacity()]);
            assert_eq!((bundle.class(), bundle.size()), (class, class.size()));
            assert_eq!(bundle.as_bytes().len(), class.size());
            let over = seal(&vec![0; class.capacity() + 1], &KEY, &TAG_KEY, AT);
            match over {
                Ok(bundle) => assert_eq!(bundle.class() as u8, class as u8 + 1),
                Err(error) => assert_eq!(error, SealError::TooLong(MAX_ENVELOPE + 1)),
            }
        }
        assert_eq!(sealed(b"").class(), SizeClass::B256);
    }

    #[test]
    fn fields_stand_where_the_protocol_puts_them() {
        let bundle = sealed(b"hello");
        let bytes = bundle.as_bytes();
        assert_eq!(bytes[..2], [1, 0]);
        assert_eq!(bytes[2..18], bundle.nonce());
        assert_eq!(bundle.nonce(), AT);
        assert_eq!(bytes[18..26], bundle.tag());
        assert_eq!(
            bytes[26..58],
            kdf::<64>(&KEY, &AT, "sovereign/v1/bundle")[32..]
        );
        assert_eq!(
            bundle.tag(),
            mac8(&TAG_KEY, &[&bytes[2..18], &bytes[26..58]])
        );
        assert_eq!(bundle.content_id().0, hash(&[bytes]));
        let parsed = Bundle::parse(bytes.clone()).expect("well formed");
        assert_eq!(parsed.content_id(), bundle.content_id());
        assert!(parsed.tagged_by(&TAG_KEY) && !parsed.tagged_by(&KEY));
    }

    #[test]
    fn malformed_bytes_are_no_bundle() {
        let parse = |bytes: Vec<u8>| Bundle::parse(bytes.into());
        for size in [0, 1, 255, 257, 16_383, 16_385, 65_536] {
            assert_eq!(parse(vec![1; size]), Err(BundleError::Size(size)));
        }
        let mut bytes = vec![0; 512];
        assert_eq!(parse(bytes.clone()), Err(BundleError::Version(0)));
        bytes[0] = 2;
        assert_eq!(parse(bytes.clone()), Err(BundleError::Version(2)));
        bytes[..2].copy_from_slice(&[1, 0]);
        assert_eq!(parse(bytes.clone()), Err(BundleError::Class(0)));
        bytes[1] = 1;
        assert!(parse(bytes.clone()).is_ok());
        bytes[1] = 2;
        assert_eq!(parse(bytes), Err(BundleError::Class(2)));
    }

    #[test]
    fn only_the_key_it_commits_to_opens_it() {
        let bundle = sealed(b"hello");
        assert_eq!(open(&bundle, &KEY).expect("opened")[..], *b"hello");
        assert_eq!(open(&bundle, &[9; 32]), Err(OpenError::Key));
    }

    #[test]
    fn no_ciphertext_opens_under_two_keys() {
        // ChaCha20-Poly1305 alone commits to no key: a ciphertext that authenticates under two
        // can be made. Whichever of the two such a bundle commits to, the other is refused before
        // decryption, although its Poly1305 tag fits.
        let other = [9; 32];
        let plain = [&b"hello"[..], &[PAD]].concat();
        let bundle = crafted(SizeClass::B256, &plain, &KEY, &other);
        assert_eq!(open(&bundle, &KEY), Err(OpenError::Key));
        assert_eq!(open(&bundle, &other), Err(OpenError::Decrypt));
        let honest = crafted(SizeClass::B256, &plain, &KEY, &KEY);
        assert_eq!(honest, sealed(b"hello"));
        // One wrong bit anywhere in the commitment is enough.
        for bit in 0..256 {
            let mut bytes = honest.as_bytes().to_vec();
            bytes[HEADER + bit / 8] ^= 1 << (bit % 8);
            let wrong = Bundle::parse(bytes.into()).expect("well formed");
            assert_eq!(open(&wrong, &KEY), Err(OpenError::Key));
        }
    }

    #[test]
    fn padding_is_strict() {
        let opened = |class, plain: &[u8]| open(&crafted(class, plain, &KEY, &KEY), &KEY);
        let refused = Err(OpenError::Padding);
        assert_eq!(opened(SizeClass::B256, b""), refused, "zeros only");
        assert_eq!(opened(SizeClass::B256, b"hello"), refused, "no mark");
        assert_eq!(opened(SizeClass::B256, b"hello\x80\x01"), refused);
        assert_eq!(opened(SizeClass::B256, b"hello\x81"), refused);
        assert_eq!(
            opened(SizeClass::B256, b"a\x80\x80").expect("opened")[..],
            *b"a\x80",
            "the last mark counts"
        );
        // The smallest class that fits, at its bounds.
        let text = |len: usize| [vec![b'x'; len], vec![PAD]].concat();
        let capacity = SizeClass::B256.capacity();
        assert!(opened(SizeClass::B256, &text(capacity)).is_ok());
        assert_eq!(opened(SizeClass::B512, &text(capacity)), refused);
        assert!(opened(SizeClass::B512, &text(capacity + 1)).is_ok());
        assert_eq!(opened(SizeClass::K16, &text(5)), refused);
    }

    #[test]
    fn debug_shows_what_carriers_know() {
        let text = format!("{:?}", sealed(b"hello"));
        assert!(text.starts_with("Bundle(B256, ContentId("), "{text}");
    }

    proptest! {
        #[test]
        fn round_trip(envelope in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let bundle = sealed(&envelope);
            let parsed = Bundle::parse(bundle.as_bytes().clone()).expect("well formed");
            prop_assert_eq!(&open(&parsed, &KEY).expect("opened")[..], &envelope[..]);
        }

        #[test]
        fn any_flipped_bit_is_refused(len in 0usize..1_200, at in any::<proptest::sample::Index>()) {
            let bundle = sealed(&vec![7; len]);
            let mut bytes = bundle.as_bytes().to_vec();
            let bit = at.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(flipped) = Bundle::parse(bytes.into()) {
                prop_assert_ne!(flipped.content_id(), bundle.content_id());
                prop_assert!(!flipped.tagged_by(&TAG_KEY) || open(&flipped, &KEY).is_err());
                // Even where the tag is not looked at.
                prop_assert!(open(&flipped, &KEY).is_err());
            }
        }

        #[test]
        fn no_bytes_panic(seed in any::<[u8; 64]>(), class in 0usize..5, bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Bundle::parse(bytes.into());
            let mut bytes: Vec<u8> = seed.into_iter().cycle().take(SizeClass::ALL[class].size()).collect();
            bytes[..2].copy_from_slice(&[1, SizeClass::ALL[class].byte()]);
            let bundle = Bundle::parse(bytes.into()).expect("well formed");
            prop_assert_eq!(open(&bundle, &KEY), Err(OpenError::Key));
        }
    }
}
