//! Honest courses, and the boundaries of the choice between them.

use proptest::prelude::*;

use super::*;
use crate::reconcile::{
    MAX_LACK, MAX_SET, frames,
    riblt::{PackError, Symbol},
};
use crate::wire::v1::{Done, Want};

mod hostile;

fn key() -> SessionKey {
    SessionKey::new(&[6; 32])
}

fn id(n: u32) -> ContentId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    ContentId(id)
}

fn ids(range: core::ops::Range<u32>) -> impl Iterator<Item = ContentId> {
    range.map(id)
}

fn session(role: Role, range: core::ops::Range<u32>) -> Reconciliation {
    Reconciliation::new(role, key(), ids(range))
}

fn bodies(steps: Vec<Step>) -> Vec<Body> {
    steps
        .into_iter()
        .map(|step| match step {
            Step::Send(body) => body,
            other => panic!("a frame, not {other:?}"),
        })
        .collect()
}

fn opening(set: core::ops::Range<u32>) -> Summary {
    match bodies(session(Role::Listener, set).start()).remove(0) {
        Body::Summary(summary) => summary,
        other => panic!("a Summary, not {other:?}"),
    }
}

/// A listener's answer to symbols: how many more it asks for.
fn asked(steps: &[Step]) -> u32 {
    match steps {
        [Step::Send(Body::More(more))] => more.count,
        other => panic!("More, not {other:?}"),
    }
}

fn symbols(start: u32, symbols: &[Symbol], more: bool) -> Body {
    let (packed, rest) = riblt::pack(symbols);
    assert!(rest.is_empty());
    Body::Symbols(Symbols {
        start,
        packed,
        more,
    })
}

/// Symbols of a set that no listener here knows.
fn stranger_symbols(range: core::ops::Range<usize>) -> Vec<Symbol> {
    static ALL: std::sync::OnceLock<Vec<Symbol>> = std::sync::OnceLock::new();
    let all = ALL.get_or_init(|| {
        let set = SessionSet::new(key(), ids(1_000_000..1_005_000));
        Encoder::new(&key(), set.shorts())
            .symbols(0..MAX_SYMBOLS)
            .to_vec()
    });
    all[range].to_vec()
}

/// Feeds a batch in frames of at most 60 symbols.
fn feed(listener: &mut Reconciliation, from: usize, count: usize) -> Vec<Step> {
    let all = stranger_symbols(from..from + count);
    let mut start = from;
    let mut last = Vec::new();
    for chunk in all.chunks(60) {
        let more = start + chunk.len() < from + count;
        let frame = symbols(u32::try_from(start).unwrap(), chunk, more);
        last = listener.on_frame(&frame).unwrap();
        assert_eq!(more, last.is_empty());
        start += chunk.len();
    }
    last
}

/// Runs two sides to the end; returns who decided, and what.
fn run(dialer: Vec<ContentId>, listener: Vec<ContentId>) -> (usize, Vec<ShortId>, Vec<ContentId>) {
    let mut sides = [
        Reconciliation::new(Role::Dialer, key(), dialer),
        Reconciliation::new(Role::Listener, key(), listener),
    ];
    let mut flight = bodies(sides[1].start());
    for turn in 0..60 {
        let to = turn % 2;
        let mut steps: Vec<Step> = Vec::new();
        for body in &flight {
            steps.extend(sides[to].on_frame(body).unwrap());
        }
        if let Some(Step::Difference { lack, offer }) = steps.first() {
            assert_eq!(steps[1..], [Step::Finished]);
            return (to, lack.clone(), offer.clone());
        }
        flight = bodies(steps);
    }
    panic!("no end")
}

proptest! {
    #[test]
    fn any_two_sets_end_in_their_difference(
        shared in 0u32..400, dialer in 0u32..300, listener in 0u32..300
    ) {
        let (a, b) = (shared + dialer, shared + dialer + listener);
        let ours: Vec<_> = ids(0..a).collect();
        let theirs: Vec<_> = ids(0..shared).chain(ids(a..b)).collect();
        let (decider, lack, offer) = run(ours, theirs);
        let sets = [ids(shared..a), ids(a..b)];
        let shorts = |set: &mut dyn Iterator<Item = ContentId>| {
            let mut shorts: Vec<_> = set.map(|id| key().short(&id)).collect();
            shorts.sort_unstable();
            shorts
        };
        let [mut only_dialer, mut only_listener] = sets;
        let (own, other) = if decider == 0 {
            (shorts(&mut only_dialer), shorts(&mut only_listener))
        } else {
            (shorts(&mut only_listener), shorts(&mut only_dialer))
        };
        prop_assert_eq!(lack, other);
        prop_assert_eq!(shorts(&mut offer.into_iter()), own);
    }
}

#[test]
fn summaries_carry_ids_up_to_64() {
    let small = opening(0..64);
    assert_eq!((small.count, small.ids.len(), small.more), (64, 512, false));
    assert!(small.estimate.is_empty());
    let large = opening(0..65);
    assert_eq!((large.count, large.ids.len(), large.more), (65, 0, false));
    assert!(!large.estimate.is_empty());
    assert_eq!(large.fingerprint.len(), 16);
    assert!(session(Role::Dialer, 0..5).start().is_empty());
    // A dialer with 64 lists them rather than coding.
    for (own, listed) in [(64, true), (65, false)] {
        let mut dialer = session(Role::Dialer, 0..own);
        let answer = bodies(dialer.on_frame(&Body::Summary(opening(0..66))).unwrap());
        let is_list = matches!(&answer[..], [Body::Summary(s)] if s.ids.len() == 512);
        assert_eq!(is_list, listed, "{own}");
    }
}

