//! Where radios are, and how strongly one hears another.

use std::{collections::BTreeMap, time::Duration};

use rand_core::Rng;

use super::{
    chance,
    physics::{Physics, Shadowing},
    walls::{Wall, Walls},
    world::RadioId,
};

/// Nearer than this, strength grows no more, in metres.
const NEAREST_M: f64 = 0.1;

/// A place on the plane, in metres. What is no number is nowhere: nobody hears it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    /// Eastward.
    pub x: f64,
    /// Northward.
    pub y: f64,
}

impl Position {
    /// Metres between two places.
    #[must_use]
    pub fn distance(self, other: Self) -> f64 {
        libm::hypot(self.x - other.x, self.y - other.y)
    }
}

#[derive(Debug)]
struct Place {
    position: Position,
    /// Metres walked since the beginning.
    walked: f64,
}

/// The shadow between two radios, in standard deviations, when it was last looked at.
#[derive(Debug)]
struct Shadow {
    value: f64,
    at: Duration,
    walked: f64,
}

#[derive(Debug)]
pub(super) struct Scene {
    seed: u64,
    exponent: f64,
    horizon_m: f64,
    shadowing: Shadowing,
    walls: Walls,
    places: BTreeMap<RadioId, Place>,
    /// Who is within the horizon of whom; rebuilt when asked for after a change.
    near: Option<BTreeMap<RadioId, Vec<RadioId>>>,
    shadows: BTreeMap<(RadioId, RadioId), Shadow>,
}

impl Scene {
    pub(super) fn new(physics: &Physics, seed: u64) -> Self {
        Self {
            seed,
            exponent: physics.path_loss_exponent,
            horizon_m: physics.horizon_m,
            shadowing: physics.shadowing,
            walls: Walls::default(),
            places: BTreeMap::new(),
            near: None,
            shadows: BTreeMap::new(),
        }
    }

    pub(super) fn set_walls(&mut self, walls: Vec<Wall>) {
        self.walls = Walls::new(walls);
    }

    pub(super) fn put(&mut self, radio: RadioId, position: Position) {
        let walked = self.places.get(&radio).map_or(0.0, |old| {
            let step = old.position.distance(position);
            old.walked + if step.is_finite() { step } else { 0.0 }
        });
        self.places.insert(radio, Place { position, walked });
        self.near = None;
    }

    pub(super) fn remove(&mut self, radio: RadioId) {
        self.places.remove(&radio);
        self.near = None;
        self.shadows
            .retain(|(low, high), _| *low != radio && *high != radio);
    }

    /// Who is within the horizon, ascending.
    pub(super) fn near(&mut self, radio: RadioId) -> Vec<RadioId> {
        let (places, horizon) = (&self.places, self.horizon_m);
        let near = self.near.get_or_insert_with(|| neighbours(places, horizon));
        near.get(&radio).cloned().unwrap_or_default()
    }

    /// Path loss and walls from one to the other, in dB; `None` beyond the horizon.
    pub(super) fn path_loss_db(&self, one: RadioId, other: RadioId) -> Option<f64> {
        let (one, other) = (self.places.get(&one)?, self.places.get(&other)?);
        let distance = one.position.distance(other.position);
        (distance <= self.horizon_m).then(|| {
            path_loss_db(self.exponent, distance) + self.walls.loss_db(one.position, other.position)
        })
    }

