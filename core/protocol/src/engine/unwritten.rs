//! What the store refused and must not be lost: it is written again, as it is by then, with the next batch.
//! Bundles and messages that the store refused are not among it: they are taken back, and come again.

use std::collections::BTreeSet;

use super::{Batch, Effect, Engine, Pending, StoreOp, Token, compose::channel_record};
use crate::id::{ChannelId, MessageId};

/// Changes that one batch takes along at most.
const AT_ONCE: usize = 1_000;

/// What has to be written again.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    channels: BTreeSet<ChannelId>,
    states: BTreeSet<MessageId>,
    dropped: BTreeSet<MessageId>,
    node: Option<Vec<u8>>,
}

impl Unwritten {
    pub(super) fn note(&mut self, op: StoreOp) {
        match op {
            StoreOp::PutChannel { channel, .. } | StoreOp::DropChannel(channel) => {
                self.channels.insert(channel);
            }
            StoreOp::PutState { message, .. } => {
                self.states.insert(message);
            }
            StoreOp::DropMessage(message) => {
                self.dropped.insert(message);
            }
            StoreOp::PutNode(record) => self.node = Some(record),
            // The shelf and the clock mend themselves: see `lasts`.
            _ => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.channels.is_empty()
            && self.states.is_empty()
            && self.dropped.is_empty()
            && self.node.is_none()
    }
}

/// Whether a change that was refused has to be made again. What is dropped from the shelf and comes back with a
/// restart expires again; a clock record is followed by the next one.
const fn lasts(op: &StoreOp, pending: &Pending) -> bool {
    match op {
        StoreOp::PutChannel { .. }
        | StoreOp::DropChannel(_)
        | StoreOp::DropMessage(_)
        | StoreOp::PutNode(_) => true,
        // The state of a message that is taken back goes with it.
        StoreOp::PutState { .. } => matches!(pending, Pending::Quiet),
        _ => false,
    }
}

impl Engine {
    pub(super) fn persist(&mut self, ops: Vec<StoreOp>, pending: Pending) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        let mut batch = self.rewrites();
        batch.extend(ops);
        let awaited = !matches!(pending, Pending::Quiet);
        let lasting = batch.iter().filter(|op| lasts(op, &pending));
        let lasting = lasting.cloned().collect();
        self.pending.insert(token, Batch { pending, lasting });
        self.effects.push_back(Effect::Persist {
            token,
            ops: batch,
            awaited,
        });
        token
    }

    /// Writes many changes, none of which needs another, in batches that a store takes.
    pub(super) fn persist_quietly(&mut self, ops: Vec<StoreOp>) {
        let mut rest = ops.into_iter();
        loop {
            let batch: Vec<StoreOp> = rest.by_ref().take(AT_ONCE).collect();
            if batch.is_empty() {
                return;
            }
            self.persist(batch, Pending::Quiet);
        }
    }

    /// Goes on with what is left to be written again.
    pub(super) fn rewrite(&mut self) {
        if self.store_trouble.is_none() && !self.unwritten.is_empty() {
            self.persist(Vec::new(), Pending::Quiet);
        }
    }

    fn rewrites(&mut self) -> Vec<StoreOp> {
        let mut ops = Vec::new();
        while ops.len() < AT_ONCE
            && let Some(channel) = self.unwritten.channels.pop_first()
        {
            ops.push(match self.channels.get(&channel) {
                Some(known) => StoreOp::PutChannel {
                    channel,
                    record: channel_record(known),
                },
                None => StoreOp::DropChannel(channel),
            });
        }
        while ops.len() < AT_ONCE
            && let Some(message) = self.unwritten.states.pop_first()
        {
            if let Some(state) = self.states.get(&message).copied() {
                ops.push(StoreOp::PutState { message, state });
            }
        }
        while ops.len() < AT_ONCE
            && let Some(message) = self.unwritten.dropped.pop_first()
        {
            let back = |channel: &super::Channel| channel.log.contains(&message);
            if !self.channels.values().any(back) {
                ops.push(StoreOp::DropMessage(message));
            }
        }
        ops.extend(self.unwritten.node.take().map(StoreOp::PutNode));
        ops
    }
}
