//! Which of two links to one peer over one medium is closed (docs/protocol.md §7.7).
//!
//! Both ends know the two transport ids, who dialled and the session's id, so both reach the same answer
//! without a word. The ranks of sessions are totally ordered: the first of any set that either end can
//! see is closed by neither.

use crate::{
    id::TransportId,
    link_kind::{Medium, Role},
};

/// One link, as far as the rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkInfo {
    /// This node's key on the connection.
    pub local: TransportId,
    /// The key that the other end proved.
    pub remote: TransportId,
    /// Who dialled.
    pub role: Role,
    /// Over what.
    pub medium: Medium,
}

/// A link's place among those of its peer and medium: the least is kept. Both ends compute the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// False first: the lower transport id dialled.
    dialled_by_higher: bool,
    session: [u8; 32],
}

impl Rank {
    /// The rank of a link whose session is ready.
    #[must_use]
    pub fn new(info: &LinkInfo, session: [u8; 32]) -> Self {
        let (dialer, listener) = match info.role {
            Role::Dialer => (info.local, info.remote),
            Role::Listener => (info.remote, info.local),
        };
        Self {
            dialled_by_higher: dialer > listener,
            session,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(a: TransportId, b: TransportId, a_dialled: bool) -> (LinkInfo, LinkInfo) {
        let (ours, theirs) = if a_dialled {
            (Role::Dialer, Role::Listener)
        } else {
            (Role::Listener, Role::Dialer)
        };
        let end = |local, remote, role| LinkInfo {
            local,
            remote,
            role,
            medium: Medium::Lan,
        };
        (end(a, b, ours), end(b, a, theirs))
    }

    #[test]
    fn the_link_that_the_lower_id_dialled_is_kept() {
        let (low, high) = (TransportId([1; 32]), TransportId([2; 32]));
        let (by_low, _) = ends(low, high, true);
        let (by_high, _) = ends(low, high, false);
        assert!(Rank::new(&by_low, [9; 32]) < Rank::new(&by_high, [0; 32]));
        assert!(Rank::new(&by_low, [1; 32]) < Rank::new(&by_low, [2; 32]));
        // Of one key at both ends nobody is the higher.
        let (same, _) = ends(low, low, true);
        assert!(Rank::new(&same, [9; 32]) < Rank::new(&by_high, [0; 32]));
    }

    proptest! {
        #[test]
        fn both_ends_agree(a: [u8; 32], b: [u8; 32], a_dialled: bool, session: [u8; 32]) {
            let (ours, theirs) = ends(TransportId(a), TransportId(b), a_dialled);
            prop_assert_eq!(Rank::new(&ours, session), Rank::new(&theirs, session));
        }
    }
}
