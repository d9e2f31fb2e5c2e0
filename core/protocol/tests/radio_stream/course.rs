//! The course of one stream, frame by frame: what it sends, and when (docs/protocol.md §12.2, §12.3).

use std::time::Duration;

use bytes::Bytes;
use sovereign_protocol::radio::stream::{
    ACK_DELAY, ACK_EVERY, Ack, DEAD_AFTER, End, FIRST_PROBE, FIRST_SPREAD, FLUSH, Frame, GAP_DELAY,
    GAP_EVERY, LAST_PROBE, MAX_FLIGHT, MAX_UNSENT, Reason, Stream, TAIL, WINDOW,
};

use crate::air::ms;

pub(crate) const T: Duration = Duration::from_secs(100);
pub(crate) const NS: Duration = Duration::from_nanos(1);
const NONE: [u16; 0] = [];

/// A stream with frames of 182 bytes that has heard of the other side.
pub(crate) fn stream() -> Stream {
    let mut stream = Stream::new(182, T);
    stream.on_frame(&ack(0, 0).encode(), T).unwrap();
    stream
}

pub(crate) fn data(number: u16, payload: &'static [u8]) -> Frame {
    Frame::Data {
        number,
        last: false,
        poll: false,
        ack: None,
        payload: Bytes::from_static(payload),
    }
}

pub(crate) fn ack(next: u16, received: u128) -> Frame {
    credit(next, WINDOW, received)
}

pub(crate) fn credit(next: u16, credit: u8, received: u128) -> Frame {
    Frame::Ack {
        poll: false,
        ack: Ack {
            next,
            credit,
            received,
        },
    }
}

pub(crate) fn give(stream: &mut Stream, frame: &Frame, now: Duration) {
    stream.on_frame(&frame.encode(), now).unwrap();
}

pub(crate) fn take(stream: &mut Stream, now: Duration) -> Option<Frame> {
    let frame = stream.poll_transmit(now)?;
    Some(Frame::decode(&frame).unwrap())
}

/// Numbers of the data frames that go out now.
fn numbers(stream: &mut Stream, now: Duration) -> Vec<u16> {
    let frames = std::iter::from_fn(|| take(stream, now));
    frames
        .filter_map(|frame| match frame {
            Frame::Data { number, .. } => Some(number),
            _ => None,
        })
        .collect()
}

/// Sends so many full frames.
fn send(stream: &mut Stream, count: usize, now: Duration) {
    for _ in 0..count {
        assert_eq!(stream.write(&[7; 179], now), 179);
        assert_eq!(numbers(stream, now).len(), 1);
    }
}

#[test]
fn less_than_a_frame_waits_5_ms_for_more() {
    let mut stream = stream();
    assert_eq!(stream.write(&[1; 178], T), 178);
    assert_eq!(take(&mut stream, T + FLUSH - NS), None);
    assert_eq!(stream.timeout(), Some(T + FLUSH));
    assert_eq!(stream.write(&[2], T + FLUSH - NS), 1);
    let Some(Frame::Data { payload, .. }) = take(&mut stream, T + FLUSH - NS) else {
        panic!("no full frame");
    };
    assert_eq!((payload.len(), payload[178]), (179, 2));

    let later = T + ms(50);
    assert_eq!(stream.write(&[3; 200], later), 200);
    assert_eq!(numbers(&mut stream, later), [1]);
    assert_eq!(numbers(&mut stream, later + FLUSH - NS), NONE);
    assert_eq!(numbers(&mut stream, later + FLUSH), [2]);
}

#[test]
fn no_more_waits_than_half_a_kilobyte() {
    let mut stream = stream();
    assert_eq!(stream.room(), MAX_UNSENT);
    assert_eq!(stream.write(&[0; 2_000], T), MAX_UNSENT);
    assert_eq!((stream.room(), stream.write(&[0], T)), (0, 0));
    assert_eq!(stream.memory(), MAX_UNSENT);
    // What went out makes room, but is kept.
    assert!(stream.poll_transmit(T).is_some());
    assert_eq!((stream.room(), stream.memory()), (179, MAX_UNSENT));
    give(&mut stream, &ack(1, 0), T);
    assert_eq!(stream.memory(), MAX_UNSENT - 179);
}

