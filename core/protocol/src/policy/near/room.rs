//! Room among the links: who gets a place, who has to go, and when.

use core::time::Duration;

use rand_core::CryptoRng;

use super::{
    CLOSE_TIMEOUT, ENCOUNTER, HANDSHAKE_TIMEOUT, NearPolicy,
    dials::MAX_TO_STRANGERS,
    event::{Address, Effect, Relation},
    links::{Kind, Link},
    neighbour::Neighbour,
    topology,
};
use crate::{id::LinkId, wire::v1::CloseReason};

impl NearPolicy {
    /// Whether a contact or member that should have a link was last heard there.
    pub(super) fn claims_from(&self, address: Address, now: Duration) -> bool {
        let claims = |known: &Neighbour| topology::claims_link(known, now);
        let mut known = self.table.iter();
        known.any(|(_, known)| known.address == address && claims(known))
    }

    /// Whether the link that this address has just opened is taken.
    pub(super) fn admits(&mut self, address: Address, claimed: bool, now: Duration) -> bool {
        let kept = self.kept(topology::claims(self.shares, &self.table, &self.links, now));
        let room = claimed || self.links.len() + kept < self.shares.budget;
        room && self.admission.admit(address, claimed, now)
    }

    /// Places to keep free for these claims: a link that may be a contact's is in its place while it proves
    /// itself, but as its address may be another's lie, the contact can still be dialled.
    pub(super) fn kept(&self, claims: usize) -> usize {
        let claimed = |link: &&Link| link.claimed && link.kind == Kind::HalfOpen;
        claims.saturating_sub(self.links.values().filter(claimed).count())
    }

    /// Ends what has lasted too long.
    pub(super) fn time_out(
        &mut self,
        now: Duration,
        rng: &mut impl CryptoRng,
        effects: &mut Vec<Effect>,
    ) {
        let due = |since: Duration, after: Duration| now >= since + after;
        for (neighbour, address) in self.dials.late(now) {
            self.dials.end(&neighbour);
            self.dials.failed(&mut self.table, &neighbour, now, rng);
            effects.push(Effect::Abort { neighbour, address });
        }
        let ids: Vec<_> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get(&id) else {
                continue;
            };
            if link.closing.is_some_and(|since| due(since, CLOSE_TIMEOUT)) {
                self.link_down(id, false, now, rng);
            } else if link.probe.is_some_and(|until| now >= until) {
                self.settle(id);
                self.close(id, CloseReason::Timeout, now, effects);
            } else if link.kind == Kind::HalfOpen && due(link.since, HANDSHAKE_TIMEOUT) {
                if let Some(neighbour) = link.neighbour {
                    self.dials.failed(&mut self.table, &neighbour, now, rng);
                }
                self.close(id, CloseReason::Timeout, now, effects);
            }
        }
    }

    /// Closes strangers' links where contacts in sight have no room.
    pub(super) fn yield_to(&mut self, kept: usize, now: Duration, effects: &mut Vec<Effect>) {
        let wanted = self.open() + self.dials.to_strangers() + kept;
        for _ in self.shares.budget..wanted {
            let rank = |link: &Link| match (link.kind, link.reconciled) {
                (Kind::Encounter, true) => Some(3),
                (Kind::Encounter, false) => Some(2),
                (Kind::Backbone, _) => Some(1),
                _ => None,
            };
            let yields =
                |link: &&Link| link.is_established() && link.relation == Relation::Stranger;
            let first = self
                .links
                .iter()
                .filter(|(_, link)| yields(link))
                .max_by_key(|(_, link)| (rank(link), link.since))
                .map(|(id, _)| *id);
            let Some(first) = first else {
                return;
            };
            self.close(first, CloseReason::Full, now, effects);
        }
    }

    /// Ends encounters that are over: not reconciled in time, or reconciled while somebody waits.
    pub(super) fn let_go(&mut self, kept: usize, now: Duration, effects: &mut Vec<Effect>) {
        let late = |link: &Link| {
            let silent = link.relation == Relation::Stranger && !link.reconciled;
            silent && now >= link.since + ENCOUNTER
        };
        while let Some(over) = self.oldest_encounter(late) {
            self.close(over, CloseReason::Full, now, effects);
        }
        while let Some(over) = self.oldest_encounter(|link| link.reconciled) {
            let taken = self.open() + self.dials.to_strangers() + kept;
            let full = taken >= self.shares.budget;
            let blocks = taken + self.shares.inbound >= self.shares.budget
                && self.dials.to_strangers() < MAX_TO_STRANGERS;
            let waits = full || blocks && self.next_stranger(kept, now).is_some();
            if !waits {
                return;
            }
            self.close(over, CloseReason::Full, now, effects);
        }
    }

    fn oldest_encounter(&self, which: impl Fn(&Link) -> bool) -> Option<LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| {
                link.kind == Kind::Encounter && link.is_established() && which(link)
            })
            .min_by_key(|(_, link)| link.since)
            .map(|(id, _)| *id)
    }

    /// Links that are to stay for now.
    fn open(&self) -> usize {
        let open = |link: &&Link| link.closing.is_none();
        self.links.values().filter(open).count()
    }
}

/// When something of this link times out.
pub(super) fn deadline(link: &Link) -> Option<Duration> {
    let own = match (link.closing, link.kind) {
        (Some(since), _) => Some(since + CLOSE_TIMEOUT),
        (None, Kind::HalfOpen) => Some(link.since + HANDSHAKE_TIMEOUT),
        (None, Kind::Encounter) if !link.reconciled && link.relation == Relation::Stranger => {
            Some(link.since + ENCOUNTER)
        }
        (None, _) => None,
    };
    own.into_iter().chain(link.probe).min()
}
