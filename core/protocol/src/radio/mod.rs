//! Bluetooth LE as far as it can be decided without a radio (docs/protocol.md §11 and §12; LOC-2 to LOC-4,
//! decisions 2, 3, 5 and 7).

/// What goes over the air before a link exists.
pub mod advert;
/// The id in it, and who can resolve it.
pub mod discovery;
/// Whether an L2CAP channel carries what it should.
pub mod echo;
/// Which of the ids seen are contacts', at a bounded cost.
pub mod resolver;
/// When id, address and key change.
pub mod rotation;
pub mod stream;