#[test]
fn what_is_on_its_way_is_bounded_in_bytes_and_frames() {
    let mut stream = Stream::new(495, T);
    let mut sent = 0;
    while stream.write(&[0; 492], T) == 492 {
        sent += 492 * numbers(&mut stream, T).len();
    }
    assert!(sent <= MAX_FLIGHT && sent > MAX_FLIGHT - 2 * 495);
    let mut stream = Stream::new(20, T);
    let mut frames = Vec::new();
    while stream.write(&[0; 17], T) == 17 {
        frames.extend(numbers(&mut stream, T));
    }
    assert_eq!(frames.len(), usize::from(WINDOW));
    // Whatever comes first goes on, by as much.
    give(&mut stream, &ack(3, 0), T);
    assert_eq!(numbers(&mut stream, T), [120, 121, 122]);
}

#[test]
fn acknowledgements_wait_for_each_other_and_for_data() {
    // In order: 100 ms, or the sixteenth frame.
    let mut quiet = stream();
    give(&mut quiet, &data(0, b"a"), T);
    give(&mut quiet, &data(1, b"b"), T + ms(10));
    assert_eq!(quiet.timeout(), Some(T + ACK_DELAY));
    assert_eq!(take(&mut quiet, T + ACK_DELAY - NS), None);
    assert_eq!(take(&mut quiet, T + ACK_DELAY), Some(credit(2, 118, 0)));
    assert_eq!(quiet.timeout(), None);
    let mut busy = stream();
    for number in 0..16 {
        assert_eq!(take(&mut busy, T), None);
        give(&mut busy, &data(number, b"a"), T);
    }
    assert_eq!(ACK_EVERY, 16);
    assert_eq!(take(&mut busy, T), Some(credit(16, 104, 0)));

    // Data carry it.
    give(&mut busy, &data(16, b"a"), T);
    assert_eq!(busy.write(b"answer", T + ms(90)), 6);
    let Some(Frame::Data { ack: carried, .. }) = take(&mut busy, T + ms(95)) else {
        panic!("no data");
    };
    let expected = Ack {
        next: 17,
        credit: 103,
        received: 0,
    };
    assert_eq!(carried, Some(expected));
    assert_eq!(take(&mut busy, T + ACK_DELAY), None);
    // And say nothing where there is nothing new.
    assert_eq!(busy.write(b"more", T + ms(95)), 4);
    let Some(Frame::Data { ack: None, .. }) = take(&mut busy, T + ACK_DELAY) else {
        panic!("no data without acknowledgement");
    };
}

#[test]
fn gaps_and_copies_are_told_of_sooner() {
    let mut gap = stream();
    give(&mut gap, &data(2, b"c"), T);
    assert_eq!(gap.timeout(), Some(T + GAP_DELAY));
    give(&mut gap, &data(9, b"j"), T);
    assert_eq!(take(&mut gap, T + GAP_DELAY), Some(ack(0, 0b1_0000_0010)));
    for number in 10..17 {
        give(&mut gap, &data(number, b"k"), T + GAP_DELAY);
        assert_eq!(take(&mut gap, T + GAP_DELAY), None);
    }
    assert_eq!(GAP_EVERY, 8);
    give(&mut gap, &data(17, b"k"), T + GAP_DELAY);
    assert_eq!(
        take(&mut gap, T + GAP_DELAY),
        Some(ack(0, 0b1_1111_1111_0000_0010))
    );
    // The gap closes up to the next one.
    give(&mut gap, &data(0, b"a"), T);
    give(&mut gap, &data(1, b"b"), T);
    let mut buf = [0; 9];
    assert_eq!((gap.read(&mut buf), &buf[..3]), (3, &b"abc"[..]));
    assert_eq!(
        take(&mut gap, T + GAP_DELAY),
        Some(ack(3, 0b11_1111_1110_0000))
    );

    let mut copy = stream();
    give(&mut copy, &data(0, b"a"), T);
    assert!(take(&mut copy, T + ACK_DELAY).is_some());
    let later = T + ms(200);
    give(&mut copy, &data(0, b"x"), later);
    assert_eq!(copy.timeout(), Some(later + GAP_DELAY));
    assert_eq!(take(&mut copy, later + GAP_DELAY), Some(credit(1, 119, 0)));
    assert_eq!((copy.read(&mut buf), buf[0]), (1, b'a'));
    assert_eq!((copy.stats().known_in, gap.stats().early_in), (1, 10));
}

