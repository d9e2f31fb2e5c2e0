use std::io::{Cursor, Write as _};

use sovereign_dashboard::play::{
    Dot, Had, MAX_CHANGES, MAX_MESSAGES, MAX_ROWS, MAX_WIRES, Medium as Over, Phone, Reached,
    What as Changed, Wire,
};

use super::*;
use crate::record::{Header, Medium, OffWhy, Record, Sink as _, Spent, VERSION, What, Writer};

pub(super) fn header() -> Header {
    Header {
        sovereign_recording: VERSION,
        scenario: "small".to_owned(),
        fidelity: "policy".to_owned(),
        seed: 1,
        duration_ms: 600_000,
        people: 4,
        groups: vec![("a".to_owned(), 3), ("b".to_owned(), 1)],
        channels: vec![("#all".to_owned(), 4)],
    }
}

fn at(at_ms: u64, who: u32, what: What) -> Record {
    Record { at_ms, who, what }
}

fn up(with: u32) -> What {
    What::LinkUp {
        with,
        medium: Medium::Ble,
        dbm: Some(-70),
    }
}

fn down(with: u32) -> What {
    let medium = Medium::Ble;
    What::LinkDown { with, medium }
}

fn said(message: u32) -> What {
    What::Said {
        message,
        channel: 0,
        bytes: 5,
    }
}

fn copy(message: u32, from: u32, again: bool) -> What {
    What::Copy {
        message,
        from,
        again,
    }
}

fn read(message: u32) -> What {
    What::Delivered { message }
}

/// Four people: 0 writes twice, 1 hands on, 2 sleeps meanwhile, 3 comes late.
fn records() -> Vec<Record> {
    let placed = |x| What::Placed { x, y: 0 };
    let walks = What::Walks {
        x: 100,
        y: 0,
        until: 20_000,
    };
    let spent = Spent {
        scan_ms: 3_600_000,
        ..Spent::default()
    };
    vec![
        at(0, 0, placed(0)),
        at(0, 0, What::On),
        at(0, 1, placed(50)),
        at(0, 1, What::On),
        at(0, 2, placed(90)),
        at(0, 2, What::On),
        at(1_000, 0, up(1)),
        at(2_000, 1, up(2)),
        at(5_000, 0, said(0)),
        at(6_000, 1, copy(0, 0, false)),
        at(6_000, 1, read(0)),
        at(7_000, 2, copy(0, 1, false)),
        at(7_500, 2, copy(0, 1, true)),
        at(9_000, 2, read(0)),
        at(10_000, 0, walks),
        at(11_000, 1, down(2)),
        at(12_000, 2, What::Off { why: OffWhy::Sleep }),
        at(13_000, 0, What::Internet { on: true }),
        at(61_000, 3, placed(-30)),
        at(61_000, 3, What::On),
        at(62_000, 3, up(0)),
        at(63_000, 3, copy(0, 3, false)),
        at(63_000, 3, read(0)),
        at(64_000, 0, said(1)),
        at(70_000, 0, What::Spent(Box::new(spent))),
    ]
}

fn written(header: &Header, records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), header).unwrap();
    for record in records {
        writer.take(record).unwrap();
    }
    writer.finish(120_000).unwrap().0
}

fn opened(header: &Header, records: &[Record]) -> Recording {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&written(header, records)).unwrap();
    Recording::open(file.path(), None).unwrap()
}

fn small() -> Recording {
    opened(&header(), &records())
}

/// Unpacks the answer that is meant.
macro_rules! look {
    ($recording:expr, $kind:ident, $look:expr) => {
        match $recording.answer($look).unwrap() {
            Seen::$kind(seen) => seen,
            other => panic!("{other:?}"),
        }
    };
}

fn frame(recording: &Recording, at_ms: u64) -> sovereign_dashboard::play::Frame {
    let person = None;
    look!(recording, Frame, Look::Frame { at_ms, person })
}

fn changes(recording: &Recording, from_ms: u64, to_ms: u64) -> sovereign_dashboard::play::Changes {
    let person = None;
    look!(
        recording,
        Changes,
        Look::Changes {
            from_ms,
            to_ms,
            person
        }
    )
}

#[test]
fn a_recording_says_what_it_is_of() {
    let recording = small();
    let about = recording.about();
    assert_eq!((about.people, about.drawn_every, about.messages), (4, 1, 2));
    assert_eq!((about.end_ms, about.duration_ms), (120_000, 600_000));
    assert_eq!((about.copies, about.delivered), (3, 3));
    assert_eq!(about.shows, None);
}

