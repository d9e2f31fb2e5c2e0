//! Plain data.

/// How a node is started.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Config {
    /// Data directory, created owner-only.
    pub data: String,
    /// Display name; `None` keeps the stored one.
    #[uniffi(default = None)]
    pub name: Option<String>,
    /// Multiaddrs to listen on; empty: all interfaces, free ports.
    #[uniffi(default = [])]
    pub listen: Vec<String>,
    /// Local discovery by multicast DNS.
    #[uniffi(default = true)]
    pub mdns: bool,
    /// Most bytes of bundles held.
    #[uniffi(default = 67108864)]
    pub store_cap_bytes: u64,
}

/// The node as a whole.
#[derive(Debug, Clone, uniffi::Record)]
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
    /// `offline`, `searching` or `local`.
    pub network: String,
    /// Multiaddrs that can be dialled.
    pub listen: Vec<String>,
    /// Linked peers.
    pub peers: u64,
    /// Joined channels.
    pub channels: u64,
    /// Bundles carried for others.
    pub carried_bundles: u64,
    /// Whether nothing can be written.
    pub read_only: bool,
}

/// How far it is with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum PeerState {
    /// Heard of.
    Seen,
    /// Being dialled.
    Connecting,
    /// Linked.
    Connected,
    /// Gone.
    Lost,
}

/// A peer.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Peer {
    /// PeerId.
    pub transport_id: String,
    /// How far it is.
    pub state: PeerState,
    /// `lan`, `ble`, `direct` or `relay`.
    pub link: String,
    /// Smoothed signal.
    pub rssi_dbm: Option<i16>,
    /// Round trip.
    pub rtt_ms: Option<u32>,
    /// 1 is best.
    pub rank: u32,
}

/// Public or private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ChannelKind {
    /// Anyone who knows the name can read it.
    Public,
    /// By invitation.
    Private,
}

/// A channel.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Channel {
    /// Channel id, hex.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Public or private.
    pub kind: ChannelKind,
    /// Texts of others that were not read.
    pub unread: u64,
}

/// How far a message is (MSG-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum MessageState {
    /// Came from somebody else.
    Received,
    /// Durable here.
    Stored,
    /// Handed to another node.
    Sent,
    /// A member's node acknowledged it.
    Delivered,
    /// Read.
    Read,
}

/// A message.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Message {
    /// Message id, hex.
    pub id: String,
    /// Author key, hex.
    pub author: String,
    /// The author's name, unverified.
    pub name: Option<String>,
    /// The text.
    pub text: String,
    /// The sender's clock, RFC 3339 UTC: a hint.
    pub sent_at: String,
    /// Its place.
    pub lamport: u64,
    /// How far it is.
    pub state: MessageState,
    /// Written here.
    pub own: bool,
}

/// A message written; it is durable.
#[derive(Debug, Clone, uniffi::Record)]
pub struct Sent {
    /// Message id, hex.
    pub id: String,
    /// Channel id, hex.
    pub channel: String,
    /// Its place.
    pub lamport: u64,
}

/// What an import brought.
#[derive(Debug, Clone, uniffi::Record)]
pub struct ImportResult {
    /// Bundles in the file.
    pub bundles: u64,
    /// New here.
    pub new: u64,
    /// Already here.
    pub known: u64,
    /// Expired, over quota or broken.
    pub declined: u64,
}
