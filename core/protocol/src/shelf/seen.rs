//! Ids of bundles that are not held and need not come again.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::limits::SEEN_FOR;
use crate::id::ContentId;

/// A bounded set that forgets its oldest ids.
#[derive(Debug)]
pub(super) struct Seen {
    since: BTreeMap<ContentId, Duration>,
    /// The same, oldest first; of the same age, the smallest id first.
    queue: BTreeSet<(Duration, ContentId)>,
    max: usize,
}

impl Seen {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            since: BTreeMap::new(),
            queue: BTreeSet::new(),
            max,
        }
    }

    pub(super) fn contains(&self, content: &ContentId) -> bool {
        self.since.contains_key(content)
    }

    pub(super) fn since(&self, content: &ContentId) -> Option<Duration> {
        self.since.get(content).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.since.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ContentId> + '_ {
        self.since.keys().copied()
    }

    /// Remembers an id, and appends to `forgotten` what has to go for it.
    pub(super) fn insert(
        &mut self,
        content: ContentId,
        life: Duration,
        forgotten: &mut Vec<ContentId>,
    ) {
        if let Some(old) = self.since.insert(content, life) {
            self.queue.remove(&(old, content));
        }
        self.queue.insert((life, content));
        while self.since.len() > self.max {
            self.forget_first(forgotten);
        }
    }

    pub(super) fn remove(&mut self, content: &ContentId) -> bool {
        let Some(since) = self.since.remove(content) else {
            return false;
        };
        self.queue.remove(&(since, *content))
    }

    /// The life clock beyond which the oldest is forgotten.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.queue
            .first()
            .map(|(since, _)| since.saturating_add(SEEN_FOR))
    }

    /// Forgets what is older than [`SEEN_FOR`].
    pub(super) fn expire(&mut self, life: Duration, forgotten: &mut Vec<ContentId>) {
        while self.deadline().is_some_and(|deadline| deadline < life) {
            self.forget_first(forgotten);
        }
    }

    fn forget_first(&mut self, forgotten: &mut Vec<ContentId>) {
        if let Some((_, content)) = self.queue.pop_first() {
            self.since.remove(&content);
            forgotten.push(content);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> ContentId {
        ContentId([n; 32])
    }

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn the_oldest_goes_first_and_a_repeat_is_young_again() {
        let mut seen = Seen::new(3);
        let mut forgotten = Vec::new();
        for (n, at) in [(2, 0), (1, 0), (3, 1), (1, 2)] {
            seen.insert(id(n), secs(at), &mut forgotten);
        }
        assert_eq!((seen.len(), forgotten.len()), (3, 0));
        assert_eq!(seen.since(&id(1)), Some(secs(2)));
        for n in 4..6 {
            seen.insert(id(n), secs(3), &mut forgotten);
        }
        assert_eq!(forgotten, [id(2), id(3)]);
        assert_eq!(seen.len(), 3);
        assert!(seen.ids().eq([1, 4, 5].map(id)));
        assert_eq!(seen.queue.len(), 3);
    }

    #[test]
    fn ids_are_remembered_for_eight_days() {
        let mut seen = Seen::new(10);
        let mut forgotten = Vec::new();
        seen.insert(id(1), secs(5), &mut forgotten);
        seen.insert(id(2), secs(6), &mut forgotten);
        assert_eq!(seen.deadline(), Some(secs(5 + 691_200)));
        seen.expire(secs(5 + 691_200), &mut forgotten);
        assert!(forgotten.is_empty() && seen.contains(&id(1)));
        seen.expire(secs(6 + 691_200), &mut forgotten);
        assert_eq!(forgotten, [id(1)]);
        assert!(!seen.contains(&id(1)) && seen.contains(&id(2)));
    }

    #[test]
    fn what_is_removed_leaves_no_trace() {
        let mut seen = Seen::new(10);
        let mut forgotten = Vec::new();
        seen.insert(id(1), secs(5), &mut forgotten);
        assert!(seen.remove(&id(1)) && !seen.remove(&id(1)));
        assert_eq!((seen.len(), seen.deadline()), (0, None));
        seen.expire(Duration::MAX, &mut forgotten);
        assert!(forgotten.is_empty());
    }
}
