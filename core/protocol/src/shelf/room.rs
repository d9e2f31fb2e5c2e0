//! Who takes how much of the shelf, and who gives way.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    bundle::{Arrival, Kind, Meta},
    limits::Limits,
};
use crate::{id::ContentId, link_kind::Source};

/// What one source has brought of one kind.
#[derive(Debug, Default)]
struct Pile {
    cost: u64,
    /// What each costs, by deadline: the first expires first.
    bundles: BTreeMap<(Duration, ContentId), u64>,
}

/// Bundles of a pile that a plan has already taken, the first ones.
#[derive(Debug, Default, Clone, Copy)]
struct Taken {
    bundles: usize,
    cost: u64,
}

impl Taken {
    const fn and(self, cost: u64) -> Self {
        Self {
            bundles: self.bundles + 1,
            cost: self.cost + cost,
        }
    }
}

type Owner = (Kind, Source);
type TakenMap = BTreeMap<Owner, Taken>;

/// Accounts of the shelf, by kind and source. Costs are those of [`Limits::cost`].
#[derive(Debug, Default)]
pub(super) struct Room {
    piles: BTreeMap<Owner, Pile>,
    /// The same piles, by cost.
    by_cost: BTreeSet<(Kind, u64, Source)>,
    costs: BTreeMap<Kind, u64>,
}

impl Room {
    pub(super) fn insert(&mut self, limits: &Limits, content: ContentId, meta: &Meta) {
        let cost = limits.cost(meta.size);
        self.change((meta.kind, meta.source), |pile| {
            pile.bundles.insert((meta.deadline(), content), cost);
            pile.cost += cost;
        });
    }

    pub(super) fn remove(&mut self, content: ContentId, meta: &Meta) {
        self.change((meta.kind, meta.source), |pile| {
            if let Some(cost) = pile.bundles.remove(&(meta.deadline(), content)) {
                pile.cost -= cost;
            }
        });
    }

    /// Costs of one kind.
    pub(super) fn of(&self, kind: Kind) -> u64 {
        self.costs.get(&kind).copied().unwrap_or(0)
    }

    /// What has to give way to an arrival with this deadline; `None` if nothing may.
    ///
    /// One bundle after another, of the last kind that is there and not before the arrival's own,
    /// of its heaviest source, that which expires first. The arrival counts with its own source:
    /// whoever has most makes room for others and gets none from them.
    pub(super) fn plan(
        &self,
        limits: &Limits,
        arrival: &Arrival,
        deadline: Duration,
    ) -> Option<Vec<ContentId>> {
        let cost = limits.cost(arrival.size);
        let own = (arrival.kind, arrival.source);
        let mut taken = TakenMap::new();
        let mut evict = Vec::new();
        while let Some(lack) = self.lack(limits, Some((arrival.kind, cost)), &taken) {
            let kind = self.gives_way(lack, arrival.kind, &taken)?;
            let owner = (kind, self.heaviest(kind, Some((own, cost)), &taken)?);
            let before = taken.get(&owner).copied().unwrap_or_default();
            // Nothing is left if the arrival itself is what weighs most.
            let (&(expires, content), bundle_cost) =
                self.piles.get(&owner)?.bundles.iter().nth(before.bundles)?;
            if owner == own && deadline < expires {
                return None;
            }
            taken.insert(owner, before.and(*bundle_cost));
            evict.push(content);
        }
        Some(evict)
    }

    /// The next bundle to go when the limits have become smaller; own ones stay.
    pub(super) fn excess(&self, limits: &Limits) -> Option<ContentId> {
        let taken = TakenMap::new();
        let lack = self.lack(limits, None, &taken)?;
        let kind = self.gives_way(lack, Kind::Member, &taken)?;
        let owner = (kind, self.heaviest(kind, None, &taken)?);
        let ((_, content), _) = self.piles.get(&owner)?.bundles.first_key_value()?;
        Some(*content)
    }

