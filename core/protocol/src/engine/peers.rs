//! Who is near: sightings and links, the dials they cause, and what people are shown of them.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;

use super::{
    Effect, Engine, Tell,
    link::{Ends, Link},
};
use crate::{
    id::{DiscoveryId, TransportId},
    link_kind::{Medium, Source},
    policy::dial::{self, BAN, Event, Sighting, Subject},
    time::Now,
    wire::v1::CloseReason,
};

/// A sighting, for people; the dial policy keeps its own.
#[derive(Debug, Clone, Copy)]
struct Sighted {
    discovery: DiscoveryId,
    medium: Medium,
    seen: Duration,
}

/// Who was sighted.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    peers: BTreeMap<TransportId, Sighted>,
    dialling: BTreeSet<TransportId>,
}

/// How far it is with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerState {
    /// A link is ready.
    Connected,
    /// A link is coming up.
    Connecting,
    /// Sighted.
    Seen,
    /// Neither.
    Lost,
}

/// A peer, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerView {
    /// Its key.
    pub peer: TransportId,
    /// How far it is.
    pub state: PeerState,
    /// Over what.
    pub medium: Medium,
    /// Round-trip time in milliseconds.
    pub rtt_ms: Option<u32>,
    /// Smoothed signal in dBm, over the radio.
    pub dbm: Option<i8>,
    /// Time since it was last heard.
    pub age: Duration,
    /// 1 is best: linked before sighted, then the quicker.
    pub rank: u32,
}

impl Engine {
    /// All peers, best first.
    #[must_use]
    pub fn peers(&self, now: Now) -> Vec<PeerView> {
        let known: BTreeSet<TransportId> = self
            .sightings
            .peers
            .keys()
            .copied()
            .chain(self.links.values().map(|link| link.ends.peer))
            .collect();
        let mut views: Vec<PeerView> = known
            .into_iter()
            .map(|peer| self.peer(&peer, now))
            .collect();
        views.sort_by_key(|view| (view.state, view.rtt_ms.unwrap_or(u32::MAX), view.peer));
        for (index, view) in views.iter_mut().enumerate() {
            view.rank = u32::try_from(index + 1).unwrap_or(u32::MAX);
        }
        views
    }

    /// One peer; its rank is 0.
    #[must_use]
    pub fn peer(&self, peer: &TransportId, now: Now) -> PeerView {
        let links = || self.links.values().filter(|link| link.ends.peer == *peer);
        let best = links().min_by_key(|link| {
            (
                link.ready.is_none(),
                !link.reconciling(),
                link.rtt_ms.unwrap_or(u32::MAX),
            )
        });
        let sighted = self.sightings.peers.get(peer);
        let state = match best {
            Some(link) if link.ready.is_some() => PeerState::Connected,
            Some(_) => PeerState::Connecting,
            None if self.sightings.dialling.contains(peer) => PeerState::Connecting,
            None if sighted.is_some() => PeerState::Seen,
            None => PeerState::Lost,
        };
        let heard = links()
            .map(|link| link.heard)
            .chain(sighted.map(|sighted| sighted.seen))
            .max();
        PeerView {
            peer: *peer,
            state,
            medium: best
                .map(|link| link.ends.medium)
                .or(sighted.map(|sighted| sighted.medium))
                .unwrap_or(Medium::Lan),
            rtt_ms: best.and_then(|link| link.rtt_ms),
            dbm: self.dbm_of_peer(peer),
            age: now.boot.saturating_sub(heard.unwrap_or(now.boot)),
            rank: 0,
        }
    }

    /// Peers with a ready link.
    #[must_use]
    pub fn linked_peers(&self) -> usize {
        let peers: BTreeSet<TransportId> = self
            .links
            .values()
            .filter(|link| link.ready.is_some())
            .map(|link| link.ends.peer)
            .collect();
        peers.len()
    }

    /// A node announces itself anew when its network may be another one: links may be dead.
    pub(super) fn announced_self(
        &mut self,
        transport: TransportId,
        discovery: DiscoveryId,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        for link in self.links.values_mut() {
            link.session.suspect(now);
        }
        self.dial_event(
            Event::Announced {
                transport,
                discovery,
            },
            now,
            rng,
        );
    }

