//! Signal strength, smoothed (LOC-5): a Kalman filter of one constant in dB that leans on no single
//! reading and trusts itself less the longer it hears nothing.
//!
//! Fades last longer than an advertising interval, so readings closer together than `CORRELATION` share
//! one reading's worth of evidence: a neighbour that advertises ten times a second is not known ten times
//! as well. A reading far off is cut to `OUTLIER` deviations (Huber); `TURN` such in a row to the same
//! side are a neighbour that moved, and the filter opens.

use core::time::Duration;

/// Weakest level that a controller reports, in dBm (Bluetooth Core 5.4, vol. 4, part E, 7.7.65.2).
pub const WEAKEST: i8 = -127;
/// Strongest level that it reports, in dBm. 127 means unknown, the rest is reserved.
pub const STRONGEST: i8 = 20;
/// Variance of one reading in dB²: shadowing of 6 dB.
const READING: f64 = 36.0;
/// What the variance grows by in a second, in dB²: people walk about.
const DRIFT: f64 = 0.05;
/// Above this variance the filter knows nothing, in dB².
const IGNORANCE: f64 = 144.0;
/// Fades last about this long.
const CORRELATION: Duration = Duration::from_secs(2);
/// Readings at the same instant still count a little.
const CLOSEST: Duration = Duration::from_millis(50);
/// Deviations beyond which a reading is cut.
const OUTLIER: f64 = 2.0;
/// Cut readings in a row, to the same side, that mean a move.
const TURN: u8 = 4;
/// One of these counts in so long: a burst within one fade is no move.
const TURN_EVERY: Duration = Duration::from_millis(500);

/// What one neighbour's signal is believed to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Signal {
    mean: f64,
    variance: f64,
    at: Duration,
    /// Cut readings in a row; negative when they were below.
    run: i8,
    /// When the last of them counted.
    run_at: Duration,
}

/// A controller's reading in dBm; `None` for 127 (unknown) and for what no controller may report.
#[must_use]
pub const fn reading(raw: i8) -> Option<i8> {
    if raw >= WEAKEST && raw <= STRONGEST {
        Some(raw)
    } else {
        None
    }
}

impl Signal {
    /// The first reading, in dBm.
    #[must_use]
    pub fn new(dbm: i8, now: Duration) -> Self {
        Self {
            mean: f64::from(dbm.clamp(WEAKEST, STRONGEST)),
            variance: READING,
            at: now,
            run: 0,
            run_at: Duration::ZERO,
        }
    }

    /// Another reading, in dBm.
    pub fn hear(&mut self, dbm: i8, now: Duration) {
        let since = now.saturating_sub(self.at);
        let share = CORRELATION.as_secs_f64() / since.max(CLOSEST).as_secs_f64();
        let noise = READING * share.max(1.0);
        let variance = self.variance(now);
        let off = f64::from(dbm.clamp(WEAKEST, STRONGEST)) - self.mean;
        let most = OUTLIER * (variance + READING).sqrt();
        let side = i8::from(off > most) - i8::from(off < -most);
        if side == 0 || side == -self.run.signum() {
            self.run = side;
            self.run_at = now;
        } else if self.run == 0 || now >= self.run_at + TURN_EVERY {
            self.run += side;
            self.run_at = now;
        }
        let moved = self.run.unsigned_abs() >= TURN;
        let (variance, off) = if moved {
            self.run = 0;
            (IGNORANCE, off)
        } else {
            (variance, off.clamp(-most, most))
        };
        let gain = variance / (variance + noise);
        self.mean += gain * off;
        self.variance = variance * (1.0 - gain);
        self.at = self.at.max(now);
    }