    /// Which limit an arrival of this kind and cost would break.
    fn lack(
        &self,
        limits: &Limits,
        arrival: Option<(Kind, u64)>,
        taken: &TakenMap,
    ) -> Option<Lack> {
        let (kind, cost) = arrival.unwrap_or((Kind::Stranger, 0));
        let left = |of: Kind| self.of(of) - taken_of(taken, of);
        if kind == Kind::Stranger && left(Kind::Stranger) + cost > limits.stranger_bytes() {
            return Some(Lack::StrangerShare);
        }
        let total: u64 = Kind::ALL.into_iter().map(left).sum();
        (total + cost > limits.total_bytes).then_some(Lack::Total)
    }

    /// The last kind that has bundles left, and does not come before `first`.
    fn gives_way(&self, lack: Lack, first: Kind, taken: &TakenMap) -> Option<Kind> {
        match lack {
            Lack::StrangerShare => Some(Kind::Stranger),
            Lack::Total => Kind::ALL
                .into_iter()
                .rev()
                .take_while(|kind| *kind >= first)
                .find(|kind| self.of(*kind) > taken_of(taken, *kind)),
        }
    }

    /// The source of a kind that weighs most, what has been taken left out, an arrival counted in.
    /// Among equals the arrival's own, then the greatest.
    fn heaviest(
        &self,
        kind: Kind,
        arrival: Option<(Owner, u64)>,
        taken: &TakenMap,
    ) -> Option<Source> {
        let weight = |source: Source| {
            let owner = (kind, source);
            let cost = self.piles.get(&owner).map_or(0, |pile| pile.cost);
            let left = cost - taken.get(&owner).map_or(0, |taken| taken.cost);
            match arrival {
                Some((own, more)) if own == owner => (left + more, true, source),
                _ => (left, false, source),
            }
        };
        // Only piles that were touched can have moved in the order.
        let touched = taken
            .keys()
            .copied()
            .chain(arrival.map(|(own, _)| own))
            .filter(|owner| owner.0 == kind)
            .map(|(_, source)| source);
        let untouched = self
            .by_cost
            .range((kind, 0, Source(0))..=(kind, u64::MAX, Source(u64::MAX)))
            .rev()
            .map(|(_, _, source)| *source)
            .find(|source| {
                !taken.contains_key(&(kind, *source))
                    && arrival.is_none_or(|(own, _)| own != (kind, *source))
            });
        touched
            .chain(untouched)
            .map(weight)
            .max()
            .map(|(_, _, source)| source)
    }

    fn change(&mut self, owner: Owner, change: impl FnOnce(&mut Pile)) {
        let (kind, source) = owner;
        let pile = self.piles.entry(owner).or_default();
        self.by_cost.remove(&(kind, pile.cost, source));
        let total = self.costs.entry(kind).or_default();
        *total -= pile.cost;
        change(pile);
        *total += pile.cost;
        if pile.bundles.is_empty() {
            self.piles.remove(&owner);
        } else {
            self.by_cost.insert((kind, pile.cost, source));
        }
    }
}

/// A limit that is in the way.
#[derive(Debug, Clone, Copy)]
enum Lack {
    StrangerShare,
    Total,
}

