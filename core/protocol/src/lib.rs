//! DECIDES. The pure core of the Sovereign mesh: ids, signed types, codecs and state machines.
//!
//! Nothing here performs I/O, reads a clock or draws a random number of its own: state machines
//! take `(event, now, rng)` and return effects. `docs/protocol.md` is the normative description
//! of every byte that this crate encodes.

pub mod channel;
pub mod crypto;
pub mod engine;
pub mod id;
pub mod identity;
pub mod link;
pub mod link_kind;
pub mod log;
pub mod message;
pub mod policy;
pub mod radio;
pub mod reconcile;
pub mod shelf;
pub mod time;
pub mod wire;
