//! The typed control API (decision 19): the same commands and events for the command line, the
//! dashboard, tests and, through UniFFI, the phones. Plain data; the JSON keys are a contract.

mod command;
mod error;
mod event;
mod panel;
mod reply;
mod service;

pub use command::{Command, MAX_NAME_INPUT, MAX_PATH, MAX_TEXT};
pub use error::{ApiError, ErrorKind};
pub use event::{Event, EventKind};
pub use panel::{MAX_PANEL_PEERS, PanelInfo, PanelLink, PanelPeer, PanelTopic};
pub use reply::{
    ChannelInfo, ChannelKindWord, ChannelSummary, DoctorCheck, Exported, HistoryEntry,
    IdentityInfo, Imported, LayerStatus, LinkWord, MessageState, PeerInfo, PeerState, Pong,
    Reconnecting, Reply, Sent, Status, StoreStatus, Traffic,
};
pub use service::{EventSource, Service};
