//! The shelf's rules one by one. Sequences of them are in `tests/shelf_model.rs`.

use super::*;
use crate::reconcile::ShortId;

const DAY: u64 = 86_400;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn id(n: u32) -> ContentId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_be_bytes());
    ContentId(id)
}

fn arrival(n: u32, kind: Kind, source: u64) -> Arrival {
    Arrival {
        content: id(n),
        size: 1_024,
        age: secs(0),
        lifetime: secs(7 * DAY),
        kind,
        source: Source(source),
    }
}

fn stranger(n: u32) -> Arrival {
    arrival(n, Kind::Stranger, 1)
}

fn shelf() -> Shelf {
    Shelf::new(Limits::default())
}

/// Room for 10 KiB, 2.5 of them for strangers.
fn small() -> Shelf {
    Shelf::new(Limits {
        total_bytes: 10_240,
        max_bundles: 10,
        ..Limits::default()
    })
}

fn keep(shelf: &mut Shelf, arrival: Arrival, life: Duration) -> Changes {
    let decision = shelf.consider(&arrival, life);
    let changes = shelf.commit_keep(&arrival, None, life).unwrap();
    assert_eq!(
        decision,
        Decision::Keep {
            evict: changes.dropped.clone()
        }
    );
    changes
}

fn declined(shelf: &mut Shelf, arrival: Arrival, life: Duration) -> DeclineReason {
    let stats = shelf.stats();
    let reason = shelf.commit_keep(&arrival, None, life).unwrap_err();
    assert_eq!(shelf.consider(&arrival, life), Decision::Decline(reason));
    assert_eq!(shelf.stats(), stats);
    reason
}

#[test]
fn an_arrival_is_kept_once_and_not_again_after_it_has_gone() {
    let mut shelf = shelf();
    assert_eq!(keep(&mut shelf, stranger(1), secs(5)), Changes::default());
    assert!(shelf.held(&id(1)) && !shelf.seen(&id(1)));
    assert_eq!(
        declined(&mut shelf, stranger(1), secs(5)),
        DeclineReason::Duplicate
    );
    let changes = shelf.refuse(id(1), secs(6));
    assert_eq!(changes.dropped, [id(1)]);
    assert!(changes.seen.is_empty() && changes.forgotten.is_empty());
    assert!(!shelf.held(&id(1)) && shelf.seen(&id(1)));
    assert_eq!(
        declined(&mut shelf, stranger(1), secs(6)),
        DeclineReason::Seen
    );
    let changes = shelf.refuse(id(2), secs(6));
    assert_eq!((changes.seen, changes.dropped), (vec![id(2)], vec![]));
    assert_eq!(
        declined(&mut shelf, stranger(2), secs(6)),
        DeclineReason::Seen
    );
    // What could not be stored may come again.
    keep(&mut shelf, stranger(3), secs(6));
    assert_eq!(shelf.remove(&id(3)).map(|meta| meta.size), Some(1_024));
    assert_eq!(shelf.remove(&id(3)), None);
    keep(&mut shelf, stranger(3), secs(6));
}

#[test]
fn sizes_lifetimes_and_ages_are_bounded() {
    let mut shelf = shelf();
    let cases: [(u32, u64, u64, Option<DeclineReason>); 8] = [
        (0, 0, 10, Some(DeclineReason::TooLarge)),
        (1, 0, 10, None),
        (16_384, 0, 10, None),
        (16_385, 0, 10, Some(DeclineReason::TooLarge)),
        (256, 0, 604_800, None),
        (256, 0, 604_801, Some(DeclineReason::TooLong)),
        (256, 10, 10, None),
        (256, 11, 10, Some(DeclineReason::Expired)),
    ];
    for (n, (size, age, lifetime, expected)) in cases.into_iter().enumerate() {
        let arrival = Arrival {
            size,
            age: secs(age),
            lifetime: secs(lifetime),
            ..stranger(n as u32)
        };
        match expected {
            None => drop(keep(&mut shelf, arrival, secs(0))),
            Some(reason) => assert_eq!(declined(&mut shelf, arrival, secs(0)), reason),
        }
    }
}

