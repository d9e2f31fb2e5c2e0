//! The link's session, two of them back to back (docs/protocol.md §7; decisions 3 and 4; MSG-9).

#[path = "link/pair.rs"]
mod pair;

use std::time::Duration;

use bytes::Bytes;
use pair::{Pair, START, Side, at, body, config, content};
use proptest::prelude::*;
use sovereign_protocol::{
    link::{
        CONTROL_QUEUE, HELLO_TIMEOUT, Incoming, MAX_OFFERS, Offer, Output, REASSEMBLY_LIMIT,
        REASSEMBLY_STALL, SEND_STALL, SLOW_CREDIT, SLOW_QUEUE, SendError, Session,
        TOLERATED_FRAMES, WIDE_CREDIT, WIDE_QUEUE,
        frame::{self, Body, FrameError},
        session_id,
    },
    link_kind::Role,
    wire::v1::{
        Close, CloseReason, Credit, Done, Extension, Gone, Have, Hello, Membership, More, Part,
        Summary, Symbols, Want,
    },
};

fn encoded(body: Body) -> Bytes {
    frame::encode(body).expect("within bounds")
}

fn hello(nonce: u8) -> Hello {
    Hello {
        min_version: 1,
        max_version: 1,
        nonce: vec![nonce; 16].into(),
        capabilities: 3,
        credit: WIDE_CREDIT,
        extensions: Vec::new(),
    }
}

fn part(stream: u32, total: u32, len: usize) -> Body {
    let lifetime_s = if total == 0 { 0 } else { 60 };
    Body::Part(Part {
        stream,
        total,
        age_s: 0,
        lifetime_s,
        data: vec![7; len].into(),
    })
}

fn ids(ids: &[u64]) -> Bytes {
    frame::pack_ids(ids)
}

/// A listener that has had its Hello, and whose own has left.
fn ready(slow: bool) -> Side {
    let mut side = Side::new(Role::Listener, slow);
    side.take(&encoded(Body::Hello(hello(3))), START);
    assert!(side.session.is_ready());
    assert_eq!(frames_out(&mut side).len(), 1);
    side.heard.clear();
    side
}

/// What leaves now; the adapter hands it on.
fn frames_out(side: &mut Side) -> Vec<Body> {
    let frames = side.frames(START);
    side.adapter = 0;
    side.session
        .sent(frames.iter().map(Bytes::len).sum(), START);
    frames
        .iter()
        .map(|bytes| frame::decode(bytes).expect("what a session sends decodes"))
        .collect()
}

fn closes(side: &mut Side, reason: CloseReason) {
    assert_eq!(side.closed, Some(reason));
    let last = frames_out(side).pop();
    assert_eq!(
        last,
        Some(Body::Close(Close {
            reason: reason.into()
        }))
    );
    // Nothing moves any more.
    let done = encoded(Body::Done(Done {}));
    assert_eq!(side.session.receive(&done, START), Err(reason));
    assert_eq!(side.session.poll(START), Output::Idle);
    assert_eq!(side.session.poll_timeout(), None);
}

#[test]
fn both_sides_compute_one_session() {
    let mut pair = Pair::new(false);
    pair.dialer.session.start();
    pair.listener.session.start();
    assert_eq!(
        pair.step(false),
        0,
        "the listener waits for the dialer's Hello"
    );
    pair.settle();
    let transcript = pair.dialer.session.transcript().unwrap();
    assert_eq!(pair.listener.session.transcript(), Some(transcript));
    assert_eq!(
        (transcript.dialer_nonce, transcript.listener_nonce),
        ([3; 16], [4; 16])
    );
    let expected = Incoming::Ready {
        session: session_id(&transcript),
        capabilities: 3,
        version: 1,
    };
    assert_eq!(pair.dialer.heard, vec![expected.clone()]);
    assert_eq!(pair.listener.heard, vec![expected]);
    assert_eq!(pair.dialer.session.peer_versions(), Some((1, 1)));
}

#[test]
fn the_listeners_hello_and_summary_leave_together() {
    let mut listener = Side::new(Role::Listener, true);
    listener.take(&encoded(Body::Hello(hello(3))), START);
    let summary = Body::Summary(Summary {
        count: 1,
        ..Summary::default()
    });
    listener.session.send(summary.clone()).unwrap();
    let out = frames_out(&mut listener);
    assert!(matches!(out[0], Body::Hello(_)));
    assert_eq!(out[1..], [summary]);
}

