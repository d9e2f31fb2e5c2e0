//! How a stream ends, and that an idle one costs nothing (docs/protocol.md §12.4).

use std::time::Duration;

use bytes::Bytes;
use sovereign_protocol::radio::stream::{
    DEAD_AFTER, End, Frame, LINGER, OPEN_TIMEOUT, Reason, Stream,
};

use crate::{
    air::{Air, Link},
    course::{NS, T, ack, credit, data, give, stream, take},
};

#[test]
fn both_sides_close_in_their_own_time() {
    for seed in 0..20 {
        let mut link = Link::new(Air {
            loss: 100,
            seed,
            ..Air::default()
        });
        link.sides[0].text = link.noise(500);
        link.sides[0].close = true;
        let ended = |link: &Link| link.sides[1].stream.at_end();
        assert!(link.run(Duration::from_secs(30), ended));
        assert_eq!(link.sides[0].stream.room(), 0);
        // The other direction goes on, and then ends too.
        link.sides[1].text = link.noise(5_000);
        assert!(link.run(Duration::from_secs(60), Link::delivered));
        assert!(!link.sides[0].stream.at_end());
        link.sides[1].close = true;
        let over = |link: &Link| link.sides.iter().all(|side| side.stream.end().is_some());
        assert!(link.run(Duration::from_secs(120), over));
        for side in &link.sides {
            assert_eq!(side.stream.end(), Some(End::Finished));
            assert!(side.stream.at_end());
        }
    }
}

#[test]
fn a_finished_stream_answers_for_a_while() {
    let mut stream = stream();
    stream.close(T);
    let last = |number, payload| Frame::Data {
        number,
        last: true,
        poll: true,
        ack: None,
        payload: Bytes::from_static(payload),
    };
    assert_eq!(take(&mut stream, T), Some(last(0, b"")));
    give(&mut stream, &ack(1, 0), T);
    give(&mut stream, &last(0, b"end"), T);
    assert_eq!(take(&mut stream, T), Some(credit(1, 119, 0)));
    assert_eq!(stream.timeout(), Some(T + LINGER));
    // The peer missed that.
    give(&mut stream, &last(0, b"end"), T + LINGER - NS);
    assert_eq!(take(&mut stream, T + LINGER - NS), Some(credit(1, 119, 0)));
    stream.on_timeout(T + LINGER);
    assert_eq!(stream.end(), Some(End::Finished));
    assert_eq!(take(&mut stream, T + LINGER), None);
    let mut buf = [0; 4];
    assert!(!stream.at_end());
    assert_eq!((stream.read(&mut buf), &buf[..3]), (3, &b"end"[..]));
    assert!(stream.at_end());
}

#[test]
fn giving_up_is_said_once() {
    let (mut from, mut to) = (stream(), stream());
    give(&mut to, &data(0, b"before"), T);
    give(&mut to, &data(2, b"lost"), T);
    assert_eq!(to.write(b"never sent", T), 10);
    assert_eq!(from.write(b"never sent", T), 10);
    from.abandon(Reason::Busy);
    from.abandon(Reason::Unspecified);
    let frame = from.poll_transmit(T).unwrap();
    assert_eq!(&frame[..], [0xC0, 3]);
    assert_eq!(from.poll_transmit(T), None);
    assert_eq!(from.end(), Some(End::Abandoned(Reason::Busy)));
    to.on_frame(&frame, T).unwrap();
    assert_eq!(to.end(), Some(End::Reset(Reason::Busy)));
    assert_eq!(
        (to.poll_transmit(T + DEAD_AFTER), to.timeout()),
        (None, None)
    );
    // What had come in order can be read, the rest is gone, and nothing can be written.
    assert_eq!((to.memory(), to.at_end()), (6, false));
    assert_eq!(to.read(&mut [0; 9]), 6);
    assert!(to.at_end());
    for stream in [&mut from, &mut to] {
        assert_eq!((stream.room(), stream.write(b"x", T)), (0, 0));
        stream.close(T);
        assert_eq!(stream.poll_transmit(T), None);
    }
}

#[test]
fn a_link_that_says_nothing_is_freed() {
    // Hardening 7.
    let mut stream = Stream::new(182, T);
    assert_eq!(stream.timeout(), Some(T + OPEN_TIMEOUT));
    assert!(stream.on_frame(b"", T).is_err());
    assert_eq!(take(&mut stream, T + OPEN_TIMEOUT - NS), None);
    let farewell = Frame::Reset {
        reason: Reason::Timeout,
    };
    assert_eq!(take(&mut stream, T + OPEN_TIMEOUT), Some(farewell));
    assert_eq!(stream.end(), Some(End::NeverOpened));
}

#[test]
fn an_idle_link_costs_nothing() {
    let mut link = Link::new(Air::default());
    link.sides[0].text = link.noise(1_000);
    link.sides[1].text = link.noise(1_000);
    assert!(link.run(Duration::from_secs(9), Link::idle));
    let frames = link.sides.each_ref().map(|side| side.frames);
    let day = link.now + Duration::from_secs(86_400);
    for side in &mut link.sides {
        assert_eq!((side.stream.memory(), side.stream.timeout()), (0, None));
        side.stream.on_timeout(day);
        assert_eq!(
            (side.stream.poll_transmit(day), side.stream.end()),
            (None, None)
        );
    }
    assert!(frames.iter().all(|frames| *frames <= 8), "{frames:?}");
}
