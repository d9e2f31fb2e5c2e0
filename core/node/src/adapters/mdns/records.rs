//! Between our advertisement and the records of mDNS.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use mdns_sd::{ResolvedService, ScopedIp, ServiceInfo};
use sovereign_protocol::id::DiscoveryId;

use super::txt::{self, TxtError};
use crate::ports::lan::LanAdvertisement;
use crate::sightings::is_link_local;

/// The service (LOC-1), as DNS-SD writes it: with its domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceType(String);

impl ServiceType {
    /// Of a name like `_sovereign._tcp`.
    pub(super) fn new(service: &str) -> Self {
        Self(format!("{service}.local."))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The records of our advertisement: instance and host name come from the discovery id, never from
/// the machine's name.
///
/// Names are not probed for (RFC 6762 §8.1): they are 64 random bits that change daily, so a
/// conflict is an attack, and giving way to it would rename the node to something that is no
/// discovery id. It also saves a newcomer 750 ms.
pub(super) fn service_info(
    service: &ServiceType,
    advertisement: &LanAdvertisement,
) -> Result<ServiceInfo, String> {
    let pairs = txt::encode(advertisement).map_err(|error| error.to_string())?;
    let name = advertisement.discovery.to_string();
    let mut info = ServiceInfo::new(
        service.as_str(),
        &name,
        &format!("{name}.local."),
        (),
        advertisement.tcp_port,
        pairs.as_slice(),
    )
    .map_err(|error| error.to_string())?
    .enable_addr_auto();
    info.set_requires_probe(false);
    Ok(info)
}

/// The full name under which an id is registered.
pub(super) fn full_name(service: &ServiceType, id: DiscoveryId) -> String {
    format!("{id}.{}", service.as_str())
}

/// The id in a full name, if it is one of ours in its one form.
pub(super) fn id_of(service: &ServiceType, full_name: &str) -> Option<DiscoveryId> {
    let instance = full_name
        .strip_suffix(service.as_str())?
        .strip_suffix('.')?;
    let id: DiscoveryId = instance.parse().ok()?;
    (id.to_string() == instance).then_some(id)
}

/// What a resolved service says, parsed and bounded.
pub(super) fn advertisement_of(service: &ResolvedService) -> Result<LanAdvertisement, TxtError> {
    let pairs = service
        .get_properties()
        .iter()
        .map(|property| (property.key().as_bytes(), property.val()));
    txt::from_pairs(pairs, service.get_port())
}

/// The addresses it offers. A loopback address counts only when it was heard on loopback.
pub(super) fn addresses_of(service: &ResolvedService) -> impl Iterator<Item = SocketAddr> {
    let port = service.get_port();
    service.get_addresses().iter().filter_map(move |address| {
        let (ip, scope) = match address {
            ScopedIp::V4(v4) => (IpAddr::V4(*v4.addr()), v4.interface_ids().first()),
            ScopedIp::V6(v6) => (IpAddr::V6(*v6.addr()), Some(v6.scope_id())),
            // A kind of address that does not exist yet.
            _ => return None,
        };
        if ip.is_loopback() && !scope.is_some_and(|i| i.get_addrs().iter().all(IpAddr::is_loopback))
        {
            return None;
        }
        Some(match ip {
            IpAddr::V6(ip) if is_link_local(&ip) => {
                SocketAddrV6::new(ip, port, 0, scope.map_or(0, |i| i.index)).into()
            }
            ip => SocketAddr::new(ip, port),
        })
    })
}
