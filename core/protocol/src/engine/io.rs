//! What the engine is told and what it wants done.

use bytes::Bytes;

use super::Neighbour;
use crate::{
    id::{AuthorKey, ChannelId, ContentId, DiscoveryId, LinkId, MessageId, TransportId},
    link_kind::{Medium, Role, Source},
    policy::{dial::Sighting, near},
    wire::v1::CloseReason,
};

/// Numbers a batch of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// What became of a batch of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersistOutcome {
    /// It is durable.
    Durable,
    /// There is no room.
    Full,
    /// The store refused for another reason: it is read-only or broken.
    Failed,
}

/// What happened outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// A connection's `link/1` substream is open.
    LinkUp {
        /// Its number.
        link: LinkId,
        /// The local key that the handshake proved.
        local: TransportId,
        /// The remote key that the handshake proved.
        peer: TransportId,
        /// Who dialled.
        role: Role,
        /// Over what.
        medium: Medium,
        /// Whom to charge.
        source: Source,
    },
    /// It is gone.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame came in.
    Frame {
        /// Over which link.
        link: LinkId,
        /// Without length prefix.
        frame: Bytes,
    },
    /// Frames left the adapter's queue.
    Sent {
        /// Over which link.
        link: LinkId,
        /// Sum of their lengths.
        bytes: usize,
    },
    /// Answer to [`Effect::Load`].
    Loaded {
        /// Link that wants it.
        link: LinkId,
        /// Which bundle.
        content: ContentId,
        /// Its bytes, unless it is gone.
        body: Option<Bytes>,
    },
    /// Answers to [`Effect::Persist`]: those of one flush together, so that what they cause is sent
    /// together.
    Persisted(Vec<(Token, PersistOutcome)>),
    /// A gossip message to be judged.
    Gossip {
        /// For [`Effect::Judge`].
        token: u64,
        /// Age ‖ lifetime ‖ bundle.
        data: Bytes,
    },
    /// This node announces itself, anew or for the first time.
    Announced {
        /// Its transport key from now on.
        transport: TransportId,
        /// Its discovery id from now on.
        discovery: DiscoveryId,
    },
    /// A node was sighted: a hint.
    Sighted {
        /// What it says of itself.
        sighting: Sighting,
        /// Over what.
        medium: Medium,
    },
    /// A sighted node is gone.
    SightingLost {
        /// Which.
        discovery: DiscoveryId,
    },
    /// A dial failed.
    DialFailed {
        /// Who was meant.
        peer: TransportId,
    },
    /// Something happened on the radio. A link is reported by [`Input::LinkUp`] first.
    Near(near::Event),
    /// A time-out that [`Engine::poll_timeout`](super::Engine::poll_timeout) named has come, or may have.
    Timeout,
}

/// What a gossip message is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Valid: forward it.
    Accept,
    /// Broken: the forwarder should have known.
    Reject,
    /// Neither.
    Ignore,
}

/// What the engine wants done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Queue a frame.
    Send {
        /// Over which link.
        link: LinkId,
        /// At most 1 KiB.
        frame: Bytes,
    },
    /// Close a link.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        reason: CloseReason,
    },
    /// Read a bundle's body.
    Load {
        /// For which link.
        link: LinkId,
        /// Which.
        content: ContentId,
    },
    /// Write, all or nothing, durably, in the order of the tokens.
    Persist {
        /// For [`Input::Persisted`].
        token: Token,
        /// What.
        ops: Vec<StoreOp>,
        /// Whether something follows once it is durable; otherwise there is no hurry.
        awaited: bool,
    },
    /// Dial a sighted peer.
    Dial {
        /// Whom.
        peer: TransportId,
    },
    /// The peer proved membership: gossip may see it.
    AdmitToGossip {
        /// By which link.
        link: LinkId,
    },
    /// What the radio is to do: connect, abort, probe, scan or advertise.
    Near(near::Effect),
    /// Be subscribed to exactly these topics.
    SetTopics(Vec<[u8; 32]>),
    /// Publish to gossip.
    Publish {
        /// Where.
        topic: [u8; 32],
        /// Age ‖ lifetime ‖ bundle.
        data: Bytes,
    },
    /// Answer to [`Input::Gossip`].
    Judge {
        /// Its number.
        token: u64,
        /// What it is worth.
        judgement: Judgement,
    },
    /// Tell the people.
    Tell(Tell),
}

