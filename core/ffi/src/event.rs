//! One event enum.

use crate::records::{Message, MessageState, Peer};

/// What happened.
#[derive(Debug, Clone, uniffi::Enum)]
pub enum SovereignEvent {
    /// Somebody new is near, or something about a peer changed.
    PeerChanged {
        /// Who.
        peer: Peer,
    },
    /// A peer is gone.
    PeerLost {
        /// PeerId.
        transport_id: String,
    },
    /// A link is up.
    LinkUp {
        /// PeerId.
        transport_id: String,
    },
    /// A link is gone.
    LinkDown {
        /// PeerId.
        transport_id: String,
        /// Why, in words.
        reason: String,
    },
    /// Both ends hold the same.
    Synced {
        /// PeerId.
        transport_id: String,
    },
    /// A message has arrived or was written here.
    MessageArrived {
        /// Channel id, hex.
        channel: String,
        /// The message.
        message: Message,
    },
    /// An own message is further.
    MessageStateChanged {
        /// Message id, hex.
        id: String,
        /// Channel id, hex.
        channel: String,
        /// How far it is.
        state: MessageState,
    },
    /// The list of channels changed.
    ChannelsChanged,
    /// Where the node listens changed.
    ListenChanged {
        /// Multiaddrs.
        listen: Vec<String>,
    },
    /// Something a person should know.
    Warning {
        /// A stable word.
        kind: String,
        /// In words, with what to do.
        message: String,
    },
    /// This listener was too slow and missed some.
    Missed {
        /// How many.
        count: u64,
    },
    /// The node is ending.
    Stopping,
}
