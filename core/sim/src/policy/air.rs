//! The radio as policy nodes notice it: who hears whom, by the virtual radio's laws without its packets.
//!
//! Strength is path loss, walls and shadow as in [`crate::radio`]; the shadow is a function of the pair and of
//! time and ways walked, so that nothing has to be kept for pairs that never meet. Whether an
//! advertiser is heard in a round of scanning follows from the duty cycle, the number of its events, their
//! loss, collisions and the contention for scan responses.

use std::collections::BTreeMap;
use std::time::Duration;

use sovereign_protocol::policy::near::duty::{Advertising, MEAN_ADV_DELAY, PACKET, ScanMode};

use crate::radio::{Hardware, Physics, Position, chance, scene, walls::Walls};
use crate::scenario::Radio;

/// A sum of four uniform numbers reaches so many of its deviations at most.
const MOST_DEVIATIONS: f64 = 3.47;

#[derive(Debug)]
pub(super) struct Air {
    pub(super) physics: Physics,
    pub(super) hardware: Hardware,
    walls: Walls,
    seed: u64,
    /// Beyond so many metres nobody is ever heard.
    reach_m: f64,
    cells: BTreeMap<(i32, i32), Vec<u32>>,
    cell_of: Vec<Option<(i32, i32)>>,
    /// Where everybody was last put, in metres: near enough to tell at little cost who is out of reach.
    about: Vec<(f32, f32)>,
    /// How far anybody may have gone since.
    gone_m: f32,
}

impl Air {
    pub(super) fn new(radio: &Radio, people: usize, seed: u64) -> Self {
        let (physics, hardware) = (radio.physics(), radio.hardware());
        let most_loss = hardware.at_1m_dbm - hardware.sensitivity_dbm
            + MOST_DEVIATIONS * physics.shadowing.sigma_db;
        let reach = libm::pow(10.0, most_loss / (10.0 * physics.path_loss_exponent));
        Self {
            // An ideal radio reaches everywhere: one cell is wide enough for any scenario.
            reach_m: reach.min(physics.horizon_m).min(1e7),
            walls: Walls::new(radio.walls()),
            physics,
            hardware,
            seed,
            cells: BTreeMap::new(),
            cell_of: vec![None; people],
            about: vec![(0.0, 0.0); people],
            gone_m: 0.0,
        }
    }

    /// Somebody's phone is on at a place, or somewhere else by now.
    pub(super) fn put(&mut self, who: u32, at: Position) {
        let along = |value: f64| libm::floor(value / self.reach_m) as i32;
        let cell = (along(at.x), along(at.y));
        self.about[who as usize] = (at.x as f32, at.y as f32);
        if self.cell_of[who as usize] == Some(cell) {
            return;
        }
        self.take(who);
        self.cell_of[who as usize] = Some(cell);
        let there = self.cells.entry(cell).or_default();
        let place = there.partition_point(|other| *other < who);
        there.insert(place, who);
    }

    /// It is off.
    pub(super) fn take(&mut self, who: u32) {
        let Some(cell) = self.cell_of[who as usize].take() else {
            return;
        };
        if let Some(there) = self.cells.get_mut(&cell) {
            there.retain(|other| *other != who);
            if there.is_empty() {
                self.cells.remove(&cell);
            }
        }
    }

    /// Somebody goes so many metres before it is put somewhere again.
    pub(super) fn goes(&mut self, metres: f64) {
        self.gone_m = self.gone_m.max(metres as f32);
    }

    /// Whether two are surely out of each other's reach, wherever they have gone meanwhile.
    pub(super) fn is_far(&self, pair: [u32; 2]) -> bool {
        let [one, other] = pair.map(|who| self.about[who as usize]);
        let (x, y) = (one.0 - other.0, one.1 - other.1);
        let reach = self.reach_m as f32 + 2.0 * self.gone_m + 1.0;
        x * x + y * y > reach * reach
    }

    /// Who may be in reach, and more.
    pub(super) fn near(&self, who: u32, near: &mut Vec<u32>) {
        near.clear();
        let Some((x, y)) = self.cell_of[who as usize] else {
            return;
        };
        for x in x.saturating_sub(1)..=x.saturating_add(1) {
            // Cells of a column follow each other.
            let column = (x, y.saturating_sub(1))..=(x, y.saturating_add(1));
            for (_, there) in self.cells.range(column) {
                near.extend_from_slice(there);
            }
        }
    }

    /// Strength in dBm at which two hear each other; `None` where they do not. `walked`: metres that the two
    /// have walked together.
    pub(super) fn strength(
        &self,
        pair: (u32, u32),
        places: (Position, Position),
        walked: f64,
        now: Duration,
    ) -> Option<f64> {
        let distance = places.0.distance(places.1);
        if distance > self.reach_m {
            return None;
        }
        let loss = scene::path_loss_db(self.physics.path_loss_exponent, distance)
            + self.walls.loss_db(places.0, places.1);
        let dbm = self.hardware.at_1m_dbm - loss + self.shadow(pair, walked, now);
        (dbm >= self.hardware.sensitivity_dbm).then_some(dbm)
    }

    /// Two neighbouring draws, mixed so that the variance stays: after one step of the law's time or
    /// distance little is left of what was.
    fn shadow(&self, (one, other): (u32, u32), walked: f64, now: Duration) -> f64 {
        let law = self.physics.shadowing;
        if law.sigma_db <= 0.0 {
            return 0.0;
        }
        let by_time = law
            .time
            .map_or(0.0, |time| now.as_secs_f64() / time.as_secs_f64());
        let age = by_time + walked / law.distance_m;
        let step = libm::floor(age);
        let part = age - step;
        let pair = u64::from(one.min(other)) << 32 | u64::from(one.max(other));
        let key = chance::mix(self.seed ^ chance::mix(pair));
        let draw = |step: f64| roughly_normal(chance::mix(key ^ step as u64));
        let mixed = libm::sqrt(1.0 - part) * draw(step) + libm::sqrt(part) * draw(step + 1.0);
        law.sigma_db * mixed
    }

