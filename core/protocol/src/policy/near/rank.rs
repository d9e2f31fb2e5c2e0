//! Who is nearest (LOC-5): by standing, then by what the smoothed signal is at least, with hysteresis.
//!
//! A neighbour overtakes only those that it has beaten by [`MARGIN`] for [`DWELL`]; while either is young
//! there is no margin and no wait, since a first guess is not worth defending. The rank is kept, not
//! sorted anew, so two equal neighbours do not change places at every fade.

use core::{cmp::Reverse, time::Duration};
use std::collections::BTreeMap;

use super::neighbour::Neighbour;
use crate::id::DiscoveryId;

/// By how much, in dB, one must be stronger to overtake.
pub const MARGIN: f64 = 2.5;
/// For how long.
pub const DWELL: Duration = Duration::from_secs(10);
/// Heard for less than this a neighbour is young: it moves freely.
pub const YOUNG: Duration = Duration::from_secs(5);

/// The best first.
#[derive(Debug, Default)]
pub(super) struct Rank {
    order: Vec<DiscoveryId>,
}

impl Rank {
    pub(super) fn order(&self) -> &[DiscoveryId] {
        &self.order
    }

    pub(super) fn place(&self, id: &DiscoveryId) -> Option<usize> {
        self.order.iter().position(|other| other == id)
    }

    /// A newcomer begins at the end.
    pub(super) fn add(&mut self, id: DiscoveryId) {
        self.order.push(id);
    }

    pub(super) fn remove(&mut self, id: &DiscoveryId) {
        self.order.retain(|other| other != id);
    }

    /// Its standing changed.
    pub(super) fn regroup(&mut self, known: &BTreeMap<DiscoveryId, Neighbour>) {
        let standing = |id: &DiscoveryId| known.get(id).map(|neighbour| neighbour.standing);
        self.order.sort_by_key(|id| Reverse(standing(id)));
    }

