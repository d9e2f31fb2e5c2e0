//! Two or more networks in one process, and waiting for what they report.

use std::time::Duration;

use bytes::Bytes;
use sovereign_node::{
    adapters::p2p::{Carriers, Listen, P2pConfig, P2pNetwork},
    ports::network::{DownReason, Endpoint, Network, NetworkCommand, NetworkEvent},
};
use sovereign_protocol::{
    id::{LinkId, TransportId},
    link_kind::Role,
};

/// Nothing here takes this long: a test that waits so long hangs.
pub const HANG: Duration = Duration::from_secs(60);

/// A configuration with keys that depend on `n`, which listens at `listen`.
pub fn config(n: u8, listen: &[Endpoint]) -> P2pConfig {
    P2pConfig {
        listen: Listen::These(listen.to_vec()),
        carriers: Carriers::IpAndMemory,
        ..P2pConfig::new([n; 32], [n ^ 0x80; 32], [1; 16])
    }
}

pub fn tcp(at: &str) -> Endpoint {
    Endpoint::Tcp(at.parse().unwrap())
}

pub fn quic(at: &str) -> Endpoint {
    Endpoint::Quic(at.parse().unwrap())
}

/// A network that listens, and where.
pub async fn listening(config: &P2pConfig) -> (P2pNetwork, Vec<Endpoint>) {
    let mut network = P2pNetwork::start(config).unwrap();
    let Listen::These(wanted) = &config.listen else {
        panic!("the test says where to listen")
    };
    let mut endpoints = Vec::new();
    for _ in wanted {
        endpoints.push(
            until(&mut network, |event| match event {
                NetworkEvent::Listening(endpoint) => Some(endpoint),
                _ => None,
            })
            .await,
        );
    }
    (network, endpoints)
}

/// The next event.
pub async fn next(network: &mut P2pNetwork) -> NetworkEvent {
    tokio::time::timeout(HANG, network.next())
        .await
        .expect("an event comes")
}

/// Takes events until `wanted` says yes; others are dropped.
pub async fn until<T>(
    network: &mut P2pNetwork,
    mut wanted: impl FnMut(NetworkEvent) -> Option<T>,
) -> T {
    loop {
        let event = next(network).await;
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

/// A link as one end reports it.
#[derive(Debug, Clone, Copy)]
pub struct Reported {
    pub link: LinkId,
    pub peer: TransportId,
    pub role: Role,
}

pub async fn up(network: &mut P2pNetwork) -> Reported {
    until(network, |event| match event {
        NetworkEvent::Up {
            link, peer, role, ..
        } => Some(Reported { link, peer, role }),
        NetworkEvent::DialFailed { why, .. } => panic!("the dial failed: {why}"),
        _ => None,
    })
    .await
}

pub async fn down(network: &mut P2pNetwork, of: LinkId) -> DownReason {
    until(network, |event| match event {
        NetworkEvent::Down { link, reason } if link == of => Some(reason),
        _ => None,
    })
    .await
}

pub async fn frame(network: &mut P2pNetwork, of: LinkId) -> Bytes {
    until(network, |event| match event {
        NetworkEvent::Frame { link, frame } if link == of => Some(frame),
        NetworkEvent::Down { link, reason } if link == of => {
            panic!("the link went down: {reason:?}")
        }
        _ => None,
    })
    .await
}

pub async fn dial_failed(network: &mut P2pNetwork, of: TransportId) -> String {
    until(network, |event| match event {
        NetworkEvent::DialFailed { peer, why } if peer == of => Some(why),
        NetworkEvent::Up { .. } => panic!("the dial succeeded"),
        _ => None,
    })
    .await
}

pub fn send(network: &mut P2pNetwork, link: LinkId, frame: &[u8]) {
    network.submit(NetworkCommand::Send {
        link,
        frame: Bytes::copy_from_slice(frame),
    });
}

/// Connects `a` to `b` at `endpoint`; returns the link as either sees it.
pub async fn connect(
    a: &mut P2pNetwork,
    b: &mut P2pNetwork,
    peer: TransportId,
    endpoint: Endpoint,
) -> (Reported, Reported) {
    a.submit(NetworkCommand::Dial {
        peer,
        endpoints: vec![endpoint],
    });
    tokio::join!(up(a), up(b))
}
