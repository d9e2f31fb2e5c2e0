//! Peers that break the rules, and peers that are none of ours.

use std::collections::VecDeque;

use futures::StreamExt;
use libp2p::{Multiaddr, Swarm, identity::Keypair, swarm::SwarmEvent};
use sovereign_node::{
    adapters::p2p::P2pNetwork,
    ports::network::{DownReason, Endpoint, Network, NetworkCommand, NetworkEvent},
};

use super::{
    raw::{LINK, Outcome, Raw, Script, id_of, listen, memory_swarm, swarm},
    support::*,
};

fn raw(script: Script) -> (Keypair, Swarm<Raw>) {
    let keypair = Keypair::generate_ed25519();
    let swarm = swarm(&keypair, Raw(script, VecDeque::new()));
    (keypair, swarm)
}

fn address(endpoint: Endpoint) -> Multiaddr {
    let Endpoint::Tcp(at) = endpoint else {
        panic!("a TCP endpoint")
    };
    Multiaddr::empty()
        .with(at.ip().into())
        .with(libp2p::multiaddr::Protocol::Tcp(at.port()))
}

fn endpoint(address: &Multiaddr) -> Endpoint {
    let text = address.to_string();
    let mut parts = text.split('/').skip(2);
    let (ip, port) = (parts.next().unwrap(), parts.nth(1).unwrap());
    tcp(&format!("{ip}:{port}"))
}

/// A counter has no event: it is looked at again a little later.
async fn look_again() {
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
}

/// Runs a raw peer until its connection is closed.
async fn until_closed(swarm: &mut Swarm<Raw>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(outcome) => outcomes.push(outcome),
            SwarmEvent::ConnectionClosed { .. } => return outcomes,
            _ => {}
        }
    }
}

/// A broken length prefix closes that link, with the frames before it delivered, and no other.
#[tokio::test]
async fn broken_framing_closes_the_link_and_no_other() {
    let (mut node, at) = listening(&config(1, &[tcp("127.0.0.1:0")])).await;
    let mut friend = P2pNetwork::start(&config(2, &[])).unwrap();
    let peer = node.transport_id();
    let (good, good_back) = connect(&mut friend, &mut node, peer, at[0]).await;
    for (count, prefix) in [[0, 0], [4, 1], [0xff, 0xff]].into_iter().enumerate() {
        let mut bytes = vec![0, 2, b'o', b'k'];
        bytes.extend(prefix);
        bytes.extend([0xee; 4000]);
        let (keypair, mut hostile) = raw(Script {
            listens: None,
            opens: vec![(LINK, bytes)],
        });
        hostile.dial(address(at[0])).unwrap();
        let play = async {
            let link = up(&mut node).await;
            assert_eq!(link.peer, id_of(&keypair));
            assert_eq!(&frame(&mut node, link.link).await[..], b"ok");
            assert_eq!(down(&mut node, link.link).await, DownReason::Malformed);
        };
        let ((), _) = tokio::join!(play, until_closed(&mut hostile));
        assert_eq!(node.counters().malformed, count as u64 + 1);
    }
    send(&mut friend, good.link, b"unmoved");
    assert_eq!(&frame(&mut node, good_back.link).await[..], b"unmoved");
}

#[tokio::test]
async fn a_dialled_peer_that_does_not_speak_link_1_is_unsupported() {
    let (keypair, mut stranger) = raw(Script {
        listens: None,
        opens: vec![],
    });
    let at = listen(&mut stranger).await;
    let mut node = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = id_of(&keypair);
    node.submit(NetworkCommand::Dial {
        peer,
        endpoints: vec![endpoint(&at)],
    });
    let play = async {
        assert!(
            dial_failed(&mut node, peer)
                .await
                .contains("does not speak link/1")
        );
        until(&mut node, |event| match event {
            NetworkEvent::Down {
                reason: DownReason::Unsupported,
                ..
            } => Some(()),
            NetworkEvent::Up { .. } => panic!("it never was up"),
            _ => None,
        })
        .await;
    };
    tokio::join!(play, until_closed(&mut stranger));
    assert_eq!(node.counters().unsupported, 1);
}

