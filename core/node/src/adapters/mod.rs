//! Adapters: the only places that name `libp2p::`, `sled::` or `mdns_sd::` types. No adapter uses another.

pub mod p2p;
