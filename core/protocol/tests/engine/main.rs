//! Engines in a world of their own, by what is asked of them: one program, so that the world is compiled once.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on ends, and figures are shown"
)]

mod by_hand;
mod carrier;
mod clocks;
mod cost;
mod exchange;
mod gossip;
mod history;
mod hostile;
mod interleavings;
mod liars;
mod liveness;
mod pacing;
mod peers;
mod receipts;
mod restart;
mod search;
mod upkeep;
mod world;
