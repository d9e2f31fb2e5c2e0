//! One link as the budget sees it, and which of two to the same peer stays.

use core::time::Duration;

use super::event::Relation;
use crate::{
    id::{DiscoveryId, LinkId, TransportId},
    link_kind::Role,
};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The handshake is under way.
    HalfOpen,
    /// The peer has this older link, which is being probed.
    Rival(LinkId),
    /// A contact's or a member's: it stays.
    Sticky,
    /// A stranger's that stays while no contact needs its place.
    Backbone,
    /// To reconcile once.
    Encounter,
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) role: Role,
    pub(super) since: Duration,
    pub(super) kind: Kind,
    /// The key it proved.
    pub(super) peer: Option<TransportId>,
    pub(super) neighbour: Option<DiscoveryId>,
    pub(super) relation: Relation,
    /// Opened from where a contact without a link was last heard.
    pub(super) claimed: bool,
    pub(super) reconciled: bool,
    /// Until when it must have shown life.
    pub(super) probe: Option<Duration>,
    /// Since when this node waits for its end.
    pub(super) closing: Option<Duration>,
}

impl Link {
    pub(super) const fn new(role: Role, neighbour: Option<DiscoveryId>, now: Duration) -> Self {
        Self {
            role,
            since: now,
            kind: Kind::HalfOpen,
            peer: None,
            neighbour,
            relation: Relation::Stranger,
            claimed: false,
            reconciled: false,
            probe: None,
            closing: None,
        }
    }

    /// Proven, not a rival, and to stay for now.
    pub(super) const fn is_established(&self) -> bool {
        self.closing.is_none() && !matches!(self.kind, Kind::HalfOpen | Kind::Rival(_))
    }

    /// Whether this link stays rather than `later`, both alive and to the same peer: the one that the lower
    /// transport id dialled, else the older. Both ends come to the same answer.
    pub(super) fn stays_before(&self, later: &Self, own: &TransportId) -> bool {
        let dialled_by_lower = |link: &Self| match link.role {
            Role::Dialer => link.peer.is_some_and(|peer| *own < peer),
            Role::Listener => link.peer.is_some_and(|peer| peer < *own),
        };
        dialled_by_lower(self) || !dialled_by_lower(later)
    }
}