    pub(super) fn sighted(
        &mut self,
        sighting: Sighting,
        medium: Medium,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        let peer = sighting.transport;
        let news = self.sightings.peers.insert(
            peer,
            Sighted {
                discovery: sighting.discovery,
                medium,
                seen: now.boot,
            },
        );
        while self.sightings.peers.len() > dial::MAX_SIGHTINGS {
            let oldest = self
                .sightings
                .peers
                .iter()
                .min_by_key(|(_, sighted)| sighted.seen)
                .map(|(peer, _)| *peer);
            let Some(oldest) = oldest else { break };
            self.sightings.peers.remove(&oldest);
            self.tell_if_lost(oldest);
        }
        if news.is_none() && !self.has_link(&peer) {
            self.tell(Tell::PeerDiscovered(peer));
        }
        self.dial_event(Event::Sighted(sighting), now, rng);
    }

    pub(super) fn sighting_lost(
        &mut self,
        discovery: DiscoveryId,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        let gone: Vec<TransportId> = self
            .sightings
            .peers
            .iter()
            .filter(|(_, sighted)| sighted.discovery == discovery)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in gone {
            self.sightings.peers.remove(&peer);
            self.sightings.dialling.remove(&peer);
            self.tell_if_lost(peer);
        }
        self.dial_event(Event::Lost(discovery), now, rng);
    }

    pub(super) fn dial_failed(&mut self, peer: TransportId, now: Now, rng: &mut impl CryptoRng) {
        self.counters.count("dial_failed");
        self.sightings.dialling.remove(&peer);
        self.dial_event(Event::DialFailed(peer), now, rng);
    }

    /// Whether a connection that has just come up may stay.
    pub(super) fn may_link(&self, ends: &Ends, now: Now) -> Result<(), CloseReason> {
        self.dial.admit(&ends.peer, ends.source, now.boot)
    }

    pub(super) fn dial_up(&mut self, ends: &Ends, now: Now, rng: &mut impl CryptoRng) {
        self.sightings.dialling.remove(&ends.peer);
        self.dial_event(
            Event::LinkUp {
                peer: ends.peer,
                source: ends.source,
            },
            now,
            rng,
        );
    }

    pub(super) fn dial_down(
        &mut self,
        link: &Link,
        refused: bool,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        self.dial_event(
            Event::LinkDown {
                peer: link.ends.peer,
                refused,
            },
            now,
            rng,
        );
    }

    /// A link's Hello is done: whoever was not sighted is discovered now.
    pub(super) fn peer_ready(&mut self, ends: &Ends) {
        let first = self
            .links
            .values()
            .filter(|link| link.ends.peer == ends.peer && link.ready.is_some())
            .count()
            == 1;
        if first {
            let sighted = self.sightings.peers.contains_key(&ends.peer);
            self.tell(if sighted {
                Tell::PeerUpdated(ends.peer)
            } else {
                Tell::PeerDiscovered(ends.peer)
            });
        }
        self.tell(Tell::LinkUp {
            peer: ends.peer,
            medium: ends.medium,
        });
    }

    pub(super) fn peer_changed(&mut self, peer: TransportId) {
        if self.sightings.peers.contains_key(&peer) {
            self.tell(Tell::PeerUpdated(peer));
        } else {
            self.tell_if_lost(peer);
        }
    }

    pub(super) fn ban(&mut self, subject: Subject, now: Now) {
        self.counters.count("banned");
        self.dial.ban(subject, now.boot + BAN);
    }

    pub(super) fn run_dial(&mut self, now: Now, rng: &mut impl CryptoRng) {
        if self.dial.poll_timeout().is_some_and(|at| at <= now.boot) {
            self.dial_event(Event::Timer, now, rng);
        }
    }

    fn dial_event(&mut self, event: Event, now: Now, rng: &mut impl CryptoRng) {
        for dial::Effect::Dial(peer) in self.dial.handle(event, now.boot, rng) {
            self.sightings.dialling.insert(peer);
            self.counters.count("dialled");
            self.effects.push_back(Effect::Dial { peer });
        }
    }

    fn has_link(&self, peer: &TransportId) -> bool {
        self.links
            .values()
            .any(|link| link.ends.peer == *peer && link.ready.is_some())
    }

    fn tell_if_lost(&mut self, peer: TransportId) {
        if !self.has_link(&peer) && !self.sightings.peers.contains_key(&peer) {
            self.tell(Tell::PeerLost(peer));
        }
    }
}

/// Whom the dials of a sighting are charged to, when nothing better is known.
pub const UNKNOWN_SOURCE: Source = Source(0);
