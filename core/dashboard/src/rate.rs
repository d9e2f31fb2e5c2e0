//! A bucket of permissions that fills with time.

use std::time::Duration;

use tokio::time::Instant;

/// So many at once, then one every `gap` (the virtual scheduling form of ITU-T I.371's GCRA).
#[derive(Debug)]
pub(crate) struct Rate {
    gap: Duration,
    credit: Duration,
    /// When all so far are paid for.
    paid: Instant,
}

impl Rate {
    /// `burst` is at least 1.
    pub(crate) fn new(burst: u32, gap: Duration, now: Instant) -> Self {
        Self {
            gap,
            credit: gap * burst.saturating_sub(1),
            paid: now,
        }
    }

    /// Takes one, or says how long to wait for it.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let from = self.paid.max(now);
        let debt = from - now;
        if debt > self.credit {
            return Err(debt - self.credit);
        }
        self.paid = from + self.gap;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_then_one_a_gap() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut rate = Rate::new(3, second, now);
        for _ in 0..3 {
            assert_eq!(rate.take(now), Ok(()));
        }
        assert_eq!(rate.take(now), Err(second));
        assert_eq!(rate.take(now + second / 2), Err(second / 2));
        assert_eq!(rate.take(now + second), Ok(()));
        assert_eq!(rate.take(now + second), Err(second));
        // Rest pays back no more than the burst.
        for _ in 0..3 {
            assert_eq!(rate.take(now + 100 * second), Ok(()));
        }
        assert!(rate.take(now + 100 * second).is_err());
    }
}
