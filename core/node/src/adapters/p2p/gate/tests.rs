//! What the behaviour behind a gate is told, and what it may ask for.

use std::convert::Infallible;

use futures::task::noop_waker_ref;
use libp2p::{
    swarm::dial_opts::DialOpts,
    swarm::{dummy, handler::UpgradeInfoSend},
};

use super::*;
use crate::{adapters::p2p::address::multiaddr_of, ports::network::Endpoint as At};

/// Writes down what it is told; asks for what it is given.
#[derive(Default)]
struct Recorder {
    heard: Vec<String>,
    asks: VecDeque<ToSwarm<(), Infallible>>,
}

impl NetworkBehaviour for Recorder {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = ();

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.heard.push(format!("in {id}"));
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.heard.push(format!("out {id}"));
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.heard.push(match event {
            FromSwarm::ConnectionEstablished(e) => {
                format!("up {} +{}", e.connection_id, e.other_established)
            }
            FromSwarm::ConnectionClosed(e) => {
                format!("down {} +{}", e.connection_id, e.remaining_established)
            }
            other => format!("{other:?}"),
        });
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: Infallible) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<(), Infallible>> {
        self.asks.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Establishes a connection as the Swarm does. `others` is the Swarm's own count.
fn establish(
    gate: &mut Gate<Recorder>,
    id: usize,
    peer: PeerId,
    slow: bool,
    dialer: bool,
    others: usize,
) {
    let id = ConnectionId::new_unchecked(id);
    let marked = multiaddr_of(At::Memory(1, slow));
    let handler = if dialer {
        gate.handle_established_outbound_connection(
            id,
            peer,
            &marked,
            Endpoint::Dialer,
            PortUse::New,
        )
    } else {
        // The dialler's end of a memory connection carries no mark.
        gate.handle_established_inbound_connection(
            id,
            peer,
            &marked,
            &multiaddr_of(At::Memory(2, false)),
        )
    };
    assert_eq!(
        handler
            .unwrap()
            .listen_protocol()
            .upgrade()
            .protocol_info()
            .count(),
        0
    );
    gate.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
        peer_id: peer,
        connection_id: id,
        endpoint: &point(slow, dialer),
        failed_addresses: &[],
        other_established: others,
    }));
}

fn close(
    gate: &mut Gate<Recorder>,
    id: usize,
    peer: PeerId,
    slow: bool,
    dialer: bool,
    remaining: usize,
) {
    gate.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
        peer_id: peer,
        connection_id: ConnectionId::new_unchecked(id),
        endpoint: &point(slow, dialer),
        cause: None,
        remaining_established: remaining,
    }));
}

fn point(slow: bool, dialer: bool) -> ConnectedPoint {
    let marked = multiaddr_of(At::Memory(1, slow));
    if dialer {
        ConnectedPoint::Dialer {
            address: marked,
            role_override: Endpoint::Dialer,
            port_use: PortUse::New,
        }
    } else {
        ConnectedPoint::Listener {
            local_addr: marked,
            send_back_addr: multiaddr_of(At::Memory(2, false)),
        }
    }
}

fn drain(gate: &mut Gate<Recorder>) -> Vec<String> {
    let mut cx = Context::from_waker(noop_waker_ref());
    let mut events = Vec::new();
    while let Poll::Ready(event) = gate.poll(&mut cx) {
        events.push(match event {
            ToSwarm::NotifyHandler {
                handler: NotifyHandler::One(id),
                event,
                ..
            } => format!("{event:?} {id}"),
            ToSwarm::CloseConnection {
                connection: CloseConnection::One(id),
                ..
            } => format!("close {id}"),
            other => format!("{other:?}"),
        });
    }
    events
}

#[test]
fn a_slow_connection_is_never_heard_of() {
    for mut gate in [
        Gate::wide_only(Recorder::default()),
        Gate::late(Recorder::default()),
    ] {
        let peer = PeerId::random();
        for (id, dialer) in [(1, true), (2, false)] {
            establish(&mut gate, id, peer, true, dialer, id - 1);
            gate.admit(ConnectionId::new_unchecked(id));
            close(&mut gate, id, peer, true, dialer, 0);
        }
        assert_eq!(gate.inner.heard, [""; 0]);
        assert_eq!(drain(&mut gate), [""; 0]);
    }
}

#[test]
fn counts_are_those_of_the_connections_it_knows() {
    let mut gate = Gate::wide_only(Recorder::default());
    let (peer, other) = (PeerId::random(), PeerId::random());
    establish(&mut gate, 1, peer, true, true, 0);
    establish(&mut gate, 2, peer, false, true, 1);
    establish(&mut gate, 3, other, false, false, 0);
    establish(&mut gate, 4, peer, false, false, 2);
    close(&mut gate, 2, peer, false, true, 2);
    close(&mut gate, 4, peer, false, false, 1);
    close(&mut gate, 1, peer, true, true, 0);
    assert_eq!(
        gate.inner.heard,
        [
            "out 2",
            "up 2 +0",
            "in 3",
            "up 3 +0",
            "in 4",
            "up 4 +1",
            "down 2 +1",
            "down 4 +0"
        ]
    );
}

#[test]
fn a_late_gate_tells_of_a_connection_when_it_is_admitted() {
    let mut gate = Gate::late(Recorder::default());
    let peer = PeerId::random();
    let id = ConnectionId::new_unchecked;
    for (n, dialer) in [(1, true), (2, false), (3, true)] {
        establish(&mut gate, n, peer, false, dialer, n - 1);
    }
    assert_eq!(gate.inner.heard, [""; 0]);
    gate.admit(id(2));
    gate.admit(id(2));
    gate.admit(id(99));
    gate.admit(id(1));
    assert_eq!(
        drain(&mut gate),
        ["Open 2", "Open 1"],
        "each handler is opened once"
    );
    close(&mut gate, 3, peer, false, true, 2);
    close(&mut gate, 2, peer, false, false, 1);
    gate.admit(id(2));
    close(&mut gate, 1, peer, false, true, 0);
    assert_eq!(
        gate.inner.heard,
        [
            "in 2",
            "up 2 +0",
            "out 1",
            "up 1 +1",
            "down 2 +1",
            "down 1 +0"
        ]
    );
}

#[test]
fn the_inner_behaviour_neither_dials_nor_reaches_other_connections() {
    let mut gate = Gate::late(Recorder::default());
    let peer = PeerId::random();
    establish(&mut gate, 1, peer, false, true, 0);
    establish(&mut gate, 2, peer, false, true, 1);
    establish(&mut gate, 3, peer, true, true, 2);
    gate.admit(ConnectionId::new_unchecked(2));
    assert_eq!(drain(&mut gate), ["Open 2"]);
    gate.inner.asks.extend([
        ToSwarm::Dial {
            opts: DialOpts::peer_id(peer).build(),
        },
        ToSwarm::NewExternalAddrCandidate(Multiaddr::empty()),
        ToSwarm::NewExternalAddrOfPeer {
            peer_id: peer,
            address: Multiaddr::empty(),
        },
        ToSwarm::CloseConnection {
            peer_id: peer,
            connection: CloseConnection::One(ConnectionId::new_unchecked(1)),
        },
        ToSwarm::CloseConnection {
            peer_id: peer,
            connection: CloseConnection::All,
        },
        ToSwarm::GenerateEvent(()),
    ]);
    assert_eq!(drain(&mut gate), ["close 2", "GenerateEvent(())"]);
}
