//! Gossip behind its gate (decision 10): only admitted links, whichever end admits first.

use bytes::Bytes;
use sovereign_node::{
    adapters::p2p::P2pNetwork,
    ports::network::{Network, NetworkCommand, NetworkEvent, Topic, Verdict},
};
use sovereign_protocol::id::LinkId;

use super::support::*;

const TOPIC: Topic = [9; 32];

fn join(network: &mut P2pNetwork, link: LinkId) {
    network.submit(NetworkCommand::SetTopics(vec![TOPIC]));
    network.submit(NetworkCommand::AdmitToGossip { link });
}

fn publish(network: &mut P2pNetwork, data: &[u8]) {
    network.submit(NetworkCommand::Publish {
        topic: TOPIC,
        data: Bytes::copy_from_slice(data),
    });
}

/// Publishes from `from` until `to` has it: the mesh forms in its own time.
async fn reaches(from: &mut P2pNetwork, to: &mut P2pNetwork, label: u8) -> (u64, Bytes) {
    for attempt in 0..200u8 {
        publish(from, &[label, attempt]);
        let wait = tokio::time::sleep(std::time::Duration::from_millis(100));
        tokio::pin!(wait);
        loop {
            tokio::select! {
                event = to.next() => if let NetworkEvent::Gossip { token, topic, data } = event
                    && data[0] == label {
                    assert_eq!(topic, TOPIC);
                    return (token, data);
                },
                _ = from.next() => {}
                () = &mut wait => break,
            }
        }
    }
    panic!("nothing arrived by gossip");
}

/// A frame there and back: whatever gossip would have sent before has had its time.
async fn round_trip(a: &mut P2pNetwork, b: &mut P2pNetwork, link: LinkId, back: LinkId) {
    send(a, link, b"there");
    frame(b, back).await;
    send(b, back, b"and back");
    frame(a, link).await;
}

