use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn header() -> Header {
    Header {
        sovereign_recording: VERSION,
        scenario: "small".to_owned(),
        fidelity: "policy".to_owned(),
        seed: u64::MAX,
        duration_ms: 60_000,
        people: 3,
        groups: vec![("people".to_owned(), 3)],
        channels: vec![("#all".to_owned(), 3)],
    }
}

fn said(at_ms: u64, message: u32) -> Record {
    let what = What::Said {
        message,
        channel: 0,
        bytes: 10,
    };
    Record {
        at_ms,
        who: 1,
        what,
    }
}

fn written(records: &[Record]) -> (Vec<u8>, TraceHash) {
    let mut writer = Writer::new(Vec::new(), &header()).unwrap();
    for record in records {
        writer.take(record).unwrap();
    }
    assert_eq!(writer.records(), records.len() as u64);
    writer.finish(60_000).unwrap()
}

fn read(bytes: &[u8]) -> Result<Vec<Record>, RecordingError> {
    Reader::new(Cursor::new(bytes))?.collect()
}

/// Each kind of record once, in an order that can have happened.
fn each() -> Vec<Record> {
    let (x, y, medium) = (-15, i32::MAX, Medium::Ble);
    let spent = Spent {
        profile_ms: [1, 2, u64::MAX],
        ..Spent::default()
    };
    let kinds = [
        What::Placed { x, y },
        What::Walks { x, y, until: 7 },
        What::On,
        What::Internet { on: true },
        What::Lan { lan: 0, on: false },
        What::LinkUp {
            with: 2,
            medium,
            dbm: Some(-70),
        },
        What::LinkUp {
            with: 2,
            medium: Medium::Lan,
            dbm: None,
        },
        What::Said {
            message: 0,
            channel: 0,
            bytes: 1,
        },
        What::Refused { channel: 0 },
        What::Copy {
            message: 0,
            from: 2,
            again: true,
        },
        What::Delivered { message: 0 },
        What::Acknowledged { message: 0 },
        What::LinkDown {
            with: 2,
            medium: Medium::Internet,
        },
        What::Spent(Box::new(spent)),
        What::Off { why: OffWhy::Empty },
    ];
    let record = |(at_ms, what)| Record {
        at_ms,
        who: 0,
        what,
    };
    (0..).zip(kinds).map(record).collect()
}

#[test]
fn what_was_written_is_read() {
    // SIM-2.
    let (bytes, hash) = written(&each());
    let mut reader = Reader::new(Cursor::new(&bytes)).unwrap();
    assert_eq!(reader.header(), &header());
    let records: Result<Vec<Record>, RecordingError> = reader.by_ref().collect();
    assert_eq!(records.unwrap(), each());
    let footer = reader.footer().unwrap();
    assert_eq!((footer.records, footer.end_ms), (15, 60_000));
    assert_eq!(footer.trace, hash.to_string());
    assert!(reader.next().is_none());
}

#[test]
fn a_record_is_a_short_line() {
    let (bytes, _) = written(&[said(5, 0)]);
    let text = String::from_utf8(bytes).unwrap();
    let line = r#"{"t":5,"p":1,"e":"said","message":0,"channel":0,"bytes":10}"#;
    assert_eq!(text.lines().nth(1), Some(line));
}

#[test]
fn the_hash_is_of_all_lines_before_the_last() {
    let (bytes, hash) = written(&each());
    let last = bytes[..bytes.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap();
    use sha2::Digest as _;
    assert_eq!(
        hash.0,
        <[u8; 32]>::from(sha2::Sha256::digest(&bytes[..=last]))
    );
    assert_ne!(hash, written(&each()[..14]).1);
}

#[test]
fn what_cannot_have_happened_is_refused() {
    let at = |what| Record {
        at_ms: 9,
        who: 0,
        what,
    };
    let from = |message, from| {
        at(What::Copy {
            message,
            from,
            again: false,
        })
    };
    for (records, fault) in [
        (vec![said(5, 0), said(4, 1)], "earlier"),
        (vec![said(32 * 86_400_000, 0)], "later than any"),
        (vec![said(5, 1)], "not numbered in order"),
        (vec![said(5, 0), said(5, 0)], "not numbered in order"),
        (
            vec![Record {
                who: 3,
                ..said(5, 0)
            }],
            "not there",
        ),
        (
            vec![at(What::LinkUp {
                with: 3,
                medium: Medium::Ble,
                dbm: None,
            })],
            "not there",
        ),
        (
            vec![at(What::LinkDown {
                with: 3,
                medium: Medium::Ble,
            })],
            "not there",
        ),
        (vec![said(5, 0), from(0, 3)], "not there"),
        (vec![said(5, 0), from(1, 2)], "nobody wrote"),
        (vec![at(What::Delivered { message: 0 })], "nobody wrote"),
        (vec![at(What::Acknowledged { message: 0 })], "nobody wrote"),
        (
            vec![at(What::Said {
                message: 0,
                channel: 1,
                bytes: 1,
            })],
            "a channel that",
        ),
        (vec![at(What::Refused { channel: 1 })], "a channel that"),
    ] {
        let error = read(&written(&records).0).unwrap_err();
        assert!(error.to_string().contains(fault), "{fault}: {error}");
    }
    assert!(read(&written(&[said(31 * 86_400_000, 0)]).0).is_ok());
}

#[test]
fn corruption_is_told_from_an_early_end() {
    let (bytes, _) = written(&each());
    for cut in 0..bytes.len() {
        let error = read(&bytes[..cut]).unwrap_err();
        let line = bytes[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
        match error {
            RecordingError::Header => assert!(line == 0),
            RecordingError::Truncated(after) => assert_eq!(after, line.max(1)),
            // The whole last line but its end.
            other => panic!("{cut}: {other}"),
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let swapped = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        read(text.replacen(from, to, 1).as_bytes()).unwrap_err()
    };
    assert!(matches!(
        swapped("\"x\":-15", "\"x\":-16"),
        RecordingError::Altered
    ));
    assert!(matches!(
        swapped("\"records\":15", "\"records\":14"),
        RecordingError::Altered
    ));
    assert!(matches!(
        swapped("\"e\":\"on\"", "\"e\":\"no\""),
        RecordingError::Line { line: 4, .. }
    ));
    assert!(matches!(
        swapped("recording\":1", "recording\":2"),
        RecordingError::Version(2)
    ));
    assert!(matches!(
        swapped("\"people\":3", "\"people\":4"),
        RecordingError::Header
    ));
    assert!(matches!(
        read(format!("{text}\n").as_bytes()),
        Err(RecordingError::Trailing)
    ));
    for no in ["", "\n", "{}\n", "[]\n", "null\n"] {
        assert!(
            matches!(read(no.as_bytes()), Err(RecordingError::Header)),
            "{no}"
        );
    }
}

#[test]
fn lines_are_bounded() {
    let (bytes, _) = written(&[]);
    let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    let mut long = bytes[..=first].to_vec();
    long.extend(vec![b' '; MAX_LINE as usize + 1]);
    let error = read(&long).unwrap_err().to_string();
    assert!(
        error.contains("line 2") && error.contains("too long"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn a_changed_byte_is_noticed(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let (mut bytes, _) = written(&each());
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        let end = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
        // The end of the run is not hashed.
        if at <= end {
            prop_assert!(read(&bytes).is_err());
        } else {
            let _ = read(&bytes);
        }
    }
}
