//! All neighbours, bounded (LOC-8): an advertisement costs nothing, so what a flood of them can take is
//! limited to room that nobody else needs.
//!
//! Newcomers share [`MAX_NEWCOMERS`] places. When these are full, one is replaced [`REPLACE_EVERY`], the
//! longest unheard first: each stays about 16 s, long enough for a real one to be heard again, and a
//! flood and a real newcomer wait in the same line. Who was heard again is established; established
//! strangers have [`MAX_ESTABLISHED`] places, which nobody new can take from those still heard.

use core::time::Duration;
use std::collections::BTreeMap;

use super::{
    event::{Relation, Report, Sighting},
    neighbour::{ESTABLISHED_AFTER, Lots, Neighbour, Standing},
    pace::Pace,
    rank::Rank,
};
use crate::id::DiscoveryId;

/// Neighbours remembered at most.
pub const MAX_NEIGHBOURS: usize = 256;
/// Of these, newcomers and doubtful ones.
pub const MAX_NEWCOMERS: usize = 64;
/// Of these, strangers that are established or proven.
pub const MAX_ESTABLISHED: usize = 128;
/// When newcomers' places are full, one is replaced so often.
pub const REPLACE_EVERY: Duration = Duration::from_millis(250);
/// While fewer newcomers than this are present they are reported at once, else once established.
pub const REPORTED_AT_ONCE: usize = 16;
/// An established stranger unheard for so long may make room for another.
pub const STALE: Duration = Duration::from_secs(45);

/// What came of a sighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is not believed, or there is no room.
    Ignored,
    /// It is known.
    Known,
}