#[test]
fn bundles_go_by_age_whatever_brought_them() {
    let mut shelf = shelf();
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        let arrival = Arrival {
            age: secs(100),
            lifetime: secs(160),
            ..arrival(n as u32, kind, 1)
        };
        keep(&mut shelf, arrival, secs(1_000 + n as u64));
    }
    assert_eq!(shelf.age_now(&id(0), secs(1_030)), Some(secs(130)));
    assert_eq!(shelf.age_now(&id(9), secs(1_030)), None);
    let first = secs(1_060) + Duration::from_millis(1);
    assert_eq!(shelf.next_expiry(), Some(first));
    assert_eq!(shelf.expire(secs(1_060)), Changes::default());
    assert_eq!(shelf.expire(first).dropped, [id(0)]);
    assert_eq!(shelf.expire(secs(1_063)).dropped, [id(1), id(2)]);
    assert!(shelf.seen(&id(0)) && shelf.held(&id(3)));
    assert_eq!(shelf.expire(secs(1_064)).dropped, [id(3)]);
    assert_eq!((shelf.stats().bundles, shelf.stats().seen), (0, 4));
    // What was seen is forgotten after eight days, and says when.
    let forget = first + secs(8 * DAY) + Duration::from_millis(1);
    assert_eq!(shelf.next_expiry(), Some(forget));
    assert_eq!(
        shelf.expire(forget - Duration::from_millis(1)),
        Changes::default()
    );
    assert_eq!(shelf.expire(forget).forgotten, [id(0)]);
    assert_eq!(shelf.expire(secs(30 * DAY)).forgotten, [1, 2, 3].map(id));
    assert_eq!(shelf.next_expiry(), None);
}

#[test]
fn declined_for_room_need_not_come_again_but_a_lie_or_a_rate_refuses_nothing_for_good() {
    let mut shelf = small();
    keep(&mut shelf, stranger(1), secs(10));
    keep(&mut shelf, stranger(2), secs(10));
    let old = Arrival {
        lifetime: secs(60),
        ..stranger(3)
    };
    assert_eq!(declined(&mut shelf, old, secs(10)), DeclineReason::NoRoom);
    let changes = shelf.commit_decline(&old, DeclineReason::NoRoom, secs(10));
    assert_eq!(changes.seen, [id(3)]);
    assert!(shelf.seen(&id(3)));
    for reason in [
        DeclineReason::Expired,
        DeclineReason::TooLong,
        DeclineReason::TooLarge,
        DeclineReason::RateTotal,
        DeclineReason::RateSource,
    ] {
        let changes = shelf.commit_decline(&stranger(4), reason, secs(10));
        assert_eq!(changes, Changes::default());
        assert!(!shelf.seen(&id(4)));
    }
}

#[test]
fn transfers_are_charged_while_their_source_has_something_left() {
    let left = |shelf: &Shelf, source| shelf.allowance(Kind::Stranger, Source(source), secs(0));
    let mut shelf = shelf();
    assert_eq!(left(&shelf, 1), 262_144);
    keep(&mut shelf, stranger(1), secs(0));
    assert_eq!(left(&shelf, 1), 261_120);
    // Honest peers may send the same at once.
    for reason in [DeclineReason::Duplicate, DeclineReason::Seen] {
        shelf.commit_decline(&stranger(1), reason, secs(0));
        assert_eq!(left(&shelf, 1), 261_120);
    }
    for _ in 0..10_000 {
        shelf.commit_decline(&stranger(2), DeclineReason::Expired, secs(0));
    }
    assert_eq!(left(&shelf, 1), 0);
    assert_eq!(
        declined(&mut shelf, stranger(3), secs(0)),
        DeclineReason::RateSource
    );
    // The flood took no more than its part of what all have.
    for source in 2..5 {
        assert_eq!(left(&shelf, source), 262_144);
        for n in 0..256 {
            keep(
                &mut shelf,
                arrival(source as u32 * 1_000 + n, Kind::Stranger, source),
                secs(0),
            );
        }
    }
    let last = arrival(9, Kind::Stranger, 9);
    assert_eq!(
        declined(&mut shelf, last, secs(0)),
        DeclineReason::RateTotal
    );
    // Own and members' bundles are not charged.
    keep(&mut shelf, arrival(10, Kind::Own, 1), secs(0));
    keep(&mut shelf, arrival(11, Kind::Member, 1), secs(0));
    keep(&mut shelf, arrival(12, Kind::Contact, 1), secs(0));
    assert_eq!(shelf.allowance(Kind::Member, Source(1), secs(0)), u64::MAX);
}

