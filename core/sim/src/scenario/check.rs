//! What a scenario's parts must be to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;

use super::{
    Every, Fidelity, MAX_CHANNELS, MAX_FULL, MAX_PEOPLE, Mobility, Name, People, Placement,
    PowerCut, Scenario, ScenarioError, Window,
};

/// Longest sentence on what a scenario shows, in bytes.
const MAX_SHOWS: usize = 1_000;

pub(super) fn check(scenario: &Scenario, text: &str) -> Result<(), ScenarioError> {
    let check = Check {
        text,
        groups: groups(scenario)?,
    };
    check.numbers(scenario)?;
    check.references(scenario)?;
    check.channels(scenario)?;
    check.times(scenario)
}

struct Check<'a> {
    text: &'a str,
    /// How many are in each group.
    groups: BTreeMap<&'a str, u32>,
}

fn groups(scenario: &Scenario) -> Result<BTreeMap<&str, u32>, ScenarioError> {
    let mut groups = BTreeMap::new();
    for group in &scenario.group {
        let name = group.name.as_str();
        if groups.insert(name, group.count.get()).is_some() {
            return Err(ScenarioError::new(format!(
                "two groups are called {name:?}: give each its own name"
            )));
        }
    }
    Ok(groups)
}

impl Check<'_> {
    fn wrong(&self, span: Range<usize>, what: impl Into<String>) -> ScenarioError {
        ScenarioError::at(self.text, span, what)
    }

    fn numbers(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        if scenario.shows.is_empty() || scenario.shows.len() > MAX_SHOWS {
            return Err(ScenarioError::new(
                "`shows` is to say in 1 to 1000 bytes what the scenario shows",
            ));
        }
        let people = scenario.people();
        let most = match scenario.fidelity {
            Fidelity::Full => MAX_FULL,
            Fidelity::Policy => MAX_PEOPLE,
        };
        if people == 0 || people > most {
            return Err(ScenarioError::new(format!(
                "{people} people are in the groups: 1 to {most} can be, with this fidelity"
            )));
        }
        for group in &scenario.group {
            let empty = match (&group.place, &group.mobility) {
                (Placement::At(places), _) if places.is_empty() => "`at` lists no place",
                (_, Mobility::Ride { stops, .. }) if stops.len() < 2 => {
                    "`ride` needs two stops at least"
                }
                _ => continue,
            };
            return Err(ScenarioError::new(format!("group {}: {empty}", group.name)));
        }
        Ok(())
    }

    fn references(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let of = |group, count: Option<People>| (group, count);
        let lan = scenario.lan.iter().map(|it| of(&it.group, it.count));
        let internet = scenario.internet.iter().map(|it| of(&it.group, it.count));
        let power = scenario.power.iter().map(|it| of(&it.group, it.count));
        let clock = scenario.clock.iter().map(|it| of(&it.group, it.count));
        let hostile = scenario.hostile.iter().map(|it| of(&it.group, it.count));
        let traffic = scenario.traffic.iter().map(|it| of(&it.group, it.count));
        let channel = scenario.channel.iter();
        let channel = channel.flat_map(|it| it.groups.iter().map(move |group| of(group, it.count)));
        let all = lan.chain(internet).chain(power).chain(clock);
        let among = scenario.demand.among.iter().map(|group| of(group, None));
        let all = all.chain(among);
        for (group, count) in all.chain(hostile).chain(traffic).chain(channel) {
            self.group(group, count)?;
        }
        Ok(())
    }

    fn group(&self, group: &Spanned<Name>, count: Option<People>) -> Result<(), ScenarioError> {
        let name = group.get_ref().as_str();
        let Some(has) = self.groups.get(name) else {
            let known: Vec<&str> = self.groups.keys().copied().collect();
            return Err(self.wrong(
                group.span(),
                format!("there is no group {name:?}: there are {}", known.join(", ")),
            ));
        };
        match count {
            Some(count) if count.get() > *has => Err(self.wrong(
                group.span(),
                format!(
                    "group {name:?} has {has} people: `count` cannot be {}",
                    count.get()
                ),
            )),
            _ => Ok(()),
        }
    }

    fn channels(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let mut known = BTreeSet::new();
        let mut made = 0_u32;
        for channel in &scenario.channel {
            let name = channel.name.get_ref().as_str();
            if !known.insert(name) {
                let what = format!("two channels are called {name:?}: give each its own name");
                return Err(self.wrong(channel.name.span(), what));
            }
            let plain = name.strip_prefix('#').unwrap_or(name);
            if plain.is_empty() || plain.contains('#') {
                let what = "a channel's name has one # at most, at its beginning";
                return Err(self.wrong(channel.name.span(), what));
            }
            if channel.groups.is_empty() {
                return Err(self.wrong(channel.name.span(), "`groups` lists no group"));
            }
            if let Some(of) = channel.of {
                let members = channel.groups.iter().map(|group| {
                    let has = self.groups.get(group.get_ref().as_str()).copied();
                    let count = channel.count.map_or(u32::MAX, People::get);
                    has.unwrap_or(0).min(count)
                });
                let members = members.fold(0, u32::saturating_add);
                made = made.saturating_add(members.div_ceil(of.get()));
            }
            if made > MAX_CHANNELS {
                let what = format!("that makes more than {MAX_CHANNELS} channels: raise `of`");
                return Err(self.wrong(channel.name.span(), what));
            }
        }
        for traffic in &scenario.traffic {
            let name = traffic.channel.get_ref().as_str();
            let mut channels = scenario.channel.iter();
            let Some(channel) = channels.find(|it| it.name.get_ref().as_str() == name) else {
                let what = format!("there is no channel {name:?}: declare it with [[channel]]");
                return Err(self.wrong(traffic.channel.span(), what));
            };
            let group = traffic.group.get_ref();
            let joined = channel.groups.iter().any(|of| of.get_ref() == group);
            let all = |count: Option<People>| count.map_or(u32::MAX, People::get);
            let size = self.groups.get(group.as_str()).copied().unwrap_or(0);
            let speak = all(traffic.count).min(size);
            if !joined || speak > all(channel.count) {
                let what = format!("not all of them are members of channel {name:?}");
                return Err(self.wrong(traffic.group.span(), what));
            }
        }
        Ok(())
    }

    fn times(&self, scenario: &Scenario) -> Result<(), ScenarioError> {
        let lan = scenario.lan.iter().map(|it| (&it.group, it.when));
        let internet = scenario.internet.iter().map(|it| (&it.group, it.when));
        let traffic = scenario.traffic.iter().map(|it| (&it.group, it.when));
        for (group, when) in lan.chain(internet).chain(traffic) {
            let Window { lasts, every, .. } = when;
            if every.is_some_and(|every| lasts.is_none_or(|lasts| lasts >= every)) {
                let what = "`when`: what comes again `every` so often lasts `for` a shorter time";
                return Err(self.wrong(group.span(), what));
            }
        }
        for power in &scenario.power {
            let fits = |every: Every, off: Every| off < every;
            let fits = match &power.what {
                PowerCut::Sleep { every, lasts } => fits(*every, *lasts),
                PowerCut::Crash { every, down } => fits(*every, *down),
                PowerCut::Empty { .. } => true,
            };
            if !fits {
                let what = "`what`: it is off for longer than from one time to the next";
                return Err(self.wrong(power.group.span(), what));
            }
        }
        if scenario.demand.settle.get() >= scenario.duration.get() {
            return Err(ScenarioError::new(
                "`demand.settle` is as long as the run: nothing would be due",
            ));
        }
        Ok(())
    }
}
