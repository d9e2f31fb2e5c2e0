//! §§5, 6 and 10: envelopes, bundles and files of them.

use bytes::Bytes;
use hex::encode;
use prost::Message;
use serde_json::{Value, json};
use sovereign_protocol::{
    crypto::hash,
    id::{ChannelId, DeviceId, MessageId},
    identity::{Identity, Signer},
    message::{
        Bundle, Draft, Envelope, Kind, ParentId, SizeClass, archive, bundle, text::TextBody,
    },
    wire::v1::EnvelopeBody,
};

const AUTHOR_SEED: [u8; 32] = [1; 32];
const MESSAGE_KEY: [u8; 32] = [0x11; 32];
const TAG_KEY: [u8; 32] = [0x22; 32];
const NONCE: [u8; 16] = [0x33; 16];

fn signer() -> Signer {
    Identity::from_seed(AUTHOR_SEED).signer()
}

fn channel() -> ChannelId {
    super::channel::private().id()
}

fn draft() -> Draft {
    Draft {
        channel: channel(),
        epoch: 0,
        device: DeviceId([0x0a, 0x0b, 0x0c, 0x0d]),
        kind: Kind::Text,
        parents: vec![],
        sent_at_s: 1_800_000_000,
        lamport: 1,
        payload: text("hello", Some("Åsa")),
    }
}

fn text(body: &str, name: Option<&str>) -> Bytes {
    let (body, name) = (body.to_owned(), name.map(str::to_owned));
    TextBody { body, name }.encode().expect("a text")
}

/// Signs the draft and adds it to the vectors.
fn add(cases: &mut Vec<Value>, draft: Draft) -> MessageId {
    let bytes = draft.clone().sign(&signer()).expect("signed");
    let read = Envelope::verify(&bytes, draft.channel, draft.epoch).expect("verified");
    let said = [&bytes[..32], &bytes[96..]].concat();
    assert_eq!(read.id.0, hash(&[b"sovereign/v1/message-id\0", &said]));
    let parents: Vec<String> = draft.parents.iter().map(ParentId::to_string).collect();
    cases.push(json!({
        "author_seed": encode(AUTHOR_SEED), "author": read.author.to_string(),
        "channel": draft.channel.to_string(), "epoch": draft.epoch,
        "device": draft.device.to_string(), "type": i32::from(draft.kind),
        "parents": parents, "sent_at_s": draft.sent_at_s, "lamport": draft.lamport,
        "payload": encode(&draft.payload),
        "envelope": encode(&bytes), "message_id": read.id.to_string(),
    }));
    read.id
}

/// Signed by the author whatever it says.
fn signed(change: impl FnOnce(&mut EnvelopeBody)) -> Vec<u8> {
    let honest = draft().sign(&signer()).expect("signed");
    let mut body = EnvelopeBody::decode(&honest[96..]).expect("a body");
    change(&mut body);
    let said = [&signer().author().0[..], &body.encode_to_vec()].concat();
    let signature = signer().sign("sovereign/v1/envelope", &said);
    [&said[..32], &signature, &said[32..]].concat()
}