    /// The smoothed level in whole dBm, from [`WEAKEST`] to [`STRONGEST`].
    #[must_use]
    pub fn dbm(&self) -> i8 {
        let bounded = self.mean.clamp(f64::from(WEAKEST), f64::from(STRONGEST));
        #[allow(
            clippy::cast_possible_truncation,
            reason = "clamped to the range of i8 just above"
        )]
        let dbm = bounded.round() as i8;
        dbm
    }

    /// What the level is at least, by one deviation, in dBm: it sinks while nothing is heard.
    #[must_use]
    pub fn floor(&self, now: Duration) -> f64 {
        self.mean - self.variance(now).sqrt()
    }

    fn variance(&self, now: Duration) -> f64 {
        let since = now.saturating_sub(self.at).as_secs_f64();
        (self.variance + DRIFT * since).min(IGNORANCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);
    const S: Duration = Duration::from_secs(1);

    fn settled(dbm: i8, seconds: u32) -> (Signal, Duration) {
        let mut signal = Signal::new(dbm, T);
        for second in 1..=seconds {
            signal.hear(dbm, T + second * S);
        }
        (signal, T + seconds * S)
    }

    #[test]
    fn what_no_controller_reports_is_unknown() {
        // LOC-5, bad input.
        for (raw, known) in [
            (-128, None),
            (-127, Some(-127)),
            (0, Some(0)),
            (20, Some(20)),
            (21, None),
            (127, None),
        ] {
            assert_eq!(reading(raw), known);
        }
    }

    #[test]
    fn extremes_stay_in_range() {
        let mut signal = Signal::new(127, T);
        assert_eq!(signal.dbm(), STRONGEST);
        for second in 0..200 {
            let raw = if second % 2 == 0 { i8::MIN } else { i8::MAX };
            signal.hear(raw, T + second * S);
            assert!((WEAKEST..=STRONGEST).contains(&signal.dbm()));
        }
        assert_eq!(Signal::new(-128, T).dbm(), WEAKEST);
    }

    #[test]
    fn a_fade_hardly_moves_it_and_a_move_is_followed() {
        let (mut signal, now) = settled(-60, 20);
        signal.hear(-95, now + S);
        assert!(signal.dbm() >= -63, "{}", signal.dbm());
        let mut second = 2;
        while signal.dbm() > -85 {
            signal.hear(-90, now + second * S);
            second += 1;
        }
        assert!((4..=8).contains(&second), "{second}");
    }

    #[test]
    fn a_move_towards_us_is_followed_as_well() {
        let (mut signal, now) = settled(-90, 20);
        for second in 1..=8 {
            signal.hear(-55, now + second * S);
        }
        assert!(signal.dbm() >= -60, "{}", signal.dbm());
    }

    #[test]
    fn outliers_to_both_sides_are_no_move() {
        let (mut signal, now) = settled(-60, 20);
        for second in 1..=20 {
            let raw = if second % 2 == 0 { -90 } else { -30 };
            signal.hear(raw, now + second * S);
            assert!((-65..=-55).contains(&signal.dbm()), "{}", signal.dbm());
        }
    }

    #[test]
    fn many_readings_in_a_second_count_as_about_one() {
        let (mut often, mut once) = (Signal::new(-60, T), Signal::new(-60, T));
        for tenth in 1..=10 {
            often.hear(-70, T + tenth * S / 10);
        }
        once.hear(-70, T + S);
        assert!((often.dbm() - once.dbm()).abs() <= 2, "{often:?} {once:?}");
        for _ in 0..10 {
            once.hear(-30, T + S);
        }
        assert!(once.dbm() < -55, "{once:?}");
    }

    #[test]
    fn a_move_takes_four_readings_half_a_second_apart() {
        let opened = |every: Duration| {
            let (mut signal, now) = settled(-60, 30);
            for number in 1..=4 {
                signal.hear(-100, now + number * every);
            }
            signal.dbm() < -76
        };
        assert!(opened(TURN_EVERY) && !opened(TURN_EVERY - Duration::from_millis(1)));
        let (mut signal, now) = settled(-60, 30);
        for (second, dbm) in (1..).zip([-100, -100, -100, -60, -100, -100, -100]) {
            signal.hear(dbm, now + second * S);
        }
        assert!(signal.dbm() > -80, "{signal:?}");
    }

    #[test]
    fn trust_fades_while_nothing_is_heard_and_comes_back() {
        let (signal, now) = settled(-60, 30);
        let (fresh, later) = (signal.floor(now), signal.floor(now + 60 * S));
        assert!(fresh < -60.0 && later < fresh - 0.5, "{fresh} {later}");
        let never = signal.floor(Duration::MAX);
        assert!((never - (-72.0)).abs() < 1.0, "{never}");
        // A clock that runs backwards is one that stands still.
        assert!((signal.floor(T) - fresh).abs() < f64::EPSILON);
        let mut back = signal;
        back.hear(-60, T);
        assert_eq!(back.at, now);
    }
}
