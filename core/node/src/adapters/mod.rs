//! Adapters: the only places that name `libp2p::`, `sled::`, `mdns_sd::`, `btleplug::`, `bluer::` or
//! `trouble_host::` types. No adapter uses another.

#[cfg(target_os = "linux")]
pub mod bluez;
pub mod clock;
#[cfg(feature = "hci")]
pub mod hci;
pub mod lan_memory;
pub mod mdns;
pub mod p2p;
pub mod rng;
pub mod store;
