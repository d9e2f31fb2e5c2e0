//! The shelf against a reference model that recomputes everything from a plain list, and against
//! a flooder (MSG-5, MSG-13; hardening #15).
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use sovereign_protocol::{
    id::ContentId,
    link_kind::Source,
    shelf::{Arrival, Changes, DeclineReason, Kind, Limits, Recorded, SEEN_FOR, Shelf},
};

const HOUR_MS: u128 = 3_600_000;

fn id(n: u32) -> ContentId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    ContentId(id)
}

fn limits() -> Limits {
    Limits {
        total_bytes: 40_000,
        max_bundles: 50,
        stranger_bytes_per_hour: 40_000,
        max_seen: 12,
        ..Limits::default()
    }
}

#[derive(Debug, Clone, Copy)]
struct Held {
    arrival: Arrival,
    received: Duration,
}

impl Held {
    fn expires(&self) -> Duration {
        self.received + self.arrival.lifetime - self.arrival.age
    }

    fn cost(&self) -> u64 {
        u64::from(self.arrival.size).max(800)
    }
}

/// The rules of the shelf, as slowly and plainly as they can be written.
#[derive(Default)]
struct Model {
    held: Vec<Held>,
    /// Oldest first.
    seen: Vec<(Duration, ContentId)>,
    /// What was charged: kind, source, bytes.
    log: Vec<(Duration, Kind, Source, u32)>,
}

impl Model {
    fn tokens(&self, kind: Kind, source: Option<Source>, now: Duration) -> u64 {
        let total: u64 = 40_000 * if kind == Kind::Contact { 10 } else { 1 };
        let per_hour = u128::from(if source.is_some() { total / 4 } else { total });
        let (mut left, mut at) = (per_hour * HOUR_MS, Duration::ZERO);
        let charges = self
            .log
            .iter()
            .filter(|(_, k, s, _)| *k == kind && source.is_none_or(|source| source == *s));
        for (when, bytes) in charges.map(|c| (c.0, c.3)).chain([(now, 0)]) {
            left = (left + (when - at).as_millis() * per_hour).min(per_hour * HOUR_MS);
            left -= u128::from(bytes) * HOUR_MS;
            at = when;
        }
        u64::try_from(left / HOUR_MS).unwrap()
    }

    fn decide(&self, arrival: &Arrival, now: Duration) -> Result<Vec<ContentId>, DeclineReason> {
        if self
            .held
            .iter()
            .any(|h| h.arrival.content == arrival.content)
        {
            return Err(DeclineReason::Duplicate);
        }
        if self.seen.iter().any(|(_, id)| *id == arrival.content) {
            return Err(DeclineReason::Seen);
        }
        if arrival.age > arrival.lifetime {
            return Err(DeclineReason::Expired);
        }
        if arrival.kind.is_carried() {
            let size = u64::from(arrival.size);
            if self.tokens(arrival.kind, Some(arrival.source), now) < size {
                return Err(DeclineReason::RateSource);
            }
            if self.tokens(arrival.kind, None, now) < size {
                return Err(DeclineReason::RateTotal);
            }
        }
        self.room(arrival, now).ok_or(DeclineReason::NoRoom)
    }

    fn room(&self, arrival: &Arrival, now: Duration) -> Option<Vec<ContentId>> {
        let new = Held {
            arrival: *arrival,
            received: now,
        };
        let mut all = self.held.clone();
        all.push(new);
        let mut evicted = Vec::new();
        loop {
            let cost = |kind: Kind| -> u64 {
                let of = all.iter().filter(|h| h.arrival.kind == kind);
                of.map(Held::cost).sum()
            };
            let total: u64 = Kind::ALL.into_iter().map(cost).sum();
            let kind = if arrival.kind == Kind::Stranger && cost(Kind::Stranger) > 10_000 {
                Kind::Stranger
            } else if total > 40_000 {
                // The last kind of which something is left; the arrival is never alone in giving.
                all.iter().map(|h| h.arrival.kind).max().unwrap()
            } else {
                return Some(evicted);
            };
            let mut weights: BTreeMap<Source, u64> = BTreeMap::new();
            for held in all.iter().filter(|h| h.arrival.kind == kind) {
                *weights.entry(held.arrival.source).or_default() += held.cost();
            }
            let own = |source: Source| arrival.kind == kind && arrival.source == source;
            let (_, _, source) = weights
                .into_iter()
                .map(|(source, weight)| (weight, own(source), source))
                .max()
                .unwrap();
            let first = all
                .iter()
                .filter(|h| h.arrival.kind == kind && h.arrival.source == source)
                .min_by_key(|h| {
                    let is_new = h.arrival.content == arrival.content;
                    (h.expires(), is_new, h.arrival.content)
                })
                .unwrap();
            let gone = first.arrival.content;
            if gone == arrival.content {
                return None;
            }
            evicted.push(gone);
            all.retain(|h| h.arrival.content != gone);
        }
    }

