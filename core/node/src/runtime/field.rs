//! The radio's side of the node: epochs, what is advertised, what was heard (decisions 5 and 7).

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use sovereign_protocol::{
    engine::Input,
    id::{DiscoveryId, LinkId},
    identity::TransportKey,
    link_kind::Role,
    policy::near::{self, duty},
    radio::{
        advert::{self, Capabilities, Hello, Pdu, Sighting},
        discovery::{IdPrefix, SeenId},
        rotation::{Rotation, Turn},
    },
};
use tokio::sync::mpsc;

use super::{driver::Driver, nets::Net, randomness::Randomness};
use crate::{
    air::{Air, AirEvent},
    api::EventKind,
    ports::{
        lan::Lan,
        network::{Network, NetworkCommand},
        radio::{Advertising, RadioAddress, RadioState, ScanDuty},
    },
};

/// Makes the network of an epoch.
pub(super) type MakeRadioNet<N> = Box<dyn Fn(&TransportKey) -> Result<N, String> + Send>;

/// What the loop owns of a radio.
pub(super) struct Field<N> {
    air: Air,
    pub(super) heard: mpsc::Receiver<AirEvent>,
    make_net: MakeRadioNet<N>,
    rotation: Rotation,
    pub(super) state: RadioState,
    scan: Option<duty::ScanMode>,
    advertising: Option<duty::Advertising>,
    /// Who is being connected to, by where.
    dialled: BTreeMap<RadioAddress, DiscoveryId>,
}

impl<N> Field<N> {
    pub(super) fn new(
        air: Air,
        heard: mpsc::Receiver<AirEvent>,
        make_net: MakeRadioNet<N>,
        rotation: Rotation,
    ) -> Self {
        Self {
            air,
            heard,
            make_net,
            rotation,
            state: RadioState::Off("it has not answered yet".to_owned()),
            scan: None,
            advertising: None,
            dialled: BTreeMap::new(),
        }
    }