#[test]
fn link_up_and_a_first_bundle_cost_exactly_what_the_protocol_says() {
    // Must-show h, docs/protocol.md §7.8: frames and their lengths.
    let mut pair = Pair::new(true);
    pair.dialer.session.start();
    assert_eq!(pair.step(true), 31, "Hello");
    let summary = Summary {
        count: 1,
        fingerprint: vec![9; 16].into(),
        ids: ids(&[77]),
        ..Summary::default()
    };
    pair.listener.session.send(Body::Summary(summary)).unwrap();
    assert_eq!(pair.step(false), 31 + 34, "Hello and Summary");
    pair.dialer
        .session
        .send(Body::Want(Want { ids: ids(&[77]) }))
        .unwrap();
    assert_eq!(pair.step(true), 14, "Want");
    pair.listener.bodies.push((1, 256));
    assert_eq!(
        pair.listener
            .session
            .offer_bundle(content(1), 256, Some(77)),
        Offer::Queued
    );
    pair.listener.session.send(Body::Done(Done {})).unwrap();
    assert_eq!(pair.step(false), 4 + 271, "Done and the bundle");
    pair.dialer.session.send(Body::Done(Done {})).unwrap();
    assert_eq!(pair.step(true), 4, "Done");
    assert_eq!(pair.dialer.bundles(), vec![1]);
    assert_eq!((pair.bytes, pair.writes), (389, 5));
    let traffic = pair.dialer.session.traffic();
    assert_eq!((traffic.bytes_out, traffic.bytes_in), (49, 340));
    assert_eq!((traffic.frames_out, traffic.frames_in), (3, 4));
    // An idle link says nothing, and nothing wakes it.
    assert_eq!(pair.dialer.session.poll_timeout(), None);
    assert_eq!(pair.listener.session.poll_timeout(), None);
    pair.now = at(600_000);
    pair.settle();
    assert_eq!(pair.bytes, 389);
}

#[test]
fn other_versions_are_told_so_and_both_ends_know_which() {
    // MSG-9.
    let mut listener = Side::new(Role::Listener, false);
    let later = Hello {
        min_version: 2,
        max_version: 3,
        ..hello(3)
    };
    listener.take(&encoded(Body::Hello(later)), START);
    assert_eq!(listener.session.peer_versions(), Some((2, 3)));
    let reason = CloseReason::Version;
    let out = frames_out(&mut listener);
    assert!(matches!(&out[0], Body::Hello(hello) if hello.max_version == 1));
    assert_eq!(
        out[1..],
        [Body::Close(Close {
            reason: reason.into()
        })]
    );
    assert_eq!(listener.closed, Some(reason));

    let mut dialer = Side::new(Role::Dialer, false);
    dialer.session.start();
    assert_eq!(frames_out(&mut dialer).len(), 1);
    let later = Hello {
        min_version: 2,
        max_version: 3,
        ..hello(4)
    };
    dialer.take(&encoded(Body::Hello(later)), START);
    closes(&mut dialer, reason);
}

#[test]
fn later_minor_versions_and_unknown_extensions_are_borne() {
    // MSG-9.
    let mut side = Side::new(Role::Listener, false);
    let extension = Extension {
        id: 9,
        critical: false,
        data: vec![1].into(),
    };
    let later = Hello {
        max_version: 7,
        capabilities: u32::MAX,
        extensions: vec![extension.clone()],
        ..hello(3)
    };
    side.take(&encoded(Body::Hello(later)), START);
    let Some(Incoming::Ready {
        capabilities,
        version,
        ..
    }) = side.heard.pop()
    else {
        panic!("not ready");
    };
    assert_eq!((capabilities, version), (u32::MAX, 1));
    frames_out(&mut side);
    side.take(&encoded(Body::Extension(extension)), START);
    assert_eq!((side.closed, side.session.counters().total()), (None, 0));
    let critical = Extension {
        id: 9,
        critical: true,
        data: Bytes::new(),
    };
    side.take(&encoded(Body::Extension(critical)), START);
    closes(&mut side, CloseReason::Critical);
}

