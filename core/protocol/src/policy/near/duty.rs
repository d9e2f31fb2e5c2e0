//! Profiles of energy: when to scan and how often to advertise (LOC-6).
//!
//! A profile looks hard for a while after every change and then backs off in two steps. Windows and intervals
//! are those of Android's scan modes, which an app can choose among but not alter; iOS and BlueZ take only the
//! phases on and off.
//!
//! The bound: η is the share of time spent receiving (γ) and sending (β). No protocol of two such nodes
//! finds a neighbour for certain in less than 4·α·ω/η² (P. Kindt, S. Chakraborty, "On Optimal Neighbor
//! Discovery", SIGCOMM 2019), with ω the time that a beacon takes and α the power of sending against
//! receiving, taken as 1. A Bluetooth event goes out on three channels of which one is listened to, so ω is
//! three packets.

use core::time::Duration;

/// The longest legacy advertisement on 1M PHY: 47 bytes (Bluetooth Core 5.4, vol. 6, part B, 2.3).
pub const PACKET: Duration = Duration::from_micros(376);
/// Advertising channels.
pub const CHANNELS: u32 = 3;
/// Random delay that the controller adds to the advertising interval: 0 to 10 ms, this in the mean.
pub const MEAN_ADV_DELAY: Duration = Duration::from_millis(5);
/// How long a profile looks hard after a change.
pub const LOOKING: Duration = Duration::from_secs(60);
/// Without a change for so long it backs off for the second time.
pub const QUIET: Duration = Duration::from_secs(300);

/// How much energy to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// The app is open, or the phone is on a charger.
    Performance,
    /// The default.
    Balanced,
    /// The battery is low or the screen is off.
    LowPower,
}

/// Android's scan modes, by what they amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ScanMode {
    /// 100 of 100 ms.
    LowLatency,
    /// 183 of 730 ms.
    Balanced,
    /// 140 of 1,400 ms.
    LowPower,
    /// 512 of 10,240 ms: what is left of any mode while the screen is off.
    ScreenOff,
}

/// How to advertise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advertising {
    /// Between two events, the controller's random delay not counted.
    pub interval: Duration,
    /// Whether links are taken.
    pub connectable: bool,
}

/// How long nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Calm {
    /// Less than [`LOOKING`].
    Looking,
    /// Less than [`QUIET`].
    Quiet,
    /// Longer.
    Still,
}

/// What a profile does while it is as calm as that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Scans in this mode …
    pub mode: ScanMode,
    /// … for so long …
    pub on: Duration,
    /// … and then not for so long; zero: without pause.
    pub off: Duration,
    /// Advertising interval where few are near.
    pub advertise: Duration,
}

impl ScanMode {
    /// Listens for so long, on one channel …
    #[must_use]
    pub const fn window(self) -> Duration {
        Duration::from_millis(match self {
            Self::LowLatency => 100,
            Self::Balanced => 183,
            Self::LowPower => 140,
            Self::ScreenOff => 512,
        })
    }

    /// … once in so long, each time on the next channel.
    #[must_use]
    pub const fn interval(self) -> Duration {
        Duration::from_millis(match self {
            Self::LowLatency => 100,
            Self::Balanced => 730,
            Self::LowPower => 1_400,
            Self::ScreenOff => 10_240,
        })
    }
}

impl Profile {
    /// What it does.
    #[must_use]
    pub const fn schedule(self, calm: Calm) -> Schedule {
        let (mode, on, off, advertise) = match (self, calm) {
            (Self::Performance, Calm::Looking) => (ScanMode::LowLatency, 60, 0, 100),
            (Self::Performance, _) => (ScanMode::Balanced, 60, 0, 250),
            (Self::Balanced, Calm::Looking) => (ScanMode::Balanced, 60, 0, 250),
            (Self::Balanced, Calm::Quiet) => (ScanMode::Balanced, 10, 10, 250),
            (Self::Balanced, Calm::Still) => (ScanMode::Balanced, 10, 20, 250),
            // 21 s hold three windows, one on each channel.
            (Self::LowPower, Calm::Looking) => (ScanMode::ScreenOff, 60, 0, 250),
            (Self::LowPower, Calm::Quiet) => (ScanMode::ScreenOff, 21, 21, 250),
            (Self::LowPower, Calm::Still) => (ScanMode::ScreenOff, 21, 63, 500),
        };
        Schedule {
            mode,
            on: Duration::from_secs(on),
            off: Duration::from_secs(off),
            advertise: Duration::from_millis(advertise),
        }
    }

    /// A neighbour not heard for so long is lost: three rounds of the calmest schedule.
    #[must_use]
    pub const fn lost_after(self) -> Duration {
        Duration::from_secs(match self {
            Self::Performance => 30,
            Self::Balanced => 90,
            Self::LowPower => 255,
        })
    }
}

impl Schedule {
    /// Share of time spent listening, γ.
    #[must_use]
    pub fn listening(&self) -> f64 {
        let on = self.on.as_secs_f64() / (self.on + self.off).as_secs_f64();
        self.mode.window().as_secs_f64() / self.mode.interval().as_secs_f64() * on
    }

    /// Share of time spent sending, β.
    #[must_use]
    pub fn sending(&self) -> f64 {
        let every = self.advertise + MEAN_ADV_DELAY;
        f64::from(CHANNELS) * PACKET.as_secs_f64() / every.as_secs_f64()
    }

    /// The duty cycle, η = γ + β.
    #[must_use]
    pub fn duty_cycle(&self) -> f64 {
        self.listening() + self.sending()
    }

    /// What no protocol of this duty cycle beats, whatever its split between listening and sending: 4·α·ω/η².
    #[must_use]
    pub fn bound(&self) -> Duration {
        optimum(self.duty_cycle())
    }

    /// What no protocol beats that listens and sends as much as this one: ω/(β·γ).
    #[must_use]
    pub fn bound_of_split(&self) -> Duration {
        (self.advertise + MEAN_ADV_DELAY).div_f64(self.listening())
    }
}

/// 4·α·ω/η² with α = 1 and a beacon of three packets. `duty` from above 0 to 1.
fn optimum(duty: f64) -> Duration {
    (4 * CHANNELS * PACKET).div_f64(duty * duty)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_bound_is_that_of_the_paper() {
        // Field notes: thirty seconds need 1.23 % over three channels, 0.71 % over one.
        let near = |duty| optimum(duty).as_secs_f64() - 30.0;
        assert!(near(0.0123) < 0.0 && near(0.0122) > 0.0);
        assert!(near(0.0071 * 3_f64.sqrt()) < 0.0 && near(0.0070 * 3_f64.sqrt()) > 0.0);
    }

    #[test]
    fn a_schedule_knows_its_duty_cycle() {
        // LOC-6.
        let of = |profile: Profile, calm| profile.schedule(calm);
        let near =
            |value: f64, expected: f64| assert!((value - expected).abs() < 0.000_05, "{value}");
        near(of(Profile::Performance, Calm::Looking).duty_cycle(), 1.0107);
        near(of(Profile::Balanced, Calm::Looking).duty_cycle(), 0.2551);
        near(of(Profile::Balanced, Calm::Quiet).listening(), 0.1253);
        near(of(Profile::LowPower, Calm::Looking).duty_cycle(), 0.0544);
        near(of(Profile::LowPower, Calm::Quiet).duty_cycle(), 0.0294);
        near(of(Profile::LowPower, Calm::Still).listening(), 0.0125);
        let low = of(Profile::LowPower, Calm::Looking);
        assert_eq!(low.bound_of_split(), 5_100 * MS);
        near(low.bound().as_secs_f64(), 1.5233);
    }
}
