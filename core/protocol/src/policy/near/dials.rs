//! Connecting: who dials first, how often, and when to try again (COORD-3).

use core::time::Duration;
use std::collections::BTreeMap;

use rand_core::CryptoRng;

use super::{
    NearPolicy,
    event::{Address, Effect, Relation},
    neighbour::Neighbour,
    pace::Pace,
    table::Table,
};
use crate::{
    id::DiscoveryId,
    policy::{
        backoff::{Backoff, Next},
        jitter,
    },
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

    pub(super) fn to_strangers(&self) -> usize {
        self.under_way.values().filter(|dial| !dial.contact).count()
    }

    pub(super) fn to_contact(&self) -> bool {
        self.under_way.values().any(|dial| dial.contact)
    }

    pub(super) fn is_under_way(&self, neighbour: &DiscoveryId) -> bool {
        self.under_way.contains_key(neighbour)
    }

    /// Those without an answer for too long.
    pub(super) fn late(&self, now: Duration) -> Vec<(DiscoveryId, Address)> {
        self.under_way
            .iter()
            .filter(|(_, dial)| now >= dial.since + CONNECT_TIMEOUT)
            .map(|(id, dial)| (*id, dial.address))
            .collect()
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
}
