//! The virtual radio (SIM-1, SIM-3).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod advertising;
mod contract;
mod links;
mod run;
mod same_seed;
