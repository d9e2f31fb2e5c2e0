//! Neighbours over Bluetooth LE: whom to rank, meet and keep, when to scan (LOC-2, LOC-5, LOC-6, COORD-3).
//!
//! [`NearPolicy`] is to [`Medium::Ble`](crate::link_kind::Medium::Ble) what [`super::dial`] is to the local
//! network. An advertisement is a hint (LOC-8): it can have a place in a bounded table and a dial within
//! strict rates, and nothing else until a link proves a key. `docs/radio.md` has the figures.
//!
//! Of two neighbours the one of the lower discovery id dials at once, the other waits [`PATIENCE`], unless the
//! first says that it cannot dial. Where both
//! dialled all the same, the older link is probed before the newer is refused: a phone that rotated its
//! address or dropped out of range may hold a link that the other end lost long ago.

mod admission;
mod choice;
mod clock;
mod dials;
mod duplicates;
pub mod duty;
mod encounters;
mod event;
mod links;
mod neighbour;
mod pace;
mod phases;
mod rank;
mod room;
pub mod rssi;
mod table;
mod topology;
mod view;

use core::time::Duration;
use std::collections::BTreeMap;

use rand_core::CryptoRng;

pub use self::admission::{
    CONTACT_EVERY, MAX_ADDRESSES, STRANGER_EVERY, STRANGERS_AT_ONCE, STRANGERS_EVERY,
};
pub use self::dials::{
    CONNECT_EVERY, CONNECT_TIMEOUT, DOUBTED_AFTER, JUST_HEARD, MAX_TO_STRANGERS, PATIENCE,
    PATIENCE_JITTER, REST, REST_OF_CONTACT, SETTLED, UNANSWERED_FIRST, UNANSWERED_LAST,
};
pub use self::encounters::{FAR_EVERY, FIRST_PAUSE, LONGEST_PAUSE, PAUSE_EACH};
pub use self::event::{Address, Config, Effect, Event, Relation, Report, Sighting};
pub use self::neighbour::{
    ADDRESS_HOLDS, ESTABLISHED_AFTER, NEARER, REPORT_EVERY, REPORT_STEP, Standing,
};
pub use self::phases::{DENSE, MOST_STARTS, STARTS_WITHIN, STRANGERS_WAKE_EVERY};
pub use self::rank::{DWELL, MARGIN, YOUNG};
pub use self::table::{
    MAX_ESTABLISHED, MAX_NEIGHBOURS, MAX_NEWCOMERS, REPLACE_EVERY, REPORTED_AT_ONCE, STALE,
};
pub use self::topology::{CLAIM, WEAK};
use self::{
    admission::Admission,
    clock::Clock,
    dials::Dials,
    encounters::Encounters,
    links::{Kind, Link},
    neighbour::{Lots, Neighbour},
    phases::Duty,
    table::{Heard, Table},
    topology::Shares,
};
use crate::{
    id::{DiscoveryId, LinkId, TransportId},
    link_kind::Role,
    wire::v1::CloseReason,
};

/// Links of a phone (decision 11).
pub const DEFAULT_LINKS: usize = 4;
/// One out and one in.
pub const LEAST_LINKS: usize = 2;
/// What phones' controllers hold, watch and earbuds included.
pub const MOST_LINKS: usize = 7;
/// A link without a handshake for so long is freed.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(8);
/// A stranger's link that has not reconciled by then is dropped.
pub const ENCOUNTER: Duration = Duration::from_secs(20);
/// How long a probed link has to show life.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// A link that was told to close is forgotten after so long, whatever the radio says.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The state machine.
#[derive(Debug)]
pub struct NearPolicy {
    shares: Shares,
    clock: Clock,
    own: Option<(TransportId, DiscoveryId)>,
    table: Table,
    dials: Dials,
    encounters: Encounters,
    links: BTreeMap<LinkId, Link>,
    admission: Admission,
    duty: Duty,
    /// By [`Clock`]'s own time.
    timer: Option<Duration>,
}