    /// It was heard: moves it up past those it beats.
    pub(super) fn heard(
        &mut self,
        id: &DiscoveryId,
        known: &mut BTreeMap<DiscoveryId, Neighbour>,
        now: Duration,
    ) {
        let (Some(at), Some(own)) = (self.place(id), known.get(id)) else {
            return;
        };
        let young = |neighbour: &Neighbour| now < neighbour.first + YOUNG;
        let (standing, floor, own_young) = (own.standing, own.floor(now), young(own));
        let challenges = own.challenges;
        let since = challenges.unwrap_or(now);
        let waited = now >= since + DWELL;
        let (mut free, mut beaten) = (at, at);
        for place in (0..at).rev() {
            let Some(above) = known.get(&self.order[place]) else {
                break;
            };
            if above.standing != standing {
                break;
            }
            let loose = own_young || young(above);
            let margin = if loose { 0.0 } else { MARGIN };
            if floor <= above.floor(now) + margin {
                break;
            }
            beaten = place;
            if loose && free == place + 1 {
                free = place;
            }
        }
        let to = if waited { beaten } else { free };
        self.order[to..=at].rotate_right(1);
        if let Some(own) = known.get_mut(id) {
            // Whoever is still beaten has been beaten since then.
            own.challenges = (beaten < to).then_some(since);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::neighbour::{Lots, Standing, tests::sighting};
    use super::*;

    const T: Duration = Duration::from_secs(100);
    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    struct Room {
        rank: Rank,
        known: BTreeMap<DiscoveryId, Neighbour>,
    }

    fn id(number: u64) -> DiscoveryId {
        DiscoveryId(number.to_be_bytes())
    }

    impl Room {
        /// Established, heard once a second for half a minute up to and at `T`.
        fn new(levels: &[i8]) -> Self {
            let mut room = Self {
                rank: Rank::default(),
                known: BTreeMap::new(),
            };
            for second in (0..=30).rev() {
                for (number, dbm) in (0..).zip(levels) {
                    room.hear(number, *dbm, T - second * S);
                }
            }
            room
        }

        fn hear(&mut self, number: u64, dbm: i8, now: Duration) {
            let heard = sighting(number, dbm);
            if let Some(known) = self.known.get_mut(&id(number)) {
                known.hear(&heard, now);
            } else {
                let mut neighbour = Neighbour::new(&heard, now, Lots::default(), now);
                neighbour.standing = Standing::Established;
                self.known.insert(id(number), neighbour);
                self.rank.add(id(number));
            }
            self.rank.heard(&id(number), &mut self.known, now);
        }

        fn order(&self) -> Vec<u64> {
            let number = |id: &DiscoveryId| u64::from_be_bytes(id.0);
            self.rank.order().iter().map(number).collect()
        }
    }

    #[test]
    fn the_strongest_is_first() {
        // LOC-5.
        let room = Room::new(&[-70, -50, -90, -60]);
        assert_eq!(room.order(), vec![1, 3, 0, 2]);
        assert_eq!(room.rank.place(&id(2)), Some(3));
        assert_eq!(room.rank.place(&id(7)), None);
    }

    /// Sets the level at once, without the filter.
    fn set(room: &mut Room, number: u64, dbm: i8) {
        let known = room.known.get_mut(&id(number)).unwrap();
        let mut fresh = Neighbour::new(&sighting(number, dbm), T, Lots::default(), T)
            .signal
            .unwrap();
        for second in 0..=30 {
            fresh.hear(dbm, T - (30 - second) * S);
        }
        known.signal = Some(fresh);
    }

    #[test]
    fn a_little_stronger_does_not_overtake() {
        let mut room = Room::new(&[-60, -70]);
        set(&mut room, 1, -58);
        for second in 0..60 {
            room.rank.heard(&id(1), &mut room.known, T + second * S);
        }
        assert_eq!(room.order(), vec![0, 1]);
    }

    #[test]
    fn much_stronger_overtakes_after_the_dwell() {
        let mut room = Room::new(&[-60, -62, -70]);
        set(&mut room, 2, -50);
        room.rank.heard(&id(2), &mut room.known, T);
        room.rank.heard(&id(2), &mut room.known, T + DWELL - MS);
        assert_eq!(room.order(), vec![0, 1, 2]);
        room.rank.heard(&id(2), &mut room.known, T + DWELL);
        assert_eq!(room.order(), vec![2, 0, 1]);
    }

    #[test]
    fn a_short_rise_starts_the_dwell_anew() {
        let mut room = Room::new(&[-60, -70]);
        set(&mut room, 1, -50);
        room.rank.heard(&id(1), &mut room.known, T);
        set(&mut room, 1, -60);
        room.rank.heard(&id(1), &mut room.known, T + 3 * S);
        set(&mut room, 1, -50);
        let again = T + 4 * S;
        for now in [again, T + DWELL, again + DWELL - MS] {
            room.rank.heard(&id(1), &mut room.known, now);
            assert_eq!(room.order(), vec![0, 1], "{now:?}");
        }
        room.rank.heard(&id(1), &mut room.known, again + DWELL);
        assert_eq!(room.order(), vec![1, 0]);
    }

    #[test]
    fn the_young_move_freely_and_are_moved() {
        let mut room = Room::new(&[-60, -80]);
        for second in 0..=4 {
            room.hear(2, -40, T + second * S);
        }
        assert_eq!(room.order(), vec![2, 0, 1]);
        let mut room = Room::new(&[-60]);
        room.hear(1, -40, T);
        assert_eq!(room.order(), vec![1, 0]);
        set(&mut room, 1, -61);
        room.rank.heard(&id(0), &mut room.known, T + YOUNG - MS);
        assert_eq!(room.order(), vec![0, 1]);
        let mut room = Room::new(&[-60]);
        room.hear(1, -40, T);
        set(&mut room, 1, -61);
        room.rank.heard(&id(0), &mut room.known, T + YOUNG);
        assert_eq!(room.order(), vec![1, 0]);
    }

    #[test]
    fn standing_goes_before_strength() {
        let mut room = Room::new(&[-30, -90, -80]);
        room.known.get_mut(&id(1)).unwrap().standing = Standing::Proven;
        room.known.get_mut(&id(0)).unwrap().standing = Standing::Doubtful;
        room.rank.regroup(&room.known);
        assert_eq!(room.order(), vec![1, 2, 0]);
        for second in 0..20 {
            room.hear(0, -30, T + second * S);
            room.hear(2, -80, T + second * S);
        }
        assert_eq!(room.order(), vec![1, 2, 0]);
        room.rank.remove(&id(2));
        assert_eq!(room.order(), vec![1, 0]);
    }
}