#[test]
fn names_are_cut_and_few_are_told() {
    let header = Header {
        scenario: "é".repeat(MAX_NAME + 1),
        groups: vec![("g".repeat(50_000), 4)],
        channels: vec![("c".to_owned(), 1); MAX_NAMES + 1],
        ..header()
    };
    let recording = opened(&header, &[]);
    let about = recording.about();
    assert_eq!(about.title.chars().count(), MAX_NAME);
    assert_eq!(about.groups[0].0.len(), MAX_NAME);
    assert_eq!(about.channels.len(), MAX_NAMES);
}

#[test]
fn what_is_not_there_is_said_to_be_missing() {
    let recording = small();
    for look in [
        Look::Person { who: 4 },
        Look::Spread { message: 2 },
        Look::Frame {
            at_ms: 0,
            person: Some(4),
        },
        Look::Changes {
            from_ms: 0,
            to_ms: 1,
            person: Some(u32::MAX),
        },
    ] {
        let error = recording.answer(look).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound, "{look:?}");
    }
}

#[test]
fn kept_states_are_bounded_and_answers_do_not_depend_on_them() {
    let all = records();
    let bytes = written(&header(), &all);
    let mut many = all.clone();
    let flips = (0..20_000).map(|number| {
        let what = if number % 2 == 0 { up(1) } else { down(1) };
        at(70_001 + number, 2, what)
    });
    many.extend(flips);
    let long = written(&header(), &many);
    let within = |states| {
        let bounds = Bounds {
            states,
            ..Bounds::default()
        };
        index::index(Cursor::new(&long), None, bounds).unwrap()
    };
    let marks = |states| within(states).marks;
    let free = marks(usize::MAX);
    assert_eq!(free.len(), 1 + many.len() / 4_096);
    let size = free[0].state.size();
    assert!(size > 0);
    let tight = marks(size);
    assert_eq!(tight.len(), 1);
    // Whichever state is begun at, the frame is the same.
    for kept in [1, 3 * size, usize::MAX] {
        let index = within(kept);
        let seen = look::frame(Cursor::new(&long), &index, &mut None, 85_000, None).unwrap();
        let index = within(usize::MAX);
        let expected = look::frame(Cursor::new(&long), &index, &mut None, 85_000, None).unwrap();
        assert_eq!(seen, expected, "{kept}");
    }
    let index = index::index(Cursor::new(&bytes), None, Bounds::default()).unwrap();
    // Two full minutes: deliveries after each.
    let delivered: Vec<_> = index
        .minutes
        .iter()
        .map(|minute| minute.delivered)
        .collect();
    assert_eq!(delivered, [2, 3]);
}

#[test]
fn what_is_broken_is_refused_by_name() {
    // Bad input of issue 5: a corrupt recording, each kind.
    let bytes = written(&header(), &records());
    let text = String::from_utf8(bytes.clone()).unwrap();
    let refused = |bytes: &[u8]| match index::index(Cursor::new(bytes), None, Bounds::default()) {
        Err(ViewError::Recording(error)) => error,
        other => panic!("{other:?}"),
    };
    let cut = text.trim_end().rfind('\n').unwrap();
    assert!(matches!(
        refused(&bytes[..=cut]),
        RecordingError::Truncated(26)
    ));
    assert!(matches!(
        refused(text.replace("-70", "-71").as_bytes()),
        RecordingError::Altered
    ));
    assert!(matches!(
        refused(text.replace("\"e\":\"said\"", "\"e\":\"sad\"").as_bytes()),
        RecordingError::Line { line: 10, .. }
    ));
    assert!(matches!(
        refused(text.replace("recording\":1", "recording\":7").as_bytes()),
        RecordingError::Version(7)
    ));
    assert!(matches!(refused(b"hello\n"), RecordingError::Header));
    let long = text.replacen("{\"t\":0", &format!("{}{{\"t\":0", " ".repeat(5_000)), 1);
    let error = refused(long.as_bytes()).to_string();
    assert!(error.contains("too long"), "{error}");
}

#[test]
fn a_file_that_changes_while_it_is_shown_is_noticed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&written(&header(), &records())).unwrap();
    let recording = Recording::open(file.path(), None).unwrap();
    file.as_file().set_len(400).unwrap();
    let error = recording.answer(Look::Frame {
        at_ms: 70_000,
        person: None,
    });
    assert_eq!(error.unwrap_err().kind, ErrorKind::BadFile);
    // Somebody who is not there, in a line that is in order.
    let bytes = written(&header(), &records());
    let index = index::index(Cursor::new(&bytes), None, Bounds::default()).unwrap();
    for (from, to) in [
        ("\"p\":3", "\"p\":4"),
        ("\"with\":2", "\"with\":9"),
        ("\"message\":1", "\"message\":2"),
    ] {
        let other = String::from_utf8(bytes.clone()).unwrap().replace(from, to);
        let seen = look::frame(Cursor::new(other), &index, &mut None, 100_000, None);
        assert!(matches!(seen, Err(ViewError::Changed)), "{to}");
    }
}

