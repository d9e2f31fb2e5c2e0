//! The vectors of docs/protocol.md §7, `tests/vectors/link.json`: made by another program, from the text.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use bytes::Bytes;
use serde_json::Value;
use sovereign_protocol::{
    id::TransportId,
    identity::Transcript,
    link::{
        Incoming, SLOW_CREDIT, Session, SessionConfig,
        frame::{self, Body},
        session_id,
    },
    link_kind::Role,
    time::Now,
    wire::v1::{
        Close, Credit, Delivered, Done, Extension, Gone, Have, Hello, Membership, More, Part, Ping,
        Pong, Summary, Symbols, Want,
    },
};

fn vectors(section: &str) -> Vec<Value> {
    let text = include_str!("../../../tests/vectors/link.json");
    let all: Value = serde_json::from_str(text).expect("the vectors are JSON");
    let list = all[section].as_array().expect("a list of vectors").clone();
    assert!(!list.is_empty());
    list
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

fn number(value: &Value, key: &str) -> u32 {
    let number = value[key].as_u64().expect("a number");
    u32::try_from(number).expect("of 32 bits")
}

fn flag(value: &Value, key: &str) -> bool {
    value[key].as_bool().expect("true or false")
}

fn bytes(value: &Value, key: &str) -> Bytes {
    hex::decode(text(value, key)).expect("hex").into()
}

fn array<const N: usize>(value: &Value, key: &str) -> [u8; N] {
    bytes(value, key)[..]
        .try_into()
        .expect("of the right length")
}

fn ids(value: &Value) -> Bytes {
    let ids = value["ids"].as_array().expect("a list of ids");
    let ids: Vec<u64> = ids
        .iter()
        .map(|id| id.as_u64().expect("a short id"))
        .collect();
    frame::pack_ids(&ids)
}

fn extension(value: &Value) -> Extension {
    Extension {
        id: number(value, "id"),
        critical: flag(value, "critical"),
        data: bytes(value, "data"),
    }
}

fn body(kind: &str, fields: &Value) -> Body {
    match kind {
        "hello" => Body::Hello(Hello {
            min_version: number(fields, "min_version"),
            max_version: number(fields, "max_version"),
            nonce: bytes(fields, "nonce"),
            capabilities: number(fields, "capabilities"),
            credit: number(fields, "credit"),
            extensions: fields["extensions"]
                .as_array()
                .expect("a list")
                .iter()
                .map(extension)
                .collect(),
        }),
        "summary" => Body::Summary(Summary {
            count: number(fields, "count"),
            fingerprint: bytes(fields, "fingerprint"),
            ids: ids(fields),
            more: flag(fields, "more"),
            estimate: bytes(fields, "estimate"),
        }),
        "symbols" => Body::Symbols(Symbols {
            start: number(fields, "start"),
            packed: bytes(fields, "packed"),
            more: flag(fields, "more"),
        }),
        "more" => Body::More(More {
            count: number(fields, "count"),
        }),
        "want" => Body::Want(Want { ids: ids(fields) }),
        "gone" => Body::Gone(Gone { ids: ids(fields) }),
        "have" => Body::Have(Have { ids: ids(fields) }),
        "delivered" => Body::Delivered(Delivered { ids: ids(fields) }),
        "part" => Body::Part(Part {
            stream: number(fields, "stream"),
            total: number(fields, "total"),
            age_s: number(fields, "age_s"),
            lifetime_s: number(fields, "lifetime_s"),
            data: bytes(fields, "data"),
        }),
        "done" => Body::Done(Done {}),
        "credit" => Body::Credit(Credit {
            bytes: number(fields, "bytes"),
        }),
        "membership" => Body::Membership(Membership {
            tags: bytes(fields, "tags"),
        }),
        "close" => Body::Close(Close {
            reason: i32::try_from(number(fields, "reason")).expect("small"),
        }),
        "ping" => Body::Ping(Ping {
            number: number(fields, "number"),
        }),
        "pong" => Body::Pong(Pong {
            number: number(fields, "number"),
        }),
        "extension" => Body::Extension(extension(fields)),
        other => panic!("no such kind: {other}"),
    }
}

/// The frame without its length, which is checked.
fn unframed(value: &Value) -> Bytes {
    let wire = bytes(value, "wire");
    let length = usize::from(u16::from_be_bytes([wire[0], wire[1]]));
    assert_eq!(length, wire.len() - frame::LENGTH_PREFIX);
    wire.slice(frame::LENGTH_PREFIX..)
}

#[test]
fn frames_are_written_and_read_as_in_the_vectors() {
    let mut kinds = std::collections::BTreeSet::new();
    for vector in vectors("frames") {
        let (name, kind) = (text(&vector, "name"), text(&vector, "kind"));
        let expected = body(kind, &vector["fields"]);
        let wire = unframed(&vector);
        assert_eq!(frame::decode(&wire).as_ref(), Ok(&expected), "{name}");
        assert_eq!(frame::encode(expected), Ok(wire), "{name}");
        kinds.insert(kind.to_owned());
    }
    assert_eq!(kinds.len(), 16, "every kind of frame");
}

#[test]
fn broken_frames_are_refused_as_in_the_vectors() {
    for vector in vectors("refused") {
        let kind = frame::decode(&bytes(&vector, "frame")).map_err(|error| error.word());
        assert_eq!(
            kind,
            Err(text(&vector, "kind")),
            "{}",
            text(&vector, "name")
        );
    }
}

#[test]
fn session_ids_are_those_of_the_vectors() {
    for vector in vectors("sessions") {
        let transcript = Transcript {
            dialer: TransportId(array(&vector, "dialer")),
            listener: TransportId(array(&vector, "listener")),
            dialer_nonce: array(&vector, "dialer_nonce"),
            listener_nonce: array(&vector, "listener_nonce"),
        };
        assert_eq!(session_id(&transcript), array(&vector, "session"));
    }
}

#[test]
fn a_session_reads_a_recorded_exchange() {
    // MSG-9: what version 1 wrote is read for ever.
    let now = Now {
        boot: core::time::Duration::from_secs(1),
        wall_ms: 0,
    };
    for (role, own, other) in [(Role::Dialer, 1, 2), (Role::Listener, 2, 1)] {
        let config = SessionConfig {
            discovery: None,
            role,
            local: TransportId([own; 32]),
            remote: TransportId([other; 32]),
            nonce: [own + 2; 16],
            capabilities: 3,
            slow: true,
            credit: SLOW_CREDIT,
        };
        let mut session = Session::new(config, now);
        session.start();
        let theirs = if role == Role::Dialer {
            "listener"
        } else {
            "dialer"
        };
        let mut heard = Vec::new();
        for vector in vectors("exchange") {
            if text(&vector, "from") == theirs {
                heard.extend(
                    session
                        .receive(&unframed(&vector), now)
                        .expect("no violation"),
                );
            }
        }
        let expected = session_id(&session.transcript().expect("both Hello"));
        assert!(
            matches!(heard[0], Incoming::Ready { session, version: 1, .. } if session == expected)
        );
        assert_eq!(
            hex::encode(expected),
            text(&vectors("sessions")[0], "session")
        );
        if role == Role::Dialer {
            assert!(matches!(heard[1], Incoming::Reconcile(Body::Summary(_))));
            assert_eq!(heard[2], Incoming::Done);
            let Incoming::Bundle {
                bytes,
                age_s: 5,
                lifetime_s: 60,
            } = &heard[3]
            else {
                panic!("{heard:?}");
            };
            assert_eq!(bytes.len(), 256);
        } else {
            assert_eq!(heard[1..], [Incoming::Want(vec![77]), Incoming::Done]);
        }
    }
}
