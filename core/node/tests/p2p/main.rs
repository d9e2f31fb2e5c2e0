//! The libp2p adapter of the `Network` port, over real sockets on loopback and in memory.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "the modules of one test program"
)]

mod gate;
mod hostile;
mod limits;
mod links;
mod raw;
mod slow;
mod support;
