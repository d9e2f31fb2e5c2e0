//! What is planned, in the order of time, and at one instant in the order of planning.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::wire::WireId;

/// Something planned. Most of it is void when it comes and the node does not wait for it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A node asked to be woken.
    Timeout(u32),
    /// A node's writes are on its disk.
    Durable(u32),
    /// A node's scan is evaluated.
    Round(u32),
    /// What a scan heard that has ended.
    Heard(u32),
    /// A node becomes another one on the air.
    Turn(u32),
    /// What became of a node's dial.
    Dialled(u32, u64),
    /// A wide dial has found its node.
    Reached(u32, u32),
    /// The frame at the front of a direction has left, and is there.
    Frame(WireId, u8),
    /// A direction has carried all there was, and its sender has closed.
    Closed(WireId, u8),
    /// An end finds out that the wire is gone.
    Gone(WireId, u8),
    /// Whether the ends of a wire still hear each other.
    Look(WireId),
    /// Somebody on the way is somewhere else by now.
    Step(u32),
    /// Somebody is seen on a local network or the Internet.
    Seen(u32, u32),
    /// A flooder speaks.
    Flood(u32),
    /// What phones spent is recorded.
    Bill,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    serial: u64,
}

impl Queue {
    pub(super) fn plan(&mut self, at: Duration, event: Event) {
        self.serial += 1;
        self.heap.push(Reverse((at, self.serial, event)));
    }

    pub(super) fn next_time(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(Duration, Event)> {
        self.heap.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
