//! What a LAN adapter keeps in mind: bounded, and reported as differences (LOC-8).
//!
//! There is no queue of events. The table holds what is true now and what the reader was last told;
//! [`Sightings::next_event`] returns one difference at a time. A flood that the reader does not
//! keep up with therefore costs no memory, and the reader never holds more than
//! [`MAX_LAN_SIGHTINGS`] live nodes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sovereign_protocol::id::DiscoveryId;

use crate::ports::lan::{
    LanAdvertisement, LanEvent, LanSighting, MAX_LAN_ADDRESSES, MAX_LAN_SIGHTINGS,
};

/// Most addresses kept of what one node offers, before those out of reach are sorted out.
const MAX_OFFERED: usize = 2 * MAX_LAN_ADDRESSES;

/// The nodes in sight, at most [`MAX_LAN_SIGHTINGS`]; the least recently seen goes first.
#[derive(Debug, Default)]
pub struct Sightings {
    nodes: BTreeMap<DiscoveryId, Node>,
    /// By when they were last seen, oldest first.
    order: BTreeMap<u64, DiscoveryId>,
    counter: u64,
    /// What the reader was last told of each node it holds to be live.
    told: BTreeMap<DiscoveryId, LanSighting>,
    /// Live nodes of which there may be something new to tell.
    changed: BTreeSet<DiscoveryId>,
    /// Nodes that were told and are live no more.
    losses: BTreeSet<DiscoveryId>,
    reach: Reach,
}

#[derive(Debug)]
struct Node {
    advertisement: LanAdvertisement,
    offered: Vec<SocketAddr>,
    seen: u64,
}

impl Sightings {
    /// Takes in what a node says. Addresses beyond 32 are dropped here, beyond
    /// [`MAX_LAN_ADDRESSES`] when they are told.
    pub fn saw(
        &mut self,
        advertisement: LanAdvertisement,
        addresses: impl IntoIterator<Item = SocketAddr>,
    ) {
        let id = advertisement.discovery;
        if let Some(node) = self.nodes.remove(&id) {
            self.order.remove(&node.seen);
        } else if self.nodes.len() >= MAX_LAN_SIGHTINGS
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.nodes.remove(&oldest);
            self.mark(oldest);
        }
        self.counter += 1;
        self.order.insert(self.counter, id);
        let node = Node {
            advertisement,
            offered: addresses.into_iter().take(MAX_OFFERED).collect(),
            seen: self.counter,
        };
        self.nodes.insert(id, node);
        self.mark(id);
    }

    /// The node said goodbye or its records expired.
    pub fn lost(&mut self, id: DiscoveryId) {
        if let Some(node) = self.nodes.remove(&id) {
            self.order.remove(&node.seen);
            self.mark(id);
        }
    }

    /// Forgets every node.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.order.clear();
        self.changed.clear();
        self.losses = self.told.keys().copied().collect();
    }

    /// Which addresses are within reach from now on.
    pub fn set_reach(&mut self, reach: Reach) {
        self.reach = reach;
        let ids: Vec<DiscoveryId> = self.nodes.keys().copied().collect();
        for id in ids {
            self.mark(id);
        }
    }

    /// The nodes in mind.
    pub fn ids(&self) -> impl Iterator<Item = DiscoveryId> {
        self.nodes.keys().copied()
    }

    /// Nodes in mind.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no node is in mind.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The next difference between what is true and what was told. Losses come before sightings,
    /// so that the reader never holds more nodes than this table does.
    pub fn next_event(&mut self) -> Option<LanEvent> {
        if let Some(id) = self.losses.pop_first() {
            self.told.remove(&id);
            return Some(LanEvent::Lost(id));
        }
        while let Some(id) = self.changed.pop_first() {
            let Some(current) = self.current(&id) else {
                continue;
            };
            if self.told.get(&id) != Some(&current) {
                self.told.insert(id, current.clone());
                return Some(LanEvent::Sighted(current));
            }
        }
        None
    }

    /// What there is to tell of a node: nothing while none of its addresses is within reach.
    fn current(&self, id: &DiscoveryId) -> Option<LanSighting> {
        let node = self.nodes.get(id)?;
        let mut addresses: Vec<SocketAddr> = node
            .offered
            .iter()
            .copied()
            .filter(|address| self.reach.includes(address))
            .collect();
        addresses.sort_by_key(|address| (preference(address), *address));
        addresses.dedup();
        addresses.truncate(MAX_LAN_ADDRESSES);
        (!addresses.is_empty()).then(|| LanSighting {
            advertisement: node.advertisement.clone(),
            addresses,
        })
    }

    /// `changed` holds live nodes only and `losses` told ones only, so both are bounded.
    fn mark(&mut self, id: DiscoveryId) {
        let live = self
            .nodes
            .get(&id)
            .is_some_and(|node| node.offered.iter().any(|a| self.reach.includes(a)));
        if live {
            self.losses.remove(&id);
            self.changed.insert(id);
        } else {
            self.changed.remove(&id);
            if self.told.contains_key(&id) {
                self.losses.insert(id);
            }
        }
    }
}

