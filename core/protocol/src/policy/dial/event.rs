//! What goes into the state machine and what comes out of it.

use crate::{
    id::{DiscoveryId, TransportId},
    link_kind::Source,
};

/// Limits that depend on where the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Links dialled for on a crowded network; neighbours in the ring are dialled beyond it.
    pub link_target: usize,
    /// Links at most, those that others dialled included; neighbours in the ring are admitted beyond it.
    pub max_links: usize,
    /// Links from one source at most.
    pub max_links_of_source: usize,
}

impl Default for Config {
    /// A desktop on a home or conference network.
    fn default() -> Self {
        Self {
            link_target: 32,
            max_links: 48,
            max_links_of_source: 16,
        }
    }
}

/// A node found on the network: a hint until the handshake proves it (LOC-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The key it claims.
    pub transport: TransportId,
    /// Its discovery id.
    pub discovery: DiscoveryId,
    /// Whom to charge.
    pub source: Source,
    /// How many endpoints it gave; without one it is not dialled.
    pub endpoints: usize,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// This node announces itself anew: it started, woke up, its ids or interfaces changed.
    Announced {
        /// Its transport key from now on.
        transport: TransportId,
        /// Its discovery id from now on.
        discovery: DiscoveryId,
    },
    /// A node was seen or seen again.
    Sighted(Sighting),
    /// A node said goodbye or its records expired.
    Lost(DiscoveryId),
    /// A link to this peer is up, whoever dialled.
    LinkUp {
        /// The key it proved.
        peer: TransportId,
        /// Whom to charge.
        source: Source,
    },
    /// A link to this peer is gone.
    LinkDown {
        /// Whose.
        peer: TransportId,
        /// Whether the peer closed it with a reason: it is then left alone for [`super::REFUSED_REST`].
        refused: bool,
    },
    /// No endpoint of the peer answered.
    DialFailed(TransportId),
    /// The time that [`super::DialPolicy::poll_timeout`] gave has come.
    Timer,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Dial this peer at the endpoints of its sightings.
    Dial(TransportId),
}
