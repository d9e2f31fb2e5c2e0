//! Bytes, frames and round trips of whole reconciliations (MSG-6; must-show g), in the frames as
//! they cross the link, and what they cost in CPU time (printed, not asserted).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use sovereign_protocol::{
    id::ContentId,
    link_kind::Role,
    reconcile::{MAX_LACK, Reconciliation, SessionKey, SessionSet, ShortId, Step, frames, riblt},
    wire::v1::{Done, Frame, More, Summary, Want, frame::Body},
};

/// A content id as good as random.
fn content(seed: u64, n: u64) -> ContentId {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(n.to_be_bytes());
    ContentId(hash.finalize().into())
}

/// Two sets: `shared` ids in both, then `ours` in the dialer's and `theirs` in the listener's.
struct Case {
    seed: u64,
    shared: u64,
    dialer: u64,
    listener: u64,
}

impl Case {
    fn key(&self) -> SessionKey {
        SessionKey::new(&content(self.seed, u64::MAX).0)
    }

    fn dialer_set(&self) -> Vec<ContentId> {
        (0..self.shared + self.dialer)
            .map(|n| content(self.seed, n))
            .collect()
    }

    fn listener_set(&self) -> Vec<ContentId> {
        (0..self.shared)
            .chain(self.shared + self.dialer..self.shared + self.dialer + self.listener)
            .map(|n| content(self.seed, n))
            .collect()
    }
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Cost {
    /// Length prefixes and frames of both directions, all but Part.
    bytes: usize,
    frames: usize,
    /// Changes of direction from the Summary to the difference: two are a round trip.
    flights: usize,
    /// Whole exchange in flights, bodies and both Done included.
    total_flights: usize,
    lists: bool,
}

impl Cost {
    fn add(&mut self, body: &Body) {
        let frame = Frame {
            body: Some(body.clone()),
        };
        let length = frame.encoded_len();
        assert!((1..=1_024).contains(&length), "a frame of {length} bytes");
        self.bytes += 2 + length;
        self.frames += 1;
        self.lists |= matches!(body, Body::Summary(s) if s.more);
    }
}

impl Cost {
    /// Takes the greater of each figure.
    fn raise_to(&mut self, other: &Self) {
        self.bytes = self.bytes.max(other.bytes);
        self.frames = self.frames.max(other.frames);
        self.flights = self.flights.max(other.flights);
        self.total_flights = self.total_flights.max(other.total_flights);
    }
}

/// Runs a session to its end over a link that delivers whole flights; checks the difference.
fn run(case: &Case) -> Cost {
    run_with(case, |_| {})
}

/// The same with the listener's opening Summary tampered with.
fn run_with(case: &Case, tamper: impl Fn(&mut Summary)) -> Cost {
    let key = case.key();
    let mut cost = Cost::default();
    let mut sides = [
        Reconciliation::new(Role::Dialer, key, case.dialer_set()),
        Reconciliation::new(Role::Listener, key, case.listener_set()),
    ];
    assert!(sides[0].start().is_empty());
    let mut flight: Vec<Body> = sends(&sides[1].start());
    if let Body::Summary(summary) = &mut flight[0] {
        tamper(summary);
    }
    let mut to = 0;
    let decided = loop {
        cost.flights += 1;
        assert!(cost.flights < 50, "no end");
        let mut steps = Vec::new();
        for body in &flight {
            cost.add(body);
            steps.extend(sides[to].on_frame(body).unwrap());
        }
        if let Some(Step::Difference { lack, offer }) = steps.first() {
            assert_eq!(steps[1..], [Step::Finished]);
            assert!(sides[to].is_finished());
            check(case, &key, to, lack, offer);
            break (lack.clone(), offer.len());
        }
        flight = sends(&steps);
        assert!(!flight.is_empty(), "stuck");
        to = 1 - to;
    };
    finish(&mut cost, &mut sides, to, decided);
    cost
}

/// The Want and Done frames that follow; the offered bundles go as Part between them.
fn finish(
    cost: &mut Cost,
    sides: &mut [Reconciliation; 2],
    decider: usize,
    (lack, offered): (Vec<ShortId>, usize),
) {
    for ids in frames::pack_all(&lack) {
        cost.add(&Body::Want(Want { ids }));
    }
    cost.add(&Body::Done(Done {}));
    cost.add(&Body::Done(Done {}));
    let done = Body::Done(Done {});
    assert_eq!(sides[1 - decider].on_frame(&done), Ok(vec![Step::Finished]));
    assert_eq!(sides[decider].on_frame(&done), Ok(vec![]));
    // One flight with Want and the offered bodies, one back with the wanted ones.
    let bodies = usize::from(!lack.is_empty() || offered > 0) + usize::from(!lack.is_empty());
    cost.total_flights = cost.flights + bodies;
}

fn sends(steps: &[Step]) -> Vec<Body> {
    steps
        .iter()
        .filter_map(|step| match step {
            Step::Send(body) => Some(body.clone()),
            _ => None,
        })
        .collect()
}

fn check(case: &Case, key: &SessionKey, decider: usize, lack: &[ShortId], offer: &[ContentId]) {
    let dialer: BTreeSet<_> = case.dialer_set().into_iter().collect();
    let listener: BTreeSet<_> = case.listener_set().into_iter().collect();
    let (own, other) = [(&dialer, &listener), (&listener, &dialer)][decider];
    let lacked: BTreeSet<_> = other.difference(own).map(|id| key.short(id)).collect();
    let got: BTreeSet<_> = lack.iter().copied().collect();
    assert_eq!(got.len(), lack.len(), "named once");
    assert!(got.is_subset(&lacked));
    assert_eq!(got.len(), lacked.len().min(MAX_LACK));
    let offered: BTreeSet<_> = offer.iter().copied().collect();
    assert_eq!(offered.len(), offer.len(), "offered once");
    assert!(offered.iter().eq(own.difference(other)));
}

fn figure(name: &str, cost: &Cost) {
    println!(
        "{name}: {} B in {} frames, difference after {} flights, all after {} ({:.1} round trips)",
        cost.bytes,
        cost.frames,
        cost.flights,
        cost.total_flights,
        cost.total_flights as f64 / 2.0
    );
}

fn case(seed: u64, shared: u64, dialer: u64, listener: u64) -> Case {
    Case {
        seed,
        shared,
        dialer,
        listener,
    }
}

#[test]
fn ten_thousand_shared_and_a_hundred_differing() {
    // Must-show g: bodies + at most 10,000 B, at most 3 round trips, whichever side has them.
    let mut worst = Cost::default();
    for seed in 0..40 {
        let dialer = [50, 0, 100, 20][seed as usize % 4];
        let cost = run(&case(seed, 10_000, dialer, 100 - dialer));
        assert!(cost.bytes <= 10_000, "{cost:?}");
        assert!(cost.total_flights <= 6, "{cost:?}");
        assert!(!cost.lists);
        worst.raise_to(&cost);
    }
    figure("10,000 shared, 100 differing, worst of 40", &worst);
    assert!(worst.bytes <= 5_000, "{worst:?}");
}

#[test]
fn ten_and_a_thousand_differing() {
    for (each, bytes) in [(5, 1_000), (500, 36_000)] {
        let mut worst = Cost::default();
        for seed in 0..10 {
            let cost = run(&case(seed, 10_000, each, each));
            assert!(cost.total_flights <= 6, "{cost:?}");
            worst.raise_to(&cost);
        }
        figure(
            &format!("10,000 shared, {} differing, worst of 10", 2 * each),
            &worst,
        );
        assert!(worst.bytes <= bytes, "{worst:?}");
    }
}

#[test]
fn equal_stores_cost_next_to_nothing() {
    for shared in [0, 1, 64, 65, 10_000] {
        let cost = run(&case(1, shared, 0, 0));
        figure(&format!("{shared} shared, none differing"), &cost);
        assert!(cost.bytes <= 1_000, "{cost:?}");
        assert_eq!(cost.total_flights, 1);
    }
    assert!(run(&case(1, 10_000, 0, 0)).bytes <= 200);
}

#[test]
fn one_side_empty() {
    // The side with less to tell lists it: 8 bytes an id and nothing for what is not there.
    for n in [1, 64, 65, 200, 10_000] {
        let filled = run(&case(2, 0, 0, n));
        figure(&format!("(0, {n})"), &filled);
        // The empty dialer lists nothing; the listener offers everything.
        assert!(
            filled.bytes <= if n <= 64 { 1_100 } else { 200 },
            "{filled:?}"
        );
        let empty = run(&case(2, 0, n, 0));
        figure(&format!("({n}, 0)"), &empty);
        assert!(empty.bytes <= 50, "{empty:?}");
        assert!(filled.total_flights <= 3 && empty.total_flights <= 2);
    }
}

#[test]
fn disjoint_stores_are_told_apart_by_a_list() {
    let cost = run(&case(3, 0, 5_000, 5_000));
    figure("5,000 and 5,000 disjoint", &cost);
    assert!(cost.lists);
    // A list of 5,000 short ids one way and as many wanted the other.
    assert!(cost.bytes <= 82_000, "{cost:?}");
    assert!(cost.total_flights <= 6);
    for (dialer, listener) in [(20_000, 64), (64, 20_000), (20_000, 65), (65, 20_000)] {
        let cost = run(&case(4, 0, dialer, listener));
        figure(&format!("({dialer}, {listener}) disjoint"), &cost);
        assert!(cost.total_flights <= 6, "{cost:?}");
    }
}

#[test]
fn the_smaller_of_two_unequal_sets_is_listed() {
    for (dialer, listener) in [(20_000, 64), (20_000, 65), (20_000, 300), (300, 20_000)] {
        let (key, case) = (case(4, 0, 0, 0).key(), case(4, 0, dialer, listener));
        let mut sides = [
            Reconciliation::new(Role::Dialer, key, case.dialer_set()),
            Reconciliation::new(Role::Listener, key, case.listener_set()),
        ];
        let opening = sends(&sides[1].start());
        let mut listed = 0;
        let mut answer = Vec::new();
        for body in &opening {
            answer.extend(sides[0].on_frame(body).unwrap());
        }
        let mut flight = sends(&answer);
        if matches!(flight[..], [Body::More(More { count: 0 })]) {
            flight = sends(&sides[1].on_frame(&flight[0]).unwrap());
        }
        for body in opening.iter().chain(&flight) {
            if let Body::Summary(summary) = body {
                listed += summary.ids.len() / 8;
            }
        }
        assert_eq!(
            listed as u64,
            dialer.min(listener),
            "({dialer}, {listener})"
        );
    }
}

#[test]
fn a_wrong_estimate_costs_symbols_up_to_the_cap_and_then_a_list() {
    // The listener claims the dialer's own counters: no difference to be expected.
    let case = case(5, 0, 5_000, 5_000);
    let estimate = SessionSet::new(case.key(), case.dialer_set())
        .estimate()
        .to_bytes();
    let cost = run_with(&case, |summary| summary.estimate = estimate.clone());
    figure("5,000 and 5,000 disjoint, estimate 0", &cost);
    assert!(cost.lists);
    // At most as many symbols as the list has ids, 15 bytes each, then list and wants.
    assert!(cost.bytes <= 5_000 * 16 + 82_000, "{cost:?}");
    // The other way round, an exaggerated one costs a list.
    let near = Case {
        shared: 1_000,
        dialer: 1,
        listener: 1,
        ..case
    };
    let far = Case { seed: 6, ..near };
    let estimate = SessionSet::new(far.key(), far.dialer_set())
        .estimate()
        .to_bytes();
    let cost = run_with(&near, |summary| summary.estimate = estimate.clone());
    assert!(cost.bytes <= 9_000, "{cost:?}");
}

#[test]
fn figures_of_cpu_time() {
    let case = case(7, 10_000, 50, 50);
    let (ours, theirs) = (case.dialer_set(), case.listener_set());
    let start = Instant::now();
    let set: Arc<SessionSet> = SessionSet::new(case.key(), ours);
    let snapshot = start.elapsed();
    let start = Instant::now();
    let mut encoder = riblt::Encoder::new(set.key(), set.shorts());
    let symbols = encoder.symbols(0..192).to_vec();
    let encode = start.elapsed();
    let theirs = SessionSet::new(case.key(), theirs);
    let start = Instant::now();
    let mut decoder = riblt::Decoder::new(case.key(), theirs.shorts());
    assert!(decoder.push(&symbols));
    assert_eq!(decoder.decode(), riblt::Outcome::Complete);
    let decode = start.elapsed();
    println!(
        "CPU: snapshot of 10,050 ids {:.2} ms, 192 symbols {:.2} ms, decoding 100 differences {:.2} ms",
        snapshot.as_secs_f64() * 1e3,
        encode.as_secs_f64() * 1e3,
        decode.as_secs_f64() * 1e3
    );
}