    fn see(&mut self, content: ContentId, now: Duration, forgotten: &mut Vec<ContentId>) {
        self.seen.retain(|(_, id)| *id != content);
        self.seen.push((now, content));
        self.seen.sort();
        while self.seen.len() > 12 {
            forgotten.push(self.seen.remove(0).1);
        }
    }

    fn drop_all(&mut self, gone: &[ContentId], now: Duration) -> Changes {
        let mut changes = Changes::default();
        for content in gone {
            self.held.retain(|h| h.arrival.content != *content);
            self.see(*content, now, &mut changes.forgotten);
        }
        changes.dropped = gone.to_vec();
        changes
    }

    fn arrive(&mut self, arrival: &Arrival, now: Duration) -> Result<Changes, DeclineReason> {
        let evicted = self.decide(arrival, now)?;
        let changes = self.drop_all(&evicted, now);
        if arrival.kind.is_carried() {
            self.log
                .push((now, arrival.kind, arrival.source, arrival.size));
        }
        self.held.push(Held {
            arrival: *arrival,
            received: now,
        });
        Ok(changes)
    }

    fn expire(&mut self, now: Duration) -> Changes {
        let mut gone: Vec<_> = self.held.iter().filter(|h| h.expires() < now).collect();
        gone.sort_by_key(|h| (h.expires(), h.arrival.content));
        let gone: Vec<_> = gone.iter().map(|h| h.arrival.content).collect();
        let mut changes = self.drop_all(&gone, now);
        while self
            .seen
            .first()
            .is_some_and(|(at, _)| *at + SEEN_FOR < now)
        {
            changes.forgotten.push(self.seen.remove(0).1);
        }
        changes
    }
}

#[derive(Debug, Clone)]
enum Op {
    Arrive(Arrival),
    Wait(u64),
    Refuse(u32),
    Expire,
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let arrival = (
        0u32..60,
        proptest::sample::select(vec![256u32, 512, 1_024, 4_096, 16_384]),
        0u64..5_000,
        proptest::sample::select(vec![1_000u64, 10_000, 604_800]),
        proptest::sample::select(vec![
            Kind::Own,
            Kind::Member,
            Kind::Contact,
            Kind::Stranger,
            Kind::Stranger,
            Kind::Stranger,
        ]),
        0u64..4,
    )
        .prop_map(|(n, size, age, lifetime, kind, source)| {
            Op::Arrive(Arrival {
                content: id(n),
                size,
                age: Duration::from_secs(age),
                lifetime: Duration::from_secs(lifetime),
                kind,
                source: Source(source),
            })
        });
    prop_oneof![
        20 => arrival,
        3 => (0u64..4_000).prop_map(Op::Wait),
        1 => (0u64..800_000).prop_map(Op::Wait),
        1 => (0u32..60).prop_map(Op::Refuse),
        1 => Just(Op::Expire),
        1 => Just(Op::Restart),
    ]
}

/// Everything goes to records and back, as over a restart.
fn restart(shelf: &Shelf, now: Duration) -> Shelf {
    let mut fresh = Shelf::new(limits());
    for content in shelf.ids() {
        let record = shelf.to_record(&content).unwrap();
        let recorded = Recorded::from_record(&record).unwrap();
        assert_eq!(fresh.restore(content, recorded, now), Changes::default());
    }
    fresh
}

