//! The world of the experiment: people on a square, and who hears whom: everybody within a range that gives
//! the wanted number of neighbours in the mean.

use std::collections::VecDeque;

use sovereign_sim::{radio::Position, scenario::Scenario, world::World};

/// Square metres a person: with twelve neighbours the range is some twenty metres, within what phones reach.
const ROOM: f64 = 100.0;

/// A random geometric graph.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    /// Metres up to which two hear each other.
    pub(crate) range: f64,
    /// Of each, ascending.
    pub(crate) neighbours: Vec<Vec<u32>>,
}

impl Graph {
    /// The one of these people: the places are those that the simulator gives them with this seed.
    pub(crate) fn of(people: u32, degree: f64, seed: u64) -> Self {
        // Nobody speaks, and no range has an influence on places.
        let scenario = scenario(people, 1.0, "");
        let world = World::new(&scenario, seed);
        let places: Vec<Position> = world.people().iter().map(|person| person.home).collect();
        let mut distances = Vec::new();
        for (one, place) in places.iter().enumerate() {
            distances.extend(places[..one].iter().map(|other| place.distance(*other)));
        }
        distances.sort_by(f64::total_cmp);
        let edges = (f64::from(people) * degree / 2.0).round() as usize;
        let range = distances[edges.clamp(1, distances.len()) - 1];
        // Scenarios are written in decimal.
        let range = (range * 1e6).ceil() / 1e6;
        let near = |place: &Position| {
            let hears = |(_, other): &(u32, &Position)| {
                let distance = place.distance(**other);
                distance > 0.0 && distance <= range
            };
            (0..)
                .zip(&places)
                .filter(hears)
                .map(|(who, _)| who)
                .collect()
        };
        Self {
            range,
            neighbours: places.iter().map(near).collect(),
        }
    }

    pub(crate) fn people(&self) -> usize {
        self.neighbours.len()
    }

    pub(crate) fn edges(&self) -> usize {
        self.neighbours.iter().map(Vec::len).sum::<usize>() / 2
    }

    pub(crate) fn degree(&self) -> f64 {
        2.0 * self.edges() as f64 / self.people() as f64
    }

    /// Whom a message of each can reach at all, its author included.
    pub(crate) fn reachable(&self, from: u32) -> Vec<bool> {
        let mut found = vec![false; self.people()];
        found[from as usize] = true;
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            for next in &self.neighbours[at as usize] {
                if !std::mem::replace(&mut found[*next as usize], true) {
                    queue.push_back(*next);
                }
            }
        }
        found
    }
}

/// The same world for the simulator; `more` says who speaks.
///
/// # Panics
/// When the parts make no scenario.
pub(crate) fn scenario(people: u32, range: f64, more: &str) -> Scenario {
    let side = (f64::from(people) * ROOM).sqrt();
    let more = if more.is_empty() {
        "duration = \"1 min\"\n[demand]\ndelivery = 0\n"
    } else {
        more
    };
    let (duration, more) = more.split_once('\n').unwrap_or((more, ""));
    let text = format!(
        r#"
name = "spread"
shows = "How often a message is sent until everybody has it."
fidelity = "policy"
{duration}
[radio]
shadowing = 0
fading = 0
horizon = {range}
[[group]]
name = "all"
count = {people}
place = {{ rectangle = {{ corner = [0, 0], width = {side}, height = {side} }} }}
{more}
"#
    );
    Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}