#[test]
fn who_asks_is_answered_at_once() {
    let mut stream = stream();
    let asking = Frame::Data {
        number: 0,
        last: false,
        poll: true,
        ack: None,
        payload: Bytes::from_static(b"?"),
    };
    give(&mut stream, &asking, T);
    assert_eq!(take(&mut stream, T), Some(credit(1, 119, 0)));
    let Frame::Ack { ack, .. } = ack(0, 0) else {
        unreachable!()
    };
    give(&mut stream, &Frame::Ack { poll: true, ack }, T);
    assert_eq!(take(&mut stream, T), Some(credit(1, 119, 0)));
    assert_eq!(stream.stats().acks_out, 2);
}

#[test]
fn a_frame_overtaken_by_four_is_sent_again() {
    let mut stream = stream();
    send(&mut stream, 5, T);
    assert_eq!(FIRST_SPREAD, 4);
    // Frames 1 to 3 have come: three after it. Then 4.
    give(&mut stream, &ack(0, 0b111), T + ms(80));
    assert_eq!(numbers(&mut stream, T + ms(80)), NONE);
    give(&mut stream, &ack(0, 0b1111), T + ms(81));
    assert_eq!(numbers(&mut stream, T + ms(81)), [0]);
    assert_eq!(stream.stats().repeats_out, 1);
    give(&mut stream, &ack(5, 0), T + ms(161));
    assert_eq!((stream.memory(), stream.timeout()), (0, None));
}

#[test]
fn reordering_once_seen_is_borne() {
    let mut stream = stream();
    send(&mut stream, 5, T);
    give(&mut stream, &ack(0, 0b111), T + ms(80));
    // Frame 0 was late, by three frames.
    give(&mut stream, &ack(4, 0), T + ms(81));
    send(&mut stream, 12, T + ms(82));
    // Of the next ones, 5 is late by five: it is sent again once, in vain,
    give(&mut stream, &ack(5, 0b1_1111), T + ms(162));
    assert_eq!(numbers(&mut stream, T + ms(162)), [5]);
    give(&mut stream, &ack(12, 0), T + ms(163));
    // and then such a distance is waited for.
    send(&mut stream, 8, T + ms(170));
    give(&mut stream, &ack(17, 0b1_1111), T + ms(250));
    assert_eq!(numbers(&mut stream, T + ms(250)), NONE);
    give(&mut stream, &ack(17, 0b11_1111), T + ms(250));
    assert_eq!(numbers(&mut stream, T + ms(250)), [17]);
}

#[test]
fn with_few_frames_behind_it_time_decides() {
    let mut stream = stream();
    send(&mut stream, 2, T);
    give(&mut stream, &ack(0, 1), T + ms(80));
    // 9/8 of a round trip of 80 ms, and 10 ms.
    let lost = T + ms(100);
    assert_eq!(stream.timeout(), Some(lost));
    assert_eq!(numbers(&mut stream, lost - NS), NONE);
    assert_eq!(numbers(&mut stream, lost), [0]);
}

