//! The networks of a node: one for each transport key. While a key is renewed the old network
//! drains beside the new one, and links of both are numbered as one.

use std::{collections::BTreeMap, net::SocketAddr};

use futures::stream::{FuturesUnordered, StreamExt};
use sovereign_protocol::{
    id::{DiscoveryId, LinkId, TransportId},
    link_kind::Source,
};

use super::tally::Tally;
use crate::ports::{
    lan::LanSighting,
    network::{Endpoint, LinkBytes, Network, NetworkCommand, NetworkEvent, Verdict},
    radio::RadioAddress,
};

/// Endpoints tried for one peer.
const MAX_ENDPOINTS: usize = 16;
/// Sighted nodes whose endpoints are remembered; the LAN adapter's own bound.
const MAX_BOOK: usize = crate::ports::lan::MAX_LAN_SIGHTINGS;

/// A network and the key it runs under.
pub(super) struct Net<N> {
    pub(super) network: N,
    pub(super) local: TransportId,
    /// The node's link numbers by the network's own.
    links: BTreeMap<LinkId, LinkId>,
    pub(super) listening: Vec<Endpoint>,
    /// What had crossed it when it was last asked.
    crossed: LinkBytes,
}

impl<N: Network> Net<N> {
    pub(super) fn new(network: N, local: TransportId) -> Self {
        Self {
            network,
            local,
            links: BTreeMap::new(),
            listening: Vec::new(),
            crossed: LinkBytes::default(),
        }
    }

    /// What crossed it since this was last asked.
    fn news(&mut self) -> LinkBytes {
        let crossed = self.network.crossed();
        let before = core::mem::replace(&mut self.crossed, crossed);
        crossed - before
    }

    /// The node's numbers of the links that are left; they are this network's no more.
    pub(super) fn take_links(&mut self) -> Vec<LinkId> {
        core::mem::take(&mut self.links).into_values().collect()
    }

    async fn next(&mut self) -> (TransportId, NetworkEvent) {
        (self.local, self.network.next().await)
    }

    pub(super) fn is_drained(&self) -> bool {
        self.links.is_empty()
    }
}

/// All networks.
pub(super) struct Nets<N> {
    pub(super) current: Net<N>,
    pub(super) draining: Option<Net<N>>,
    /// Those of the radio, one for each epoch's key: the last is the present epoch's, the others have links
    /// that outlived theirs.
    epochs: Vec<Net<N>>,
    /// Where the other ends of links over the radio are.
    at: BTreeMap<LinkId, RadioAddress>,
    /// Where a link number leads: the key of its network, and its number there.
    routes: BTreeMap<LinkId, (TransportId, LinkId)>,
    next_link: u64,
    /// Who waits for a verdict on a gossip message, by the node's number for it.
    asked: BTreeMap<u64, (TransportId, u64)>,
    next_question: u64,
    book: BTreeMap<TransportId, Sighted>,
    /// What is counted for people.
    pub(super) tally: Tally,
}

struct Sighted {
    discovery: DiscoveryId,
    endpoints: Vec<Endpoint>,
}

