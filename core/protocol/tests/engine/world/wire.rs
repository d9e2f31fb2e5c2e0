//! Links of the virtual world: ordered queues with latency, bandwidth and the network port's caps.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use sovereign_protocol::{
    id::LinkId,
    link::{
        SLOW_QUEUE, WIDE_QUEUE,
        frame::{self, Body, LENGTH_PREFIX},
    },
    link_kind::Medium,
};

/// What a link is like.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    pub latency: Duration,
    pub bytes_per_s: u64,
    pub medium: Medium,
}

impl Profile {
    /// A local network: 1 ms, 10 MB/s.
    pub const LAN: Self = Self {
        latency: Duration::from_millis(1),
        bytes_per_s: 10_000_000,
        medium: Medium::Lan,
    };
    /// A wide link that is narrow: 20 ms, 20 kB/s.
    pub const NARROW: Self = Self {
        latency: Duration::from_millis(20),
        bytes_per_s: 20_000,
        medium: Medium::Lan,
    };
    /// Bluetooth LE: 30 ms, 20 kB/s, and the short queue of a slow link.
    pub const RADIO: Self = Self {
        latency: Duration::from_millis(30),
        bytes_per_s: 20_000,
        medium: Medium::Ble,
    };

    /// Bytes of frames that may wait in the adapter.
    pub const fn queue_cap(&self) -> usize {
        if self.medium.is_slow() {
            SLOW_QUEUE
        } else {
            WIDE_QUEUE
        }
    }

    pub fn airtime(&self, frame: &Bytes) -> Duration {
        let bytes = (frame.len() + LENGTH_PREFIX) as u64;
        Duration::from_nanos(bytes * 1_000_000_000 / self.bytes_per_s)
    }
}

/// Who is at an end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    Node(usize, LinkId),
    Puppet(usize),
}

/// What crossed in one direction; bytes include each frame's length.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    pub frames: u64,
    pub bytes: u64,
    /// Bundles begun.
    pub bodies: u64,
    /// Bytes of their data.
    pub body_bytes: u64,
    pub kinds: BTreeMap<&'static str, (u64, u64)>,
}

impl Traffic {
    fn count(&mut self, frame: &Bytes) {
        let bytes = (frame.len() + LENGTH_PREFIX) as u64;
        self.frames += 1;
        self.bytes += bytes;
        let kind = match frame::decode(frame) {
            Ok(Body::Part(part)) => {
                self.bodies += u64::from(part.total != 0);
                self.body_bytes += part.data.len() as u64;
                "part"
            }
            Ok(Body::Hello(_)) => "hello",
            Ok(Body::Summary(_)) => "summary",
            Ok(Body::Symbols(_)) => "symbols",
            Ok(Body::More(_)) => "more",
            Ok(Body::Want(_)) => "want",
            Ok(Body::Gone(_)) => "gone",
            Ok(Body::Have(_)) => "have",
            Ok(Body::Done(_)) => "done",
            Ok(Body::Credit(_)) => "credit",
            Ok(Body::Membership(_)) => "membership",
            Ok(Body::Delivered(_)) => "delivered",
            Ok(Body::Close(_)) => "close",
            Ok(Body::Extension(_)) => "extension",
            Ok(Body::Ping(_)) => "ping",
            Ok(Body::Pong(_)) => "pong",
            Err(_) => "broken",
        };
        let entry = self.kinds.entry(kind).or_default();
        entry.0 += 1;
        entry.1 += bytes;
    }

    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.bodies += other.bodies;
        self.body_bytes += other.body_bytes;
        for (kind, (frames, bytes)) in &other.kinds {
            let entry = self.kinds.entry(kind).or_default();
            entry.0 += frames;
            entry.1 += bytes;
        }
    }
}

/// One direction of a link.
#[derive(Debug, Default)]
pub struct Direction {
    pub queue: VecDeque<Bytes>,
    queued: usize,
    pub sending: bool,
    /// The sender has closed: what is queued still leaves, then the link ends.
    pub closing: bool,
    pub traffic: Traffic,
}

/// A link between two ends; direction `i` is sent by end `i`.
#[derive(Debug)]
pub struct Wire {
    pub ends: [End; 2],
    pub profile: Profile,
    pub directions: [Direction; 2],
    /// Nothing arrives any more.
    pub pulled: bool,
}

impl Wire {
    pub fn new(ends: [End; 2], profile: Profile) -> Self {
        Self {
            ends,
            profile,
            directions: Default::default(),
            pulled: false,
        }
    }

    /// Queues a frame as the adapter does: above its cap is a bug of the sender.
    pub fn push(&mut self, side: usize, frame: Bytes) {
        let cap = self.profile.queue_cap();
        let direction = &mut self.directions[side];
        direction.queued += frame.len();
        let honest = matches!(self.ends[side], End::Node(..));
        assert!(
            !honest || direction.queued <= cap,
            "{} bytes in an adapter of {cap}",
            direction.queued
        );
        direction.queue.push_back(frame);
    }

    /// The frame at the front has been transmitted.
    pub fn transmitted(&mut self, side: usize) -> Option<Bytes> {
        let direction = &mut self.directions[side];
        let frame = direction.queue.pop_front()?;
        direction.queued -= frame.len();
        direction.traffic.count(&frame);
        Some(frame)
    }

    /// Both directions together.
    pub fn traffic(&self) -> Traffic {
        let mut sum = self.directions[0].traffic.clone();
        sum.add(&self.directions[1].traffic);
        sum
    }
}
