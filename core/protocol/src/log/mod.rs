//! One channel's messages in the order that is the same on every node (MSG-6), and what their
//! parents prove: gaps, a true Lamport clock, delivery (MSG-7).
//!
//! **Which messages count is a function of the set, not of the way it arrived.** A message whose
//! parents are all here and count must carry a Lamport counter of one more than their greatest; if
//! it does not, it does not count. Message ids are hashes, so parents form no cycle and the rule has
//! exactly one solution; [`ChannelLog::insert`] re-establishes it after every arrival.

mod names;
mod validity;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{AuthorKey, MessageId},
    message::envelope::{Kind, MAX_PARENTS, ParentId},
};

pub use names::NameBook;

/// A message moves a node's own Lamport clock only by so much: 2^24. Whoever invents parents must
/// publish 2^29 messages to use the counter's 2^53 up, and nobody writes 2^24 messages unseen.
pub const MAX_LAMPORT_STEP: u64 = 1 << 24;
/// Messages kept for each channel; the earliest in order go first.
pub const MAX_MESSAGES: usize = 50_000;

/// Place of a message: (lamport, author, message id).
pub type OrderKey = (u64, AuthorKey, MessageId);

/// What the log knows of a message. The text stays in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMessage {
    /// Its id.
    pub id: MessageId,
    /// Its author.
    pub author: AuthorKey,
    /// What it is.
    pub kind: Kind,
    /// At most [`MAX_PARENTS`].
    pub parents: Vec<ParentId>,
    /// Its counter.
    pub lamport: u64,
}

impl LogMessage {
    fn order(&self) -> OrderKey {
        (self.lamport, self.author, self.id)
    }
}

#[derive(Debug, Clone)]
struct Entry {
    message: LogMessage,
    counts: bool,
    /// Another author has shown, by parents, that it has this message.
    acknowledged: bool,
}

/// What an arrival changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Whether the new message counts.
    pub counts: bool,
    /// Messages that counted and no longer do.
    pub retracted: Vec<MessageId>,
    /// Messages that did not count and now do.
    pub restored: Vec<MessageId>,
    /// Own messages that another author has shown to have.
    pub delivered: Vec<MessageId>,
    /// Messages dropped to stay within [`MAX_MESSAGES`].
    pub dropped: Vec<MessageId>,
}

/// Where the next own message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Ascending.
    pub parents: Vec<ParentId>,
    /// One more than the greatest of theirs.
    pub lamport: u64,
}

/// The log of one channel.
#[derive(Debug, Clone)]
pub struct ChannelLog {
    own: AuthorKey,
    entries: BTreeMap<MessageId, Entry>,
    /// By the truncated form that parents use.
    by_parent_id: BTreeMap<ParentId, MessageId>,
    /// Who names whom as a parent, known or not.
    children: BTreeMap<ParentId, BTreeSet<MessageId>>,
    /// Those that count.
    order: BTreeSet<OrderKey>,
    /// All.
    places: BTreeSet<OrderKey>,
    heads: BTreeSet<OrderKey>,
    clock: u64,
}

impl ChannelLog {
    /// An empty log; `own` is this node's author key in the channel.
    #[must_use]
    pub fn new(own: AuthorKey) -> Self {
        Self {
            own,
            entries: BTreeMap::new(),
            by_parent_id: BTreeMap::new(),
            children: BTreeMap::new(),
            order: BTreeSet::new(),
            places: BTreeSet::new(),
            heads: BTreeSet::new(),
            clock: 0,
        }
    }

    /// This node's author key here.
    #[must_use]
    pub fn own(&self) -> AuthorKey {
        self.own
    }

    /// Whether a message is here, counting or not: the second de-duplication (decision 8).
    #[must_use]
    pub fn contains(&self, id: &MessageId) -> bool {
        self.entries.contains_key(id)
    }