#[test]
fn envelopes() {
    let mut cases = Vec::new();
    let first = add(&mut cases, draft());
    let reply = Draft {
        epoch: 2,
        parents: vec![first.into()],
        lamport: 2,
        payload: text("two\nlines", None),
        ..draft()
    };
    let second = add(&mut cases, reply);
    let mut parents: Vec<ParentId> = vec![first.into(), second.into()];
    parents.sort_unstable();
    let receipt = Draft {
        epoch: 2,
        kind: Kind::Receipt,
        parents: parents.clone(),
        lamport: 3,
        payload: Bytes::new(),
        ..draft()
    };
    add(&mut cases, receipt);
    let unknown = Draft {
        epoch: u32::MAX,
        kind: Kind::Other(77),
        parents,
        lamport: 1 << 53,
        payload: Bytes::from_static(&[0x00, 0xff]),
        ..draft()
    };
    add(&mut cases, unknown);

    let ids =
        |ids: &[u8]| -> Vec<Bytes> { ids.iter().map(|id| Bytes::from(vec![*id; 16])).collect() };
    let with_parents = |lamport: u64, parents: Vec<Bytes>| {
        signed(|body| (body.lamport, body.parents) = (lamport, parents))
    };
    assert!(Envelope::verify(&signed(|_| ()), channel(), 0).is_ok());
    assert!(Envelope::verify(&with_parents(2, ids(&[1])), channel(), 0).is_ok());
    let mut forged = signed(|_| ());
    forged[40] ^= 1;
    let refused = [
        ("the signature", forged),
        (
            "another channel",
            signed(|body| body.channel = ids(&[0])[0].clone()),
        ),
        ("another epoch", signed(|body| body.epoch = 1)),
        ("no type", signed(|body| body.r#type = 0)),
        ("lamport 0", signed(|body| body.lamport = 0)),
        ("lamport 2 without parents", signed(|body| body.lamport = 2)),
        ("lamport 1 with a parent", with_parents(1, ids(&[1]))),
        ("lamport above 2^53", with_parents((1 << 53) + 1, ids(&[1]))),
        ("five parents", with_parents(9, ids(&[1, 2, 3, 4, 5]))),
        ("parents not ascending", with_parents(9, ids(&[2, 1]))),
        ("a parent twice", with_parents(9, ids(&[1, 1]))),
        (
            "a parent of 15 bytes",
            with_parents(9, vec![Bytes::from_static(&[1; 15])]),
        ),
    ]
    .map(|(why, bytes)| {
        assert!(Envelope::verify(&bytes, channel(), 0).is_err(), "{why}");
        json!({"why": why, "channel": channel().to_string(), "epoch": 0, "envelope": encode(bytes)})
    });
    super::check(
        "envelope.json",
        &json!({"envelopes": cases, "refused": refused}),
    );
}

/// A bundle of the bytes 0, 1, 2 … 255, 0, 1 …
fn counting(len: usize) -> Bundle {
    let envelope: Vec<u8> = (0..=255).cycle().take(len).collect();
    let sealed = bundle::seal(&envelope, &MESSAGE_KEY, &TAG_KEY, NONCE).expect("fits");
    let opened = bundle::open(&sealed, &MESSAGE_KEY).expect("opens");
    assert_eq!(opened[..], envelope);
    sealed
}

#[test]
fn bundles() {
    let cases = SizeClass::ALL.map(|class| {
        let sealed = counting(class.capacity());
        assert_eq!(sealed.class(), class);
        json!({
            "class": class.byte(), "size": class.size(), "envelope_len": class.capacity(),
            "tag": encode(sealed.tag()), "commitment": encode(&sealed.as_bytes()[26..58]),
            "content_id": sealed.content_id().to_string(), "bundle": encode(sealed.as_bytes()),
        })
    });
    let padded = counting(100);
    let changed = |at: usize| {
        let mut bytes = padded.as_bytes().to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let refused = [
        ("version", changed(0)),
        ("class", changed(1)),
        ("nonce", changed(2)),
        ("tag", changed(18)),
        ("commitment", changed(26)),
        ("ciphertext", changed(58)),
        ("Poly1305 tag", changed(255)),
        ("size", padded.as_bytes()[..255].to_vec()),
    ]
    .map(|(why, bytes)| {
        let accepted = Bundle::parse(bytes.clone().into()).is_ok_and(|bundle| {
            bundle.tagged_by(&TAG_KEY) && bundle::open(&bundle, &MESSAGE_KEY).is_ok()
        });
        assert!(!accepted, "{why}");
        json!({"why": why, "bundle": encode(bytes)})
    });
    let two_keys = hex::decode(include_str!("../../src/message/bundle/two_keys.hex").trim());
    let two_keys = Bundle::parse(two_keys.expect("hex").into()).expect("well formed");
    let (opens, refuses) = ([1; 32], [9; 32]);
    assert!(bundle::open(&two_keys, &opens).is_ok());
    assert!(bundle::open(&two_keys, &refuses).is_err());
    super::check(
        "bundle.json",
        &json!({
            "message_key": encode(MESSAGE_KEY), "tag_key": encode(TAG_KEY), "nonce": encode(NONCE),
            "envelope": "byte i is i mod 256", "bundles": cases,
            "padded": {"envelope_len": 100, "bundle": encode(padded.as_bytes())},
            "two_keys": {
                "why": "the ciphertext decrypts under both keys; the commitment is to one",
                "opens": encode(opens), "refuses": encode(refuses),
                "bundle": encode(two_keys.as_bytes()),
            },
            "refused": refused,
        }),
    );
}

#[test]
fn archives() {
    let record = |len: usize, age_s| archive::Record {
        bundle: counting(len),
        age_s,
        lifetime_s: bundle::MAX_LIFETIME_S,
    };
    let all = [record(5, 0), record(300, 86_400)];
    let mut file = Vec::new();
    let mut writer = archive::Writer::start(&mut file);
    for record in &all {
        writer.record(record, &mut file).expect("written");
    }
    writer.finish(&mut file);
    let read: Result<Vec<_>, _> = archive::records(&file).collect();
    assert_eq!(read.expect("read"), all);
    let cut: Vec<_> = archive::records(&file[..file.len() - 1]).collect();
    assert_eq!(cut.last(), Some(&Err(archive::ArchiveError::Truncated(2))));
    let records = all.map(|record| {
        json!({
            "age_s": record.age_s, "lifetime_s": record.lifetime_s,
            "content_id": record.bundle.content_id().to_string(),
        })
    });
    super::check(
        "archive.json",
        &json!({"records": records, "file": encode(&file)}),
    );
}
