//! Two counters that need no right clock: how long the node has lived, as far as bundles and keys
//! are concerned (docs/adr/0004-life-clock.md).

use core::time::Duration;

use crate::{time::Now, wire::local::ClockRecord};

/// What one restart may add to the life counter: the longest lifetime of a bundle.
pub const LIFE_PER_RESTART: Duration = Duration::from_secs(7 * 86_400);

/// What one restart may add to the key counter (docs/protocol.md §4.3): one step of a ratchet.
pub const KEY_PER_RESTART: Duration = Duration::from_secs(86_400);

/// Wall clocks before 2026-01-01T00:00:00Z have not been set: this software did not exist.
pub const EARLIEST_WALL_MS: u64 = 1_767_225_600_000;

/// Greatest counter that is accepted from a record: 1,000 years, in seconds.
const MAX_RECORDED_S: u64 = 31_557_600_000;

/// Why a clock record was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockRecordError {
    /// A boot id that is not 16 bytes long.
    #[error("boot id of {0} bytes")]
    BootId(usize),
    /// A counter that no node has lived to see.
    #[error("counter of {0} seconds")]
    Counter(u64),
}

/// The two counters. Within a boot both follow the boot clock alone; a restart adds what the boot
/// clock (same boot) or the wall clock (another boot) says has passed, within bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeClock {
    boot_id: [u8; 16],
    /// Boot clock, in whole milliseconds, at which the counters stood at the bases.
    origin: Duration,
    /// Whole seconds.
    life_base: Duration,
    /// Whole seconds.
    key_base: Duration,
    /// The latest reading; never before `origin`.
    latest: Now,
}

impl LifeClock {
    /// Goes on from the last record; from zero without one.
    ///
    /// # Errors
    /// [`ClockRecordError`] if the record is damaged.
    pub fn resume(
        record: Option<&ClockRecord>,
        now: Now,
        boot_id: [u8; 16],
    ) -> Result<Self, ClockRecordError> {
        let mut clock = Self {
            boot_id,
            origin: whole_millis(now.boot),
            life_base: Duration::ZERO,
            key_base: Duration::ZERO,
            latest: now,
        };
        let Some(record) = record else {
            return Ok(clock);
        };
        let recorded_boot: [u8; 16] = record.boot_id[..]
            .try_into()
            .map_err(|_| ClockRecordError::BootId(record.boot_id.len()))?;
        for counter in [record.life_s, record.key_s] {
            if counter > MAX_RECORDED_S {
                return Err(ClockRecordError::Counter(counter));
            }
        }
        clock.life_base = Duration::from_secs(record.life_s);
        clock.key_base = Duration::from_secs(record.key_s);
        let recorded = Duration::from_millis(record.boot_ms);
        // A reading ahead of the present one is another boot's, whatever the id says: a container
        // with a time namespace of its own shows its host's.
        if recorded_boot == boot_id && recorded <= clock.origin {
            let passed = clock.origin - recorded;
            if passed <= KEY_PER_RESTART {
                // The counters simply go on: not even the fraction of a second is lost.
                clock.origin -= passed;
                return Ok(clock);
            }
            clock.restart(whole_seconds(passed), passed);
        } else {
            let passed = wall_passed(record.wall_ms, now.wall_ms);
            clock.restart(whole_seconds(passed.min(LIFE_PER_RESTART)), passed);
        }
        Ok(clock)
    }

    /// Takes a reading. A boot clock that went back is ignored.
    pub fn advance(&mut self, now: Now) {
        if now.boot >= self.latest.boot {
            self.latest = now;
        }
    }

    /// What ages bundles: time lived, time switched off included as far as it is known.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.life_base + self.running()
    }

    /// What moves ratchets: as [`Self::life`], but each restart adds a day at most.
    #[must_use]
    pub fn key(&self) -> Duration {
        self.key_base + self.running()
    }

    /// What the node stores: about once a minute, and at the end.
    #[must_use]
    pub fn to_record(&self) -> ClockRecord {
        let running = whole_seconds(self.running());
        // Counters are in whole seconds; both clocks are recorded as they stood at that second.
        let fraction = millis(self.running() - running);
        ClockRecord {
            life_s: (self.life_base + running).as_secs(),
            key_s: (self.key_base + running).as_secs(),
            boot_id: self.boot_id.to_vec().into(),
            boot_ms: millis(self.origin + running),
            wall_ms: self.latest.wall_ms.saturating_sub(fraction),
        }
    }

    fn running(&self) -> Duration {
        self.latest.boot.saturating_sub(self.origin)
    }

    fn restart(&mut self, life: Duration, key: Duration) {
        self.life_base += life;
        self.key_base += whole_seconds(key.min(KEY_PER_RESTART));
    }
}

