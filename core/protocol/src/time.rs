//! Time as an argument. Nothing in this crate reads a clock; the node's `Clock` port does.

use core::time::Duration;

/// One reading of the clocks (decision 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Time since boot, suspend included (`CLOCK_BOOTTIME`). Monotonic within one boot.
    pub boot: Duration,
    /// The wall clock: milliseconds since the Unix epoch. A hint: it may be decades off.
    pub wall_ms: u64,
}

impl Now {
    /// Both clocks moved on by the same duration; for tests and simulations.
    #[must_use]
    pub fn after(self, elapsed: Duration) -> Self {
        let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        Self {
            boot: self.boot.saturating_add(elapsed),
            wall_ms: self.wall_ms.saturating_add(ms),
        }
    }
}
