//! Connecting: who dials first, how often, and when to try again (COORD-3).

use core::time::Duration;
use std::collections::BTreeMap;

use rand_core::CryptoRng;

use super::{
    CLOSE_TIMEOUT, DENSE, ENCOUNTER, HANDSHAKE_TIMEOUT, NearPolicy,
    event::{Address, Effect, Relation},
    links::{Kind, Link},
    neighbour::Neighbour,
    pace::Pace,
    table::Table,
    topology,
};
use crate::{
    id::{DiscoveryId, LinkId},
    policy::{
        backoff::{Backoff, Next},
        jitter,
    },
    wire::v1::CloseReason,
};

/// How long the node of the higher discovery id waits for the other, …
pub const PATIENCE: Duration = Duration::from_secs(6);
/// … and up to so much longer.
pub const PATIENCE_JITTER: Duration = Duration::from_secs(3);
/// An attempt without an answer is given up.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);
/// One attempt in so long.
pub const CONNECT_EVERY: Duration = Duration::from_millis(500);
/// How long a neighbour that was let go, or that refused, is left alone, and up to a quarter longer.
pub const REST: Duration = Duration::from_secs(60);
/// The same for contacts and members.
pub const REST_OF_CONTACT: Duration = Duration::from_secs(10);
/// A link that lived so long makes earlier failures void.
pub const SETTLED: Duration = Duration::from_secs(30);
/// Attempts without an answer after which a neighbour that never proved anything is doubted.
pub const DOUBTED_AFTER: u32 = 2;
/// A stranger who never answered is tried again after so long, …
pub const UNANSWERED_FIRST: Duration = Duration::from_secs(2);
/// … four times as long after each further attempt, up to this, and up to a quarter less: a radio listens half of
/// the time while it dials, and at the edge of its reach most attempts come to nothing. Those who were linked before
/// are tried as often as COORD-3 wants ([`Backoff`]).
pub const UNANSWERED_LAST: Duration = Duration::from_secs(128);
/// A neighbour whose signal is weak is dialled when it was heard so recently: a moment later it may be out of reach.
pub const JUST_HEARD: Duration = Duration::from_secs(2);
/// Attempts at strangers under way at once. One contact is dialled besides.
pub const MAX_TO_STRANGERS: usize = 1;
/// Bytes of an id that every platform shows (iOS has room for no more, LOC-2): ids are compared by them.
const SHOWN: usize = 6;

#[derive(Debug)]
pub(super) struct Dials {
    /// This node's id, once it has one.
    own: Option<DiscoveryId>,
    under_way: BTreeMap<DiscoveryId, Dial>,
    pace: Pace,
    /// A stranger is wanted, and those who are left have a weak signal: the next to be heard will do.
    awaits_weak: bool,
}

#[derive(Debug)]
struct Dial {
    address: Address,
    since: Duration,
    contact: bool,
}

impl Dials {
    pub(super) const fn new() -> Self {
        Self {
            own: None,
            under_way: BTreeMap::new(),
            pace: Pace::new(CONNECT_EVERY, 1),
            awaits_weak: false,
        }
    }

    pub(super) const fn set_own(&mut self, own: DiscoveryId) {
        self.own = Some(own);
    }

    /// How long to wait for the other to dial: not at all for one that `waits` itself.
    pub(super) fn patience(
        &self,
        other: &DiscoveryId,
        waits: bool,
        rng: &mut impl CryptoRng,
    ) -> Duration {
        let first = |own: &DiscoveryId| own.as_bytes()[..SHOWN] < other.as_bytes()[..SHOWN];
        if waits || self.own.as_ref().is_some_and(first) {
            return Duration::ZERO;
        }
        PATIENCE + jitter(rng, PATIENCE_JITTER)
    }

    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    fn to_strangers(&self) -> usize {
        self.under_way.values().filter(|dial| !dial.contact).count()
    }

    /// It came to an end. `false` when it was not under way.
    pub(super) fn end(&mut self, neighbour: &DiscoveryId) -> bool {
        self.under_way.remove(neighbour).is_some()
    }

    /// Whether somebody with a weak signal is dialled as soon as it is heard.
    pub(super) const fn awaits_weak(&self) -> bool {
        self.awaits_weak
    }

    /// Whom the link to this address was dialled for.
    pub(super) fn answered(&mut self, address: Address) -> Option<DiscoveryId> {
        let found = self
            .under_way
            .iter()
            .find(|(_, dial)| dial.address == address);
        let id = found.map(|(id, _)| *id)?;
        self.under_way.remove(&id);
        Some(id)
    }

    /// An attempt or its handshake failed.
    pub(super) fn failed(
        &self,
        table: &mut Table,
        id: &DiscoveryId,
        now: Duration,
        rng: &mut impl CryptoRng,
    ) {
        if let Some(known) = table.get_mut(id) {
            known.tries.failed = Some((now, known.dbm()));
        }
        self.again(table, id, now, rng);
        let failures = |known: &Neighbour| known.tries.backoff.failures();
        if table
            .get(id)
            .is_some_and(|known| failures(known) >= DOUBTED_AFTER)
        {
            table.unanswered(id);
        }
    }

    /// A link broke that neither side closed.
    pub(super) fn lost(
        &self,
        table: &mut Table,
        id: &DiscoveryId,
        since: Duration,
        now: Duration,
        rng: &mut impl CryptoRng,
    ) {
        if let Some(known) = table.get_mut(id)
            && now >= since + SETTLED
        {
            known.tries.backoff.succeeded();
        }
        self.again(table, id, now, rng);
    }

