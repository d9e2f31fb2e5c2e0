//! A virtual radio (SIM-1): Bluetooth LE as far as a node notices it.
//!
//! [`World`] is the model, pure and deterministic: commands and [`WorldEvent`]s go in with the time
//! and a generator, events for each radio come out, and [`World::poll_timeout`] says when it wants to
//! be called again. [`Air`] runs one on tokio's clock, paused or not; its [`VirtualRadio`]s are
//! [`Radio`](sovereign_node::ports::radio::Radio)s, so that whole nodes run over it.
//! `Air::new(World::ideal(), seed)` is the port's in-memory twin.
//!
//! Modelled: path loss, walls, shadowing, fading, sensitivity; advertising events on three channels, their
//! collisions, scan windows, the scan response and the scramble for it; addresses that change with the
//! epoch; set-up time, the limit of links; GATT operations, the byte rate that a radio's links
//! share, frame loss, overtaking; supervision. Not modelled: L2CAP channels, extended advertising,
//! the hello's reading, a scanner that pauses for its links, and retransmission below the frames
//! (a link is whole while its ends hear each other, and stands still while they do not).

mod advertise;
mod air;
pub(crate) mod chance;
mod dial;
mod inbox;
mod link;
mod physics;
pub(crate) mod scene;
mod schedule;
mod station;
mod usage;
pub(crate) mod walls;
mod world;

pub use air::{Air, VirtualRadio};
pub(crate) use link::next_event;
pub use physics::{Dialling, Hardware, Physics, Reordering, Shadowing, Span};
pub use scene::Position;
pub use usage::Usage;
pub use walls::Wall;
pub use world::{Counters, RadioId, World, WorldEvent};
