//! Which of the bundles that peers have are asked for, and of whom.
//!
//! Short ids are keyed by the session, so the same bundle has another short id on every link: what
//! two links announce cannot be told apart before it has come. Asking all links at once would
//! fetch most bundles several times over. So one link is asked at a time, and what comes in is
//! struck from the lists of all. A link that brings nothing for [`STALL`] loses its turn, goes behind
//! all others and gives way to them at once; any other has it for [`TURN`] while somebody waits. So
//! whoever promises much and brings nothing, or little, does not keep the rest from being heard.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::{id::LinkId, reconcile::ShortId};

/// Ids asked for and not yet come, on one link, at most: one Want frame's worth.
pub const WINDOW: usize = 120;
/// And at first, while other links wait: what is on its way when a link loses its turn may come twice.
pub const FIRST_WINDOW: usize = 16;
/// Half a window that comes within this time doubles the next one.
pub const QUICK: Duration = Duration::from_millis(100);
/// Half a window that takes longer than this halves the next one.
pub const SLUGGISH: Duration = Duration::from_secs(1);
/// A link that brings nothing for so long loses its turn.
pub const STALL: Duration = Duration::from_secs(2);
/// So long a turn lasts at most while other links wait.
pub const TURN: Duration = Duration::from_secs(5);
/// Ids that one link may have announced and not brought; more are dropped (reconciliation finds
/// them again).
pub const MAX_HEARD: usize = 65_536;

#[derive(Debug)]
struct Lane {
    /// Everything announced and not come: `Some` with its place in `waiting`, `None` once asked for.
    known: BTreeMap<ShortId, Option<u64>>,
    /// In the order in which it was announced.
    waiting: BTreeMap<u64, ShortId>,
    next_place: u64,
    asked: usize,
    window: usize,
    /// When it was asked last, and when it last brought something.
    asked_at: Duration,
    progress: Duration,
    /// Whether it has brought anything, and whether that ended in a stall.
    proven: bool,
    stalled: bool,
    /// Number of its last turn.
    turn: u64,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            known: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_place: 0,
            asked: 0,
            window: FIRST_WINDOW,
            asked_at: Duration::ZERO,
            progress: Duration::ZERO,
            proven: false,
            stalled: false,
            turn: 0,
        }
    }
}

impl Lane {
    fn wait(&mut self, id: ShortId) {
        self.known.insert(id, Some(self.next_place));
        self.waiting.insert(self.next_place, id);
        self.next_place += 1;
    }

    /// Forgets an id; whether it was known.
    fn strike(&mut self, id: ShortId) -> bool {
        match self.known.remove(&id) {
            Some(Some(place)) => {
                self.waiting.remove(&place);
            }
            Some(None) => self.asked -= 1,
            None => return false,
        }
        true
    }

    fn ask(&mut self, alone: bool, now: Duration) -> Vec<ShortId> {
        let most = |lane: &Self| if alone { WINDOW } else { lane.window };
        if self.asked * 2 > most(self) || self.waiting.is_empty() {
            return Vec::new();
        }
        if self.proven && !alone {
            let took = now.saturating_sub(self.asked_at);
            if took < QUICK {
                self.window = (self.window * 2).min(WINDOW);
            } else if took > SLUGGISH {
                self.window = (self.window / 2).max(FIRST_WINDOW);
            }
        }
        let most = most(self);
        let mut ids = Vec::new();
        while self.asked < most {
            let Some((_, id)) = self.waiting.pop_first() else {
                break;
            };
            self.known.insert(id, None);
            self.asked += 1;
            ids.push(id);
        }
        self.asked_at = now;
        self.progress = now;
        ids
    }

    /// What was asked for and did not come is asked for again when the turn comes back: the link may
    /// only have been slow.
    fn stall(&mut self, now: Duration) {
        if self.asked == 0 || self.progress + STALL > now {
            return;
        }
        let late: Vec<ShortId> = self
            .known
            .iter()
            .filter(|(_, place)| place.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.wait(id);
        }
        self.asked = 0;
        self.window = FIRST_WINDOW;
        self.proven = false;
        self.stalled = true;
    }
}

