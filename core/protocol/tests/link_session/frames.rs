//! Frames: what they mean, which are counted, which end the link, how many wait.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use sovereign_protocol::{
    link::{
        CONTROL_QUEUE, Incoming, Offer, Output, SendError, Session, TOLERATED_FRAMES,
        frame::{Body, FrameError},
    },
    link_kind::Role,
    wire::v1::{
        Close, CloseReason, Credit, Done, Extension, Gone, Have, Membership, More, Part, Summary,
        Symbols, Want,
    },
};

use crate::{
    helpers::{closes, encoded, frames_out, hello, ids, part, ready},
    pair::{START, config, content},
};

#[test]
fn sixteen_broken_frames_are_borne_and_counted_by_kind() {
    let mut side = ready(false);
    for _ in 0..TOLERATED_FRAMES / 2 {
        side.take(&[0x8a, 0x01, 0], START);
        side.take(&[0xff; 5], START);
    }
    assert_eq!(side.closed, None);
    assert_eq!(
        (
            side.session.counters().get("unknown"),
            side.session.counters().get("malformed")
        ),
        (8, 8)
    );
    side.take(&[0x0a, 0], START);
    assert_eq!(side.session.counters().get("hello.versions"), 1);
    let kinds: Vec<&str> = side
        .session
        .counters()
        .iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kinds, vec!["hello.versions", "malformed", "unknown"]);
    closes(&mut side, CloseReason::Misbehaviour);
}

#[test]
fn lengths_out_of_bounds_end_the_link_at_once() {
    for frame in [&[][..], &[0; 1_025]] {
        let mut side = ready(false);
        side.take(frame, START);
        assert_eq!(side.session.counters().get("length"), 1);
        closes(&mut side, CloseReason::Misbehaviour);
    }
}

#[test]
fn broken_credit_and_parts_end_the_link_at_once() {
    let broken = [
        Body::Credit(Credit { bytes: 0 }),
        part(0, 0, 0),
        part(2, 0, 1),
        part(0, 257, 1),
        Body::Part(Part {
            stream: 0,
            age_s: 1,
            data: vec![1].into(),
            ..Part::default()
        }),
    ];
    for body in broken {
        let raw = sovereign_protocol::wire::v1::Frame {
            body: Some(body.clone()),
        }
        .encode_to_vec();
        let mut side = ready(false);
        side.take(&raw, START);
        assert_eq!(side.closed, Some(CloseReason::Misbehaviour), "{body:?}");
    }
}

#[test]
fn every_kind_of_frame_means_one_thing() {
    let mut side = ready(false);
    let summary = Body::Summary(Summary {
        count: 9,
        ..Summary::default()
    });
    let symbols = Body::Symbols(Symbols {
        start: 0,
        packed: vec![1].into(),
        more: false,
    });
    let more = Body::More(More { count: 32 });
    let bodies = [
        summary.clone(),
        symbols.clone(),
        more.clone(),
        Body::Done(Done {}),
        Body::Want(Want { ids: ids(&[1, 2]) }),
        Body::Gone(Gone { ids: ids(&[3]) }),
        Body::Have(Have { ids: ids(&[4]) }),
        Body::Delivered(sovereign_protocol::wire::v1::Delivered { ids: ids(&[5]) }),
        Body::Membership(Membership {
            tags: vec![6; 32].into(),
        }),
    ];
    for body in bodies {
        side.take(&encoded(body), START);
    }
    let expected = vec![
        Incoming::Reconcile(summary),
        Incoming::Reconcile(symbols),
        Incoming::Reconcile(more),
        Incoming::Done,
        Incoming::Want(vec![1, 2]),
        Incoming::Gone(vec![3]),
        Incoming::Have(vec![4]),
        Incoming::Delivered(vec![5]),
        Incoming::Membership(vec![[6; 8]; 4]),
    ];
    assert_eq!(side.heard, expected);
    side.take(&encoded(Body::Close(Close { reason: 99 })), START);
    assert_eq!(
        side.heard.last(),
        Some(&Incoming::Closed(CloseReason::Unspecified))
    );
}

#[test]
fn frames_are_queued_only_when_ready_within_bounds_and_not_reserved() {
    let mut early = Session::new(config(Role::Dialer, false), START);
    assert_eq!(early.send(Body::Done(Done {})), Err(SendError::NotReady));
    assert_eq!(early.offer_bundle(content(1), 256, None), Offer::Refused);
    let mut side = ready(false);
    let reserved = [
        Body::Hello(hello(3)),
        part(0, 256, 1),
        Body::Credit(Credit { bytes: 1 }),
        Body::Close(Close { reason: 1 }),
    ];
    for body in reserved {
        assert_eq!(side.session.send(body), Err(SendError::Reserved));
    }
    let none = side.session.send(Body::Want(Want { ids: Bytes::new() }));
    assert!(matches!(none, Err(SendError::Frame(FrameError::Bound(_)))));
    assert_eq!(frames_out(&mut side), vec![]);
    for size in [0, 255, 257, 2_048, 16_385] {
        assert_eq!(
            side.session.offer_bundle(content(1), size, None),
            Offer::Refused
        );
    }
    side.session.close(CloseReason::Shutdown);
    assert_eq!(
        side.session.send(Body::Done(Done {})),
        Err(SendError::NotReady)
    );
    assert_eq!(
        side.session.offer_bundle(content(1), 256, None),
        Offer::Refused
    );
}

