//! Ways: straight legs at constant speed, each drawn when the one before has ended.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::Person;
use super::place::{around, at, beside, to_ms};
use crate::radio::{Position, chance};
use crate::scenario::{Between, Mobility, Scenario, Speed};

/// Somebody goes straight from a place to another at constant speed, and stays there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leg {
    /// From where.
    pub from: Position,
    /// Where to.
    pub to: Position,
    /// When it sets out.
    pub departs: Duration,
    /// When it is there.
    pub arrives: Duration,
    /// Metres that it had walked before.
    pub walked: f64,
}

impl Leg {
    /// Metres a second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        let takes = self.arrives.saturating_sub(self.departs).as_secs_f64();
        if takes > 0.0 {
            self.from.distance(self.to) / takes
        } else {
            0.0
        }
    }

    /// Where it is at a time.
    #[must_use]
    pub fn position(&self, at: Duration) -> Position {
        if at >= self.arrives {
            return self.to;
        }
        let whole = (self.arrives - self.departs).as_secs_f64();
        let part = at.saturating_sub(self.departs).as_secs_f64() / whole;
        Position {
            x: self.from.x + (self.to.x - self.from.x) * part,
            y: self.from.y + (self.to.y - self.from.y) * part,
        }
    }
}

/// Quarter turns from east.
const TURNS: [(f64, f64); 4] = [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)];

#[derive(Debug)]
struct Walker {
    group: u32,
    home: Position,
    leg: Leg,
    /// Legs so far; along streets the quarter turn it faces.
    count: u32,
    /// Where a commuter goes to.
    other: Position,
}

#[derive(Debug)]
pub(super) struct Walks {
    mobilities: Vec<Mobility>,
    walkers: Vec<Walker>,
    rng: ChaCha8Rng,
}

impl Walks {
    pub(super) fn new(scenario: &Scenario, people: &[Person], mut rng: ChaCha8Rng) -> Self {
        let mobilities: Vec<Mobility> = scenario
            .group
            .iter()
            .map(|group| group.mobility.clone())
            .collect();
        let walkers = people.iter().map(|person| {
            let mut home = person.home;
            let (one, other) = (chance::unit(&mut rng), chance::unit(&mut rng));
            let (mut count, mut aim) = (0, home);
            match &mobilities[person.group as usize] {
                Mobility::Streets { block, .. } => {
                    let to_street = |value: f64| libm::round(value / block.get()) * block.get();
                    home = Position {
                        x: to_street(home.x),
                        y: to_street(home.y),
                    };
                    count = (one * 4.0) as u32;
                }
                Mobility::Commute {
                    corner,
                    width,
                    height,
                    ..
                } => aim = beside(at(*corner), one * width.get(), other * height.get()),
                Mobility::Leave { from, distance, .. } => {
                    let from = at(*from);
                    let away = home.distance(from);
                    aim = if away > 0.0 {
                        let part = distance.get() / away;
                        beside(home, (home.x - from.x) * part, (home.y - from.y) * part)
                    } else {
                        around(home, distance.get(), one)
                    };
                }
                Mobility::Still | Mobility::Waypoint { .. } | Mobility::Ride { .. } => {}
            }
            Walker {
                group: person.group,
                home,
                leg: Leg {
                    from: home,
                    to: home,
                    departs: Duration::ZERO,
                    arrives: Duration::ZERO,
                    walked: 0.0,
                },
                count,
                other: aim,
            }
        });
        Self {
            walkers: walkers.collect(),
            mobilities,
            rng,
        }
    }

    pub(super) fn position(&self, who: u32, at: Duration) -> Position {
        self.walkers[who as usize].leg.position(at)
    }

    pub(super) fn leg(&self, who: u32) -> &Leg {
        &self.walkers[who as usize].leg
    }

