//! The policy's own time: it never goes back, and a step back of the clock is a clock that stands still.

use core::time::Duration;

/// Steps ahead are counted up to this: more than any suspend, and sums of times cannot overflow.
const LONGEST_STEP: Duration = Duration::from_secs(30 * 24 * 3_600);

#[derive(Debug, Default)]
pub(super) struct Clock {
    last: Option<Duration>,
    own: Duration,
}

impl Clock {
    /// What time it is here when it is `outer` outside.
    pub(super) fn now(&mut self, outer: Duration) -> Duration {
        let last = self.last.replace(outer).unwrap_or(outer);
        let step = outer.saturating_sub(last).min(LONGEST_STEP);
        self.own = self.own.saturating_add(step);
        self.own
    }

    /// The same, for looking only.
    pub(super) fn peek(&self, outer: Duration) -> Duration {
        let step = outer.saturating_sub(self.last.unwrap_or(outer));
        self.own.saturating_add(step.min(LONGEST_STEP))
    }

    /// What time it will be outside when it is `own` here.
    pub(super) fn outer(&self, own: Duration) -> Duration {
        let ahead = own.saturating_sub(self.own);
        self.last.unwrap_or_default().saturating_add(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn it_never_goes_back_and_goes_on_from_there() {
        let mut clock = Clock::default();
        assert_eq!(clock.now(500 * S), Duration::ZERO);
        assert_eq!(clock.now(510 * S), 10 * S);
        assert_eq!(clock.outer(12 * S), 512 * S);
        assert_eq!(clock.outer(3 * S), 510 * S);
        assert_eq!(clock.now(S), 10 * S);
        assert_eq!(clock.outer(12 * S), 3 * S);
        assert_eq!(clock.now(4 * S), 13 * S);
        assert_eq!(clock.now(Duration::MAX), 13 * S + LONGEST_STEP);
        assert_eq!(clock.outer(Duration::MAX), Duration::MAX);
    }
}
