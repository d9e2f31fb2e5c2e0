//! Peers that break the rules, and peers that are none of ours.

use std::{collections::VecDeque, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, StreamProtocol, Swarm, Transport,
    core::{
        Endpoint as CoreEndpoint,
        transport::{DialOpts, MemoryTransport, PortUse},
        upgrade::OutboundConnectionUpgrade,
    },
    identify,
    identity::Keypair,
    multiaddr::Protocol,
    noise,
    swarm::{NetworkBehaviour, SwarmEvent},
};
use sovereign_node::{
    adapters::p2p::P2pNetwork,
    ports::network::{DownReason, Endpoint, Network, NetworkCommand, NetworkEvent},
};

use tokio::time::timeout;

use super::{
    raw::{LINK, Outcome, Raw, Script, id_of, listen, memory_swarm, swarm},
    support::*,
};

const GOSSIP: StreamProtocol = StreamProtocol::new("/meshsub/1.1.0");

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

/// Waits for a counter, which has no event, while a raw peer and the node run.
async fn until_counted(
    peer: &mut Swarm<Raw>,
    node: &mut P2pNetwork,
    mut enough: impl FnMut(&P2pNetwork, Option<NetworkEvent>) -> bool,
) {
    let run = async {
        let mut event = None;
        while !enough(node, event.take()) {
            tokio::select! {
                _ = peer.select_next_some() => {}
                got = next(node) => event = Some(got),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
    };
    timeout(HANG, run).await.expect("it is counted");
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
    until_counted(&mut dialler, &mut node, |node, event| {
        match event {
            Some(NetworkEvent::Frame { frame, .. }) => seen.push(frame),
            Some(NetworkEvent::Down { reason, .. }) => panic!("{reason:?}"),
            _ => {}
        }
        node.counters().refused_substreams == 2 && !seen.is_empty()
    })
    .await;
    // Whichever was agreed upon first is the link.
    assert_eq!(seen.len(), 1);
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
    let mut link = None;
    until_counted(&mut listener, &mut node, |node, event| {
        match event {
            Some(NetworkEvent::Up { link: up, .. }) => link = Some(up),
            Some(NetworkEvent::Frame { .. }) => panic!("a frame came over a refused substream"),
            Some(NetworkEvent::Down { reason, .. }) => panic!("{reason:?}"),
            _ => {}
        }
        node.counters().refused_substreams == 1 && link.is_some()
    })
    .await;
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

/// Gossip is shut until the peer is admitted.
#[tokio::test]
async fn a_stranger_finds_no_gossip() {
    let (mut node, at) = listening(&config(1, &[tcp("127.0.0.1:0")])).await;
    let (_, mut stranger) = raw(Script {
        listens: None,
        opens: vec![(GOSSIP, vec![]), (LINK, vec![])],
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
}

/// Reads what identify says.
#[derive(NetworkBehaviour)]
struct Curious {
    raw: Raw,
    identify: identify::Behaviour,
}

fn told(event: SwarmEvent<CuriousEvent>, infos: &mut Vec<identify::Info>) {
    if let SwarmEvent::Behaviour(CuriousEvent::Identify(identify::Event::Received {
        info, ..
    })) = event
    {
        infos.push(info);
    }
}

/// Identify says nothing that tells nodes apart, and pushes nothing when a gate opens.
#[tokio::test]
async fn identify_tells_neither_addresses_nor_version_nor_membership() {
    let (mut node, at) = listening(&config(1, &[tcp("127.0.0.1:0")])).await;
    let keypair = Keypair::generate_ed25519();
    let mut curious = swarm(
        &keypair,
        Curious {
            raw: Raw(
                Script {
                    listens: None,
                    opens: vec![(LINK, vec![])],
                },
                VecDeque::new(),
            ),
            identify: identify::Behaviour::new(identify::Config::new(
                "/test/1".into(),
                keypair.public(),
            )),
        },
    );
    curious.dial(address(at[0])).unwrap();
    let mut infos = Vec::new();
    let mut link = None;
    while infos.is_empty() || link.is_none() {
        tokio::select! {
            event = curious.select_next_some() => told(event, &mut infos),
            event = next(&mut node) => if let NetworkEvent::Up { link: up, .. } = event {
                link = Some(up);
            },
        }
    }
    let link = link.unwrap();
    node.submit(NetworkCommand::AdmitToGossip { link });
    // Ten frames handed on after the gate was opened, one after the other, and then the end: what was pushed
    // meanwhile comes before it.
    for frame in 0..10_u8 {
        send(&mut node, link, &[frame]);
        loop {
            tokio::select! {
                event = curious.select_next_some() => told(event, &mut infos),
                event = next(&mut node) => if matches!(event, NetworkEvent::Sent { .. }) {
                    break;
                },
            }
        }
    }
    node.submit(NetworkCommand::Close { link });
    let mut open = true;
    while open {
        tokio::select! {
            event = curious.select_next_some() => {
                open = !matches!(event, SwarmEvent::ConnectionClosed { .. });
                told(event, &mut infos);
            }
            _ = next(&mut node) => {}
        }
    }
    assert_eq!(infos.len(), 1);
    let info = &infos[0];
    assert_eq!(
        (info.protocol_version.as_str(), info.agent_version.as_str()),
        ("/sovereign/1.0.0", "sovereign")
    );
    assert_eq!(info.listen_addrs, []);
    let mut protocols: Vec<String> = info.protocols.iter().map(ToString::to_string).collect();
    protocols.sort();
    assert_eq!(
        protocols,
        ["/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/sovereign/link/1"]
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

/// The version of a slow link is bound into its handshake: another one gets no further
/// than its first answer.
#[tokio::test]
async fn a_slow_link_refuses_another_handshake() {
    let (mut node, _) = listening(&config(1, &[Endpoint::Memory(303, true)])).await;
    let slow_address = Multiaddr::from(Protocol::Memory(0xB1E0 << 48 | 303));
    let options = DialOpts {
        role: CoreEndpoint::Dialer,
        port_use: PortUse::New,
    };
    let keypair = Keypair::generate_ed25519();
    let other_version = |text: &[u8]| {
        noise::Config::new(&keypair)
            .unwrap()
            .with_prologue(text.to_vec())
    };
    for prologue in [&b""[..], b"sovereign/slow/2/noise/link/1"] {
        let mut transport = MemoryTransport::new();
        let stream = transport
            .dial(slow_address.clone(), options)
            .unwrap()
            .await
            .unwrap();
        let shake = other_version(prologue).upgrade_outbound(stream, "/noise");
        assert!(timeout(HANG, shake).await.expect("it ends").is_err());
    }
    // None of it was a link.
    let mut peer = P2pNetwork::start(&config(2, &[])).unwrap();
    let id = node.slow_key().transport_id();
    let (link, _) = connect(&mut peer, &mut node, id, Endpoint::Memory(303, true)).await;
    assert_eq!(link.peer, id);
    assert_eq!(node.counters().refused_incoming, 2);
}