#[test]
fn the_frame_that_empties_the_queue_asks_now_and_then() {
    // When 8 others are under way, and none of the last 16 asked.
    assert_eq!((TAIL, ACK_EVERY), (8, 16));
    for (acknowledged, asking) in [(0, &[16, 33][..]), (8, &[16, 33]), (9, &[17, 34])] {
        let mut stream = stream();
        let mut asked = Vec::new();
        for sent in 0..35 {
            if sent == 16 {
                give(&mut stream, &ack(acknowledged, 0), T);
            }
            assert_eq!(stream.write(&[7; 179], T), 179);
            match take(&mut stream, T) {
                Some(Frame::Data { number, poll, .. }) if poll => asked.push(number),
                Some(Frame::Data { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(asked, asking, "{acknowledged}");
    }
    // With more to send there is no need to: what follows shows what was lost.
    let mut stream = stream();
    let mut asked = 0;
    for _ in 0..40 {
        stream.write(&[7; 400], T);
        let frame = take(&mut stream, T);
        asked += u32::from(matches!(frame, Some(Frame::Data { poll: true, .. })));
    }
    assert_eq!(asked, 0);
}

#[test]
fn a_probe_waits_for_the_radio() {
    let mut stream = stream();
    send(&mut stream, 2, T);
    give(&mut stream, &ack(1, 0), T + ms(80));
    // A round trip of 80 ms, four times half of it, and 100 ms.
    let probe = ms(340);
    assert_eq!(stream.timeout(), Some(T + probe));
    stream.on_timeout(T + probe);
    let later = T + ms(3_000);
    assert_eq!(stream.write(b"more", later), 4);
    stream.on_timeout(later + FLUSH);
    // No second one runs meanwhile, and the radio's being busy is no failure of the peer's.
    assert_eq!(stream.timeout(), Some(T + ms(80) + DEAD_AFTER));
    assert_eq!(numbers(&mut stream, later + FLUSH), [1, 2]);
    assert_eq!(stream.timeout(), Some(later + FLUSH + probe * 2));
}

#[test]
fn silence_is_probed_and_ends_the_link() {
    let mut stream = stream();
    send(&mut stream, 2, T);
    let mut at = T;
    let mut probes = Vec::new();
    while stream.end().is_none() {
        at = stream.timeout().unwrap();
        match take(&mut stream, at) {
            Some(Frame::Data {
                number: 0,
                poll: true,
                ..
            }) => probes.push(at - T),
            other => assert_eq!(
                other,
                Some(Frame::Reset {
                    reason: Reason::Timeout
                })
            ),
        }
    }
    assert_eq!(at, T + DEAD_AFTER);
    assert_eq!(probes[0], FIRST_PROBE);
    for pair in probes.windows(2) {
        assert_eq!(pair[1] - pair[0], LAST_PROBE);
    }
    assert_eq!(probes.len(), 20);
    assert_eq!(stream.end(), Some(End::Silent));
    assert_eq!(take(&mut stream, at), None);
    assert_eq!((stream.timeout(), stream.memory()), (None, 0));
}

#[test]
fn any_progress_starts_the_silence_anew() {
    let mut stream = stream();
    send(&mut stream, 2, T);
    let late = T + DEAD_AFTER - NS;
    stream.on_timeout(late);
    give(&mut stream, &ack(1, 0), late);
    stream.on_timeout(late + DEAD_AFTER - NS);
    assert_eq!(stream.end(), None);
    // The same again is no progress.
    give(&mut stream, &ack(1, 0), late + DEAD_AFTER - NS);
    stream.on_timeout(late + DEAD_AFTER);
    assert_eq!(stream.end(), Some(End::Silent));
}

#[test]
fn who_may_not_send_asks() {
    let mut stream = stream();
    send(&mut stream, 1, T);
    // The window was 120 frames; what was promised is not taken back.
    give(&mut stream, &credit(1, 0, 0), T);
    send(&mut stream, 119, T);
    give(&mut stream, &credit(120, 0, 0), T + ms(100));
    assert_eq!(stream.write(b"more", T + ms(100)), 4);
    assert_eq!(numbers(&mut stream, T + ms(200)), NONE);
    let mut asked = 0;
    let end = T + DEAD_AFTER * 3;
    loop {
        let at = stream.timeout().unwrap();
        if at > end {
            break;
        }
        if let Some(frame) = take(&mut stream, at) {
            assert!(matches!(frame, Frame::Ack { poll: true, .. }));
            asked += 1;
            // A peer that answers is not dead, however long it does not read.
            give(&mut stream, &credit(120, 0, 0), at + ms(1));
        }
    }
    assert!((55..=62).contains(&asked), "{asked}");
    give(&mut stream, &credit(120, 1, 0), end);
    assert_eq!(numbers(&mut stream, end), [120]);
    // Nothing to say, nothing to ask.
    give(&mut stream, &credit(121, 0, 0), end);
    assert_eq!(stream.timeout(), None);
    // One that does not is.
    assert_eq!(stream.write(b"more", end), 4);
    stream.on_timeout(end + DEAD_AFTER - NS);
    assert_eq!(stream.end(), None);
    stream.on_timeout(end + DEAD_AFTER);
    assert_eq!(stream.end(), Some(End::Silent));
}

#[test]
fn a_reader_that_makes_room_says_so_at_half_a_window() {
    let mut stream = stream();
    for number in 0..u16::from(WINDOW) {
        give(&mut stream, &data(number, b"ab"), T);
    }
    assert_eq!(take(&mut stream, T), Some(credit(120, 0, 0)));
    let mut buf = [0; 2];
    for _ in 0..59 {
        assert_eq!(stream.read(&mut buf), 2);
        assert_eq!(take(&mut stream, T), None);
    }
    // Half of a frame's bytes make no room for another.
    assert_eq!(stream.read(&mut buf[..1]), 1);
    assert_eq!(take(&mut stream, T), None);
    assert_eq!(stream.read(&mut buf[..1]), 1);
    assert_eq!(take(&mut stream, T), Some(credit(120, 60, 0)));
    assert_eq!((stream.readable(), stream.memory()), (120, 120));
}
