//! A whole node's decisions under whatever two peers, a store and a clock do (docs/protocol.md §7–§8).

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use sovereign_protocol::{
    engine::{Effect, Engine, Input as Event, OwnState, PersistOutcome, StoreOp, Stored, Token},
    id::{ChannelId, ContentId, DiscoveryId, LinkId, MessageId, TransportId},
    link::{
        MAX_PART_DATA, WIDE_CREDIT,
        frame::{self, Body},
    },
    link_kind::{Medium, Role, Source},
    message::Bundle,
    policy::dial::Sighting,
    time::Now,
    wire::v1::Part,
};

use super::{
    input::Input,
    link::{START, hello},
    message::{keys, signed},
    restore::{config, who},
};

/// What is durable.
#[derive(Default)]
struct Tables {
    bodies: BTreeMap<ContentId, Bytes>,
    shelf: BTreeMap<ContentId, Vec<u8>>,
    seen: BTreeMap<ContentId, Vec<u8>>,
    messages: BTreeMap<MessageId, Vec<u8>>,
    states: BTreeMap<MessageId, OwnState>,
    channels: BTreeMap<ChannelId, Vec<u8>>,
    clock: Option<Vec<u8>>,
}

impl Tables {
    fn apply(&mut self, op: StoreOp) {
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
            StoreOp::Scrub => {}
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
            StoreOp::PutNode(_) => {}
        }
    }

    fn stored(self) -> Stored {
        Stored {
            clock: self.clock,
            channels: self.channels.into_iter().collect(),
            shelf: self.shelf.into_iter().collect(),
            seen: self.seen.into_iter().collect(),
            messages: self.messages.into_iter().collect(),
            states: self.states.into_iter().collect(),
        }
    }
}

struct World {
    engine: Engine,
    rng: ChaCha8Rng,
    now: Now,
    tables: Tables,
    /// Batches not yet durable.
    waiting: Vec<(Token, Vec<StoreOp>)>,
    channel: ChannelId,
    /// The latest link of each of the two peers, of all that there were.
    links: [u64; 2],
}

impl World {
    fn new(private: bool) -> Self {
        let mut rng = ChaCha8Rng::from_seed([1; 32]);
        let engine = Engine::restore(config(), who(), Stored::default(), [1; 16], START, &mut rng);
        let mut engine = engine.expect("an empty store");
        let keys = keys(private);
        let target = match keys.invite() {
            Some(invite) => invite.to_string(),
            None => format!("#{}", keys.name()),
        };
        let (channel, _) = engine
            .join_channel(&target, START)
            .expect("a channel that can be joined");
        let mut world = Self {
            engine,
            rng,
            now: START,
            tables: Tables::default(),
            waiting: Vec::new(),
            channel,
            links: [0; 2],
        };
        world.settle();
        world.persist(usize::MAX, PersistOutcome::Durable);
        world
    }

    fn handle(&mut self, event: Event) {
        self.engine.handle(event, self.now, &mut self.rng);
    }

    /// A new link to a peer; older ones stay until the engine closes them.
    fn up(&mut self, peer: usize) {
        let slow = peer == 1;
        let link = self.links[0].max(self.links[1]) + 1;
        self.links[peer] = link;
        self.handle(Event::LinkUp {
            link: LinkId(link),
            local: TransportId([1; 32]),
            peer: TransportId([0x80 + peer as u8; 32]),
            role: if slow { Role::Listener } else { Role::Dialer },
            medium: if slow { Medium::Ble } else { Medium::Lan },
            source: Source(peer as u64),
        });
        self.frame(link, hello(link as u8, WIDE_CREDIT));
    }

    fn frame(&mut self, link: u64, frame: Bytes) {
        let link = LinkId(link);
        self.handle(Event::Frame { link, frame });
    }

    /// A bundle over a link, in Parts.
    fn deliver(&mut self, link: u64, bundle: &Bundle, age_s: u32, lifetime_s: u32) {
        let size = bundle.size() as u32;
        for (index, data) in bundle.as_bytes().chunks(MAX_PART_DATA).enumerate() {
            let first = index == 0;
            let part = Part {
                stream: u32::from(size > 1_024),
                total: if first { size } else { 0 },
                age_s: if first { age_s } else { 0 },
                lifetime_s: if first { lifetime_s } else { 0 },
                data: Bytes::copy_from_slice(data),
            };
            let frame = frame::encode(Body::Part(part)).expect("within bounds");
            self.frame(link, frame);
        }
    }

