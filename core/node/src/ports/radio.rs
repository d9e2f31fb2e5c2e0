//! The radio port (decision 5): moves frames, decides nothing.

use bytes::Bytes;
use sovereign_protocol::{id::LinkId, link_kind::Role};

/// A radio's address: opaque, and changed with the discovery id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RadioAddress(pub u64);

/// Downward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RadioCommand {
    /// Share of time spent scanning, in thousandths.
    SetDuty(u16),
    /// Advertise this payload (at most 31 bytes) in place of any other; `None` stops.
    Advertise(Option<Bytes>),
    /// Connect to a sighted address.
    Connect(RadioAddress),
    /// Send one frame, at most the link's MTU. `sequence` counts the frames of this direction.
    Send {
        /// Link it goes over.
        link: LinkId,
        /// 0, 1, 2 … in this direction.
        sequence: u32,
        /// At most the link's MTU.
        frame: Bytes,
    },
    /// Close a link.
    Close(LinkId),
}

/// Upward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RadioEvent {
    /// An advertisement was heard.
    Sighted {
        /// Who sent it.
        address: RadioAddress,
        /// Its payload.
        advertisement: Bytes,
        /// Signal in dBm; `None` when the controller does not know (127).
        rssi_dbm: Option<i8>,
    },
    /// A link is up.
    Up {
        /// Its number from now on.
        link: LinkId,
        /// The other end.
        address: RadioAddress,
        /// Largest frame, in bytes.
        mtu: u16,
        /// Who connected.
        role: Role,
    },
    /// A frame came in.
    Frame {
        /// Link it came over.
        link: LinkId,
        /// The sender's count; a gap means loss.
        sequence: u32,
        /// The frame.
        frame: Bytes,
    },
    /// The link takes another frame.
    Ready(LinkId),
    /// The link is gone.
    Down {
        /// Which.
        link: LinkId,
        /// Why, in words.
        why: String,
    },
    /// Events were dropped because nobody took them in time: how many.
    Overflow(u32),
}

/// Why a radio refused a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RadioError {
    /// The command queue is full: wait for `Ready`.
    #[error("the radio is busy")]
    Busy,
    /// No such link or address.
    #[error("no such link or address")]
    Unknown,
    /// Larger than the MTU or the advertisement's 31 bytes.
    #[error("too long for this radio")]
    TooLong,
    /// Off, or permission is missing.
    #[error("the radio is not available: {0}")]
    Unavailable(String),
}

/// Events that wait for the node at most; overflow is explicit.
pub const RADIO_INBOX: usize = 256;

/// The radio port. `submit` never blocks.
pub trait Radio: Send + 'static {
    /// Hands a command down.
    ///
    /// # Errors
    /// [`RadioError`]; the command then has no effect.
    fn submit(&mut self, command: RadioCommand) -> Result<(), RadioError>;
    /// The next event; safe to cancel.
    fn next(&mut self) -> impl Future<Output = RadioEvent> + Send;
}
