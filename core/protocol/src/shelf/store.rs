//! The shelf itself.

use core::{cmp::Reverse, time::Duration};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    bundle::{Arrival, Decision, DeclineReason, Kind, Meta},
    index::ShortIndex,
    limits::{Limits, MAX_BUNDLE, MAX_LIFETIME},
    rate::Rates,
    record::Recorded,
    room::Room,
    seen::Seen,
};
use crate::{
    id::{ContentId, MessageId},
    link_kind::Source,
    reconcile::{SessionKey, SessionSet},
    wire::local::ShelfRecord,
};

/// What the node has to change in its store, in one transaction with what caused it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Delete the bundle and its Shelf record, write a Seen record ([`Shelf::to_record`]).
    pub dropped: Vec<ContentId>,
    /// Write a Seen record: declined, never held.
    pub seen: Vec<ContentId>,
    /// Delete the Seen record.
    pub forgotten: Vec<ContentId>,
}

/// What is on the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Bundles held.
    pub bundles: u64,
    /// Those carried for others, unread.
    pub carried_bundles: u64,
    /// Bytes of all bundles.
    pub bytes: u64,
    /// Bytes by kind: own, members', contacts', strangers'.
    pub bytes_by_kind: [u64; 4],
    /// Ids remembered of bundles that are not held.
    pub seen: u64,
}

/// The index of the bundles that a node carries. The bytes are in its store.
///
/// Invariants, whatever is asked of it: charged costs stay within [`Limits::total_bytes`], those
/// of strangers within their share, and an own bundle goes only by age or for another own one.
#[derive(Debug)]
pub struct Shelf {
    limits: Limits,
    held: BTreeMap<ContentId, Meta>,
    deadlines: BTreeSet<(Duration, ContentId)>,
    room: Room,
    rates: Rates,
    seen: Seen,
    stats: Stats,
}

