//! DOES. Ports and adapters, the event loop and the public `Node`.

pub mod adapters;
#[cfg(any(test, feature = "test-util"))]
pub mod contract;
pub mod ports;
pub mod sightings;
