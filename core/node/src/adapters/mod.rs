//! Adapters: the only places that name `libp2p::`, `sled::`, `mdns_sd::`, `btleplug::` or `bluer::`
//! types. No adapter uses another.

#[cfg(target_os = "linux")]
pub mod bluez;
pub mod clock;
pub mod lan_memory;
pub mod mdns;
pub mod p2p;
pub mod rng;
pub mod store;
