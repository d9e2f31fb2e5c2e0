//! Neighbours over Bluetooth LE: what the engine knows of links goes to the policy, what it decides comes
//! out as effects (LOC-5, LOC-6).

use core::time::Duration;

use rand_core::CryptoRng;

use super::{Effect, Engine, Tell};
use crate::{
    id::{DiscoveryId, LinkId, TransportId},
    link_kind::Medium,
    policy::near::{self, Event, Relation, Report},
    time::Now,
};

/// What happened to links over the radio, for the policy: told once the engine is at rest.
#[derive(Debug, Clone, Copy)]
pub(super) enum NearDue {
    /// The Hello is done, or membership became known.
    Proven(LinkId),
    /// Both sides have what the other had.
    Reconciled { link: LinkId, news: bool },
    /// It is gone; whether the other end refused it.
    Down(LinkId, bool),
}

/// A neighbour, for people. Its key is known once it was linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// What it advertises.
    pub discovery: DiscoveryId,
    /// The key it proved on the link that is up.
    pub peer: Option<TransportId>,
    /// Smoothed signal in dBm.
    pub dbm: Option<i8>,
    /// 1 is best.
    pub rank: u32,
    /// Time since it was heard.
    pub age: Duration,
}

impl Engine {
    /// Neighbours in radio range, best first.
    #[must_use]
    pub fn neighbours(&self, now: Now) -> Vec<Neighbour> {
        let reports = self.near.reports(now.boot);
        reports.map(|report| self.neighbour(&report)).collect()
    }

    fn neighbour(&self, report: &Report) -> Neighbour {
        let peer = self
            .near
            .link_to(&report.neighbour)
            .and_then(|link| self.links.get(&link))
            .map(|link| link.ends.peer);
        Neighbour {
            discovery: report.neighbour,
            peer,
            dbm: report.dbm,
            rank: u32::try_from(report.rank + 1).unwrap_or(u32::MAX),
            age: report.age,
        }
    }

    pub(super) fn dbm_of_peer(&self, peer: &TransportId) -> Option<i8> {
        let mut links = self.links.iter();
        links.find_map(|(id, link)| {
            (link.ends.peer == *peer)
                .then(|| self.near.dbm_of(*id))
                .flatten()
        })
    }

    /// A link over the radio is ready, or more became known of its other end.
    fn near_proven(&mut self, id: LinkId, now: Now, rng: &mut impl CryptoRng) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        if link.ends.medium != Medium::Ble {
            return;
        }
        let relation = if link.member_of.is_empty() {
            Relation::Stranger
        } else {
            Relation::Member
        };
        let (peer, neighbour) = (link.ends.peer, link.neighbour);
        self.near_event(
            Event::Proven {
                link: id,
                peer,
                neighbour,
                relation,
            },
            now,
            rng,
        );
    }

    /// Tells the policy what became of links; what it does about it may be news too.
    pub(super) fn tell_near(&mut self, now: Now, rng: &mut impl CryptoRng) {
        while let Some(due) = self.near_due.pop_front() {
            match due {
                NearDue::Proven(link) => self.near_proven(link, now, rng),
                NearDue::Reconciled { link, news } => {
                    self.near_event(Event::Reconciled { link, news }, now, rng);
                }
                NearDue::Down(link, refused) => {
                    self.near_event(Event::LinkDown { link, refused }, now, rng);
                }
            }
        }
    }

    pub(super) fn run_near(&mut self, now: Now, rng: &mut impl CryptoRng) {
        if self.near.poll_timeout().is_some_and(|at| at <= now.boot) {
            self.near_event(Event::Timer, now, rng);
        }
    }

    /// Whether anything follows from it.
    pub(super) fn near_event(&mut self, event: Event, now: Now, rng: &mut impl CryptoRng) -> bool {
        if let Event::Announced { discovery, .. } = event {
            self.radio_discovery = Some(discovery);
        }
        let effects = self.near.handle(event, now.boot, rng);
        let follows = !effects.is_empty();
        for effect in effects {
            match effect {
                near::Effect::Close { link, why } => self.close(link, why, now, rng),
                near::Effect::Discovered(report) => {
                    self.tell(Tell::NeighbourDiscovered(self.neighbour(&report)));
                }
                near::Effect::Updated(report) => {
                    self.tell(Tell::NeighbourUpdated(self.neighbour(&report)));
                }
                near::Effect::Lost(report) => self.tell(Tell::NeighbourLost(report.neighbour)),
                effect => self.effects.push_back(Effect::Near(effect)),
            }
        }
        follows
    }
}
