//! A world of engines in virtual time, without I/O: nodes over a model of their store, links with
//! latency, bandwidth and the network port's caps, crashes, full disks, wrong clocks. One seed, one
//! run. What people were promised is kept in a [`ledger`], the reference.
#![allow(unreachable_pub, reason = "nobody but these tests sees the world")]

pub mod air;
pub mod ledger;
pub mod liar;
pub mod node;
pub mod people;
pub mod puppet;
pub mod wire;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use sovereign_protocol::{
    engine::{Effect, Input, Judgement, PersistOutcome, Token},
    id::{ContentId, LinkId},
};

use self::{
    ledger::Ledger,
    node::{Node, Setup},
    puppet::Puppet,
    wire::{End, Wire},
};

/// Time-outs of one node at one instant: more is a spin.
const MOST_TIMEOUTS: u32 = 1_000;

/// Seconds of virtual time.
pub const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Milliseconds of virtual time.
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[derive(Debug)]
enum Event {
    /// The frame at the front of a direction has left.
    Transmitted {
        wire: u64,
        side: usize,
    },
    Deliver {
        wire: u64,
        to: usize,
        frame: Bytes,
    },
    /// The sender has closed, and all it said has arrived.
    Closed {
        wire: u64,
        to: usize,
    },
    /// A node finds out that its link is gone.
    Down {
        node: usize,
        life: u32,
        link: LinkId,
    },
    Durable {
        node: usize,
        life: u32,
    },
    Loaded {
        node: usize,
        life: u32,
        link: LinkId,
        content: ContentId,
    },
    Timeout {
        node: usize,
        life: u32,
    },
    Gossip {
        node: usize,
        life: u32,
        data: Bytes,
    },
    PuppetTurn {
        puppet: usize,
    },
}

/// The world.
pub struct World {
    pub now: Duration,
    pub nodes: Vec<Node>,
    pub puppets: Vec<Puppet>,
    pub wires: BTreeMap<u64, Wire>,
    /// Traffic of wires that are gone.
    pub past: wire::Traffic,
    pub ledger: Ledger,
    pub rng: ChaCha8Rng,
    /// How long a node takes to find out that a link broke, at most.
    pub detection: Duration,
    /// Events handled: what a run cost.
    pub events: u64,
    /// Whether invariants are checked after each step.
    pub checked: bool,
    queue: BTreeMap<(Duration, u64), Event>,
    seed: u64,
    serial: u64,
    timeouts: (Duration, u32),
}