    /// When the epoch has to be looked after, in boot time.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.works().then(|| self.rotation.deadline())
    }

    fn works(&self) -> bool {
        self.state == RadioState::On
    }

    /// Lets the radio do what it is to do now: nothing while it is silent.
    fn show(&self) {
        let epoch = self.rotation.epoch();
        let scan = self.scan.filter(|_| epoch.is_some());
        self.air.scan(scan.map(|mode| ScanDuty {
            window: mode.window(),
            interval: mode.interval(),
        }));
        let advertising = epoch.zip(self.advertising).map(|(epoch, how)| {
            let capabilities = if how.connectable {
                Capabilities::default()
            } else {
                Capabilities::FULL
            };
            let hello = Hello {
                id: epoch.id,
                capabilities,
                psm: None,
            };
            Advertising {
                data: Bytes::copy_from_slice(&advert::advertisement()),
                scan_response: Bytes::copy_from_slice(&advert::scan_response(
                    &epoch.id,
                    capabilities,
                )),
                hello: Bytes::copy_from_slice(&hello.encode()),
                interval: how.interval,
                connectable: how.connectable,
                address: epoch.address.0,
            }
        });
        self.air.advertise(advertising);
    }
}

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn air_event(&mut self, event: AirEvent) {
        match event {
            AirEvent::State(state) => self.radio_state(state),
            AirEvent::Sighted {
                address,
                heard,
                rssi_dbm,
            } => self.radio_sighted(address, &heard, rssi_dbm),
            AirEvent::Alive(address) => {
                for link in self.nets.links_at(address) {
                    self.handle(Input::Near(near::Event::Alive(link)));
                }
            }
        }
    }

    fn radio_state(&mut self, state: RadioState) {
        let Some(field) = &mut self.field else { return };
        let before = core::mem::replace(&mut field.state, state.clone());
        match &state {
            RadioState::On => {
                field.show();
                self.turn_epoch();
            }
            RadioState::Off(why) | RadioState::Forbidden(why) if before == RadioState::On => {
                self.emit(EventKind::Warning {
                    kind: "ble".to_owned(),
                    message: why.clone(),
                });
            }
            RadioState::Off(_) | RadioState::Forbidden(_) | RadioState::Absent(_) => {}
        }
    }

    fn radio_sighted(&mut self, address: RadioAddress, heard: &[u8], rssi_dbm: Option<i8>) {
        let sighting = match advert::from_raw(Pdu::Extended, heard, &[]) {
            Ok(Some(sighting)) => sighting,
            Ok(None) => return,
            Err(error) => {
                tracing::trace!(word = error.word(), "an advertisement was refused");
                return;
            }
        };
        let capabilities = match sighting {
            Sighting::Full { capabilities, .. } => capabilities,
            _ => Capabilities::default(),
        };
        let neighbour = match sighting.seen() {
            Some(SeenId::Full(id)) => id,
            // 48 bits of it: the rest only breaks ties.
            Some(SeenId::Prefix(prefix)) => {
                let mut id = [0; 8];
                id[..IdPrefix::LEN].copy_from_slice(&prefix.0);
                DiscoveryId(id)
            }
            // Nobody in particular: only a read of its hello would tell, and nothing asks for one yet.
            None => return,
        };
        let event = near::Event::Sighted(near::Sighting {
            neighbour,
            address: near::Address(address.0),
            rssi: rssi_dbm,
            connectable: !capabilities.has(Capabilities::FULL),
            waits: capabilities.has(Capabilities::WANTS_DIAL),
            // Contacts are told apart once there are any.
            relation: near::Relation::Stranger,
        });
        self.handle(Input::Near(event));
    }

    /// Ends or begins an epoch when it is time.
    pub(super) fn turn_epoch(&mut self) {
        let now = self.now();
        let rng = std::sync::Arc::clone(&self.rng);
        let Some(field) = self.field.as_mut().filter(|field| field.works()) else {
            return;
        };
        let turn = field.rotation.poll(now, &mut Randomness(&*rng));
        if let (Some(Turn::Fresh), Some(epoch)) = (turn, field.rotation.epoch()) {
            let (transport, discovery) = (epoch.transport.id(), epoch.id);
            match (field.make_net)(&epoch.transport) {
                Ok(network) => {
                    let gone = self.nets.begin_epoch(Net::new(network, transport));
                    for mut net in gone {
                        tokio::spawn(async move { net.network.shutdown().await });
                    }
                    self.handle(Input::Near(near::Event::Announced {
                        transport,
                        discovery,
                    }));
                }
                Err(why) => tracing::warn!(%why, "the radio has no network in this epoch"),
            }
        }
        if let (Some(_), Some(field)) = (turn, &self.field) {
            field.show();
        }
    }

    /// Carries out what the policy for neighbours wants done.
    pub(super) fn near(&mut self, effect: near::Effect) {
        let Some(field) = &mut self.field else { return };
        match effect {
            near::Effect::Connect { neighbour, address } => {
                let address = RadioAddress(address.0);
                let dial = NetworkCommand::DialRadio { address };
                if field.rotation.epoch().is_some() && self.nets.submit_to_epoch(dial) {
                    field.dialled.insert(address, neighbour);
                } else {
                    self.engine_near(near::Event::ConnectFailed(neighbour));
                }
            }
            near::Effect::Abort { address, .. } => {
                let address = RadioAddress(address.0);
                field.dialled.remove(&address);
                field.air.abort(address);
            }
            near::Effect::Probe(link) => {
                if let Some(address) = self.nets.radio_address(link) {
                    field.air.probe(address);
                }
            }
            near::Effect::Scan(mode) => {
                field.scan = mode;
                field.show();
            }
            near::Effect::Advertise(how) => {
                field.advertising = Some(how);
                field.show();
            }
            // The engine keeps these to itself.
            near::Effect::Close { .. }
            | near::Effect::Discovered(_)
            | near::Effect::Updated(_)
            | near::Effect::Lost(_) => {}
        }
    }

    pub(super) fn radio_dial_failed(&mut self, address: RadioAddress, why: &str) {
        tracing::debug!(%why, "nobody answered over the radio");
        let neighbour = self
            .field
            .as_mut()
            .and_then(|field| field.dialled.remove(&address));
        if let Some(neighbour) = neighbour {
            self.handle(Input::Near(near::Event::ConnectFailed(neighbour)));
        }
    }

    /// A link over the radio is up; the engine knows it already.
    pub(super) fn radio_up(&mut self, link: LinkId, address: RadioAddress, role: Role) {
        if let Some(field) = &mut self.field {
            field.dialled.remove(&address);
        }
        self.nets.note_radio_address(link, address);
        self.handle(Input::Near(near::Event::LinkUp {
            link,
            address: near::Address(address.0),
            role,
        }));
    }

    /// From within carrying out effects: what follows is carried out by the same loop.
    fn engine_near(&mut self, event: near::Event) {
        let now = self.now();
        let rng = std::sync::Arc::clone(&self.rng);
        self.engine
            .handle(Input::Near(event), now, &mut Randomness(&*rng));
    }
}
