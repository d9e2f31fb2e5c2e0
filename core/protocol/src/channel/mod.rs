//! Channels: names, keys and invitations (`docs/protocol.md` §4).

mod epochs;
pub mod invite;
pub mod keys;
pub mod name;

pub use epochs::{EPOCH_KEPT, EPOCH_LENGTH, EPOCH_WINDOW};
pub use invite::Invite;
pub use keys::{ChannelKeys, ChannelKind};
pub use name::{CanonicalName, Label};
