//! Which messages count.

use std::collections::{BTreeMap, BTreeSet};

use super::{ChannelLog, Inserted, MAX_LAMPORT_STEP};
use crate::{
    id::MessageId,
    message::envelope::{Kind, ParentId},
};

/// How often one message is asked again before the rest is put in order.
const MAX_TURNS: u32 = 8;

impl ChannelLog {
    /// Re-establishes the rule from a message that has just come on, children after parents.
    pub(super) fn revalidate(&mut self, first: MessageId, change: &mut Inserted) {
        if let Some(entry) = self.entries.get(&first) {
            let queue = BTreeSet::from([(entry.message.lamport, first)]);
            self.settle(queue, Some(first), change);
        }
    }

    /// The same after a message has gone.
    pub(super) fn revalidate_children(&mut self, gone: ParentId, change: &mut Inserted) {
        let queue = self.children_of(gone);
        self.settle(queue, None, change);
    }

    /// By Lamport counter, which is the order of parents and children except where somebody lies. Liars can make
    /// a message change its mind many times on the way; after [`MAX_TURNS`] the rest is settled parents first,
    /// each message once.
    fn settle(
        &mut self,
        mut queue: BTreeSet<(u64, MessageId)>,
        first: Option<MessageId>,
        change: &mut Inserted,
    ) {
        let mut turns = BTreeMap::<MessageId, u32>::new();
        while let Some((_, id)) = queue.pop_first() {
            let taken = turns.entry(id).or_default();
            *taken += 1;
            if *taken > MAX_TURNS {
                queue.insert((0, id));
                let rest = queue.into_iter().map(|(_, id)| id).collect();
                for id in self.parents_first(rest) {
                    self.judge(id, first, change);
                }
                return;
            }
            if self.judge(id, first, change) {
                queue.extend(self.children_of(ParentId::from(id)));
            }
        }
    }

    /// Brings one message's verdict up to date; whether its children have to be asked again.
    fn judge(&mut self, id: MessageId, first: Option<MessageId>, change: &mut Inserted) -> bool {
        let Some(entry) = self.entries.get(&id) else {
            return false;
        };
        let order = entry.message.order();
        let was = entry.counts;
        let is = self.satisfies_the_rule(&id);
        // One that comes and does not count changes nothing either: to its children it is as if missing.
        if was == is {
            return false;
        }
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.counts = is;
        }
        if is {
            self.order.insert(order);
            if order.0 <= self.clock.saturating_add(MAX_LAMPORT_STEP) {
                self.clock = self.clock.max(order.0);
            }
        } else {
            self.order.remove(&order);
        }
        if first != Some(id) {
            let (into, from) = if is {
                (&mut change.restored, &mut change.retracted)
            } else {
                (&mut change.retracted, &mut change.restored)
            };
            // Whoever changes its mind twice has not changed it.
            let before = from.len();
            from.retain(|other| *other != id);
            if from.len() == before {
                into.push(id);
            }
        }
        self.renew_heads_around(&id);
        true
    }

    fn children_of(&self, parent: ParentId) -> BTreeSet<(u64, MessageId)> {
        let children = self.children.get(&parent).into_iter().flatten();
        children
            .filter_map(|id| Some((self.entries.get(id)?.message.lamport, *id)))
            .collect()
    }

    /// These messages and all that descend from them, parents before children: ids are hashes, so there is no
    /// cycle.
    fn parents_first(&self, from: Vec<MessageId>) -> Vec<MessageId> {
        let mut waits_for = BTreeMap::<MessageId, usize>::new();
        let mut queue = from;
        for id in &queue {
            waits_for.insert(*id, 0);
        }
        let mut at = 0;
        while let Some(id) = queue.get(at).copied() {
            at += 1;
            for (_, child) in self.children_of(ParentId::from(id)) {
                let count = waits_for.entry(child).or_insert_with(|| {
                    queue.push(child);
                    0
                });
                *count += 1;
            }
        }
        let free = waits_for.iter().filter(|(_, count)| **count == 0);
        let mut order: Vec<MessageId> = free.map(|(id, _)| *id).collect();
        let mut at = 0;
        while let Some(id) = order.get(at).copied() {
            at += 1;
            for (_, child) in self.children_of(ParentId::from(id)) {
                if let Some(count) = waits_for.get_mut(&child) {
                    *count -= 1;
                    if *count == 0 {
                        order.push(child);
                    }
                }
            }
        }
        order
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
