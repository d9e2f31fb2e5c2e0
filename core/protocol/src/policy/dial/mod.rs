//! Who dials whom on a local network (decision 11, LOC-8, COORD-3, COORD-4).
//!
//! Of two nodes that see each other the one with the lower discovery id dials at once, the other after a
//! second and jitter if no link has come. A newcomer cannot always wait for that: those who were there may
//! not hear of it as soon as it hears of them, because its announcement was lost or its multicast DNS probes
//! for 750 ms first (RFC 6762, 8.1). So a node that announced itself less than [`YOUNG`] ago waits only
//! [`YOUNG_GRACE`]. That is longer than a dial takes and keeps a newcomer's links within half a second, and
//! it seldom makes two links between nodes that start together; where it does, the scheduler ends one.
//!
//! On a network with more nodes than [`Config::link_target`] each node keeps links to its neighbours in the
//! ring of all discovery ids, which alone connects the graph, and to some chosen by a private hash, which
//! keeps its diameter small and cannot be arranged by others.

mod bans;
mod bucket;
mod crowd;
mod event;

use core::time::Duration;
use std::collections::BTreeMap;

use rand_core::CryptoRng;

pub use self::bans::{MAX_BANS, Subject};
pub use self::crowd::{DIALLED_AT_RANDOM, RING_SIDE};
pub use self::event::{Config, Effect, Event, Sighting};
use self::{
    bans::Bans,
    bucket::Bucket,
    crowd::{Crowd, Visible, lot},
};
use super::{
    backoff::{Backoff, Next},
    jitter,
};
use crate::{
    id::{DiscoveryId, TransportId},
    link_kind::Source,
    wire::v1::CloseReason,
};

/// For this long after announcing itself a node waits only [`YOUNG_GRACE`].
pub const YOUNG: Duration = Duration::from_secs(2);
/// What a young node waits for the peer of the lower id, and up to half as much again.
pub const YOUNG_GRACE: Duration = Duration::from_millis(200);
/// What any other node waits for it, and up to half as much again.
pub const GRACE: Duration = Duration::from_secs(1);
/// Dials under way at most.
pub const MAX_DIALS: usize = 8;
/// Of these, to peers sighted at one source: one that leads into nothing leaves room for the others.
pub const MAX_DIALS_OF_SOURCE: usize = 4;
/// A dial that has had no answer for this long is no longer waited for.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(20);
/// Sightings remembered at most.
pub const MAX_SIGHTINGS: usize = 512;
/// Sightings remembered of one source at most: several nodes may run on a machine.
pub const MAX_SIGHTINGS_OF_SOURCE: usize = 32;
/// How long a peer that refused the link is left alone.
pub const REFUSED_REST: Duration = Duration::from_secs(60);
/// A link that lived this long makes earlier failures void.
pub const SETTLED: Duration = Duration::from_secs(30);
/// How long a peer or source that misbehaved is left alone and refused.
pub const BAN: Duration = Duration::from_secs(600);

/// The state machine.
#[derive(Debug)]
pub struct DialPolicy {
    config: Config,
    own: Option<Own>,
    salt: [u8; 16],
    known: BTreeMap<TransportId, Known>,
    links: BTreeMap<TransportId, Links>,
    dialling: BTreeMap<TransportId, Dialling>,
    bans: Bans,
    total: Bucket,
    sources: BTreeMap<Source, Bucket>,
    timer: Option<Duration>,
}

#[derive(Debug)]
struct Own {
    discovery: DiscoveryId,
    transport: TransportId,
    /// The key before: old and new overlap.
    previous: Option<TransportId>,
    announced: Duration,
}

#[derive(Debug)]
struct Known {
    sighting: Sighting,
    seen: Duration,
    /// Not to be dialled before.
    at: Duration,
    /// It refused the link: `at` is not to come nearer.
    resting: bool,
    backoff: Backoff,
    /// Its place among those chosen on a crowded network.
    lot: u64,
}

#[derive(Debug)]
struct Links {
    count: usize,
    source: Source,
    since: Duration,
}

/// A peer to be dialled.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    at: Duration,
    peer: TransportId,
    source: Source,
    /// Whether it is a neighbour in the ring.
    near: bool,
}

#[derive(Debug)]
struct Dialling {
    source: Source,
    since: Duration,
}

impl DialPolicy {
    /// Nothing known; nothing is dialled before the first [`Event::Announced`].
    #[must_use]
    pub fn new(config: Config, rng: &mut impl CryptoRng) -> Self {
        let mut salt = [0; 16];
        rng.fill_bytes(&mut salt);
        Self {
            config,
            own: None,
            salt,
            known: BTreeMap::new(),
            links: BTreeMap::new(),
            dialling: BTreeMap::new(),
            bans: Bans::default(),
            total: Bucket::total(),
            sources: BTreeMap::new(),
            timer: None,
        }
    }

