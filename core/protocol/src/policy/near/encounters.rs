//! How often strangers are met who may have nothing new (decision 11).
//!
//! In a crowd what is said travels along the links that stay, and whoever is met besides holds the same. A
//! meeting without news therefore doubles the pause before the next one; news end the pause. But links that stay
//! may fall into parts, which only a meeting joins: the fewer there are to meet each other, the sooner each does
//! again. Whoever comes into sight is met at once all the same, unless ids changed a moment ago: then everybody
//! looks new.

use core::time::Duration;

use rand_core::CryptoRng;

use super::neighbour::Neighbour;
use crate::policy::jitter;

/// The pause after the first meeting that brought nothing, …
pub const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// … doubled by each further one up to this for each neighbour in sight, so that somebody among them looks for a
/// stranger about so often, …
pub const PAUSE_EACH: Duration = Duration::from_secs(5);
/// … and up to this; and up to a quarter longer.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// One of so many strangers is chosen among those whose signal is weak.
pub const FAR_EVERY: u32 = 4;

#[derive(Debug, Default)]
pub(super) struct Encounters {
    pause: Duration,
    /// No stranger is met before, but those who are fresh.
    next: Duration,
    /// When ids changed: whoever was not heard since may have another one now, at another address.
    turned: Duration,
    /// Who was first heard before may be somebody known under a new id.
    fresh_from: Duration,
    /// Strangers dialled so far, round and round.
    dialled: u32,
}

impl Encounters {
    /// Ids change about now, and whoever left is noticed after `lost_after`.
    pub(super) fn turned(&mut self, lost_after: Duration, now: Duration) {
        self.turned = now;
        self.fresh_from = now + lost_after;
    }

    /// Whether this neighbour was heard since ids changed, so that it can be there to answer.
    pub(super) fn is_current(&self, known: &Neighbour) -> bool {
        known.seen >= self.turned
    }

    /// Two stores were compared with so many neighbours in sight; `news` when something passed that others could
    /// have brought before.
    pub(super) fn reconciled(
        &mut self,
        news: bool,
        among: usize,
        now: Duration,
        rng: &mut impl CryptoRng,
    ) {
        self.pause = if news {
            Duration::ZERO
        } else {
            let among = u32::try_from(among).unwrap_or(u32::MAX);
            let longest = PAUSE_EACH.saturating_mul(among);
            (self.pause * 2).clamp(FIRST_PAUSE, longest.clamp(FIRST_PAUSE, LONGEST_PAUSE))
        };
        self.next = now + self.pause + jitter(rng, self.pause / 4);
    }

    /// A stranger is dialled: one that does not answer is not followed by the next at once, as an attempt takes
    /// the place of whoever dials here meanwhile.
    pub(super) fn tried(&mut self, now: Duration) {
        self.next = self.next.max(now + FIRST_PAUSE);
        self.dialled = (self.dialled + 1) % FAR_EVERY;
    }

    /// Whether the next stranger is rather one at the edge of reach.
    pub(super) const fn looks_far(&self) -> bool {
        self.dialled == FAR_EVERY - 1
    }

    /// When the next stranger may be met.
    pub(super) fn next(&self) -> Duration {
        self.next
    }

    /// Whether this stranger has just come into sight, and need not wait.
    pub(super) fn is_fresh(&self, known: &Neighbour) -> bool {
        known.tries.met.is_none() && known.first >= self.fresh_from
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng as _;

    use super::super::neighbour::{Lots, tests::sighting};
    use super::*;

    const T: Duration = Duration::from_secs(1_000);
    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn heard(first: Duration) -> Neighbour {
        Neighbour::new(&sighting(1, -70), first, Lots::default(), first)
    }

    #[test]
    fn meetings_without_news_become_rare_and_news_end_the_pause() {
        let rng = &mut ChaCha12Rng::seed_from_u64(1);
        let mut encounters = Encounters::default();
        assert_eq!(encounters.next(), Duration::ZERO);
        let pauses = [
            (15, 99),
            (30, 99),
            (60, 99),
            (120, 99),
            (240, 60),
            (300, 60),
            (300, 99),
        ];
        for (pause, among) in pauses {
            encounters.reconciled(false, among, T, rng);
            let (least, most) = (T + pause * S, T + pause * S * 5 / 4);
            assert!((least..=most).contains(&encounters.next()), "{pause}");
        }
        encounters.reconciled(true, 99, T, rng);
        assert_eq!(encounters.next(), T);
        encounters.reconciled(false, 99, T, rng);
        assert!(encounters.next() <= T + FIRST_PAUSE * 5 / 4);
    }

    #[test]
    fn the_fewer_there_are_the_sooner_each_looks_again() {
        let rng = &mut ChaCha12Rng::seed_from_u64(1);
        let mut encounters = Encounters::default();
        for _ in 0..9 {
            encounters.reconciled(false, 99, T, rng);
        }
        for (among, pause) in [
            (0, 15),
            (3, 15),
            (4, 20),
            (11, 55),
            (59, 295),
            (usize::MAX, 300),
        ] {
            encounters.reconciled(false, among, T, rng);
            let (least, most) = (T + pause * S, T + pause * S * 5 / 4);
            assert!((least..=most).contains(&encounters.next()), "{among}");
            // Back to a long one.
            for _ in 0..5 {
                encounters.reconciled(false, 99, T, rng);
            }
        }
    }

    #[test]
    fn an_attempt_is_a_pause_too() {
        let rng = &mut ChaCha12Rng::seed_from_u64(1);
        let mut encounters = Encounters::default();
        encounters.tried(T);
        assert_eq!(encounters.next(), T + FIRST_PAUSE);
        encounters.reconciled(true, 99, T + S, rng);
        assert_eq!(encounters.next(), T + S);
        for _ in 0..3 {
            encounters.reconciled(false, 99, T, rng);
        }
        let next = encounters.next();
        encounters.tried(T);
        assert_eq!(encounters.next(), next);
    }

    #[test]
    fn whoever_was_not_heard_since_ids_changed_may_be_gone() {
        let mut encounters = Encounters::default();
        assert!(encounters.is_current(&heard(T)));
        encounters.turned(90 * S, T);
        assert!(!encounters.is_current(&heard(T - MS)));
        assert!(encounters.is_current(&heard(T)));
    }

    #[test]
    fn one_in_four_looks_far() {
        let mut encounters = Encounters::default();
        let far: Vec<bool> = (0..9)
            .map(|_| {
                let far = encounters.looks_far();
                encounters.tried(T);
                far
            })
            .collect();
        let [f, t] = [false, true];
        assert_eq!(far, [f, f, f, t, f, f, f, t, f]);
    }

    #[test]
    fn whoever_comes_is_met_at_once_but_not_while_ids_change() {
        let mut encounters = Encounters::default();
        encounters.turned(90 * S, T);
        assert!(!encounters.is_fresh(&heard(T + 90 * S - MS)));
        let mut fresh = heard(T + 90 * S);
        assert!(encounters.is_fresh(&fresh));
        fresh.tries.met = Some(T + 91 * S);
        assert!(!encounters.is_fresh(&fresh));
    }
}
