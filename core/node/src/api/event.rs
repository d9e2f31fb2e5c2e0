//! What a node tells.

use serde::{Deserialize, Serialize};

use super::reply::{HistoryEntry, LinkWord, MessageState, PeerInfo};

/// One event with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, RFC 3339 UTC by the node's wall clock.
    pub at: String,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The node runs and answers here.
    Started {
        /// Transport id.
        transport_id: String,
        /// Multiaddrs.
        listen: Vec<String>,
    },
    /// It answers here too, or no longer.
    ListenChanged {
        /// Multiaddrs, all of them.
        listen: Vec<String>,
    },
    /// Somebody new is near.
    PeerDiscovered {
        /// Who.
        peer: PeerInfo,
    },
    /// Something about a peer changed.
    PeerUpdated {
        /// Who.
        peer: PeerInfo,
    },
    /// A peer is gone.
    PeerLost {
        /// Transport id.
        transport_id: String,
    },
    /// A link is up and its Hello is done.
    LinkUp {
        /// Transport id.
        transport_id: String,
        /// Over what.
        link: LinkWord,
    },
    /// A link is gone.
    LinkDown {
        /// Transport id.
        transport_id: String,
        /// Over what.
        link: LinkWord,
        /// Why, in words.
        reason: String,
    },
    /// A message has arrived or was written here.
    Message {
        /// Channel id.
        channel: String,
        /// Channel name.
        channel_name: String,
        /// The message.
        message: HistoryEntry,
    },
    /// A message's state changed.
    MessageState {
        /// Message id.
        id: String,
        /// Channel id.
        channel: String,
        /// The new state.
        state: MessageState,
    },
    /// A channel was joined.
    ChannelJoined {
        /// Channel id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A channel was left.
    ChannelLeft {
        /// Channel id.
        id: String,
    },
    /// A reconciliation with a peer is complete: both hold the same.
    Synced {
        /// Transport id.
        transport_id: String,
    },
    /// The dashboard waits in a browser on this machine. Only the program that serves it says so, on its own
    /// standard output: the code is not for other listeners.
    Dashboard {
        /// What to open.
        url: String,
        /// What to type there; it works once, and is told anew when it was used.
        code: String,
    },
    /// Something a person should know.
    Warning {
        /// A stable word.
        kind: String,
        /// In words, with what to do.
        message: String,
    },
    /// Events were dropped because this listener was too slow.
    Missed {
        /// How many.
        count: u64,
    },
    /// The node is ending.
    Stopping,
}