    /// Path loss and shadow, in dB; the same both ways. `None` beyond the horizon.
    pub(super) fn loss_db(
        &mut self,
        one: RadioId,
        other: RadioId,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Option<f64> {
        let path = self.path_loss_db(one, other)?;
        Some(path + self.shadow_db(one.min(other), one.max(other), now, rng))
    }

    fn shadow_db(&mut self, low: RadioId, high: RadioId, now: Duration, rng: &mut impl Rng) -> f64 {
        let law = self.shadowing;
        if law.sigma_db <= 0.0 {
            return 0.0;
        }
        let walked = |radio| self.places.get(&radio).map_or(0.0, |place| place.walked);
        let walked = walked(low) + walked(high);
        let shadow = self.shadows.entry((low, high)).or_insert_with(|| Shadow {
            value: chance::normal_of(self.seed, u64::from(low.0), u64::from(high.0)),
            at: now,
            walked,
        });
        let passed = now.saturating_sub(shadow.at).as_secs_f64();
        let age = (walked - shadow.walked) / law.distance_m
            + law.time.map_or(0.0, |time| passed / time.as_secs_f64());
        if age > 0.0 {
            let kept = libm::exp(-age);
            let fresh = libm::sqrt(1.0 - kept * kept);
            shadow.value = kept * shadow.value + fresh * chance::normal(rng);
            shadow.walked = walked;
        }
        shadow.at = shadow.at.max(now);
        law.sigma_db * shadow.value
    }
}

/// The log-distance model over so many metres, in dB against 1 m.
pub(crate) fn path_loss_db(exponent: f64, distance_m: f64) -> f64 {
    10.0 * exponent * libm::log10(distance_m.max(NEAREST_M))
}

/// By a grid of cells as wide as the horizon: whoever is near is in the same cell or beside it.
fn neighbours(places: &BTreeMap<RadioId, Place>, horizon: f64) -> BTreeMap<RadioId, Vec<RadioId>> {
    let cell = |position: Position| {
        // Far out the cast saturates: such cells hold more radios than they need to.
        let along = |value: f64| libm::floor(value / horizon) as i64;
        (along(position.x), along(position.y))
    };
    let mut cells: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (radio, place) in places {
        cells
            .entry(cell(place.position))
            .or_default()
            .push((*radio, place.position));
    }
    places
        .iter()
        .map(|(radio, place)| {
            let (x, y) = cell(place.position);
            let beside = |at: i64| at.saturating_sub(1)..=at.saturating_add(1);
            let mut near: Vec<RadioId> = beside(x)
                .flat_map(|x| beside(y).map(move |y| (x, y)))
                .filter_map(|at| cells.get(&at))
                .flatten()
                .filter(|(other, position)| {
                    other != radio && place.position.distance(*position) <= horizon
                })
                .map(|(other, _)| *other)
                .collect();
            near.sort_unstable();
            (*radio, near)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

    use super::*;

    fn scene(shadowing: Shadowing) -> Scene {
        let physics = Physics {
            horizon_m: 50.0,
            shadowing,
            ..Physics::phones()
        };
        Scene::new(&physics, 7)
    }

    const NONE: Shadowing = Shadowing {
        sigma_db: 0.0,
        distance_m: 1.0,
        time: None,
    };

    fn at(x: f64, y: f64) -> Position {
        Position { x, y }
    }

    #[test]
    fn the_grid_finds_whom_a_look_at_all_finds() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut scene = scene(NONE);
        for n in 0..300 {
            let mut along = || (chance::unit(&mut rng) - 0.5) * 400.0;
            scene.put(RadioId(n), at(along(), along()));
        }
        scene.put(RadioId(300), at(f64::NAN, 0.0));
        scene.put(RadioId(301), at(f64::MAX, f64::MIN));
        for n in 0..302 {
            let all: Vec<RadioId> = (0..302)
                .map(RadioId)
                .filter(|other| other.0 != n)
                .filter(|other| scene.path_loss_db(RadioId(n), *other).is_some())
                .collect();
            assert_eq!(scene.near(RadioId(n)), all);
        }
        assert_eq!(scene.near(RadioId(300)), []);
        assert!(scene.near(RadioId(0)).len() > 1);
    }

    #[test]
    fn loss_follows_the_logarithm_of_distance_and_ends_at_the_horizon() {
        let mut scene = scene(NONE);
        scene.put(RadioId(0), at(0.0, 0.0));
        for (x, db) in [(1.0, 0.0), (10.0, 21.0), (0.1, -21.0), (0.0, -21.0)] {
            scene.put(RadioId(1), at(x, 0.0));
            let loss = scene.path_loss_db(RadioId(0), RadioId(1)).unwrap();
            assert!((loss - db).abs() < 1e-9, "{x} m: {loss}");
        }
        scene.put(RadioId(1), at(50.0, 0.0));
        assert_eq!(scene.near(RadioId(1)), [RadioId(0)]);
        scene.put(RadioId(1), at(50.1, 0.0));
        assert_eq!(scene.path_loss_db(RadioId(0), RadioId(1)), None);
        assert_eq!(scene.near(RadioId(1)), []);
        scene.put(RadioId(1), at(5.0, 0.0));
        scene.remove(RadioId(0));
        assert_eq!(scene.near(RadioId(1)), []);
    }

    /// Mean product of a shadow and the same one later, in σ²: its autocorrelation.
    fn correlation(law: Shadowing, step: f64, wait: Duration) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut scene = scene(law);
        scene.put(RadioId(0), at(0.0, 0.0));
        let pairs = 20_000;
        let mut sum = 0.0;
        for n in 1..=pairs {
            scene.put(RadioId(n), at(1.0, 0.0));
            let first = scene.loss_db(RadioId(0), RadioId(n), Duration::ZERO, &mut rng);
            // There and back: the path loss is the same, the way walked is not.
            scene.put(RadioId(n), at(1.0 + step / 2.0, 0.0));
            scene.put(RadioId(n), at(1.0, 0.0));
            let then = scene.loss_db(RadioId(n), RadioId(0), wait, &mut rng);
            sum += first.unwrap() * then.unwrap();
        }
        sum / f64::from(pairs) / (law.sigma_db * law.sigma_db)
    }

    #[test]
    fn shadows_fade_with_the_way_walked_and_with_time() {
        let law = Shadowing {
            sigma_db: 6.0,
            distance_m: 2.0,
            time: Some(Duration::from_secs(30)),
        };
        let second = Duration::from_secs(1);
        for (step, wait, expected) in [
            (0.0, Duration::ZERO, 1.0),
            (2.0, Duration::ZERO, libm::exp(-1.0)),
            (0.0, 30 * second, libm::exp(-1.0)),
            (2.0, 30 * second, libm::exp(-2.0)),
            (40.0, Duration::ZERO, 0.0),
        ] {
            let found = correlation(law, step, wait);
            assert!((found - expected).abs() < 0.03, "{step} {wait:?}: {found}");
        }
        let still = Shadowing { time: None, ..law };
        assert!((correlation(still, 0.0, 3_600 * second) - 1.0).abs() < 0.03);
    }
}
