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
    // ChaCha20-Poly1305 commits to no key: this bundle's ciphertext was solved for so that it
    // decrypts under both message keys, to well-padded plaintexts. It commits to the first.
    let hex = include_str!("two_keys.hex").trim();
    let bytes = hex::decode(hex).expect("hex");
    let bundle = Bundle::parse(bytes.clone().into()).expect("well formed");
    let other = [9; 32];
    for key in [KEY, other] {
        let (key, _) = derive(&key, &bundle.nonce());
        let mut text = bytes[58..240].to_vec();
        let poly1305 = bytes[240..].try_into().expect("16 bytes");
        cipher(&key)
            .decrypt_inout_detached(
                &Default::default(),
                &bytes[..58],
                InOutBuf::from(&mut text[..]),
                poly1305,
            )
            .expect("decrypts under both");
        assert_eq!(text[181], PAD);
    }
    assert!(bundle.tagged_by(&TAG_KEY));
    assert!(open(&bundle, &KEY).is_ok());
    assert_eq!(open(&bundle, &other), Err(OpenError::Key));
}

#[test]
fn another_commitment_than_the_keys_is_refused() {
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