/// Which of the offered addresses may be told. An advertisement is unauthenticated: without this
/// rule one packet would make every node of a network dial any host on the Internet.
#[derive(Debug, Clone, Default)]
pub enum Reach {
    /// All of them; for a LAN whose addresses cannot be forged.
    #[default]
    Anywhere,
    /// Those on a network of one of our interfaces: address and prefix length of each.
    OnLink(Vec<(IpAddr, u8)>),
}

impl Reach {
    fn includes(&self, address: &SocketAddr) -> bool {
        let Self::OnLink(networks) = self else {
            return true;
        };
        let scope = match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(v6) => v6.scope_id(),
        };
        match address.ip() {
            ip if ip.is_unspecified() || ip.is_multicast() => false,
            IpAddr::V4(ip) if ip.is_broadcast() => false,
            // Link-local is on link by definition; without its scope nobody can dial it.
            IpAddr::V6(ip) if is_link_local(&ip) => scope != 0,
            ip => networks.iter().any(|network| same_network(*network, ip)),
        }
    }
}

/// `fe80::/10`.
#[must_use]
pub fn is_link_local(ip: &Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfe80
}

fn same_network((ours, prefix): (IpAddr, u8), theirs: IpAddr) -> bool {
    match (ours, theirs) {
        (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(prefix.min(32)))
                .unwrap_or(0);
            u32::from(ours) & mask == u32::from(theirs) & mask
        }
        (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
            // DHCPv6 gives single addresses (/128) on a network whose prefix is in a route: a
            // subnet of IPv6 is a /64 (RFC 4291 §2.5.1). Loopback has no neighbours.
            let prefix = if ours.is_loopback() {
                128
            } else {
                prefix.min(64)
            };
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            u128::from(ours) & mask == u128::from(theirs) & mask
        }
        _ => false,
    }
}

