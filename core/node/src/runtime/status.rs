//! What a node says of itself.

use std::collections::BTreeMap;

use super::driver::Driver;
use crate::{
    api::{IdentityInfo, LayerStatus, Status, StoreStatus},
    ports::{lan::Lan, network::Network, radio::RadioState},
};

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn identity(&self) -> IdentityInfo {
        let identity = self.engine.identity().public();
        let mesh = identity.mesh_id();
        IdentityInfo {
            name: self.engine.name().to_owned(),
            identity: identity.to_string(),
            mesh_id: mesh.to_string(),
            fingerprint: mesh.fingerprint(),
            transport_id: self.key.id().to_string(),
        }
    }

    pub(super) fn status(&self) -> Status {
        let identity = self.identity();
        let peers = self.engine.linked_peers() as u64;
        let shelf = self.engine.shelf().stats();
        let messages = self
            .engine
            .channels()
            .map(|channel| channel.log().len() as u64)
            .sum();
        let network = match (peers, self.interfaces) {
            (1.., _) => "local",
            (0, Some(0)) => "offline",
            _ => "searching",
        };
        Status {
            name: identity.name,
            identity: identity.identity,
            mesh_id: identity.mesh_id,
            fingerprint: identity.fingerprint,
            transport_id: identity.transport_id,
            mode: "ephemeral".to_owned(),
            network: network.to_owned(),
            listen: self.listen_addresses(),
            uptime_s: self.now().boot.saturating_sub(self.started).as_secs(),
            peers,
            channels: self.engine.channels().count() as u64,
            store: StoreStatus {
                messages,
                bundles: shelf.bundles,
                carried_bundles: shelf.carried_bundles,
                // Contacts' and strangers'.
                carried_bytes: shelf.bytes_by_kind[2..].iter().sum(),
                bytes: self.store.stats().disk_bytes,
                read_only: self.read_only.is_some(),
            },
            layers: self.layers(),
            counters: self
                .engine
                .counters()
                .iter()
                .map(|(word, count)| (word.to_owned(), count))
                .collect(),
        }
    }

    pub(super) fn layers(&self) -> BTreeMap<String, LayerStatus> {
        let layer = |state: &str, reason: Option<&str>| LayerStatus {
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
            today: None,
        };
        let (ip, radio) = self.today();
        let mdns = match (&self.lan, &self.lan_state) {
            (None, Ok(())) => layer("off", Some("switched off in the configuration")),
            (_, Err(reason)) => layer("failed", Some(reason)),
            (Some(_), Ok(())) => layer("on", None),
        };
        let ble = match self.field.as_ref().map(|field| &field.state) {
            None => layer("off", Some("switched off in the configuration")),
            Some(RadioState::On) => layer("on", None),
            Some(RadioState::Off(why)) => layer("failed", Some(why)),
            Some(RadioState::Forbidden(why)) => layer("failed", Some(why)),
            Some(RadioState::Absent(why)) => layer("unavailable", Some(why)),
        };
        let absent = || layer("unavailable", Some("not in this version"));
        let ble = LayerStatus {
            today: self.field.is_some().then_some(radio),
            ..ble
        };
        let network = if self.nets.current.listening.is_empty() {
            layer("failed", Some("the node listens nowhere"))
        } else {
            layer("on", None)
        };
        let network = LayerStatus {
            today: Some(ip),
            ..network
        };
        BTreeMap::from([
            ("ip".to_owned(), network),
            ("mdns".to_owned(), mdns),
            ("ble".to_owned(), ble),
            ("dht".to_owned(), absent()),
        ])
    }
}