/// A change to the store. Values are `wire::local` messages as encoded, bodies the bundles' bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOp {
    /// A bundle and its record.
    PutBundle {
        /// Content id.
        content: ContentId,
        /// Bytes.
        body: Bytes,
        /// `ShelfRecord`.
        record: Vec<u8>,
    },
    /// A bundle's record alone.
    PutRecord {
        /// Content id.
        content: ContentId,
        /// `ShelfRecord`.
        record: Vec<u8>,
    },
    /// A bundle and its record go.
    DropBundle(ContentId),
    /// An id that need not come again.
    PutSeen {
        /// Content id.
        content: ContentId,
        /// `ShelfRecord`.
        record: Vec<u8>,
    },
    /// It may come again.
    DropSeen(ContentId),
    /// An opened message: `MessageRecord`.
    PutMessage {
        /// Message id.
        message: MessageId,
        /// The record.
        record: Vec<u8>,
    },
    /// An opened message goes.
    DropMessage(MessageId),
    /// State of an own message (MSG-7).
    PutState {
        /// Message id.
        message: MessageId,
        /// How far it is.
        state: OwnState,
    },
    /// A channel: `ChannelRecord`.
    PutChannel {
        /// Channel id.
        channel: ChannelId,
        /// The record.
        record: Vec<u8>,
    },
    /// A channel goes, its keys too.
    DropChannel(ChannelId),
    /// What was deleted or replaced so far, this batch included, goes from the disk too.
    Scrub,
    /// `ClockRecord`.
    PutClock(Vec<u8>),
    /// `NodeRecord`.
    PutNode(Vec<u8>),
}

/// How far an own message is (MSG-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum OwnState {
    /// Durable here.
    Stored = 1,
    /// Handed to at least one other node.
    Sent = 2,
    /// A member's node acknowledged it.
    Delivered = 3,
}

impl OwnState {
    /// Reads a stored state.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Stored),
            2 => Some(Self::Sent),
            3 => Some(Self::Delivered),
            _ => None,
        }
    }
}

/// A text that has just arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its words.
    pub text: String,
    /// When it was written by the author's clock, in seconds since 1970.
    pub sent_at_s: u64,
    /// Its place in the order.
    pub lamport: u64,
}

/// What people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tell {
    /// Heard of a peer.
    PeerDiscovered(TransportId),
    /// Something about it changed.
    PeerUpdated(TransportId),
    /// It is neither sighted nor linked any more.
    PeerLost(TransportId),
    /// A neighbour was heard over the radio.
    NeighbourDiscovered(Neighbour),
    /// Its signal changed.
    NeighbourUpdated(Neighbour),
    /// It has not been heard for long.
    NeighbourLost(DiscoveryId),
    /// A link's Hello is done.
    LinkUp {
        /// Who.
        peer: TransportId,
        /// Over what.
        medium: Medium,
    },
    /// It is gone.
    LinkDown {
        /// Who.
        peer: TransportId,
        /// Over what.
        medium: Medium,
        /// Why.
        reason: CloseReason,
    },
    /// A peer has answered Ping.
    RoundTrip {
        /// Who.
        peer: TransportId,
        /// How long it took.
        time: core::time::Duration,
    },
    /// A text counts: newly arrived, written here, or restored.
    Message {
        /// Where.
        channel: ChannelId,
        /// Which.
        message: MessageId,
        /// Whose.
        author: AuthorKey,
        /// What it says, if it has just arrived; else the store knows.
        said: Option<Said>,
    },
    /// A text that counted does not any more.
    Retracted {
        /// Where.
        channel: ChannelId,
        /// Which.
        message: MessageId,
    },
    /// An own message's state changed.
    State {
        /// Where.
        channel: ChannelId,
        /// Which.
        message: MessageId,
        /// How far it is.
        state: OwnState,
    },
    /// Both ends hold the same.
    Synced(TransportId),
    /// Writes fail; `full` means for want of room.
    StoreTrouble {
        /// No room.
        full: bool,
    },
    /// Writes work again.
    StoreWorks,
}
