//! Nodes on one network in virtual time: mDNS delays as measured, dials that take 30 ms (must-show b).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use sovereign_protocol::{
    id::{DiscoveryId, TransportId},
    link_kind::Source,
    policy::dial::{Config, DialPolicy, Effect, Event, RING_SIDE, Sighting},
};

const DIAL: u64 = 30;

/// What is to happen, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Start(usize),
    Sight { who: usize, sees: usize },
    Connect { dialer: usize, listener: usize },
    Look(usize),
}

struct Lan {
    nodes: Vec<Option<DialPolicy>>,
    keys: Vec<TransportId>,
    rng: ChaCha12Rng,
    todo: BTreeSet<(u64, u64, What)>,
    count: u64,
    /// When each pair was linked, the lower number first; how many connections were made in all.
    linked: BTreeMap<(usize, usize), u64>,
    connections: usize,
    /// Milliseconds from a node's start until others hear its announcement, and until it hears of others.
    heard_after: (u64, u64),
    sees_after: (u64, u64),
}

fn transport(seed: u64, node: usize) -> TransportId {
    TransportId(Sha256::digest([seed.to_be_bytes(), node.to_be_bytes()].concat()).into())
}

fn discovery(transport: &TransportId) -> DiscoveryId {
    let hash: [u8; 32] = Sha256::digest(transport.0).into();
    DiscoveryId(hash[..8].try_into().expect("8 of 32 bytes"))
}

impl Lan {
    fn new(seed: u64, count: usize, heard_after: (u64, u64)) -> Self {
        Self {
            nodes: (0..count).map(|_| None).collect(),
            keys: (0..count).map(|node| transport(seed, node)).collect(),
            rng: ChaCha12Rng::seed_from_u64(seed),
            todo: BTreeSet::new(),
            count: 0,
            linked: BTreeMap::new(),
            connections: 0,
            heard_after,
            sees_after: (20, 70),
        }
    }

    fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.rng.next_u64() % (most - least + 1)
    }

    fn plan(&mut self, at: u64, what: What) {
        self.count += 1;
        self.todo.insert((at, self.count, what));
    }

    /// Runs what happens up to this millisecond.
    fn run(&mut self, until: u64) {
        while let Some(next) = self.todo.first().copied().filter(|(at, ..)| *at <= until) {
            self.todo.remove(&next);
            self.happen(next.0, next.2);
        }
    }

    fn happen(&mut self, at: u64, what: What) {
        match what {
            What::Start(node) => {
                self.nodes[node] = Some(DialPolicy::new(Config::default(), &mut self.rng));
                let transport = self.keys[node];
                let announced = Event::Announced {
                    transport,
                    discovery: discovery(&transport),
                };
                self.tell(node, at, announced);
                for other in (0..self.nodes.len()).filter(|other| *other != node) {
                    let (sees, heard) = (
                        self.between(self.sees_after),
                        self.between(self.heard_after),
                    );
                    if self.nodes[other].is_some() {
                        self.plan(
                            at + sees,
                            What::Sight {
                                who: node,
                                sees: other,
                            },
                        );
                    }
                    // Whoever starts before the announcement hears it too.
                    self.plan(
                        at + heard,
                        What::Sight {
                            who: other,
                            sees: node,
                        },
                    );
                }
            }
            What::Sight { who, sees } => {
                let sighting = Sighting {
                    transport: self.keys[sees],
                    discovery: discovery(&self.keys[sees]),
                    source: Source(sees as u64),
                    endpoints: 1,
                };
                self.tell(who, at, Event::Sighted(sighting));
            }
            What::Connect { dialer, listener } => {
                self.connections += 1;
                let keys = [self.keys[dialer], self.keys[listener]];
                let now = Duration::from_millis(at);
                let up = |peer, source| Event::LinkUp {
                    peer,
                    source: Source(source as u64),
                };
                self.tell(dialer, at, up(keys[1], listener));
                let admitted = self.nodes[listener].as_ref().is_some_and(|policy| {
                    policy.admit(&keys[0], Source(dialer as u64), now).is_ok()
                });
                if !admitted {
                    self.tell(
                        dialer,
                        at,
                        Event::LinkDown {
                            peer: keys[1],
                            refused: true,
                        },
                    );
                    return;
                }
                let pair = (dialer.min(listener), dialer.max(listener));
                self.linked.entry(pair).or_insert(at);
                self.tell(listener, at, up(keys[0], dialer));
            }
            What::Look(node) => self.tell(node, at, Event::Timer),
        }
    }

    fn tell(&mut self, node: usize, at: u64, event: Event) {
        let Some(policy) = &mut self.nodes[node] else {
            return;
        };
        let effects = policy.handle(event, Duration::from_millis(at), &mut self.rng);
        if let Some(timer) = policy.poll_timeout() {
            let timer = u64::try_from(timer.as_micros())
                .expect("a short run")
                .div_ceil(1_000);
            self.plan(timer.max(at + 1), What::Look(node));
        }
        for Effect::Dial(peer) in effects {
            let listener = self.keys.iter().position(|key| *key == peer);
            let listener = listener.expect("only nodes of the network are sighted");
            self.plan(
                at + DIAL,
                What::Connect {
                    dialer: node,
                    listener,
                },
            );
        }
    }

    fn pairs(&self) -> usize {
        self.nodes.len() * (self.nodes.len() - 1) / 2
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Starts `count` nodes within 100 ms; returns when the last pair was linked, and the connections made.
fn cold_start(seed: u64, count: usize, heard_after: (u64, u64)) -> (u64, usize) {
    let mut lan = Lan::new(seed, count, heard_after);
    for node in 0..count {
        let at = 1_000 + lan.between((0, 100));
        lan.plan(at, What::Start(node));
    }
    lan.run(20_000);
    assert_eq!(lan.linked.len(), lan.pairs());
    (
        lan.linked.values().max().copied().unwrap_or(0) - 1_000,
        lan.connections,
    )
}

#[test]
fn a_cold_start_links_all_pairs_once_within_a_second_and_a_half() {
    for seed in 0..50 {
        let (last, connections) = cold_start(seed, 4, (20, 70));
        assert!(last <= 600, "seed {seed}: {last} ms");
        assert_eq!(connections, 6, "seed {seed}");
        // Announcements that probe first (RFC 6762, 8.1).
        let (last, _) = cold_start(seed, 4, (770, 850));
        assert!(last <= 1_300, "seed {seed}: {last} ms");
    }
}

/// A newcomer among `count` nodes that have long been there: how long until each of its links.
fn newcomer(seed: u64, count: usize, heard_after: (u64, u64)) -> (Vec<u64>, usize) {
    let mut lan = Lan::new(seed, count + 1, heard_after);
    for node in 0..count {
        lan.plan(0, What::Start(node));
    }
    lan.run(60_000);
    let before = lan.connections;
    lan.plan(60_000, What::Start(count));
    lan.run(80_000);
    let waits = lan.linked.iter().filter(|((_, other), _)| *other == count);
    (
        waits.map(|(_, at)| at - 60_000).collect(),
        lan.connections - before,
    )
}

#[test]
fn a_newcomer_is_linked_within_half_a_second() {
    let (mut quick, mut probing) = (Vec::new(), Vec::new());
    for seed in 0..50 {
        let (waits, connections) = newcomer(seed, 3, (20, 70));
        assert_eq!(
            (waits.len(), connections),
            (3, 3),
            "seed {seed}: none is dialled twice"
        );
        quick.extend(waits);
        // Nobody hears of it until it has probed, or ever.
        let (waits, _) = newcomer(seed, 3, (770, 850));
        assert_eq!(waits.len(), 3);
        probing.extend(waits);
        let (waits, _) = newcomer(seed, 3, (1_000_000, 1_000_001));
        probing.extend(waits);
    }
    assert!(quick.iter().all(|wait| *wait <= 100));
    assert!(probing.iter().all(|wait| *wait <= 400));
    assert!(median(quick) <= 80);
    assert!(median(probing) <= 250);
}

#[test]
fn a_crowd_is_connected_with_a_bounded_number_of_links() {
    let mut lan = Lan::new(1, 64, (20, 70));
    for node in 0..64 {
        let at = lan.between((0, 5_000));
        lan.plan(at, What::Start(node));
    }
    lan.run(30_000);
    let mut reached = BTreeSet::from([0]);
    while let Some(more) =
        lan.linked
            .keys()
            .find_map(|(a, b)| match (reached.contains(a), reached.contains(b)) {
                (true, false) => Some(*b),
                (false, true) => Some(*a),
                _ => None,
            })
    {
        reached.insert(more);
    }
    assert_eq!(reached.len(), 64);
    let links =
        lan.linked
            .keys()
            .flat_map(|(a, b)| [*a, *b])
            .fold(BTreeMap::new(), |mut links, node| {
                *links.entry(node).or_insert(0) += 1;
                links
            });
    let (least, most) = (links.values().min(), links.values().max());
    assert!(
        least >= Some(&16) && most <= Some(&(48 + 2 * RING_SIDE)),
        "{least:?} {most:?}"
    );
    let mean = 2 * lan.linked.len() / 64;
    assert!((24..=48).contains(&mean), "{mean}");
}