#[test]
fn what_gives_way_is_dropped_and_need_not_come_again() {
    let mut shelf = small();
    keep(&mut shelf, stranger(1), secs(1));
    keep(&mut shelf, stranger(2), secs(2));
    let changes = keep(&mut shelf, stranger(3), secs(3));
    assert_eq!(changes.dropped, [id(1)]);
    assert!(shelf.seen(&id(1)) && shelf.held(&id(2)) && shelf.held(&id(3)));
    for n in 0..8 {
        keep(&mut shelf, arrival(10 + n, Kind::Own, 0), secs(4));
    }
    let changes = keep(&mut shelf, arrival(30, Kind::Own, 0), secs(5));
    assert_eq!(changes.dropped, [id(2)]);
    keep(&mut shelf, arrival(31, Kind::Own, 0), secs(5));
    assert_eq!(shelf.stats().bytes_by_kind, [10_240, 0, 0, 0]);
    assert_eq!(
        declined(&mut shelf, arrival(40, Kind::Member, 1), secs(5)),
        DeclineReason::NoRoom
    );
}

#[test]
fn a_channel_joined_later_makes_a_bundle_ones_own_affair() {
    let mut shelf = small();
    keep(&mut shelf, stranger(1), secs(1));
    keep(&mut shelf, stranger(2), secs(1));
    let message = Some(MessageId([7; 32]));
    assert!(shelf.reclassify(&id(1), Kind::Member, message));
    assert!(!shelf.reclassify(&id(9), Kind::Member, message));
    let meta = shelf.get(&id(1)).copied().unwrap();
    assert_eq!(
        (meta.kind, meta.message, meta.received),
        (Kind::Member, message, secs(1))
    );
    assert_eq!(shelf.stats().carried_bundles, 1);
    // It has left the strangers' share.
    assert_eq!(keep(&mut shelf, stranger(3), secs(1)), Changes::default());
}

#[test]
fn offers_are_newest_first_then_smallest_and_only_what_can_be_sent() {
    let mut shelf = shelf();
    for (n, age, lifetime, size) in [
        (1, 500, 1_000, 512),
        (2, 100, 1_000, 512),
        (3, 100, 1_000, 256),
        (4, 0, 20, 256),
    ] {
        let arrival = Arrival {
            age: secs(age),
            lifetime: secs(lifetime),
            size,
            ..stranger(n)
        };
        keep(&mut shelf, arrival, secs(100));
    }
    // Received later, but older than 2 and 3 by then.
    let late = Arrival {
        age: secs(120),
        ..stranger(5)
    };
    keep(&mut shelf, late, secs(110));
    let all: Vec<_> = (0..7).map(id).collect();
    let ordered = |life| shelf.order_offers(all.clone(), life);
    assert_eq!(ordered(secs(120)), [4, 3, 2, 5, 1].map(id));
    assert_eq!(ordered(secs(121)), [3, 2, 5, 1].map(id));
}

#[test]
fn stats_follow_what_is_held() {
    let mut shelf = shelf();
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        let arrival = Arrival {
            size: 256 << n,
            ..arrival(n as u32, kind, 1)
        };
        keep(&mut shelf, arrival, secs(0));
    }
    shelf.refuse(id(77), secs(0));
    let stats = shelf.stats();
    assert_eq!(
        stats,
        Stats {
            bundles: 4,
            carried_bundles: 2,
            bytes: 3_840,
            bytes_by_kind: [256, 512, 1_024, 2_048],
            seen: 1,
        }
    );
    assert!(shelf.iter().map(|(content, _)| *content).eq((0..4).map(id)));
    for n in 0..4 {
        shelf.remove(&id(n));
    }
    assert_eq!(
        shelf.stats(),
        Stats {
            seen: 1,
            ..Stats::default()
        }
    );
    assert_eq!(shelf.iter().count(), 0);
}

