//! The slow link (decision 4): what it costs, what stays off it, whose key it shows (decision 7).

use std::time::Duration;

use bytes::Bytes;
use sovereign_node::{
    adapters::p2p::P2pNetwork,
    ports::network::{Endpoint, Network, NetworkCommand, NetworkEvent},
};
use sovereign_protocol::id::TransportId;

use super::support::*;

/// Writes and bytes of a node on its slow links.
fn cost(network: &P2pNetwork) -> (u64, u64) {
    (network.slow_stats().writes(), network.slow_stats().bytes())
}

/// Must-show h: the connection's share of the budget of 12 writes and 1.2 kB. The clock is virtual,
/// so that the merging of writes does not depend on the machine.
#[tokio::test(start_paused = true)]
async fn setting_up_costs_four_writes_and_406_bytes() {
    let (mut b, at) = listening(&config(2, &[Endpoint::Memory(201, true)])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.slow_key().transport_id();
    let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
    // Whatever was still merged leaves.
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Noise XX (34 and 170 bytes from the dialler, 202 from the listener) and not one byte more:
    // no negotiation of Noise, of a muxer, of the substream.
    assert_eq!(cost(&a), (2, 34 + 170));
    assert_eq!(cost(&b), (2, 202));

    // A frame costs its length, two bytes of prefix and 18 of Noise, in one write.
    send(&mut a, link.link, &[1; 100]);
    frame(&mut b, back.link).await;
    assert_eq!(cost(&a), (3, 204 + 120));
    // Frames queued together share them.
    for _ in 0..4 {
        send(&mut b, back.link, &[2; 30]);
    }
    for _ in 0..4 {
        frame(&mut a, link.link).await;
    }
    assert_eq!(cost(&b), (3, 202 + 4 * 32 + 18));
    // A frame of 1 KiB: 1026 + 18 bytes in six writes of at most 182.
    send(&mut a, link.link, &[3; 1024]);
    frame(&mut b, back.link).await;
    assert_eq!(cost(&a), (3 + 6, 324 + 1044));
}

#[tokio::test(start_paused = true)]
async fn frames_sent_as_soon_as_the_link_is_up_share_the_handshakes_writes() {
    let (mut b, at) = listening(&config(2, &[Endpoint::Memory(202, true)])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    a.submit(NetworkCommand::Dial {
        peer: b.slow_key().transport_id(),
        endpoints: at,
    });
    let link = up(&mut a).await.link;
    send(&mut a, link, &[1; 60]);
    let back = up(&mut b).await.link;
    send(&mut b, back, &[2; 60]);
    frame(&mut a, link).await;
    frame(&mut b, back).await;
    // 170 bytes of Noise and 80 of the first frame: two writes together, as many as the handshake
    // alone would take with the frame's own.
    assert_eq!(cost(&a), (3, 34 + 170 + 80));
    assert_eq!(cost(&b), (3, 202 + 80));
}

#[tokio::test(start_paused = true)]
async fn a_quiet_minute_costs_nothing() {
    let (mut b, at) = listening(&config(2, &[Endpoint::Memory(203, true)])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.slow_key().transport_id();
    let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = (cost(&a), cost(&b));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((cost(&a), cost(&b)), before);
    send(&mut a, link.link, b"and it still stands");
    assert_eq!(&frame(&mut b, back.link).await[..], b"and it still stands");
}

/// Both links of one pair run at the same time: what identify and gossip do on the wide one shows that they
/// had the chance.
#[tokio::test]
async fn identify_and_gossip_stay_off_the_slow_link() {
    let (mut b, at) = listening(&config(
        2,
        &[tcp("127.0.0.1:0"), Endpoint::Memory(204, true)],
    ))
    .await;
    let (wide_at, slow_at) = (
        at.iter().find(|at| matches!(at, Endpoint::Tcp(_))),
        at.iter().find(|at| matches!(at, Endpoint::Memory(..))),
    );
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.slow_key().transport_id();
    let (slow, slow_back) = connect(&mut a, &mut b, peer, *slow_at.unwrap()).await;
    // The last bytes of the handshake are over when a frame has crossed both ways.
    send(&mut a, slow.link, b"ping");
    send(&mut b, slow_back.link, b"pong");
    frame(&mut b, slow_back.link).await;
    frame(&mut a, slow.link).await;
    let before = (cost(&a), cost(&b));

    let peer = b.transport_id();
    let (wide, wide_back) = connect(&mut a, &mut b, peer, *wide_at.unwrap()).await;
    for (network, links) in [
        (&mut a, [slow.link, wide.link]),
        (&mut b, [slow_back.link, wide_back.link]),
    ] {
        network.submit(NetworkCommand::SetTopics(vec![[7; 32]]));
        for link in links {
            network.submit(NetworkCommand::AdmitToGossip { link });
        }
    }
    // Twenty frames there and back on the wide one: identify has had its time.
    for number in 0..20 {
        send(&mut a, wide.link, &[number]);
        frame(&mut b, wide_back.link).await;
        send(&mut b, wide_back.link, &[number]);
        frame(&mut a, wide.link).await;
    }
    let mut published = 0;
    loop {
        a.submit(NetworkCommand::Publish {
            topic: [7; 32],
            data: Bytes::from(vec![published; 300]),
        });
        published += 1;
        tokio::select! {
            event = next(&mut a) => assert!(!matches!(event, NetworkEvent::Down { .. }), "{event:?}"),
            event = next(&mut b) => match event {
                NetworkEvent::Gossip { .. } => break,
                NetworkEvent::Down { .. } => panic!("{event:?}"),
                _ => {}
            },
        }
    }
    assert_eq!((cost(&a), cost(&b)), before);
}

#[tokio::test]
async fn the_noise_key_of_slow_links_follows_the_epoch() {
    let (mut b, at) = listening(&config(
        2,
        &[Endpoint::Memory(205, true), Endpoint::Memory(206, false)],
    ))
    .await;
    let [slow_at, wide_at] = [true, false].map(|slow| {
        *at.iter()
            .find(|at| matches!(at, Endpoint::Memory(_, is) if *is == slow))
            .unwrap()
    });
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();

    // One pair, two transports at the same time: four different keys.
    let peer = b.transport_id();
    let (wide, wide_back) = connect(&mut a, &mut b, peer, wide_at).await;
    let first_epoch = b.slow_key().transport_id();
    let (slow, slow_back) = connect(&mut a, &mut b, first_epoch, slow_at).await;
    assert_eq!(
        (wide.peer, wide_back.peer),
        (b.transport_id(), a.transport_id())
    );
    assert_eq!(
        (slow.peer, slow_back.peer),
        (first_epoch, a.slow_key().transport_id())
    );
    let all: std::collections::BTreeSet<TransportId> =
        [wide.peer, wide_back.peer, slow.peer, slow_back.peer].into();
    assert_eq!(all.len(), 4);

    // The next epoch: new connections show the new key, those that are up live on.
    b.slow_key().set(&[77; 32]);
    let second_epoch = b.slow_key().transport_id();
    assert_ne!(second_epoch, first_epoch);
    a.submit(NetworkCommand::Dial {
        peer: first_epoch,
        endpoints: vec![slow_at],
    });
    assert!(
        dial_failed(&mut a, first_epoch)
            .await
            .contains("another peer answered")
    );
    // The listener, which asks for no key, had a link for a moment.
    until(&mut b, |event| {
        matches!(event, NetworkEvent::Down { .. }).then_some(())
    })
    .await;
    let (next_slow, next_back) = connect(&mut a, &mut b, second_epoch, slow_at).await;
    assert_eq!(next_slow.peer, second_epoch);
    a.slow_key().set(&[78; 32]);
    let (_, last_back) = connect(&mut a, &mut b, second_epoch, slow_at).await;
    assert_eq!(last_back.peer, a.slow_key().transport_id());
    assert_ne!(last_back.peer, next_back.peer);
    for (link, back) in [(wide, wide_back), (slow, slow_back), (next_slow, next_back)] {
        send(&mut a, link.link, b"alive");
        assert_eq!(&frame(&mut b, back.link).await[..], b"alive");
    }
}

#[tokio::test]
async fn a_node_does_not_link_to_itself() {
    let (mut a, at) = listening(&config(1, &[Endpoint::Memory(207, true)])).await;
    let me = a.slow_key().transport_id();
    a.submit(NetworkCommand::Dial {
        peer: me,
        endpoints: at,
    });
    assert!(!dial_failed(&mut a, me).await.is_empty());
}
