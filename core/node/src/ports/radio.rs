//! The radio port (decision 5): moves frames, decides nothing. One trait, four worlds: Linux, phone
//! shells, lab, simulator.

use std::time::Duration;

use bytes::Bytes;
use sovereign_protocol::{id::LinkId, link_kind::Role};

/// A radio's address: opaque, at most 48 bits, and changed with the discovery id. Never a reason to decide
/// anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RadioAddress(pub u64);

/// Longest advertisement payload that is sent (legacy advertising, Bluetooth Core 5.4, vol. 6, part B, 2.3).
pub const MAX_ADVERTISEMENT: usize = 31;
/// Longest payload that is passed up: advertisement and scan response of a legacy advertiser, or one
/// fragment of an extended one.
pub const MAX_HEARD: usize = 255;
/// Longest value of the hello characteristic.
pub const MAX_HELLO: usize = 32;
/// Frames that wait in a radio for each link at most; beyond it [`RadioError::Busy`] until `Ready`.
pub const RADIO_FRAMES: usize = 8;
/// Events that wait for the node at most; overflow is explicit.
pub const RADIO_INBOX: usize = 256;

/// Downward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RadioCommand {
    /// Listen for so long in every interval; `None` stops.
    Scan(Option<ScanDuty>),
    /// Advertise this in place of anything before; `None` stops, links stay.
    Advertise(Option<Advertising>),
    /// Connect to a sighted address. Answered by `Up` or `ConnectFailed`.
    Connect(RadioAddress),
    /// Send one frame, at most the link's largest. Frames of a link leave in order; whether they
    /// arrive, and in which order, is not promised.
    Send {
        /// Link it goes over.
        link: LinkId,
        /// 1 to the link's `max_frame` bytes.
        frame: Bytes,
    },
    /// Close a link. Answered by `Down`.
    Close(LinkId),
}

/// How long a scanner listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScanDuty {
    /// Listening in every interval, at most the interval.
    pub window: Duration,
    /// From one window to the next.
    pub interval: Duration,
}

/// What is advertised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertising {
    /// AD structures of the advertisement, at most [`MAX_ADVERTISEMENT`] bytes.
    pub data: Bytes,
    /// AD structures of the scan response, at most [`MAX_ADVERTISEMENT`] bytes.
    pub scan_response: Bytes,
    /// Value of the hello characteristic, at most [`MAX_HELLO`] bytes (docs/protocol.md §11.3). An adapter
    /// that takes L2CAP channels puts its PSM in.
    pub hello: Bytes,
    /// From one advertisement to the next.
    pub interval: Duration,
    /// Whether others may connect.
    pub connectable: bool,
    /// The random address to have, most significant byte first, where it can be chosen. A change begins an
    /// epoch: what was read as hello on earlier connections is refused from then on (§11.3), and where the
    /// address cannot be chosen it has to change all the same.
    pub address: [u8; 6],
}

/// What a link's frames travel in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    /// Writes without response one way, notifications the other.
    Gatt,
    /// An L2CAP connection-oriented channel that passed the echo test.
    L2cap,
}

/// Whether there is a radio to work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RadioState {
    /// It works.
    On,
    /// It is switched off, or its service does not run; links are gone. It may come back.
    Off(String),
    /// The system refuses; says what to allow.
    Forbidden(String),
    /// There is none.
    Absent(String),
}

/// Upward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RadioEvent {
    /// How the radio is; the first event of all.
    State(RadioState),
    /// Something was heard. The same advertiser is reported again whenever it is heard again.
    Sighted {
        /// Who sent it.
        address: RadioAddress,
        /// AD structures of the advertisement, the scan response, or one after the other; at most
        /// [`MAX_HEARD`] bytes. Not checked in any other way.
        heard: Bytes,
        /// Signal in dBm; `None` when the controller does not know (127).
        rssi_dbm: Option<i8>,
    },
    /// A link is up.
    Up {
        /// Its number from now on; never used again.
        link: LinkId,
        /// The other end.
        address: RadioAddress,
        /// Largest frame, in bytes: 20 at least.
        max_frame: u16,
        /// Who connected.
        role: Role,
        /// What carries it.
        bearer: Bearer,
    },
    /// An address could not be connected to.
    ConnectFailed {
        /// Which.
        address: RadioAddress,
        /// Why, in words.
        why: String,
    },
    /// A frame came in.
    Frame {
        /// Link it came over.
        link: LinkId,
        /// At least one byte.
        frame: Bytes,
    },
    /// After [`RadioError::Busy`]: the link takes frames again.
    Ready(LinkId),
    /// The link is gone.
    Down {
        /// Which.
        link: LinkId,
        /// Why, in words.
        why: String,
    },
    /// So many events were dropped because nobody took them in time. Links' ups and downs never are.
    Overflow(u32),
}

/// Why a radio refused a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RadioError {
    /// As many frames wait as may: try again after `Ready`.
    #[error("the radio is busy")]
    Busy,
    /// No such link or address.
    #[error("no such link or address")]
    Unknown,
    /// Empty, larger than the link's frames, or than an advertisement may be.
    #[error("not a length this radio sends")]
    Length,
    /// Off, forbidden or absent: see [`RadioEvent::State`].
    #[error("the radio is not available")]
    Unavailable,
}

/// The radio of platforms for which there is none.
#[derive(Debug)]
pub enum NoRadio {}

impl Radio for NoRadio {
    fn submit(&mut self, _: RadioCommand) -> Result<(), RadioError> {
        match *self {}
    }

    async fn next(&mut self) -> RadioEvent {
        match *self {}
    }
}

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
