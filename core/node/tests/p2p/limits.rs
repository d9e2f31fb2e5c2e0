//! Limits on connections: a flooder with many PeerIds takes no place from others.

use std::collections::BTreeMap;

use sovereign_node::{
    adapters::p2p::{Carriers, P2pConfig, P2pNetwork},
    ports::network::{Endpoint, Network, NetworkCommand, NetworkEvent},
};
use sovereign_protocol::id::TransportId;
use tokio::task::JoinSet;

use super::support::*;

/// Dials up to three times; gives the network back, and whether it holds a link.
async fn flood(n: u8, peer: TransportId, at: Endpoint) -> (P2pNetwork, bool) {
    let mut flooder = P2pNetwork::start(&config(n, &[])).unwrap();
    for _ in 0..3 {
        flooder.submit(NetworkCommand::Dial {
            peer,
            endpoints: vec![at],
        });
        let held = until(&mut flooder, |event| match event {
            NetworkEvent::Up { .. } => Some(true),
            NetworkEvent::DialFailed { .. } => Some(false),
            _ => None,
        })
        .await;
        if held {
            return (flooder, true);
        }
    }
    (flooder, false)
}

/// 80 keys from 127.0.0.1 dial at once, and again when refused. The honest node comes from ::1,
/// which is another source.
#[tokio::test]
async fn a_flooder_with_many_keys_holds_at_most_its_sources_share() {
    // The default of `Limits::per_source`.
    const SHARE: usize = 10;
    let (mut node, at) = listening(&config(1, &[tcp("127.0.0.1:0"), tcp("[::1]:0")])).await;
    let [v4, v6] = [false, true].map(|six| {
        *at.iter()
            .find(|at| matches!(at, Endpoint::Tcp(at) if at.is_ipv6() == six))
            .unwrap()
    });
    let peer = node.transport_id();
    let mut flooders: JoinSet<_> = (100..180).map(|n| flood(n, peer, v4)).collect();
    let (mut held, mut live, mut most) = (Vec::new(), BTreeMap::new(), 0);
    let mut note = |event| {
        match event {
            NetworkEvent::Up { link, source, .. } => drop(live.insert(link, source)),
            NetworkEvent::Down { link, .. } => drop(live.remove(&link)),
            _ => {}
        }
        most = most.max(live.len());
    };
    while !flooders.is_empty() {
        tokio::select! {
            Some(done) = flooders.join_next() => held.push(done.unwrap()),
            event = next(&mut node) => note(event),
        }
    }
    assert_eq!(
        held.iter().filter(|(_, up)| *up).count(),
        SHARE,
        "the share is used, and not exceeded"
    );
    assert_eq!((live.len(), most), (SHARE, SHARE));
    let source = *live.values().next().unwrap();
    assert!(
        live.values().all(|other| *other == source),
        "one host is one source"
    );
    assert!(node.counters().refused_incoming >= 64);

    // The honest one is not moved.
    let mut honest = P2pNetwork::start(&config(2, &[])).unwrap();
    honest.submit(NetworkCommand::Dial {
        peer,
        endpoints: vec![v6],
    });
    let id = honest.transport_id();
    let link = up(&mut honest).await;
    let (back, its_source) = until(&mut node, |event| match event {
        NetworkEvent::Up {
            link, peer, source, ..
        } if peer == id => Some((link, source)),
        _ => None,
    })
    .await;
    assert_ne!(its_source, source);
    send(&mut honest, link.link, b"hello");
    assert_eq!(&frame(&mut node, back).await[..], b"hello");

    // A place that was given back can be taken again.
    held.retain(|(_, up)| *up);
    drop(held.pop());
    until(&mut node, |event| {
        matches!(event, NetworkEvent::Down { .. }).then_some(())
    })
    .await;
    assert!(flood(200, peer, v4).await.1);
}

/// The same without a key: connections that never finish their handshake.
#[tokio::test]
async fn silent_connections_of_one_host_leave_room_for_others() {
    let (mut node, at) = listening(&config(1, &[tcp("127.0.0.1:0"), tcp("[::1]:0")])).await;
    let [v4, v6] = [false, true].map(|six| {
        at.iter()
            .find_map(|at| match at {
                Endpoint::Tcp(at) if at.is_ipv6() == six => Some(*at),
                _ => None,
            })
            .unwrap()
    });
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(tokio::net::TcpStream::connect(v4).await.unwrap());
    }
    let mut honest = P2pNetwork::start(&config(2, &[])).unwrap();
    let peer = node.transport_id();
    let (link, back) = connect(&mut honest, &mut node, peer, Endpoint::Tcp(v6)).await;
    send(&mut honest, link.link, b"hello");
    assert_eq!(&frame(&mut node, back.link).await[..], b"hello");
}

#[tokio::test]
async fn one_key_holds_at_most_four_connections() {
    let (mut node, at) = listening(&config(1, &[tcp("127.0.0.1:0")])).await;
    let mut peer = P2pNetwork::start(&config(2, &[])).unwrap();
    let id = node.transport_id();
    for _ in 0..4 {
        connect(&mut peer, &mut node, id, at[0]).await;
    }
    peer.submit(NetworkCommand::Dial {
        peer: id,
        endpoints: at,
    });
    assert!(dial_failed(&mut peer, id).await.contains("limits"));
}

/// Others cannot take the places that are kept for this node's own dials.
#[tokio::test]
async fn incoming_connections_leave_room_for_dials() {
    let mut small = config(1, &[tcp("127.0.0.1:0")]);
    (small.limits.established, small.limits.established_incoming) = (3, 2);
    let (mut node, at) = listening(&small).await;
    let id = node.transport_id();
    let mut taken = Vec::new();
    for n in 10..12 {
        let (flooder, held) = flood(n, id, at[0]).await;
        assert!(held);
        taken.push(flooder);
    }
    assert!(!flood(12, id, at[0]).await.1);
    let (friend, friends) = listening(&config(2, &[tcp("127.0.0.1:0")])).await;
    let peer = friend.transport_id();
    node.submit(NetworkCommand::Dial {
        peer,
        endpoints: friends,
    });
    until(&mut node, |event| {
        matches!(event, NetworkEvent::Up { peer: up, .. } if up == peer).then_some(())
    })
    .await;
}

#[tokio::test]
async fn above_the_memory_bound_no_connection_is_made() {
    let mut poor = config(1, &[tcp("127.0.0.1:0")]);
    poor.limits.resident_bytes = 1;
    let (node, at) = listening(&poor).await;
    let mut peer = P2pNetwork::start(&P2pConfig {
        carriers: Carriers::Ip,
        ..config(2, &[])
    })
    .unwrap();
    peer.submit(NetworkCommand::Dial {
        peer: node.transport_id(),
        endpoints: at,
    });
    dial_failed(&mut peer, node.transport_id()).await;
}
