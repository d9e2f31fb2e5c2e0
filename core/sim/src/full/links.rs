//! Who is linked to whom: over the radio the world knows it, over networks the nodes tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    radio::{Air, RadioId, World},
    record::{Medium, What},
};

/// What has been recorded as linked.
#[derive(Debug, Default)]
pub(super) struct Links {
    radio: BTreeSet<(u32, u32)>,
    /// Links over networks, with how many of the two say that there is one.
    wide: BTreeMap<(u32, u32), u32>,
    /// Whose transport ids are whose.
    people: BTreeMap<String, u32>,
}

impl Links {
    /// A node answers under this transport id, from now on.
    pub(super) fn knows(&mut self, transport: String, who: u32) {
        self.people.insert(transport, who);
    }

    /// What has changed on the radio.
    pub(super) fn look(&mut self, air: &Air, owner: &BTreeMap<RadioId, u32>) -> Vec<(u32, What)> {
        let mut now = BTreeMap::new();
        air.look(|world: &World| {
            for (dialler, listener) in world.links() {
                if let (Some(one), Some(other)) = (owner.get(&dialler), owner.get(&listener)) {
                    let dbm = world.mean_dbm(listener, dialler);
                    now.insert((*one, *other), dbm);
                }
            }
        });
        let gone = self.radio.iter().filter(|link| !now.contains_key(link));
        let mut changes: Vec<(u32, What)> = gone
            .map(|&(one, with)| {
                let medium = Medium::Ble;
                (one, What::LinkDown { with, medium })
            })
            .collect();
        for (&(one, with), dbm) in &now {
            if !self.radio.contains(&(one, with)) {
                let medium = Medium::Ble;
                // A cast saturates.
                let dbm = dbm.map(|dbm| libm::round(dbm) as i16);
                changes.push((one, What::LinkUp { with, medium, dbm }));
            }
        }
        self.radio = now.into_keys().collect();
        changes
    }

    /// One of the two says that a link over a network is up or gone.
    pub(super) fn told(&mut self, who: u32, transport: &str, up: bool) -> Option<(u32, What)> {
        let with = *self.people.get(transport)?;
        let link = (who.min(with), who.max(with));
        let count = self.wide.entry(link).or_default();
        let before = *count;
        *count = if up {
            before + 1
        } else {
            before.saturating_sub(1)
        };
        let (now, medium) = (*count, Medium::Lan);
        if now == 0 {
            self.wide.remove(&link);
        }
        let (one, with) = link;
        match (before, now) {
            (0, 1) => {
                let dbm = None;
                Some((one, What::LinkUp { with, medium, dbm }))
            }
            (1, 0) => Some((one, What::LinkDown { with, medium })),
            _ => None,
        }
    }

    /// A node has ended: it says nothing of its links any more.
    pub(super) fn ended(&mut self, who: u32) -> Vec<(u32, What)> {
        let its: Vec<(u32, u32)> = self
            .wide
            .keys()
            .copied()
            .filter(|(one, other)| *one == who || *other == who)
            .collect();
        let mut gone = Vec::new();
        for link in its {
            self.wide.remove(&link);
            let (one, with) = link;
            let medium = Medium::Lan;
            gone.push((one, What::LinkDown { with, medium }));
        }
        gone
    }
}
