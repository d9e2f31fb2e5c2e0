//! Links between honest nodes.

use bytes::Bytes;
use sovereign_node::{
    adapters::p2p::{Listen, P2pConfig, P2pNetwork},
    ports::network::{
        DownReason, Endpoint, NETWORK_INBOX, Network, NetworkCommand, NetworkEvent, SLOW_QUEUE,
        WIDE_QUEUE,
    },
};
use sovereign_protocol::link_kind::{Medium, Role};

use super::support::*;

/// Frames of every length that matters, both ways, in order.
async fn frames_both_ways(at: Endpoint, medium: Medium) {
    let (mut b, endpoints) = listening(&config(2, &[at])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let slow = medium == Medium::Ble;
    let (of_a, of_b) = if slow {
        (a.slow_key().transport_id(), b.slow_key().transport_id())
    } else {
        (a.transport_id(), b.transport_id())
    };
    a.submit(NetworkCommand::Dial {
        peer: of_b,
        endpoints: endpoints.clone(),
    });
    let seen = until(&mut a, |event| match event {
        NetworkEvent::Up {
            link,
            peer,
            role,
            medium,
            endpoint,
            ..
        } => Some((link, peer, role, medium, endpoint)),
        _ => None,
    })
    .await;
    let back = up(&mut b).await;
    assert_eq!(
        (seen.1, seen.2, seen.3, seen.4),
        (of_b, Role::Dialer, medium, Some(endpoints[0]))
    );
    assert_eq!((back.peer, back.role), (of_a, Role::Listener));

    for length in [1usize, 2, 500, 1023, 1024] {
        let sent: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
        send(&mut a, seen.0, &sent);
        send(&mut b, back.link, &sent);
        assert_eq!(frame(&mut b, back.link).await, sent);
        assert_eq!(frame(&mut a, seen.0).await, sent);
    }
    a.submit(NetworkCommand::Close { link: seen.0 });
    assert_eq!(down(&mut a, seen.0).await, DownReason::Local);
    assert_eq!(down(&mut b, back.link).await, DownReason::Remote);
}

#[tokio::test]
async fn over_tcp_and_ipv4() {
    frames_both_ways(tcp("127.0.0.1:0"), Medium::Lan).await;
}

#[tokio::test]
async fn over_tcp_and_ipv6() {
    frames_both_ways(tcp("[::1]:0"), Medium::Lan).await;
}

#[tokio::test]
async fn over_quic_and_ipv4() {
    frames_both_ways(quic("127.0.0.1:0"), Medium::Lan).await;
}

#[tokio::test]
async fn over_quic_and_ipv6() {
    frames_both_ways(quic("[::1]:0"), Medium::Lan).await;
}

#[tokio::test]
async fn over_memory_wide() {
    frames_both_ways(Endpoint::Memory(101, false), Medium::Lan).await;
}

#[tokio::test]
async fn over_memory_slow() {
    frames_both_ways(Endpoint::Memory(102, true), Medium::Ble).await;
}

#[tokio::test]
async fn two_connections_of_a_pair_are_two_links() {
    let (mut b, at) = listening(&config(2, &[tcp("127.0.0.1:0"), quic("127.0.0.1:0")])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    let (first, first_back) = connect(&mut a, &mut b, peer, at[0]).await;
    let (second, second_back) = connect(&mut a, &mut b, peer, at[1]).await;
    // The same address again is a third one.
    let (third, third_back) = connect(&mut a, &mut b, peer, at[0]).await;
    assert!(first.link != second.link && second.link != third.link && first.link != third.link);

    // A frame takes the link it was given to, whatever else there is.
    for (link, back, text) in [
        (first, first_back, b"1"),
        (second, second_back, b"2"),
        (third, third_back, b"3"),
    ] {
        send(&mut a, link.link, text);
        assert_eq!(&frame(&mut b, back.link).await[..], text);
    }
    a.submit(NetworkCommand::Close { link: first.link });
    assert_eq!(down(&mut b, first_back.link).await, DownReason::Remote);
    send(&mut a, second.link, b"still here");
    assert_eq!(&frame(&mut b, second_back.link).await[..], b"still here");
}

#[tokio::test]
async fn another_key_at_the_address_is_refused_and_the_right_one_still_found() {
    let (impostor, forged) = listening(&config(3, &[tcp("127.0.0.1:0")])).await;
    let (mut b, at) = listening(&config(2, &[tcp("127.0.0.1:0")])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    a.submit(NetworkCommand::Dial {
        peer,
        endpoints: forged.clone(),
    });
    assert!(
        dial_failed(&mut a, peer)
            .await
            .contains("another peer answered")
    );
    // Whoever answers first at a forged address does not keep the two apart.
    a.submit(NetworkCommand::Dial {
        peer,
        endpoints: vec![forged[0], at[0]],
    });
    assert_eq!(up(&mut a).await.peer, peer);
    assert_eq!(up(&mut b).await.peer, a.transport_id());
    drop(impostor);
}

#[tokio::test]
async fn a_dial_that_nobody_answers_is_reported_with_its_reason() {
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let b = P2pNetwork::start(&config(2, &[])).unwrap();
    // Port 1 of loopback answers nobody.
    for endpoints in [
        vec![tcp("127.0.0.1:1")],
        vec![],
        vec![Endpoint::Memory(9_999, true)],
    ] {
        a.submit(NetworkCommand::Dial {
            peer: b.transport_id(),
            endpoints,
        });
        assert!(!dial_failed(&mut a, b.transport_id()).await.is_empty());
    }
    a.submit(NetworkCommand::Dial {
        peer: a.transport_id(),
        endpoints: vec![tcp("127.0.0.1:1")],
    });
    let me = a.transport_id();
    assert!(!dial_failed(&mut a, me).await.is_empty());
}

#[tokio::test]
async fn what_was_queued_before_closing_arrives() {
    for at in [
        tcp("127.0.0.1:0"),
        quic("127.0.0.1:0"),
        Endpoint::Memory(103, false),
    ] {
        let (mut b, at) = listening(&config(2, &[at])).await;
        let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
        let peer = b.transport_id();
        let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
        for n in 0..60u8 {
            send(&mut a, link.link, &[n; 1000]);
        }
        a.submit(NetworkCommand::Close { link: link.link });
        // Nothing is taken after it.
        send(&mut a, link.link, b"late");
        for n in 0..60u8 {
            assert_eq!(frame(&mut b, back.link).await, vec![n; 1000]);
        }
        assert_eq!(down(&mut b, back.link).await, DownReason::Remote);
        assert_eq!(down(&mut a, link.link).await, DownReason::Local);
    }
}

#[tokio::test]
async fn a_queue_above_its_bound_closes_the_link_and_no_other() {
    for (at, bound, slow) in [
        (tcp("127.0.0.1:0"), WIDE_QUEUE, false),
        (Endpoint::Memory(104, true), SLOW_QUEUE, true),
    ] {
        let (mut b, at) = listening(&config(2, &[at])).await;
        let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
        let peer = if slow {
            b.slow_key().transport_id()
        } else {
            b.transport_id()
        };
        let (good, good_back) = connect(&mut a, &mut b, peer, at[0]).await;
        let (full, full_back) = connect(&mut a, &mut b, peer, at[0]).await;
        // No await in between, so the handler cannot have written any of it.
        for _ in 0..bound / 1024 {
            send(&mut a, full.link, &[1; 1024]);
        }
        send(&mut a, full.link, &[1]);
        assert!(matches!(
            down(&mut a, full.link).await,
            DownReason::Broken(_)
        ));
        assert_eq!(a.counters().overflows, 1);
        until(&mut b, |event| {
            matches!(event, NetworkEvent::Down { link, .. } if link == full_back.link).then_some(())
        })
        .await;
        send(&mut a, good.link, b"unmoved");
        assert_eq!(&frame(&mut b, good_back.link).await[..], b"unmoved");
    }
}

#[tokio::test]
async fn frames_that_break_the_contract_close_the_link() {
    let (mut b, at) = listening(&config(2, &[tcp("127.0.0.1:0")])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    for frame in [&[][..], &[0; 1025]] {
        let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
        send(&mut a, link.link, frame);
        assert!(matches!(
            down(&mut a, link.link).await,
            DownReason::Broken(_)
        ));
        down(&mut b, back.link).await;
    }
}

#[tokio::test]
async fn sent_accounts_for_every_byte() {
    let (mut b, at) = listening(&config(2, &[tcp("127.0.0.1:0")])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
    for n in 1..=50u8 {
        send(&mut a, link.link, &vec![n; usize::from(n)]);
    }
    let mut left = (1..=50).sum::<usize>();
    while left > 0 {
        left -= until(&mut a, |event| match event {
            NetworkEvent::Sent { link: of, bytes } if of == link.link => Some(bytes),
            _ => None,
        })
        .await;
    }
    for n in 1..=50u8 {
        assert_eq!(frame(&mut b, back.link).await, vec![n; usize::from(n)]);
    }
}

/// The clock is virtual: a time-out passes only when every task of both nodes waits.
#[tokio::test(start_paused = true)]
async fn a_slow_consumer_slows_the_sender_down_and_loses_nothing() {
    const FRAMES: u32 = 8 * 1024;
    let (mut b, at) = listening(&config(2, &[Endpoint::Memory(105, false)])).await;
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = b.transport_id();
    let (link, back) = connect(&mut a, &mut b, peer, at[0]).await;
    let frame_of = |n: u32| {
        let mut frame = vec![7; 1024];
        frame[..4].copy_from_slice(&n.to_be_bytes());
        Bytes::from(frame)
    };
    // The sender keeps to its window; the receiver takes nothing.
    let (mut next_frame, mut queued) = (0, 0);
    loop {
        while next_frame < FRAMES && queued + 1024 <= WIDE_QUEUE {
            a.submit(NetworkCommand::Send {
                link: link.link,
                frame: frame_of(next_frame),
            });
            next_frame += 1;
            queued += 1024;
        }
        match tokio::time::timeout(std::time::Duration::from_secs(5), a.next()).await {
            Ok(NetworkEvent::Sent { bytes, .. }) => queued -= bytes,
            Ok(other) => panic!("unexpected {other:?}"),
            Err(_) => break,
        }
    }
    // The inbox, the yamux window of 256 KiB, the sender's queue, and a batch on either side.
    let most = NETWORK_INBOX + 256 + WIDE_QUEUE / 1024 + 32;
    assert!(
        (next_frame as usize) < most,
        "{next_frame} frames were taken, at most {most} may be"
    );
    // Now it takes them: all arrive, once, in order.
    let receive = async {
        for n in 0..FRAMES {
            assert_eq!(frame(&mut b, back.link).await, frame_of(n));
        }
    };
    let feed = async {
        while next_frame < FRAMES {
            while next_frame < FRAMES && queued + 1024 <= WIDE_QUEUE {
                a.submit(NetworkCommand::Send {
                    link: link.link,
                    frame: frame_of(next_frame),
                });
                next_frame += 1;
                queued += 1024;
            }
            if let NetworkEvent::Sent { bytes, .. } = next(&mut a).await {
                queued -= bytes;
            }
        }
    };
    tokio::join!(receive, feed);
}

#[tokio::test]
async fn listens_everywhere_on_one_number_for_each_transport_and_stops_within_a_second() {
    let config = P2pConfig {
        listen: Listen::Everywhere,
        ..config(1, &[])
    };
    let mut a = P2pNetwork::start(&config).unwrap();
    let (mut tcp_ports, mut quic_ports) = (Vec::new(), Vec::new());
    while !(tcp_ports.iter().any(|(v6, _)| !v6) && quic_ports.iter().any(|(v6, _)| !v6) && {
        // IPv6 where the machine has it.
        std::net::TcpListener::bind("[::1]:0").is_err()
            || (tcp_ports.iter().any(|(v6, _)| *v6) && quic_ports.iter().any(|(v6, _)| *v6))
    }) {
        match until(&mut a, |event| {
            if let NetworkEvent::Listening(at) = event {
                Some(at)
            } else {
                None
            }
        })
        .await
        {
            Endpoint::Tcp(at) => tcp_ports.push((at.is_ipv6(), at.port())),
            Endpoint::Quic(at) => quic_ports.push((at.is_ipv6(), at.port())),
            Endpoint::Memory(..) => panic!("not asked for"),
        }
    }
    assert!(
        tcp_ports
            .iter()
            .all(|(_, port)| *port == tcp_ports[0].1 && *port != 0)
    );
    assert!(
        quic_ports
            .iter()
            .all(|(_, port)| *port == quic_ports[0].1 && *port != 0)
    );

    // Stops with a peer connected, and frees its port for the next start.
    let mut b = P2pNetwork::start(&super::support::config(2, &[])).unwrap();
    let port = tcp_ports[0].1;
    let peer = a.transport_id();
    let (link, _) = connect(&mut b, &mut a, peer, tcp(&format!("127.0.0.1:{port}"))).await;
    a.shutdown().await;
    assert_eq!(down(&mut b, link.link).await, DownReason::Remote);
    std::net::TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
}

#[tokio::test]
async fn a_listen_address_in_use_is_an_error_that_names_it() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    let error = P2pNetwork::start(&config(1, &[tcp(&format!("127.0.0.1:{port}"))]))
        .err()
        .expect("the port is held");
    assert!(
        error
            .to_string()
            .contains(&format!("/ip4/127.0.0.1/tcp/{port}")),
        "{error}"
    );
}

#[tokio::test]
async fn too_many_commands_at_once_are_answered_or_counted() {
    let mut a = P2pNetwork::start(&config(1, &[])).unwrap();
    let peer = P2pNetwork::start(&config(2, &[])).unwrap().transport_id();
    // The task cannot run in between: this is one burst on one thread.
    for _ in 0..400 {
        a.submit(NetworkCommand::Dial {
            peer,
            endpoints: vec![Endpoint::Memory(9_998, false)],
        });
    }
    a.submit(NetworkCommand::Publish {
        topic: [0; 32],
        data: Bytes::new(),
    });
    for _ in 0..400 {
        dial_failed(&mut a, peer).await;
    }
    assert_eq!(a.counters().dropped_commands, 1);
}
