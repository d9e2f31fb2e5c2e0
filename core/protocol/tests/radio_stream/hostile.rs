//! What a peer may not send, and what it costs it (hardening 3, 5 and 6; docs/protocol.md §12.4).

use bytes::Bytes;
use sovereign_protocol::radio::stream::{
    Ack, BEHIND, End, Frame, FrameError, MAX_FRAME, MAX_MEMORY, Reason, Stream, TOLERATED_FRAMES,
    WINDOW,
};

use crate::course::{T, ack, data, give, stream};

fn refuse(stream: &mut Stream, frame: &[u8], error: FrameError) {
    let before = format!("{:?}", stream.stats().frames_in);
    assert_eq!(stream.on_frame(frame, T), Err(error));
    assert_eq!(before, format!("{:?}", stream.stats().frames_in));
}

fn last(number: u16, payload: &'static [u8]) -> Frame {
    Frame::Data {
        number,
        last: true,
        poll: false,
        ack: None,
        payload: Bytes::from_static(payload),
    }
}

fn with_ack(number: u16, next: u16, received: u128) -> Frame {
    let ack = Some(Ack {
        next,
        credit: WINDOW,
        received,
    });
    Frame::Data {
        number,
        last: false,
        poll: false,
        ack,
        payload: Bytes::from_static(b"x"),
    }
}

#[test]
fn every_refusal_is_counted_by_its_kind() {
    let mut stream = stream();
    refuse(&mut stream, &[], FrameError::Empty);
    let got = MAX_FRAME + 1;
    refuse(&mut stream, &vec![0; got], FrameError::TooLong { got });
    refuse(&mut stream, &[0xA0], FrameError::Malformed);
    refuse(&mut stream, &[0, 0, 0], FrameError::NoData);
    let number = 120;
    refuse(
        &mut stream,
        &data(number, b"x").encode(),
        FrameError::OutOfWindow { number },
    );
    refuse(&mut stream, &ack(1, 0).encode(), FrameError::Unsent);
    give(&mut stream, &last(0, b"x"), T);
    refuse(
        &mut stream,
        &data(1, b"x").encode(),
        FrameError::AfterLast { number: 1 },
    );
    let refused = stream.stats().refused;
    let kinds = [
        refused.length,
        refused.malformed,
        refused.window,
        refused.unsent,
        refused.after_last,
        refused.over,
    ];
    assert_eq!((kinds, refused.total()), ([2, 2, 1, 1, 1, 0], 7));
    stream.abandon(Reason::Unspecified);
    refuse(&mut stream, &data(1, b"x").encode(), FrameError::Over);
    assert_eq!(stream.stats().refused.over, 1);
    assert_eq!(stream.stats().refused.total(), 7);
}

#[test]
fn the_seventeenth_refusal_ends_the_stream() {
    let mut stream = stream();
    for _ in 0..TOLERATED_FRAMES {
        refuse(&mut stream, &[], FrameError::Empty);
        assert_eq!(stream.end(), None);
    }
    give(&mut stream, &data(0, b"still"), T);
    assert_eq!(stream.readable(), 5);
    refuse(&mut stream, &[], FrameError::Empty);
    assert_eq!(stream.end(), Some(End::Misbehaved));
    assert_eq!(stream.poll_transmit(T).unwrap(), [0xC0, 1][..]);
    assert_eq!(stream.poll_transmit(T), None);
}

#[test]
fn a_window_is_120_frames_from_the_first_that_is_missing() {
    let mut stream = stream();
    give(&mut stream, &data(119, b"x"), T);
    let number = 120;
    refuse(
        &mut stream,
        &data(number, b"x").encode(),
        FrameError::OutOfWindow { number },
    );
    // What comes in order but is not read takes its place.
    give(&mut stream, &data(0, b"x"), T);
    refuse(
        &mut stream,
        &data(number, b"x").encode(),
        FrameError::OutOfWindow { number },
    );
    assert_eq!(stream.read(&mut [0; 1]), 1);
    give(&mut stream, &data(number, b"x"), T);
    refuse(
        &mut stream,
        &data(121, b"x").encode(),
        FrameError::OutOfWindow { number: 121 },
    );
}

#[test]
fn no_more_than_the_window_is_held() {
    let mut stream = Stream::new(495, T);
    let payload: &'static [u8] = &[9; MAX_FRAME - 3];
    for number in (0..WINDOW).rev() {
        give(&mut stream, &data(number.into(), payload), T);
        assert_eq!(
            stream.memory(),
            usize::from(WINDOW - number) * payload.len()
        );
    }
    assert_eq!(stream.readable(), stream.memory());
    assert!(stream.memory() <= MAX_MEMORY);
    let number = 120;
    refuse(
        &mut stream,
        &data(number, payload).encode(),
        FrameError::OutOfWindow { number },
    );
}