#[test]
fn a_critical_extension_in_a_hello_ends_the_link() {
    // MSG-9.
    let mut side = Side::new(Role::Listener, false);
    let critical = Extension {
        id: 9,
        critical: true,
        data: Bytes::new(),
    };
    side.take(
        &encoded(Body::Hello(Hello {
            extensions: vec![critical],
            ..hello(3)
        })),
        START,
    );
    assert!(!side.session.is_ready());
    closes(&mut side, CloseReason::Critical);
}

#[test]
fn anything_but_hello_or_close_first_ends_the_link() {
    let unknown: &[u8] = &[0x7a, 0];
    let done = encoded(Body::Done(Done {}));
    let raw = |nonce| {
        use prost::Message;
        let hello = Hello { nonce, ..hello(3) };
        sovereign_protocol::wire::v1::Frame {
            body: Some(Body::Hello(hello)),
        }
        .encode_to_vec()
    };
    let short = raw(vec![1; 15].into());
    for first in [&done[..], unknown, &short, &[0xff]] {
        let mut side = Side::new(Role::Listener, false);
        side.take(first, START);
        closes(&mut side, CloseReason::Misbehaviour);
        assert_eq!(side.session.counters().total(), 1);
    }
    let mut side = Side::new(Role::Listener, false);
    side.take(
        &encoded(Body::Close(Close {
            reason: CloseReason::Full.into(),
        })),
        START,
    );
    assert_eq!(side.heard, vec![Incoming::Closed(CloseReason::Full)]);
    assert_eq!(
        (side.session.poll(START), side.session.poll_timeout()),
        (Output::Idle, None)
    );
}

#[test]
fn a_second_hello_ends_the_link() {
    let mut side = ready(false);
    side.take(&encoded(Body::Hello(hello(3))), START);
    closes(&mut side, CloseReason::Misbehaviour);
    assert_eq!(side.session.counters().get("hello.second"), 1);
}

