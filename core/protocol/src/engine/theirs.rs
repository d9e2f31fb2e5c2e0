//! What the other end of a link has, as far as it said so or was sent it.

use std::collections::{BTreeSet, VecDeque};

use crate::reconcile::ShortId;

/// Short ids remembered of what the other end has, at most; the oldest are forgotten, which costs
/// a repeated announcement at worst.
const MAX_THEIRS: usize = 4_096;

/// What the other end has.
#[derive(Debug, Default)]
pub(super) struct Theirs {
    ids: BTreeSet<ShortId>,
    in_order: VecDeque<ShortId>,
}

impl Theirs {
    pub(super) fn contains(&self, short: &ShortId) -> bool {
        self.ids.contains(short)
    }

    pub(super) fn note(&mut self, short: ShortId) {
        if self.ids.insert(short) {
            self.in_order.push_back(short);
        }
        if self.in_order.len() > MAX_THEIRS
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_what_they_have_is_forgotten() {
        let mut theirs = Theirs::default();
        let most = MAX_THEIRS as u64;
        for n in (0..most).chain(0..most) {
            theirs.note(ShortId(n));
        }
        assert!(theirs.contains(&ShortId(0)), "each is noted once");
        theirs.note(ShortId(most));
        theirs.note(ShortId(most + 1));
        assert!(!theirs.contains(&ShortId(0)) && !theirs.contains(&ShortId(1)));
        assert!(theirs.contains(&ShortId(2)) && theirs.contains(&ShortId(most + 1)));
        assert_eq!(
            (theirs.ids.len(), theirs.in_order.len()),
            (MAX_THEIRS, MAX_THEIRS)
        );
    }
}
