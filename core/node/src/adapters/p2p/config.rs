//! What a [`P2pNetwork`](super::P2pNetwork) is made from.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    air::Air,
    ports::{network::Endpoint, wires::Wires},
};

/// Configuration. The defaults are those of a person's node.
#[derive(Debug, Clone)]
pub struct P2pConfig {
    /// Ed25519 seed of the transport key of IP links (decision 7).
    pub seed: Zeroizing<[u8; 32]>,
    /// Ed25519 seed of the first epoch's key of slow links.
    pub slow_seed: Zeroizing<[u8; 32]>,
    /// Salt of the `Source` numbers: keep it as long as stored sources shall stay comparable.
    pub source_salt: [u8; 16],
    /// Where to listen.
    pub listen: Listen,
    /// Whether gossip, the fast path of decision 10, runs at all.
    pub gossip: bool,
    /// What connections run over.
    pub carriers: Carriers,
    /// Bounds on connections.
    pub limits: Limits,
}

impl P2pConfig {
    /// A person's node with these transport keys.
    #[must_use]
    pub fn new(seed: [u8; 32], slow_seed: [u8; 32], source_salt: [u8; 16]) -> Self {
        Self {
            seed: Zeroizing::new(seed),
            slow_seed: Zeroizing::new(slow_seed),
            source_salt,
            listen: Listen::Everywhere,
            gossip: true,
            carriers: Carriers::Ip,
            limits: Limits::default(),
        }
    }
}

/// What connections run over.
#[derive(Clone)]
pub enum Carriers {
    /// TCP and QUIC.
    Ip,
    /// These, and the in-process memory transport: for tests.
    IpAndMemory,
    /// A radio, and nothing else: a network of its own for each epoch's key (ADR 18).
    Radio(Air),
    /// Wires that are not the machine's, and nothing else: the simulator's.
    Wires(Arc<dyn Wires>),
}

impl fmt::Debug for Carriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ip => "Ip",
            Self::IpAndMemory => "IpAndMemory",
            Self::Radio(_) => "Radio",
            Self::Wires(_) => "Wires",
        })
    }
}

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// TCP and QUIC on every interface, IPv4 and IPv6, free ports; a family that the machine does
    /// not have is left out.
    Everywhere,
    /// Exactly here; none means nowhere.
    These(Vec<Endpoint>),
    /// On the radio of [`Carriers::Radio`].
    Radio,
}

/// Bounds on connections. The defaults assume a desktop or phone: a person has some dozens of
/// peers, and one connection costs about 0.2 MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections that are being accepted, at once.
    pub pending_incoming: u32,
    /// Dials in progress, at once.
    pub pending_outgoing: u32,
    /// Established connections.
    pub established: u32,
    /// Those of them that others may have dialled: the rest is kept for this node's own dials.
    pub established_incoming: u32,
    /// Established connections with one PeerId.
    pub per_peer: u32,
    /// Incoming connections from one [`Source`](sovereign_protocol::link_kind::Source), being
    /// accepted and established together. PeerIds are free to make; this is what a flooder meets.
    pub per_source: u32,
    /// Above this resident size of the process, in bytes, no further connection is made.
    pub resident_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending_incoming: 64,
            pending_outgoing: 32,
            established: 256,
            established_incoming: 192,
            per_peer: 4,
            per_source: 10,
            resident_bytes: 512 << 20,
        }
    }
}

/// Why the network could not start.
#[derive(Debug, thiserror::Error)]
pub enum P2pError {
    /// A configured listen address cannot be used: choose another, or free it.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// The multiaddress.
        address: String,
        /// The operating system's reason.
        why: String,
    },
    /// A transport could not be set up.
    #[error("cannot set up {what}: {why}")]
    Setup {
        /// Which part.
        what: &'static str,
        /// Its reason.
        why: String,
    },
}
