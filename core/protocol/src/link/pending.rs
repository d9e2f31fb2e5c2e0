//! Bundles that one link owes: queued, or handed to the adapter without proof that they arrived.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use crate::id::ContentId;

/// A bundle counts as arrived when its link has lived on this long: a dead one is found out sooner, by
/// [`super::SEND_STALL`], by its [`super::ANSWER_WITHIN`] on a wide link, by the supervision timeout of a radio.
pub const PROVEN_AFTER: Duration = Duration::from_secs(60);
/// Bundles handed over and unproven that are remembered for a link; of older ones, reconciliation takes care.
pub const MAX_UNPROVEN: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Pending {
    queued: BTreeSet<ContentId>,
    handed: VecDeque<(Duration, ContentId)>,
    unproven: BTreeSet<ContentId>,
}

impl Pending {
    pub(super) fn queue(&mut self, content: ContentId) {
        self.queued.insert(content);
    }

    pub(super) fn handed(&mut self, content: ContentId, now: Duration) {
        self.expire(now);
        if !self.queued.remove(&content) {
            return;
        }
        if self.handed.len() == MAX_UNPROVEN
            && let Some((_, oldest)) = self.handed.pop_front()
        {
            self.unproven.remove(&oldest);
        }
        self.unproven.insert(content);
        self.handed.push_back((now, content));
    }

    pub(super) fn remove(&mut self, content: &ContentId) {
        self.queued.remove(content);
        if self.unproven.remove(content) {
            self.handed.retain(|(_, held)| held != content);
        }
    }

    pub(super) fn holds(&self, content: &ContentId) -> bool {
        self.queued.contains(content) || self.unproven.contains(content)
    }

    /// Queued ones ascending, unproven ones in the order they were handed over.
    pub(super) fn into_parts(mut self, now: Duration) -> (Vec<ContentId>, Vec<ContentId>) {
        self.expire(now);
        let unproven = self
            .handed
            .into_iter()
            .map(|(_, content)| content)
            .collect();
        (self.queued.into_iter().collect(), unproven)
    }

    fn expire(&mut self, now: Duration) {
        while let Some((at, content)) = self.handed.front() {
            if now.saturating_sub(*at) < PROVEN_AFTER {
                return;
            }
            self.unproven.remove(content);
            self.handed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(9);

    fn id(number: u16) -> ContentId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        ContentId(bytes)
    }

    #[test]
    fn what_was_handed_over_is_proven_by_time() {
        let mut pending = Pending::default();
        for number in 1..=3 {
            pending.queue(id(number));
        }
        pending.handed(id(2), T);
        pending.handed(id(1), T + Duration::from_millis(1));
        pending.handed(id(9), T);
        assert!(pending.holds(&id(2)) && !pending.holds(&id(9)));
        let (queued, unproven) = pending.into_parts(T + PROVEN_AFTER);
        assert_eq!((queued, unproven), (vec![id(3)], vec![id(1)]));
    }

    #[test]
    fn proof_of_an_old_one_makes_room_for_it_to_come_again() {
        let mut pending = Pending::default();
        pending.queue(id(1));
        pending.handed(id(1), T);
        pending.queue(id(2));
        pending.handed(id(2), T + PROVEN_AFTER - Duration::from_millis(1));
        assert!(pending.holds(&id(1)));
        pending.queue(id(3));
        pending.handed(id(3), T + PROVEN_AFTER);
        assert!(!pending.holds(&id(1)) && pending.holds(&id(2)));
    }

    #[test]
    fn what_is_settled_is_forgotten() {
        let mut pending = Pending::default();
        pending.queue(id(1));
        pending.queue(id(2));
        pending.handed(id(2), T);
        pending.remove(&id(1));
        pending.remove(&id(2));
        assert!(!pending.holds(&id(1)) && !pending.holds(&id(2)));
        assert_eq!(pending.into_parts(T), (vec![], vec![]));
    }

    #[test]
    fn the_unproven_are_bounded() {
        let mut pending = Pending::default();
        for number in 0..=MAX_UNPROVEN as u16 {
            pending.queue(id(number));
            pending.handed(id(number), T);
        }
        assert!(!pending.holds(&id(0)) && pending.holds(&id(1)));
        assert_eq!(pending.into_parts(T).1.len(), MAX_UNPROVEN);
    }
}
