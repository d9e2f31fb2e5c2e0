//! DOES. Ports and adapters, the event loop and the public `Node`.

pub mod adapters;
pub mod ports;
