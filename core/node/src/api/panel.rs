//! What the developer panel shows (APP-5).

use serde::{Deserialize, Serialize};

use super::reply::{LinkWord, PeerInfo};

/// The answer to `Panel`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PanelInfo {
    /// Linked peers and those being dialled, best first; at most [`MAX_PANEL_PEERS`].
    pub peers: Vec<PanelPeer>,
    /// Peers in all, those that found no room in `peers` and those only seen included.
    pub known: u64,
    /// Of each channel, its gossip; empty while gossip is switched off.
    pub topics: Vec<PanelTopic>,
    /// Whether gossip runs at all.
    pub gossip: bool,
}

/// Peers that a panel shows at most.
pub const MAX_PANEL_PEERS: usize = 200;

/// A peer in the panel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PanelPeer {
    /// What everybody is told of it.
    #[serde(flatten)]
    pub peer: PeerInfo,
    /// Its links.
    pub links: Vec<PanelLink>,
    /// What kind of NAT it is behind, where that is known. No layer of this version finds it out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub nat: Option<String>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanelLink {
    /// Over what.
    pub link: LinkWord,
    /// `dialed` or `accepted`.
    pub side: String,
    /// Where the other end is, where that can be shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// Seconds since it came up.
    pub up_s: u64,
    /// Bytes of frames received.
    pub received: u64,
    /// Bytes of frames sent.
    pub sent: u64,
}

/// The gossip of a channel: its topics of yesterday, today and tomorrow, counted together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanelTopic {
    /// Channel id, hex.
    pub channel: String,
    /// Channel name.
    pub name: String,
    /// Today's topic, hex.
    pub topic: String,
    /// Messages of others since the start, whichever way they came.
    pub messages: u64,
    /// Messages that came by gossip in these days, whether they were new or not.
    pub by_gossip: u64,
    /// Own messages handed to gossip in these days.
    pub published: u64,
    /// When the last message of somebody else came in, RFC 3339 UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last_received: Option<String>,
    /// Own messages since the start that a member's node has acknowledged.
    pub delivered: u64,
    /// Time from writing the last of these to its acknowledgement, by this node's clock.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivery_ms: Option<u64>,
}
