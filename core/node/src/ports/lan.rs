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
    /// Link protocol versions, ascending; at least one, at most [`MAX_LAN_VERSIONS`].
    pub versions: Vec<u16>,
    /// Capability bits of `docs/protocol.md` §7.
    pub capabilities: u32,
}

impl LanAdvertisement {
    /// Whether the fields are within the bounds that every adapter relies on.
    ///
    /// # Errors
    /// The first bound that is broken.
    pub fn check(&self) -> Result<(), AdvertisementError> {
        if self.tcp_port == 0 || self.quic_port == Some(0) {
            return Err(AdvertisementError::Port);
        }
        if self.versions.is_empty() || self.versions.len() > MAX_LAN_VERSIONS {
            return Err(AdvertisementError::VersionCount {
                got: self.versions.len(),
            });
        }
        if !self.versions.is_sorted_by(|a, b| a < b) {
            return Err(AdvertisementError::VersionOrder);
        }
        Ok(())
    }
}

/// Why an advertisement was refused, ours or another node's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AdvertisementError {
    /// Port 0 is nowhere.
    #[error("a port is 0")]
    Port,
    /// No version, or more than [`MAX_LAN_VERSIONS`].
    #[error("{got} versions, between 1 and {MAX_LAN_VERSIONS} are allowed")]
    VersionCount {
        /// How many there were.
        got: usize,
    },
    /// A version is repeated or out of order.
    #[error("versions are not strictly ascending")]
    VersionOrder,
}

/// A node as it was sighted. A link-local IPv6 address keeps its scope in the `SocketAddrV6`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanSighting {
    /// Its advertisement, already bounded and parsed.
    pub advertisement: LanAdvertisement,
    /// Where it answers (TCP), likeliest first, at least one and at most [`MAX_LAN_ADDRESSES`]; scope ids
    /// are set on link-local ones.
    pub addresses: Vec<SocketAddr>,
}

/// What happened on the local network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanEvent {
    /// A node was seen or its addresses changed.
    Sighted(LanSighting),
    /// A node said goodbye or its records expired.
    Lost(DiscoveryId),
    /// The interfaces in use changed, or may lead elsewhere since just now.
    Interfaces(Vec<IpAddr>),
    /// The layer works or does not, and why.
    State(Result<(), String>),
}

/// Most nodes a LAN adapter keeps in mind; the least recently seen goes first.
pub const MAX_LAN_SIGHTINGS: usize = 512;

/// Most addresses of one sighted node; a host with dual stack and a few interfaces has six to eight.
pub const MAX_LAN_ADDRESSES: usize = 16;

/// Most link protocol versions in one advertisement.
pub const MAX_LAN_VERSIONS: usize = 8;

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
