//! The LAN port: announce this node on the local network, report who else is there (LOC-1, LOC-8).

use std::net::{IpAddr, SocketAddr};

use sovereign_protocol::id::{DiscoveryId, TransportId};

/// What a node says about itself on the local network. Everything found is a hint until the secure
/// handshake proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanAdvertisement {
    /// The transport public key.
    pub transport: TransportId,
    /// The LAN's discovery id; the service's instance name is its hex form.
    pub discovery: DiscoveryId,
    /// TCP port, the SRV record's.
    pub tcp_port: u16,
    /// UDP port for QUIC, if it listens there.
    pub quic_port: Option<u16>,
    /// Link protocol versions, ascending; at most 8.
    pub versions: Vec<u16>,
    /// Capability bits of `docs/protocol.md` §7.
    pub capabilities: u32,
}

/// One address of a sighted node. A link-local IPv6 address keeps its scope in the `SocketAddrV6`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanSighting {
    /// Its advertisement, already bounded and parsed.
    pub advertisement: LanAdvertisement,
    /// Where it answers (TCP), at most 16 addresses; scope ids are set on link-local ones.
    pub addresses: Vec<SocketAddr>,
}

/// What happened on the local network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanEvent {
    /// A node was seen or its addresses changed.
    Sighted(LanSighting),
    /// A node said goodbye or its records expired.
    Lost(DiscoveryId),
    /// The interfaces in use changed.
    Interfaces(Vec<IpAddr>),
    /// The layer works or does not, and why.
    State(Result<(), String>),
}

/// Most nodes a LAN adapter keeps in mind; the least recently seen goes first.
pub const MAX_LAN_SIGHTINGS: usize = 512;

/// The LAN port. Dropping it says goodbye.
pub trait Lan: Send + 'static {
    /// Announces, in place of any earlier announcement.
    ///
    /// # Errors
    /// A reason in words when the layer cannot announce.
    fn announce(&mut self, advertisement: LanAdvertisement) -> Result<(), String>;

    /// The next event; safe to cancel. Never returns again after `shutdown`.
    fn next(&mut self) -> impl Future<Output = LanEvent> + Send;

    /// Says goodbye and frees the port; bounded to one second.
    fn shutdown(&mut self) -> impl Future<Output = ()> + Send;
}