impl<N: Network> Nets<N> {
    pub(super) fn new(current: Net<N>) -> Self {
        // 0 is the engine's own pseudo-link.
        Self {
            current,
            draining: None,
            epochs: Vec::new(),
            at: BTreeMap::new(),
            routes: BTreeMap::new(),
            next_link: 1,
            asked: BTreeMap::new(),
            next_question: 0,
            book: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// The next event with the key of its network. Safe to cancel.
    pub(super) async fn next(&mut self) -> (TransportId, NetworkEvent) {
        let draining = self.draining.as_mut();
        let others = draining.into_iter().chain(&mut self.epochs);
        let mut others: FuturesUnordered<_> = others.map(Net::next).collect();
        tokio::select! {
            event = self.current.next() => event,
            Some(event) = others.next() => event,
        }
    }

    fn net(&mut self, local: TransportId) -> Option<&mut Net<N>> {
        if self.current.local == local {
            return Some(&mut self.current);
        }
        let others = self.draining.iter_mut().chain(&mut self.epochs);
        others.into_iter().find(|net| net.local == local)
    }

    /// The node's number for a new link.
    pub(super) fn number(&mut self, local: TransportId, link: LinkId) -> LinkId {
        let number = LinkId(self.next_link);
        self.next_link += 1;
        self.routes.insert(number, (local, link));
        if let Some(net) = self.net(local) {
            net.links.insert(link, number);
        }
        number
    }

    pub(super) fn find(&mut self, local: TransportId, link: LinkId) -> Option<LinkId> {
        self.net(local)?.links.get(&link).copied()
    }

    /// A link is gone; its number is never used again.
    pub(super) fn forget(&mut self, local: TransportId, link: LinkId) -> Option<LinkId> {
        let number = self.net(local)?.links.remove(&link)?;
        self.routes.remove(&number);
        self.at.remove(&number);
        self.tally.down(number);
        Some(number)
    }

    /// Hands a command to the network of a link.
    pub(super) fn submit(&mut self, link: LinkId, command: impl FnOnce(LinkId) -> NetworkCommand) {
        if let Some((local, theirs)) = self.routes.get(&link).copied()
            && let Some(net) = self.net(local)
        {
            net.network.submit(command(theirs));
        }
    }

    pub(super) fn sighted(&mut self, sighting: &LanSighting) {
        let advertisement = &sighting.advertisement;
        if self.book.len() >= MAX_BOOK && !self.book.contains_key(&advertisement.transport) {
            self.book.pop_first();
        }
        let endpoints = endpoints(sighting);
        self.book.insert(
            advertisement.transport,
            Sighted {
                discovery: advertisement.discovery,
                endpoints,
            },
        );
    }

    /// The node's number for a gossip message that a network wants judged.
    pub(super) fn ask(&mut self, local: TransportId, token: u64) -> u64 {
        let number = self.next_question;
        self.next_question += 1;
        self.asked.insert(number, (local, token));
        number
    }

    /// Hands a verdict to the network that asked for it.
    pub(super) fn judge(&mut self, number: u64, verdict: Verdict) {
        if let Some((local, token)) = self.asked.remove(&number)
            && let Some(net) = self.net(local)
        {
            net.network.submit(NetworkCommand::Judge { token, verdict });
        }
    }

    /// Asks all networks what crossed them.
    pub(super) fn count_crossed(&mut self, wall_ms: u64) {
        let mut ip = self.current.news();
        if let Some(draining) = &mut self.draining {
            ip += draining.news();
        }
        let mut ble = LinkBytes::default();
        for epoch in &mut self.epochs {
            ble += epoch.news();
        }
        self.tally.crossed(ip, ble, wall_ms);
    }

    /// Whether a peer is sighted on the LAN.
    pub(super) fn knows(&self, peer: &TransportId) -> bool {
        self.book.contains_key(peer)
    }

    pub(super) fn sighting_lost(&mut self, discovery: DiscoveryId) {
        self.book
            .retain(|_, sighted| sighted.discovery != discovery);
    }

    /// Dials a sighted peer; `false` if it is not known where.
    pub(super) fn dial(&mut self, peer: TransportId) -> bool {
        let Some(endpoints) = self
            .book
            .get(&peer)
            .map(|sighted| sighted.endpoints.clone())
        else {
            return false;
        };
        self.current
            .network
            .submit(NetworkCommand::Dial { peer, endpoints });
        true
    }

    pub(super) fn dial_at(&mut self, peer: TransportId, endpoint: Endpoint) {
        self.current.network.submit(NetworkCommand::Dial {
            peer,
            endpoints: vec![endpoint],
        });
    }

    /// Takes the network of a new epoch of the radio, and gives those of earlier ones that have no links left.
    /// A radio has seven links, so there are never many.
    pub(super) fn begin_epoch(&mut self, fresh: Net<N>) -> Vec<Net<N>> {
        self.epochs.push(fresh);
        let last = self.epochs.len() - 1;
        let all = core::mem::take(&mut self.epochs).into_iter().enumerate();
        let (keep, gone): (Vec<_>, Vec<_>) =
            all.partition(|(index, net)| *index == last || !net.is_drained());
        self.epochs = keep.into_iter().map(|(_, net)| net).collect();
        gone.into_iter().map(|(_, net)| net).collect()
    }

    /// Hands a command to the present epoch's network; `false` if there is none.
    pub(super) fn submit_to_epoch(&mut self, command: NetworkCommand) -> bool {
        let present = self.epochs.last_mut();
        present.map(|net| net.network.submit(command)).is_some()
    }

    /// All networks, for the end.
    pub(super) fn all_mut(&mut self) -> (Option<&mut Net<N>>, &mut Net<N>, &mut [Net<N>]) {
        (self.draining.as_mut(), &mut self.current, &mut self.epochs)
    }

    pub(super) fn note_radio_address(&mut self, link: LinkId, address: RadioAddress) {
        self.at.insert(link, address);
    }

    pub(super) fn radio_address(&self, link: LinkId) -> Option<RadioAddress> {
        self.at.get(&link).copied()
    }

    /// Links whose other end has this radio address.
    pub(super) fn links_at(&self, address: RadioAddress) -> Vec<LinkId> {
        let at = self.at.iter().filter(|(_, at)| **at == address);
        at.map(|(link, _)| *link).collect()
    }

    /// Starts the new key's network; nothing is dialled from the old one any more, and it is shut down
    /// once drained.
    pub(super) fn renew(&mut self, fresh: Net<N>) -> Option<Net<N>> {
        let old = core::mem::replace(&mut self.current, fresh);
        self.draining.replace(old)
    }
}

/// Where to dial a sighted node: TCP first, because every node has it and a refused port answers at
/// once, then QUIC at the same addresses.
fn endpoints(sighting: &LanSighting) -> Vec<Endpoint> {
    let tcp = sighting
        .addresses
        .iter()
        .map(|address| Endpoint::Tcp(*address));
    let quic = sighting
        .advertisement
        .quic_port
        .into_iter()
        .flat_map(|port| {
            sighting
                .addresses
                .iter()
                .filter(|address| !is_scoped(address))
                .map(move |address| {
                    let mut address = *address;
                    address.set_port(port);
                    Endpoint::Quic(address)
                })
        });
    tcp.chain(quic).take(MAX_ENDPOINTS).collect()
}

/// libp2p's QUIC transport drops the scope of a link-local address.
fn is_scoped(address: &SocketAddr) -> bool {
    matches!(address, SocketAddr::V6(v6) if v6.scope_id() != 0 || v6.ip().is_unicast_link_local())
}

/// Whom the dials of a sighting are charged to: its first address's source.
pub(super) fn source_of(sighting: &LanSighting, of: impl Fn(SocketAddr) -> Source) -> Source {
    sighting
        .addresses
        .first()
        .map_or(sovereign_protocol::engine::UNKNOWN_SOURCE, |address| {
            of(*address)
        })
}