fn taken_of(taken: &TakenMap, kind: Kind) -> u64 {
    taken
        .iter()
        .filter(|((of, _), _)| *of == kind)
        .map(|(_, taken)| taken.cost)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;

    fn limits() -> Limits {
        Limits {
            total_bytes: 10_000,
            max_bundles: 100,
            ..Limits::default()
        }
    }

    fn id(n: u8) -> ContentId {
        ContentId([n; 32])
    }

    fn arrival(n: u8, kind: Kind, source: u64, size: u32) -> Arrival {
        Arrival {
            content: id(n),
            size,
            age: Duration::ZERO,
            lifetime: Duration::from_secs(HOUR),
            kind,
            source: Source(source),
        }
    }

    fn meta(arrival: &Arrival, received: u64) -> Meta {
        Meta {
            size: arrival.size,
            age: arrival.age,
            lifetime: arrival.lifetime,
            received: Duration::from_secs(received),
            source: arrival.source,
            kind: arrival.kind,
            message: None,
        }
    }

    /// Bundles (number, kind, source, size), received at the second of their number.
    fn room(bundles: &[(u8, Kind, u64, u32)]) -> Room {
        let mut room = Room::default();
        for (n, kind, source, size) in bundles {
            let arrival = arrival(*n, *kind, *source, *size);
            room.insert(&limits(), id(*n), &meta(&arrival, u64::from(*n)));
        }
        room
    }

    fn plan(room: &Room, kind: Kind, source: u64, size: u32) -> Option<Vec<u8>> {
        let deadline = Duration::from_secs(HOUR + 200);
        room.plan(&limits(), &arrival(200, kind, source, size), deadline)
            .map(|ids| ids.iter().map(|id| id.0[0]).collect())
    }

    use Kind::{Contact, Member, Own, Stranger};

    #[test]
    fn there_is_room_up_to_the_last_byte() {
        let room = room(&[(1, Own, 0, 5_000)]);
        assert_eq!(plan(&room, Stranger, 1, 2_500), Some(vec![]));
        assert_eq!(plan(&room, Stranger, 1, 2_501), None);
        assert_eq!(plan(&room, Contact, 1, 5_000), Some(vec![]));
        assert_eq!(plan(&room, Contact, 1, 5_001), None);
        assert_eq!((room.of(Own), room.of(Member)), (5_000, 0));
    }

    #[test]
    fn the_heaviest_source_gives_way_and_first_what_expires_first() {
        let room = room(&[
            (1, Stranger, 1, 500),
            (4, Stranger, 2, 600),
            (3, Stranger, 2, 600),
            (5, Stranger, 3, 600),
        ]);
        assert_eq!(plan(&room, Stranger, 1, 200), Some(vec![]));
        assert_eq!(plan(&room, Stranger, 1, 300), Some(vec![3]));
        // With the arrival, 1 would have 1,400, and then 900 against 1,200.
        assert_eq!(plan(&room, Stranger, 1, 900), Some(vec![1, 3]));
        assert_eq!(plan(&room, Stranger, 9, 800), Some(vec![3]));
        // After that, 9 would have the most, and nothing to give.
        assert_eq!(plan(&room, Stranger, 9, 801), None);
    }

    #[test]
    fn a_source_that_weighs_most_makes_room_from_its_own() {
        let room = room(&[
            (1, Stranger, 1, 1_000),
            (2, Stranger, 1, 200),
            (3, Stranger, 2, 1_200),
        ]);
        // With the arrival, 1 weighs 1,400: its own first bundle goes.
        assert_eq!(plan(&room, Stranger, 1, 200), Some(vec![1]));
        assert_eq!(plan(&room, Stranger, 2, 200), Some(vec![3]));
        // Among equals too: 1,200 and 1,200.
        assert_eq!(plan(&room, Stranger, 9, 1_200), None);
        assert_eq!(plan(&room, Stranger, 9, 1_199), Some(vec![3]));
    }

    #[test]
    fn as_many_give_way_as_it_takes() {
        let room = room(&[
            (1, Stranger, 1, 800),
            (2, Stranger, 1, 800),
            (3, Stranger, 1, 800),
        ]);
        assert_eq!(plan(&room, Stranger, 2, 100), Some(vec![]));
        assert_eq!(plan(&room, Stranger, 2, 900), Some(vec![1]));
        assert_eq!(plan(&room, Stranger, 2, 1_000), Some(vec![1, 2]));
        assert_eq!(plan(&room, Stranger, 1, 2_500), Some(vec![1, 2, 3]));
    }

    #[test]
    fn what_has_been_taken_counts_no_more() {
        let room = room(&[
            (1, Contact, 1, 3_000),
            (2, Contact, 1, 1_000),
            (3, Contact, 2, 3_500),
            (4, Own, 0, 2_500),
        ]);
        // After 1 has gone, 2's source has less than 3's.
        assert_eq!(plan(&room, Member, 9, 4_000), Some(vec![1, 3]));
    }

    #[test]
    fn an_arrival_that_expires_before_all_others_of_its_source_is_declined() {
        let room = room(&[(100, Stranger, 1, 2_500)]);
        let arrival = arrival(200, Stranger, 1, 200);
        let plan = |deadline| room.plan(&limits(), &arrival, Duration::from_secs(deadline));
        assert_eq!(plan(HOUR + 99), None);
        assert_eq!(plan(HOUR + 100), Some(vec![id(100)]));
        // Another source's bundles give way whenever they expire.
        let other = super::tests::arrival(200, Stranger, 2, 200);
        let early = room.plan(&limits(), &other, Duration::from_secs(1));
        assert_eq!(early, Some(vec![id(100)]));
    }

    #[test]
    fn strangers_give_way_first_then_contacts_then_members_and_own_ones_never() {
        let full = [
            (1, Own, 0, 4_000),
            (2, Member, 1, 2_000),
            (3, Contact, 1, 2_000),
            (4, Stranger, 1, 2_000),
        ];
        let room = room(&full);
        assert_eq!(plan(&room, Stranger, 2, 1_000), Some(vec![4]));
        assert_eq!(plan(&room, Contact, 2, 2_000), Some(vec![4]));
        assert_eq!(plan(&room, Contact, 2, 2_001), None);
        assert_eq!(plan(&room, Contact, 2, 1_000), Some(vec![4]));
        assert_eq!(plan(&room, Contact, 1, 2_001), Some(vec![4, 3]));
        assert_eq!(plan(&room, Member, 2, 4_000), Some(vec![4, 3]));
        assert_eq!(plan(&room, Member, 1, 6_000), Some(vec![4, 3, 2]));
        assert_eq!(plan(&room, Member, 1, 6_001), None);
        // Own bundles give way to own ones alone.
        assert_eq!(plan(&room, Own, 0, 6_000), Some(vec![4, 3, 2]));
        assert_eq!(plan(&room, Own, 0, 6_001), Some(vec![4, 3, 2, 1]));
        assert_eq!(plan(&room, Own, 0, 10_001), None);
    }

    #[test]
    fn smaller_limits_are_met_without_touching_own_bundles() {
        let mut bundles = vec![
            (1, Own, 0, 4_000),
            (2, Member, 1, 2_000),
            (3, Contact, 1, 2_000),
            (4, Stranger, 1, 1_000),
            (5, Stranger, 2, 1_200),
        ];
        let smaller = Limits {
            total_bytes: 4_000,
            ..limits()
        };
        for gone in [5, 4, 3, 2] {
            let room = room(&bundles);
            assert_eq!(room.excess(&smaller), Some(id(gone)));
            bundles.retain(|bundle| bundle.0 != gone);
        }
        assert_eq!(room(&bundles).excess(&smaller), None);
        let least = Limits {
            total_bytes: 1_000,
            ..limits()
        };
        assert_eq!(room(&bundles).excess(&least), None);
    }

    #[test]
    fn accounts_are_closed_when_the_last_bundle_goes() {
        let mut room = room(&[(1, Stranger, 1, 300), (2, Stranger, 1, 50)]);
        assert_eq!(room.of(Stranger), 400);
        for n in [1, 2] {
            let arrival = arrival(n, Stranger, 1, 300);
            room.remove(id(n), &meta(&arrival, u64::from(n)));
            room.remove(id(n), &meta(&arrival, u64::from(n)));
        }
        assert_eq!(room.of(Stranger), 0);
        assert!(room.piles.is_empty() && room.by_cost.is_empty());
    }
}
