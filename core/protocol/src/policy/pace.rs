//! How fast own texts are offered over a slow medium (MSG-5, LOC-6; `docs/capacity.md`, ADR 28). A text is never
//! refused and never waits to be stored: what waits is telling others of it.
//!
//! An island moves so many bytes of texts a second, whoever wrote them. A few people never come near that, and
//! nobody waits among them. In a crowd everybody takes an even share among those heard lately, after a
//! burst that the island can still take in when all have one. Who makes up authors to be counted, or pours
//! in what nobody can read, slows others down to a floor and no further.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::id::AuthorKey;

/// Bytes of bundles with texts that an island moves in a second, all of it together: five of 512 bytes in two
/// seconds, three quarters of what islands of 50 and of 200 phones still deliver (`docs/capacity.md`).
pub const CAPACITY: u32 = 1_280;
/// From so many authors on, oneself included, it is a crowd: below it no text waits.
pub const CROWD: usize = 10;
/// Bytes that one may offer at once in a crowd: ten texts of the second smallest size.
pub const BURST: u32 = 5_120;
/// What all bursts together may be: what the island moves in so long.
pub const BURSTS: Duration = Duration::from_secs(80);
/// The least burst: one text of the second smallest size.
pub const LEAST_BURST: u32 = 512;
/// A smaller bundle costs as much: announcements, receipts and set-ups are the same.
pub const LEAST_COST: u32 = 512;
/// An author counts for so long after its last text: long enough for all who write as fast as an even share
/// allows, where up to 150 do; and whoever said something and is silent since leaves its share to others.
pub const HEARD_FOR: Duration = Duration::from_secs(60);
/// Authors counted at most, oneself included: the floor is one text of the second smallest size in 3 minutes.
pub const MAX_AUTHORS: usize = 512;
/// Strangers' bundles are measured over so long, …
pub const CARRIED_OVER: Duration = Duration::from_secs(60);
/// … are a crowd when they take so much of the capacity, …
pub const CARRIED_CROWD: u32 = CAPACITY / 2;
/// … and take at most so much of it from one's own.
pub const CARRIED_MOST: u32 = CAPACITY / 4 * 3;

/// In a byte; it is counted in millionths, so that an hour's rounding is nothing.
const MICRO: i64 = 1_000_000;

/// What may be offered, and when.
#[derive(Debug, Default)]
pub struct Pace {
    /// Others whose texts came, and when the last one did.
    authors: BTreeMap<AuthorKey, Duration>,
    /// Bytes of strangers' bundles: in the current span, in the one before, and when the current one began.
    carried: (u64, u64, Duration),
    /// Millionths of a byte used up of the burst; more than the burst after a large text.
    used: i64,
    /// As of this time.
    settled: Duration,
}

impl Pace {
    /// A new text by somebody else came, at `now` of the boot-time clock.
    pub fn heard(&mut self, author: AuthorKey, now: Duration) {
        self.settle(now);
        if self.authors() < MAX_AUTHORS || self.authors.contains_key(&author) {
            self.authors.insert(author, now);
        }
    }

    /// A new bundle came that this node cannot read.
    pub fn carried(&mut self, bytes: u32, now: Duration) {
        self.settle(now);
        self.carried.0 = self.carried.0.saturating_add(bytes.into());
    }

    /// Whether a text of so many bytes may be offered now; it counts as offered then.
    pub fn take(&mut self, bytes: u32, now: Duration) -> bool {
        self.settle(now);
        let cost = bytes.max(LEAST_COST);
        let used = self.used.saturating_add(i64::from(cost) * MICRO);
        if !self.is_crowd() {
            // When it becomes a crowd, what was said before costs the burst and no more.
            self.used = used.min(i64::from(self.burst()) * MICRO);
            return true;
        }
        let ready = self.used <= self.allowed(bytes);
        if ready {
            self.used = used;
        }
        ready
    }

    /// From when on [`Self::take`] says yes, if nothing is heard until then. To be asked after it said no.
    #[must_use]
    pub fn ready_at(&self, bytes: u32) -> Duration {
        if !self.is_crowd() {
            return self.settled;
        }
        let over = self.used.saturating_sub(self.allowed(bytes)).max(0);
        let wait = over.unsigned_abs().div_ceil(self.rate());
        self.settled.saturating_add(Duration::from_millis(wait))
    }

    /// Those who share the island, as far as they were heard, oneself included.
    #[must_use]
    pub fn authors(&self) -> usize {
        self.authors.len() + 1
    }

