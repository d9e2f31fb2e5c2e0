//! Schemes of the literature in the same world: on links, where one transmission reaches one neighbour and
//! what is lost is sent again, and on a broadcast medium, where it reaches each of them with some luck.
//!
//! There are no collisions and no costs but transmissions: what these schemes need here they need at least.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand_chacha::{ChaCha8Rng, rand_core::Rng as _};

use super::graph::Graph;

/// How long a node waits before it decides whether to send, at most, in milliseconds; drawn evenly.
const WAIT_MS: u64 = 1_000;
/// From a transmission to its arrival.
const HOP_MS: u64 = 40;

/// What became of one message.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Spread {
    /// Bodies sent: over links each to one neighbour, by broadcast each once to all.
    pub(crate) bodies: u64,
    /// Transmissions on air, repeated ones and requests for repair included.
    pub(crate) on_air: u64,
    /// Bodies that came to somebody who had it.
    pub(crate) again: u64,
    /// Who had it in the end, its author included.
    pub(crate) reached: u64,
    /// When 99 in a hundred had it.
    pub ms_to_99: Option<u64>,
}

/// Whether something happens that does with this probability.
pub(crate) fn lucky(chance: f64, rng: &mut ChaCha8Rng) -> bool {
    // 53 bits make a number from 0 to below 1.
    ((rng.next_u64() >> 11) as f64) / ((1_u64 << 53) as f64) < chance
}

struct Front<'a> {
    graph: &'a Graph,
    has: Vec<bool>,
    spread: Spread,
    most: u64,
}

impl<'a> Front<'a> {
    fn new(graph: &'a Graph, from: u32) -> Self {
        let most = graph.reachable(from).iter().filter(|can| **can).count() as u64;
        let mut has = vec![false; graph.people()];
        has[from as usize] = true;
        let spread = Spread {
            reached: 1,
            ..Spread::default()
        };
        Self {
            graph,
            has,
            spread,
            most,
        }
    }

    /// It came to somebody; whether it was new there.
    fn takes(&mut self, who: u32, now: u64) -> bool {
        if std::mem::replace(&mut self.has[who as usize], true) {
            self.spread.again += 1;
            return false;
        }
        self.spread.reached += 1;
        if self.covered(0.99) {
            self.spread.ms_to_99.get_or_insert(now);
        }
        true
    }

    fn covered(&self, share: f64) -> bool {
        self.spread.reached as f64 >= share * self.most as f64
    }

    /// Sends once to all; who got it anew.
    fn broadcast(
        &mut self,
        from: u32,
        now: u64,
        loss: f64,
        rng: &mut ChaCha8Rng,
    ) -> Vec<(u32, bool)> {
        self.spread.bodies += 1;
        self.spread.on_air += 1;
        let mut came = Vec::new();
        for to in &self.graph.neighbours[from as usize] {
            if !lucky(loss, rng) {
                let new = self.takes(*to, now);
                came.push((*to, new));
            }
        }
        came
    }
}

/// Plain flooding over links: whoever gets it sends it to all neighbours but the one it came from.
pub(crate) fn flood_links(graph: &Graph, from: u32, loss: f64, rng: &mut ChaCha8Rng) -> Spread {
    let mut front = Front::new(graph, from);
    // Arrivals: when, at whom, from whom.
    let mut queue = BinaryHeap::new();
    let mut sender = Some((0, from, from));
    loop {
        if let Some((now, at, giver)) = sender {
            let others = graph.neighbours[at as usize].iter();
            for to in others.filter(|to| **to != giver) {
                let mut there = now + HOP_MS;
                front.spread.bodies += 1;
                front.spread.on_air += 1;
                while lucky(loss, rng) {
                    front.spread.on_air += 1;
                    there += HOP_MS;
                }
                queue.push(Reverse((there, *to, at)));
            }
        }
        let Some(Reverse((now, at, giver))) = queue.pop() else {
            return front.spread;
        };
        sender = front.takes(at, now).then_some((now, at, giver));
    }
}

