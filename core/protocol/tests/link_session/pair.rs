//! Two sessions back to back over a queue that loses nothing, with exact counts of bytes.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use sovereign_protocol::{
    id::{ContentId, TransportId},
    link::{
        Incoming, Output, SLOW_CREDIT, Session, SessionConfig, WIDE_CREDIT, frame::LENGTH_PREFIX,
    },
    link_kind::Role,
    time::Now,
    wire::v1::CloseReason,
};

pub(crate) const START: Now = Now {
    boot: Duration::from_secs(1_000),
    wall_ms: 1_790_000_000_000,
};

pub(crate) fn at(ms: u64) -> Now {
    START.after(Duration::from_millis(ms))
}

pub(crate) fn config(role: Role, slow: bool) -> SessionConfig {
    let (local, remote) = match role {
        Role::Dialer => (1, 2),
        Role::Listener => (2, 1),
    };
    SessionConfig {
        discovery: None,
        role,
        local: TransportId([local; 32]),
        remote: TransportId([remote; 32]),
        nonce: [local + 2; 16],
        capabilities: 3,
        slow,
        credit: if slow { SLOW_CREDIT } else { WIDE_CREDIT },
    }
}

/// A bundle's body, recognisable by its first byte.
pub(crate) fn body(number: u8, size: usize) -> Bytes {
    vec![number; size].into()
}

pub(crate) fn content(number: u8) -> ContentId {
    ContentId([number; 32])
}

/// One side: a session, the bodies it can provide, and what its frames meant.
pub(crate) struct Side {
    pub(crate) session: Session,
    pub(crate) bodies: Vec<(u8, usize)>,
    pub(crate) heard: Vec<Incoming>,
    pub(crate) closed: Option<CloseReason>,
    /// Whether received bundles are reported as consumed at once.
    pub(crate) consumes: bool,
    /// Bytes in the adapter, and the most there ever were.
    pub(crate) adapter: usize,
    pub(crate) most_in_adapter: usize,
}

impl Side {
    pub(crate) fn new(role: Role, slow: bool) -> Self {
        Self {
            session: Session::new(config(role, slow), START),
            bodies: Vec::new(),
            heard: Vec::new(),
            closed: None,
            consumes: true,
            adapter: 0,
            most_in_adapter: 0,
        }
    }

    pub(crate) fn offer(&mut self, number: u8, size: usize) {
        self.bodies.push((number, size));
        let size = size as u32;
        self.session.offer_bundle(content(number), size, None);
    }

    /// The frames that can leave now.
    pub(crate) fn frames(&mut self, now: Now) -> Vec<Bytes> {
        let mut frames = Vec::new();
        loop {
            match self.session.poll(now) {
                Output::Frame(frame) => {
                    self.adapter += frame.len();
                    self.most_in_adapter = self.most_in_adapter.max(self.adapter);
                    frames.push(frame);
                }
                Output::NeedBody(id) => {
                    let found = self
                        .bodies
                        .iter()
                        .find(|(number, _)| content(*number) == id);
                    let found = found.map(|(number, size)| (body(*number, *size), 5, 60));
                    self.session.provide(id, found);
                }
                Output::Idle => return frames,
            }
        }
    }

    pub(crate) fn take(&mut self, frame: &[u8], now: Now) {
        match self.session.receive(frame, now) {
            Ok(Some(incoming)) => {
                if let (Incoming::Bundle { bytes, .. }, true) = (&incoming, self.consumes) {
                    self.session.consumed(bytes.len() as u32);
                }
                self.heard.push(incoming);
            }
            Ok(None) => {}
            Err(reason) => self.closed = Some(reason),
        }
    }

    /// The first bytes of the bundles that came in.
    pub(crate) fn bundles(&self) -> Vec<u8> {
        let number = |incoming: &Incoming| match incoming {
            Incoming::Bundle { bytes, .. } => Some(bytes[0]),
            _ => None,
        };
        self.heard.iter().filter_map(number).collect()
    }
}

/// Two sides and what is on the way.
pub(crate) struct Pair {
    pub(crate) dialer: Side,
    pub(crate) listener: Side,
    pub(crate) now: Now,
    /// Bytes of frames and their lengths, both ways.
    pub(crate) bytes: usize,
    /// Runs of frames that one side had ready at once: what leaves in one write each.
    pub(crate) writes: usize,
}

impl Pair {
    pub(crate) fn new(slow: bool) -> Self {
        Self {
            dialer: Side::new(Role::Dialer, slow),
            listener: Side::new(Role::Listener, slow),
            now: START,
            bytes: 0,
            writes: 0,
        }
    }

    /// Both Hello exchanged.
    pub(crate) fn ready(slow: bool) -> Self {
        Self::new(slow).greeted()
    }

    /// Both Hello exchanged, over a slow link with windows of this many bytes.
    pub(crate) fn ready_with(credit: u32) -> Self {
        let mut pair = Self::new(true);
        for (side, role) in [
            (&mut pair.dialer, Role::Dialer),
            (&mut pair.listener, Role::Listener),
        ] {
            let config = SessionConfig {
                credit,
                ..config(role, true)
            };
            side.session = Session::new(config, START);
        }
        pair.greeted()
    }

    fn greeted(mut self) -> Self {
        let pair = &mut self;
        pair.dialer.session.start();
        pair.listener.session.start();
        pair.settle();
        assert!(pair.dialer.session.is_ready() && pair.listener.session.is_ready());
        pair.dialer.heard.clear();
        pair.listener.heard.clear();
        self
    }

    /// Moves what one side has ready to the other, frame by frame as an adapter would. Returns the bytes.
    pub(crate) fn step(&mut self, from_dialer: bool) -> usize {
        let (from, to) = if from_dialer {
            (&mut self.dialer, &mut self.listener)
        } else {
            (&mut self.listener, &mut self.dialer)
        };
        let frames: VecDeque<Bytes> = from.frames(self.now).into();
        let bytes = frames.iter().map(|frame| frame.len() + LENGTH_PREFIX).sum();
        self.writes += usize::from(!frames.is_empty());
        for frame in frames {
            from.adapter -= frame.len();
            from.session.sent(frame.len(), self.now);
            to.take(&frame, self.now);
        }
        self.bytes += bytes;
        bytes
    }

    /// Until neither side has anything to say.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            if self.step(true) + self.step(false) == 0 {
                return;
            }
        }
        panic!("the two sides never come to rest");
    }
}
