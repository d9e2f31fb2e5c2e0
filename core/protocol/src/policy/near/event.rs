//! What goes into the state machine and what comes out of it.

use core::time::Duration;

use super::duty::{Advertising, Profile, ScanMode};
use crate::{
    id::{DiscoveryId, LinkId, TransportId},
    link_kind::Role,
    wire::v1::CloseReason,
};

/// A radio's address, as opaque as the port's; it changes with the discovery id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(pub u64);

/// What a neighbour is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relation {
    /// Nobody it knows, or nobody yet.
    Stranger,
    /// A member of one of its channels, known once a link is up.
    Member,
    /// A contact: its discovery id was resolved (LOC-3), or it was recognised on a link.
    Contact,
}

/// Limits that depend on where the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Links at most, from [`super::LEAST_LINKS`] to [`super::MOST_LINKS`]; brought into that range.
    pub budget: usize,
    /// How much energy to spend.
    pub profile: Profile,
}

impl Default for Config {
    /// A phone (decision 11): its seven links are shared with a watch and earbuds.
    fn default() -> Self {
        Self {
            budget: super::DEFAULT_LINKS,
            profile: Profile::Balanced,
        }
    }
}

/// An advertisement: a hint until the handshake proves it (LOC-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The id it claims.
    pub neighbour: DiscoveryId,
    /// Where it came from.
    pub address: Address,
    /// Signal in dBm as the controller gave it; `None`, like 127, when it did not know.
    pub rssi: Option<i8>,
    /// Whether it takes links now.
    pub connectable: bool,
    /// Whether it cannot dial, so that the order of ids decides nothing (docs/protocol.md §11.2, bit 3).
    pub waits: bool,
    /// Contact when the id was resolved, else stranger.
    pub relation: Relation,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// This node has new ids, or its first; the radio is on.
    Announced {
        /// Its transport key from now on.
        transport: TransportId,
        /// Its discovery id from now on.
        discovery: DiscoveryId,
    },
    /// The person, the battery or the screen asks for another profile.
    Profile(Profile),
    /// Something is to be found soon: the app was opened, a message waits, the phone was moved.
    Wake,
    /// An advertisement was heard.
    Sighted(Sighting),
    /// No link came of [`Effect::Connect`].
    ConnectFailed(DiscoveryId),
    /// The radio has a link; the handshake is still to come.
    LinkUp {
        /// Its number.
        link: LinkId,
        /// The other end.
        address: Address,
        /// Who connected.
        role: Role,
    },
    /// The handshake and the exchange of Hello are done. Again when more became known of the peer: its next
    /// discovery id, or that it is a member.
    Proven {
        /// Which link.
        link: LinkId,
        /// The key it proved.
        peer: TransportId,
        /// Its discovery id, when it told.
        neighbour: Option<DiscoveryId>,
        /// What it is to this node.
        relation: Relation,
    },
    /// Both sides have what the other had.
    Reconciled {
        /// The link over which they compared.
        link: LinkId,
        /// Whether something passed that has been about for some time.
        news: bool,
    },
    /// Something came over this link after [`Effect::Probe`].
    Alive(LinkId),
    /// It is gone.
    LinkDown {
        /// Which.
        link: LinkId,
        /// Whether the peer closed it with a reason.
        refused: bool,
    },
    /// The time that [`super::NearPolicy::poll_timeout`] gave has come.
    Timer,
}

/// A neighbour as reported (LOC-6). The medium is Bluetooth LE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    /// Who.
    pub neighbour: DiscoveryId,
    /// Smoothed signal in dBm; `None` when no reading was ever known.
    pub dbm: Option<i8>,
    /// Place in the rank, 0 the best.
    pub rank: usize,
    /// Time since it was last heard.
    pub age: Duration,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Connect to this neighbour.
    Connect {
        /// Who; a failure is reported under this id.
        neighbour: DiscoveryId,
        /// Where it was last heard.
        address: Address,
    },
    /// Give up connecting: nothing came in [`super::CONNECT_TIMEOUT`]. No answer is awaited.
    Abort {
        /// Who.
        neighbour: DiscoveryId,
        /// Where.
        address: Address,
    },
    /// Close a link. [`CloseReason::Full`] is also how a neighbour that was met is let go.
    Close {
        /// Which.
        link: LinkId,
        /// Why.
        why: CloseReason,
    },
    /// Ask the peer for a sign of life over this link and hand in [`Event::Alive`] when it comes.
    Probe(LinkId),
    /// Scan in this mode from now on, or stop.
    Scan(Option<ScanMode>),
    /// Advertise like this from now on.
    Advertise(Advertising),
    /// A neighbour was found.
    Discovered(Report),
    /// Its signal changed.
    Updated(Report),
    /// It has not been heard for long.
    Lost(Report),
}
