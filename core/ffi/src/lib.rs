//! SPEAKS to phones and scripts. UniFFI objects, records, one event enum and one error over the
//! same [`Node`](sovereign_node::Node); it converts and does nothing else (decision 18).

mod convert;
mod error;
mod event;
mod node;
mod records;

pub use error::SovereignError;
pub use event::SovereignEvent;
pub use node::SovereignNode;
pub use records::{
    Channel, ChannelKind, Config, ImportResult, Message, MessageState, Peer, PeerState, Sent,
    Status,
};

uniffi::setup_scaffolding!();
