//! Rates of dials (LOC-8, COORD-4): a leaky bucket as a single time (the generic cell rate algorithm of
//! ITU-T I.371).

use core::time::Duration;

/// How often something may be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    every: Duration,
    burst: u32,
    /// When the bucket is full again.
    full_at: Duration,
}

impl Bucket {
    /// Dials to peers sighted at one source: 16 at once, then 4 a second.
    pub(super) const fn of_source() -> Self {
        Self {
            every: Duration::from_millis(250),
            burst: 16,
            full_at: Duration::ZERO,
        }
    }

    /// All dials: 64 at once, then 10 a second.
    pub(super) const fn total() -> Self {
        Self {
            every: Duration::from_millis(100),
            burst: 64,
            full_at: Duration::ZERO,
        }
    }

    /// From when on it may be done.
    pub(super) fn ready_at(&self) -> Duration {
        self.full_at.saturating_sub(self.every * (self.burst - 1))
    }

    /// It is done. Only from [`Self::ready_at`] on.
    pub(super) fn take(&mut self, now: Duration) {
        self.full_at = self.full_at.max(now) + self.every;
    }

    /// Whether a new bucket would be the same.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);
    const MS: Duration = Duration::from_millis(1);

    fn taken(bucket: &mut Bucket, now: Duration) -> u32 {
        let mut count = 0;
        while bucket.ready_at() <= now {
            bucket.take(now);
            count += 1;
        }
        count
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        for (mut bucket, burst, every) in
            [(Bucket::of_source(), 16, 250), (Bucket::total(), 64, 100)]
        {
            assert!(bucket.is_full(T));
            assert_eq!(taken(&mut bucket, T), burst);
            assert_eq!(bucket.ready_at(), T + every * MS);
            assert_eq!(taken(&mut bucket, T + every * MS - MS), 0);
            assert_eq!(taken(&mut bucket, T + 3 * every * MS), 3);
            let again = T + (burst + 3) * every * MS;
            assert!(!bucket.is_full(again - MS) && bucket.is_full(again));
            assert_eq!(taken(&mut bucket, again), burst);
        }
    }
}
