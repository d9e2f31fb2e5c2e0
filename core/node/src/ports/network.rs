//! The network port: links that carry `link/1` frames, and the gossip fast path of wide links.
//!
//! The adapter moves frames and knows nothing of what is in them; which link to use, and whether a
//! link may stay, is decided in `sovereign-protocol`.

use std::net::SocketAddr;

use bytes::Bytes;
use sovereign_protocol::{
    id::{LinkId, TransportId},
    link_kind::{Medium, Role, Source},
};

use super::radio::RadioAddress;

/// Where a peer may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// TCP; a link-local IPv6 address carries its scope.
    Tcp(SocketAddr),
    /// QUIC version 1 over UDP.
    Quic(SocketAddr),
    /// The in-process memory transport, for tests: `true` stands for a slow, gated link.
    Memory(u64, bool),
}

/// A gossip topic: opaque bytes, HMAC of a channel key and a day (decision 10).
pub type Topic = [u8; 32];

/// Downward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkCommand {
    /// Dial a peer: the connection is refused unless the other end proves this key.
    Dial {
        /// Who must answer.
        peer: TransportId,
        /// Tried in order; at most 16.
        endpoints: Vec<Endpoint>,
    },
    /// Dial whoever has this radio address, over the radio. Answered by `Up` or `RadioDialFailed`.
    DialRadio {
        /// As sighted.
        address: RadioAddress,
    },
    /// Queue one frame (already encoded, without length prefix, at most 1 KiB).
    Send {
        /// Over which link.
        link: LinkId,
        /// The frame.
        frame: Bytes,
    },
    /// Close a link. What was queued before still leaves; what comes in is not reported any more.
    Close {
        /// Which.
        link: LinkId,
    },
    /// The peer at the end of this link proved membership of a channel: let gossip see it.
    AdmitToGossip {
        /// Link that proved it.
        link: LinkId,
    },
    /// Join exactly these topics; others are left.
    SetTopics(Vec<Topic>),
    /// Publish a bundle, anonymous.
    Publish {
        /// Where.
        topic: Topic,
        /// At most 16 KiB and its header.
        data: Bytes,
    },
    /// Answer to `NetworkEvent::Gossip`.
    Judge {
        /// The event's number.
        token: u64,
        /// Forward it?
        verdict: Verdict,
    },
}

/// What becomes of a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Valid: forward.
    Accept,
    /// Invalid: do not forward, and hold it against the sender.
    Reject,
    /// Neither.
    Ignore,
}

/// Upward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEvent {
    /// The node answers here.
    Listening(Endpoint),
    /// It no longer does.
    NotListening(Endpoint),
    /// A connection is up and its `link/1` substream is open.
    Up {
        /// Its number from now on; never reused.
        link: LinkId,
        /// The key that the secure handshake proved.
        peer: TransportId,
        /// Who dialled.
        role: Role,
        /// Over what.
        medium: Medium,
        /// Whom to charge.
        source: Source,
        /// The remote endpoint, if it can be dialled again or shown.
        endpoint: Option<Endpoint>,
    },
    /// A frame came in.
    Frame {
        /// Over which link.
        link: LinkId,
        /// Without length prefix; at most 1 KiB.
        frame: Bytes,
    },
    /// Frames left the queue and were flushed into the connection: how many bytes of frames.
    Sent {
        /// Over which link.
        link: LinkId,
        /// Sum of the frames' lengths.
        bytes: usize,
    },
    /// The link is gone. With `DownReason::Unsupported` it may never have been up: the connection
    /// stood, and its other end did not speak `link/1`; if this node had dialled, `DialFailed` is
    /// reported too.
    Down {
        /// Which.
        link: LinkId,
        /// Why.
        reason: DownReason,
    },
    /// No endpoint of a dialled peer answered with a link.
    DialFailed {
        /// Who was meant.
        peer: TransportId,
        /// In words, for people; no secrets.
        why: String,
    },
    /// Nobody answered with a link at a radio address.
    RadioDialFailed {
        /// As it was dialled.
        address: RadioAddress,
        /// In words, for people; no secrets.
        why: String,
    },
    /// A gossip message to be judged.
    Gossip {
        /// For `NetworkCommand::Judge`.
        token: u64,
        /// Where.
        topic: Topic,
        /// Age, lifetime and bundle (docs/protocol.md §7.5).
        data: Bytes,
    },
}

/// Why a link went down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownReason {
    /// This node closed it.
    Local,
    /// The other end closed it.
    Remote,
    /// The other end sent a frame longer than 1 KiB or otherwise broke framing.
    Malformed,
    /// The other end does not speak `link/1`.
    Unsupported,
    /// The connection broke.
    Broken(String),
}

/// Frames queued for one link at most, in bytes, wide or slow. The scheduler counts by the same
/// numbers and never sends more, so above them the adapter closes the link.
pub use sovereign_protocol::link::{SLOW_QUEUE, WIDE_QUEUE};
/// Events that wait for the event loop at most; the adapter stops reading from its links beyond.
pub const NETWORK_INBOX: usize = 1024;

/// Bytes both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkBytes {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

impl core::ops::AddAssign for LinkBytes {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.sent += other.sent;
    }
}

impl core::ops::Sub for LinkBytes {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            received: self.received.saturating_sub(other.received),
            sent: self.sent.saturating_sub(other.sent),
        }
    }
}

/// The network port.
pub trait Network: Send + 'static {
    /// Hands a command down; never blocks. Commands to links that are gone are ignored.
    fn submit(&mut self, command: NetworkCommand);
    /// The next event; safe to cancel.
    fn next(&mut self) -> impl Future<Output = NetworkEvent> + Send;
    /// What crossed all its connections so far: the payload of their streams, gossip included.
    fn crossed(&self) -> LinkBytes {
        LinkBytes::default()
    }
    /// Closes every link and listener; bounded to one second.
    fn shutdown(&mut self) -> impl Future<Output = ()> + Send;
}