#[test]
fn control_frames_are_bounded_and_lists_do_not_count_against_them() {
    let mut side = ready(false);
    let have = Body::Have(Have {
        ids: ids(&[1; 120]),
    });
    let len = encoded(have.clone()).len();
    let list = Summary {
        ids: ids(&[1; 120]),
        more: true,
        ..Summary::default()
    };
    for _ in 0..2_185 {
        // The list of the greatest set.
        side.session.send(Body::Summary(list.clone())).unwrap();
    }
    assert_eq!(side.session.control_room(), CONTROL_QUEUE);
    for _ in 0..CONTROL_QUEUE / len {
        side.session.send(have.clone()).unwrap();
    }
    assert_eq!(side.session.control_room(), CONTROL_QUEUE % len);
    assert_eq!(side.session.send(have), Err(SendError::Overflow));
    assert!(!side.session.is_ready());
    let out = frames_out(&mut side);
    assert_eq!(
        out,
        vec![Body::Close(Close {
            reason: CloseReason::Timeout.into()
        })]
    );
}

#[test]
fn lists_are_bounded_too() {
    let mut side = ready(false);
    let symbols = Body::Symbols(Symbols {
        start: 0,
        packed: vec![1; 1_000].into(),
        more: true,
    });
    let mut sent = 0;
    while side.session.send(symbols.clone()).is_ok() {
        sent += encoded(symbols.clone()).len();
    }
    assert!(sent <= 2_304 * 1_024 && sent > 2_300 * 1_024);
}

#[test]
fn closing_drops_what_waits_and_says_why() {
    let mut side = ready(false);
    side.offer(1, 256);
    side.session.send(Body::Done(Done {})).unwrap();
    side.session.close(CloseReason::Duplicate);
    side.session.close(CloseReason::Shutdown);
    assert_eq!(
        frames_out(&mut side),
        vec![Body::Close(Close {
            reason: CloseReason::Duplicate.into()
        })]
    );
    assert_eq!(side.session.queued_bytes(), 0);
    side.session.consumed(100_000);
    assert_eq!(frames_out(&mut side), vec![]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Arbitrary frames never panic, and after each of them the session is either open or closed for good.
    #[test]
    fn arbitrary_frames_never_panic(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..60)) {
        let mut side = ready(true);
        for frame in frames {
            side.take(&frame, START);
            side.frames(START);
            prop_assert_eq!(side.closed.is_none() && side.session.is_ready(), side.session.is_ready());
        }
        prop_assert!(side.session.counters().total() <= TOLERATED_FRAMES + 1);
    }
}

#[test]
fn the_control_queue_takes_exactly_its_size() {
    let mut side = ready(false);
    let filler = |len: usize| {
        Body::Extension(Extension {
            data: vec![0; len].into(),
            ..Extension::default()
        })
    };
    // 1,024 bytes each.
    for _ in 0..CONTROL_QUEUE / 1_024 {
        side.session.send(filler(1_018)).unwrap();
    }
    assert_eq!(side.session.control_room(), 0);
    assert_eq!(side.session.queued_bytes(), CONTROL_QUEUE);
    assert_eq!(
        side.session.send(Body::Done(Done {})),
        Err(SendError::Overflow)
    );
}

#[test]
fn what_waits_is_counted_whatever_it_is() {
    let mut side = ready(false);
    side.session.send(Body::Done(Done {})).unwrap();
    let summary = Body::Summary(Summary::default());
    side.session.send(summary.clone()).unwrap();
    let control = encoded(Body::Done(Done {})).len() + encoded(summary).len();
    // Lists have a cap of their own.
    assert_eq!(side.session.control_waiting(), 2);
    assert_eq!(side.session.queued_bytes(), control);
    side.offer(1, 256);
    side.offer(2, 1_024);
    side.offer(3, 4_096);
    assert_eq!(side.session.queued_bytes(), control + 256 + 1_024 + 4_096);
    for _ in 0..2 {
        assert!(matches!(side.session.poll(START), Output::Frame(_)));
    }
    // Asked for, in the adapter or waiting: it is all still here.
    assert!(matches!(side.session.poll(START), Output::NeedBody(_)));
    assert_eq!(side.session.queued_bytes(), control + 256 + 1_024 + 4_096);
    side.session.sent(control, START);
    assert_eq!(side.session.queued_bytes(), 256 + 1_024 + 4_096);
}
