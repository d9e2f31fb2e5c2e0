use super::*;
use crate::identity::Identity;
use proptest::prelude::*;

const CHANNEL: ChannelId = ChannelId([5; 16]);
const EPOCH: u32 = 3;

fn alice() -> Signer {
    Identity::from_seed([1; 32]).signer()
}

fn draft() -> Draft {
    Draft {
        channel: CHANNEL,
        epoch: EPOCH,
        device: DeviceId([1, 2, 3, 4]),
        kind: Kind::Text,
        parents: vec![ParentId([1; 16]), ParentId([2; 16])],
        sent_at_s: u64::MAX,
        lamport: 7,
        payload: Bytes::from_static(b"hello"),
    }
}

fn body() -> EnvelopeBody {
    EnvelopeBody {
        channel: Bytes::from_static(&[5; 16]),
        epoch: EPOCH,
        r#type: 1,
        lamport: 1,
        ..EnvelopeBody::default()
    }
}

/// Signed by Alice, whatever the bytes are.
fn signed(encoded: &[u8]) -> Vec<u8> {
    let author = alice().author().0;
    let signature = alice().sign(DOMAIN, &[&author[..], encoded].concat());
    [&author[..], &signature, encoded].concat()
}

fn verify(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
    Envelope::verify(bytes, CHANNEL, EPOCH)
}

/// What both sides say to a body.
fn checked(body: &EnvelopeBody) -> Result<(), EnvelopeError> {
    let draft = Draft {
        channel: CHANNEL,
        epoch: EPOCH,
        device: DeviceId([0; 4]),
        kind: body.r#type.into(),
        parents: body
            .parents
            .iter()
            .filter_map(|id| id[..].try_into().ok().map(ParentId))
            .collect(),
        sent_at_s: 0,
        lamport: body.lamport,
        payload: body.payload.clone(),
    };
    let verified = verify(&signed(&body.encode_to_vec())).map(|_| ());
    if draft.parents.len() == body.parents.len() {
        assert_eq!(draft.sign(&alice()).map(|_| ()), verified, "{body:?}");
    }
    verified
}

fn parents(ids: &[u8]) -> Vec<Bytes> {
    ids.iter().map(|id| Bytes::from(vec![*id; 16])).collect()
}

#[test]
fn round_trip() {
    let bytes = draft().sign(&alice()).expect("signed");
    let read = verify(&bytes).expect("verified");
    let encoded = &bytes[PREFIX..];
    assert_eq!(
        read,
        Envelope {
            id: MessageId(hash(&[b"sovereign/v1/message-id\0", &bytes[..32], encoded])),
            author: alice().author(),
            device: draft().device,
            channel: CHANNEL,
            epoch: EPOCH,
            kind: Kind::Text,
            parents: draft().parents,
            sent_at_s: u64::MAX,
            lamport: 7,
            payload: draft().payload,
        }
    );
    let decoded = EnvelopeBody::decode(encoded).expect("decodes");
    assert_eq!(
        decoded.device, 0x0102_0304,
        "device ids are big-endian numbers"
    );
    assert_eq!(ParentId::from(read.id).0, read.id.0[..16]);
    assert_eq!(ParentId([0xab; 16]).to_string(), "ab".repeat(16));
    assert_eq!(format!("{:?}", ParentId([0xab; 16])), "ParentId(abababab)");
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = draft().sign(&alice()).expect("signed");
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            verify(&flipped),
            Err(EnvelopeError::Signature(SignatureError)),
            "bit {bit}: authenticated before it is parsed"
        );
    }
}

#[test]
fn the_signature_is_the_authors_for_this_purpose() {
    let encoded = body().encode_to_vec();
    let author = alice().author().0;
    let said = [&author[..], &encoded].concat();
    let with = |signature: [u8; 64]| verify(&[&author[..], &signature, &encoded].concat());
    assert!(with(alice().sign(DOMAIN, &said)).is_ok());
    assert!(with(alice().sign("sovereign/v1/proof", &said)).is_err());
    assert!(
        with(alice().sign(DOMAIN, &encoded)).is_err(),
        "the author is covered"
    );
    let mallory = Identity::from_seed([2; 32]).signer();
    assert!(with(mallory.sign(DOMAIN, &said)).is_err());
}

