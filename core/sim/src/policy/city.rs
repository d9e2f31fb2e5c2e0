//! The loop: what happens in the world and what nodes have planned, in the order of time.

use std::io;
use std::time::Duration;

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use sovereign_protocol::engine::{EngineConfig, Input};
use sovereign_protocol::id::{ChannelId, LinkId, MessageId};
use sovereign_protocol::policy::near;

use super::Progress;
use super::air::Air;
use super::book::Book;
use super::node::Node;
use super::queue::{Event, Queue};
use super::store::Bodies;
use super::wire::Wires;
use crate::record::{Record, Sink, What, decimetres};
use crate::scenario::Scenario;
use crate::world::World;

/// How often phones are billed.
const BILLED_EVERY: Duration = Duration::from_secs(3_600);

/// A channel as nodes know it.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Once its first member has made it: its id, and what others join with.
    pub(super) made: Option<(ChannelId, String)>,
}

pub(super) struct City<'a> {
    pub(super) seed: u64,
    /// What is changed in every engine's configuration.
    pub(super) alter: fn(&mut EngineConfig),
    pub(super) now: Duration,
    pub(super) world: World,
    pub(super) air: Air,
    pub(super) multicast: Vec<bool>,
    pub(super) nodes: Vec<Node>,
    pub(super) wires: Wires,
    pub(super) queue: Queue,
    pub(super) rooms: Vec<Room>,
    /// The channels that each person is in.
    pub(super) channels_of: Vec<Vec<u32>>,
    pub(super) lans: Vec<Vec<u32>>,
    pub(super) online: Vec<u32>,
    pub(super) bodies: Bodies,
    pub(super) book: Book,
    pub(super) rng: ChaCha8Rng,
    /// The link whose frame is being handled.
    pub(super) hearing: Option<LinkId>,
    /// The message that is being written.
    pub(super) writing: Option<(MessageId, u32, u32)>,
    pub(super) near: Vec<u32>,
    /// What scans heard that have ended, by whom.
    pub(super) heard_later: Vec<(u32, near::Sighting)>,
    events: u64,
    sink: &'a mut dyn Sink,
    failed: Option<io::Error>,
}

impl<'a> City<'a> {
    pub(super) fn new(
        scenario: &Scenario,
        seed: u64,
        alter: fn(&mut EngineConfig),
        sink: &'a mut dyn Sink,
    ) -> Self {
        let world = World::new(scenario, seed);
        let people = world.people().len();
        let mut channels_of = vec![Vec::new(); people];
        for (number, channel) in (0..).zip(world.channels()) {
            for who in &channel.members {
                channels_of[*who as usize].push(number);
            }
        }
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..14].copy_from_slice(b"policy");
        let mut queue = Queue::default();
        queue.plan(BILLED_EVERY, Event::Bill);
        Self {
            seed,
            alter,
            now: Duration::ZERO,
            air: Air::new(&scenario.radio, people, seed),
            multicast: scenario.lan.iter().map(|lan| lan.multicast).collect(),
            nodes: (0..people as u32)
                .map(|who| Node::new(world.may_stop(who)))
                .collect(),
            wires: Wires::default(),
            queue,
            rooms: world.channels().iter().map(|_| Room::default()).collect(),
            channels_of,
            lans: vec![Vec::new(); scenario.lan.len()],
            online: Vec::new(),
            bodies: Bodies::default(),
            book: Book::default(),
            rng: ChaCha8Rng::from_seed(bytes),
            hearing: None,
            writing: None,
            near: Vec::new(),
            heard_later: Vec::new(),
            events: 0,
            world,
            sink,
            failed: None,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.now
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            at: self.now,
            end: self.world.end(),
            events: self.events,
            said: self.book.said(),
            bundles: self.bodies.len(),
            delivered: self.book.delivered,
        }
    }

    /// Does the next thing; false when there is none.
    pub(super) fn step(&mut self) -> io::Result<bool> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let planned = self.queue.next_time().unwrap_or(Duration::MAX);
        // At one instant the world goes first.
        if let Some(happening) = self.world.happen(planned.min(self.world.end())) {
            self.now = happening.at;
            self.events += 1;
            self.happens(happening);
            return Ok(true);
        }
        if planned >= self.world.end() {
            self.now = self.world.end();
            return Ok(false);
        }
        if let Some((at, event)) = self.queue.pop() {
            self.now = at;
            self.events += 1;
            self.event(event);
        }
        Ok(true)
    }

    /// Bills everybody for the last time.
    pub(super) fn finish(&mut self, interrupted: bool) -> io::Result<()> {
        if !interrupted {
            self.now = self.world.end();
        }
        self.bill_all();
        self.failed.take().map_or(Ok(()), Err)
    }

    pub(super) fn record(&mut self, who: u32, what: What) {
        if self.failed.is_none() {
            let record = Record::new(self.now, who, what);
            self.failed = self.sink.take(&record).err();
        }
    }

    /// Tells a node something, and does what it wants done.
    pub(super) fn tell(&mut self, who: u32, input: Input) {
        let node = &mut self.nodes[who as usize];
        let at = node.at(self.now, &self.world.people()[who as usize]);
        if let Some(engine) = &mut node.engine {
            engine.handle(input, at, &mut self.rng);
            self.after(who);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Timeout(who) => {
                if self.nodes[who as usize].timer == Some(self.now) {
                    self.nodes[who as usize].timer = None;
                    self.tell(who, Input::Timeout);
                }
            }
            Event::Durable(who) => self.durable(who),
            Event::Round(who) => self.round(who),
            Event::Heard(who) => self.heard(who),
            Event::Turn(who) => self.turn(who),
            Event::Dialled(who, address) => self.dialled(who, address),
            Event::Reached(who, other) => self.reached(who, other),
            Event::Frame(wire, side) => self.transmitted(wire, side.into()),
            Event::Closed(wire, side) => self.closed(wire, side.into()),
            Event::Gone(wire, side) => self.gone(wire, side.into()),
            Event::Look(wire) => self.look(wire),
            Event::Step(who) => self.walk_on(who),
            Event::Seen(who, other) => self.seen(who, other),
            Event::Flood(who) => self.flood(who),
            Event::Bill => {
                self.bill_all();
                self.queue.plan(self.now + BILLED_EVERY, Event::Bill);
            }
        }
    }

    fn bill_all(&mut self) {
        for who in 0..self.nodes.len() as u32 {
            if self.nodes[who as usize].is_on() {
                self.bill(who);
            }
        }
    }

    /// Records what a phone has spent since it was last billed.
    pub(super) fn bill(&mut self, who: u32) {
        let now = self.now;
        let profile = self.world.people()[who as usize].profile;
        let node = &mut self.nodes[who as usize];
        let passed = now.saturating_sub(node.billed);
        node.charge_scan(now);
        node.advertising_turns(now, node.advertising);
        let on_ms = passed.as_millis() as u64;
        node.charge_links(now);
        let mut spent = std::mem::take(&mut node.spent);
        node.billed = now;
        if on_ms == 0 {
            return;
        }
        spent.on_ms = on_ms;
        spent.profile_ms[profile as usize] = on_ms;
        self.record(who, What::Spent(Box::new(spent)));
    }

    pub(super) fn place_record(&self, who: u32) -> (i32, i32) {
        let at = self.world.position(who, self.now);
        (decimetres(at.x), decimetres(at.y))
    }
}