    /// A side closed a link that had been proven.
    pub(super) fn rest(
        &self,
        table: &mut Table,
        id: &DiscoveryId,
        relation: Relation,
        now: Duration,
        rng: &mut impl CryptoRng,
    ) {
        let Some(known) = table.get_mut(id) else {
            return;
        };
        known.tries.backoff.succeeded();
        let rest = if relation > Relation::Stranger {
            REST_OF_CONTACT
        } else {
            REST
        };
        known.tries.at = now + rest + jitter(rng, rest / 4) + self.patience(id, known.waits, rng);
    }

    /// Backs off; who dials first is decided anew, since both ends lost the same link.
    fn again(&self, table: &mut Table, id: &DiscoveryId, now: Duration, rng: &mut impl CryptoRng) {
        let Some(known) = table.get_mut(id) else {
            return;
        };
        let never = known.relation == Relation::Stranger && known.tries.met.is_none();
        let at = match known.tries.backoff.failed(now, rng) {
            _ if never => {
                let wait = unanswered(known.tries.backoff.failures());
                now + wait - jitter(rng, wait / 4)
            }
            Next::RetryAt(at) => at,
            Next::Replace => {
                known.tries.backoff = Backoff::default();
                now + REST + jitter(rng, REST / 4)
            }
        };
        known.tries.at = at + self.patience(id, known.waits, rng);
    }
}

/// Until a stranger who did not answer so often is tried again.
fn unanswered(failures: u32) -> Duration {
    let times = 4_u32.saturating_pow(failures.saturating_sub(1));
    UNANSWERED_FIRST.saturating_mul(times).min(UNANSWERED_LAST)
}

impl NearPolicy {
    /// Ends what has lasted too long.
    pub(super) fn time_out(
        &mut self,
        now: Duration,
        rng: &mut impl CryptoRng,
        effects: &mut Vec<Effect>,
    ) {
        let due = |since: Duration, after: Duration| now >= since + after;
        let late: Vec<(DiscoveryId, Address)> = self
            .dials
            .under_way
            .iter()
            .filter(|(_, dial)| due(dial.since, CONNECT_TIMEOUT))
            .map(|(id, dial)| (*id, dial.address))
            .collect();
        for (neighbour, address) in late {
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

    /// Dials contacts, then strangers; returns times to look again.
    pub(super) fn connect(
        &mut self,
        claims: usize,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) -> Vec<Duration> {
        let contact = (claims > 0).then(|| self.next_contact(now)).flatten();
        let free = self.links.len() + self.dials.len() < self.shares.budget;
        self.dials.awaits_weak = false;
        let chosen = if let Some(contact) = contact.filter(|_| free) {
            Some((contact, true))
        } else if self.may_dial(self.kept(claims)) && free {
            let chosen = self.next_stranger(claims, now);
            self.dials.awaits_weak = chosen.is_none() && self.weak_may(claims, now);
            chosen.map(|id| (id, false))
        } else {
            None
        };
        let mut again = self.due_later(now);
        let Some((neighbour, contact)) = chosen else {
            return again;
        };
        let address = self.table.get(&neighbour).map(|known| known.address);
        if let Some(address) = address
            && self.dials.pace.take(now)
        {
            let dial = Dial {
                address,
                since: now,
                contact,
            };
            self.dials.under_way.insert(neighbour, dial);
            if !contact {
                self.encounters.tried(now);
            }
            effects.push(Effect::Connect { neighbour, address });
        }
        again.push(self.dials.pace.ready_at());
        again.extend(
            self.dials
                .under_way
                .values()
                .map(|dial| dial.since + CONNECT_TIMEOUT),
        );
        again
    }

    /// Links that are to stay for now.
    fn open(&self) -> usize {
        let open = |link: &&Link| link.closing.is_none();
        self.links.values().filter(open).count()
    }

    /// Whether the budget has room to dial a stranger.
    fn may_dial(&self, kept: usize) -> bool {
        let taken = self.links.len() + self.dials.to_strangers() + kept;
        taken + self.shares.inbound < self.shares.budget
            && self.dials.to_strangers() < MAX_TO_STRANGERS
    }

    /// When attempts end and others become due.
    fn due_later(&self, now: Duration) -> Vec<Duration> {
        let ends = self
            .dials
            .under_way
            .values()
            .map(|dial| dial.since + CONNECT_TIMEOUT);
        let starts = self
            .table
            .iter()
            .filter(|(_, known)| !known.linked && known.connectable && known.tries.at > now)
            .map(|(_, known)| known.tries.at);
        let paused = Some(self.encounters.next()).filter(|next| *next > now);
        ends.chain(starts.min()).chain(paused).collect()
    }

    fn may(&self, id: &DiscoveryId, known: &Neighbour, now: Duration) -> bool {
        known.connectable
            && !known.linked
            && known.tries.at <= now
            && !self.dials.under_way.contains_key(id)
    }

    fn next_contact(&self, now: Duration) -> Option<DiscoveryId> {
        if self.dials.under_way.values().any(|dial| dial.contact) {
            return None;
        }
        self.table
            .ranked()
            .filter(|(_, known)| topology::claims_link(known, now) && !known.is_silent())
            .find(|(id, known)| self.may(id, known, now))
            .map(|(id, _)| *id)
    }

    fn next_stranger(&self, claims: usize, now: Duration) -> Option<DiscoveryId> {
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
    fn weak_may(&self, claims: usize, now: Duration) -> bool {
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
