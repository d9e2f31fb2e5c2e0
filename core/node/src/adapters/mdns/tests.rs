use std::net::{Ipv4Addr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::*;
use crate::contract::lan::{self, LanFixture};

fn service_type() -> ServiceType {
    ServiceType::new("_sovereign._tcp")
}

/// A network of its own on this machine: another UDP port.
struct Fixture {
    port: u16,
}

impl Default for Fixture {
    fn default() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        Self { port }
    }
}

impl LanFixture for Fixture {
    type Port = MdnsLan;

    async fn join(&mut self) -> MdnsLan {
        MdnsLan::start(Config {
            port: self.port,
            ..Config::default()
        })
        .unwrap()
    }

    async fn flood(&mut self, count: u64) {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)).unwrap();
        socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        let socket = UdpSocket::from(socket);
        for n in (0..count).chain([count - 1, count - 1]) {
            let packet = response(&lan::foreign(n));
            socket.send_to(&packet, ("224.0.0.251", self.port)).unwrap();
            // Slow enough for the daemon's socket buffer, so that the last node is not the one lost.
            if n % 8 == 0 || n + 1 == count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// An mDNS response with the PTR, SRV, TXT and A records of a node.
fn response(advertisement: &LanAdvertisement) -> Vec<u8> {
    let service = ["_sovereign", "_tcp", "local"];
    let id = advertisement.discovery.to_string();
    let instance = [id.as_str(), "_sovereign", "_tcp", "local"];
    let host = [id.as_str(), "local"];
    let mut srv = vec![0, 0, 0, 0];
    srv.extend(advertisement.tcp_port.to_be_bytes());
    srv.extend(name(&host));
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    for (owner, kind, data) in [
        (&service[..], 12, name(&instance)),
        (&instance[..], 33, srv),
        (&instance[..], 16, txt::to_wire(advertisement).unwrap()),
        (&host[..], 1, vec![127, 0, 0, 1]),
    ] {
        packet.extend(name(owner));
        packet.extend([0, kind, 0, 1, 0, 0, 0, 120]);
        packet.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        packet.extend(data);
    }
    packet
}

fn name(labels: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    for label in labels {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.as_bytes());
    }
    out.push(0);
    out
}

crate::lan_contract!(Fixture);

#[test]
fn only_ids_in_their_one_form_are_names_of_ours() {
    let id = DiscoveryId([0xab, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(
        records::id_of(&service_type(), &records::full_name(&service_type(), id)),
        Some(id)
    );
    for name in [
        "AB01020304050607._sovereign._tcp.local.",
        "ab010203040506 7._sovereign._tcp.local.",
        "ab01020304050607 (2)._sovereign._tcp.local.",
        "ab01020304050607._http._tcp.local.",
        "ab01020304050607_sovereign._tcp.local.",
        "._sovereign._tcp.local.",
        "_sovereign._tcp.local.",
        "",
    ] {
        assert_eq!(records::id_of(&service_type(), name), None, "{name}");
    }
}

#[test]
fn names_come_from_the_discovery_id_alone() {
    // LOC-1: the machine's host name would identify it.
    let info = records::service_info(&service_type(), &lan::advertisement(1)).unwrap();
    assert_eq!(info.get_hostname(), "0101020304050607.local.");
    assert_eq!(
        info.get_fullname(),
        "0101020304050607._sovereign._tcp.local."
    );
}

#[tokio::test]
async fn interfaces_are_told_and_the_state_is_decided() {
    let mut fixture = Fixture::default();
    let mut node = fixture.join().await;
    node.announce(lan::advertisement(1)).unwrap();
    let mut interfaces = None;
    let state = loop {
        match node.next().await {
            LanEvent::Interfaces(addresses) => interfaces = Some(addresses),
            LanEvent::State(state) => break state,
            other => panic!("{other:?}"),
        }
    };
    let interfaces = interfaces.expect("told before the state is decided");
    assert!(interfaces.iter().all(|ip| !ip.is_loopback()));
    assert!(interfaces.is_sorted());
    // A machine without any network has no working LAN, and says so.
    if interfaces.is_empty() {
        assert!(state.is_err());
    }
}

/// LOC-1: what changed together is told together.
#[tokio::test]
async fn a_new_carrier_with_new_addresses_is_told_once() {
    let mut node = Fixture::default().join().await;
    let now = Instant::now();
    for (addresses_change, carrier_changes) in
        [(true, true), (true, false), (false, true), (false, false)]
    {
        let known = node.networks.addresses();
        node.interfaces = (!addresses_change).then_some(known);
        if carrier_changes {
            node.network_changed(Change::Carrier, now);
        }
        let mut told = Vec::new();
        for _ in 0..2 {
            node.settle(0, now);
            told.push(std::mem::take(&mut node.untold_interfaces));
        }
        assert_eq!(told, [addresses_change || carrier_changes, false]);
    }
}
