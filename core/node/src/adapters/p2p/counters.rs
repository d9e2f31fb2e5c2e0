//! What the network refused or gave up, counted by kind.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters, as the adapter's parts write them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) refused_substreams: AtomicU64,
    pub(super) refused_incoming: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) unsupported: AtomicU64,
    pub(super) overflows: AtomicU64,
    pub(super) dropped_commands: AtomicU64,
    pub(super) dropped_gossip: AtomicU64,
}

/// A reading of the counters, since the network started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct P2pCounters {
    /// `link/1` substreams that were a second one or came from the wrong side.
    pub refused_substreams: u64,
    /// Incoming connections that failed or were refused by a limit.
    pub refused_incoming: u64,
    /// Links closed for broken framing.
    pub malformed: u64,
    /// Connections closed because the other end does not speak `link/1`.
    pub unsupported: u64,
    /// Links closed because more was queued than they may hold.
    pub overflows: u64,
    /// Publications and judgements dropped because the command queue was full.
    pub dropped_commands: u64,
    /// Gossip messages ignored because too many were waiting for the node; they come over a link.
    pub dropped_gossip: u64,
}

impl Counters {
    pub(super) fn read(&self) -> P2pCounters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        P2pCounters {
            refused_substreams: read(&self.refused_substreams),
            refused_incoming: read(&self.refused_incoming),
            malformed: read(&self.malformed),
            unsupported: read(&self.unsupported),
            overflows: read(&self.overflows),
            dropped_commands: read(&self.dropped_commands),
            dropped_gossip: read(&self.dropped_gossip),
        }
    }
}
