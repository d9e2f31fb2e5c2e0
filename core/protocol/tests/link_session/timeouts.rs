//! Silence.

use std::time::Duration;

use sovereign_protocol::{
    link::{HELLO_TIMEOUT, Output, REASSEMBLY_LIMIT, REASSEMBLY_STALL, SEND_STALL, frame::Body},
    link_kind::Role,
    wire::v1::{Close, CloseReason, Done},
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
    let mut side = ready(false);
    side.take(&encoded(part(1, 4_096, 1)), START);
    side.take(&encoded(Body::Done(Done {})), at(20_000));
    // A broken frame is no sign of life.
    side.take(&[0xff], at(25_000));
    times_out(&mut side, at(20_000).boot + REASSEMBLY_STALL);

    let mut side = ready(false);
    side.take(&encoded(part(1, 4_096, 1)), START);
    for second in 1..=590 {
        side.take(&encoded(part(1, 0, 1)), at(second * 1_000));
    }
    times_out(&mut side, START.boot + REASSEMBLY_LIMIT);
}

#[test]
fn an_adapter_that_moves_nothing_ends_the_link() {
    let mut side = ready(false);
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
    let mut side = ready(false);
    side.session.send(Body::Done(Done {})).unwrap();
    assert!(matches!(side.session.poll(START), Output::Frame(_)));
    side.session.sent(2, START);
    assert_eq!(side.session.poll_timeout(), None);
}