impl NearPolicy {
    /// Nothing known; nothing is done before the first [`Event::Announced`].
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            shares: Shares::of(config.budget.clamp(LEAST_LINKS, MOST_LINKS)),
            clock: Clock::default(),
            own: None,
            table: Table::new(),
            dials: Dials::new(),
            encounters: Encounters::default(),
            links: BTreeMap::new(),
            admission: Admission::new(),
            duty: Duty::new(config.profile),
            timer: None,
        }
    }

    /// Takes an event at `now` of the boot-time clock.
    pub fn handle(&mut self, event: Event, now: Duration, rng: &mut impl CryptoRng) -> Vec<Effect> {
        let now = self.clock.now(now);
        let mut effects = Vec::new();
        if let Event::Sighted(sighting) = event {
            let calm = !self.sighted(&sighting, now, rng, &mut effects);
            // In a crowd nearly all there is to do is to hear the same neighbours again.
            if calm && self.timer.is_some_and(|timer| now < timer) {
                return effects;
            }
        }
        match event {
            Event::Announced {
                transport,
                discovery,
            } => self.announced(transport, discovery, now),
            Event::Profile(profile) => self.duty.set_profile(profile, now),
            Event::Wake => self.duty.wake(now),
            Event::ConnectFailed(neighbour) => {
                if self.dials.end(&neighbour) {
                    self.dials.failed(&mut self.table, &neighbour, now, rng);
                }
            }
            Event::LinkUp {
                link,
                address,
                role,
            } => self.link_up(link, address, role, now, &mut effects),
            Event::Proven {
                link,
                peer,
                neighbour,
                relation,
            } => {
                if let Some(neighbour) = neighbour {
                    self.named(link, neighbour, now, rng);
                }
                self.proven(link, peer, relation, now, &mut effects);
            }
            Event::Reconciled { link, news } => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.reconciled = true;
                    let among = self.table.len();
                    self.encounters.reconciled(news, among, now, rng);
                }
            }
            Event::Alive(link) => self.alive(link, now, &mut effects),
            Event::LinkDown { link, refused } => self.link_down(link, refused, now, rng),
            Event::Sighted(_) | Event::Timer => {}
        }
        if self.own.is_some() {
            self.advance(now, rng, &mut effects);
        }
        effects
    }

    /// When to hand in [`Event::Timer`], by the boot-time clock.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timer.map(|timer| self.clock.outer(timer))
    }

    /// Everyone in sight, the best first.
    pub fn ranked(&self) -> impl Iterator<Item = (&DiscoveryId, Standing, Option<i8>)> {
        let ranked = self.table.ranked();
        ranked.map(|(id, known)| (id, known.standing, known.dbm()))
    }

    /// Neighbours remembered, at most [`MAX_NEIGHBOURS`].
    #[must_use]
    pub fn known(&self) -> usize {
        self.table.len()
    }

    /// Links counted against the budget, those that are closing included.
    #[must_use]
    pub fn links(&self) -> usize {
        self.links.len()
    }

    fn announced(&mut self, transport: TransportId, discovery: DiscoveryId, now: Duration) {
        self.own = Some((transport, discovery));
        self.dials.set_own(discovery);
        let lost_after = self.duty.profile().lost_after();
        self.encounters.turned(lost_after, now);
        self.duty.start(now);
        for (id, known) in self.table.iter_mut() {
            known.lots.pair = topology::pair_lot(&discovery, id);
        }
    }

    /// Whether that changes what is to be done.
    fn sighted(
        &mut self,
        sighting: &Sighting,
        now: Duration,
        rng: &mut impl CryptoRng,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let id = sighting.neighbour;
        let Some((_, own)) = self.own.filter(|(_, own)| *own != id) else {
            return false;
        };
        let state = |known: &Neighbour| {
            let silent = known.is_silent();
            (known.connectable, known.standing, known.relation, silent)
        };
        let before = self.table.get(&id).map(state);
        let at = now + self.dials.patience(&id, sighting.waits, rng);
        let lots = || Lots {
            own: rng.next_u64(),
            pair: topology::pair_lot(&own, &id),
        };
        if self.table.hear(sighting, at, lots, now) == Heard::Ignored {
            return false;
        }
        // Only contacts and members have claims that grow old.
        let mut changed = true;
        if let Some(neighbour) = self.table.get_mut(&id) {
            changed = before != Some(state(neighbour)) || neighbour.relation > Relation::Stranger;
            neighbour.linked = self.links.values().any(|link| link.neighbour == Some(id));
            if before.is_some_and(|(connectable, ..)| !connectable) && neighbour.connectable {
                // It has room again, and both would dial at once.
                neighbour.tries.at = neighbour.tries.at.max(at);
            }
            changed |= self.dials.awaits_weak() && topology::is_weak(neighbour);
            if neighbour.came_nearer() {
                neighbour.tries.at = neighbour.tries.at.min(at);
                changed = true;
            }
        }
        if let Some((first, report)) = self.table.news(&id, now) {
            changed |= first;
            if first && sighting.relation > Relation::Stranger {
                self.duty.wake(now);
            } else if first {
                self.duty.wake_by_stranger(now);
            }
            effects.push(if first {
                Effect::Discovered(report)
            } else {
                Effect::Updated(report)
            });
        }
        changed
    }

    fn link_up(
        &mut self,
        link: LinkId,
        address: Address,
        role: Role,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        if self.links.contains_key(&link) {
            return;
        }
        let dialled = match role {
            Role::Dialer => self.dials.answered(address),
            Role::Listener => None,
        };
        let full = self.links.len() >= self.shares.budget;
        let claimed = role == Role::Listener && self.claims_from(address, now);
        let taken = match role {
            Role::Dialer => !full,
            Role::Listener => !full && self.admits(address, claimed, now),
        };
        if !taken {
            let why = CloseReason::Full;
            effects.push(Effect::Close { link, why });
            return;
        }
        if let Some(known) = dialled.and_then(|id| self.table.get_mut(&id)) {
            known.linked = true;
            known.seen = now;
        }
        let mut new = Link::new(role, dialled, now);
        new.claimed = claimed;
        self.links.insert(link, new);
    }

    /// The peer told its discovery id.
    fn named(
        &mut self,
        link: LinkId,
        neighbour: DiscoveryId,
        now: Duration,
        rng: &mut impl CryptoRng,
    ) {
        let Some(link) = self.links.get_mut(&link) else {
            return;
        };
        let before = link.neighbour.replace(neighbour);
        let proven = link.peer.is_some();
        if let Some(before) = before.filter(|before| *before != neighbour) {
            if proven {
                // It rotated.
                self.table.forget(&before, now);
            } else {
                // Whoever is there, it is not the one that was advertised.
                self.unlink(&before, now);
                self.dials.failed(&mut self.table, &before, now, rng);
            }
        }
        if let Some(known) = self.table.get_mut(&neighbour) {
            known.linked = true;
        }
    }

    fn proven(
        &mut self,
        id: LinkId,
        peer: TransportId,
        relation: Relation,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.relation = link.relation.max(relation);
        let (relation, neighbour) = (link.relation, link.neighbour);
        if let Some(neighbour) = neighbour {
            self.table.proven(neighbour, relation, now);
        }
        if link.closing.is_some() || link.peer.is_some() {
            return;
        }
        link.peer = Some(peer);
        link.kind = Kind::Encounter;
        if let Some(known) = neighbour.and_then(|id| self.table.get_mut(&id)) {
            known.tries.met = Some(now);
            known.tries.failed = None;
        }
        if relation > Relation::Stranger {
            self.duty.wake(now);
        } else {
            self.duty.wake_by_stranger(now);
        }
        self.compare(id, peer, now, effects);
    }

    fn link_down(&mut self, id: LinkId, refused: bool, now: Duration, rng: &mut impl CryptoRng) {
        if self.links.contains_key(&id) {
            self.settle(id);
        }
        let Some(link) = self.links.remove(&id) else {
            return;
        };
        if let Kind::Rival(older) = link.kind
            && let Some(older) = self.links.get_mut(&older)
        {
            older.probe = None;
        }
        let Some(neighbour) = link.neighbour else {
            return;
        };
        let still = |other: &Link| other.neighbour == Some(neighbour);
        if self.links.values().any(still) {
            return;
        }
        self.unlink(&neighbour, now);
        let table = &mut self.table;
        let closed = link.closing.is_some();
        match link.peer {
            None if closed => {}
            None => self.dials.failed(table, &neighbour, now, rng),
            Some(_) if closed || refused => {
                self.dials.rest(table, &neighbour, link.relation, now, rng);
            }
            Some(_) => self.dials.lost(table, &neighbour, link.since, now, rng),
        }
    }

    /// It was linked until now.
    fn unlink(&mut self, neighbour: &DiscoveryId, now: Duration) {
        if let Some(known) = self.table.get_mut(neighbour) {
            known.linked = false;
            known.seen = now;
        }
    }

    fn close(&mut self, id: LinkId, why: CloseReason, now: Duration, effects: &mut Vec<Effect>) {
        if let Some(link) = self.links.get_mut(&id)
            && link.closing.is_none()
        {
            link.closing = Some(now);
            effects.push(Effect::Close { link: id, why });
        }
    }

    /// Does what is due and notes when to look again.
    fn advance(&mut self, now: Duration, rng: &mut impl CryptoRng, effects: &mut Vec<Effect>) {
        self.time_out(now, rng, effects);
        let lost_after = self.duty.profile().lost_after();
        self.table.expire(lost_after, now);
        let claims = topology::claims(self.shares, &self.table, &self.links, now);
        topology::classify(self.shares, claims, &mut self.links);
        let kept = self.kept(claims);
        self.yield_to(kept, now, effects);
        self.let_go(kept, now, effects);
        let mut again = self.connect(claims, now, effects);
        for report in self.table.gone() {
            self.duty.wake_by_stranger(now);
            effects.push(Effect::Lost(report));
        }
        let connectable = self.links.len() + self.dials.len() < self.shares.budget;
        let established = self.table.established();
        let duty = self.duty.advance(established, connectable, now, effects);
        again.extend(duty);
        again.extend(self.table.next_expiry(lost_after));
        again.extend(self.links.values().filter_map(room::deadline));
        self.timer = again.into_iter().min();
    }
}

#[cfg(test)]
mod tests;
