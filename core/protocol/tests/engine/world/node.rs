//! A node of the virtual world: an engine over a model of its store.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use prost::Message as _;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng as _;
use sovereign_protocol::{
    engine::{Engine, EngineConfig, OwnState, StoreOp, Stored, Tell, Token, Who},
    id::{ChannelId, ContentId, DeviceId, LinkId, MessageId, TransportId},
    identity::Identity,
    link::capability,
    policy::dial,
    shelf::Limits,
    time::Now,
    wire::local,
};

/// 2026-11-21T00:00:00Z.
pub const TODAY_MS: i64 = 1_795_219_200_000;

/// How a node is made.
#[derive(Debug, Clone)]
pub struct Setup {
    pub limits: Limits,
    pub gossip: bool,
    /// Boot clock at the world's beginning.
    pub boot: Duration,
    /// What the wall clock reads at the world's beginning, milliseconds since 1970.
    pub wall_ms: i64,
    /// How long a batch takes to become durable.
    pub persist: Duration,
    pub max_links_of_source: usize,
    /// Whom links to this node are charged to; `None`: itself.
    pub source: Option<u64>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            gossip: false,
            boot: Duration::from_secs(5_000),
            wall_ms: TODAY_MS,
            persist: Duration::from_micros(500),
            max_links_of_source: 64,
            source: None,
        }
    }
}

/// What is durable.
#[derive(Debug, Default, Clone)]
pub struct Tables {
    pub bodies: BTreeMap<ContentId, Bytes>,
    pub shelf: BTreeMap<ContentId, Vec<u8>>,
    pub seen: BTreeMap<ContentId, Vec<u8>>,
    pub messages: BTreeMap<MessageId, Vec<u8>>,
    pub states: BTreeMap<MessageId, OwnState>,
    pub channels: BTreeMap<ChannelId, Vec<u8>>,
    pub clock: Option<Vec<u8>>,
    /// How often the clock was written, and what was deleted scrubbed.
    pub clocks: u64,
    pub scrubs: u64,
}

impl Tables {
    pub fn apply(&mut self, ops: Vec<StoreOp>) {
        for op in ops {
            match op {
                StoreOp::PutBundle {
                    content,
                    body,
                    record,
                } => {
                    self.bodies.insert(content, body);
                    self.shelf.insert(content, record);
                    self.seen.remove(&content);
                }
                StoreOp::PutRecord { content, record } => {
                    self.shelf.insert(content, record);
                }
                StoreOp::DropBundle(content) => {
                    self.bodies.remove(&content);
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
                StoreOp::Scrub => self.scrubs += 1,
                StoreOp::PutClock(record) => {
                    self.clock = Some(record);
                    self.clocks += 1;
                }
                StoreOp::PutNode(_) => {}
            }
        }
    }

    pub fn stored(&self) -> Stored {
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

    /// A message's text; nothing while it is on its way to the disk.
    pub fn text(&self, message: &MessageId) -> String {
        let record = self.messages.get(message).map(Vec::as_slice);
        let record = local::MessageRecord::decode(record.unwrap_or_default());
        record.expect("a record that the engine wrote").body
    }
}

/// A write that its author was promised nothing about yet.
#[derive(Debug, Clone)]
pub struct Awaited {
    pub channel: ChannelId,
    pub message: MessageId,
    pub text: String,
}

/// A node: running while `engine` is there.
pub struct Node {
    pub index: usize,
    pub setup: Setup,
    pub engine: Option<Engine>,
    pub rng: ChaCha8Rng,
    pub tables: Tables,
    /// Batches on their way to the disk, in order, with the time at which each is there.
    pub in_flight: VecDeque<(Duration, Token, Vec<StoreOp>)>,
    pub awaited: BTreeMap<Token, Awaited>,
    pub joining: BTreeMap<Token, ChannelId>,
    /// No batch becomes durable: there is no room.
    pub full: bool,
    /// Events of an earlier life are void.
    pub life: u32,
    pub boot_id: [u8; 16],
    pub timer: Option<Duration>,
    pub links: BTreeMap<LinkId, u64>,
    pub tells: Vec<Tell>,
    /// Topics subscribed to, and links admitted to gossip.
    pub topics: Vec<[u8; 32]>,
    pub admitted: Vec<LinkId>,
    pub outcomes_full: u64,
    /// Messages gossiped.
    pub published: u64,
    /// Changes in the largest batch of writes.
    pub largest_batch: usize,
    seed: [u8; 32],
}

impl Node {
    pub fn new(index: usize, setup: Setup, seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        bytes[8..16].copy_from_slice(&(index as u64).to_be_bytes());
        Self {
            index,
            setup,
            engine: None,
            rng: ChaCha8Rng::from_seed(bytes),
            tables: Tables::default(),
            in_flight: VecDeque::new(),
            awaited: BTreeMap::new(),
            joining: BTreeMap::new(),
            full: false,
            life: 0,
            boot_id: [1; 16],
            timer: None,
            links: BTreeMap::new(),
            tells: Vec::new(),
            topics: Vec::new(),
            admitted: Vec::new(),
            outcomes_full: 0,
            published: 0,
            largest_batch: 0,
            seed: bytes,
        }
    }

    pub fn transport(&self) -> TransportId {
        let mut id = [0xee; 32];
        id[..8].copy_from_slice(&(self.index as u64).to_be_bytes());
        TransportId(id)
    }

    pub fn at(&self, world: Duration) -> Now {
        let passed = i64::try_from(world.as_millis()).expect("a short world");
        Now {
            boot: self.setup.boot + world,
            wall_ms: u64::try_from(self.setup.wall_ms + passed).unwrap_or(0),
        }
    }

    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("the node is running")
    }

    pub fn start(&mut self, world: Duration) {
        assert!(self.engine.is_none(), "the node is running");
        let now = self.at(world);
        let config = EngineConfig {
            near: sovereign_protocol::policy::near::Config::default(),
            limits: self.setup.limits,
            gossip: self.setup.gossip,
            dial: dial::Config {
                max_links: 256,
                max_links_of_source: self.setup.max_links_of_source,
                ..dial::Config::default()
            },
            capabilities: capability::CARRIES,
            paced: true,
        };
        let who = Who {
            identity: Identity::from_seed(self.seed),
            device: DeviceId([0, 0, 0, 1]),
            name: format!("node {}", self.index),
        };
        let engine = Engine::restore(
            config,
            who,
            self.tables.stored(),
            self.boot_id,
            now,
            &mut self.rng,
        );
        self.engine = Some(engine.expect("the store holds what the engine wrote"));
    }

    /// Texts of a channel as a person would see them, oldest first.
    pub fn history(&self, channel: ChannelId) -> Vec<(MessageId, String)> {
        let Some(channel) = self.engine().channel(&channel) else {
            return Vec::new();
        };
        let ids = channel.history(usize::MAX, None);
        ids.into_iter()
            .map(|id| (id, self.tables.text(&id)))
            .collect()
    }
}
