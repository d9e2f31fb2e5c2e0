//! Adapters: the only places that name `libp2p::`, `sled::` or `mdns_sd::` types. No adapter uses another.

pub mod clock;
pub mod lan_memory;
pub mod mdns;
pub mod p2p;
pub mod rng;
pub mod store;