impl Shelf {
    /// An empty shelf.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            held: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            room: Room::default(),
            rates: Rates::new(&limits),
            seen: Seen::new(limits.max_seen),
            stats: Stats::default(),
        }
    }

    /// The limits in force.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Puts back what a record tells, at start. Call [`Self::trim`] and [`Self::expire`] when all
    /// are back: limits may have changed, and time has passed.
    pub fn restore(&mut self, content: ContentId, recorded: Recorded, life: Duration) -> Changes {
        let mut changes = Changes::default();
        match recorded {
            Recorded::Held(mut meta) => {
                // A life clock that was lost must not make a bundle stay for longer.
                meta.received = meta.received.min(life);
                self.put(content, meta);
            }
            Recorded::Seen { since } => {
                let since = since.min(life);
                if !self.held.contains_key(&content) {
                    self.seen.insert(content, since, &mut changes.forgotten);
                }
            }
        }
        changes
    }

    /// Whether to keep an arrival. Changes nothing.
    #[must_use]
    pub fn consider(&self, arrival: &Arrival, life: Duration) -> Decision {
        match self.decide(arrival, life) {
            Ok(evict) => Decision::Keep { evict },
            Err(reason) => Decision::Decline(reason),
        }
    }

    /// Keeps an arrival, evicts what has to give way, and charges its source.
    ///
    /// # Errors
    /// The reason why it is not kept, as of now; nothing has changed then.
    pub fn commit_keep(
        &mut self,
        arrival: &Arrival,
        message: Option<MessageId>,
        life: Duration,
    ) -> Result<Changes, DeclineReason> {
        let evict = self.decide(arrival, life)?;
        let mut changes = Changes::default();
        for content in evict {
            self.drop_held(content, life, &mut changes);
        }
        self.rates
            .charge(arrival.kind, arrival.source, arrival.size, life);
        self.put(arrival.content, meta_of(arrival, message, life));
        Ok(changes)
    }

    /// Remembers what was declined for want of room: it need not come again. What was said of an
    /// age may be a lie, and a rate recovers; such bundles may come from elsewhere. What their
    /// transfer cost is charged as far as the source has anything left, so that nobody who is
    /// refused uses up what others have. Duplicates are not: two honest peers may send the same.
    pub fn commit_decline(
        &mut self,
        arrival: &Arrival,
        reason: DeclineReason,
        life: Duration,
    ) -> Changes {
        let Arrival {
            content,
            size,
            kind,
            source,
            ..
        } = *arrival;
        let duplicate = matches!(reason, DeclineReason::Duplicate | DeclineReason::Seen);
        if !duplicate && self.rates.check(kind, source, size, life).is_ok() {
            self.rates.charge(kind, source, size, life);
        }
        if reason == DeclineReason::NoRoom {
            self.refuse(content, life)
        } else {
            Changes::default()
        }
    }

    /// Drops a bundle, or one that never came, for good: its author is blocked (MSG-10), or its
    /// channel forgotten. It will not come again.
    pub fn refuse(&mut self, content: ContentId, life: Duration) -> Changes {
        let mut changes = Changes::default();
        if self.held.contains_key(&content) {
            self.drop_held(content, life, &mut changes);
        } else {
            self.seen.insert(content, life, &mut changes.forgotten);
            changes.seen.push(content);
        }
        changes
    }

    /// Takes a bundle off without a trace, as when it could not be stored.
    pub fn remove(&mut self, content: &ContentId) -> Option<Meta> {
        self.take(content)
    }

    /// Makes a carried bundle one's own affair: its channel has been joined since. Returns
    /// whether it is held.
    pub fn reclassify(
        &mut self,
        content: &ContentId,
        kind: Kind,
        message: Option<MessageId>,
    ) -> bool {
        let Some(mut meta) = self.take(content) else {
            return false;
        };
        meta.kind = kind;
        meta.message = message;
        self.put(*content, meta);
        true
    }

    /// Drops what has passed its lifetime, or seven days here; forgets what was seen eight days
    /// ago.
    pub fn expire(&mut self, life: Duration) -> Changes {
        let mut changes = Changes::default();
        while let Some((deadline, content)) = self.deadlines.first().copied() {
            if deadline >= life {
                break;
            }
            self.drop_held(content, life, &mut changes);
        }
        self.seen.expire(life, &mut changes.forgotten);
        changes
    }

    /// Meets limits that have become smaller. Own bundles stay.
    pub fn trim(&mut self, life: Duration) -> Changes {
        let mut changes = Changes::default();
        while let Some(content) = self.room.excess(&self.limits) {
            self.drop_held(content, life, &mut changes);
        }
        changes
    }

    /// The first reading of the life clock at which [`Self::expire`] has something to do.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Duration> {
        let bundle = self.deadlines.first().map(|(deadline, _)| *deadline);
        let deadline = bundle.into_iter().chain(self.seen.deadline()).min()?;
        Some(deadline.saturating_add(Duration::from_millis(1)))
    }

    /// Everything that need not come: what is held, then what was seen. At most
    /// [`crate::reconcile::MAX_SET`] ids with default limits.
    pub fn ids(&self) -> impl Iterator<Item = ContentId> + '_ {
        self.held.keys().copied().chain(self.seen.ids())
    }

    /// Whether the bundle is here.
    #[must_use]
    pub fn held(&self, content: &ContentId) -> bool {
        self.held.contains_key(content)
    }

    /// Whether it is not here and need not come again.
    #[must_use]
    pub fn seen(&self, content: &ContentId) -> bool {
        self.seen.contains(content)
    }

    /// What is known of a bundle that is here.
    #[must_use]
    pub fn get(&self, content: &ContentId) -> Option<&Meta> {
        self.held.get(content)
    }

    /// Everything that is here, by content id.
    pub fn iter(&self) -> impl Iterator<Item = (&ContentId, &Meta)> {
        self.held.iter()
    }

    /// The age of a bundle that is here.
    #[must_use]
    pub fn age_now(&self, content: &ContentId, life: Duration) -> Option<Duration> {
        self.held.get(content).map(|meta| meta.age_now(life))
    }

    /// Bytes that this source may bring now, by the rates; nothing should be asked of it below
    /// 256. `u64::MAX` for own and members' bundles.
    #[must_use]
    pub fn allowance(&self, kind: Kind, source: Source, life: Duration) -> u64 {
        self.rates.allowance(kind, source, life)
    }

    /// In the order in which bundles are sent (docs/protocol.md §8.2): newest first, among equals
    /// the smallest. What is not held, or has expired, is left out.
    #[must_use]
    pub fn order_offers(&self, offers: Vec<ContentId>, life: Duration) -> Vec<ContentId> {
        let mut ordered: Vec<_> = offers
            .into_iter()
            .filter_map(|content| {
                let meta = self.held.get(&content)?;
                (meta.deadline() >= life).then(|| (born(meta), meta.size, content))
            })
            .collect();
        ordered.sort_unstable_by_key(|(born, size, content)| (Reverse(*born), *size, *content));
        ordered.into_iter().map(|(_, _, content)| content).collect()
    }

    /// The snapshot that a session reconciles.
    #[must_use]
    pub fn session_set(&self, key: SessionKey) -> Arc<SessionSet> {
        SessionSet::new(key, self.ids())
    }

    /// The index of a session's short ids. With [`Self::session_set`] and [`ShortIndex::new`] it
    /// shares the reconciliation's snapshot.
    #[must_use]
    pub fn short_index(&self, key: SessionKey) -> ShortIndex {
        ShortIndex::new(self.session_set(key))
    }

    /// What is on the shelf.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            seen: self.seen.len() as u64,
            ..self.stats
        }
    }

    /// What to store of an id, if it is held or was seen.
    #[must_use]
    pub fn to_record(&self, content: &ContentId) -> Option<ShelfRecord> {
        let recorded = match self.held.get(content) {
            Some(meta) => Recorded::Held(*meta),
            None => Recorded::Seen {
                since: self.seen.since(content)?,
            },
        };
        Some(recorded.to_record())
    }

    fn decide(&self, arrival: &Arrival, life: Duration) -> Result<Vec<ContentId>, DeclineReason> {
        if self.held.contains_key(&arrival.content) {
            return Err(DeclineReason::Duplicate);
        }
        if self.seen.contains(&arrival.content) {
            return Err(DeclineReason::Seen);
        }
        if !(1..=MAX_BUNDLE).contains(&arrival.size) {
            return Err(DeclineReason::TooLarge);
        }
        if arrival.lifetime > MAX_LIFETIME {
            return Err(DeclineReason::TooLong);
        }
        if arrival.age > arrival.lifetime {
            return Err(DeclineReason::Expired);
        }
        self.rates
            .check(arrival.kind, arrival.source, arrival.size, life)?;
        let deadline = meta_of(arrival, None, life).deadline();
        self.room
            .plan(&self.limits, arrival, deadline)
            .ok_or(DeclineReason::NoRoom)
    }

    fn put(&mut self, content: ContentId, meta: Meta) {
        self.take(&content);
        self.seen.remove(&content);
        self.room.insert(&self.limits, content, &meta);
        self.deadlines.insert((meta.deadline(), content));
        let size = u64::from(meta.size);
        self.stats.bundles += 1;
        self.stats.carried_bundles += u64::from(meta.kind.is_carried());
        self.stats.bytes += size;
        self.stats.bytes_by_kind[meta.kind as usize] += size;
        self.held.insert(content, meta);
    }

    fn take(&mut self, content: &ContentId) -> Option<Meta> {
        let meta = self.held.remove(content)?;
        self.room.remove(*content, &meta);
        self.deadlines.remove(&(meta.deadline(), *content));
        let size = u64::from(meta.size);
        self.stats.bundles -= 1;
        self.stats.carried_bundles -= u64::from(meta.kind.is_carried());
        self.stats.bytes -= size;
        self.stats.bytes_by_kind[meta.kind as usize] -= size;
        Some(meta)
    }

    fn drop_held(&mut self, content: ContentId, life: Duration, changes: &mut Changes) {
        if self.take(&content).is_some() {
            changes.dropped.push(content);
            self.seen.insert(content, life, &mut changes.forgotten);
        }
    }
}

fn meta_of(arrival: &Arrival, message: Option<MessageId>, life: Duration) -> Meta {
    Meta {
        size: arrival.size,
        age: arrival.age,
        lifetime: arrival.lifetime,
        received: life,
        source: arrival.source,
        kind: arrival.kind,
        message,
    }
}

/// When it was written, on the life clock: before its start if it is older than the node.
fn born(meta: &Meta) -> i128 {
    let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    nanos(meta.received).saturating_sub(nanos(meta.age))
}

#[cfg(test)]
mod tests;
