//! Stands in for the crate `web-time`, from which libp2p takes its time (decision 16, ADR 0025).
//!
//! [`Instant`] is tokio's: the ordinary one unless a test or the simulator pauses tokio's clock.
//! [`SystemTime`] is the machine's, except on a thread that [`follow_tokio`] has tied to tokio's clock.

use std::{
    cell::Cell,
    ops::{Add, AddAssign, Sub, SubAssign},
};

pub use std::time::{Duration, SystemTimeError, TryFromFloatSecsError};
pub use tokio::time::Instant;

/// The start of Unix time.
pub const UNIX_EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

thread_local! {
    /// Where this thread's wall clock stood on tokio's clock.
    static TIED: Cell<Option<(Instant, std::time::SystemTime)>> = const { Cell::new(None) };
}

/// From now on this thread's wall clock shows `wall` plus what passes on tokio's clock.
pub fn follow_tokio(wall: std::time::SystemTime) {
    TIED.set(Some((Instant::now(), wall)));
}

/// As `std::time::SystemTime`, of which it is a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemTime(std::time::SystemTime);

impl SystemTime {
    /// The start of Unix time.
    pub const UNIX_EPOCH: Self = Self(std::time::UNIX_EPOCH);

    /// What the wall clock shows.
    #[must_use]
    pub fn now() -> Self {
        match TIED.get() {
            Some((start, wall)) => Self(wall + start.elapsed()),
            None => Self(std::time::SystemTime::now()),
        }
    }

    /// The time since `earlier`.
    ///
    /// # Errors
    /// When `earlier` is later.
    pub fn duration_since(&self, earlier: Self) -> Result<Duration, SystemTimeError> {
        self.0.duration_since(earlier.0)
    }

    /// The time since this.
    ///
    /// # Errors
    /// When the wall clock shows less.
    pub fn elapsed(&self) -> Result<Duration, SystemTimeError> {
        Self::now().duration_since(*self)
    }

    /// `None` when it cannot be represented.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// `None` when it cannot be represented.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }
}

impl Add<Duration> for SystemTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl AddAssign<Duration> for SystemTime {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for SystemTime {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0 - duration)
    }
}

impl SubAssign<Duration> for SystemTime {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}

impl From<std::time::SystemTime> for SystemTime {
    fn from(time: std::time::SystemTime) -> Self {
        Self(time)
    }
}

impl From<SystemTime> for std::time::SystemTime {
    fn from(time: SystemTime) -> Self {
        time.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SIM-3: once tied, a paused clock moves the wall clock, and nothing else does.
    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_is_the_machines_until_it_is_tied() {
        let machine = std::time::SystemTime::now();
        assert!(SystemTime::now() >= SystemTime::from(machine));
        let wall = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        follow_tokio(wall);
        assert_eq!(std::time::SystemTime::from(SystemTime::now()), wall);
        let before = SystemTime::now();
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(before.elapsed().ok(), Some(Duration::from_secs(86_400)));
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        assert_eq!(since, Some(Duration::from_secs(1_000_086_400)));
        assert!(before.duration_since(SystemTime::now()).is_err());
        assert_eq!(before + Duration::from_secs(86_400), SystemTime::now());
        let elsewhere = std::thread::spawn(SystemTime::now).join().ok();
        assert!(
            elsewhere >= Some(SystemTime::from(machine)),
            "other threads have the machine's"
        );
    }
}
