//! Ports: what the node needs from the world. Each ships with an in-memory twin and a contract
//! that every adapter runs.

pub mod clock;
pub mod lan;
pub mod network;
pub mod radio;
pub mod rng;
pub mod store;
pub mod wires;
