//! What goes into a session and what comes out of it.

use core::time::Duration;

use bytes::Bytes;

use super::frame::{Body, FrameError};
use crate::{
    id::{ContentId, DiscoveryId, TransportId},
    link_kind::Role,
    wire::v1::CloseReason,
};

/// What a session needs to know.
#[derive(Debug, Clone, Copy)]
pub struct SessionConfig {
    /// Who opened the connection.
    pub role: Role,
    /// This node's key on this connection.
    pub local: TransportId,
    /// The key that the secure handshake proved.
    pub remote: TransportId,
    /// Random, fresh for each link.
    pub nonce: [u8; 16],
    /// Bits of [`super::capability`].
    pub capabilities: u32,
    /// Whether the adapter's queue is that of a slow link.
    pub slow: bool,
    /// What this node advertises over the radio, on a link over it.
    pub discovery: Option<DiscoveryId>,
    /// Window for the peer, bytes: [`super::WIDE_CREDIT`] or [`super::SLOW_CREDIT`]; held to 2,048 … 262,144.
    pub credit: u32,
}

/// What a frame meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// Both Hello are there. What is queued now leaves together with this side's Hello.
    Ready {
        /// The session's id (§7.2).
        session: [u8; 32],
        /// The peer's capability bits, unknown ones included.
        capabilities: u32,
        /// The version spoken from here on.
        version: u32,
        /// What the peer says it advertises over the radio: a hint.
        discovery: Option<DiscoveryId>,
    },
    /// Summary, Symbols or More, for the reconciliation.
    Reconcile(Body),
    /// The reconciliation is over for the peer.
    Done,
    /// Short ids that the peer wants.
    Want(Vec<u64>),
    /// Short ids that the peer no longer has.
    Gone(Vec<u64>),
    /// A whole bundle, of one of the five sizes. Answer with [`super::Session::consumed`] of its length
    /// once it is durable or declined.
    Bundle {
        /// The bundle, unchecked.
        bytes: Bytes,
        /// Its age, seconds; at most its lifetime.
        age_s: u32,
        /// Its lifetime, seconds; at most seven days.
        lifetime_s: u32,
    },
    /// Short ids that the peer holds since just now.
    Have(Vec<u64>),
    /// Membership tags.
    Membership(Vec<[u8; 8]>),
    /// Short ids of bundles that the peer has opened and stored.
    Delivered(Vec<u64>),
    /// The peer answered a Ping, so long after it was asked.
    RoundTrip(Duration),
    /// The peer is closing the link, and why.
    Closed(CloseReason),
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Hand this frame to the adapter.
    Frame(Bytes),
    /// Answer with [`super::Session::provide`].
    NeedBody(ContentId),
    /// Nothing until something happens.
    Idle,
}

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The session is not ready, or it is closing.
    #[error("the link is not ready")]
    NotReady,
    /// Hello, Part, Credit, Ping, Pong and Close are the session's own.
    #[error("the session itself sends frames of this kind")]
    Reserved,
    /// The frame breaks a bound.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The peer does not take what it asked for; the session is closing.
    #[error("too many control frames wait for this link")]
    Overflow,
}
