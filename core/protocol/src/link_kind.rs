//! What a link runs over, as far as policies care.

/// The medium of a link or a sighting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Medium {
    /// The local network: TCP or QUIC found by mDNS or given by hand.
    Lan,
    /// Bluetooth LE: a slow link, on which only `link/1` runs (decision 4).
    Ble,
    /// Over the Internet, without a relay.
    Direct,
    /// Over a circuit relay.
    Relay,
}

impl Medium {
    /// Whether only `link/1` may run here (decision 4).
    #[must_use]
    pub const fn is_slow(self) -> bool {
        matches!(self, Self::Ble)
    }

    /// The stable word of the command line's contract.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Ble => "ble",
            Self::Direct => "direct",
            Self::Relay => "relay",
        }
    }
}

/// Who opened the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// This node dialled.
    Dialer,
    /// The other node dialled.
    Listener,
}

/// Whom a stranger's traffic is charged to: what it costs the stranger something to change.
/// The node maps IPv4 addresses to themselves, IPv6 ones to their /64, link-local ones to the
/// whole address, radio links to one source for each radio. A PeerId is free to make, so it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub u64);