/// A scenario that is really run, with its decisions alone: its recording and its report.
fn really(scenario: &Scenario) -> (tempfile::NamedTempFile, crate::report::Report) {
    use crate::{policy, report::Both, report::Tally, world::World};
    let file = tempfile::NamedTempFile::new().unwrap();
    let header = Header::of(scenario, &World::new(scenario, 3), 3);
    let mut writer = Writer::new(file.reopen().unwrap(), &header).unwrap();
    let mut tally = Tally::new(scenario, 3);
    let mut sink = Both(&mut writer, &mut tally);
    let mut on = |_| std::ops::ControlFlow::Continue(());
    let ended = policy::run(scenario, 3, &mut on, &mut sink).unwrap();
    let end_ms = ended.progress.at.as_millis() as u64;
    writer.finish(end_ms).unwrap();
    (file, tally.report(end_ms))
}

#[test]
fn a_recorded_run_is_shown_with_the_figures_of_its_report() {
    let text = include_str!("../../../scenarios/campfire.toml").replace("full", "policy");
    let scenario = Scenario::parse(&text).unwrap();
    let (file, report) = really(&scenario);
    let recording = Recording::open(file.path(), Some(&scenario)).unwrap();
    assert_eq!(recording.0.index.report.as_ref(), Some(&report));
    let about = recording.about();
    assert_eq!(u64::from(about.messages), report.said);
    assert_eq!(about.shows.as_deref(), Some(&*scenario.shows));
    let mut copies = 0.0;
    let mut holders = 0.0;
    let mut read = 0;
    let mut strangers = 0;
    for message in 0..about.messages {
        let spread = look!(recording, Spread, Look::Spread { message });
        copies += f64::from(spread.copies);
        holders += f64::from(spread.written.holders);
        read += u64::from(spread.written.delivered);
        strangers += spread.reached.iter().filter(|row| row.2.is_none()).count();
        // Whoever handed it on had it before, and the way goes back to the author.
        for row in &spread.reached {
            let from = row.2.unwrap();
            let before = spread.reached.iter().find(|other| other.0 == from);
            let author = from == spread.written.author;
            assert!(author || before.is_some_and(|other| other.1 <= row.1));
        }
    }
    assert_eq!(report.delivery, 1.0);
    // All who are in the channel read everything: some of it after it was due.
    assert_eq!((read, strangers), (about.delivered, 0));
    assert!(read >= report.made);
    assert_eq!(read, report.said * 11);
    assert!((copies / holders - report.copies.unwrap()).abs() < 1e-9);
    // A person's messages are the spreads, from its side.
    let person = look!(recording, Person, Look::Person { who: 11 });
    assert_eq!(u64::from(person.had), report.said);
    let figures = look!(recording, Figures, Look::Figures {});
    assert_eq!((figures.met, figures.plots.len()), (Some(true), 5));
    assert_eq!(figures.rows, report.rows());
    // Every second is the frame before it with what changed.
    let mut now = frame(&recording, 0);
    for at_ms in (1_000..=60_000).step_by(1_000) {
        let told = changes(&recording, at_ms - 1_000, at_ms);
        for change in told.changes {
            match change.what {
                Changed::Dot(dot) => {
                    now.people.retain(|other| other.who != dot.who);
                    now.people.push(dot);
                    now.people.sort_by_key(|dot| dot.who);
                }
                Changed::Up(wire) => {
                    now.links.push(wire);
                    now.links.sort_by_key(|wire| (wire.0, wire.1, wire.2));
                }
                Changed::Down(gone) => now
                    .links
                    .retain(|wire| (wire.0, wire.1, wire.2) != (gone.0, gone.1, gone.2)),
                Changed::Said(..) => {}
            }
        }
        now.at_ms = at_ms;
        now.totals = told.totals;
        assert_eq!(now, frame(&recording, at_ms), "{at_ms}");
    }
}

#[test]
fn a_recording_of_another_scenario_has_no_report() {
    let text = include_str!("../../../scenarios/campfire.toml").replace("full", "policy");
    let other = Scenario::parse(&text).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&written(&header(), &records())).unwrap();
    let recording = Recording::open(file.path(), Some(&other)).unwrap();
    let figures = look!(recording, Figures, Look::Figures {});
    assert_eq!((figures.met, figures.plots.len()), (None, 2));
    assert!(figures.rows.is_empty() && figures.lacks.is_some());
    assert_eq!(recording.about().shows, None);
}

#[test]
fn more_messages_than_can_be_shown_are_refused() {
    let bytes = written(&header(), &records());
    let with = |messages| {
        let bounds = Bounds {
            messages,
            ..Bounds::default()
        };
        index::index(Cursor::new(&bytes), None, bounds)
    };
    assert_eq!(with(2).unwrap().messages.len(), 2);
    assert!(matches!(with(1), Err(ViewError::Messages)));
}

mod follow;
mod map;
