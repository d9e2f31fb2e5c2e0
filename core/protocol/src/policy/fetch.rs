//! Which of the bundles that peers have are asked for, and of whom.
//!
//! Short ids are keyed by the session, so the same bundle has another short id on every link: what
//! two links announce cannot be told apart before it has come. Asking all links at once would
//! fetch most bundles several times over. So one link is asked at a time, and what comes in is
//! struck from the lists of all; a link that brings nothing for [`STALL`] loses its turn.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{id::LinkId, reconcile::ShortId};

/// Ids asked for and not yet come, on one link: one Want frame's worth.
pub const WINDOW: usize = 120;
/// The window is filled up when so few are left.
pub const REFILL: usize = 60;
/// A link that brings nothing for so long loses its turn.
pub const STALL: Duration = Duration::from_secs(2);
/// Ids that one link may have announced and not brought; more are dropped (reconciliation finds
/// them again).
pub const MAX_HEARD: usize = 65_536;

#[derive(Debug, Default)]
struct Lane {
    heard: VecDeque<ShortId>,
    known: BTreeSet<ShortId>,
    asked: BTreeSet<ShortId>,
    progress: Duration,
    /// Has had its turn and stalled: others go first.
    stalled: bool,
}

/// The lists of all links.
#[derive(Debug, Default)]
pub struct Fetch {
    lanes: BTreeMap<LinkId, Lane>,
}

impl Fetch {
    /// A link announced ids that this node lacks. Repeated ones are ignored.
    pub fn heard(&mut self, link: LinkId, ids: impl IntoIterator<Item = ShortId>) {
        let lane = self.lanes.entry(link).or_default();
        for id in ids {
            if lane.known.len() >= MAX_HEARD {
                return;
            }
            if lane.known.insert(id) {
                lane.heard.push_back(id);
            }
        }
    }

    /// What to ask now, and of whom.
    pub fn poll(&mut self, now: Duration) -> Option<(LinkId, Vec<ShortId>)> {
        self.stall(now);
        let active = self
            .lanes
            .iter()
            .find(|(_, lane)| !lane.asked.is_empty())
            .map(|(id, _)| *id);
        let chosen = match active {
            Some(link) => link,
            None => self
                .lanes
                .iter()
                .filter(|(_, lane)| !lane.heard.is_empty())
                .min_by_key(|(id, lane)| (lane.stalled, **id))
                .map(|(id, _)| *id)?,
        };
        let lane = self.lanes.get_mut(&chosen)?;
        if lane.asked.len() > REFILL || lane.heard.is_empty() {
            return None;
        }
        let room = WINDOW - lane.asked.len();
        let mut ids = Vec::new();
        while ids.len() < room {
            let Some(id) = lane.heard.pop_front() else {
                break;
            };
            // Struck from the list meanwhile?
            if lane.known.contains(&id) {
                lane.asked.insert(id);
                ids.push(id);
            }
        }
        if ids.is_empty() {
            return None;
        }
        lane.progress = now;
        Some((chosen, ids))
    }

    /// A bundle is here: `short` is its id on that link.
    pub fn got(&mut self, link: LinkId, short: ShortId, now: Duration) {
        if let Some(lane) = self.lanes.get_mut(&link)
            && lane.known.remove(&short)
            && lane.asked.remove(&short)
        {
            lane.progress = now;
            lane.stalled = false;
        }
    }

    /// The link no longer has these.
    pub fn gone(&mut self, link: LinkId, ids: &[ShortId], now: Duration) {
        for id in ids {
            self.got(link, *id, now);
        }
    }

    /// The link is gone, and what it announced with it.
    pub fn link_down(&mut self, link: LinkId) {
        self.lanes.remove(&link);
    }

    /// Whether nothing that this link announced is missing any more.
    #[must_use]
    pub fn is_met(&self, link: LinkId) -> bool {
        self.lanes
            .get(&link)
            .is_none_or(|lane| lane.known.is_empty())
    }