#[test]
fn sixteen_broken_frames_are_borne_and_counted_by_kind() {
    let mut side = ready(false);
    for _ in 0..TOLERATED_FRAMES / 2 {
        side.take(&[0x7a, 0], START);
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
    use prost::Message;
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
fn control_goes_before_text_and_text_overtakes_bulk_between_frames() {
    // Decision 3.
    let mut side = ready(false);
    side.offer(1, 16_384);
    side.offer(2, 256);
    side.offer(3, 1_024);
    side.session.send(Body::Done(Done {})).unwrap();
    let mut order = Vec::new();
    for step in 0..40 {
        let frame = loop {
            match side.session.poll(START) {
                Output::NeedBody(id) => {
                    let size = side
                        .bodies
                        .iter()
                        .find(|(number, _)| content(*number) == id)
                        .unwrap()
                        .1;
                    side.session.provide(id, Some((body(id.0[0], size), 0, 60)));
                }
                Output::Frame(frame) => break Some(frame),
                Output::Idle => break None,
            }
        };
        let Some(frame) = frame else { break };
        side.session.sent(frame.len(), START);
        order.push(match frame::decode(&frame).unwrap() {
            Body::Part(part) => part.data[0],
            _ => 0,
        });
        if step == 6 {
            // Bulk is under way: a new text bundle goes next.
            side.offer(4, 512);
        }
    }
    assert_eq!(order[..7], [0, 2, 3, 3, 1, 1, 1]);
    assert_eq!(order[7], 4);
    assert!(order[8..].iter().all(|number| *number == 1));
    assert_eq!(order.len(), 4 + 1 + 17);
    assert_eq!(
        side.session.finished_bundles(),
        vec![content(2), content(3), content(4), content(1)]
    );
    assert_eq!(side.session.finished_bundles(), vec![]);
}

#[test]
fn the_adapter_never_holds_more_than_its_queue() {
    // Decision 3: at most 4 KiB at a radio.
    for (slow, queue) in [(true, SLOW_QUEUE), (false, WIDE_QUEUE)] {
        let mut side = ready(slow);
        let credit = Credit { bytes: 128 * 1_024 };
        side.take(&encoded(Body::Credit(credit)), START);
        for number in 1..=8 {
            side.offer(number, 16_384);
        }
        let frames = side.frames(START);
        let data: usize = frames
            .iter()
            .map(|bytes| match frame::decode(bytes) {
                Ok(Body::Part(part)) => part.data.len(),
                other => panic!("{other:?}"),
            })
            .sum();
        assert!(side.most_in_adapter <= queue && side.most_in_adapter + 1_020 > queue);
        assert_eq!(side.session.poll(START), Output::Idle);
        // Control waits as well.
        side.session
            .send(Body::Have(Have {
                ids: ids(&[1; 120]),
            }))
            .unwrap();
        assert_eq!(side.session.poll(START), Output::Idle);
        assert_eq!(
            side.session.queued_bytes(),
            8 * 16_384 - data + side.adapter + 966
        );
        side.session.sent(frames[0].len(), START);
        let Output::Frame(next) = side.session.poll(START) else {
            panic!("there is room")
        };
        assert!(matches!(frame::decode(&next), Ok(Body::Have(_))));
    }
}

#[test]
fn a_frame_that_just_fits_leaves_and_one_byte_more_waits() {
    let mut side = ready(true);
    let filler = |len: usize| {
        Body::Extension(Extension {
            data: vec![0; len].into(),
            ..Extension::default()
        })
    };
    for _ in 0..4 {
        // 1,024 bytes each.
        side.session.send(filler(1_018)).unwrap();
    }
    assert_eq!(
        side.frames(START).iter().map(Bytes::len).sum::<usize>(),
        SLOW_QUEUE
    );
    side.session.sent(99, START);
    side.session.send(filler(96)).unwrap();
    assert_eq!(side.session.poll(START), Output::Idle);
    side.session.sent(1, START);
    assert!(matches!(side.session.poll(START), Output::Frame(frame) if frame.len() == 100));
    // A Part needs room for its data and 20 bytes.
    side.session.sent(275, START);
    side.offer(1, 256);
    assert_eq!(side.session.poll(START), Output::Idle);
    side.session.sent(1, START);
    assert_eq!(side.session.poll(START), Output::NeedBody(content(1)));
}

#[test]
fn parts_stop_at_the_peers_credit_and_wait_for_a_full_one() {
    let mut pair = Pair::ready(true);
    pair.listener.consumes = false;
    for number in 1..=5 {
        pair.dialer.offer(number, 1_024);
    }
    pair.settle();
    // Four of them are the window; the fifth waits.
    assert_eq!(pair.listener.bundles(), vec![1, 2, 3, 4]);
    pair.dialer.offer(6, 16_384);
    pair.settle();
    assert!(pair.dialer.session.is_queued(&content(5)));
    pair.listener.session.consumed(1_024);
    pair.settle();
    assert_eq!(
        pair.listener.bundles().len(),
        4,
        "less than half the window is not granted"
    );
    pair.listener.session.consumed(1_024);
    pair.settle();
    assert_eq!(pair.listener.bundles(), vec![1, 2, 3, 4, 5]);
    assert_eq!(pair.listener.closed, None);
}

#[test]
fn a_bundle_larger_than_the_window_flows() {
    // §7.3: 16 KiB through a window of 4 KiB, with nothing consumed before it is whole.
    let mut pair = Pair::ready(true);
    pair.dialer.offer(1, 16_384);
    pair.listener.offer(2, 16_384);
    pair.settle();
    assert_eq!(
        (pair.listener.bundles(), pair.dialer.bundles()),
        (vec![1], vec![2])
    );
    assert_eq!(
        pair.dialer.heard[0],
        Incoming::Bundle {
            bytes: body(2, 16_384),
            age_s: 5,
            lifetime_s: 60
        }
    );
}

#[test]
fn more_than_the_credit_ends_the_link() {
    let mut side = ready(true);
    for _ in 0..4 {
        side.take(&encoded(part(0, 1_024, 1_000)), START);
        side.take(&encoded(part(0, 0, 24)), START);
    }
    // 4,096 bytes wait to be stored: nothing is left, nothing is granted.
    assert_eq!((side.closed, side.heard.len()), (None, 4));
    side.consumes = false;
    let mut side = ready(true);
    side.consumes = false;
    for _ in 0..4 {
        side.take(&encoded(part(0, 1_024, 1_000)), START);
        side.take(&encoded(part(0, 0, 24)), START);
    }
    assert_eq!((side.closed, side.heard.len()), (None, 4));
    side.take(&encoded(part(0, 256, 1)), START);
    assert_eq!(side.session.counters().get("part.credit"), 1);
    closes(&mut side, CloseReason::Misbehaviour);
}

#[test]
fn more_credit_than_the_cap_ends_the_link() {
    let mut side = ready(false);
    let grant = |bytes| encoded(Body::Credit(Credit { bytes }));
    side.take(&grant(262_144 - WIDE_CREDIT), START);
    assert_eq!(side.closed, None);
    side.take(&grant(1), START);
    closes(&mut side, CloseReason::Misbehaviour);
}

#[test]
fn a_windows_size_is_held_to_the_bounds() {
    for (given, told) in [(0, 2_048), (4_096, 4_096), (u32::MAX, 262_144)] {
        let mut side = Side::new(Role::Dialer, true);
        side.session = Session::new(
            sovereign_protocol::link::SessionConfig {
                credit: given,
                ..config(Role::Dialer, true)
            },
            START,
        );
        side.session.start();
        let out = frames_out(&mut side);
        assert!(matches!(&out[0], Body::Hello(hello) if hello.credit == told));
    }
    assert_eq!(SLOW_CREDIT, 4_096);
}

#[test]
fn parts_out_of_step_end_the_link() {
    let first = || part(0, 512, 100);
    let cases: [Vec<Body>; 4] = [
        vec![part(0, 0, 1)],
        vec![first(), first()],
        vec![first(), part(0, 0, 413)],
        vec![first(), part(1, 0, 1)],
    ];
    for case in cases {
        let mut side = ready(false);
        for body in case {
            side.take(&encoded(body), START);
        }
        assert_eq!(side.session.counters().get("part.step"), 1);
        closes(&mut side, CloseReason::Misbehaviour);
    }
}

#[test]
fn bundles_past_their_lifetime_are_dropped_counted_and_return_their_credit() {
    let mut side = ready(true);
    for round in 1..=16 {
        let late = Part {
            stream: 1,
            total: 4_096,
            age_s: 61,
            lifetime_s: 60,
            data: vec![1; 1_000].into(),
        };
        side.take(&encoded(Body::Part(late)), START);
        for len in [1_000, 1_000, 1_000, 96] {
            side.take(&encoded(part(1, 0, len)), START);
        }
        assert_eq!(
            (side.session.counters().get("part.expired"), side.closed),
            (round, None)
        );
        assert!(!frames_out(&mut side).is_empty(), "credit comes back");
    }
    assert_eq!(side.heard, vec![]);
    side.take(
        &encoded(Body::Part(Part {
            stream: 0,
            total: 256,
            age_s: 0,
            lifetime_s: 604_801,
            data: vec![1].into(),
        })),
        START,
    );
    closes(&mut side, CloseReason::Misbehaviour);
}

#[test]
fn a_body_dropped_meanwhile_is_skipped_and_gone_only_if_it_was_wanted() {
    let mut side = ready(false);
    let late = Some((body(3, 256), 61, 60));
    let long = Some((body(4, 256), 0, 604_801));
    let other = Some((body(5, 512), 0, 60));
    for (number, found) in [(1, None), (2, None), (3, late), (4, long), (5, other)] {
        let wanted = (number != 1).then_some(u64::from(number));
        assert_eq!(
            side.session.offer_bundle(content(number), 256, wanted),
            Offer::Queued
        );
        assert_eq!(side.session.poll(START), Output::NeedBody(content(number)));
        // Asked once only.
        assert_eq!(side.session.poll(START), Output::Idle);
        side.session
            .provide(content(99), Some((body(9, 256), 0, 60)));
        side.session.provide(content(number), found);
        assert!(!side.session.is_queued(&content(number)));
        let expected: Vec<Body> = wanted
            .into_iter()
            .map(|short| Body::Gone(Gone { ids: ids(&[short]) }))
            .collect();
        assert_eq!(frames_out(&mut side), expected);
    }
    assert_eq!(side.session.finished_bundles(), vec![]);
    // At its very end a bundle still goes.
    side.session.offer_bundle(content(6), 256, None);
    side.session.poll(START);
    side.session
        .provide(content(6), Some((body(6, 256), 604_800, 604_800)));
    let expected = Part {
        stream: 0,
        total: 256,
        age_s: 604_800,
        lifetime_s: 604_800,
        data: body(6, 256),
    };
    assert_eq!(frames_out(&mut side), vec![Body::Part(expected)]);
}

#[test]
fn a_bundle_is_queued_once_and_a_later_want_is_remembered() {
    let mut side = ready(false);
    assert_eq!(
        side.session.offer_bundle(content(1), 256, None),
        Offer::Queued
    );
    assert_eq!(
        side.session.offer_bundle(content(1), 256, Some(8)),
        Offer::Known
    );
    assert_eq!(
        side.session.offer_bundle(content(1), 256, Some(9)),
        Offer::Known
    );
    assert_eq!(side.session.unfinished_bundles(), vec![content(1)]);
    side.session.poll(START);
    side.session.provide(content(1), None);
    assert_eq!(
        frames_out(&mut side),
        vec![Body::Gone(Gone { ids: ids(&[8]) })]
    );
    assert_eq!(side.session.unfinished_bundles(), vec![]);
}

#[test]
fn bundles_can_be_taken_out_until_their_first_part_has_left() {
    let mut side = ready(false);
    for number in 1..=3 {
        side.offer(number, 16_384);
    }
    assert!(side.session.cancel(&content(2)));
    assert!(!side.session.cancel(&content(2)));
    assert_eq!(side.session.poll(START), Output::NeedBody(content(1)));
    assert!(side.session.cancel(&content(1)));
    // An answer that comes too late is ignored.
    side.session
        .provide(content(1), Some((body(1, 16_384), 0, 60)));
    assert_eq!(side.session.poll(START), Output::NeedBody(content(3)));
    side.session
        .provide(content(3), Some((body(3, 16_384), 0, 60)));
    assert!(matches!(side.session.poll(START), Output::Frame(_)));
    assert!(!side.session.cancel(&content(3)));
    assert!(side.session.is_queued(&content(3)));
    frames_out(&mut side);
    assert_eq!(side.session.finished_bundles(), vec![content(3)]);
}

#[test]
fn offers_are_bounded() {
    let mut side = ready(false);
    let numbered = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        sovereign_protocol::id::ContentId(id)
    };
    for number in 0..MAX_OFFERS {
        assert_eq!(side.session.room(), MAX_OFFERS - number);
        assert_eq!(
            side.session.offer_bundle(numbered(number), 256, None),
            Offer::Queued
        );
    }
    assert_eq!(side.session.room(), 0);
    assert_eq!(
        side.session.offer_bundle(numbered(MAX_OFFERS), 256, None),
        Offer::Full
    );
    assert_eq!(
        side.session.offer_bundle(numbered(7), 256, None),
        Offer::Known
    );
    assert!(side.session.cancel(&numbered(7)));
    assert_eq!(
        side.session.offer_bundle(numbered(MAX_OFFERS), 256, None),
        Offer::Queued
    );
}

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

    /// Whatever is offered in whatever order over whatever link, all of it arrives, once, whole.
    #[test]
    fn everything_offered_arrives(
        slow: bool,
        sizes in prop::collection::vec(
            (any::<bool>(), prop::sample::select(vec![256_usize, 512, 1_024, 4_096, 16_384]), 0..6_usize),
            1..40,
        ),
    ) {
        let mut pair = Pair::ready(slow);
        for (number, (from_dialer, size, steps)) in (1..).zip(&sizes) {
            let side = if *from_dialer { &mut pair.dialer } else { &mut pair.listener };
            side.offer(number, *size);
            for step in 0..*steps {
                pair.step(step % 2 == 0);
            }
        }
        pair.settle();
        let limit = if slow { SLOW_QUEUE } else { WIDE_QUEUE };
        for (side, to_dialer) in [(&mut pair.dialer, true), (&mut pair.listener, false)] {
            prop_assert_eq!(side.closed, None);
            prop_assert_eq!(side.session.counters().total(), 0);
            prop_assert!(side.most_in_adapter <= limit);
            let mut got = side.bundles();
            got.sort_unstable();
            let sent = (1..).zip(&sizes).filter(|(_, (from_dialer, ..))| *from_dialer != to_dialer);
            let expected: Vec<u8> = sent.map(|(number, _)| number).collect();
            prop_assert_eq!(got, expected);
        }
    }

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