    fn is_crowd(&self) -> bool {
        self.authors() >= CROWD || self.carried_in_a_second() >= CARRIED_CROWD.into()
    }

    fn carried_in_a_second(&self) -> u64 {
        self.carried.1 / CARRIED_OVER.as_secs()
    }

    /// How much may be used up for so many bytes more. What is larger than the burst goes when all of that is there.
    fn allowed(&self, bytes: u32) -> i64 {
        let cost = bytes.max(LEAST_COST);
        i64::from(self.burst().saturating_sub(cost)) * MICRO
    }

    /// Bytes that may be offered at once.
    fn burst(&self) -> u32 {
        // The whole capacity in this time is far below 2^32 bytes.
        let share = self.rate() * BURSTS.as_millis() as u64 / MICRO.unsigned_abs();
        u32::try_from(share)
            .unwrap_or(BURST)
            .clamp(LEAST_BURST, BURST)
    }

    /// Millionths of a byte that come back in a millisecond; never 0.
    fn rate(&self) -> u64 {
        let taken = self.carried_in_a_second().min(CARRIED_MOST.into());
        (u64::from(CAPACITY) - taken) * 1_000 / self.authors() as u64
    }

    /// Brings everything up to this time.
    fn settle(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.settled);
        let passed = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let back = i64::try_from(passed.saturating_mul(self.rate())).unwrap_or(i64::MAX);
        self.used = self.used.saturating_sub(back).max(0);
        // What is less than a millisecond counts next time.
        self.settled = self.settled.saturating_add(Duration::from_millis(passed));
        self.authors.retain(|_, heard| now < *heard + HEARD_FOR);
        let (current, _, since) = self.carried;
        if now >= since + 2 * CARRIED_OVER {
            self.carried = (0, 0, now);
        } else if now >= since + CARRIED_OVER {
            self.carried = (0, current, since + CARRIED_OVER);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const T: Duration = Duration::from_secs(10_000);
    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);
    const TEXT: u32 = 512;

    fn author(number: u32) -> AuthorKey {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        AuthorKey(key)
    }

    /// Among so many, oneself included, the others heard at `T`.
    fn among(authors: u32) -> Pace {
        let mut pace = Pace::default();
        again(&mut pace, authors, T);
        pace
    }

    /// The same ones go on.
    fn again(pace: &mut Pace, authors: u32, now: Duration) {
        for number in 1..authors {
            pace.heard(author(number), now);
        }
    }

    fn at_once(pace: &mut Pace, now: Duration) -> u32 {
        (0..100).take_while(|_| pace.take(TEXT, now)).count() as u32
    }

    #[test]
    fn a_few_never_wait() {
        let mut pace = among(CROWD as u32 - 1);
        assert_eq!(at_once(&mut pace, T), 100);
        assert!(pace.take(16_384, T));
        assert_eq!(pace.ready_at(16_384), T);
        // One more comes: what was said before has used up the burst, and is not owed.
        pace.heard(author(99), T);
        assert!(!pace.take(TEXT, T));
        assert_eq!(pace.ready_at(TEXT), T + 4 * S);
    }

    #[test]
    fn in_a_crowd_a_burst_and_then_an_even_share() {
        for (authors, burst, every) in [
            (10, 10, 4),
            (20, 10, 8),
            (40, 5, 16),
            (80, 2, 32),
            (160, 1, 64),
        ] {
            let mut pace = among(authors);
            assert_eq!(pace.authors(), authors as usize);
            assert_eq!(at_once(&mut pace, T), burst, "{authors}");
            let first = pace.ready_at(TEXT);
            again(&mut pace, authors, first - MS);
            assert!(!pace.take(TEXT, first - MS) && pace.take(TEXT, first));
            let second = pace.ready_at(TEXT);
            again(&mut pace, authors, second - MS);
            assert_eq!(second - first, every * S, "{authors}");
            assert!(!pace.take(TEXT, second - MS) && pace.take(TEXT, second));
        }
        let mut pace = among(10);
        at_once(&mut pace, T);
        // Nine come back in nine times as long, and no more than the burst ever.
        assert_eq!(at_once(&mut pace, T + 9 * 4 * S), 9);
        again(&mut pace, 10, T + 50 * S);
        assert_eq!(at_once(&mut pace, T + 100 * S), 10);
    }

    #[test]
    fn an_author_counts_for_a_minute() {
        let mut pace = among(2);
        pace.heard(author(7), T + S);
        pace.heard(author(1), T + HEARD_FOR - MS);
        pace.settle(T + HEARD_FOR + S - MS);
        assert_eq!(pace.authors(), 3);
        pace.settle(T + HEARD_FOR + S);
        assert_eq!(pace.authors(), 2);
        pace.settle(T + 2 * HEARD_FOR - MS);
        assert_eq!(pace.authors(), 1);
    }

