//! Where people begin, and what they are.

use std::time::Duration;

use rand_core::Rng;

use super::{Person, roles::Roles};
use crate::radio::{Position, chance};
use crate::scenario::{Group, Place, Placement, Scenario};

pub(super) fn people(scenario: &Scenario, rng: &mut impl Rng) -> Vec<Person> {
    let mut people = Vec::with_capacity(scenario.people() as usize);
    for (number, group) in (0..).zip(&scenario.group) {
        for index in 0..group.count.get() {
            let home = place(group, index, rng);
            let late = group.over.get().mul_f64(chance::unit(rng));
            people.push(Person {
                group: number,
                home,
                comes: to_ms(group.from.get() + late),
                profile: group.profile.unwrap_or(scenario.profile),
                clock_ms: 0,
                malice: None,
            });
        }
    }
    let roles = Roles::new(scenario);
    for clock in &scenario.clock {
        for who in roles.of(clock.group.get_ref(), clock.count) {
            // Within ±3.2e12, which fits.
            people[who as usize].clock_ms = (clock.seconds.get() * 1_000.0) as i64;
        }
    }
    for hostile in &scenario.hostile {
        for who in roles.of(hostile.group.get_ref(), hostile.count) {
            people[who as usize].malice = Some(hostile.does);
        }
    }
    people
}

/// Rounded down to whole milliseconds, which records count in.
pub(super) fn to_ms(time: Duration) -> Duration {
    // A month has fewer milliseconds than u64 holds.
    Duration::from_millis(time.as_millis() as u64)
}

fn place(group: &Group, index: u32, rng: &mut impl Rng) -> Position {
    let (along, across) = (chance::unit(rng), chance::unit(rng));
    match &group.place {
        Placement::At(places) => at(places[index as usize % places.len()]),
        Placement::Rectangle {
            corner,
            width,
            height,
        } => beside(at(*corner), along * width.get(), across * height.get()),
        Placement::Disc { centre, radius } => {
            around(at(*centre), radius.get() * libm::sqrt(along), across)
        }
        Placement::Circle { centre, radius } => {
            let turn = f64::from(index) / f64::from(group.count.get());
            around(at(*centre), radius.get(), turn)
        }
        Placement::Rows {
            corner,
            abreast,
            step,
        } => {
            let (row, column) = (index / abreast.get(), index % abreast.get());
            beside(
                at(*corner),
                f64::from(column) * step.get(),
                f64::from(row) * step.get(),
            )
        }
    }
}

pub(super) fn at(place: Place) -> Position {
    Position {
        x: place.0.get(),
        y: place.1.get(),
    }
}

pub(super) fn beside(place: Position, x: f64, y: f64) -> Position {
    Position {
        x: place.x + x,
        y: place.y + y,
    }
}

/// At a distance, in a direction given as a part of the full turn.
pub(super) fn around(centre: Position, distance: f64, turn: f64) -> Position {
    let angle = 2.0 * std::f64::consts::PI * turn;
    beside(
        centre,
        distance * libm::cos(angle),
        distance * libm::sin(angle),
    )
}