/// The node that admits first is refused by the other's gate; its attempt is held, not given up,
/// and goes through when the other admits it too. `dialler_first` covers both roles.
async fn either_may_admit_first(dialler_first: bool) {
    let (mut b, at) = listening(&config(2, &[tcp("127.0.0.1:0")])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
    let (first, first_link, second, second_link) = if dialler_first {
        (&mut a, link.link, &mut b, back.link)
    } else {
        (&mut b, back.link, &mut a, link.link)
    };
    join(first, first_link);
    // The first attempt is refused meanwhile: several round trips of the same connection pass.
    for _ in 0..10 {
        round_trip(first, second, first_link, second_link).await;
    }
    join(second, second_link);
    // Both ways: each end's substream is open.
    let (token, _) = reaches(first, second, 1).await;
    second.submit(NetworkCommand::Judge {
        token,
        verdict: Verdict::Accept,
    });
    reaches(second, first, 2).await;
}

#[tokio::test]
async fn the_dialler_may_admit_first() {
    either_may_admit_first(true).await;
}

#[tokio::test]
async fn the_listener_may_admit_first() {
    either_may_admit_first(false).await;
}

#[tokio::test]
async fn one_sided_admission_lets_nothing_through() {
    let (mut b, at) = listening(&config(2, &[tcp("127.0.0.1:0")])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
    join(&mut a, link.link);
    // B is in the topic, and has not admitted A.
    b.submit(NetworkCommand::SetTopics(vec![TOPIC]));
    for n in 0..20 {
        publish(&mut a, &[3, n]);
        publish(&mut b, &[4, n]);
        send(&mut a, link.link, b"there");
        until(&mut b, |event| match event {
            NetworkEvent::Gossip { .. } => panic!("gossip passed a shut gate"),
            NetworkEvent::Frame { .. } => Some(()),
            _ => None,
        })
        .await;
        send(&mut b, back.link, b"and back");
        until(&mut a, |event| match event {
            NetworkEvent::Gossip { .. } => panic!("gossip passed a shut gate"),
            NetworkEvent::Frame { .. } => Some(()),
            _ => None,
        })
        .await;
    }
}

/// A – B – C: what A publishes reaches C only with B's word (MSG-2: invalid ones are not
/// forwarded).
#[tokio::test]
async fn a_message_is_forwarded_when_it_was_accepted_and_only_then() {
    let (mut b, at) = listening(&config(2, &[tcp("127.0.0.1:0")])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let mut c = P2pNetwork::start(&config(3, &[])).unwrap();
    let peer = b.transport_id();
    let (ab, ba) = connect(&mut a, &mut b, peer, at[0]).await;
    let (cb, bc) = connect(&mut c, &mut b, peer, at[0]).await;
    join(&mut a, ab.link);
    join(&mut b, ba.link);
    join(&mut b, bc.link);
    join(&mut c, cb.link);
    // Both legs work by themselves.
    let (token, _) = reaches(&mut a, &mut b, 1).await;
    b.submit(NetworkCommand::Judge {
        token,
        verdict: Verdict::Ignore,
    });
    let (token, _) = reaches(&mut b, &mut c, 2).await;
    c.submit(NetworkCommand::Judge {
        token,
        verdict: Verdict::Accept,
    });

    // Refused, ignored, accepted, in this order: only the last may come through.
    for (label, verdict) in [
        (10, Verdict::Reject),
        (11, Verdict::Ignore),
        (12, Verdict::Accept),
    ] {
        publish(&mut a, &[label; 40]);
        let token = until(&mut b, |event| match event {
            NetworkEvent::Gossip { token, data, .. } if data[0] == label => Some(token),
            _ => None,
        })
        .await;
        b.submit(NetworkCommand::Judge { token, verdict });
        // A token is good for one verdict.
        b.submit(NetworkCommand::Judge {
            token,
            verdict: Verdict::Accept,
        });
    }
    let first = until(&mut c, |event| match event {
        NetworkEvent::Gossip { data, .. } if data[0] >= 10 => Some(data[0]),
        _ => None,
    })
    .await;
    assert_eq!(first, 12);
}

/// Counts of connections as gossip sees them: one admitted link of two closes, the other goes on.
#[tokio::test]
async fn gossip_survives_the_loss_of_one_of_two_admitted_links() {
    let (mut b, at) = listening(&config(2, &[tcp("127.0.0.1:0"), quic("127.0.0.1:0")])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    let (first, first_back) = connect(&mut a, &mut b, peer, at[0]).await;
    let (second, second_back) = connect(&mut a, &mut b, peer, at[1]).await;
    let (third, third_back) = connect(&mut a, &mut b, peer, at[0]).await;
    for (link, back) in [(first, first_back), (second, second_back)] {
        join(&mut a, link.link);
        join(&mut b, back.link);
    }
    let (token, _) = reaches(&mut a, &mut b, 1).await;
    b.submit(NetworkCommand::Judge {
        token,
        verdict: Verdict::Accept,
    });
    // A connection that gossip never knew of closes: nothing changes for it.
    a.submit(NetworkCommand::Close { link: third.link });
    down(&mut b, third_back.link).await;
    reaches(&mut a, &mut b, 2).await;
    a.submit(NetworkCommand::Close { link: second.link });
    down(&mut b, second_back.link).await;
    reaches(&mut a, &mut b, 3).await;
    reaches(&mut b, &mut a, 4).await;
}

/// A node that does not take its events: gossip stops growing, and starts again when it does.
#[tokio::test]
async fn gossip_that_nobody_takes_is_bounded_and_counted() {
    let (mut b, at) = listening(&config(2, &[tcp("127.0.0.1:0")])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
    join(&mut a, link.link);
    join(&mut b, back.link);
    reaches(&mut a, &mut b, 1).await;
    for n in 0..200 {
        publish(&mut a, &[20, n]);
    }
    let counted = async {
        while b.counters().dropped_gossip < 200 - 64 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(HANG, counted)
        .await
        .expect("the surplus is counted");
    // What was kept comes first, then the frame that was sent after it.
    send(&mut a, link.link, b"after");
    let mut kept = 0;
    until(&mut b, |event| match event {
        NetworkEvent::Gossip { .. } => {
            kept += 1;
            None
        }
        NetworkEvent::Frame { .. } => Some(()),
        _ => None,
    })
    .await;
    assert_eq!(kept, 64);
    reaches(&mut a, &mut b, 3).await;
}

#[tokio::test]
async fn a_node_without_gossip_ignores_its_commands() {
    let without = sovereign_node::adapters::p2p::P2pConfig {
        gossip: false,
        ..config(2, &[tcp("127.0.0.1:0")])
    };
    let (mut b, at) = listening(&without).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
    join(&mut a, link.link);
    join(&mut b, back.link);
    publish(&mut b, b"nobody hears");
    b.submit(NetworkCommand::Judge {
        token: 5,
        verdict: Verdict::Accept,
    });
    round_trip(&mut a, &mut b, link.link, back.link).await;
}