    /// Whether a message is here and counts.
    #[must_use]
    pub fn counts(&self, id: &MessageId) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.counts)
    }

    /// What is known of a message.
    #[must_use]
    pub fn get(&self, id: &MessageId) -> Option<&LogMessage> {
        self.entries.get(id).map(|entry| &entry.message)
    }

    /// Whether another author has shown to have a message.
    #[must_use]
    pub fn acknowledged(&self, id: &MessageId) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.acknowledged)
    }

    /// Takes in a message that [`Envelope::verify`](crate::message::envelope::Envelope::verify)
    /// accepted. `None` if it is here already.
    pub fn insert(&mut self, message: LogMessage) -> Option<Inserted> {
        if self.contains(&message.id) {
            return None;
        }
        let id = message.id;
        let parent_id = ParentId::from(id);
        self.by_parent_id.entry(parent_id).or_insert(id);
        for parent in &message.parents {
            self.children.entry(*parent).or_default().insert(id);
        }
        self.places.insert(message.order());
        self.entries.insert(
            id,
            Entry {
                message,
                counts: false,
                acknowledged: false,
            },
        );

        let mut change = Inserted::default();
        self.revalidate(id, &mut change);
        change.counts = self.counts(&id);
        self.acknowledge_around(id, &mut change);
        self.drop_earliest(&mut change);
        Some(change)
    }

    /// Where the next own message goes: after the heads, at most four of them, the latest.
    #[must_use]
    pub fn next_place(&self) -> Place {
        let chosen: Vec<&OrderKey> = self.heads.iter().rev().take(MAX_PARENTS).collect();
        let lamport = 1 + chosen.first().map_or(0, |(lamport, _, _)| *lamport);
        let mut parents: Vec<ParentId> = chosen
            .into_iter()
            .map(|(_, _, id)| ParentId::from(*id))
            .collect();
        parents.sort_unstable();
        parents.dedup();
        Place { parents, lamport }
    }

    /// Ids of texts that count, oldest first: the newest `limit` of those after `since`.
    #[must_use]
    pub fn history(&self, limit: usize, since: Option<&MessageId>) -> Vec<MessageId> {
        let after = since
            .and_then(|id| self.entries.get(id))
            .map(|entry| entry.message.order());
        let mut ids: Vec<MessageId> = self
            .order
            .iter()
            .rev()
            .take_while(|key| after.is_none_or(|after| **key > after))
            .map(|(_, _, id)| *id)
            .filter(|id| {
                self.get(id)
                    .is_some_and(|message| message.kind != Kind::Receipt)
            })
            .take(limit)
            .collect();
        ids.reverse();
        ids
    }

    /// Texts of others after a place, the unread ones.
    #[must_use]
    pub fn unread_after(&self, read: Option<OrderKey>) -> u64 {
        let unread = self
            .order
            .iter()
            .rev()
            .take_while(|key| read.is_none_or(|read| **key > read))
            .filter(|(_, author, id)| {
                *author != self.own
                    && self
                        .get(id)
                        .is_some_and(|message| message.kind != Kind::Receipt)
            });
        unread.count() as u64
    }

    /// The last place taken.
    #[must_use]
    pub fn last(&self) -> Option<OrderKey> {
        self.order.last().copied()
    }

    /// Place of a message that counts.
    #[must_use]
    pub fn place_of(&self, id: &MessageId) -> Option<OrderKey> {
        self.entries
            .get(id)
            .filter(|entry| entry.counts)
            .map(|entry| entry.message.order())
    }

    /// Messages that count.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether no message counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Distinct authors, this node included.
    #[must_use]
    pub fn authors(&self) -> usize {
        let mut authors: BTreeSet<AuthorKey> =
            self.order.iter().map(|(_, author, _)| *author).collect();
        authors.insert(self.own);
        authors.len()
    }

    /// Parents that are named and not here: gaps.
    #[must_use]
    pub fn gaps(&self) -> usize {
        self.children
            .keys()
            .filter(|parent| !self.by_parent_id.contains_key(*parent))
            .count()
    }

    /// Heads for a receipt: everything up to here has arrived.
    #[must_use]
    pub fn heads(&self) -> Vec<MessageId> {
        self.heads.iter().map(|(_, _, id)| *id).collect()
    }

    /// Another author's arrival acknowledges all its ancestors; an ancestor that arrives late is
    /// acknowledged by the children that are here.
    fn acknowledge_around(&mut self, id: MessageId, change: &mut Inserted) {
        let Some(entry) = self.entries.get(&id) else {
            return;
        };
        let author = entry.message.author;
        let by_child = self
            .children
            .get(&ParentId::from(id))
            .is_some_and(|children| {
                children.iter().any(|child| {
                    self.entries
                        .get(child)
                        .is_some_and(|child| child.acknowledged || child.message.author != author)
                })
            });
        let mut queue = Vec::new();
        if by_child {
            queue.push((id, None));
        }
        queue.extend(
            entry
                .message
                .parents
                .iter()
                .filter_map(|p| self.by_parent_id.get(p))
                .map(|p| (*p, Some(author))),
        );
        while let Some((id, by)) = queue.pop() {
            let Some(entry) = self.entries.get_mut(&id) else {
                continue;
            };
            if entry.acknowledged {
                continue;
            }
            // An author's own later message shows nothing about anybody else.
            let by_other = by.is_none_or(|by| by != entry.message.author);
            if by_other {
                entry.acknowledged = true;
                if entry.message.author == self.own && entry.message.kind != Kind::Receipt {
                    change.delivered.push(id);
                }
                queue.extend(
                    entry
                        .message
                        .parents
                        .iter()
                        .filter_map(|p| self.by_parent_id.get(p))
                        .map(|p| (*p, None)),
                );
            }
        }
    }

    fn drop_earliest(&mut self, change: &mut Inserted) {
        while self.entries.len() > MAX_MESSAGES {
            let Some((_, _, id)) = self.places.first().copied() else {
                return;
            };
            self.remove(&id, change);
            change.dropped.push(id);
        }
    }

    /// Takes a message out as if it had never come: an own one that could not be made durable.
    pub fn withdraw(&mut self, id: &MessageId) -> Inserted {
        let mut change = Inserted::default();
        self.remove(id, &mut change);
        change
    }

    fn remove(&mut self, id: &MessageId, change: &mut Inserted) {
        let Some(entry) = self.entries.remove(id) else {
            return;
        };
        let order = entry.message.order();
        self.order.remove(&order);
        self.places.remove(&order);
        self.heads.remove(&order);
        let parent_id = ParentId::from(*id);
        if self.by_parent_id.get(&parent_id) == Some(id) {
            self.by_parent_id.remove(&parent_id);
        }
        for parent in &entry.message.parents {
            if let Some(children) = self.children.get_mut(parent) {
                children.remove(id);
                if children.is_empty() {
                    self.children.remove(parent);
                }
            }
        }
        let parents: Vec<MessageId> = entry
            .message
            .parents
            .iter()
            .filter_map(|parent| self.by_parent_id.get(parent))
            .copied()
            .collect();
        for parent in parents {
            self.renew_heads_around(&parent);
        }
        self.revalidate_children(parent_id, change);
        change.restored.retain(|other| other != id);
        change.retracted.retain(|other| other != id);
    }

    /// Ids of all messages, counting or not.
    pub fn ids(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.entries.keys().copied()
    }
}

#[cfg(test)]
mod tests;
