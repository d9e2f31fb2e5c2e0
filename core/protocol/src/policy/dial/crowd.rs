//! Whom to link on a crowded network, so that the graph stays connected and its diameter small.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::id::{DiscoveryId, TransportId};

/// Neighbours in the ring of discovery ids that are linked, on each side. One would connect the graph,
/// more keep it connected when nodes vanish.
pub const RING_SIDE: usize = 4;
/// Peers dialled beyond the ring on a crowded network. As many dial this node, which makes about 32.
pub const DIALLED_AT_RANDOM: usize = 12;

/// Everyone visible, in the order of the ring that begins after this node.
pub(super) struct Crowd {
    ring: Vec<(DiscoveryId, TransportId)>,
}

impl Crowd {
    pub(super) fn new(
        own: DiscoveryId,
        others: impl Iterator<Item = (DiscoveryId, TransportId)>,
    ) -> Self {
        let mut ring: Vec<_> = others.collect();
        ring.sort_unstable_by_key(|(discovery, transport)| {
            (*discovery < own, *discovery, *transport)
        });
        Self { ring }
    }

    /// Whether this peer is among the nearest in the ring, on either side.
    pub(super) fn is_neighbour(&self, peer: &TransportId) -> bool {
        let before = self.ring.len().saturating_sub(RING_SIDE);
        self.ring.iter().enumerate().any(|(index, (_, transport))| {
            transport == peer && (index < RING_SIDE || index >= before)
        })
    }

    /// Whom to link: everyone up to `target`, beyond it the neighbours and those of the least private hash.
    pub(super) fn chosen(&self, salt: &[u8; 16], target: usize) -> BTreeSet<TransportId> {
        if self.ring.len() <= target {
            return self.ring.iter().map(|(_, transport)| *transport).collect();
        }
        let ends = self
            .ring
            .iter()
            .take(RING_SIDE)
            .chain(self.ring.iter().rev().take(RING_SIDE));
        let mut chosen: BTreeSet<TransportId> = ends.map(|(_, transport)| *transport).collect();
        let mut hashed: Vec<([u8; 32], TransportId)> = self
            .ring
            .iter()
            .filter(|(_, transport)| !chosen.contains(transport))
            .map(|(_, transport)| (private_hash(salt, transport), *transport))
            .collect();
        hashed.sort_unstable();
        chosen.extend(
            hashed
                .into_iter()
                .take(DIALLED_AT_RANDOM)
                .map(|(_, transport)| transport),
        );
        chosen
    }
}

fn private_hash(salt: &[u8; 16], transport: &TransportId) -> [u8; 32] {
    Sha256::new()
        .chain_update(salt)
        .chain_update(transport.as_bytes())
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ids of which neither order follows from the other.
    fn node(number: u16) -> (DiscoveryId, TransportId) {
        let hash: [u8; 32] = Sha256::digest(number.to_be_bytes()).into();
        let mut discovery = [0; 8];
        discovery.copy_from_slice(&hash[24..]);
        (DiscoveryId(discovery), TransportId(hash))
    }

    fn crowd(own: u16, count: u16) -> Crowd {
        Crowd::new(
            node(own).0,
            (0..count).filter(|number| *number != own).map(node),
        )
    }

    #[test]
    fn up_to_the_target_everyone_is_chosen() {
        assert_eq!(crowd(0, 33).chosen(&[0; 16], 32).len(), 32);
        assert_eq!(
            crowd(0, 34).chosen(&[0; 16], 32).len(),
            2 * RING_SIDE + DIALLED_AT_RANDOM
        );
    }

    #[test]
    fn neighbours_are_chosen_and_neighbourhood_is_mutual() {
        for own in 0..60 {
            let here = crowd(own, 60);
            let chosen = here.chosen(&[7; 16], 32);
            let mut near = 0;
            for other in (0..60).filter(|other| *other != own) {
                let is_near = here.is_neighbour(&node(other).1);
                near += usize::from(is_near);
                assert_eq!(is_near, crowd(other, 60).is_neighbour(&node(own).1));
                assert!(!is_near || chosen.contains(&node(other).1));
            }
            assert_eq!(near, 2 * RING_SIDE);
        }
    }

    #[test]
    fn the_ring_starts_after_this_node() {
        let id = |byte: u8| (DiscoveryId([byte; 8]), TransportId([byte; 32]));
        let crowd = Crowd::new(DiscoveryId([50; 8]), (0..100).filter(|n| *n != 50).map(id));
        let near: Vec<u8> = (0..100).filter(|n| crowd.is_neighbour(&id(*n).1)).collect();
        assert_eq!(near, vec![46, 47, 48, 49, 51, 52, 53, 54]);
    }

    #[test]
    fn the_salt_moves_the_rest() {
        let (one, other) = (
            crowd(0, 200).chosen(&[1; 16], 32),
            crowd(0, 200).chosen(&[2; 16], 32),
        );
        assert!(one.intersection(&other).count() < 2 * RING_SIDE + DIALLED_AT_RANDOM / 2);
    }

    proptest! {
        #[test]
        fn the_graph_is_connected(count in 2..180_u16, salts: u64) {
            let mut reached = BTreeSet::from([0]);
            let mut edges = BTreeSet::new();
            for own in 0..count {
                let mut salt = [0; 16];
                salt[..8].copy_from_slice(&salts.to_be_bytes());
                salt[8..10].copy_from_slice(&own.to_be_bytes());
                let chosen = crowd(own, count).chosen(&salt, 32);
                for other in (0..count).filter(|other| chosen.contains(&node(*other).1)) {
                    edges.insert((own, other));
                    edges.insert((other, own));
                }
            }
            let mut front = vec![0];
            while let Some(at) = front.pop() {
                for (_, to) in edges.range((at, 0)..=(at, u16::MAX)) {
                    if reached.insert(*to) {
                        front.push(*to);
                    }
                }
            }
            prop_assert_eq!(reached.len(), usize::from(count));
        }
    }
}