    /// Probability that somebody who scanned in a mode for so long heard an advertiser, among `audible` others
    /// who send `events_per_second` together.
    pub(super) fn hears(
        &self,
        mode: ScanMode,
        scanned: Duration,
        advertising: &Advertising,
        audible: usize,
        events_per_second: f64,
    ) -> f64 {
        let physics = &self.physics;
        let duty = if physics.duty {
            mode.window().as_secs_f64() / mode.interval().as_secs_f64()
        } else {
            1.0
        };
        // Advertisement, request and response.
        let kept = 1.0 - physics.advertisement_loss;
        let mut each = duty * kept * kept * kept;
        if physics.collisions {
            each *= libm::exp(-2.0 * events_per_second * PACKET.as_secs_f64());
        }
        if physics.contention {
            // Those who listen on the same channel at the moment, taken as alike.
            each /= 1.0 + audible as f64 * duty / 3.0;
        }
        let events = scanned.as_secs_f64() / (advertising.interval + MEAN_ADV_DELAY).as_secs_f64();
        1.0 - libm::pow(1.0 - each.min(1.0), events)
    }
}

/// Sum of four uniform numbers (Irwin and Hall): mean 0, variance 1, no logarithm.
fn roughly_normal(bits: u64) -> f64 {
    let quarter = |at: u32| (bits >> (16 * at) & 0xffff) as f64;
    let sum = quarter(0) + quarter(1) + quarter(2) + quarter(3);
    // Each of 0 to 65,535: mean 32,767.5; the variance of four is 4/12.
    (sum / 65_535.0 - 2.0) * 1.732_050_807_568_877_2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64) -> Position {
        Position { x, y: 0.0 }
    }

    fn air() -> Air {
        Air::new(&Radio::default(), 10, 1)
    }

    #[test]
    fn the_shadow_is_symmetric_scattered_and_moves_on() {
        let air = air();
        let of = |one, other, walked, s| air.shadow((one, other), walked, Duration::from_millis(s));
        assert_eq!(of(1, 2, 3.0, 4_000), of(2, 1, 3.0, 4_000));
        assert_ne!(of(1, 2, 3.0, 4_000), of(1, 3, 3.0, 4_000));
        let (mut sum, mut squares, mut step) = (0.0, 0.0, 0.0);
        for n in 0..10_000_u32 {
            let value = of(n, n + 1, 0.0, u64::from(n) * 777);
            sum += value;
            squares += value * value;
            let after = of(n, n + 1, 0.0, u64::from(n) * 777 + 60_000);
            step += value * after;
        }
        let (mean, variance, later) = (sum / 1e4, squares / 1e4, step / 1e4);
        assert!(
            mean.abs() < 0.3 && (variance - 36.0).abs() < 3.0,
            "{mean} {variance}"
        );
        // Two times 30 s later nothing is left.
        assert!(later.abs() < 2.0, "{later}");
        let near = of(1, 2, 0.0, 40_000) - of(1, 2, 0.0, 40_100);
        assert!(near.abs() < 1.0, "{near}");
    }

    #[test]
    fn the_grid_holds_who_is_on() {
        let mut air = air();
        for (who, x) in [(0, 0.0), (1, 100.0), (2, 1_000.0), (3, 150.0)] {
            air.put(who, at(x));
        }
        let mut near = Vec::new();
        air.near(0, &mut near);
        assert_eq!(near, [0, 1, 3]);
        air.put(2, at(90.0));
        air.take(3);
        air.near(0, &mut near);
        assert_eq!(near, [0, 1, 2]);
        air.near(3, &mut near);
        assert!(near.is_empty());
    }

    #[test]
    fn who_is_surely_far_is_told_without_a_look() {
        let mut air = air();
        let reach = air.reach_m;
        air.put(1, at(0.0));
        air.put(2, at(reach + 1.5));
        assert!(air.is_far([1, 2]) && air.is_far([2, 1]));
        air.goes(8.0);
        air.goes(3.0);
        assert!(!air.is_far([1, 2]));
        air.put(2, at(reach + 16.5));
        assert!(!air.is_far([1, 2]));
        air.put(2, at(reach + 17.5));
        assert!(air.is_far([1, 2]));
    }

    #[test]
    fn who_is_far_is_not_heard() {
        let air = air();
        let strength = |x| air.strength((1, 2), (at(0.0), at(x)), 0.0, Duration::ZERO);
        assert!(strength(1.0).is_some_and(|dbm| dbm > -90.0));
        assert_eq!(strength(199.0), None);
    }

    #[test]
    fn a_round_hears_by_duty_and_crowd() {
        let air = air();
        let advertising = Advertising {
            interval: Duration::from_millis(250),
            connectable: true,
        };
        let hears = |mode, s, audible, rate| {
            air.hears(mode, Duration::from_secs(s), &advertising, audible, rate)
        };
        let alone = hears(ScanMode::Balanced, 10, 1, 4.0);
        assert!(alone > 0.99, "{alone}");
        let low = hears(ScanMode::ScreenOff, 21, 1, 4.0);
        assert!(low > 0.85 && low < alone, "{low}");
        let crowd = hears(ScanMode::Balanced, 10, 500, 500.0);
        assert!(crowd > 0.02 && crowd < 0.3, "{crowd}");
        assert_eq!(hears(ScanMode::Balanced, 0, 1, 4.0), 0.0);
    }
}