/// Who sends on what it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Everybody, once.
    Flood,
    /// Whoever has heard it less than so many times when its wait is over (S.-Y. Ni and others, "The Broadcast
    /// Storm Problem in a Mobile Ad Hoc Network", MobiCom 1999, counter-based).
    Counter(u32),
    /// Whoever has a neighbour that none of those it heard it from has as neighbour (W. Peng, X.-C. Lu, "On the
    /// Reduction of Broadcast Redundancy in Mobile Ad Hoc Networks", MobiHoc 2000). It takes each who was in
    /// reach of a transmission for served.
    Neighbours,
}

/// A broadcast that is not repaired, and then the repair up to a share of those who can be reached.
pub(crate) fn broadcast(
    graph: &Graph,
    from: u32,
    loss: f64,
    rule: Rule,
    repair_to: f64,
    rng: &mut ChaCha8Rng,
) -> (Spread, Spread) {
    let mut front = Front::new(graph, from);
    let mut heard = vec![0_u32; graph.people()];
    let mut unserved: Vec<Vec<u32>> = graph.neighbours.clone();
    let mut queue = BinaryHeap::from([Reverse((0, from))]);
    let mut last = 0;
    while let Some(Reverse((now, at))) = queue.pop() {
        last = now + HOP_MS;
        let sends = at == from
            || match rule {
                Rule::Flood => true,
                Rule::Counter(most) => heard[at as usize] < most,
                Rule::Neighbours => !unserved[at as usize].is_empty(),
            };
        if !sends {
            continue;
        }
        for (to, new) in front.broadcast(at, now + HOP_MS, loss, rng) {
            heard[to as usize] += 1;
            let near = &graph.neighbours[at as usize];
            unserved[to as usize]
                .retain(|other| *other != at && near.binary_search(other).is_err());
            if new {
                queue.push(Reverse((now + HOP_MS + rng.next_u64() % WAIT_MS, to)));
            }
        }
    }
    let plain = front.spread;
    repair(&mut front, last, loss, repair_to, rng);
    (plain, front.spread)
}

/// Reconciliation on a broadcast medium: every second whoever has heard from a neighbour that it has more (in what
/// neighbours send anyway) asks it; the asked one sends to all. Requests and answers may be lost.
fn repair(front: &mut Front<'_>, mut now: u64, loss: f64, share: f64, rng: &mut ChaCha8Rng) {
    while !front.covered(share) {
        now += WAIT_MS;
        let mut asked = Vec::new();
        for who in 0..front.graph.people() as u32 {
            if front.has[who as usize] {
                continue;
            }
            let near = &front.graph.neighbours[who as usize];
            let with: Vec<u32> = near
                .iter()
                .copied()
                .filter(|one| front.has[*one as usize])
                .collect();
            let Some(place) = (rng.next_u64() as usize).checked_rem(with.len()) else {
                continue;
            };
            front.spread.on_air += 1;
            if !lucky(loss, rng) {
                asked.push(with[place]);
            }
        }
        asked.sort_unstable();
        asked.dedup();
        for giver in asked {
            front.broadcast(giver, now, loss, rng);
        }
    }
}

/// No protocol: somebody who sees everything picks, again and again, the one of those who have it that has most
/// neighbours without it (greedy set cover with feedback). About the least that a broadcast medium needs.
pub(crate) fn oracle(
    graph: &Graph,
    from: u32,
    loss: f64,
    share: f64,
    rng: &mut ChaCha8Rng,
) -> Spread {
    let mut front = Front::new(graph, from);
    let mut now = 0;
    while !front.covered(share) {
        let lacking = |who: &u32| {
            let near = &graph.neighbours[*who as usize];
            near.iter().filter(|one| !front.has[**one as usize]).count()
        };
        let holders = (0..graph.people() as u32).filter(|who| front.has[*who as usize]);
        let Some(best) = holders.max_by_key(lacking) else {
            break;
        };
        now += HOP_MS;
        front.broadcast(best, now, loss, rng);
    }
    front.spread
}
