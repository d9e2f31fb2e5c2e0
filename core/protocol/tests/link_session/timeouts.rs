//! Silence.

use std::time::Duration;

use sovereign_protocol::{
    link::{
        ANSWER_WITHIN, HELLO_TIMEOUT, Incoming, LISTENER_ASKS_AFTER, Output, REASSEMBLY_LIMIT,
        REASSEMBLY_STALL, SEND_STALL, SUSPECT_ANSWER_WITHIN, UNANSWERED_AFTER, WIDE_QUEUE,
        frame::{Body, MAX_FRAME},
    },
    link_kind::Role,
    wire::v1::{Close, CloseReason, Done, Extension, Ping, Pong},
};

use crate::{
    helpers::{encoded, frames_out, part, ready},
    pair::{START, Side, at},
};

fn times_out(side: &mut Side, deadline: Duration) {
    assert_eq!(side.session.poll_timeout(), Some(deadline));
    let just_before = START.after(deadline - START.boot - Duration::from_nanos(1));
    assert_eq!(side.session.handle_timeout(just_before), Ok(()));
    let then = START.after(deadline - START.boot);
    assert_eq!(side.session.handle_timeout(then), Err(CloseReason::Timeout));
    assert_eq!(
        frames_out(side),
        vec![Body::Close(Close {
            reason: CloseReason::Timeout.into()
        })]
    );
    assert_eq!(side.session.handle_timeout(then), Ok(()));
}

#[test]
fn a_hello_that_does_not_come_ends_the_link() {
    for role in [Role::Dialer, Role::Listener] {
        let mut side = Side::new(role, false);
        side.session.start();
        frames_out(&mut side);
        times_out(&mut side, START.boot + HELLO_TIMEOUT);
    }
}

#[test]
fn a_stalled_bundle_ends_the_link_and_good_frames_keep_it() {
    let mut side = ready(true);
    side.take(&encoded(part(1, 4_096, 1)), START);
    side.take(&encoded(Body::Done(Done {})), at(20_000));
    // A broken frame is no sign of life.
    side.take(&[0xff], at(25_000));
    times_out(&mut side, at(20_000).boot + REASSEMBLY_STALL);

    let mut side = ready(true);
    side.take(&encoded(part(1, 4_096, 1)), START);
    for second in 1..=590 {
        side.take(&encoded(part(1, 0, 1)), at(second * 1_000));
    }
    times_out(&mut side, START.boot + REASSEMBLY_LIMIT);
}

#[test]
fn an_adapter_that_moves_nothing_ends_the_link() {
    let mut side = ready(true);
    side.session.send(Body::Done(Done {})).unwrap();
    side.session.send(Body::Done(Done {})).unwrap();
    assert!(matches!(side.session.poll(at(5_000)), Output::Frame(_)));
    assert!(matches!(side.session.poll(at(9_000)), Output::Frame(_)));
    assert_eq!(
        side.session.poll_timeout(),
        Some(at(5_000).boot + SEND_STALL)
    );
    side.session.sent(2, at(12_000));
    times_out(&mut side, at(12_000).boot + SEND_STALL);
    let mut side = ready(true);
    side.session.send(Body::Done(Done {})).unwrap();
    assert!(matches!(side.session.poll(START), Output::Frame(_)));
    side.session.sent(2, START);
    assert_eq!(side.session.poll_timeout(), None);
}

fn ping(number: u32) -> Body {
    Body::Ping(Ping { number })
}

fn pong(number: u32) -> Body {
    Body::Pong(Pong { number })
}

/// A ready listener that has just heard a frame.
fn heard(slow: bool) -> Side {
    let mut side = ready(slow);
    side.take(&encoded(Body::Done(Done {})), START);
    side.heard.clear();
    side
}

#[test]
fn a_silent_wide_link_is_asked_and_ended_without_an_answer() {
    let mut side = heard(false);
    let ask_at = START.after(LISTENER_ASKS_AFTER);
    assert_eq!(side.session.poll_timeout(), Some(ask_at.boot));
    assert_eq!(side.session.handle_timeout(ask_at), Ok(()));
    assert_eq!(frames_out(&mut side), [ping(0)]);
    times_out(&mut side, ask_at.boot + ANSWER_WITHIN);
}

#[test]
fn an_answer_keeps_the_link_and_tells_the_round_trip() {
    let mut side = heard(false);
    let ask_at = START.after(LISTENER_ASKS_AFTER);
    side.session.handle_timeout(ask_at).unwrap();
    frames_out(&mut side);
    let answered = ask_at.after(Duration::from_millis(70));
    side.take(&encoded(pong(0)), answered);
    assert_eq!(side.heard, [Incoming::RoundTrip(Duration::from_millis(70))]);
    assert_eq!(
        side.session.poll_timeout(),
        Some(answered.boot + LISTENER_ASKS_AFTER)
    );
    // Unasked, it means nothing, and is no offence: any frame ends a question, and the answer comes after it.
    side.take(&encoded(pong(0)), answered);
    assert_eq!((side.heard.len(), side.session.counters().total()), (1, 0));
}

#[test]
fn what_nobody_answers_is_asked_after() {
    let mut side = heard(false);
    side.session.send(Body::Done(Done {})).unwrap();
    assert_eq!(frames_out(&mut side).len(), 1);
    let ask_at = START.after(UNANSWERED_AFTER);
    assert_eq!(side.session.poll_timeout(), Some(ask_at.boot));
    side.session.handle_timeout(ask_at).unwrap();
    assert_eq!(frames_out(&mut side), [ping(0)]);
}

#[test]
fn questions_are_answered_once_and_answers_are_not_asked_after() {
    for slow in [false, true] {
        let mut side = heard(slow);
        // Of several that come before the first answer can leave, the last counts.
        for number in [7, 8, 9] {
            side.take(&encoded(ping(number)), START);
        }
        assert_eq!(frames_out(&mut side), [pong(9)]);
        let idle = (!slow).then_some(START.boot + LISTENER_ASKS_AFTER);
        assert_eq!(side.session.poll_timeout(), idle);
    }
}

#[test]
fn a_suspected_link_has_less_time_and_a_slow_one_is_not_asked() {
    let mut side = heard(false);
    side.session.suspect(START);
    assert_eq!(frames_out(&mut side), [ping(0)]);
    times_out(&mut side, START.boot + SUSPECT_ANSWER_WITHIN);
    side.session.suspect(START);
    assert_eq!(frames_out(&mut side), []);

    let mut side = heard(true);
    side.session.suspect(START);
    assert_eq!(frames_out(&mut side), []);
    assert_eq!(side.session.poll_timeout(), None);
}

#[test]
fn signs_of_life_wait_for_the_adapter_and_pass_what_waits() {
    let mut side = heard(false);
    // Frames of 1,024 bytes fill the adapter's queue to the last byte.
    let full = Body::Extension(Extension {
        id: 1,
        critical: false,
        data: vec![0; 1_016].into(),
    });
    for _ in 0..80 {
        side.session.send(full.clone()).unwrap();
    }
    assert_eq!(side.frames(START).len(), WIDE_QUEUE / MAX_FRAME);
    side.take(&encoded(ping(1)), START);
    assert_eq!(side.session.poll(START), Output::Idle);
    side.session.sent(4 * 1_024, START);
    assert_eq!(side.session.poll(START), Output::Frame(encoded(pong(1))));
    assert!(matches!(side.session.poll(START), Output::Frame(_)));
}
