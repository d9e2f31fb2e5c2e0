//! The machine's clocks, and a clock that a test moves (decision 12, ADR 0003).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sovereign_protocol::time::Now;

use crate::ports::clock::{BootId, Clock};
use crate::ports::rng::Rng;

/// The machine's clocks.
///
/// | System | Boot time | Boot id |
/// | --- | --- | --- |
/// | Linux, Android | `CLOCK_BOOTTIME` | `/proc/sys/kernel/random/boot_id` |
/// | macOS, iOS | `CLOCK_MONOTONIC`, which counts sleep there | random |
/// | other | `Instant` since the first start of this clock in the process | random |
///
/// A random boot id is drawn for each `SystemClock`: readings of two runs are then never compared,
/// and ages across a restart rest on the wall clock, which is what decision 12 falls back to.
#[derive(Debug, Clone)]
pub struct SystemClock {
    boot_id: BootId,
}

impl SystemClock {
    /// Reads the boot id, or draws one where the system has none.
    #[must_use]
    pub fn new(rng: &impl Rng) -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .and_then(|text| parse_boot_id(&text));
        Self {
            boot_id: boot_id.unwrap_or_else(|| {
                let mut bytes = [0; 16];
                rng.fill(&mut bytes);
                BootId(bytes)
            }),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            // A wall clock before 1970 is as wrong as one at 1970.
            .unwrap_or_default();
        Now {
            boot: boot_time(),
            wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn boot_id(&self) -> BootId {
        self.boot_id
    }
}

/// The in-memory twin: stands still until it is moved. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<(Now, BootId)>>);

impl ManualClock {
    /// A clock that shows this.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self(Arc::new(Mutex::new((now, BootId([1; 16])))))
    }

    /// Both clocks move on.
    pub fn advance(&self, time: Duration) {
        let mut state = self.lock();
        state.0 = state.0.after(time);
    }

    /// Somebody sets the wall clock; boot time does not move.
    pub fn set_wall_ms(&self, wall_ms: u64) {
        self.lock().0.wall_ms = wall_ms;
    }

    /// The machine was off: boot time starts anew under another boot id, the wall clock moved on.
    pub fn reboot(&self, off: Duration, boot_id: BootId) {
        let mut state = self.lock();
        state.0 = state.0.after(off);
        state.0.boot = Duration::ZERO;
        state.1 = boot_id;
    }

    fn lock(&self) -> MutexGuard<'_, (Now, BootId)> {
        // Plain data, whole after every assignment, so a poisoned lock is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        self.lock().0
    }

    fn boot_id(&self) -> BootId {
        self.lock().1
    }
}

#[cfg(unix)]
fn boot_time() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: rustix::time::ClockId = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(CLOCK);
    // Never negative: both clocks count from boot.
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(not(unix))]
fn boot_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// A UUID in its usual text form, with a line break.
fn parse_boot_id(text: &str) -> Option<BootId> {
    let digits: String = text.trim_end().chars().filter(|c| *c != '-').collect();
    let mut bytes = [0; 16];
    hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(BootId(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::rng::SeededRng;
    use crate::contract::clock::ClockFixture;

    struct System(SystemClock);

    impl Default for System {
        fn default() -> Self {
            Self(SystemClock::new(&SeededRng::new(1)))
        }
    }

    impl ClockFixture for System {
        type Port = SystemClock;

        fn clock(&self) -> &SystemClock {
            &self.0
        }

        fn pass(&self, time: Duration) {
            std::thread::sleep(time);
        }
    }

    struct Manual(ManualClock);

    impl Default for Manual {
        fn default() -> Self {
            Self(ManualClock::new(Now {
                boot: Duration::from_secs(5),
                wall_ms: 1_000,
            }))
        }
    }

    impl ClockFixture for Manual {
        type Port = ManualClock;

        fn clock(&self) -> &ManualClock {
            &self.0
        }

        fn pass(&self, time: Duration) {
            self.0.advance(time);
        }
    }

    mod system {
        crate::clock_contract!(super::System);
    }

    mod manual {
        crate::clock_contract!(super::Manual);
    }

    #[test]
    fn a_manual_clock_is_set_and_rebooted() {
        let clock = Manual::default().0;
        clock.advance(Duration::from_secs(1));
        clock.set_wall_ms(7);
        let boot = Duration::from_secs(6);
        assert_eq!(clock.now(), Now { boot, wall_ms: 7 });
        clock.reboot(Duration::from_secs(2), BootId([2; 16]));
        let boot = Duration::ZERO;
        assert_eq!(
            clock.clone().now(),
            Now {
                boot,
                wall_ms: 2007
            }
        );
        assert_eq!(clock.boot_id(), BootId([2; 16]));
    }

    #[test]
    fn boot_ids_are_parsed_strictly() {
        let text = "01234567-89ab-cdef-0123-456789abcdef\n";
        let half = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        let id = BootId([half, half].concat().try_into().unwrap());
        assert_eq!(parse_boot_id(text), Some(id));
        assert_eq!(parse_boot_id(""), None);
        assert_eq!(parse_boot_id(&text.repeat(2)), None);
        assert_eq!(parse_boot_id("0123456789abcdef0123456789abcdeg"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_gives_the_boot_id() {
        let ids = [1, 2].map(|seed| SystemClock::new(&SeededRng::new(seed)).boot_id());
        assert_eq!(ids[0], ids[1], "not the random fallback");
    }

    #[cfg(target_os = "linux")]
    mod suspend {
        use std::process::Command;

        use super::*;

        const OFFSET: Duration = Duration::from_secs(1_000_000);
        const CHILD: &str = "SOVEREIGN_TEST_CLOCK_CHILD";

        fn monotonic() -> Duration {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            Duration::from_secs(u64::try_from(time.tv_sec).unwrap())
        }

        /// Decision 12. A time namespace whose boot time is a million seconds ahead of its
        /// monotonic time is a machine that was suspended for that long.
        #[test]
        fn boot_time_counts_suspend() {
            if std::env::var_os(CHILD).is_some() {
                let boot = SystemClock::new(&SeededRng::new(1)).now().boot;
                println!("CHILD {} {}", boot.as_secs(), monotonic().as_secs());
                return;
            }
            let offset = OFFSET.as_secs().to_string();
            let namespace = ["--fork", "--time", "--boottime", &offset];
            let possible = Command::new("unshare").args(namespace).arg("true").output();
            if !possible.as_ref().is_ok_and(|out| out.status.success()) {
                eprintln!(
                    "SKIPPED boot_time_counts_suspend: it needs root and util-linux's unshare \
                     with time namespaces ({possible:?})"
                );
                return;
            }
            let before = (boot_time(), monotonic());
            let child = Command::new("unshare")
                .args(namespace)
                .arg(std::env::current_exe().unwrap())
                .args(["--exact", "--nocapture"])
                .arg("adapters::clock::tests::suspend::boot_time_counts_suspend")
                .env(CHILD, "1")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&child.stdout).into_owned();
            let line = text
                .split("CHILD ")
                .nth(1)
                .unwrap_or_else(|| panic!("{child:?}"));
            let mut numbers = line
                .split_whitespace()
                .map(|n| Duration::from_secs(n.parse().unwrap()));
            let (boot, monotonic) = (numbers.next().unwrap(), numbers.next().unwrap());
            let second = Duration::from_secs(1);
            assert!(
                boot + second >= before.0 + OFFSET,
                "{boot:?}: the suspend was missed"
            );
            assert!(
                monotonic < before.1 + OFFSET / 2,
                "{monotonic:?}: the monotonic clock is expected to miss it"
            );
        }
    }
}
