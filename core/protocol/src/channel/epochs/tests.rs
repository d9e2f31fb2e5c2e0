use super::*;
use proptest::prelude::*;

const DAY: u64 = 86_400;
const KEPT: u64 = 8 * DAY;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn start(epoch: u32, confirmed: bool) -> Epochs {
    Epochs::new(epoch, Zeroizing::new([7; 32]), Duration::ZERO, confirmed)
}

/// Every epoch that `find` tries, in its order, with its chain key.
fn tried(epochs: &Epochs) -> Vec<(u32, [u8; 32])> {
    let mut all = Vec::new();
    let none = epochs.find(|epoch, chain| {
        all.push((epoch, **chain));
        None::<()>
    });
    assert!(none.is_none());
    all
}

/// Oldest and newest epoch.
fn range(epochs: &Epochs) -> (u32, u32) {
    (epochs.0[0].epoch, epochs.newest().0)
}

#[test]
fn the_chain_runs_forward_by_the_protocol() {
    let mut epochs = start(0, true);
    let next = kdf::<32>(&[7; 32], &[], "sovereign/v1/ratchet");
    assert!(epochs.authenticated(1, true, at(1)));
    assert_eq!(epochs.newest().0, 1);
    assert_eq!(**epochs.newest().1, next);
}

#[test]
fn tries_newest_first_then_older_then_ahead() {
    let mut epochs = start(5, true);
    assert!(epochs.authenticated(8, true, at(DAY)));
    assert!(epochs.authenticated(12, true, at(2 * DAY)));
    let all = tried(&epochs);
    let order: Vec<u32> = all.iter().map(|(epoch, _)| *epoch).collect();
    let expected: Vec<u32> = (5..=12).rev().chain(13..=12 + 1_024).collect();
    assert_eq!(order, expected);
    // Wherever an epoch's chain key comes from, it is the same one.
    let mut chain = Zeroizing::new([7; 32]);
    let mut sorted = all;
    sorted.sort_unstable();
    for (_, key) in sorted {
        assert_eq!(key, *chain);
        chain = ratchet(&chain);
    }
    assert_eq!(
        epochs.find(|epoch, _| (epoch == 7).then_some(epoch)),
        Some(7)
    );
    assert_eq!(
        epochs.find(|epoch, _| (epoch == 900).then_some(epoch)),
        Some(900)
    );
}

#[test]
fn follows_what_was_authenticated_within_the_window() {
    let mut epochs = start(10, false);
    assert!(
        !epochs.authenticated(9, true, at(0)),
        "older: nothing to follow"
    );
    assert!(
        !epochs.authenticated(10 + 1_025, true, at(0)),
        "too far ahead"
    );
    assert_eq!(range(&epochs), (10, 10));
    assert!(epochs.authenticated(10 + 1_024, true, at(0)));
    assert_eq!(range(&epochs), (10, 1_034));
    // What is readable does not grow further: 1,024 above the oldest is the end for now.
    assert!(!epochs.authenticated(1_035, true, at(0)));
    assert_eq!(range(&epochs), (10, 1_034));
    // The oldest is forgotten: the next epochs can be followed again.
    assert!(epochs.authenticated(1_035, true, at(KEPT)));
    assert_eq!(range(&epochs), (1_034, 1_035));
}

#[test]
fn jumps_beyond_the_ceiling_go_as_far_as_it() {
    let mut epochs = start(0, false);
    assert!(epochs.authenticated(600, true, at(0)));
    assert!(epochs.authenticated(1_500, true, at(0)));
    assert_eq!(range(&epochs), (0, 1_024));
    assert!(epochs.last().confirmed, "somebody is at 1,024 or above");
}

