//! Phones on and off, networks there and gone.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::place::to_ms;
use super::{Due, Person, What, roles::Roles};
use crate::radio::chance;
use crate::scenario::{PowerCut, Scenario, Window};

/// How a phone goes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Off {
    /// In good order: all is written, links are closed.
    Sleep,
    /// The battery is empty: links end by silence, what is not durable is lost.
    Empty,
    /// The app crashed: the same, but the phone goes on.
    Crash,
}

#[derive(Debug)]
struct Rule<T> {
    people: std::ops::Range<u32>,
    what: T,
}

#[derive(Debug)]
struct State {
    came: bool,
    /// Rules that hold it off now, by number: a scenario has few.
    off: Vec<u32>,
    /// Rules that give it the Internet now.
    internet: u32,
}

#[derive(Debug)]
pub(super) struct Fates {
    power: Vec<Rule<PowerCut>>,
    lan: Vec<Rule<Window>>,
    internet: Vec<Rule<Window>>,
    states: Vec<State>,
    rng: ChaCha8Rng,
}

impl Fates {
    pub(super) fn new(scenario: &Scenario, people: &[Person], rng: ChaCha8Rng) -> Self {
        let roles = Roles::new(scenario);
        let power = scenario.power.iter().map(|power| Rule {
            people: roles.of(power.group.get_ref(), power.count),
            what: power.what.clone(),
        });
        let lan = scenario.lan.iter().map(|lan| Rule {
            people: roles.of(lan.group.get_ref(), lan.count),
            what: lan.when,
        });
        let internet = scenario.internet.iter().map(|internet| Rule {
            people: roles.of(internet.group.get_ref(), internet.count),
            what: internet.when,
        });
        let state = |_| State {
            came: false,
            off: Vec::new(),
            internet: 0,
        };
        Self {
            power: power.collect(),
            lan: lan.collect(),
            internet: internet.collect(),
            states: people.iter().map(state).collect(),
            rng,
        }
    }

    pub(super) fn is_on(&self, who: u32) -> bool {
        let state = &self.states[who as usize];
        state.came && state.off.is_empty()
    }

    /// Whether any rule ever switches a phone off.
    pub(super) fn strikes(&self, who: u32) -> bool {
        self.power.iter().any(|rule| rule.people.contains(&who))
    }

    /// Somebody is there now; whether its phone is on.
    pub(super) fn came(&mut self, who: u32) -> bool {
        self.states[who as usize].came = true;
        self.is_on(who)
    }

    /// What is planned first for somebody who comes.
    pub(super) fn first(&mut self, who: u32, now: Duration) -> Vec<(Duration, Due)> {
        let mut due = Vec::new();
        for (number, rule) in about(&self.power, who) {
            let rng = &mut self.rng;
            let at = match rule {
                // Each in its own phase, and some in the middle of their sleep.
                PowerCut::Sleep { every, lasts } => {
                    let phase = every.get().mul_f64(chance::unit(rng));
                    if let Some(left) = lasts.get().checked_sub(phase) {
                        self.states[who as usize].off.push(number);
                        due.push((to_ms(now + left), Due::Up(number)));
                        continue;
                    }
                    now + (every.get() - phase)
                }
                PowerCut::Empty { at, .. } => {
                    let (least, most) = (at.least.get(), at.most.get());
                    now.max(least + (most - least).mul_f64(chance::unit(rng)))
                }
                PowerCut::Crash { every, .. } => {
                    now + every.get().mul_f64(chance::exponential(rng))
                }
            };
            due.push((to_ms(at), Due::Down(number)));
        }
        for (rule, window) in about(&self.lan, who) {
            let inside = true;
            due.extend(window.opens(now).map(|at| (at, Due::Lan { rule, inside })));
        }
        for (rule, window) in about(&self.internet, who) {
            let inside = true;
            due.extend(
                window
                    .opens(now)
                    .map(|at| (at, Due::Internet { rule, inside })),
            );
        }
        due
    }

