//! What the dashboard did, so that its cost can be seen and tested.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde::Serialize;

/// Counts since the start.
#[derive(Debug, Clone, Default)]
pub struct Counters(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    logins: AtomicU64,
    refused: AtomicU64,
    limited: AtomicU64,
    live: AtomicU64,
    pushes: AtomicU64,
    panel_pushes: AtomicU64,
    bytes: AtomicU64,
}

/// A reading of the counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Codes that were right.
    pub logins: u64,
    /// Requests refused: wrong Host, Origin, code, or no session.
    pub refused: u64,
    /// Requests answered 429.
    pub limited: u64,
    /// Pages that became live.
    pub live: u64,
    /// Pushes of events.
    pub pushes: u64,
    /// Pushes to an open developer panel.
    pub panel_pushes: u64,
    /// Bytes of all messages to pages, as JSON.
    pub bytes: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    Login,
    Refused,
    Limited,
    Live,
    Push,
    PanelPush,
}

impl Counters {
    /// The present counts.
    #[must_use]
    pub fn read(&self) -> Reading {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            logins: read(&self.0.logins),
            refused: read(&self.0.refused),
            limited: read(&self.0.limited),
            live: read(&self.0.live),
            pushes: read(&self.0.pushes),
            panel_pushes: read(&self.0.panel_pushes),
            bytes: read(&self.0.bytes),
        }
    }

    pub(crate) fn count(&self, what: Count) {
        let counter = match what {
            Count::Login => &self.0.logins,
            Count::Refused => &self.0.refused,
            Count::Limited => &self.0.limited,
            Count::Live => &self.0.live,
            Count::Push => &self.0.pushes,
            Count::PanelPush => &self.0.panel_pushes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