#[test]
fn steps_after_a_day_with_another_member_only() {
    // §4.3: never by one's own clock alone.
    let mut epochs = start(0, false);
    assert!(!epochs.step(at(100 * DAY)), "nobody else was seen");
    assert!(
        !epochs.authenticated(0, false, at(1)),
        "an own message confirms nothing"
    );
    assert!(!epochs.step(at(100 * DAY)));
    assert!(
        epochs.authenticated(0, true, at(1)),
        "another member's does"
    );
    assert!(!epochs.authenticated(0, true, at(1)), "once");
    assert!(!epochs.step(at(DAY - 1)));
    assert!(epochs.step(at(DAY)));
    assert_eq!(epochs.newest().0, 1);
    assert!(!epochs.step(at(4 * DAY)), "nobody else was seen at epoch 1");
    // Following somebody confirms, following oneself (another device, a backup) does not.
    assert!(epochs.authenticated(2, false, at(5 * DAY)));
    assert!(!epochs.step(at(7 * DAY)));
    assert!(epochs.authenticated(3, true, at(7 * DAY)));
    assert!(epochs.step(at(8 * DAY)));
    assert_eq!(epochs.newest().0, 4);
}

#[test]
fn a_step_a_day_at_most_however_far_the_clock_jumped() {
    let mut epochs = start(0, true);
    assert!(epochs.step(at(1_000 * DAY)));
    assert!(epochs.authenticated(1, true, at(1_000 * DAY)));
    assert!(!epochs.step(at(1_001 * DAY - 1)));
    assert!(epochs.step(at(1_001 * DAY)));
    assert_eq!(epochs.newest().0, 2);
}

#[test]
fn steps_stop_at_the_ceiling_and_at_the_last_number() {
    let mut epochs = start(0, true);
    assert!(epochs.authenticated(1_023, true, at(0)));
    assert!(epochs.step(at(DAY)));
    assert!(epochs.authenticated(1_024, true, at(DAY)));
    assert!(!epochs.step(at(2 * DAY)));
    let mut last = start(u32::MAX, true);
    assert!(!last.step(at(DAY)));
    assert!(!last.authenticated(u32::MAX, true, at(DAY)));
    assert_eq!(tried(&last).len(), 1);
    let mut near = start(u32::MAX - 1, true);
    assert!(near.authenticated(u32::MAX, true, at(DAY)));
    assert_eq!(tried(&near).len(), 2);
}

#[test]
fn a_superseded_epoch_is_kept_for_eight_days_to_the_second() {
    let adopted = Duration::new(DAY, 1);
    let mut epochs = start(0, true);
    assert!(epochs.authenticated(1, true, adopted));
    let early = Duration::new(DAY + KEPT, 0);
    assert!(!epochs.forget(early), "a nanosecond short of 8 days");
    assert_eq!(range(&epochs), (0, 1));
    assert!(epochs.forget(at(DAY + KEPT + 1)));
    assert_eq!(range(&epochs), (1, 1));
    assert!(!epochs.forget(at(u64::MAX)), "the newest stays");
    assert_eq!(range(&epochs), (1, 1));
}

#[test]
fn a_clock_set_back_delays_forgetting_but_does_not_end_it() {
    let mut epochs = start(0, true);
    assert!(epochs.authenticated(1, true, at(1_000 * DAY)));
    assert!(epochs.forget(at(DAY)), "the waiting starts again");
    assert!(!epochs.forget(at(DAY + KEPT - 1)));
    assert!(epochs.forget(at(DAY + KEPT)));
    assert_eq!(range(&epochs), (1, 1));
    // Steps too: a day from the new reading on.
    let mut epochs = Epochs::new(0, Zeroizing::new([7; 32]), at(1_000 * DAY), true);
    assert!(
        epochs.step(at(DAY)),
        "changed: the adoption is now at one day"
    );
    assert_eq!(epochs.newest().0, 0);
    assert!(epochs.step(at(2 * DAY)));
    assert_eq!(epochs.newest().0, 1);
}

#[test]
fn rapid_advance_costs_neither_keys_nor_memory() {
    // A malicious member advances with every message, 100 a second, for a while.
    let mut epochs = start(0, true);
    for n in 1..=1_000u32 {
        let now = Duration::from_millis(u64::from(n) * 10);
        assert!(epochs.authenticated(n, true, now));
        assert!(epochs.0.len() <= 3);
    }
    assert!(!epochs.forget(at(KEPT)));
    assert_eq!(range(&epochs), (0, 1_000), "all of them for 8 days");
    assert!(epochs.forget(at(KEPT + 6 * 3600)));
    assert_eq!(range(&epochs), (1_000, 1_000), "none 6 hours later");
}

