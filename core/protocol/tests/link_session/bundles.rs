//! Bundles: offered, taken out, put together.

use sovereign_protocol::{
    link::{MAX_OFFERS, Offer, Output, SLOW_CREDIT, frame::Body},
    wire::v1::{CloseReason, Gone, Part},
};

use crate::{
    helpers::{closes, encoded, frames_out, ids, part, ready},
    pair::{START, body, content},
};

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
    let mut credited = 0;
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
        credited += frames_out(&mut side).len();
    }
    // All but less than half the window of what came.
    assert_eq!(credited, 16 * 4_096 / (SLOW_CREDIT as usize / 2 + 1));
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
