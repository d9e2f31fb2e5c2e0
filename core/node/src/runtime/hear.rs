//! What networks and the LAN say, on its way to the engine.

use std::time::Duration;

use sovereign_protocol::{
    engine::Input, id::TransportId, link_kind::Medium, policy::dial::Sighting,
};

use super::{driver::Driver, nets, say, tally::LinkTally};
use crate::{
    api::EventKind,
    ports::{
        lan::{Lan, LanAdvertisement, LanEvent},
        network::{DownReason, Endpoint, LinkBytes, Network, NetworkEvent},
        radio::RadioAddress,
    },
};

/// After the first listener is up, the others are waited for this long before the node announces
/// itself: a second announcement would cost everybody another look.
const LISTENERS_SETTLE: Duration = Duration::from_millis(30);

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn network(&mut self, local: TransportId, event: NetworkEvent) {
        match event {
            NetworkEvent::Listening(endpoint) => self.listening(local, endpoint, true),
            NetworkEvent::NotListening(endpoint) => self.listening(local, endpoint, false),
            NetworkEvent::Up {
                link,
                peer,
                role,
                medium,
                source,
                endpoint,
            } => {
                let link = self.nets.number(local, link);
                // A LAN may use any addresses: who was sighted on it is on it.
                let medium = if medium == Medium::Direct && self.nets.knows(&peer) {
                    Medium::Lan
                } else {
                    medium
                };
                self.nets.tally.up(
                    link,
                    LinkTally {
                        peer,
                        medium,
                        role,
                        endpoint,
                        since: self.clock.now().boot,
                        bytes: LinkBytes::default(),
                    },
                );
                self.handle(Input::LinkUp {
                    link,
                    local,
                    peer,
                    role,
                    medium,
                    source,
                });
                if let Some(Endpoint::Memory(address, true)) = endpoint {
                    self.radio_up(link, RadioAddress(address), role);
                }
            }
            NetworkEvent::Frame { link, frame } => {
                if let Some(link) = self.nets.find(local, link) {
                    self.nets.tally.received(link, frame.len());
                    self.handle(Input::Frame { link, frame });
                }
            }
            NetworkEvent::Sent { link, bytes } => {
                if let Some(link) = self.nets.find(local, link) {
                    self.nets.tally.sent(link, bytes);
                    self.handle(Input::Sent { link, bytes });
                }
            }
            NetworkEvent::Down { link, reason } => {
                if let Some(link) = self.nets.forget(local, link) {
                    if !matches!(reason, DownReason::Local | DownReason::Remote) {
                        tracing::debug!(?reason, "a link went down");
                    }
                    self.handle(Input::LinkDown { link });
                }
                let drained = self
                    .nets
                    .draining
                    .as_ref()
                    .is_some_and(nets::Net::is_drained);
                if drained {
                    self.end_draining();
                }
            }
            NetworkEvent::RadioDialFailed { address, why } => self.radio_dial_failed(address, &why),
            NetworkEvent::DialFailed { peer, why } => {
                tracing::debug!(%peer, %why, "a dial failed");
                self.handle(Input::DialFailed { peer });
            }
            NetworkEvent::Gossip { token, topic, data } => {
                self.nets.tally.gossiped(topic);
                let token = self.nets.ask(local, token);
                self.handle(Input::Gossip { token, data });
            }
        }
    }

    pub(super) fn listening(&mut self, local: TransportId, endpoint: Endpoint, up: bool) {
        if local != self.nets.current.local {
            return;
        }
        let listening = &mut self.nets.current.listening;
        listening.retain(|known| *known != endpoint);
        if up {
            listening.push(endpoint);
        }
        listening.sort_unstable();
        if self.announce_at.is_none() {
            self.announce_at = Some(self.now().boot + LISTENERS_SETTLE);
        }
    }

    pub(super) fn listen_addresses(&self) -> Vec<String> {
        let local = self.nets.current.local;
        self.nets
            .current
            .listening
            .iter()
            .filter_map(|endpoint| say::multiaddr(endpoint, &local))
            .collect()
    }

    pub(super) fn announce(&mut self) {
        let listening = &self.nets.current.listening;
        let tcp = listening.iter().find_map(|endpoint| match endpoint {
            Endpoint::Tcp(at) => Some(at.port()),
            _ => None,
        });
        let quic_port = listening.iter().find_map(|endpoint| match endpoint {
            Endpoint::Quic(at) => Some(at.port()),
            _ => None,
        });
        let Some(tcp_port) = tcp else { return };
        let advertisement = LanAdvertisement {
            transport: self.key.id(),
            discovery: self.key.lan_discovery_id(),
            tcp_port,
            quic_port,
            versions: (sovereign_protocol::link::MIN_VERSION
                ..=sovereign_protocol::link::MAX_VERSION)
                .filter_map(|version| u16::try_from(version).ok())
                .collect(),
            capabilities: self.engine.capabilities(),
        };
        if self.announced.as_ref() == Some(&advertisement) {
            return;
        }
        if let Some(lan) = &mut self.lan
            && let Err(reason) = lan.announce(advertisement.clone())
        {
            self.lan_state = Err(reason);
        }
        let (transport, discovery) = (advertisement.transport, advertisement.discovery);
        self.announced = Some(advertisement);
        self.handle(Input::Announced {
            transport,
            discovery,
        });
    }

    pub(super) fn lan_event(&mut self, event: LanEvent) {
        match event {
            LanEvent::Sighted(sighting) => {
                self.nets.sighted(&sighting);
                let source = nets::source_of(&sighting, &self.source_of);
                let sighting = Sighting {
                    transport: sighting.advertisement.transport,
                    discovery: sighting.advertisement.discovery,
                    source,
                    endpoints: sighting.addresses.len(),
                };
                self.handle(Input::Sighted {
                    sighting,
                    medium: Medium::Lan,
                });
            }
            LanEvent::Lost(discovery) => {
                self.nets.sighting_lost(discovery);
                self.handle(Input::SightingLost { discovery });
            }
            LanEvent::Interfaces(addresses) => {
                self.interfaces = Some(addresses.len());
                if let Some(advertisement) = &self.announced {
                    let (transport, discovery) = (advertisement.transport, advertisement.discovery);
                    // A new network: who is there cannot have seen this node before.
                    self.handle(Input::Announced {
                        transport,
                        discovery,
                    });
                }
            }
            LanEvent::State(state) => {
                if let Err(reason) = &state {
                    self.emit(EventKind::Warning {
                        kind: "mdns".to_owned(),
                        message: reason.clone(),
                    });
                }
                self.lan_state = state;
            }
        }
    }
}
