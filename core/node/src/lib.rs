//! DOES. Ports and adapters, the event loop and the public `Node`.

pub mod adapters;
pub mod air;
pub mod api;
pub mod backup;
pub mod config;
#[cfg(any(test, feature = "test-util"))]
pub mod contract;
mod node;
mod offline;
pub mod ports;
mod runtime;
pub mod sightings;
#[cfg(feature = "simulation")]
pub mod simulation;
pub mod text;
pub mod wipe;

pub use node::{EventStream, Node};
pub use offline::{is_free, restore};