/// The lists of all links.
#[derive(Debug, Default)]
pub struct Fetch {
    lanes: BTreeMap<LinkId, Lane>,
    /// Whose turn it is, and since when.
    turn: Option<(LinkId, Duration)>,
    turns: u64,
}

impl Fetch {
    /// A link announced ids that this node lacks. Repeated ones are ignored.
    pub fn heard(&mut self, link: LinkId, ids: impl IntoIterator<Item = ShortId>) {
        let lane = self.lanes.entry(link).or_default();
        for id in ids {
            if lane.known.len() >= MAX_HEARD {
                return;
            }
            if !lane.known.contains_key(&id) {
                lane.wait(id);
            }
        }
    }

    /// What to ask now, and of whom.
    pub fn poll(&mut self, now: Duration) -> Option<(LinkId, Vec<ShortId>)> {
        for lane in self.lanes.values_mut() {
            lane.stall(now);
        }
        if self.is_over(now) {
            self.turn = None;
        }
        let link = match self.turn {
            Some((link, _)) => link,
            None => self.next_turn(now)?,
        };
        let alone = !self.others_wait(link);
        let ids = self.lanes.get_mut(&link)?.ask(alone, now);
        (!ids.is_empty()).then_some((link, ids))
    }

    /// A bundle is here: `short` is its id on that link, which need not be the one that brought it.
    pub fn got(&mut self, link: LinkId, short: ShortId) {
        if let Some(lane) = self.lanes.get_mut(&link) {
            lane.strike(short);
        }
    }

    /// A link brought a bundle, and had announced it.
    pub fn brought(&mut self, link: LinkId, short: ShortId, now: Duration) {
        if let Some(lane) = self.lanes.get_mut(&link)
            && lane.strike(short)
        {
            lane.progress = now;
            lane.proven = true;
            lane.stalled = false;
        }
    }

    /// The link no longer has these.
    pub fn gone(&mut self, link: LinkId, ids: &[ShortId]) {
        if let Some(lane) = self.lanes.get_mut(&link) {
            for id in ids {
                lane.strike(*id);
            }
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
        let stalls = self
            .lanes
            .values()
            .filter(|lane| lane.asked > 0)
            .map(|lane| lane.progress + STALL);
        let turn = self
            .turn
            .filter(|(link, _)| self.others_wait(*link))
            .map(|(_, since)| since + TURN);
        stalls.chain(turn).min()
    }

    /// Whether the turn has to go on to somebody else.
    fn is_over(&self, now: Duration) -> bool {
        let Some((link, since)) = self.turn else {
            return false;
        };
        let Some(lane) = self.lanes.get(&link) else {
            return true;
        };
        let idle = lane.asked == 0 && lane.waiting.is_empty();
        let in_the_way = lane.stalled
            && self
                .lanes
                .values()
                .any(|other| !other.waiting.is_empty() && !other.stalled);
        let long = since + TURN <= now && self.others_wait(link);
        idle || in_the_way || long
    }

    fn others_wait(&self, link: LinkId) -> bool {
        self.lanes
            .iter()
            .any(|(id, lane)| *id != link && !lane.waiting.is_empty())
    }

    /// Stalled links last; among equals the one whose turn is longest ago.
    fn next_turn(&mut self, now: Duration) -> Option<LinkId> {
        let (link, lane) = self
            .lanes
            .iter_mut()
            .filter(|(_, lane)| !lane.waiting.is_empty())
            .min_by_key(|(id, lane)| (lane.stalled, lane.turn, **id))?;
        self.turns += 1;
        lane.turn = self.turns;
        self.turn = Some((*link, now));
        Some(*link)
    }
}

#[cfg(test)]
mod tests;
