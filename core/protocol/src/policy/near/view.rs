//! What people and the engine are told of neighbours.

use core::time::Duration;

use super::{NearPolicy, Report};
use crate::id::{DiscoveryId, LinkId};

impl NearPolicy {
    /// Everyone in sight, the best first, with age at `now` of the boot-time clock.
    pub fn reports(&self, now: Duration) -> impl Iterator<Item = Report> + '_ {
        let now = self.clock.peek(now);
        let ranked = self.table.ranked();
        ranked.filter_map(move |(id, _)| self.table.report(id, now))
    }

    /// The link that is up to a neighbour.
    #[must_use]
    pub fn link_to(&self, neighbour: &DiscoveryId) -> Option<LinkId> {
        let to = |link: &super::Link| link.neighbour == Some(*neighbour) && link.peer.is_some();
        let mut links = self.links.iter();
        links.find(|(_, link)| to(link)).map(|(id, _)| *id)
    }

    /// Smoothed signal in dBm of who is at the end of a link.
    #[must_use]
    pub fn dbm_of(&self, link: LinkId) -> Option<i8> {
        self.table.get(&self.links.get(&link)?.neighbour?)?.dbm()
    }
}
