//! The vectors of docs/protocol.md §12, `tests/vectors/radio_stream.json`: made by another program, from the text.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use sovereign_protocol::radio::stream::{Ack, End, Frame, Reason, Stream};

use crate::air::ms;

const T: Duration = Duration::from_secs(100);

fn vectors() -> Value {
    let text = include_str!("../../../../tests/vectors/radio_stream.json");
    serde_json::from_str(text).expect("the vectors are JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    let list = value[key].as_array().expect("a list");
    assert!(!list.is_empty());
    list
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().expect("a number")
}

fn flag(value: &Value, key: &str) -> bool {
    value[key].as_bool().expect("true or false")
}

fn bytes(value: &Value, key: &str) -> Bytes {
    hex::decode(value[key].as_str().expect("a text"))
        .expect("hex")
        .into()
}

fn ack(value: &Value) -> Option<Ack> {
    let ack = &value["ack"];
    let early = ack.get("early")?.as_array().expect("a list");
    let next = number(ack, "next");
    let bit = |early: &Value| 1_u128 << (early.as_u64().unwrap() - next - 1);
    Some(Ack {
        next: next as u16,
        credit: number(ack, "credit") as u8,
        received: early.iter().map(bit).sum(),
    })
}

#[test]
fn frames_are_as_in_the_vectors() {
    let reasons = [
        Reason::Unspecified,
        Reason::Protocol,
        Reason::Timeout,
        Reason::Busy,
    ];
    let all = vectors();
    for vector in list(&all, "frames") {
        let expected = match vector["kind"].as_str() {
            Some("ack") => Frame::Ack {
                poll: flag(vector, "poll"),
                ack: ack(vector).unwrap(),
            },
            Some("reset") => Frame::Reset {
                reason: reasons[number(vector, "reason") as usize],
            },
            kind => Frame::Data {
                number: number(vector, "number") as u16,
                last: kind == Some("last"),
                poll: flag(vector, "poll"),
                ack: ack(vector),
                payload: bytes(vector, "payload"),
            },
        };
        let bytes = bytes(vector, "hex");
        assert_eq!(
            Frame::decode(&bytes).as_ref(),
            Ok(&expected),
            "{}",
            vector["name"]
        );
        assert_eq!(expected.encode(), bytes, "{}", vector["name"]);
    }
    let unknown = Frame::decode(&bytes(&all, "unknown_reason"));
    let reason = Reason::Unspecified;
    assert_eq!(unknown, Ok(Frame::Reset { reason }));
}

#[test]
fn frames_are_refused_as_in_the_vectors() {
    for vector in list(&vectors(), "refused") {
        let mut stream = Stream::new(182, T);
        assert!(
            stream.on_frame(&bytes(vector, "hex"), T).is_err(),
            "{}",
            vector["name"]
        );
        let refused = stream.stats().refused;
        let counter = match vector["counter"].as_str() {
            Some("length") => refused.length,
            Some("malformed") => refused.malformed,
            Some("window") => refused.window,
            Some("unsent") => refused.unsent,
            other => panic!("{other:?}"),
        };
        assert_eq!((counter, refused.total()), (1, 1), "{}", vector["name"]);
    }
}

#[test]
fn arrivals_are_acknowledged_as_in_the_vectors() {
    for vector in list(&vectors(), "arrivals") {
        let mut stream = Stream::new(182, T);
        for number in list(vector, "numbers") {
            let frame = Frame::Data {
                number: number.as_u64().unwrap() as u16,
                last: false,
                poll: false,
                ack: None,
                payload: Bytes::from_static(b"x"),
            };
            stream.on_frame(&frame.encode(), T).unwrap();
        }
        let answer = stream.poll_transmit(T + ms(100));
        assert_eq!(answer, Some(bytes(vector, "ack")), "{vector}");
    }
}

#[test]
fn a_stream_goes_as_in_the_vectors() {
    let mut stream = Stream::new(20, T);
    for step in list(&vectors(), "course") {
        let now = T + ms(number(step, "at_ms"));
        let bytes = bytes(step, "hex");
        stream.on_timeout(now);
        match step["what"].as_str() {
            Some("write") => assert_eq!(stream.write(&bytes, now), bytes.len()),
            Some("in") => assert_eq!(stream.on_frame(&bytes, now), Ok(())),
            Some("out") => assert_eq!(stream.poll_transmit(now), Some(bytes), "{step}"),
            Some("quiet") => assert_eq!(stream.poll_transmit(now), None, "{step}"),
            Some("read") => {
                let mut buf = [0; 64];
                let len = stream.read(&mut buf);
                assert_eq!(&buf[..len], bytes, "{step}");
            }
            Some("close") => stream.close(now),
            Some("finished") => assert_eq!(stream.end(), Some(End::Finished)),
            other => panic!("{other:?}"),
        }
    }
    assert!(stream.at_end());
}
