//! What people do: channels, messages, journeys.

use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use rand_core::Rng as _;
use sovereign_protocol::{
    engine::{ChannelError, OwnState, SendError, StoreOp},
    id::{ChannelId, MessageId},
    message::bundle::Bundle,
    shelf::Kind,
    wire::local,
};

use super::{World, node::Awaited, s, wire::Profile};

impl World {
    /// Two nodes that have not met, the first of which has written so many texts into a channel of its own.
    pub fn with_texts(seed: u64, texts: usize) -> (Self, ChannelId) {
        let mut world = Self::new(seed);
        world.add_many(2);
        let channel = world.channel("#valley", &[0]);
        for n in 0..texts {
            world.say(0, channel, &format!("text {n}"));
        }
        world.run(s(1));
        (world, channel)
    }

    /// Creates a channel at the first node and lets the others join it.
    pub fn channel(&mut self, name: &str, members: &[usize]) -> ChannelId {
        let (first, rest) = members.split_first().expect("a channel has members");
        let at = self.nodes[*first].at(self.now);
        let node = &mut self.nodes[*first];
        let engine = node.engine.as_mut().expect("running");
        let (channel, _) = engine
            .create_channel(name, at, &mut node.rng)
            .expect("a good name");
        self.ledger
            .members
            .entry(channel)
            .or_default()
            .insert(*first);
        self.after(*first);
        for member in rest {
            self.join(*member, *first, channel);
        }
        channel
    }

    /// `newcomer` joins with what `host` hands out.
    pub fn join(&mut self, newcomer: usize, host: usize, channel: ChannelId) {
        let link = self.nodes[host].engine().channel_link(channel);
        let link = link.expect("the host is a member");
        let at = self.nodes[newcomer].at(self.now);
        let engine = self.nodes[newcomer].engine.as_mut().expect("running");
        engine.join_channel(&link, at).expect("joined once");
        self.ledger
            .members
            .entry(channel)
            .or_default()
            .insert(newcomer);
        self.after(newcomer);
    }

    /// Joins a public channel; the ledger counts on the newcomer once that is durable.
    pub fn try_join(&mut self, newcomer: usize, name: &str) -> Result<(), ChannelError> {
        let at = self.nodes[newcomer].at(self.now);
        let node = &mut self.nodes[newcomer];
        let engine = node.engine.as_mut().expect("running");
        let (channel, token) = engine.join_channel(name, at)?;
        node.joining.insert(token, channel);
        self.after(newcomer);
        Ok(())
    }

    /// Puts bundles of strangers on the shelf of a node, as if it had carried them for an hour, and starts it
    /// anew.
    pub fn stock(&mut self, node: usize, bodies: &[Bytes]) {
        let target = &mut self.nodes[node];
        target.engine = None;
        target.life += 1;
        target.timer = None;
        target.in_flight.clear();
        for body in bodies {
            let content = Bundle::parse(body.clone()).expect("a bundle").content_id();
            let record = local::ShelfRecord {
                size: body.len() as u32,
                age_s: 3_600,
                lifetime_s: 604_800,
                received_life_s: 0,
                source: 77,
                kind: Kind::Stranger as u32,
                ..local::ShelfRecord::default()
            };
            target.tables.bodies.insert(content, body.clone());
            target.tables.shelf.insert(content, record.encode_to_vec());
        }
        target.start(self.now);
        self.after(node);
        self.run(Duration::from_millis(10));
    }

    /// Bundles that nobody here can open: of 256 bytes.
    pub fn sealed(&mut self, count: usize) -> Vec<Bytes> {
        let mut bundle = || {
            let mut body = vec![0; 256];
            self.rng.fill_bytes(&mut body);
            (body[0], body[1]) = (1, 0);
            Bytes::from(body)
        };
        (0..count).map(|_| bundle()).collect()
    }

    /// Writes a text; the ledger has it as promised once it is durable.
    pub fn try_say(
        &mut self,
        node: usize,
        channel: ChannelId,
        text: &str,
    ) -> Result<MessageId, SendError> {
        let at = self.nodes[node].at(self.now);
        let author = &mut self.nodes[node];
        let engine = author.engine.as_mut().expect("running");
        let composed = engine.send_text(channel, text, at, &mut author.rng)?;
        author.awaited.insert(
            composed.token,
            Awaited {
                channel,
                message: composed.message,
                text: text.to_owned(),
            },
        );
        self.after(node);
        self.check_place(node, &composed.message);
        Ok(composed.message)
    }

    pub fn say(&mut self, node: usize, channel: ChannelId, text: &str) -> MessageId {
        self.try_say(node, channel, text)
            .expect("it can be written")
    }

    /// MSG-2: an own message's counter is one more than the greatest of its parents'.
    fn check_place(&self, node: usize, message: &MessageId) {
        let author = &self.nodes[node];
        let ops = author.in_flight.iter().flat_map(|(_, _, ops)| ops);
        let record = ops.clone().find_map(|op| match op {
            StoreOp::PutMessage {
                message: id,
                record,
            } if id == message => Some(record),
            _ => None,
        });
        let record = record.expect("what was written is on its way to the disk");
        let record = local::MessageRecord::decode(record.as_slice()).expect("written here");
        let channel = ChannelId::try_from(&record.channel[..]).expect("16 bytes");
        let log = author.engine().channel(&channel).expect("joined").log();
        let lamports = record.parents.iter().map(|parent| {
            let known = log.ids().find(|id| id.0[..16] == parent[..]);
            let known = known
                .and_then(|id| log.get(&id))
                .expect("own parents are here");
            known.lamport
        });
        assert_eq!(record.lamport, 1 + lamports.max().unwrap_or(0));
        assert!(record.parents.len() <= 4);
    }

    /// Links every pair.
    pub fn mesh(&mut self, nodes: &[usize], profile: Profile) {
        for (at, a) in nodes.iter().enumerate() {
            for b in &nodes[at + 1..] {
                self.connect(*a, *b, profile);
            }
        }
    }

    /// Links each with the next.
    pub fn chain(&mut self, nodes: &[usize], profile: Profile) {
        for pair in nodes.windows(2) {
            self.connect(pair[0], pair[1], profile);
        }
    }

    /// Links each with the next, the last with the first, and some pairs across, so that a few lost links part
    /// nobody: what the dial policy makes of a crowd.
    pub fn ring(&mut self, nodes: &[usize], across: usize, profile: Profile) {
        let count = nodes.len();
        for at in 0..count {
            let next = (at + 1) % count;
            if self.between(nodes[at], nodes[next]).is_none() && at != next {
                self.connect(nodes[at], nodes[next], profile);
            }
        }
        for _ in 0..across {
            let a = nodes[self.draw(count as u64) as usize];
            let b = nodes[self.draw(count as u64) as usize];
            if a != b && self.between(a, b).is_none() {
                self.connect(a, b, profile);
            }
        }
    }

    pub fn state(&self, node: usize, message: &MessageId) -> Option<OwnState> {
        self.nodes[node].engine().state(message)
    }

    /// Waits until a node's own message is delivered.
    pub fn until_delivered(
        &mut self,
        node: usize,
        message: &MessageId,
        limit: Duration,
    ) -> Option<Duration> {
        self.run_until(limit, |world| {
            world.state(node, message) == Some(OwnState::Delivered)
        })
    }
}