#[derive(Debug)]
pub(super) struct Table {
    known: BTreeMap<DiscoveryId, Neighbour>,
    rank: Rank,
    replace: Pace,
    /// Reported and gone since.
    gone: Vec<Report>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            known: BTreeMap::new(),
            rank: Rank::default(),
            replace: Pace::new(REPLACE_EVERY, 1),
            gone: Vec::new(),
        }
    }

    pub(super) fn get(&self, id: &DiscoveryId) -> Option<&Neighbour> {
        self.known.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &DiscoveryId) -> Option<&mut Neighbour> {
        self.known.get_mut(id)
    }

    /// All of them, in no order that matters: cheaper than [`Self::ranked`].
    pub(super) fn iter(&self) -> impl Iterator<Item = (&DiscoveryId, &Neighbour)> {
        self.known.iter()
    }

    /// All of them, for what depends on this node's own id.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&DiscoveryId, &mut Neighbour)> {
        self.known.iter_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The best first.
    pub(super) fn ranked(&self) -> impl DoubleEndedIterator<Item = (&DiscoveryId, &Neighbour)> {
        let order = self.rank.order().iter();
        order.filter_map(|id| self.known.get_key_value(id))
    }

    /// Those heard over some time.
    pub(super) fn established(&self) -> usize {
        let established = |known: &&Neighbour| known.standing >= Standing::Established;
        self.known.values().filter(established).count()
    }

    /// Takes an advertisement; one heard for the first time may be dialled from `at` on.
    pub(super) fn hear(
        &mut self,
        sighting: &Sighting,
        at: Duration,
        lots: impl FnOnce() -> Lots,
        now: Duration,
    ) -> Heard {
        let id = sighting.neighbour;
        if let Some(known) = self.known.get_mut(&id) {
            if !known.hear(sighting, now) {
                return Heard::Ignored;
            }
            let lasted = now >= known.first + ESTABLISHED_AFTER;
            if lasted && known.standing == Standing::Newcomer {
                self.promote(id, Standing::Established, now);
            }
        } else {
            if !self.make_room(sighting.relation, now) {
                return Heard::Ignored;
            }
            let neighbour = Neighbour::new(sighting, at, lots(), now);
            self.known.insert(id, neighbour);
            self.rank.add(id);
            self.rank.regroup(&self.known);
        }
        self.rank.heard(&id, &mut self.known, now);
        Heard::Known
    }

    /// It proved its key on a link.
    pub(super) fn proven(&mut self, id: DiscoveryId, relation: Relation, now: Duration) {
        if let Some(known) = self.known.get_mut(&id) {
            known.relation = known.relation.max(relation);
            self.promote(id, Standing::Proven, now);
        }
    }

    /// It did not answer.
    pub(super) fn unanswered(&mut self, id: &DiscoveryId) {
        if let Some(known) = self.known.get_mut(id)
            && known.standing < Standing::Proven
        {
            known.standing = Standing::Doubtful;
            self.rank.regroup(&self.known);
        }
    }

    /// Removes one that is no more.
    pub(super) fn forget(&mut self, id: &DiscoveryId, now: Duration) {
        self.remove(id, now);
    }

    /// Removes who has not been heard for so long.
    pub(super) fn expire(&mut self, after: Duration, now: Duration) {
        let late = |known: &Neighbour| !known.linked && now >= known.seen + after;
        let gone: Vec<DiscoveryId> = self
            .known
            .iter()
            .filter(|(_, known)| late(known))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.remove(&id, now);
        }
    }

    /// Those that had been reported and were removed since this was last asked.
    pub(super) fn gone(&mut self) -> Vec<Report> {
        core::mem::take(&mut self.gone)
    }

    /// When the next one will not have been heard for so long.
    pub(super) fn next_expiry(&self, after: Duration) -> Option<Duration> {
        let unlinked = self.known.values().filter(|known| !known.linked);
        unlinked.map(|known| known.seen + after).min()
    }

    /// A report to give of it now, if there is one; `true` for the first.
    pub(super) fn news(&mut self, id: &DiscoveryId, now: Duration) -> Option<(bool, Report)> {
        let newcomers = self.newcomers();
        let known = self.known.get_mut(id)?;
        let first = !known.is_reported();
        let due = if first {
            let sure = known.standing >= Standing::Established;
            sure || known.relation > Relation::Stranger || newcomers <= REPORTED_AT_ONCE
        } else {
            known.has_news(now)
        };
        if !due {
            return None;
        }
        known.report(now);
        Some((first, self.report(id, now)?))
    }

    /// What is known of it.
    pub(super) fn report(&self, id: &DiscoveryId, now: Duration) -> Option<Report> {
        let known = self.known.get(id)?;
        Some(Report {
            neighbour: *id,
            dbm: known.dbm(),
            rank: self.rank.place(id)?,
            age: now.saturating_sub(known.seen),
        })
    }

    fn newcomers(&self) -> usize {
        let new = |known: &&Neighbour| {
            known.relation == Relation::Stranger && known.standing < Standing::Established
        };
        self.known.values().filter(new).count()
    }

    /// Raises its standing, unless its kind has its share of the table.
    fn promote(&mut self, id: DiscoveryId, to: Standing, now: Duration) {
        let Some(known) = self.known.get(&id) else {
            return;
        };
        let counts = |known: &Neighbour| {
            known.relation == Relation::Stranger && known.standing >= Standing::Established
        };
        if known.standing >= to {
            return;
        }
        let joins = known.relation == Relation::Stranger && !counts(known);
        let share = self.known.values().filter(|known| counts(known)).count();
        if joins && share >= MAX_ESTABLISHED {
            // A proof outranks what is only heard, and only what is unheard makes room for what is heard.
            let yields = |known: &Neighbour| {
                let stale = now >= known.seen + STALE;
                counts(known) && !known.linked && (stale || known.standing < to)
            };
            if !self.evict(yields, now) {
                return;
            }
        }
        if let Some(known) = self.known.get_mut(&id) {
            known.standing = to;
        }
        self.rank.regroup(&self.known);
    }

    /// Whether one more has room, made if need be.
    fn make_room(&mut self, relation: Relation, now: Duration) -> bool {
        let full = self.known.len() >= MAX_NEIGHBOURS;
        if relation > Relation::Stranger {
            return !full || self.evict(|known| !known.linked, now);
        }
        if !full && self.newcomers() < MAX_NEWCOMERS {
            return true;
        }
        let yields = |known: &Neighbour| {
            known.relation == Relation::Stranger
                && known.standing < Standing::Established
                && !known.linked
        };
        self.replace.take(now) && self.evict(yields, now)
    }

    /// Removes the least of those that yield: strangers first, then by standing, then the longest unheard.
    fn evict(&mut self, yields: impl Fn(&Neighbour) -> bool, now: Duration) -> bool {
        let least = self
            .known
            .iter()
            .filter(|(_, known)| yields(known))
            .min_by_key(|(_, known)| (known.relation, known.standing, known.seen))
            .map(|(id, _)| *id);
        if let Some(least) = least {
            self.remove(&least, now);
        }
        least.is_some()
    }

    fn remove(&mut self, id: &DiscoveryId, now: Duration) {
        let report = self.report(id, now);
        self.rank.remove(id);
        if self
            .known
            .remove(id)
            .is_some_and(|known| known.is_reported())
        {
            self.gone.extend(report);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::neighbour::tests::sighting;
    use super::*;

    const T: Duration = Duration::from_secs(1_000);
    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    fn id(number: u64) -> DiscoveryId {
        DiscoveryId(number.to_be_bytes())
    }

    fn hear(table: &mut Table, number: u64, now: Duration) -> Heard {
        table.hear(&sighting(number, -70), T, Lots::default, now)
    }

    fn contact(number: u64) -> Sighting {
        Sighting {
            relation: Relation::Contact,
            ..sighting(number, -70)
        }
    }

    fn standing(table: &Table, number: u64) -> Option<Standing> {
        table.get(&id(number)).map(|known| known.standing)
    }

    /// So many strangers, heard a second apart and so established.
    fn establish(table: &mut Table, numbers: core::ops::Range<u64>) {
        for number in numbers {
            hear(table, number, T);
            hear(table, number, T + ESTABLISHED_AFTER);
        }
    }

    #[test]
    fn heard_again_after_a_second_it_is_established() {
        let mut table = Table::new();
        hear(&mut table, 1, T);
        hear(&mut table, 1, T + ESTABLISHED_AFTER - MS);
        assert_eq!(standing(&table, 1), Some(Standing::Newcomer));
        hear(&mut table, 1, T + ESTABLISHED_AFTER);
        assert_eq!(standing(&table, 1), Some(Standing::Established));
        assert_eq!((table.established(), table.len()), (1, 1));
    }

    #[test]
    fn newcomers_have_their_share_and_are_replaced_in_turn() {
        // LOC-8.
        let mut table = Table::new();
        establish(&mut table, 1_000..1_010);
        for number in 0..MAX_NEWCOMERS as u64 {
            assert_eq!(
                hear(&mut table, number, T + number as u32 * MS),
                Heard::Known
            );
        }
        assert_eq!(hear(&mut table, 200, T + 2 * S), Heard::Known);
        assert_eq!(standing(&table, 0), None);
        assert_eq!(
            hear(&mut table, 201, T + 2 * S + REPLACE_EVERY - MS),
            Heard::Ignored
        );
        assert_eq!(
            hear(&mut table, 202, T + 2 * S + REPLACE_EVERY),
            Heard::Known
        );
        assert_eq!(standing(&table, 1), None);
        assert!(standing(&table, 2).is_some());
        assert_eq!((table.len(), table.established()), (MAX_NEWCOMERS + 10, 10));
    }

    #[test]
    fn contacts_are_never_short_of_room() {
        let mut table = Table::new();
        for number in 0..300 {
            assert_eq!(
                table.hear(&contact(number), T, Lots::default, T + number as u32 * MS),
                Heard::Known
            );
        }
        assert_eq!(table.len(), MAX_NEIGHBOURS);
        assert_eq!(standing(&table, 43), None);
        assert!(standing(&table, 44).is_some());
        assert_eq!(hear(&mut table, 999, T + S), Heard::Ignored);
        let mut table = Table::new();
        establish(&mut table, 0..MAX_ESTABLISHED as u64);
        for number in 1_000..1_000 + MAX_NEWCOMERS as u64 {
            hear(&mut table, number, T + S);
        }
        for number in 2_000..2_065 {
            assert_eq!(
                table.hear(&contact(number), T, Lots::default, T + S),
                Heard::Known
            );
        }
        assert_eq!(
            (table.len(), table.newcomers()),
            (MAX_NEIGHBOURS, MAX_NEWCOMERS - 1)
        );
    }

    #[test]
    fn established_strangers_keep_their_places_while_they_are_heard() {
        // LOC-8.
        let mut table = Table::new();
        establish(&mut table, 0..MAX_ESTABLISHED as u64);
        let seen = T + ESTABLISHED_AFTER;
        hear(&mut table, 500, seen);
        hear(&mut table, 500, seen + STALE - MS);
        assert_eq!(standing(&table, 500), Some(Standing::Newcomer));
        assert_eq!(table.established(), MAX_ESTABLISHED);
        hear(&mut table, 500, seen + STALE);
        assert_eq!(standing(&table, 500), Some(Standing::Established));
        assert_eq!(standing(&table, 0), None);
        assert_eq!(table.established(), MAX_ESTABLISHED);
    }

    #[test]
    fn a_proof_finds_room() {
        let mut table = Table::new();
        establish(&mut table, 0..MAX_ESTABLISHED as u64);
        hear(&mut table, 500, T + 2 * S);
        table.proven(id(500), Relation::Stranger, T + 2 * S);
        assert_eq!(standing(&table, 500), Some(Standing::Proven));
        assert_eq!(
            (standing(&table, 0), table.established()),
            (None, MAX_ESTABLISHED)
        );
        // Where it stands already it takes nobody's place.
        table.proven(id(5), Relation::Stranger, T + 2 * S);
        assert_eq!(table.established(), MAX_ESTABLISHED);
        table.proven(id(5), Relation::Member, T + 2 * S);
        assert_eq!(
            table.get(&id(5)).map(|known| known.relation),
            Some(Relation::Member)
        );
        table.proven(id(777), Relation::Contact, T);
        assert_eq!(standing(&table, 777), None);
    }

    #[test]
    fn who_does_not_answer_is_doubted_unless_it_was_proven() {
        let mut table = Table::new();
        establish(&mut table, 0..3);
        table.proven(id(1), Relation::Stranger, T + S);
        table.unanswered(&id(0));
        table.unanswered(&id(1));
        hear(&mut table, 0, T + 9 * S);
        let order: Vec<DiscoveryId> = table.ranked().map(|(id, _)| *id).collect();
        assert_eq!(order, vec![id(1), id(2), id(0)]);
        assert_eq!(standing(&table, 0), Some(Standing::Doubtful));
        assert_eq!(table.newcomers(), 1);
    }

    #[test]
    fn who_is_not_heard_is_lost_and_that_is_reported() {
        // LOC-6.
        let mut table = Table::new();
        establish(&mut table, 0..3);
        assert_eq!(
            table.news(&id(0), T + S).map(|(first, _)| first),
            Some(true)
        );
        assert_eq!(
            table.news(&id(1), T + S).map(|(first, _)| first),
            Some(true)
        );
        table.get_mut(&id(1)).unwrap().linked = true;
        assert_eq!(table.next_expiry(30 * S), Some(T + 31 * S));
        table.expire(30 * S, T + 31 * S - MS);
        assert_eq!(table.len(), 3);
        table.expire(30 * S, T + 31 * S);
        assert_eq!(table.len(), 1);
        let gone = table.gone();
        let expected = Report {
            neighbour: id(0),
            dbm: Some(-70),
            rank: 0,
            age: 30 * S,
        };
        assert_eq!(gone, vec![expected]);
        assert!(table.gone().is_empty());
        assert_eq!(table.next_expiry(30 * S), None);
    }

    #[test]
    fn in_a_flood_only_what_lasts_is_reported() {
        let mut table = Table::new();
        let mut reported = 0;
        for number in 0..MAX_NEWCOMERS as u64 {
            hear(&mut table, number, T);
            reported += usize::from(table.news(&id(number), T).is_some());
        }
        assert_eq!(reported, REPORTED_AT_ONCE);
        assert!(table.news(&id(50), T).is_none());
        hear(&mut table, 50, T + S);
        assert!(matches!(table.news(&id(50), T + S), Some((true, _))));
        assert!(table.news(&id(50), T + S).is_none());
        table.hear(&contact(900), T, Lots::default, T + S);
        assert!(matches!(table.news(&id(900), T + S), Some((true, _))));
    }
}
