//! The contract of the [`Clock`] port (decision 12).

use std::time::Duration;

use sovereign_protocol::time::Now;

use crate::ports::clock::Clock;

/// A clock that a test can wait for.
pub trait ClockFixture: Default {
    /// The adapter.
    type Port: Clock;

    /// The clock under test.
    fn clock(&self) -> &Self::Port;

    /// Lets at least this much time pass.
    fn pass(&self, time: Duration);
}

/// Boot time never runs backwards.
pub fn boot_time_is_monotonic<F: ClockFixture>() {
    let fixture = F::default();
    let mut last = fixture.clock().now().boot;
    for _ in 0..10_000 {
        let now = fixture.clock().now().boot;
        assert!(now >= last, "{now:?} after {last:?}");
        last = now;
    }
}

/// Boot time grows by no less than the time that passed.
pub fn boot_time_passes<F: ClockFixture>() {
    let fixture = F::default();
    let step = Duration::from_millis(20);
    let Now { boot: before, .. } = fixture.clock().now();
    fixture.pass(step);
    let Now { boot: after, .. } = fixture.clock().now();
    assert!(after - before >= step, "{before:?} to {after:?}");
}

/// The boot id stays the same while the machine runs.
pub fn boot_id_is_stable<F: ClockFixture>() {
    let (one, other) = (F::default(), F::default());
    let first = one.clock().boot_id();
    one.pass(Duration::from_millis(1));
    assert_eq!(one.clock().boot_id(), first);
    assert_eq!(other.clock().boot_id(), first, "the same boot");
}

/// Runs the contract of the clock port on a [`ClockFixture`](crate::contract::clock::ClockFixture).
#[macro_export]
macro_rules! clock_contract {
    ($fixture:ty) => {
        $crate::clock_contract!(@ $fixture:
            boot_time_is_monotonic, boot_time_passes, boot_id_is_stable);
    };
    (@ $fixture:ty: $($case:ident),+) => {
        $(
            #[test]
            fn $case() {
                $crate::contract::clock::$case::<$fixture>();
            }
        )+
    };
}
