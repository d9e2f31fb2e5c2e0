//! A node's store in memory. Bundles are immutable, so all stores share one copy of each body.

use std::collections::BTreeMap;

use bytes::Bytes;
use sovereign_protocol::engine::{OwnState, StoreOp, Stored};
use sovereign_protocol::id::{ChannelId, ContentId, MessageId};

/// The bodies of all bundles that were ever stored.
#[derive(Debug, Default)]
pub(super) struct Bodies(BTreeMap<ContentId, Bytes>);

impl Bodies {
    pub(super) fn get(&self, content: &ContentId) -> Option<Bytes> {
        self.0.get(content).cloned()
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Keeps a bundle's body, in a buffer of its own.
    pub(super) fn keep(&mut self, content: ContentId, body: &Bytes) {
        let copy = || Bytes::copy_from_slice(body);
        self.0.entry(content).or_insert_with(copy);
    }
}

/// What is durable.
#[derive(Debug, Default)]
pub(super) struct Store {
    shelf: BTreeMap<ContentId, Vec<u8>>,
    seen: BTreeMap<ContentId, Vec<u8>>,
    messages: BTreeMap<MessageId, Vec<u8>>,
    states: BTreeMap<MessageId, OwnState>,
    channels: BTreeMap<ChannelId, Vec<u8>>,
    clock: Option<Vec<u8>>,
}

impl Store {
    pub(super) fn apply(&mut self, ops: Vec<StoreOp>) {
        for op in ops {
            match op {
                StoreOp::PutBundle {
                    content, record, ..
                } => {
                    self.shelf.insert(content, record);
                    self.seen.remove(&content);
                }
                StoreOp::PutRecord { content, record } => {
                    self.shelf.insert(content, record);
                }
                StoreOp::DropBundle(content) => {
                    self.shelf.remove(&content);
                }
                StoreOp::PutSeen { content, record } => {
                    self.seen.insert(content, record);
                }
                StoreOp::DropSeen(content) => {
                    self.seen.remove(&content);
                }
                StoreOp::PutMessage { message, record } => {
                    self.messages.insert(message, record);
                }
                StoreOp::DropMessage(message) => {
                    self.messages.remove(&message);
                    self.states.remove(&message);
                }
                StoreOp::PutState { message, state } => {
                    self.states.insert(message, state);
                }
                StoreOp::PutChannel { channel, record } => {
                    self.channels.insert(channel, record);
                }
                StoreOp::DropChannel(channel) => {
                    self.channels.remove(&channel);
                }
                StoreOp::PutClock(record) => self.clock = Some(record),
                StoreOp::Scrub | StoreOp::PutNode(_) => {}
            }
        }
    }

    pub(super) fn holds(&self, content: &ContentId) -> bool {
        self.shelf.contains_key(content)
    }

    pub(super) fn stored(&self) -> Stored {
        fn pairs<K: Copy, V: Clone>(table: &BTreeMap<K, V>) -> Vec<(K, V)> {
            table.iter().map(|(k, v)| (*k, v.clone())).collect()
        }
        Stored {
            clock: self.clock.clone(),
            channels: pairs(&self.channels),
            shelf: pairs(&self.shelf),
            seen: pairs(&self.seen),
            messages: pairs(&self.messages),
            states: pairs(&self.states),
        }
    }
}