/// What the wall clock says has passed; nothing if it went back, or if the first reading is
/// unknown. (An unknown second one is before any known first.)
fn wall_passed(then_ms: u64, now_ms: u64) -> Duration {
    if then_ms < EARLIEST_WALL_MS {
        return Duration::ZERO;
    }
    Duration::from_millis(now_ms.saturating_sub(then_ms))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn whole_millis(duration: Duration) -> Duration {
    Duration::from_millis(millis(duration))
}

fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: [u8; 16] = [1; 16];
    const OTHER_BOOT: [u8; 16] = [2; 16];
    const HOUR: u64 = 3_600;
    const DAY: u64 = 86_400;
    /// 2026-11-21T00:00:00Z and 2106-02-07T06:28:15Z.
    const TODAY_MS: u64 = 1_795_219_200_000;
    const YEAR_2106_MS: u64 = 4_294_967_295_000;

    fn at(boot_s: u64, wall_ms: u64) -> Now {
        Now {
            boot: Duration::from_secs(boot_s),
            wall_ms,
        }
    }

    fn record(life_s: u64, boot_s: u64, wall_ms: u64) -> ClockRecord {
        ClockRecord {
            life_s,
            key_s: life_s / 2,
            boot_id: BOOT.to_vec().into(),
            boot_ms: boot_s * 1_000,
            wall_ms,
        }
    }

    fn resumed(record: &ClockRecord, now: Now, boot_id: [u8; 16]) -> (u64, u64) {
        let clock = LifeClock::resume(Some(record), now, boot_id).unwrap();
        assert!(clock.life().subsec_nanos() < 1_000_000_000);
        (clock.life().as_secs(), clock.key().as_secs())
    }

    #[test]
    fn a_new_node_starts_at_zero_and_counts_the_boot_clock() {
        let mut clock = LifeClock::resume(None, at(500, TODAY_MS), BOOT).unwrap();
        assert_eq!((clock.life(), clock.key()), Default::default());
        clock.advance(at(560, TODAY_MS));
        assert_eq!(clock.life(), Duration::from_secs(60));
        assert_eq!(clock.key(), Duration::from_secs(60));
        clock.advance(at(559, TODAY_MS));
        assert_eq!(clock.life(), Duration::from_secs(60));
    }

    #[test]
    fn suspend_counts_because_the_boot_clock_does() {
        let mut clock = LifeClock::resume(None, at(0, TODAY_MS), BOOT).unwrap();
        clock.advance(at(3 * DAY, TODAY_MS + 3 * DAY * 1_000));
        assert_eq!(clock.life(), Duration::from_secs(3 * DAY));
        assert_eq!(clock.key(), Duration::from_secs(3 * DAY));
    }

    #[test]
    fn the_wall_clock_moves_nothing_within_a_boot() {
        // 1970, 2106, an hour either way (hardening #4): a jump must not expire everything.
        for wall_ms in [
            0,
            YEAR_2106_MS,
            u64::MAX,
            TODAY_MS + HOUR * 1_000,
            TODAY_MS - HOUR * 1_000,
        ] {
            let mut clock = LifeClock::resume(None, at(0, TODAY_MS), BOOT).unwrap();
            clock.advance(at(10, wall_ms));
            assert_eq!(clock.life(), Duration::from_secs(10));
            let again = LifeClock::resume(Some(&clock.to_record()), at(11, TODAY_MS), BOOT);
            assert_eq!(again.unwrap().life(), Duration::from_secs(11));
        }
    }

    #[test]
    fn a_restart_in_the_same_boot_follows_the_boot_clock() {
        let record = record(1_000, 100, TODAY_MS);
        for wall_ms in [0, TODAY_MS, YEAR_2106_MS] {
            assert_eq!(resumed(&record, at(160, wall_ms), BOOT), (1_060, 560));
            assert_eq!(resumed(&record, at(100, wall_ms), BOOT), (1_000, 500));
            assert_eq!(
                resumed(&record, at(100 + DAY, wall_ms), BOOT),
                (1_000 + DAY, 500 + DAY)
            );
            // Three days not running: bundles age by them, keys by one.
            assert_eq!(
                resumed(&record, at(100 + 3 * DAY, wall_ms), BOOT),
                (1_000 + 3 * DAY, 500 + DAY)
            );
            assert_eq!(
                resumed(&record, at(100 + 30 * DAY, wall_ms), BOOT),
                (1_000 + 30 * DAY, 500 + DAY)
            );
        }
    }

    #[test]
    fn a_reboot_follows_the_wall_clock_within_bounds() {
        let record = record(1_000, 100, TODAY_MS);
        let reboot = |wall_ms| resumed(&record, at(5, wall_ms), OTHER_BOOT);
        assert_eq!(reboot(TODAY_MS + HOUR * 1_000), (1_000 + HOUR, 500 + HOUR));
        assert_eq!(reboot(TODAY_MS - HOUR * 1_000), (1_000, 500));
        assert_eq!(
            reboot(TODAY_MS + 3 * DAY * 1_000),
            (1_000 + 3 * DAY, 500 + DAY)
        );
        assert_eq!(reboot(YEAR_2106_MS), (1_000 + 7 * DAY, 500 + DAY));
        assert_eq!(reboot(u64::MAX), (1_000 + 7 * DAY, 500 + DAY));
        // No real-time clock: 1970 until the network sets it.
        assert_eq!(reboot(0), (1_000, 500));
        assert_eq!(reboot(EARLIEST_WALL_MS - 1), (1_000, 500));
    }

    #[test]
    fn a_reading_ahead_of_the_present_one_is_another_boots() {
        let record = record(1_000, 100, TODAY_MS);
        let later = |boot_s| resumed(&record, at(boot_s, TODAY_MS + HOUR * 1_000), BOOT);
        assert_eq!(later(99), (1_000 + HOUR, 500 + HOUR));
        assert_eq!(later(100), (1_000, 500));
    }

    #[test]
    fn a_wall_clock_is_known_from_2026_on() {
        assert_eq!(EARLIEST_WALL_MS / 1_000, 56 * 365 * DAY + 14 * DAY);
        let hour = EARLIEST_WALL_MS + HOUR * 1_000;
        for (recorded, added) in [
            (0, 0),
            (EARLIEST_WALL_MS - 1, 0),
            (EARLIEST_WALL_MS, HOUR),
            (hour + 1, 0),
        ] {
            let record = record(1_000, 100, recorded);
            assert_eq!(
                resumed(&record, at(5, hour), OTHER_BOOT),
                (1_000 + added, 500 + added)
            );
        }
    }

    #[test]
    fn a_later_boot_counts_on_from_the_reboot() {
        let record = record(1_000, 100, TODAY_MS);
        let mut clock = LifeClock::resume(Some(&record), at(5, 0), OTHER_BOOT).unwrap();
        clock.advance(at(65, TODAY_MS));
        assert_eq!(clock.life(), Duration::from_secs(1_060));
        let record = clock.to_record();
        assert_eq!(record.boot_id[..], OTHER_BOOT);
        assert_eq!((record.boot_ms, record.wall_ms), (65_000, TODAY_MS));
    }

    #[test]
    fn a_thousand_quick_restarts_lose_nothing() {
        let ms = Duration::from_millis;
        let mut now = Now {
            boot: ms(777_123),
            wall_ms: TODAY_MS,
        };
        let mut clock = LifeClock::resume(None, now, BOOT).unwrap();
        for _ in 0..1_000 {
            now = now.after(ms(333));
            clock.advance(now);
            clock = LifeClock::resume(Some(&clock.to_record()), now, BOOT).unwrap();
        }
        assert_eq!(clock.life(), ms(333_000));
        assert_eq!(clock.key(), ms(333_000));
        // Across boots the wall clock carries the fraction.
        now = now.after(ms(500));
        clock.advance(now);
        let record = clock.to_record();
        assert_eq!((record.life_s, record.wall_ms), (333, now.wall_ms - 500));
    }

    #[test]
    fn damaged_records_are_refused() {
        let good = record(MAX_RECORDED_S, 100, TODAY_MS);
        assert!(LifeClock::resume(Some(&good), at(5, 0), BOOT).is_ok());
        for (record, error) in [
            (
                ClockRecord {
                    boot_id: vec![1; 15].into(),
                    ..good.clone()
                },
                ClockRecordError::BootId(15),
            ),
            (
                ClockRecord {
                    life_s: MAX_RECORDED_S + 1,
                    ..good.clone()
                },
                ClockRecordError::Counter(MAX_RECORDED_S + 1),
            ),
            (
                ClockRecord {
                    key_s: u64::MAX,
                    ..good.clone()
                },
                ClockRecordError::Counter(u64::MAX),
            ),
        ] {
            assert_eq!(LifeClock::resume(Some(&record), at(5, 0), BOOT), Err(error));
        }
        let far = ClockRecord {
            boot_ms: u64::MAX,
            ..good
        };
        assert_eq!(resumed(&far, at(5, 0), BOOT).0, MAX_RECORDED_S);
    }
}