    /// A rule switches a phone off: how, if it was on, and when it is over.
    pub(super) fn down(
        &mut self,
        who: u32,
        rule: u32,
        now: Duration,
    ) -> (Option<Off>, Option<Duration>) {
        let was_on = self.is_on(who);
        let (how, lasts) = match &self.power[rule as usize].what {
            PowerCut::Sleep { lasts, .. } => (Off::Sleep, Some(*lasts)),
            PowerCut::Empty { charged_after, .. } => (Off::Empty, *charged_after),
            PowerCut::Crash { down, .. } => (Off::Crash, Some(*down)),
        };
        self.states[who as usize].off.push(rule);
        (was_on.then_some(how), lasts.map(|lasts| now + lasts.get()))
    }

    /// A rule lets a phone go: whether it is on now, and when the rule strikes again.
    pub(super) fn up(&mut self, who: u32, rule: u32, now: Duration) -> (bool, Option<Duration>) {
        self.states[who as usize].off.retain(|other| *other != rule);
        let again = match &self.power[rule as usize].what {
            PowerCut::Sleep { every, lasts } => Some(now + (every.get() - lasts.get())),
            PowerCut::Empty { .. } => None,
            PowerCut::Crash { every, down } => {
                let mean = every.get() - down.get();
                Some(to_ms(
                    now + mean.mul_f64(chance::exponential(&mut self.rng)),
                ))
            }
        };
        (self.is_on(who), again)
    }

    /// When a network's window closes, or opens again.
    pub(super) fn lan_again(&self, rule: u32, inside: bool, now: Duration) -> Option<Duration> {
        self.lan[rule as usize].what.turns(inside, now)
    }

    /// The same of the Internet.
    pub(super) fn internet_again(
        &self,
        rule: u32,
        inside: bool,
        now: Duration,
    ) -> Option<Duration> {
        self.internet[rule as usize].what.turns(inside, now)
    }

    /// A rule gives or takes the Internet; news only if no other rule gives it.
    pub(super) fn internet(&mut self, who: u32, inside: bool) -> Option<What> {
        let given = &mut self.states[who as usize].internet;
        *given = if inside {
            *given + 1
        } else {
            given.saturating_sub(1)
        };
        (*given == u32::from(inside)).then_some(What::Internet(inside))
    }
}

impl Window {
    /// When it opens for somebody who is there from now on; now, if it is open.
    fn opens(&self, now: Duration) -> Option<Duration> {
        let from = self.from.get();
        let (Some(lasts), true) = (self.lasts, now >= from) else {
            return Some(from.max(now));
        };
        if self.is_open(now) {
            return Some(now);
        }
        let every = self.every?.get();
        debug_assert!(lasts.get() < every);
        let passed = (now - from).as_millis() / every.as_millis() + 1;
        Some(from + every * u32::try_from(passed).ok()?)
    }

    /// When it closes, if it is open, or opens.
    fn turns(&self, open: bool, now: Duration) -> Option<Duration> {
        let lasts = self.lasts?.get();
        let from = self.from.get();
        let Some(every) = self.every.map(|every| every.get()) else {
            return open.then(|| from + lasts);
        };
        let passed = now.saturating_sub(from).as_millis() / every.as_millis();
        let began = from + every * u32::try_from(passed).ok()?;
        Some(if open { began + lasts } else { began + every })
    }

    /// Whether it is open.
    pub(super) fn is_open(&self, now: Duration) -> bool {
        let Some(passed) = now.checked_sub(self.from.get()) else {
            return false;
        };
        let Some(lasts) = self.lasts else {
            return true;
        };
        let phase = match self.every {
            Some(every) => passed.as_millis() % every.get().as_millis(),
            None => passed.as_millis(),
        };
        phase < lasts.get().as_millis()
    }
}

/// The rules about somebody.
fn about<T: Clone>(rules: &[Rule<T>], who: u32) -> Vec<(u32, T)> {
    let mine = (0..)
        .zip(rules)
        .filter(|(_, rule)| rule.people.contains(&who));
    mine.map(|(number, rule)| (number, rule.what.clone()))
        .collect()
}
