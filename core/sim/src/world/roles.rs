//! Whom a rule of the scenario is about: the first so many of a group.

use std::collections::BTreeMap;

use crate::scenario::{Name, People, Scenario};

/// Where each group's people are in the list of all: they follow each other.
#[derive(Debug)]
pub(super) struct Roles<'a> {
    groups: BTreeMap<&'a Name, (u32, u32)>,
}

impl<'a> Roles<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        let mut first = 0;
        let mut groups = BTreeMap::new();
        for group in &scenario.group {
            groups.insert(&group.name, (first, group.count.get()));
            first += group.count.get();
        }
        Self { groups }
    }

    /// The first so many of a group, or all.
    pub(super) fn of(&self, group: &Name, count: Option<People>) -> std::ops::Range<u32> {
        let (first, size) = self.groups.get(group).copied().unwrap_or((0, 0));
        let count = count.map_or(size, |count| count.get().min(size));
        first..first + count
    }
}