fn check_invariants(shelf: &Shelf, model: &Model) -> Result<(), TestCaseError> {
    let stats = shelf.stats();
    prop_assert!(stats.bytes <= 40_000);
    prop_assert!(stats.bundles <= 50);
    prop_assert!(stats.bytes_by_kind[Kind::Stranger as usize] <= 10_000);
    prop_assert!(stats.seen <= 12);
    prop_assert_eq!(stats.bytes, stats.bytes_by_kind.iter().sum::<u64>());
    prop_assert_eq!(stats.bundles as usize, model.held.len());
    for held in &model.held {
        prop_assert!(shelf.held(&held.arrival.content));
    }
    let mut seen: Vec<_> = model.seen.iter().map(|(_, id)| *id).collect();
    seen.sort_unstable();
    prop_assert!(shelf.ids().skip(model.held.len()).eq(seen));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_shelf_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..120)) {
        let (mut shelf, mut model) = (Shelf::new(limits()), Model::default());
        let mut now = Duration::from_secs(5);
        for op in ops {
            match op {
                Op::Arrive(arrival) => {
                    let own: Vec<_> = model.held.iter().filter(|h| h.arrival.kind == Kind::Own).map(|h| h.arrival.content).collect();
                    let changes = shelf.commit_keep(&arrival, None, now);
                    prop_assert_eq!(&changes, &model.arrive(&arrival, now));
                    if arrival.kind != Kind::Own {
                        prop_assert!(own.iter().all(|content| shelf.held(content)));
                    }
                }
                Op::Wait(seconds) => now += Duration::from_secs(seconds),
                Op::Refuse(n) => {
                    let changes = shelf.refuse(id(n), now);
                    let held = model.held.iter().any(|h| h.arrival.content == id(n));
                    let mut expected = model.drop_all(&[id(n)], now);
                    if !held {
                        expected.seen = core::mem::take(&mut expected.dropped);
                    }
                    prop_assert_eq!(changes, expected);
                }
                Op::Expire => {
                    let due = shelf.next_expiry().is_some_and(|at| at <= now);
                    let changes = shelf.expire(now);
                    prop_assert_eq!(due, changes != Changes::default());
                    prop_assert_eq!(changes, model.expire(now));
                }
                Op::Restart => {
                    shelf = restart(&shelf, now);
                    model.log.clear();
                }
            }
            check_invariants(&shelf, &model)?;
        }
    }
}

/// A stranger's bundle of a kibibyte that lives for a week.
fn bundle(n: u32, source: u64) -> Arrival {
    Arrival {
        content: id(n),
        size: 1_024,
        age: Duration::ZERO,
        lifetime: Duration::from_secs(604_800),
        kind: Kind::Stranger,
        source: Source(source),
    }
}

#[test]
fn a_flooder_with_a_thousand_peer_ids_moves_nobody_else() {
    // A PeerId is free to make; the source behind a thousand of them is one. It offers 16 bundles
    // a second for two days; two honest strangers bring one each every ten minutes.
    const FLOODER: u64 = 1;
    let mut shelf = Shelf::new(Limits {
        total_bytes: 8 << 20,
        max_bundles: 8_192,
        ..Limits::default()
    });
    let (mut next, mut flooded, mut honest) = (0, 0u64, Vec::new());
    for second in 0..2 * 86_400u64 {
        let life = Duration::from_secs(second);
        for _ in 0..16 {
            next += 1;
            if shelf
                .commit_keep(&bundle(next, FLOODER), None, life)
                .is_ok()
            {
                flooded += 1;
            }
        }
        if second % 600 == 0 {
            for source in [2, 3] {
                next += 1;
                let arrival = bundle(next, source);
                shelf.commit_keep(&arrival, None, life).unwrap();
                honest.push(arrival.content);
            }
        }
    }
    // Nothing honest was refused or evicted; the flood had its fourth of the rate and no more.
    assert_eq!(honest.len(), 576);
    assert!(honest.iter().all(|content| shelf.held(content)));
    assert_eq!(flooded, 256 + 48 * 256 - 1);
    let stats = shelf.stats();
    assert_eq!(stats.bytes_by_kind[3], 2 << 20);
    assert!(stats.seen <= shelf.limits().max_seen as u64);
    let now = Duration::from_secs(2 * 86_400);
    for source in [2, 3, 4] {
        let left = shelf.allowance(Kind::Stranger, Source(source), now);
        assert_eq!(left, 262_144);
    }
}

#[test]
fn a_flood_of_tiny_bundles_weighs_what_it_costs() {
    // 256 bytes each: the strangers' share is full at a fourth of the number, not of the bytes.
    let mut shelf = Shelf::new(Limits {
        stranger_bytes_per_hour: 1 << 30,
        ..Limits::default()
    });
    for n in 0..40_000 {
        let arrival = Arrival {
            size: 256,
            ..bundle(n, 1)
        };
        shelf
            .commit_keep(&arrival, None, Duration::from_secs(1))
            .unwrap();
    }
    assert_eq!(shelf.stats().bundles, 16_384);
    assert_eq!(shelf.stats().seen, 40_000 - 16_384);
}
