//! Two links to one peer: the older is probed before the newer is refused (COORD-3).

use core::time::Duration;

use super::{
    NearPolicy, PROBE_TIMEOUT,
    event::Effect,
    links::{Kind, Link},
};
use crate::{
    id::{LinkId, TransportId},
    wire::v1::CloseReason,
};

impl NearPolicy {
    /// Has the older link probed when the peer has one.
    pub(super) fn compare(
        &mut self,
        id: LinkId,
        peer: TransportId,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let named = self.links.get(&id).and_then(|link| link.neighbour);
        let other = self.links.iter_mut().find(|(other, link)| {
            **other != id && link.peer == Some(peer) && link.is_established()
        });
        let Some((older, link)) = other else {
            return;
        };
        let (older, third) = (*older, link.probe.is_some());
        // One peer has one id: whichever link stays, it is not to be dialled again.
        link.neighbour = link.neighbour.or(named);
        let neighbour = link.neighbour;
        if !third {
            link.probe = Some(now + PROBE_TIMEOUT);
            effects.push(Effect::Probe(older));
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.neighbour = neighbour;
            if !third {
                link.kind = Kind::Rival(older);
            }
        }
        if third {
            self.close(id, CloseReason::Duplicate, now, effects);
        }
    }

    pub(super) fn alive(&mut self, id: LinkId, now: Duration, effects: &mut Vec<Effect>) {
        let (Some((own, _)), Some(rival)) = (self.own, self.rival_of(id)) else {
            return;
        };
        let (Some(older), Some(newer)) = (self.links.get(&id), self.links.get(&rival)) else {
            return;
        };
        let goes = if older.stays_before(newer, &own) {
            rival
        } else {
            id
        };
        self.settle(id);
        self.close(goes, CloseReason::Duplicate, now, effects);
    }

    /// The link that waits for the end of this one's probe.
    pub(super) fn rival_of(&self, id: LinkId) -> Option<LinkId> {
        let rival = |link: &Link| link.kind == Kind::Rival(id) && link.closing.is_none();
        let found = self.links.iter().find(|(_, link)| rival(link));
        found.map(|(id, _)| *id)
    }

    /// Ends a link's probe: it and its rival are links like others.
    pub(super) fn settle(&mut self, id: LinkId) {
        let rival = self.rival_of(id);
        for one in [Some(id), rival].into_iter().flatten() {
            if let Some(link) = self.links.get_mut(&one) {
                link.probe = None;
                if link.kind == Kind::Rival(id) {
                    link.kind = Kind::Encounter;
                }
            }
        }
    }
}