/// Only the dialler opens the substream, and only one.
#[tokio::test]
async fn surplus_substreams_are_refused_and_counted() {
    // From the right side: the second and third are refused, the first works on.
    let (mut node, at) = listening(&config(1, &[tcp("127.0.0.1:0")])).await;
    let one = |text: &[u8]| (LINK, [&[0, text.len() as u8], text].concat());
    let (_, mut dialler) = raw(Script {
        listens: None,
        opens: vec![one(b"first"), one(b"second"), one(b"third")],
    });
    dialler.dial(address(at[0])).unwrap();
    let mut opened = 0;
    let link = loop {
        tokio::select! {
            link = up(&mut node) => break link,
            event = dialler.select_next_some() => opened += u32::from(matches!(event, SwarmEvent::Behaviour(_))),
        }
    };
    while opened < 3 {
        opened += u32::from(matches!(
            dialler.select_next_some().await,
            SwarmEvent::Behaviour(Outcome::Opened)
        ));
    }
    let mut seen = Vec::new();
    while node.counters().refused_substreams < 2 || seen.is_empty() {
        tokio::select! {
            _ = dialler.select_next_some() => {}
            () = look_again() => {}
            event = next(&mut node) => match event {
                NetworkEvent::Frame { frame, .. } => seen.push(frame),
                NetworkEvent::Down { .. } => panic!("{event:?}"),
                _ => {}
            },
        }
    }
    // Whichever was agreed upon first is the link.
    assert_eq!(seen.len(), 1);
    assert_eq!(node.counters().refused_substreams, 2);
    node.submit(NetworkCommand::Close { link: link.link });

    // From the wrong side: the listener's is refused, the dialler's own is the link.
    let mut node = P2pNetwork::start(&config(2, &[])).unwrap();
    let (keypair, mut listener) = raw(Script {
        listens: Some(LINK),
        opens: vec![one(b"wrong side")],
    });
    let at = listen(&mut listener).await;
    node.submit(NetworkCommand::Dial {
        peer: id_of(&keypair),
        endpoints: vec![endpoint(&at)],
    });
    while node.counters().refused_substreams < 1 {
        tokio::select! {
            _ = listener.select_next_some() => {}
            () = look_again() => {}
            event = next(&mut node) => assert!(matches!(event, NetworkEvent::Up { .. } | NetworkEvent::Rtt { .. }), "{event:?}"),
        }
    }
}

#[tokio::test]
async fn a_peer_that_keeps_opening_substreams_is_let_go() {
    let (mut node, at) = listening(&config(1, &[tcp("127.0.0.1:0")])).await;
    let (_, mut flooder) = raw(Script {
        listens: None,
        opens: vec![(LINK, vec![]); 40],
    });
    flooder.dial(address(at[0])).unwrap();
    let play = async {
        let link = up(&mut node).await;
        // Either bound may be met first: the handler's, or yamux's number of streams.
        let reason = down(&mut node, link.link).await;
        assert!(
            matches!(reason, DownReason::Malformed | DownReason::Broken(_)),
            "{reason:?}"
        );
    };
    tokio::join!(play, until_closed(&mut flooder));
    assert!(node.counters().refused_substreams <= 16);
}

