//! Whom to dial next (COORD-3, ADR 29).

use core::time::Duration;

use super::{DENSE, NearPolicy, dials::JUST_HEARD, neighbour::Neighbour, topology};
use crate::id::DiscoveryId;

impl NearPolicy {
    fn may(&self, id: &DiscoveryId, known: &Neighbour, now: Duration) -> bool {
        known.connectable && !known.linked && known.tries.at <= now && !self.dials.is_under_way(id)
    }

    pub(super) fn next_contact(&self, now: Duration) -> Option<DiscoveryId> {
        if self.dials.to_contact() {
            return None;
        }
        self.table
            .ranked()
            .filter(|(_, known)| topology::claims_link(known, now) && !known.is_silent())
            .find(|(id, known)| self.may(id, known, now))
            .map(|(id, _)| *id)
    }

    pub(super) fn next_stranger(&self, claims: usize, now: Duration) -> Option<DiscoveryId> {
        let wanted = topology::Wanted {
            backbone: topology::backbone_has_room(self.shares, claims, &self.links),
            far: self.encounters.looks_far() && self.weak_may(claims, now),
        };
        topology::choose(&self.table, wanted, |id, known| {
            let weak = topology::is_weak(known);
            let there = if weak {
                now <= known.seen + JUST_HEARD
            } else {
                wanted.backbone || !wanted.far
            };
            there && self.may_meet(id, known, wanted.backbone, now)
        })
    }

    /// Whether a stranger with a weak signal is dialled if it is heard now.
    pub(super) fn weak_may(&self, claims: usize, now: Duration) -> bool {
        let backbone = topology::backbone_has_room(self.shares, claims, &self.links);
        self.table
            .iter()
            .any(|(id, known)| topology::is_weak(known) && self.may_meet(id, known, backbone, now))
    }

    fn may_meet(&self, id: &DiscoveryId, known: &Neighbour, backbone: bool, now: Duration) -> bool {
        // In a crowd somebody's pause is always over, and who is seldom heard among many only looks new.
        let crowd = self.table.len() >= DENSE;
        let fresh = !crowd && self.encounters.is_fresh(known);
        let due = backbone || fresh || now >= self.encounters.next();
        let there = self.encounters.is_current(known) && !known.is_silent();
        due && there && self.may(id, known, now)
    }
}