#[test]
fn replays_change_nothing_and_absurd_numbers_are_refused() {
    let mut stream = stream();
    let behind = u16::try_from(BEHIND).unwrap();
    for number in 0..behind + 1 {
        give(&mut stream, &data(number, b"x"), T);
        stream.read(&mut [0; 1]);
    }
    // The first missing one is 1,025: frame 1 is 1,024 behind it.
    give(&mut stream, &data(1, b"y"), T);
    assert_eq!((stream.readable(), stream.stats().known_in), (0, 1));
    refuse(
        &mut stream,
        &data(0, b"y").encode(),
        FrameError::OutOfWindow { number: 0 },
    );
    let number = behind + 1 + 0x8000;
    refuse(
        &mut stream,
        &data(number, b"y").encode(),
        FrameError::OutOfWindow { number },
    );
    // A copy of one that waits for those before it, with other bytes.
    give(&mut stream, &data(behind + 2, b"a"), T);
    give(&mut stream, &data(behind + 2, b"b"), T);
    give(&mut stream, &data(behind + 1, b"c"), T);
    let mut buf = [0; 3];
    assert_eq!((stream.read(&mut buf), &buf[..2]), (2, &b"ca"[..]));
    assert_eq!(stream.stats().known_in, 2);
    // Before number 0 there was nothing.
    let mut fresh = crate::course::stream();
    let number = u16::MAX;
    refuse(
        &mut fresh,
        &data(number, b"y").encode(),
        FrameError::OutOfWindow { number },
    );
}

#[test]
fn only_what_was_sent_can_be_acknowledged() {
    let mut stream = stream();
    refuse(&mut stream, &ack(u16::MAX, 0).encode(), FrameError::Unsent);
    for _ in 0..3 {
        stream.write(&[0; 179], T);
        assert!(stream.poll_transmit(T).is_some());
    }
    refuse(&mut stream, &ack(4, 0).encode(), FrameError::Unsent);
    refuse(&mut stream, &ack(0, 0b100).encode(), FrameError::Unsent);
    refuse(&mut stream, &ack(2, 0b1).encode(), FrameError::Unsent);
    assert_eq!(stream.memory(), 3 * 179);
    give(&mut stream, &ack(0, 0b10), T);
    assert_eq!(stream.memory(), 2 * 179);
    // One that was overtaken is true all the same.
    give(&mut stream, &ack(1, 0b1), T);
    give(&mut stream, &ack(0, 0b1), T);
    assert_eq!(stream.memory(), 0);
    give(&mut stream, &ack(3, 0), T);
    refuse(&mut stream, &ack(0, 0b1000).encode(), FrameError::Unsent);
}

#[test]
fn an_acknowledgement_of_long_ago_is_absurd() {
    let mut stream = stream();
    let behind = u16::try_from(BEHIND).unwrap();
    for number in 0..=behind {
        stream.write(&[0; 179], T);
        assert!(stream.poll_transmit(T).is_some());
        give(&mut stream, &ack(number + 1, 0), T);
    }
    give(&mut stream, &ack(1, 0), T);
    refuse(&mut stream, &ack(0, 0).encode(), FrameError::Unsent);
}

#[test]
fn a_refused_frame_does_nothing_at_all() {
    let mut stream = stream();
    stream.write(&[0; 179], T);
    assert!(stream.poll_transmit(T).is_some());
    // Good data with a false acknowledgement, and the other way round.
    refuse(&mut stream, &with_ack(0, 2, 0).encode(), FrameError::Unsent);
    assert_eq!((stream.readable(), stream.memory()), (0, 179));
    let number = 200;
    refuse(
        &mut stream,
        &with_ack(number, 1, 0).encode(),
        FrameError::OutOfWindow { number },
    );
    assert_eq!(stream.memory(), 179);
    give(&mut stream, &with_ack(0, 1, 0), T);
    assert_eq!((stream.readable(), stream.memory()), (1, 1));
}

#[test]
fn a_stream_ends_once() {
    let contradiction = |number| FrameError::AfterLast { number };
    // Before something that has come, in order or not.
    let mut early = stream();
    give(&mut early, &data(3, b"x"), T);
    refuse(&mut early, &last(2, b"x").encode(), contradiction(2));
    refuse(&mut early, &last(3, b"x").encode(), contradiction(3));
    give(&mut early, &last(4, b"x"), T);
    // Another end, or anything behind it.
    refuse(&mut early, &last(5, b"x").encode(), contradiction(5));
    refuse(&mut early, &last(2, b"x").encode(), contradiction(2));
    refuse(&mut early, &data(5, b"x").encode(), contradiction(5));
    // Copies of it are copies.
    give(&mut early, &last(4, b"x"), T);
    assert!(!early.at_end());
    for number in 0..3 {
        give(&mut early, &data(number, b"x"), T);
    }
    assert_eq!(early.read(&mut [0; 9]), 5);
    assert!(early.at_end());
    let mut late = stream();
    give(&mut late, &data(0, b"x"), T);
    refuse(&mut late, &last(0, b"").encode(), contradiction(0));
    give(&mut late, &last(1, b""), T);
    assert_eq!((late.read(&mut [0; 9]), late.at_end()), (1, true));
}