    /// When somebody who has come sets out for the first time.
    pub(super) fn first(&mut self, who: u32, now: Duration) -> Option<Duration> {
        let rng = &mut self.rng;
        let group = self.walkers[who as usize].group as usize;
        let at = match &self.mobilities[group] {
            Mobility::Still => return None,
            Mobility::Waypoint { pause, .. } | Mobility::Streets { pause, .. } => {
                now + pause.get().mul_f64(chance::unit(rng))
            }
            Mobility::Commute { go, spread, .. } => {
                go.get() + spread.get().mul_f64(chance::unit(rng))
            }
            Mobility::Ride { start, .. } => start.get(),
            Mobility::Leave { at, spread, .. } => {
                at.get() + spread.get().mul_f64(chance::unit(rng))
            }
        };
        Some(to_ms(at.max(now)))
    }

    /// Sets out: on what leg, and when again.
    pub(super) fn set_out(&mut self, who: u32, now: Duration) -> (Option<Leg>, Option<Duration>) {
        let rng = &mut self.rng;
        let walker = &mut self.walkers[who as usize];
        let from = walker.leg.position(now);
        let mut draw = |speed: &Between<Speed>| {
            let (least, most) = (speed.least.get(), speed.most.get());
            least + (most - least) * chance::unit(rng)
        };
        let (to, speed, again) = match &self.mobilities[walker.group as usize] {
            Mobility::Still => return (None, None),
            Mobility::Waypoint {
                within,
                speed,
                pause,
            } => {
                let speed = draw(speed);
                let mut off = || (2.0 * chance::unit(rng) - 1.0) * within.get();
                let to = beside(walker.home, off(), off());
                (to, speed, Again::After(pause.get()))
            }
            Mobility::Streets {
                block,
                within,
                speed,
                pause,
            } => {
                let speed = draw(speed);
                // Straight on at every second crossing, else left or right.
                let turn = [0, 0, 1, 3][chance::index(4, rng)];
                let mut to = from;
                for turn in [turn, turn + 2, turn + 1, turn + 3] {
                    let facing = (walker.count + turn) % 4;
                    let (x, y) = TURNS[facing as usize];
                    to = beside(from, x * block.get(), y * block.get());
                    let far = |a: f64, b: f64| libm::fabs(a - b) > within.get();
                    if !far(to.x, walker.home.x) && !far(to.y, walker.home.y) {
                        walker.count = facing;
                        break;
                    }
                    to = from;
                }
                (to, speed, Again::After(pause.get()))
            }
            Mobility::Commute {
                go,
                back,
                spread,
                speed,
                day,
                ..
            } => {
                let speed = draw(speed);
                walker.count += 1;
                let to = [walker.home, walker.other][walker.count as usize % 2];
                let at = [go, back][walker.count as usize % 2].get();
                let days = day.get() * (walker.count / 2);
                let late = spread.get().mul_f64(chance::unit(rng));
                (to, speed, Again::At(days + at + late))
            }
            Mobility::Ride {
                stops,
                speed,
                stop,
                and_back,
                ..
            } => {
                walker.count += 1;
                let last = stops.len() as u32 - 1;
                let place = |count: u32| {
                    // There and back: 0 1 2 1 0 1 …
                    let phase = count % (2 * last);
                    stops[phase.min(2 * last - phase) as usize]
                };
                let (start, to) = (at(stops[0]), at(place(walker.count)));
                let to = beside(to, walker.home.x - start.x, walker.home.y - start.y);
                let again = if *and_back || walker.count < last {
                    Again::After(stop.get())
                } else {
                    Again::Never
                };
                (to, speed.get(), again)
            }
            Mobility::Leave { speed, .. } => (walker.other, draw(speed), Again::Never),
        };
        let takes = Duration::from_secs_f64(from.distance(to) / speed);
        // A leg of no length takes a moment, so that nobody turns on the spot for ever.
        let arrives = to_ms(now + takes) + Duration::from_millis(1);
        walker.leg = Leg {
            from,
            to,
            departs: now,
            arrives,
            walked: walker.leg.walked + walker.leg.from.distance(walker.leg.to),
        };
        let next = match again {
            Again::Never => None,
            Again::After(pause) => Some(arrives + pause),
            Again::At(at) => Some(to_ms(at).max(arrives)),
        };
        (Some(walker.leg), next)
    }
}

/// When somebody sets out again.
enum Again {
    Never,
    After(Duration),
    At(Duration),
}
