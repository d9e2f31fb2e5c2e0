//! What a session's short ids stand for.

use std::{collections::BTreeMap, sync::Arc};

use super::store::Shelf;
use crate::{
    id::ContentId,
    reconcile::{SessionSet, ShortId},
};

/// Ids that an index takes in before it is made anew from the shelf.
const MAX_ADDED: usize = 8_192;

/// The content ids behind one session's short ids: those on the shelf or seen when the session
/// began, shared with its reconciliation, and what has arrived since.
#[derive(Debug)]
pub struct ShortIndex {
    base: Arc<SessionSet>,
    added: BTreeMap<ShortId, ContentId>,
}

impl ShortIndex {
    /// An index over the snapshot that the session reconciles.
    #[must_use]
    pub const fn new(base: Arc<SessionSet>) -> Self {
        Self {
            base,
            added: BTreeMap::new(),
        }
    }

    /// Takes in a bundle that has just arrived. What has left the shelf since is dropped from the
    /// index when it fills, and not before.
    pub fn insert(&mut self, content: ContentId, shelf: &Shelf) {
        let short = self.base.key().short(&content);
        if self.resolve(short).is_some() {
            return;
        }
        if self.added.len() >= MAX_ADDED {
            self.base = SessionSet::new(*self.base.key(), shelf.ids());
            self.added.clear();
        }
        self.added.insert(short, content);
    }

    /// The content id behind a short id. Whether it is held now is the shelf's to say.
    #[must_use]
    pub fn resolve(&self, short: ShortId) -> Option<ContentId> {
        self.base
            .resolve(short)
            .or_else(|| self.added.get(&short).copied())
    }

    /// The short id of a content id.
    #[must_use]
    pub fn short(&self, content: &ContentId) -> ShortId {
        self.base.key().short(content)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::{
        link_kind::Source,
        reconcile::SessionKey,
        shelf::{Arrival, Kind, Limits},
    };

    fn id(n: u32) -> ContentId {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        ContentId(id)
    }

    #[test]
    fn ids_of_the_start_and_later_ones_are_found() {
        let mut shelf = Shelf::new(Limits::default());
        let arrival = |n| Arrival {
            content: id(n),
            size: 256,
            age: Duration::ZERO,
            lifetime: Duration::from_secs(10),
            kind: Kind::Member,
            source: Source(1),
        };
        shelf
            .commit_keep(&arrival(0), None, Duration::ZERO)
            .unwrap();
        let mut index = shelf.short_index(SessionKey::new(&[5; 32]));
        for n in 1..=MAX_ADDED as u32 {
            assert_eq!(index.resolve(index.short(&id(n))), None);
            shelf
                .commit_keep(&arrival(n), None, Duration::ZERO)
                .unwrap();
            index.insert(id(n), &shelf);
            index.insert(id(0), &shelf);
        }
        assert_eq!(index.added.len(), MAX_ADDED);
        // The next one makes the index anew; everything is still found.
        let next = MAX_ADDED as u32 + 1;
        index.insert(id(next), &shelf);
        assert_eq!(index.added.len(), 1);
        for n in 0..=next {
            assert_eq!(index.resolve(index.short(&id(n))), Some(id(n)));
        }
    }
}
