//! The generated messages of `proto/`. Bounds are checked where they are used, never here.

/// `proto/sovereign/v1`: what crosses the wire.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/sovereign.v1.rs"));
}

/// `proto/sovereign/local/v1`: what a node writes into its own store.
#[allow(missing_docs, clippy::all, unreachable_pub)]
pub mod local {
    include!(concat!(env!("OUT_DIR"), "/sovereign.local.v1.rs"));
}