    #[test]
    fn made_up_authors_slow_down_to_a_floor() {
        // Bad input: names in public channels are free.
        let mut pace = among(100_000);
        assert_eq!(pace.authors(), MAX_AUTHORS);
        // Who is counted already is heard again; nobody else.
        pace.heard(author(1), T + 9 * S);
        pace.heard(author(99_999), T + 9 * S);
        assert_eq!(pace.authors.get(&author(1)), Some(&(T + 9 * S)));
        assert_eq!(pace.authors(), MAX_AUTHORS);
        assert!(pace.take(TEXT, T + 9 * S) && !pace.take(TEXT, T + 9 * S));
        // 512 bytes at 1,280 / 512 a second.
        let wait = pace.ready_at(TEXT) - (T + 9 * S);
        assert_eq!(wait, Duration::from_millis(204_800));
    }

    #[test]
    fn what_strangers_bring_is_a_crowd_too() {
        let every = |bytes: u32, later: Duration| {
            let mut pace = Pace::default();
            pace.carried(0, T);
            pace.carried(bytes, T + 30 * S);
            let now = T + later;
            at_once(&mut pace, now);
            pace.ready_at(TEXT) - now
        };
        let half = 60 * CARRIED_CROWD;
        assert_eq!(every(half - 1, 60 * S), Duration::ZERO);
        assert_eq!(every(half, 59 * S), Duration::ZERO, "the span is not over");
        // Half of the capacity is left: 640 bytes a second.
        let slow = Duration::from_millis(800);
        assert_eq!(every(half, 60 * S), slow);
        assert_eq!(every(half, 119 * S), slow);
        assert_eq!(every(half, 120 * S), Duration::ZERO);
        // A quarter always is.
        assert_eq!(every(u32::MAX, 60 * S), Duration::from_millis(1_600));
        let mut pace = Pace::default();
        pace.carried(half, T);
        pace.carried(half, T + CARRIED_OVER);
        pace.settle(T + 2 * CARRIED_OVER);
        assert_eq!(pace.carried, (0, half.into(), T + 2 * CARRIED_OVER));
    }

    #[test]
    fn a_large_text_goes_when_all_of_the_burst_is_there() {
        let mut pace = among(10);
        assert!(pace.take(16_384, T));
        assert!(!pace.take(16_384, T) && !pace.take(256, T));
        // 16,384 bytes at 128 a second.
        let owed = pace.ready_at(16_384);
        assert_eq!(owed, T + 128 * S);
        again(&mut pace, 10, owed - MS);
        assert!(!pace.take(16_384, owed - MS) && pace.take(16_384, owed));
    }

    #[test]
    fn the_smallest_texts_cost_as_much_as_the_next_size() {
        let mut pace = among(10);
        assert_eq!((0..100).take_while(|_| pace.take(256, T)).count(), 10);
        assert_eq!(pace.ready_at(256), T + 4 * S);
        assert_eq!(pace.ready_at(513), T + 4 * S + 8 * MS);
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_gives_nothing() {
        let mut pace = among(10);
        at_once(&mut pace, T);
        assert!(!pace.take(TEXT, T - 100 * S) && !pace.take(TEXT, T));
        assert!(pace.take(TEXT, T + 4 * S));
    }

    proptest! {
        /// In a crowd, over any time, no more is offered than a burst, an even share, and one text.
        #[test]
        fn never_faster_than_the_share(steps in vec((0_u64..5_000, 1_u32..=16_384), 1..200)) {
            let mut pace = among(10);
            let (mut now, mut offered) = (T, 0_u64);
            for (wait, bytes) in steps {
                now += Duration::from_millis(wait);
                again(&mut pace, 10, now);
                if !pace.take(bytes, now) {
                    let at = pace.ready_at(bytes);
                    prop_assert!(at > now);
                    // The others go on meanwhile, and it is not kept waiting beyond that.
                    while now + HEARD_FOR / 2 < at {
                        now += HEARD_FOR / 2;
                        again(&mut pace, 10, now);
                    }
                    now = at;
                    prop_assert!(pace.take(bytes, at));
                }
                offered += u64::from(bytes);
                let share = u64::from(CAPACITY) / 10 * (now - T).as_millis() as u64 / 1_000;
                prop_assert!(offered <= share + u64::from(BURST) + u64::from(bytes) + 1);
            }
        }
    }
}
