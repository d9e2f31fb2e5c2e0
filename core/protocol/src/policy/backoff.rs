//! Reconnecting to an active mesh peer (COORD-3): after 1, 2, 4 … 30 s, each less up to a quarter, drawn
//! anew; after two minutes of failure a replacement is asked for.

use core::time::Duration;

use rand_core::CryptoRng;

use super::jitter;

/// Before the second try.
pub const FIRST_DELAY: Duration = Duration::from_secs(1);
/// Between tries at most.
pub const LAST_DELAY: Duration = Duration::from_secs(30);
/// Failing for this long: replace the peer.
pub const REPLACE_AFTER: Duration = Duration::from_secs(120);

/// What to do about a peer that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again at this time of the boot-time clock.
    RetryAt(Duration),
    /// Ask the directory, the DHT or a rendezvous for another.
    Replace,
}

/// The tries at one peer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backoff {
    failures: u32,
    failing_since: Option<Duration>,
}

impl Backoff {
    /// A try failed, or the link was lost, at `now` of the boot-time clock.
    pub fn failed(&mut self, now: Duration, rng: &mut impl CryptoRng) -> Next {
        let since = *self.failing_since.get_or_insert(now);
        if now.saturating_sub(since) >= REPLACE_AFTER {
            return Next::Replace;
        }
        let full = FIRST_DELAY
            .saturating_mul(1 << self.failures.min(5))
            .min(LAST_DELAY);
        self.failures = self.failures.saturating_add(1);
        Next::RetryAt(now + full - jitter(rng, full / 4))
    }

    /// The peer answered.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Tries failed since the last answer.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha12Rng;
    use rand_core::SeedableRng;

    use super::*;

    const T: Duration = Duration::from_secs(1_000);

    fn delay(next: Next, now: Duration) -> Duration {
        match next {
            Next::RetryAt(at) => at - now,
            Next::Replace => panic!("too early to replace"),
        }
    }

    proptest! {
        #[test]
        fn delays_double_up_to_thirty_seconds(seed: u64) {
            // COORD-3.
            let mut rng = ChaCha12Rng::seed_from_u64(seed);
            let mut backoff = Backoff::default();
            for full in [1, 2, 4, 8, 16, 30, 30, 30] {
                let full = Duration::from_secs(full);
                let waited = delay(backoff.failed(T, &mut rng), T);
                prop_assert!(waited <= full && waited >= full * 3 / 4, "{waited:?} of {full:?}");
            }
            prop_assert_eq!(backoff.failures(), 8);
            backoff.succeeded();
            prop_assert!(delay(backoff.failed(T, &mut rng), T) <= FIRST_DELAY);
        }
    }

    #[test]
    fn delays_are_spread() {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let delays: Vec<Duration> = (0..64)
            .map(|_| delay(Backoff::default().failed(T, &mut rng), T))
            .collect();
        let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
        assert!(*most - *least > Duration::from_millis(200));
    }

    #[test]
    fn two_minutes_of_failure_ask_for_a_replacement() {
        // COORD-3.
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let mut backoff = Backoff::default();
        backoff.failed(T, &mut rng);
        let just_before = T + REPLACE_AFTER - Duration::from_millis(1);
        assert_ne!(backoff.failed(just_before, &mut rng), Next::Replace);
        assert_eq!(backoff.failed(T + REPLACE_AFTER, &mut rng), Next::Replace);
        backoff.succeeded();
        assert_ne!(backoff.failed(T + REPLACE_AFTER, &mut rng), Next::Replace);
    }

    #[test]
    fn a_node_that_simply_runs_the_tries_gives_up_within_two_and_a_half_minutes() {
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let (mut backoff, mut now, mut tries) = (Backoff::default(), T, 0);
        while let Next::RetryAt(at) = backoff.failed(now, &mut rng) {
            now = at;
            tries += 1;
        }
        assert!(now - T >= REPLACE_AFTER && now - T <= REPLACE_AFTER + LAST_DELAY);
        assert!((8..=11).contains(&tries), "{tries}");
    }
}
