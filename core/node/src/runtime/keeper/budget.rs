//! How often the store may be flushed when nobody waits for it.

use std::time::Duration;

/// Flushes that nobody waits for begin so far apart on average, below what a person notices: at most 50 a second.
const FLUSH_GAP: Duration = Duration::from_millis(20);
/// So many are let through at once: a single message is not kept waiting for what came before it.
const FLUSH_BURST: u32 = 4;

/// When flushes may begin that nobody waits for: one every [`FLUSH_GAP`] on average, [`FLUSH_BURST`] at
/// once after a pause (the virtual scheduling form of ITU-T I.371's GCRA). Times count from the keeper's start.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When all flushes so far are paid for.
    pub(super) paid: Duration,
}

impl Budget {
    pub(super) fn next(&self) -> Duration {
        self.paid.saturating_sub(FLUSH_GAP * (FLUSH_BURST - 1))
    }

    /// Those that somebody waited for go beyond the budget, and leave no debt: the next one may begin after a
    /// gap at the latest.
    pub(super) fn spend(&mut self, now: Duration) {
        self.paid = (self.paid.max(now) + FLUSH_GAP).min(now + FLUSH_GAP * FLUSH_BURST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_are_spaced_after_a_burst() {
        let start = Duration::from_secs(1);
        let mut budget = Budget { paid: start };
        for _ in 0..FLUSH_BURST {
            assert!(budget.next() <= start);
            budget.spend(start);
        }
        assert_eq!(budget.next(), start + FLUSH_GAP);
        for _ in 0..100 {
            budget.spend(start);
        }
        assert_eq!(budget.next(), start + FLUSH_GAP);
        // A pause fills it up to the burst and no further.
        let later = start + Duration::from_secs(60);
        for _ in 0..FLUSH_BURST {
            assert!(budget.next() <= later);
            budget.spend(later);
        }
        assert_eq!(budget.next(), later + FLUSH_GAP);
    }
}
