//! Virtual local networks and an Internet: who reaches whom, the wires between them (TCP's promise: in order,
//! nothing lost, nothing said when a cable is pulled), and who announces itself where (multicast on or off).

mod discovery;
mod pipe;
mod topology;
mod wires;

pub use discovery::VirtualLan;
pub use topology::{HostId, LanId, Net, Quality};
pub use wires::HostWires;