/// Loopback first, then what also the stock transports can dial, then link-local.
fn preference(address: &SocketAddr) -> u8 {
    match address.ip() {
        ip if ip.is_loopback() => 0,
        IpAddr::V4(_) => 1,
        IpAddr::V6(ip) if is_link_local(&ip) => 3,
        IpAddr::V6(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV6};

    use sovereign_protocol::id::TransportId;

    use super::*;

    fn advertisement(n: u64) -> LanAdvertisement {
        LanAdvertisement {
            transport: TransportId([7; 32]),
            discovery: DiscoveryId(n.to_be_bytes()),
            tcp_port: 4000,
            quic_port: None,
            versions: vec![1],
            capabilities: 0,
        }
    }

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, n], 4000))
    }

    fn drain(sightings: &mut Sightings) -> Vec<LanEvent> {
        std::iter::from_fn(|| sightings.next_event()).collect()
    }

    #[test]
    fn a_flood_is_bounded_and_the_oldest_goes_first() {
        // LOC-8.
        let mut sightings = Sightings::default();
        for n in 0..100_000 {
            sightings.saw(advertisement(n), [address(1)]);
        }
        assert_eq!(sightings.len(), MAX_LAN_SIGHTINGS);
        assert_eq!(sightings.changed.len(), MAX_LAN_SIGHTINGS);
        assert_eq!(sightings.order.len(), MAX_LAN_SIGHTINGS);
        let events = drain(&mut sightings);
        assert_eq!(events.len(), MAX_LAN_SIGHTINGS);
        // Seen again, so not the oldest any more.
        let first = 100_000 - MAX_LAN_SIGHTINGS as u64;
        sightings.saw(advertisement(first), [address(1)]);
        sightings.saw(advertisement(1), [address(1)]);
        let events = drain(&mut sightings);
        assert_eq!(
            events[0],
            LanEvent::Lost(advertisement(first + 1).discovery)
        );
        assert!(matches!(&events[1], LanEvent::Sighted(s) if s.advertisement == advertisement(1)));
        assert_eq!(events.len(), 2);
        for n in 200_000..300_000 {
            sightings.saw(advertisement(n), [address(1)]);
        }
        assert_eq!(sightings.changed.len(), MAX_LAN_SIGHTINGS);
        assert_eq!(sightings.losses.len(), MAX_LAN_SIGHTINGS);
        let live = drain(&mut sightings)
            .iter()
            .fold(MAX_LAN_SIGHTINGS, |live, event| {
                assert!(live <= MAX_LAN_SIGHTINGS);
                match event {
                    LanEvent::Lost(_) => live - 1,
                    _ => live + 1,
                }
            });
        assert_eq!(live, MAX_LAN_SIGHTINGS);
    }

    #[test]
    fn only_differences_are_told() {
        let mut sightings = Sightings::default();
        sightings.saw(advertisement(1), [address(1)]);
        assert_eq!(drain(&mut sightings).len(), 1);
        sightings.saw(advertisement(1), [address(1)]);
        assert_eq!(drain(&mut sightings), []);
        sightings.saw(advertisement(1), [address(2)]);
        assert_eq!(drain(&mut sightings).len(), 1);
        sightings.saw(advertisement(2), [address(2)]);
        sightings.lost(advertisement(2).discovery);
        assert_eq!(drain(&mut sightings), []);
        sightings.clear();
        assert_eq!(
            drain(&mut sightings),
            [LanEvent::Lost(advertisement(1).discovery)]
        );
        assert!(sightings.is_empty());
    }

    #[test]
    fn only_addresses_on_link_are_told() {
        // LOC-8: an advertisement must not make us dial the Internet.
        let scoped = |scope| {
            SocketAddr::V6(SocketAddrV6::new(
                "fe80::1".parse().unwrap(),
                4000,
                0,
                scope,
            ))
        };
        let v6 = |text: &str| SocketAddr::new(text.parse().unwrap(), 4000);
        let offered = [
            scoped(0),
            scoped(3),
            v6("2001:db8::1"),
            v6("fd77::9"),
            v6("ff02::1"),
            v6("::"),
            v6("::1"),
            SocketAddr::from(([10, 0, 0, 9], 4000)),
            SocketAddr::from(([10, 0, 1, 9], 4000)),
            SocketAddr::from((Ipv4Addr::BROADCAST, 4000)),
            SocketAddr::from(([8, 8, 8, 8], 4000)),
        ];
        let mut sightings = Sightings::default();
        sightings.set_reach(Reach::OnLink(Vec::new()));
        sightings.saw(advertisement(1), offered[2..].iter().copied());
        assert_eq!(
            drain(&mut sightings),
            [],
            "held back until an address is within reach"
        );
        sightings.saw(advertisement(1), offered);
        sightings.set_reach(Reach::OnLink(vec![
            ("10.0.0.1".parse().unwrap(), 24),
            ("fd77::1".parse().unwrap(), 128),
        ]));
        let events = drain(&mut sightings);
        let [LanEvent::Sighted(sighting)] = events.as_slice() else {
            panic!("{events:?}");
        };
        let expected = [
            SocketAddr::from(([10, 0, 0, 9], 4000)),
            v6("fd77::9"),
            scoped(3),
        ];
        assert_eq!(sighting.addresses, expected);
        sightings.set_reach(Reach::OnLink(vec![("::1".parse().unwrap(), 128)]));
        let events = drain(&mut sightings);
        assert!(
            matches!(&events[..], [LanEvent::Sighted(s)] if s.addresses == [v6("::1"), scoped(3)])
        );
    }

    #[test]
    fn addresses_of_a_node_are_bounded() {
        let mut sightings = Sightings::default();
        sightings.saw(advertisement(1), (0..=255).map(address));
        let events = drain(&mut sightings);
        assert!(
            matches!(&events[..], [LanEvent::Sighted(s)] if s.addresses.len() == MAX_LAN_ADDRESSES)
        );
    }

    #[test]
    fn default_prefixes_do_not_overflow() {
        assert!(same_network(
            ("0.0.0.0".parse().unwrap(), 0),
            "9.9.9.9".parse().unwrap()
        ));
        assert!(same_network(
            ("::2".parse().unwrap(), 0),
            "9::9".parse().unwrap()
        ));
        assert!(same_network(
            ("1.1.1.1".parse().unwrap(), 255),
            "1.1.1.1".parse().unwrap()
        ));
    }
}
