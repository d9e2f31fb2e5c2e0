//! `tests/vectors/reconcile.json` (MSG-6, docs/protocol.md §8): written by an independent
//! implementation beside it, so that others can follow the text alone.
#![allow(clippy::unwrap_used)]

use prost::Message as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sovereign_protocol::{
    id::ContentId,
    link_kind::Role,
    reconcile::{Reconciliation, SessionKey, SessionSet, ShortId, Step, riblt},
    wire::v1::{Frame, frame::Body},
};

#[derive(Deserialize)]
struct Vectors {
    session_id: String,
    short_ids: Vec<ShortIds>,
    indices: Vec<Indices>,
    sets: Vec<Set>,
    course: Course,
    small_summary: SmallSummary,
}

#[derive(Deserialize)]
struct ShortIds {
    content: String,
    share: String,
    short: String,
    check: String,
}

#[derive(Deserialize)]
struct Indices {
    check: String,
    below_16384: Vec<u64>,
}

#[derive(Deserialize)]
struct Set {
    first: u32,
    count: u32,
    fingerprint: String,
    estimate: String,
    symbols: String,
}

#[derive(Deserialize)]
struct Course {
    dialer: (u32, u32),
    listener: (u32, u32),
    summary: String,
    symbols: String,
    listener_lacks: Vec<String>,
    dialer_lacks: Vec<String>,
}

#[derive(Deserialize)]
struct SmallSummary {
    count: u32,
    frame: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../tests/vectors/reconcile.json")).unwrap()
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn key() -> SessionKey {
    SessionKey::new(&bytes(&vectors().session_id))
}

fn contents((from, to): (u32, u32)) -> Vec<ContentId> {
    (from..to)
        .map(|n| ContentId(Sha256::digest(n.to_be_bytes()).into()))
        .collect()
}

/// The only frame of these steps as it crosses the link.
fn frame(steps: &[Step]) -> String {
    let [Step::Send(body)] = steps else {
        panic!("one frame, not {steps:?}")
    };
    let encoded = Frame {
        body: Some(body.clone()),
    }
    .encode_to_vec();
    let length = u16::try_from(encoded.len()).unwrap();
    hex::encode([&length.to_be_bytes()[..], &encoded].concat())
}

fn body(text: &str) -> Body {
    let bytes = hex::decode(text).unwrap();
    Frame::decode(&bytes[2..]).unwrap().body.unwrap()
}

#[test]
fn short_ids() {
    for vector in vectors().short_ids {
        let content = ContentId(bytes(&vector.content));
        let share = key().share(&content);
        assert_eq!(hex::encode(share.to_le_bytes()), vector.share);
        let short = key().short(&content);
        assert_eq!(hex::encode(short.0.to_le_bytes()), vector.short);
        // A set of one id codes to its check's low half in symbol 0.
        let symbol = riblt::Encoder::new(&key(), [short]).symbols(0..1)[0];
        assert_eq!(hex::encode(symbol.check.to_le_bytes()), vector.check[..8]);
    }
}

#[test]
fn index_sequences() {
    for vector in vectors().indices {
        let mut mapping = riblt::Mapping::new(u64::from_le_bytes(bytes(&vector.check)));
        let mut indices = Vec::new();
        while mapping.index() < 16_384 {
            indices.push(mapping.index());
            mapping.advance();
        }
        assert_eq!(indices, vector.below_16384);
    }
}

#[test]
fn fingerprints_estimates_and_symbols() {
    for vector in vectors().sets {
        let set = SessionSet::new(key(), contents((vector.first, vector.first + vector.count)));
        assert_eq!(set.count(), vector.count);
        assert_eq!(
            hex::encode(set.fingerprint().to_le_bytes()),
            vector.fingerprint
        );
        assert_eq!(hex::encode(set.estimate().to_bytes()), vector.estimate);
        let mut encoder = riblt::Encoder::new(&key(), set.shorts());
        let (packed, rest) = riblt::pack(encoder.symbols(0..40));
        assert!(rest.is_empty());
        assert_eq!(hex::encode(packed), vector.symbols);
    }
}

#[test]
fn a_small_summary() {
    let vector = vectors().small_summary;
    let mut listener = Reconciliation::new(Role::Listener, key(), contents((0, vector.count)));
    assert_eq!(frame(&listener.start()), vector.frame);
}

#[test]
fn a_course_by_symbols() {
    let vector = vectors().course;
    let mut listener = Reconciliation::new(Role::Listener, key(), contents(vector.listener));
    assert_eq!(frame(&listener.start()), vector.summary);
    let mut dialer = Reconciliation::new(Role::Dialer, key(), contents(vector.dialer));
    let symbols = dialer.on_frame(&body(&vector.summary)).unwrap();
    assert_eq!(frame(&symbols), vector.symbols);
    let steps = listener.on_frame(&body(&vector.symbols)).unwrap();
    let [Step::Difference { lack, offer }, Step::Finished] = &steps[..] else {
        panic!("a difference, not {steps:?}")
    };
    let text = |id: &ShortId| hex::encode(id.0.to_le_bytes());
    assert!(lack.iter().map(text).eq(vector.listener_lacks));
    let offered = offer.iter().map(|content| text(&key().short(content)));
    assert!(offered.eq(vector.dialer_lacks));
}