#[test]
fn equal_sets_have_an_empty_difference() {
    for n in [0, 64, 65, 500] {
        let (decider, lack, offer) = run(ids(0..n).collect(), ids(0..n).collect());
        assert_eq!((decider, lack, offer), (0, vec![], vec![]));
    }
    // Neither the count nor the fingerprint alone makes sets equal.
    for change in [0, 1] {
        let mut dialer = session(Role::Dialer, 0..100);
        let mut summary = opening(0..100);
        if change == 0 {
            summary.count = 101;
        } else {
            summary.fingerprint = vec![0; 16].into();
        }
        let answer = bodies(dialer.on_frame(&Body::Summary(summary)).unwrap());
        assert!(matches!(answer[..], [Body::Symbols(_)]));
    }
}

#[test]
fn a_small_set_is_listed_whatever_symbols_would_cost() {
    for own in [63, 64] {
        let mut dialer = session(Role::Dialer, 0..own);
        let answer = bodies(dialer.on_frame(&Body::Summary(opening(0..65))).unwrap());
        assert!(matches!(&answer[..], [Body::Summary(list)] if list.count == own));
    }
}

#[test]
fn the_plan_weighs_symbols_against_the_shorter_list() {
    assert_eq!(plan(10_000, 10_000, 0), Plan::Symbols(32));
    assert_eq!(plan(10_000, 10_000, 8), Plan::Symbols(32));
    assert_eq!(plan(10_000, 10_000, 10), Plan::Symbols(34));
    assert_eq!(plan(10_000, 10_000, 100), Plan::Symbols(196));
    assert_eq!(plan(10_000, 9_800, 100), Plan::Symbols(376));
    assert_eq!(plan(9_800, 10_000, 100), Plan::Symbols(376));
    assert_eq!(plan(200_000, 200_000, 5_000), Plan::Symbols(2_048));
    // 14 × (150 + 16) = 2,324 bytes against 8 an id.
    assert_eq!(plan(291, 291, 100), Plan::Symbols(196));
    // 100 symbols of 14 bytes cost as much as 175 ids of 8.
    assert_eq!(plan(175, 231, 0), Plan::Symbols(116));
    assert_eq!(plan(174, 230, 0), Plan::OwnList);
    assert_eq!(plan(290, 290, 100), Plan::OwnList);
    assert_eq!(plan(290, 291, 100), Plan::OwnList);
    assert_eq!(plan(291, 290, 100), Plan::TheirList);
    // 10,912 × 3 / 2 + 16 = 16,384.
    assert_eq!(plan(100_000, 100_000, 10_912), Plan::Symbols(2_048));
    assert_eq!(plan(100_000, 100_000, 10_913), Plan::OwnList);
    assert_eq!(plan(100_000, 100_000, u64::MAX / 8), Plan::OwnList);
}

#[test]
fn batches_grow_by_half_until_a_list_costs_less() {
    assert_eq!(next_batch(32, 10_000), 32);
    assert_eq!(next_batch(64, 10_000), 32);
    assert_eq!(next_batch(66, 10_000), 33);
    assert_eq!(next_batch(200, 10_000), 100);
    assert_eq!(next_batch(9_000, 10_000), 1_000);
    assert_eq!(next_batch(9_968, 10_000), 32);
    assert_eq!(next_batch(9_969, 10_000), 0);
    assert_eq!(next_batch(20_000, 10_000), 0);
    // However small the other set, 512; however large, 16,384.
    for count in [-1, 0, 70, 512] {
        assert_eq!(next_batch(480, count), 32);
        assert_eq!(next_batch(481, count), 0);
    }
    assert_eq!(next_batch(481, 514), 33);
    assert_eq!(next_batch(16_352, 262_144), 32);
    assert_eq!(next_batch(16_353, 262_144), 0);
}

#[test]
fn a_listener_asks_on_until_the_cap_and_then_for_a_list() {
    let mut listener = session(Role::Listener, 0..5_000);
    let mut received = 0;
    let mut batch = 96;
    while batch > 0 {
        let steps = feed(&mut listener, received, batch);
        received += batch;
        batch = asked(&steps) as usize;
        assert_eq!(batch, next_batch(received, 5_000));
    }
    assert!((4_969..=5_000).contains(&received), "{received}");
    assert!(!listener.is_finished());
    // The dialer's whole list then ends it, in as many frames as it takes.
    let list = list::frames_of(&SessionSet::new(key(), ids(1_000_000..1_005_000)));
    assert_eq!(list.len(), 42);
    for (n, summary) in list.into_iter().enumerate() {
        assert!(!listener.is_finished());
        let steps = listener.on_frame(&Body::Summary(summary)).unwrap();
        assert_eq!(steps.is_empty(), n < 41);
        if let Some(Step::Difference { lack, offer }) = steps.first() {
            assert_eq!((lack.len(), offer.len()), (5_000, 5_000));
        }
    }
    assert!(listener.is_finished());
}

#[test]
fn one_batch_of_symbols_tells_a_small_difference() {
    let mut dialer = session(Role::Dialer, 0..503);
    let mut listener = session(Role::Listener, 2..505);
    let opening = bodies(listener.start()).remove(0);
    let mut steps = Vec::new();
    for body in bodies(dialer.on_frame(&opening).unwrap()) {
        assert!(matches!(body, Body::Symbols(_)));
        steps.extend(listener.on_frame(&body).unwrap());
    }
    let [Step::Difference { lack, offer }, Step::Finished] = &steps[..] else {
        panic!("a difference, not {steps:?}")
    };
    let mut lacked: Vec<_> = ids(0..2).map(|id| key().short(&id)).collect();
    lacked.sort_unstable();
    assert_eq!(*lack, lacked);
    assert_eq!(offer.len(), 2);
    assert!(offer.contains(&id(503)) && offer.contains(&id(504)));
}