    /// Does what the engine wants; batches wait until the data say that they are written.
    fn settle(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Send { link, frame } => {
                    frame::decode(&frame).expect("what is sent decodes");
                    let bytes = frame.len();
                    self.handle(Event::Sent { link, bytes });
                }
                Effect::Load { link, content } => {
                    let body = self.tables.bodies.get(&content).cloned();
                    self.handle(Event::Loaded {
                        link,
                        content,
                        body,
                    });
                }
                Effect::Persist { token, ops, .. } => self.waiting.push((token, ops)),
                _ => {}
            }
        }
    }

    fn persist(&mut self, count: usize, outcome: PersistOutcome) {
        for _ in 0..count {
            if self.waiting.is_empty() {
                return;
            }
            let (token, ops) = self.waiting.remove(0);
            if outcome == PersistOutcome::Durable {
                ops.into_iter().for_each(|op| self.tables.apply(op));
            }
            self.handle(Event::Persisted(vec![(token, outcome)]));
            self.settle();
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let what = input.u8();
        let peer = usize::from(what >> 7);
        let link = self.links[peer];
        match (what & 0x7f) % 20 {
            0..=5 => self.frame(link, Bytes::copy_from_slice(input.piece())),
            6 => {
                // What a member can say.
                let (age, lifetime) = (input.u32(), input.u32());
                let bundle = self.seal(&signed(input.piece()));
                self.deliver(link, &bundle, age, lifetime);
            }
            7 => {
                let bundle = self.seal(input.piece());
                self.deliver(link, &bundle, 1, 3_600);
            }
            8 => {
                let data = Bytes::copy_from_slice(input.piece());
                self.handle(Event::Gossip { token: 1, data });
            }
            9 => {
                let head = [&input.array::<4>()[..], &input.array::<4>()].concat();
                let bundle = self.seal(&signed(input.piece()));
                let data = [&head[..], bundle.as_bytes()].concat().into();
                self.handle(Event::Gossip { token: 2, data });
            }
            10 => self.persist(input.u8().into(), PersistOutcome::Durable),
            11 => {
                let outcome = [PersistOutcome::Full, PersistOutcome::Failed];
                self.persist(1, outcome[usize::from(input.u8() & 1)]);
            }
            12 => {
                self.now = self.now.after(Duration::from_millis(input.u16().into()));
                self.handle(Event::Timeout);
            }
            13 => {
                self.now = self.now.after(Duration::from_secs(input.u32() as u64 >> 8));
                self.handle(Event::Timeout);
            }
            14 => self.handle(Event::LinkDown { link: LinkId(link) }),
            15 => self.up(peer),
            16 => self.sighted(input),
            17 => {
                let text = String::from_utf8_lossy(input.piece()).into_owned();
                let (channel, now) = (self.channel, self.now);
                let _ = self.engine.send_text(channel, &text, now, &mut self.rng);
            }
            18 => {
                self.now.wall_ms = input.u64();
                self.handle(Event::Announced {
                    transport: TransportId([2; 32]),
                    discovery: DiscoveryId([input.u8(); 8]),
                });
            }
            _ => {
                let text = String::from_utf8_lossy(input.piece()).into_owned();
                let _ = self.engine.join_channel(&text, self.now);
            }
        }
    }

    fn seal(&mut self, envelope: &[u8]) -> Bundle {
        let keys = self.engine.channel(&self.channel).expect("joined").keys();
        keys.seal(envelope, &mut ChaCha8Rng::from_seed([2; 32]))
            .unwrap_or_else(|_| {
                keys.seal(b"too long", &mut ChaCha8Rng::from_seed([2; 32]))
                    .expect("short")
            })
    }

    fn sighted(&mut self, input: &mut Input<'_>) {
        let byte = input.u8();
        let discovery = DiscoveryId([byte >> 1; 8]);
        let peer = TransportId([byte | 0x80; 32]);
        match input.u8() & 3 {
            0 => self.handle(Event::SightingLost { discovery }),
            1 => self.handle(Event::DialFailed { peer }),
            2 => self.handle(Event::Announced {
                transport: peer,
                discovery,
            }),
            _ => self.handle(Event::Sighted {
                sighting: Sighting {
                    transport: peer,
                    discovery,
                    source: Source(byte.into()),
                    endpoints: usize::from(byte & 1),
                },
                medium: Medium::Lan,
            }),
        }
    }
}

/// First byte: bit 0 a private channel. Then steps; after each of them the engine's wishes are fulfilled.
/// At the end the store that it wrote restores an engine.
pub(crate) fn engine(data: &[u8]) {
    let mut input = Input::new(data);
    let mut world = World::new(input.u8() & 1 == 1);
    world.up(0);
    world.up(1);
    world.settle();
    while !input.is_empty() {
        world.step(&mut input);
        world.settle();
        let limits = config().limits;
        assert!(
            world.engine.shelf().stats().bytes <= limits.total_bytes,
            "the cap holds"
        );
        for channel in world.engine.channels() {
            assert!(channel.history(usize::MAX, None).len() <= channel.log().len());
        }
        let _ = world.engine.peers(world.now);
    }
    world.engine.shutdown(world.now, &mut world.rng);
    world.settle();
    world.persist(usize::MAX, PersistOutcome::Durable);
    let World {
        tables,
        now,
        mut rng,
        ..
    } = world;
    Engine::restore(config(), who(), tables.stored(), [2; 16], now, &mut rng)
        .expect("the store holds what the engine wrote");
}