    /// Takes an event at `now` of the boot-time clock.
    pub fn handle(&mut self, event: Event, now: Duration, rng: &mut impl CryptoRng) -> Vec<Effect> {
        match event {
            Event::Announced {
                transport,
                discovery,
            } => self.announced(transport, discovery, now, rng),
            Event::Sighted(sighting) => self.sighted(sighting, now, rng),
            Event::Lost(discovery) => {
                let dialling = &mut self.dialling;
                self.known.retain(|peer, known| {
                    let stays = known.sighting.discovery != discovery;
                    if !stays {
                        // A dial to where it was must not keep it waiting once it is back elsewhere: QUIC
                        // takes seconds to notice a closed port.
                        dialling.remove(peer);
                    }
                    stays
                });
            }
            Event::LinkUp { peer, source } => {
                self.dialling.remove(&peer);
                let fresh = Links {
                    count: 0,
                    source,
                    since: now,
                };
                self.links.entry(peer).or_insert(fresh).count += 1;
            }
            Event::LinkDown { peer, refused } => self.link_down(peer, refused, now, rng),
            Event::DialFailed(peer) => {
                self.dialling.remove(&peer);
                self.failed(peer, now, rng);
            }
            Event::Timer => {}
        }
        self.advance(now, rng)
    }

    /// When to hand in [`Event::Timer`], by the boot-time clock.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Duration> {
        self.timer
    }

    /// A peer or source misbehaved: neither dialled nor admitted until then.
    pub fn ban(&mut self, subject: Subject, until: Duration) {
        self.bans.add(subject, until);
    }

    /// Whether a link that a peer has just opened may stay. To be asked before [`Event::LinkUp`].
    ///
    /// # Errors
    /// The reason to close it with.
    pub fn admit(
        &self,
        peer: &TransportId,
        source: Source,
        now: Duration,
    ) -> Result<(), CloseReason> {
        if self.bans.until(peer, source, now).is_some() {
            return Err(CloseReason::Misbehaviour);
        }
        if self.links.contains_key(peer) {
            return Ok(());
        }
        let of_source = self
            .links
            .values()
            .filter(|links| links.source == source)
            .count();
        let near = || self.crowd().is_some_and(|crowd| crowd.is_neighbour(peer));
        let full = self.links.len() >= self.config.max_links && !near();
        if full || of_source >= self.config.max_links_of_source {
            return Err(CloseReason::Full);
        }
        Ok(())
    }

    /// Peers with a link.
    #[must_use]
    pub fn linked(&self) -> usize {
        self.links.len()
    }

    fn announced(
        &mut self,
        transport: TransportId,
        discovery: DiscoveryId,
        now: Duration,
        rng: &mut impl CryptoRng,
    ) {
        let previous = self.own.take().and_then(|own| {
            if own.transport == transport {
                own.previous
            } else {
                Some(own.transport)
            }
        });
        let own = Own {
            discovery,
            transport,
            previous,
            announced: now,
        };
        self.known.remove(&transport);
        // Whoever did not answer may do so on this network, and dials under way may lead into the one before.
        self.dialling
            .retain(|_, dial| now.saturating_sub(dial.since) < YOUNG);
        for known in self.known.values_mut().filter(|known| !known.resting) {
            known.backoff.succeeded();
            let at = now + own.patience(&known.sighting.discovery, now, rng);
            known.at = known.at.min(at);
        }
        self.own = Some(own);
    }

    fn sighted(&mut self, sighting: Sighting, now: Duration, rng: &mut impl CryptoRng) {
        let Some(own) = &self.own else {
            return;
        };
        let is_own = own.discovery == sighting.discovery
            || own.transport == sighting.transport
            || own.previous == Some(sighting.transport);
        if is_own {
            return;
        }
        if let Some(known) = self.known.get_mut(&sighting.transport) {
            // Whoever was first to tell of a peer pays for it, so that nobody can charge it to another.
            known.sighting = Sighting {
                source: known.sighting.source,
                ..sighting
            };
            known.seen = now;
            return;
        }
        let at = now + own.patience(&sighting.discovery, now, rng);
        self.make_room(sighting.source);
        let known = Known {
            sighting,
            seen: now,
            at,
            resting: false,
            backoff: Backoff::default(),
            lot: lot(&self.salt, &sighting.transport),
        };
        self.known.insert(sighting.transport, known);
    }

    /// Lets the sighting longest unseen go: of the same source when that has its share, else of the source
    /// that has most.
    fn make_room(&mut self, source: Source) {
        let mut shares: BTreeMap<Source, usize> = BTreeMap::new();
        for known in self.known.values() {
            *shares.entry(known.sighting.source).or_default() += 1;
        }
        let from = if shares.get(&source).copied().unwrap_or(0) >= MAX_SIGHTINGS_OF_SOURCE {
            source
        } else if self.known.len() >= MAX_SIGHTINGS {
            let greatest = shares.iter().max_by_key(|(_, count)| **count);
            greatest.map_or(source, |(greatest, _)| *greatest)
        } else {
            return;
        };
        let oldest = self
            .known
            .iter()
            .filter(|(_, known)| known.sighting.source == from)
            .min_by_key(|(peer, known)| (self.links.contains_key(peer), known.seen))
            .map(|(peer, _)| *peer);
        if let Some(oldest) = oldest {
            self.known.remove(&oldest);
        }
    }

    fn link_down(
        &mut self,
        peer: TransportId,
        refused: bool,
        now: Duration,
        rng: &mut impl CryptoRng,
    ) {
        let Some(links) = self.links.get_mut(&peer) else {
            return;
        };
        links.count -= 1;
        if links.count > 0 {
            return;
        }
        let lived = now.saturating_sub(links.since);
        self.links.remove(&peer);
        if let Some(known) = self.known.get_mut(&peer)
            && lived >= SETTLED
        {
            known.backoff.succeeded();
        }
        self.failed(peer, now, rng);
        if let Some(known) = self.known.get_mut(&peer)
            && refused
        {
            known.at = now + REFUSED_REST;
            known.resting = true;
        }
    }

    fn failed(&mut self, peer: TransportId, now: Duration, rng: &mut impl CryptoRng) {
        if self.links.contains_key(&peer) {
            return;
        }
        let Some(known) = self.known.get_mut(&peer) else {
            return;
        };
        match known.backoff.failed(now, rng) {
            Next::RetryAt(at) => {
                known.at = at;
                known.resting = false;
            }
            // Until it is sighted anew.
            Next::Replace => {
                self.known.remove(&peer);
            }
        }
    }

    fn crowd(&self) -> Option<Crowd> {
        let own = self.own.as_ref()?;
        let others = self.known.values().map(|known| Visible {
            discovery: known.sighting.discovery,
            transport: known.sighting.transport,
            lot: known.lot,
        });
        Some(Crowd::new(own.discovery, others))
    }

    /// Dials what is due and notes when to look again.
    fn advance(&mut self, now: Duration, rng: &mut impl CryptoRng) -> Vec<Effect> {
        let late: Vec<TransportId> = self
            .dialling
            .iter()
            .filter(|(_, dial)| now >= dial.since + DIAL_TIMEOUT)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in late {
            self.dialling.remove(&peer);
            self.failed(peer, now, rng);
        }
        self.timer = self
            .dialling
            .values()
            .map(|dial| dial.since + DIAL_TIMEOUT)
            .min();
        self.sources.retain(|_, bucket| !bucket.is_full(now));
        let mut effects = Vec::new();
        for Wanted {
            at,
            peer,
            source,
            near,
        } in self.wanted()
        {
            if !near && self.links.len() + self.dialling.len() >= self.config.link_target {
                // The end of a link is an event, as is that of a dial.
                continue;
            }
            if at > now {
                self.look_again(at);
                continue;
            }
            if let Some(until) = self.bans.until(&peer, source, now) {
                self.look_again(until);
                continue;
            }
            let of_source = self
                .dialling
                .values()
                .filter(|dial| dial.source == source)
                .count();
            if self.dialling.len() >= MAX_DIALS || of_source >= MAX_DIALS_OF_SOURCE {
                continue;
            }
            let bucket = self.sources.entry(source).or_insert_with(Bucket::of_source);
            let ready = bucket.ready_at().max(self.total.ready_at());
            if ready > now {
                self.look_again(ready);
                continue;
            }
            bucket.take(now);
            self.total.take(now);
            self.dialling.insert(peer, Dialling { source, since: now });
            self.look_again(now + DIAL_TIMEOUT);
            effects.push(Effect::Dial(peer));
        }
        effects
    }

    fn look_again(&mut self, at: Duration) {
        self.timer = Some(self.timer.map_or(at, |timer| timer.min(at)));
    }

    /// Peers to be dialled now or later, those due first.
    fn wanted(&self) -> Vec<Wanted> {
        let mut open = self.known.iter().filter(|(peer, known)| {
            known.sighting.endpoints > 0
                && !self.links.contains_key(peer)
                && !self.dialling.contains_key(peer)
        });
        let (Some(first), Some(crowd)) = (open.next(), self.crowd()) else {
            return Vec::new();
        };
        let chosen = crowd.chosen(self.config.link_target);
        let mut wanted: Vec<Wanted> = core::iter::once(first)
            .chain(open)
            .filter(|(peer, _)| chosen.contains(peer))
            .map(|(peer, known)| Wanted {
                at: known.at,
                peer: *peer,
                source: known.sighting.source,
                near: crowd.is_neighbour(peer),
            })
            .collect();
        wanted.sort_unstable();
        wanted
    }
}

impl Own {
    /// How long to wait for the other to dial.
    fn patience(&self, other: &DiscoveryId, now: Duration, rng: &mut impl CryptoRng) -> Duration {
        if self.discovery < *other {
            return Duration::ZERO;
        }
        let young = now.saturating_sub(self.announced) < YOUNG;
        let grace = if young { YOUNG_GRACE } else { GRACE };
        grace + jitter(rng, grace / 2)
    }
}

#[cfg(test)]
mod tests;
