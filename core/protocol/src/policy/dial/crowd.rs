//! Whom to link on a crowded network, so that the graph stays connected and its diameter small.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::id::{DiscoveryId, TransportId};

/// Neighbours in the ring of discovery ids that are linked, on each side. One would connect the graph,
/// more keep it connected when nodes vanish.
pub const RING_SIDE: usize = 4;
/// Peers dialled beyond the ring on a crowded network. As many dial this node, which makes about 32.
pub const DIALLED_AT_RANDOM: usize = 12;

/// Someone visible.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visible {
    pub(super) discovery: DiscoveryId,
    pub(super) transport: TransportId,
    /// What [`lot`] drew for it.
    pub(super) lot: u64,
}

/// Everyone visible, in the order of the ring that begins after this node.
pub(super) struct Crowd {
    ring: Vec<Visible>,
}

/// A number that nobody without the salt can foresee: those of the least ones are chosen.
pub(super) fn lot(salt: &[u8; 16], transport: &TransportId) -> u64 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(salt)
        .chain_update(transport.as_bytes())
        .finalize()
        .into();
    let (first, _) = digest.as_chunks::<8>();
    u64::from_be_bytes(first[0])
}

impl Crowd {
    pub(super) fn new(own: DiscoveryId, others: impl Iterator<Item = Visible>) -> Self {
        let mut ring: Vec<Visible> = others.collect();
        ring.sort_unstable_by_key(|other| {
            (other.discovery < own, other.discovery, other.transport)
        });
        Self { ring }
    }

    /// Whether this peer is among the nearest in the ring, on either side.
    pub(super) fn is_neighbour(&self, peer: &TransportId) -> bool {
        let before = self.ring.len().saturating_sub(RING_SIDE);
        self.ring
            .iter()
            .enumerate()
            .any(|(at, other)| other.transport == *peer && (at < RING_SIDE || at >= before))
    }

    /// Whom to link: everyone up to `target`, beyond it the neighbours and those of the least lots.
    pub(super) fn chosen(&self, target: usize) -> BTreeSet<TransportId> {
        if self.ring.len() <= target {
            return self.ring.iter().map(|other| other.transport).collect();
        }
        let ends = self
            .ring
            .iter()
            .take(RING_SIDE)
            .chain(self.ring.iter().rev().take(RING_SIDE));
        let mut chosen: BTreeSet<TransportId> = ends.map(|other| other.transport).collect();
        let mut drawn: Vec<(u64, TransportId)> = self
            .ring
            .iter()
            .filter(|other| !chosen.contains(&other.transport))
            .map(|other| (other.lot, other.transport))
            .collect();
        drawn.sort_unstable();
        chosen.extend(
            drawn
                .into_iter()
                .take(DIALLED_AT_RANDOM)
                .map(|(_, transport)| transport),
        );
        chosen
    }
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

    fn visible(salt: &[u8; 16], (discovery, transport): (DiscoveryId, TransportId)) -> Visible {
        Visible {
            discovery,
            transport,
            lot: lot(salt, &transport),
        }
    }

    fn salted(salt: &[u8; 16], own: u16, count: u16) -> Crowd {
        let others = (0..count).filter(|number| *number != own);
        Crowd::new(
            node(own).0,
            others.map(|number| visible(salt, node(number))),
        )
    }

    fn crowd(own: u16, count: u16) -> Crowd {
        salted(&[0; 16], own, count)
    }

    #[test]
    fn up_to_the_target_everyone_is_chosen() {
        assert_eq!(crowd(0, 33).chosen(32).len(), 32);
        assert_eq!(crowd(0, 30).chosen(32).len(), 29);
        assert_eq!(
            crowd(0, 34).chosen(32).len(),
            2 * RING_SIDE + DIALLED_AT_RANDOM
        );
    }

    #[test]
    fn neighbours_are_chosen_and_neighbourhood_is_mutual() {
        for own in 0..60 {
            let here = crowd(own, 60);
            let chosen = here.chosen(32);
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
        let others = (0..100)
            .filter(|n| *n != 50)
            .map(|n| visible(&[0; 16], id(n)));
        let crowd = Crowd::new(DiscoveryId([50; 8]), others);
        let near: Vec<u8> = (0..100).filter(|n| crowd.is_neighbour(&id(*n).1)).collect();
        assert_eq!(near, vec![46, 47, 48, 49, 51, 52, 53, 54]);
    }

    #[test]
    fn the_salt_moves_the_rest() {
        let chosen = |salt| salted(&[salt; 16], 0, 200).chosen(32);
        assert!(chosen(1).intersection(&chosen(2)).count() < 2 * RING_SIDE + DIALLED_AT_RANDOM / 2);
        assert_eq!(chosen(1), chosen(1));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn the_graph_is_connected(count in 2..180_u16, salts: u64) {
            let mut reached = BTreeSet::from([0]);
            let mut edges = BTreeSet::new();
            for own in 0..count {
                let mut salt = [0; 16];
                salt[..8].copy_from_slice(&salts.to_be_bytes());
                salt[8..10].copy_from_slice(&own.to_be_bytes());
                let chosen = salted(&salt, own, count).chosen(32);
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
