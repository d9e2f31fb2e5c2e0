//! Channels, who is in them, and who says how much when.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use super::place::to_ms;
use super::{Person, What, roles::Roles};
use crate::radio::chance;
use crate::scenario::{Malice, Scenario, Traffic};

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name; public with `#` before it.
    pub name: String,
    /// Who is in it, ascending.
    pub members: Vec<u32>,
}

#[derive(Debug)]
struct Rule {
    people: std::ops::Range<u32>,
    traffic: Traffic,
    /// The first channel of those that its name stands for.
    first: u32,
    /// In which of them a person is, when there are several.
    which: BTreeMap<u32, u32>,
}

#[derive(Debug)]
pub(super) struct Talks {
    channels: Vec<Channel>,
    rules: Vec<Rule>,
    honest: Vec<bool>,
    rng: ChaCha8Rng,
}

impl Talks {
    pub(super) fn new(scenario: &Scenario, people: &[Person], rng: ChaCha8Rng) -> Self {
        let roles = Roles::new(scenario);
        let honest: Vec<bool> = people
            .iter()
            .map(|person| person.malice.is_none())
            .collect();
        let member = |who: u32| {
            let malice = people[who as usize].malice;
            malice.is_none_or(Malice::is_member)
        };
        let mut channels = Vec::new();
        // By the scenario's name: the first channel made of it, and how many are in each.
        let mut made = BTreeMap::new();
        for channel in &scenario.channel {
            let mut members: Vec<u32> = channel
                .groups
                .iter()
                .flat_map(|group| roles.of(group.get_ref(), channel.count))
                .filter(|who| member(*who))
                .collect();
            members.sort_unstable();
            members.dedup();
            let name = channel.name.get_ref();
            let first = channels.len() as u32;
            let mut which = BTreeMap::new();
            match channel.of {
                None => channels.push(Channel {
                    name: name.to_string(),
                    members,
                }),
                Some(of) => {
                    for (number, members) in (0..).zip(members.chunks(of.get() as usize)) {
                        which.extend(members.iter().map(|who| (*who, number)));
                        channels.push(Channel {
                            name: format!("{name}-{}", number + 1),
                            members: members.to_vec(),
                        });
                    }
                }
            }
            made.insert(name, (first, which));
        }
        let rules = scenario.traffic.iter().filter_map(|traffic| {
            let (first, which) = made.get(traffic.channel.get_ref())?.clone();
            Some(Rule {
                people: roles.of(traffic.group.get_ref(), traffic.count),
                traffic: traffic.clone(),
                first,
                which,
            })
        });
        Self {
            rules: rules.collect(),
            channels,
            honest,
            rng,
        }
    }

    pub(super) fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// When somebody who has come says its first word, by each rule about it.
    pub(super) fn first(&mut self, who: u32, now: Duration) -> Vec<(Duration, u32)> {
        if !self.honest[who as usize] {
            return Vec::new();
        }
        let mut first = Vec::new();
        for (number, rule) in (0..).zip(&self.rules) {
            if rule.people.contains(&who) {
                let wait = rule.traffic.every.get();
                let from = now.max(rule.traffic.when.from.get());
                let at = from + wait.mul_f64(chance::exponential(&mut self.rng));
                first.push((to_ms(at), number));
            }
        }
        first
    }

    /// Says something, unless the rule is silent at this time; and when again.
    pub(super) fn talk(&mut self, who: u32, rule: u32, now: Duration) -> (Option<What>, Duration) {
        let rng = &mut self.rng;
        let Rule {
            traffic,
            first,
            which,
            ..
        } = &self.rules[rule as usize];
        let (least, most) = (traffic.bytes.least.get(), traffic.bytes.most.get());
        let bytes = least + chance::index((most - least + 1) as usize, rng) as u32;
        let says = What::Says {
            channel: first + which.get(&who).copied().unwrap_or(0),
            bytes,
        };
        let next = now + traffic.every.get().mul_f64(chance::exponential(rng));
        let next = to_ms(next).max(now + Duration::from_millis(1));
        (traffic.when.is_open(now).then_some(says), next)
    }
}
