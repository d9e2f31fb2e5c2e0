//! The reference: what people were promised, and what must hold of every node.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use prost::Message as _;
use sha2::{Digest as _, Sha256};
use sovereign_protocol::{
    id::{ChannelId, MessageId},
    shelf::Kind,
    wire::local,
};

use super::{World, node::Awaited};

/// What was acknowledged as durable to its author.
#[derive(Debug, Default)]
pub struct Ledger {
    pub promised: BTreeMap<ChannelId, BTreeMap<MessageId, String>>,
    pub by: BTreeMap<MessageId, usize>,
    pub members: BTreeMap<ChannelId, BTreeSet<usize>>,
}

impl Ledger {
    pub fn promised(&mut self, node: usize, awaited: Awaited) {
        self.by.insert(awaited.message, node);
        self.promised
            .entry(awaited.channel)
            .or_default()
            .insert(awaited.message, awaited.text);
    }

    pub fn count(&self, channel: ChannelId) -> usize {
        self.promised.get(&channel).map_or(0, BTreeMap::len)
    }
}

impl World {
    /// One hash of what a node's person sees of a channel: ids and texts, in order.
    pub fn hash(&self, node: usize, channel: ChannelId) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (id, text) in self.nodes[node].history(channel) {
            hash.update(id.as_bytes());
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.finalize().into()
    }

    /// Whether every member of a channel has everything promised in it. Cheap.
    pub fn complete(&self, channel: ChannelId) -> bool {
        let Some(promised) = self.ledger.promised.get(&channel) else {
            return true;
        };
        self.ledger.members[&channel].iter().all(|member| {
            let Some(engine) = &self.nodes[*member].engine else {
                return false;
            };
            engine.channel(&channel).is_some_and(|channel| {
                channel.log().len() >= promised.len()
                    && promised.keys().all(|id| channel.log().counts(id))
            })
        })
    }

    /// Whether all members have the same messages, and everything that was promised.
    pub fn is_settled(&self) -> bool {
        self.ledger.members.iter().all(|(channel, members)| {
            self.complete(*channel) && {
                let mut hashes = members.iter().map(|member| self.hash(*member, *channel));
                let first = hashes.next();
                hashes.all(|hash| Some(hash) == first)
            }
        })
    }

    /// Runs until everybody has everything; panics with the difference otherwise.
    pub fn settle(&mut self, limit: Duration) -> Duration {
        let begin = self.now;
        let end = begin + limit;
        while !self.is_settled() {
            if self.now >= end {
                self.assert_settled();
            }
            let step = Duration::from_millis(500).min(end - self.now);
            self.run(step);
        }
        self.assert_settled();
        self.now - begin
    }

    /// MSG-6: each promised message exactly once on every member, one hash, texts equal.
    pub fn assert_settled(&self) {
        for (channel, members) in &self.ledger.members {
            let nothing = BTreeMap::new();
            let promised = self.ledger.promised.get(channel).unwrap_or(&nothing);
            let mut hashes = BTreeMap::<[u8; 32], Vec<usize>>::new();
            for member in members {
                let history = self.nodes[*member].history(*channel);
                let ids: BTreeSet<MessageId> = history.iter().map(|(id, _)| *id).collect();
                assert_eq!(ids.len(), history.len(), "twice on node {member}");
                for (id, text) in promised {
                    let shown = history.iter().find(|(other, _)| other == id);
                    let by = self.ledger.by[id];
                    assert!(
                        shown.is_some_and(|(_, shown)| shown == text),
                        "node {member} lacks {text:?} of node {by} in {channel} at {:?}",
                        self.now
                    );
                }
                hashes
                    .entry(self.hash(*member, *channel))
                    .or_default()
                    .push(*member);
            }
            assert_eq!(hashes.len(), 1, "histories of {channel}: {hashes:?}");
        }
    }

    /// A carrier has every promised message's bundle and not one of its texts or authors.
    pub fn assert_carried_blindly(&self, carrier: usize, channel: ChannelId) {
        let node = &self.nodes[carrier];
        assert!(node.engine().channel(&channel).is_none());
        for (message, text) in &self.ledger.promised[&channel] {
            let author = self.ledger.by[message];
            let record = &self.nodes[author].tables.messages[message];
            let record = local::MessageRecord::decode(record.as_slice()).expect("written here");
            let content = record.content_id[..].try_into().expect("32 bytes");
            assert!(node.engine().shelf().held(&content), "{text:?} not carried");
            let meta = node.engine().shelf().get(&content).expect("held");
            assert_eq!((meta.kind, meta.message), (Kind::Stranger, None));
            let body = &node.tables.bodies[&content];
            for secret in [text.as_bytes(), &record.author[..], &channel.0[..]] {
                assert!(!body.windows(secret.len()).any(|part| part == secret));
            }
        }
        assert!(node.tables.messages.is_empty());
    }

    /// What holds of a node at any time.
    pub fn check_invariants(&self, node: usize) {
        let engine = self.nodes[node].engine();
        let (stats, limits) = (engine.shelf().stats(), engine.shelf().limits());
        assert!(stats.bytes <= limits.total_bytes);
        assert!(stats.bundles <= u64::from(limits.max_bundles));
        assert!(stats.bytes_by_kind[Kind::Stranger as usize] <= limits.stranger_bytes());
        assert!(stats.seen as usize <= limits.max_seen);
    }
}
