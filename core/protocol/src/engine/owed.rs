//! Bundles that wait for a place in a session's queue: each once, however often it is asked for.

use std::collections::{BTreeMap, VecDeque, btree_map::Entry};

use crate::{id::ContentId, reconcile::ShortId};

/// What one link owes, in the order in which it is sent.
#[derive(Debug, Default)]
pub(super) struct Owed {
    order: VecDeque<ContentId>,
    /// With the short id of the Want that each answers, if one does.
    wanted: BTreeMap<ContentId, Option<ShortId>>,
}

impl Owed {
    /// After the others. What is owed already keeps its place; a Want is noted in any case.
    pub(super) fn push(&mut self, content: ContentId, wanted: Option<ShortId>) {
        if self.note(content, wanted) {
            self.order.push_back(content);
        }
    }

    /// Before the others, unless it is owed already.
    pub(super) fn push_first(&mut self, content: ContentId, wanted: Option<ShortId>) {
        if self.note(content, wanted) {
            self.order.push_front(content);
        }
    }

    /// Whether it is owed from now on.
    fn note(&mut self, content: ContentId, wanted: Option<ShortId>) -> bool {
        match self.wanted.entry(content) {
            Entry::Occupied(mut known) => {
                let asked = known.get().or(wanted);
                known.insert(asked);
                false
            }
            Entry::Vacant(place) => {
                place.insert(wanted);
                true
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<(ContentId, Option<ShortId>)> {
        let content = self.order.pop_front()?;
        Some((content, self.wanted.remove(&content).flatten()))
    }

    pub(super) fn contains(&self, content: &ContentId) -> bool {
        self.wanted.contains_key(content)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ContentId> + '_ {
        self.order.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn id(n: u8) -> ContentId {
        ContentId([n; 32])
    }

    #[test]
    fn each_is_owed_once_and_a_want_is_noted() {
        let mut owed = Owed::default();
        owed.push(id(1), None);
        owed.push(id(2), Some(ShortId(2)));
        owed.push(id(1), Some(ShortId(1)));
        owed.push(id(2), None);
        owed.push_first(id(3), None);
        owed.push_first(id(2), None);
        assert!(owed.contains(&id(3)) && !owed.contains(&id(4)));
        assert_eq!(owed.iter().collect::<Vec<_>>(), [id(3), id(1), id(2)]);
        assert_eq!(owed.pop(), Some((id(3), None)));
        assert_eq!(owed.pop(), Some((id(1), Some(ShortId(1)))));
        assert_eq!(owed.pop(), Some((id(2), Some(ShortId(2)))));
        assert_eq!(owed.pop(), None);
        assert!(!owed.contains(&id(1)));
    }
}