    /// When [`Self::poll`] may have something to say although nothing happened.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.lanes
            .values()
            .filter(|lane| !lane.asked.is_empty())
            .map(|lane| lane.progress + STALL)
            .min()
    }

    fn stall(&mut self, now: Duration) {
        for lane in self.lanes.values_mut() {
            if !lane.asked.is_empty() && lane.progress + STALL <= now {
                // Asked again when the turn comes back: the link may only have been slow.
                let asked = core::mem::take(&mut lane.asked);
                lane.heard.extend(asked);
                lane.stalled = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: LinkId = LinkId(1);
    const B: LinkId = LinkId(2);

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ids(range: core::ops::Range<u64>) -> Vec<ShortId> {
        range.map(ShortId).collect()
    }

    #[test]
    fn one_link_is_asked_at_a_time() {
        let mut fetch = Fetch::default();
        fetch.heard(A, ids(0..3));
        fetch.heard(B, ids(10..13));
        assert_eq!(fetch.poll(s(0)), Some((A, ids(0..3))));
        assert_eq!(fetch.poll(s(1)), None);
        for id in ids(0..3) {
            fetch.got(A, id, s(1));
        }
        assert!(fetch.is_met(A));
        assert!(!fetch.is_met(B));
        assert_eq!(fetch.poll(s(1)), Some((B, ids(10..13))));
    }

    #[test]
    fn what_came_elsewhere_is_not_asked_for() {
        let mut fetch = Fetch::default();
        fetch.heard(A, ids(0..2));
        fetch.heard(B, ids(10..12));
        assert!(fetch.poll(s(0)).is_some());
        // The same two bundles, by their ids on B.
        fetch.got(B, ShortId(10), s(0));
        fetch.got(B, ShortId(11), s(0));
        fetch.gone(A, &ids(0..2), s(0));
        assert_eq!(fetch.poll(s(0)), None);
        assert!(fetch.is_met(B));
    }

    #[test]
    fn a_link_that_brings_nothing_loses_its_turn_and_may_have_it_back() {
        let mut fetch = Fetch::default();
        fetch.heard(A, ids(0..1));
        fetch.heard(B, ids(10..11));
        assert_eq!(fetch.poll(s(0)).map(|(link, _)| link), Some(A));
        assert_eq!(fetch.poll_timeout(), Some(STALL));
        assert_eq!(fetch.poll(STALL - Duration::from_millis(1)), None);
        assert_eq!(fetch.poll(STALL).map(|(link, _)| link), Some(B));
        fetch.link_down(B);
        assert_eq!(fetch.poll(STALL), Some((A, ids(0..1))));
    }

    #[test]
    fn the_window_is_refilled_when_half_of_it_is_left() {
        let mut fetch = Fetch::default();
        fetch.heard(A, ids(0..200));
        assert_eq!(fetch.poll(s(0)).map(|(_, ids)| ids.len()), Some(WINDOW));
        for id in ids(0..(WINDOW - REFILL - 1) as u64) {
            fetch.got(A, id, s(0));
        }
        assert_eq!(fetch.poll(s(0)), None);
        fetch.got(A, ShortId((WINDOW - REFILL - 1) as u64), s(0));
        assert_eq!(
            fetch.poll(s(0)).map(|(_, ids)| ids.len()),
            Some(WINDOW - REFILL)
        );
    }

    #[test]
    fn an_announcer_of_everything_is_bounded() {
        let mut fetch = Fetch::default();
        fetch.heard(A, ids(0..MAX_HEARD as u64 + 10));
        let lane = &fetch.lanes[&A];
        assert_eq!((lane.heard.len(), lane.known.len()), (MAX_HEARD, MAX_HEARD));
        fetch.heard(A, ids(0..1));
        assert_eq!(fetch.lanes[&A].heard.len(), MAX_HEARD);
    }
}