impl World {
    pub fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            nodes: Vec::new(),
            puppets: Vec::new(),
            wires: BTreeMap::new(),
            past: wire::Traffic::default(),
            ledger: Ledger::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            detection: Duration::ZERO,
            events: 0,
            checked: false,
            queue: BTreeMap::new(),
            seed,
            serial: 0,
            timeouts: (Duration::ZERO, 0),
        }
    }

    /// Adds a node and starts it.
    pub fn add(&mut self, setup: Setup) -> usize {
        let index = self.nodes.len();
        let mut node = Node::new(index, setup, self.seed);
        node.start(self.now);
        self.nodes.push(node);
        self.after(index);
        index
    }

    pub fn add_many(&mut self, count: usize) -> Vec<usize> {
        (0..count).map(|_| self.add(Setup::default())).collect()
    }

    /// A number below `bound`.
    pub fn draw(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    /// Ends a node as `kill -9` does: a part of what is on its way to the disk, in order, may have
    /// got there; the node never heard of it.
    pub fn crash(&mut self, node: usize) {
        let kept = self.draw(self.nodes[node].in_flight.len() as u64 + 1) as usize;
        let victim = &mut self.nodes[node];
        victim.engine = None;
        victim.life += 1;
        victim.timer = None;
        victim.awaited.clear();
        victim.joining.clear();
        victim.topics.clear();
        victim.admitted.clear();
        let in_flight = core::mem::take(&mut victim.in_flight);
        if !victim.full {
            for (_, _, ops) in in_flight.into_iter().take(kept) {
                victim.tables.apply(ops);
            }
        }
        let wires: Vec<u64> = victim.links.values().copied().collect();
        victim.links.clear();
        for wire in wires {
            self.cut(wire);
        }
    }

    /// Starts it again, after a reboot if `reboot`.
    pub fn restart(&mut self, node: usize, reboot: bool) {
        if reboot {
            let mut id = [0; 16];
            self.rng.fill_bytes(&mut id);
            self.nodes[node].boot_id = id;
        }
        self.nodes[node].start(self.now);
        self.after(node);
    }

    /// Runs for a time.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = next;
            self.step();
        }
        self.now = end;
    }

    /// Runs until it holds, and returns how long that took; `None` if it did not within `limit`.
    pub fn run_until(
        &mut self,
        limit: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> Option<Duration> {
        let (begin, end) = (self.now, self.now + limit);
        while !holds(self) {
            let Some(next) = self.next_event().filter(|next| *next <= end) else {
                self.now = end;
                return None;
            };
            self.now = next;
            self.step();
        }
        Some(self.now - begin)
    }

    pub fn next_event(&self) -> Option<Duration> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    fn step(&mut self) {
        let Some((_, event)) = self.queue.pop_first() else {
            return;
        };
        self.events += 1;
        match event {
            Event::Transmitted { wire, side } => self.transmitted(wire, side),
            Event::Deliver { wire, to, frame } => self.deliver(wire, to, frame),
            Event::Closed { wire, to } => self.closed(wire, to),
            Event::Down { node, life, link } if self.lives(node, life) => {
                self.nodes[node].links.remove(&link);
                self.nodes[node].admitted.retain(|other| *other != link);
                self.tell(node, Input::LinkDown { link });
            }
            Event::Durable { node, life } if self.lives(node, life) => self.durable(node),
            Event::Loaded {
                node,
                life,
                link,
                content,
            } if self.lives(node, life) => {
                let body = self.nodes[node].tables.bodies.get(&content).cloned();
                let input = Input::Loaded {
                    link,
                    content,
                    body,
                };
                self.tell(node, input);
            }
            Event::Timeout { node, life }
                if self.lives(node, life) && self.nodes[node].timer == Some(self.now) =>
            {
                self.nodes[node].timer = None;
                self.timeouts = match self.timeouts {
                    (at, count) if at == self.now => (at, count + 1),
                    _ => (self.now, 1),
                };
                assert!(self.timeouts.1 < MOST_TIMEOUTS, "node {node} spins");
                self.tell(node, Input::Timeout);
            }
            Event::Gossip { node, life, data } if self.lives(node, life) => {
                let token = self.next_serial();
                self.tell(node, Input::Gossip { token, data });
            }
            Event::PuppetTurn { puppet } => self.pump_puppet(puppet),
            _ => {}
        }
    }

    fn lives(&self, node: usize, life: u32) -> bool {
        self.nodes[node].life == life && self.nodes[node].engine.is_some()
    }

    /// Tells a node something, and does what it wants done.
    pub fn tell(&mut self, node: usize, input: Input) {
        let at = self.nodes[node].at(self.now);
        let target = &mut self.nodes[node];
        let Some(engine) = &mut target.engine else {
            return;
        };
        engine.handle(input, at, &mut target.rng);
        self.after(node);
    }

    /// Carries out a node's effects, and sets its alarm.
    pub fn after(&mut self, node: usize) {
        while let Some(effect) = self.nodes[node]
            .engine
            .as_mut()
            .and_then(|engine| engine.poll_effect())
        {
            self.carry_out(node, effect);
        }
        let at = self.nodes[node].at(self.now);
        let boot = self.nodes[node].setup.boot;
        let Some(due) = self.nodes[node].engine().poll_timeout(at) else {
            return;
        };
        let due = due.saturating_sub(boot).max(self.now);
        if self.nodes[node].timer.is_none_or(|timer| due < timer) {
            self.nodes[node].timer = Some(due);
            let life = self.nodes[node].life;
            self.schedule(due - self.now, Event::Timeout { node, life });
        }
        if self.checked {
            self.check_invariants(node);
        }
    }

    /// Carries out one effect.
    pub fn carry_out(&mut self, node: usize, effect: Effect) {
        let life = self.nodes[node].life;
        match effect {
            Effect::Send { link, frame } => {
                if let Some(wire) = self.nodes[node].links.get(&link).copied() {
                    self.push(wire, End::Node(node, link), frame);
                }
            }
            Effect::Close { link, .. } => {
                if let Some(wire) = self.nodes[node].links.remove(&link) {
                    self.nodes[node].admitted.retain(|other| *other != link);
                    self.close(wire, End::Node(node, link));
                }
            }
            Effect::Load { link, content } => {
                let wait = Duration::from_micros(100);
                self.schedule(
                    wait,
                    Event::Loaded {
                        node,
                        life,
                        link,
                        content,
                    },
                );
            }
            Effect::Persist { token, ops, .. } => {
                let target = &mut self.nodes[node];
                target.largest_batch = target.largest_batch.max(ops.len());
                let last = target.in_flight.back().map_or(self.now, |(at, ..)| *at);
                let due = last.max(self.now + target.setup.persist);
                target.in_flight.push_back((due, token, ops));
                self.schedule(due - self.now, Event::Durable { node, life });
            }
            Effect::AdmitToGossip { link } => self.nodes[node].admitted.push(link),
            Effect::SetTopics(topics) => self.nodes[node].topics = topics,
            Effect::Publish { topic, data } => {
                self.nodes[node].published += 1;
                self.publish(node, topic, &data);
            }
            Effect::Judge { judgement, .. } => {
                assert_ne!(judgement, Judgement::Reject, "an honest world");
            }
            Effect::Tell(tell) => self.nodes[node].tells.push(tell),
            Effect::Dial { .. } | Effect::Near(_) => {}
        }
    }

    fn durable(&mut self, node: usize) {
        let target = &mut self.nodes[node];
        let Some((_, token, ops)) = target.in_flight.pop_front() else {
            return;
        };
        let outcome = if target.full {
            target.outcomes_full += 1;
            PersistOutcome::Full
        } else {
            target.tables.apply(ops);
            PersistOutcome::Durable
        };
        self.promise(node, token, outcome);
        self.tell(node, Input::Persisted(vec![(token, outcome)]));
    }

    fn promise(&mut self, node: usize, token: Token, outcome: PersistOutcome) {
        let awaited = self.nodes[node].awaited.remove(&token);
        let joined = self.nodes[node].joining.remove(&token);
        if outcome != PersistOutcome::Durable {
            return;
        }
        if let Some(awaited) = awaited {
            self.ledger.promised(node, awaited);
        }
        if let Some(channel) = joined {
            let members = self.ledger.members.entry(channel).or_default();
            members.insert(node);
        }
    }

    /// Gossip, the short way: to every subscriber that admitted links lead to.
    fn publish(&mut self, from: usize, topic: [u8; 32], data: &Bytes) {
        let mut reached = vec![from];
        let mut at = 0;
        while let Some(node) = reached.get(at).copied() {
            at += 1;
            for link in &self.nodes[node].admitted {
                let Some(wire) = self.nodes[node].links.get(link) else {
                    continue;
                };
                let Some(wire) = self.wires.get(wire) else {
                    continue;
                };
                for end in wire.ends {
                    if let End::Node(other, _) = end
                        && !reached.contains(&other)
                        && self.nodes[other].topics.contains(&topic)
                    {
                        reached.push(other);
                    }
                }
            }
        }
        for (hops, node) in reached.into_iter().enumerate().skip(1) {
            let life = self.nodes[node].life;
            let data = data.clone();
            self.schedule(ms(3 * hops as u64), Event::Gossip { node, life, data });
        }
    }

    fn schedule(&mut self, wait: Duration, event: Event) {
        let serial = self.next_serial();
        self.queue.insert((self.now + wait, serial), event);
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