/// Gossip is shut until the peer is admitted, and identify says nothing that tells nodes apart.
#[tokio::test]
async fn a_stranger_finds_no_gossip_and_learns_neither_addresses_nor_version() {
    let (mut node, at) = listening(&config(1, &[tcp("127.0.0.1:0")])).await;
    let gossip = libp2p::StreamProtocol::new("/meshsub/1.1.0");
    let (_, mut stranger) = raw(Script {
        listens: None,
        opens: vec![(gossip, vec![]), (LINK, vec![])],
    });
    stranger.dial(address(at[0])).unwrap();
    let mut outcomes = Vec::new();
    while outcomes.len() < 2 {
        tokio::select! {
            event = stranger.select_next_some() => if let SwarmEvent::Behaviour(outcome) = event { outcomes.push(outcome) },
            _ = node.next() => {}
        }
    }
    outcomes.sort_by_key(|outcome| *outcome == Outcome::NotSupported);
    assert_eq!(outcomes, [Outcome::Opened, Outcome::NotSupported]);

    let keypair = Keypair::generate_ed25519();
    let identify = libp2p::identify::Config::new("/test/1".into(), keypair.public());
    let mut curious = swarm(&keypair, libp2p::identify::Behaviour::new(identify));
    curious.dial(address(at[0])).unwrap();
    let info = loop {
        tokio::select! {
            event = curious.select_next_some() => {
                if let SwarmEvent::Behaviour(libp2p::identify::Event::Received { info, .. }) = event { break info }
            }
            _ = node.next() => {}
        }
    };
    assert_eq!(
        (info.protocol_version.as_str(), info.agent_version.as_str()),
        ("/sovereign/1.0.0", "sovereign")
    );
    assert_eq!(info.listen_addrs, []);
    let mut protocols: Vec<String> = info.protocols.iter().map(ToString::to_string).collect();
    protocols.sort();
    assert_eq!(
        protocols,
        [
            "/ipfs/id/1.0.0",
            "/ipfs/id/push/1.0.0",
            "/ipfs/ping/1.0.0",
            "/sovereign/link/1"
        ]
    );
}

/// One byte of a frame, and then nothing: the place is given back (hardening 7). Virtual time.
#[tokio::test(start_paused = true)]
async fn a_frame_that_never_ends_closes_the_link() {
    let (mut node, _) = listening(&config(1, &[Endpoint::Memory(301, false)])).await;
    for begun in [&[0][..], &[0, 200, 1, 2, 3]] {
        let keypair = Keypair::generate_ed25519();
        let script = Script {
            listens: None,
            opens: vec![(LINK, begun.to_vec())],
        };
        let mut slow_loris = memory_swarm(&keypair, Raw(script, VecDeque::new()));
        slow_loris
            .dial("/memory/301".parse::<Multiaddr>().unwrap())
            .unwrap();
        let play = async {
            let link = up(&mut node).await;
            let since = tokio::time::Instant::now();
            assert_eq!(down(&mut node, link.link).await, DownReason::Malformed);
            assert_eq!(since.elapsed().as_secs(), 30);
        };
        tokio::join!(play, until_closed(&mut slow_loris));
    }
}

/// A connection on which the substream is never opened. Virtual time.
#[tokio::test(start_paused = true)]
async fn a_connection_without_a_link_is_closed() {
    let (mut node, _) = listening(&config(1, &[Endpoint::Memory(302, false)])).await;
    let keypair = Keypair::generate_ed25519();
    let mut idler = memory_swarm(
        &keypair,
        Raw(
            Script {
                listens: None,
                opens: vec![],
            },
            VecDeque::new(),
        ),
    );
    idler
        .dial("/memory/302".parse::<Multiaddr>().unwrap())
        .unwrap();
    let since = tokio::time::Instant::now();
    let play = until(&mut node, |event| match event {
        NetworkEvent::Down {
            reason: DownReason::Unsupported,
            ..
        } => Some(()),
        NetworkEvent::Up { .. } => panic!("it never was up"),
        _ => None,
    });
    tokio::join!(play, until_closed(&mut idler));
    assert_eq!(since.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_let_go() {
    let mut impatient = config(1, &[tcp("127.0.0.1:0")]);
    impatient.ping_interval = std::time::Duration::from_millis(10);
    impatient.ping_timeout = std::time::Duration::from_millis(50);
    let (mut node, at) = listening(&impatient).await;
    // It accepts the substream and says nothing.
    let ping = libp2p::StreamProtocol::new("/ipfs/ping/1.0.0");
    let (_, mut mute) = raw(Script {
        listens: Some(ping),
        opens: vec![(LINK, vec![0, 1, 9])],
    });
    mute.dial(address(at[0])).unwrap();
    let play = async {
        let link = up(&mut node).await;
        let reason = down(&mut node, link.link).await;
        assert!(
            matches!(&reason, DownReason::Broken(why) if why.contains("ping")),
            "{reason:?}"
        );
    };
    tokio::join!(play, until_closed(&mut mute));
}