#[test]
fn length_is_bounded() {
    let length = |len| Err(EnvelopeError::Length(len));
    assert_eq!(verify(&[]), length(0));
    assert_eq!(verify(&signed(&[])), length(96));
    assert_eq!(verify(&vec![0; MAX_ENVELOPE + 1]), length(MAX_ENVELOPE + 1));
    let with = |payload: usize| {
        let payload = Bytes::from(vec![0; payload]);
        Draft { payload, ..draft() }.sign(&alice())
    };
    let room = MAX_ENVELOPE - with(16_000).expect("signed").len();
    let longest = with(16_000 + room).expect("signed");
    assert_eq!(longest.len(), MAX_ENVELOPE);
    assert!(verify(&longest).is_ok());
    assert_eq!(
        with(16_001 + room),
        Err(EnvelopeError::Length(MAX_ENVELOPE + 1))
    );
}

#[test]
fn a_signed_body_still_has_to_decode() {
    assert_eq!(verify(&signed(b"\xff")), Err(EnvelopeError::Malformed));
    // Fields of later versions are covered by the signature and survive it (MSG-9).
    let mut extended = body().encode_to_vec();
    extended.extend_from_slice(&[0xa0, 0x06, 0x01]);
    assert!(verify(&signed(&extended)).is_ok());
}

#[test]
fn it_belongs_to_the_key_it_was_sealed_under() {
    // MSG-2: channel and epoch are inside the signature.
    let bytes = draft().sign(&alice()).expect("signed");
    let elsewhere = Envelope::verify(&bytes, ChannelId([6; 16]), EPOCH);
    assert_eq!(elsewhere, Err(EnvelopeError::Channel));
    let later = Envelope::verify(&bytes, CHANNEL, EPOCH + 1);
    assert_eq!(later, Err(EnvelopeError::Epoch(EPOCH)));
    let mut short = body();
    short.channel.truncate(15);
    assert_eq!(
        verify(&signed(&short.encode_to_vec())),
        Err(EnvelopeError::Channel)
    );
}

#[test]
fn unknown_kinds_are_kept_and_none_is_refused() {
    let kind = |number| {
        let body = EnvelopeBody {
            r#type: number,
            ..body()
        };
        checked(&body).map(|()| verify(&signed(&body.encode_to_vec())).expect("ok").kind)
    };
    assert_eq!(kind(0), Err(EnvelopeError::Kind));
    assert_eq!(kind(1), Ok(Kind::Text));
    assert_eq!(kind(2), Ok(Kind::Receipt));
    assert_eq!(kind(3), Ok(Kind::Other(3)));
    assert_eq!(kind(-1), Ok(Kind::Other(-1)));
    assert_eq!(i32::from(Kind::Receipt), 2);
}

#[test]
fn parents_are_few_ascending_and_different() {
    let with = |parents| {
        checked(&EnvelopeBody {
            parents,
            lamport: 9,
            ..body()
        })
    };
    assert_eq!(with(parents(&[1])), Ok(()));
    assert_eq!(with(parents(&[1, 2, 3, 4])), Ok(()));
    let refused = Err(EnvelopeError::Parents);
    assert_eq!(with(parents(&[1, 2, 3, 4, 5])), refused);
    assert_eq!(with(parents(&[2, 1])), refused);
    assert_eq!(with(parents(&[1, 1])), refused);
    assert_eq!(with(vec![Bytes::from_static(&[1; 15])]), refused);
    assert_eq!(with(vec![Bytes::from_static(&[1; 17])]), refused);
}

#[test]
fn lamport_counters_are_possible_ones() {
    // Attack 4: a poisoned clock.
    let with = |ids: &[u8], lamport| {
        checked(&EnvelopeBody {
            parents: parents(ids),
            lamport,
            ..body()
        })
    };
    let refused = |lamport| Err(EnvelopeError::Lamport(lamport));
    assert_eq!(with(&[], 0), refused(0));
    assert_eq!(with(&[], 1), Ok(()));
    assert_eq!(with(&[], 2), refused(2));
    assert_eq!(with(&[1], 0), refused(0));
    assert_eq!(with(&[1], 1), refused(1));
    assert_eq!(with(&[1], 2), Ok(()));
    assert_eq!(with(&[1], 1 << 53), Ok(()));
    assert_eq!(with(&[1], (1 << 53) + 1), refused((1 << 53) + 1));
    assert_eq!(with(&[1], u64::MAX), refused(u64::MAX));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(verify(&bytes).is_err());
        // A malicious author signs anything.
        let _ = verify(&signed(&bytes));
    }
}
