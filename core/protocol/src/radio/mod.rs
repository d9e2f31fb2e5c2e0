//! Bluetooth LE, as far as it is decided and not done (docs/protocol.md §11).

/// What goes over the air before a link exists.
pub mod advert;
/// The id in it, and who can resolve it.
pub mod discovery;
/// Which of the ids seen are contacts', at a bounded cost.
pub mod resolver;
/// When id, address and key change.
pub mod rotation;
