//! Priorities, the adapter's queue and credit.

use bytes::Bytes;
use proptest::prelude::*;
use sovereign_protocol::{
    link::{
        Incoming, Output, SLOW_CREDIT, SLOW_QUEUE, WIDE_CREDIT, WIDE_QUEUE,
        frame::{self, Body, MAX_FRAME},
    },
    wire::v1::{CloseReason, Credit, Done, Extension, Have},
};

use crate::{
    helpers::{closes, encoded, ids, part, ready},
    pair::{Pair, START, body, content},
};

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
    for _ in 0..SLOW_QUEUE / MAX_FRAME {
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
    let window = (SLOW_CREDIT / 1_024) as u8;
    for number in 1..=window + 1 {
        pair.dialer.offer(number, 1_024);
    }
    pair.settle();
    // So many are the window; one more waits.
    let arrived: Vec<u8> = (1..=window).collect();
    assert_eq!(pair.listener.bundles(), arrived);
    pair.dialer.offer(100, 16_384);
    pair.settle();
    assert!(pair.dialer.session.is_queued(&content(window + 1)));
    for _ in 0..(window - 1) / 2 {
        pair.listener.session.consumed(1_024);
    }
    pair.settle();
    assert_eq!(
        pair.listener.bundles(),
        arrived,
        "less than half the window is not granted"
    );
    pair.listener.session.consumed(1_024);
    pair.settle();
    assert_eq!(pair.listener.bundles().len(), arrived.len() + 1);
    assert_eq!(pair.listener.closed, None);
}

#[test]
fn a_bundle_larger_than_the_window_flows() {
    // §7.3: 16 KiB through a window of 4 KiB, with nothing consumed before it is whole.
    let mut pair = Pair::ready_with(4_096);
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
    side.consumes = false;
    let window = SLOW_CREDIT as usize / 1_024;
    for _ in 0..window {
        side.take(&encoded(part(0, 1_024, 1_000)), START);
        side.take(&encoded(part(0, 0, 24)), START);
    }
    // All of it waits to be stored: nothing is left, nothing is granted.
    assert_eq!((side.closed, side.heard.len()), (None, window));
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
}
