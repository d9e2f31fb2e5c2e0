//! Which messages count.

use std::collections::BTreeSet;

use super::{ChannelLog, Inserted, MAX_LAMPORT_STEP};
use crate::{
    id::MessageId,
    message::envelope::{Kind, ParentId},
};

impl ChannelLog {
    /// Re-establishes the rule from a message on, children after parents.
    pub(super) fn revalidate(&mut self, first: MessageId, change: &mut Inserted) {
        let mut queue = BTreeSet::from([first]);
        // Each turn settles the message of the least depth among those queued first in most cases;
        // a message is queued again only when a parent's verdict changed, and verdicts change
        // from the roots upwards, so this ends.
        while let Some(id) = queue.pop_first() {
            let Some(entry) = self.entries.get(&id) else {
                continue;
            };
            let was = entry.counts;
            let is = self.satisfies_the_rule(&id);
            let arrived = id == first && !self.order.contains(&entry.message.order());
            if was == is && !arrived {
                continue;
            }
            let order = entry.message.order();
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.counts = is;
            }
            if is {
                self.order.insert(order);
                if order.0 <= self.clock.saturating_add(MAX_LAMPORT_STEP) {
                    self.clock = self.clock.max(order.0);
                }
                if id != first {
                    change.retracted.retain(|other| *other != id);
                    change.restored.push(id);
                }
            } else {
                self.order.remove(&order);
                if id != first {
                    change.restored.retain(|other| *other != id);
                    change.retracted.push(id);
                }
            }
            self.renew_heads_around(&id);
            if let Some(children) = self.children.get(&ParentId::from(id)) {
                queue.extend(children.iter().copied());
            }
        }
    }

    fn satisfies_the_rule(&self, id: &MessageId) -> bool {
        let Some(entry) = self.entries.get(id) else {
            return false;
        };
        let mut greatest = 0;
        for parent in &entry.message.parents {
            let known = self
                .by_parent_id
                .get(parent)
                .and_then(|parent| self.entries.get(parent));
            match known {
                Some(parent) if parent.counts => greatest = greatest.max(parent.message.lamport),
                // A parent that is missing or does not count says nothing.
                _ => return true,
            }
        }
        entry.message.lamport == greatest + 1
    }

    /// A head counts, is no receipt, moves the clock, and no counting text names it as a parent.
    pub(super) fn renew_heads_around(&mut self, id: &MessageId) {
        let mut touched = vec![*id];
        if let Some(entry) = self.entries.get(id) {
            touched.extend(
                entry
                    .message
                    .parents
                    .iter()
                    .filter_map(|parent| self.by_parent_id.get(parent))
                    .copied(),
            );
        }
        for id in touched {
            let Some(entry) = self.entries.get(&id) else {
                continue;
            };
            let order = entry.message.order();
            let covered = self
                .children
                .get(&ParentId::from(id))
                .is_some_and(|children| {
                    children
                        .iter()
                        .filter_map(|child| self.entries.get(child))
                        .any(|child| {
                            child.counts
                                && child.message.kind != Kind::Receipt
                                && child.message.lamport <= self.clock
                        })
                });
            let head = entry.counts
                && entry.message.kind != Kind::Receipt
                && order.0 <= self.clock
                && !covered;
            if head {
                self.heads.insert(order);
            } else {
                self.heads.remove(&order);
            }
        }
    }
}
