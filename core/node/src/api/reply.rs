//! What a node answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::panel::PanelInfo;

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "value", rename_all = "snake_case")]
pub enum Reply {
    /// Done, nothing to say.
    Done,
    /// To `Status`.
    Status(Box<Status>),
    /// To `Peers`.
    Peers(Vec<PeerInfo>),
    /// To `ChannelCreate`, `ChannelJoin` and `ChannelInvite`.
    Channel(ChannelInfo),
    /// To `ChannelList`.
    Channels(Vec<ChannelSummary>),
    /// To `Send`.
    Sent(Sent),
    /// To `History`.
    History(Vec<HistoryEntry>),
    /// To `Export`.
    Exported(Exported),
    /// To `Import`.
    Imported(Imported),
    /// To `IdShow`.
    Identity(IdentityInfo),
    /// To `Doctor`.
    Doctor(Vec<DoctorCheck>),
    /// To `Panel`.
    Panel(Box<PanelInfo>),
    /// To `Ping`.
    Pong(Pong),
    /// To `Reconnect`.
    Reconnecting(Reconnecting),
}

/// The answer to `Ping`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The round trip, in milliseconds.
    pub rtt_ms: u32,
}

/// The answer to `Reconnect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconnecting {
    /// Links that were closed.
    pub closed: u32,
    /// Whether the peer is being dialled; otherwise it is up to the peer.
    pub dialing: bool,
}

/// The node as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Display name.
    pub name: String,
    /// Identity key, hex.
    pub identity: String,
    /// Mesh id, hex.
    pub mesh_id: String,
    /// For comparing aloud.
    pub fingerprint: String,
    /// PeerId.
    pub transport_id: String,
    /// `ephemeral` or `stable`.
    pub mode: String,
    /// `offline`, `searching`, `local`.
    pub network: String,
    /// Multiaddrs.
    pub listen: Vec<String>,
    /// Seconds since start.
    pub uptime_s: u64,
    /// Linked peers.
    pub peers: u64,
    /// Joined channels.
    pub channels: u64,
    /// What is stored.
    pub store: StoreStatus,
    /// Each discovery layer.
    pub layers: BTreeMap<String, LayerStatus>,
    /// Counters by name.
    pub counters: BTreeMap<String, u64>,
}

/// What is stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Readable messages.
    pub messages: u64,
    /// Bundles held.
    pub bundles: u64,
    /// Of these, carried for others.
    pub carried_bundles: u64,
    /// Bytes of the bundles carried for others.
    #[serde(default)]
    pub carried_bytes: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Whether the store is open read-only.
    #[serde(default)]
    pub read_only: bool,
}

/// A discovery layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerStatus {
    /// `on`, `off`, `failed` or `unavailable`.
    pub state: String,
    /// Why, in words, unless it is on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// What its links cost today (UTC); none for a layer whose bytes this program does not see.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub today: Option<Traffic>,
}

/// Bytes of payload that crossed a layer's links; what Noise, TCP or the radio add is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
    /// Counted from here on, RFC 3339 UTC: midnight, or the node's start.
    pub since: String,
}

/// Over what a link runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkWord {
    /// Local network.
    Lan,
    /// Bluetooth LE.
    Ble,
    /// Internet, direct.
    Direct,
    /// Internet, relayed.
    Relay,
}

/// How far it is with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Heard of.
    Seen,
    /// Being dialled.
    Connecting,
    /// Linked, Hello done.
    Connected,
    /// Gone.
    Lost,
}

/// A peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// PeerId.
    pub transport_id: String,
    /// Identity key, hex, when proven.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub identity: Option<String>,
    /// Name, when known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// Whether it is an accepted contact.
    pub contact: bool,
    /// Best medium.
    pub link: LinkWord,
    /// State.
    pub state: PeerState,
    /// Smoothed signal, on radio links.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rssi_dbm: Option<i16>,
    /// Round trip.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rtt_ms: Option<u32>,
    /// 1 is best.
    pub rank: u32,
    /// Seconds since last heard.
    pub age_s: u64,
}

/// `public` or `private`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKindWord {
    /// Anyone who knows the name can read it.
    Public,
    /// By invitation.
    Private,
}

/// A channel with its link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelInfo {
    /// Channel id, hex.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Public or private.
    pub kind: ChannelKindWord,
    /// What others join with.
    pub link: String,
}

/// A channel in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSummary {
    /// Channel id, hex.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Public or private.
    pub kind: ChannelKindWord,
    /// Authors seen, this node included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub members: Option<u64>,
    /// Messages of others since the last read.
    pub unread: u64,
}

/// A message's state (MSG-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// Came from somebody else.
    Received,
    /// Durable here; queued.
    Stored,
    /// Handed to at least one other node.
    Sent,
    /// A member's node acknowledged it.
    Delivered,
    /// Read, if the other side allows it.
    Read,
}

/// The answer to `Send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Message id, hex.
    pub id: String,
    /// Channel id, hex.
    pub channel: String,
    /// State.
    pub state: MessageState,
    /// Its place.
    pub lamport: u64,
}

/// A message in a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Message id, hex.
    pub id: String,
    /// Author key, hex.
    pub author: String,
    /// The author's name, unverified.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    /// The text.
    pub text: String,
    /// The sender's clock, RFC 3339 UTC.
    pub sent_at: String,
    /// Its place.
    pub lamport: u64,
    /// State.
    pub state: MessageState,
    /// Written here.
    pub own: bool,
}

/// The answer to `Export`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// Bundles written.
    pub bundles: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// The answer to `Import`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Bundles in the file.
    pub bundles: u64,
    /// Of these, new here.
    pub new: u64,
    /// Already here.
    pub known: u64,
    /// Expired, over quota or broken.
    pub declined: u64,
}

/// Who this node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityInfo {
    /// Display name.
    pub name: String,
    /// Identity key, hex.
    pub identity: String,
    /// Mesh id, hex.
    pub mesh_id: String,
    /// For comparing aloud.
    pub fingerprint: String,
    /// PeerId.
    pub transport_id: String,
}

/// One finding of `Doctor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorCheck {
    /// A stable word: `interfaces`, `multicast`, `mdns`, `store`, `clock`, `peers` …
    pub check: String,
    /// `ok`, `warning` or `problem`.
    pub result: String,
    /// What was found.
    pub message: String,
    /// What to do, if anything.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
}
