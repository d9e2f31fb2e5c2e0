//! The world of a scenario (SIM-1, SIM-3): who is where, and what happens to whom, as a pure function of
//! (scenario, seed). What nodes do has no influence on it, so both fidelities, and every policy, meet
//! the same people on the same ways.

mod fate;
mod place;
mod roles;
mod talk;
mod walk;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

pub use self::fate::Off;
pub use self::talk::Channel;
pub use self::walk::Leg;
use self::{fate::Fates, talk::Talks, walk::Walks};
use crate::radio::Position;
use crate::scenario::{Malice, Profile, Scenario};

/// What a flush costs on a phone's flash memory, an estimate; a laptop's takes 2.9 ms.
pub(crate) const FLUSH: Duration = Duration::from_millis(5);

/// One person, who has one phone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Person {
    /// Number of the group in the scenario.
    pub group: u32,
    /// Where it begins.
    pub home: Position,
    /// When it comes.
    pub comes: Duration,
    /// How much energy the phone spends.
    pub profile: Profile,
    /// How far its clock is ahead, in milliseconds.
    pub clock_ms: i64,
    /// What it does against the others, if it does.
    pub malice: Option<Malice>,
}

/// Something happens to a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Happening {
    /// When.
    pub at: Duration,
    /// To whom: its place in [`World::people`].
    pub who: u32,
    /// What.
    pub what: What,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// The phone is on: for the first time, or again.
    On,
    /// It is off.
    Off(Off),
    /// The person sets out.
    Walks(Leg),
    /// It gets or loses the Internet.
    Internet(bool),
    /// It comes into a local network or leaves it.
    Lan {
        /// Number of the network in the scenario.
        lan: u32,
        /// Whether it is in it now.
        inside: bool,
    },
    /// It says something.
    Says {
        /// Place of the channel in [`World::channels`].
        channel: u32,
        /// How long the text is.
        bytes: u32,
    },
}

/// Planned: at one instant in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Comes,
    Down(u32),
    Up(u32),
    Lan { rule: u32, inside: bool },
    Internet { rule: u32, inside: bool },
    Walk,
    Talk(u32),
}

/// The world. [`World::happen`] is its only step.
#[derive(Debug)]
pub struct World {
    end: Duration,
    people: Vec<Person>,
    walks: Walks,
    fates: Fates,
    talks: Talks,
    due: BinaryHeap<Reverse<(Duration, u32, Due)>>,
}

impl World {
    /// The world at its beginning.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let people = place::people(scenario, &mut stream(seed, 0));
        let mut world = Self {
            end: scenario.duration.get(),
            walks: Walks::new(scenario, &people, stream(seed, 1)),
            fates: Fates::new(scenario, &people, stream(seed, 2)),
            talks: Talks::new(scenario, &people, stream(seed, 3)),
            due: BinaryHeap::with_capacity(people.len()),
            people,
        };
        for who in 0..world.people.len() as u32 {
            world.plan(world.people[who as usize].comes, who, Due::Comes);
        }
        world
    }

    /// Everybody, those who come later included.
    #[must_use]
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// All channels, and who is in them. Hostile ones are in none.
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        self.talks.channels()
    }

    /// Whether a phone goes off at some time: only then it can lose what it has not written down.
    #[must_use]
    pub fn may_stop(&self, who: u32) -> bool {
        self.fates.strikes(who)
    }

    /// How long it lasts: whatever happens is planned before.
    #[must_use]
    pub fn end(&self) -> Duration {
        self.end
    }

    /// Not before this time something happens; `None`: nothing any more.
    #[must_use]
    pub fn next_time(&self) -> Option<Duration> {
        self.due.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next thing that happens up to a time, in the order of time.
    pub fn happen(&mut self, until: Duration) -> Option<Happening> {
        while let Some(Reverse((at, who, due))) = self.due.peek().copied() {
            if at > until {
                return None;
            }
            self.due.pop();
            if let Some(what) = self.step(at, who, due) {
                return Some(Happening { at, who, what });
            }
        }
        None
    }

    /// Where somebody is. Only for times from its last [`What::Walks`] on.
    #[must_use]
    pub fn position(&self, who: u32, at: Duration) -> Position {
        self.walks.position(who, at)
    }

    /// The last way on which somebody set out; one without length at its home before the first.
    #[must_use]
    pub fn leg(&self, who: u32) -> &Leg {
        self.walks.leg(who)
    }

    fn step(&mut self, at: Duration, who: u32, due: Due) -> Option<What> {
        match due {
            Due::Comes => {
                self.begin(at, who);
                self.fates.came(who).then_some(What::On)
            }
            Due::Down(rule) => {
                let (off, up) = self.fates.down(who, rule, at);
                if let Some(up) = up {
                    self.plan(up, who, Due::Up(rule));
                }
                off.map(What::Off)
            }
            Due::Up(rule) => {
                let (on, down) = self.fates.up(who, rule, at);
                if let Some(down) = down {
                    self.plan(down, who, Due::Down(rule));
                }
                on.then_some(What::On)
            }
            Due::Lan { rule, inside } => {
                if let Some(next) = self.fates.lan_again(rule, inside, at) {
                    let inside = !inside;
                    self.plan(next, who, Due::Lan { rule, inside });
                }
                Some(What::Lan { lan: rule, inside })
            }
            Due::Internet { rule, inside } => {
                if let Some(next) = self.fates.internet_again(rule, inside, at) {
                    let inside = !inside;
                    self.plan(next, who, Due::Internet { rule, inside });
                }
                self.fates.internet(who, inside)
            }
            Due::Walk => {
                let (leg, next) = self.walks.set_out(who, at);
                if let Some(next) = next {
                    self.plan(next, who, Due::Walk);
                }
                leg.map(What::Walks)
            }
            Due::Talk(rule) => {
                let (said, next) = self.talks.talk(who, rule, at);
                self.plan(next, who, Due::Talk(rule));
                said.filter(|_| self.fates.is_on(who))
            }
        }
    }

    /// Somebody comes: from now on something can happen to it.
    fn begin(&mut self, at: Duration, who: u32) {
        if let Some(first) = self.walks.first(who, at) {
            self.plan(first, who, Due::Walk);
        }
        for (first, due) in self.fates.first(who, at) {
            self.plan(first, who, due);
        }
        for (first, rule) in self.talks.first(who, at) {
            self.plan(first, who, Due::Talk(rule));
        }
    }

    fn plan(&mut self, at: Duration, who: u32, due: Due) {
        if at < self.end {
            self.due.push(Reverse((at, who, due)));
        }
    }
}

/// One of the seed's generators: what draws from one does not move what draws from another.
fn stream(seed: u64, number: u8) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8] = number;
    bytes[9..14].copy_from_slice(b"world");
    ChaCha8Rng::from_seed(bytes)
}

#[cfg(test)]
mod tests;
