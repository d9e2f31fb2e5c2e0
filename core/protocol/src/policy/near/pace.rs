//! How often something may be done: the generic cell rate algorithm of ITU-T I.371, as one time.

use core::time::Duration;

/// So many at once, then one every so often.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    every: Duration,
    burst: u32,
    /// When all of the burst is there again.
    full_at: Duration,
}

impl Pace {
    pub(super) const fn new(every: Duration, burst: u32) -> Self {
        Self {
            every,
            burst,
            full_at: Duration::ZERO,
        }
    }

    /// From when on it may be done.
    pub(super) fn ready_at(&self) -> Duration {
        self.full_at.saturating_sub(self.every * (self.burst - 1))
    }

    /// Does it, if it may be done.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        let ready = self.ready_at() <= now;
        if ready {
            self.full_at = self.full_at.max(now) + self.every;
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);
    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut pace = Pace::new(S, 3);
        let taken = (0..10).filter(|_| pace.take(T)).count();
        assert_eq!(taken, 3);
        assert_eq!(pace.ready_at(), T + S);
        assert!(!pace.take(T + S - MS) && pace.take(T + S) && !pace.take(T + S));
        let taken = (0..10).filter(|_| pace.take(T + 60 * S)).count();
        assert_eq!(taken, 3);
    }
}
