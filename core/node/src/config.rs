//! The node's configuration: plain values, already decided. Where each came from is the caller's business.

use std::path::PathBuf;

pub use sovereign_protocol::policy::near::duty::Profile;

/// How a node is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Data directory; created with owner-only permissions.
    pub data: PathBuf,
    /// Display name for a first start; `None` keeps the stored one (or the platform's suggestion).
    pub name: Option<String>,
    /// Multiaddrs to listen on; empty: TCP and QUIC on all interfaces, free ports.
    pub listen: Vec<String>,
    /// LOC-1.
    pub mdns: bool,
    /// The DNS-SD service; only tests change it.
    pub service_name: String,
    /// Whether gossip is used among members on wide links.
    pub gossip: bool,
    /// Visible cap on bundles held, in bytes (MSG-13).
    pub store_cap_bytes: u64,
    /// Links wanted on a LAN.
    pub lan_links: u16,
    /// LOC-2: whether Bluetooth LE is used where there is an adapter for it.
    pub ble: bool,
    /// Which Bluetooth adapter, such as `hci1`; `None` leaves the choice to the system.
    pub ble_adapter: Option<String>,
    /// Whether L2CAP channels are used where both sides have them; GATT carries every link otherwise.
    pub ble_l2cap: bool,
    /// Links over Bluetooth LE at most, 2 to 7.
    pub ble_links: u8,
    /// What Bluetooth LE may cost.
    pub ble_profile: Profile,
}

impl NodeConfig {
    /// The defaults on this data directory.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            name: None,
            listen: Vec::new(),
            mdns: true,
            service_name: "_sovereign._tcp".to_owned(),
            gossip: true,
            store_cap_bytes: 64 * 1024 * 1024,
            lan_links: 32,
            ble: true,
            ble_adapter: None,
            ble_l2cap: true,
            ble_links: 4,
            ble_profile: Profile::Balanced,
        }
    }
}