#[test]
fn anchors_six_hours_apart_are_told_apart() {
    for begun in [0, DAY] {
        let mut epochs = Epochs::new(0, Zeroizing::new([7; 32]), at(begun), true);
        let close = at(begun + 6 * 3600 - 1);
        assert!(epochs.authenticated(1, true, close));
        assert!(epochs.authenticated(2, true, close), "merges 1 into 0");
        assert_eq!(epochs.0.len(), 2);
        let apart = at(begun + 6 * 3600);
        assert!(epochs.authenticated(3, true, apart), "6 h after 0: 2 stays");
        assert_eq!(epochs.0.len(), 3);
    }
}

#[test]
fn anchors_are_bounded_whatever_the_clock_does() {
    let mut epochs = start(0, true);
    let mut most = 0;
    for n in 1..=600u32 {
        // Up for 7 days, then back to zero.
        let now = at(u64::from(n % 28) * 6 * 3600);
        epochs.authenticated(n, true, now);
        most = most.max(epochs.0.len());
        assert_eq!(
            range(&epochs),
            (0, n),
            "7 days pass at most: all are readable"
        );
    }
    assert_eq!(most, MAX_ANCHORS);
    let records = epochs.to_records();
    assert_eq!(Epochs::from_records(&records), Some(epochs));
}

#[test]
fn records_are_checked() {
    let mut epochs = start(3, true);
    assert!(epochs.authenticated(5, false, at(DAY)));
    let good = epochs.to_records();
    assert_eq!(Epochs::from_records(&good), Some(epochs));
    let with = |change: fn(&mut Vec<EpochKey>)| {
        let mut records = good.clone();
        change(&mut records);
        Epochs::from_records(&records).is_some()
    };
    assert!(with(|_| ()));
    assert!(!with(Vec::clear));
    assert!(!with(|r| r.swap(0, 1)));
    assert!(!with(|r| r[1].epoch = 3), "twice the same");
    assert!(with(|r| r[1].epoch = 3 + 1_024));
    assert!(!with(|r| r[1].epoch = 3 + 1_025));
    assert!(!with(|r| r[0].chain.truncate(31)));
    let many = |n: u32| -> Vec<EpochKey> {
        let record = |epoch| EpochKey {
            epoch,
            ..good[0].clone()
        };
        (0..n).map(record).collect()
    };
    assert!(Epochs::from_records(&many(128)).is_some());
    assert!(Epochs::from_records(&many(129)).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against a model that remembers when each epoch was first superseded.
    #[test]
    fn readable_for_eight_days_and_at_most_six_hours_more(
        events in proptest::collection::vec((0u64..40_000, 0u32..40, any::<bool>()), 1..150)
    ) {
        let mut epochs = start(0, true);
        let mut superseded = Vec::new();
        let mut now = 0;
        for (wait, ahead, steps) in events {
            now += wait;
            match steps {
                true => epochs.step(at(now)),
                false => epochs.authenticated(epochs.newest().0 + ahead, true, at(now)),
            };
            epochs.forget(at(now));
            let (oldest, newest) = range(&epochs);
            superseded.resize(newest as usize, now);
            prop_assert!(newest - oldest <= EPOCH_WINDOW);
            prop_assert!(epochs.0.len() <= 68);
            for (epoch, since) in (0u32..).zip(&superseded) {
                let waited = now - since;
                prop_assert!(waited >= KEPT || epoch >= oldest, "forgot {} early", epoch);
                prop_assert!(waited < KEPT + COALESCE || epoch < oldest, "kept {}", epoch);
            }
        }
        let mut chain = Zeroizing::new([7; 32]);
        for epoch in 0..=epochs.newest().0 {
            if let Some(anchor) = epochs.0.iter().find(|anchor| anchor.epoch == epoch) {
                prop_assert_eq!(&anchor.chain, &chain);
            }
            chain = ratchet(&chain);
        }
    }
}