#[test]
fn sessions_see_what_is_held_and_what_was_seen() {
    let mut shelf = shelf();
    keep(&mut shelf, stranger(2), secs(0));
    keep(&mut shelf, stranger(1), secs(0));
    shelf.refuse(id(3), secs(0));
    assert!(shelf.ids().eq([1, 2, 3].map(id)));
    let key = SessionKey::new(&[4; 32]);
    assert_eq!(shelf.session_set(key).count(), 3);
    let index = shelf.short_index(key);
    assert_eq!(index.resolve(key.short(&id(3))), Some(id(3)));
    assert_eq!(index.resolve(ShortId(0)), None);
}

#[test]
fn a_shelf_comes_back_from_its_records() {
    let mut before = shelf();
    keep(&mut before, stranger(1), secs(10));
    let message = Some(MessageId([7; 32]));
    let own = arrival(2, Kind::Own, 0);
    before.commit_keep(&own, message, secs(20)).unwrap();
    before.refuse(id(3), secs(30));
    assert_eq!(before.to_record(&id(9)), None);
    let mut after = shelf();
    for n in 1..=3 {
        let record = before.to_record(&id(n)).unwrap();
        assert_eq!(record.declined, n == 3);
        let recorded = Recorded::from_record(&record).unwrap();
        assert_eq!(after.restore(id(n), recorded, secs(40)), Changes::default());
        // Twice does no harm.
        after.restore(id(n), recorded, secs(40));
    }
    assert_eq!(after.stats(), before.stats());
    assert_eq!(after.get(&id(2)), before.get(&id(2)));
    assert_eq!(after.next_expiry(), before.next_expiry());
    assert!(after.ids().eq(before.ids()));
    // Held wins over seen, and a life clock that was lost makes nothing stay for longer.
    let seen = Recorded::Seen { since: secs(99) };
    after.restore(id(1), seen, secs(40));
    assert!(after.held(&id(1)) && !after.seen(&id(1)));
    after.restore(id(5), seen, secs(40));
    let meta = Meta {
        received: secs(1_000_000),
        ..*before.get(&id(1)).unwrap()
    };
    after.restore(id(4), Recorded::Held(meta), secs(40));
    after.expire(secs(41 + 7 * DAY));
    assert!(!after.held(&id(4)));
    assert_eq!(after.expire(secs(41 + 8 * DAY)).forgotten, [3, 5].map(id));
}

#[test]
fn smaller_limits_are_met_at_the_next_start() {
    let mut shelf = small();
    for (n, kind) in [
        (1, Kind::Own),
        (2, Kind::Own),
        (3, Kind::Member),
        (4, Kind::Stranger),
    ] {
        let meta = meta_of(
            &Arrival {
                size: 4_096,
                ..arrival(n, kind, 1)
            },
            None,
            secs(0),
        );
        shelf.restore(id(n), Recorded::Held(meta), secs(0));
    }
    assert_eq!(shelf.trim(secs(0)).dropped, [id(4), id(3)]);
    assert!(shelf.seen(&id(3)) && shelf.held(&id(1)) && shelf.held(&id(2)));
    assert_eq!(shelf.trim(secs(0)), Changes::default());
}

#[test]
fn seen_ids_are_bounded_and_the_store_is_told_what_to_forget() {
    let mut shelf = Shelf::new(Limits {
        max_seen: 2,
        ..Limits::default()
    });
    shelf.refuse(id(1), secs(1));
    shelf.refuse(id(2), secs(2));
    assert_eq!(shelf.refuse(id(3), secs(3)).forgotten, [id(1)]);
    keep(&mut shelf, stranger(4), secs(4));
    let changes = shelf.refuse(id(4), secs(4));
    assert_eq!(
        (changes.dropped, changes.forgotten),
        (vec![id(4)], vec![id(2)])
    );
    let seen = Recorded::Seen { since: secs(5) };
    assert_eq!(shelf.restore(id(6), seen, secs(9)).forgotten, [id(3)]);
    assert_eq!(shelf.limits().max_seen, 2);
}
