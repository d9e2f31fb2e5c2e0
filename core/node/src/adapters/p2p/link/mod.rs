//! The `link` behaviour: exactly one substream of `/sovereign/link/1` on every connection
//! (decision 3). It addresses connections, not peers: each is a link of its own.

mod framing;
mod handler;
mod shared;

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    core::{Endpoint as CoreEndpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionError, ConnectionId, FromSwarm,
        NetworkBehaviour, THandler, ToSwarm,
    },
};
use sovereign_protocol::link_kind::Role;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

pub(super) use handler::Handler;
pub(super) use shared::{Facts, Hub, Link};

use super::{
    SlowKey,
    address::{endpoint_of, is_slow, medium_of, source_of},
    transport_id_of,
};
use crate::ports::network::{DownReason, NetworkEvent};

/// The protocol's name.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/sovereign/link/1");

/// A connection that this node will not keep.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the peer's key is not an Ed25519 key")]
    KeyType,
    #[error("this is the node itself")]
    Myself,
}

/// A connection is gone, with its link.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) link: Arc<Link>,
    pub(super) reason: DownReason,
}

/// Numbers connections and gives each its handler.
pub(super) struct Behaviour {
    hub: Arc<Hub>,
    inbox: mpsc::Sender<NetworkEvent>,
    source_salt: [u8; 16],
    own: PeerId,
    slow_key: SlowKey,
    links: BTreeMap<ConnectionId, Arc<Link>>,
    /// At most one entry for each connection and direction: bounded by the connection limits.
    events: VecDeque<ToSwarm<Gone, Infallible>>,
    waker: Option<Waker>,
}

impl Behaviour {
    pub(super) fn new(
        hub: Arc<Hub>,
        inbox: mpsc::Sender<NetworkEvent>,
        source_salt: [u8; 16],
        own: PeerId,
        slow_key: SlowKey,
    ) -> Self {
        Self {
            hub,
            inbox,
            source_salt,
            own,
            slow_key,
            links: BTreeMap::new(),
            events: VecDeque::new(),
            waker: None,
        }
    }

    fn establish(
        &mut self,
        connection: ConnectionId,
        peer_id: PeerId,
        role: Role,
        local: Option<&Multiaddr>,
        remote: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        let peer =
            transport_id_of(&peer_id).ok_or_else(|| ConnectionDenied::new(Refused::KeyType))?;
        if peer_id == self.own || peer_id == self.slow_key.peer_id() {
            return Err(ConnectionDenied::new(Refused::Myself));
        }
        let slow = is_slow(local, remote);
        let link = self.hub.insert(Facts {
            connection,
            peer,
            role,
            medium: medium_of(remote, slow),
            source: source_of(remote, slow, &self.source_salt),
            endpoint: endpoint_of(remote),
            slow,
        });
        self.links.insert(connection, Arc::clone(&link));
        Ok(Handler::new(
            link,
            Arc::clone(&self.hub),
            PollSender::new(self.inbox.clone()),
        ))
    }

    fn forget(&mut self, connection: ConnectionId) -> Option<Arc<Link>> {
        let link = self.links.remove(&connection)?;
        self.hub.remove(link.id);
        Some(link)
    }

    fn push(&mut self, event: ToSwarm<Gone, Infallible>) {
        self.events.push_back(event);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Gone;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.establish(connection, peer, Role::Listener, Some(local), remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: CoreEndpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.establish(connection, peer, Role::Dialer, None, address)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(link) = self.forget(closed.connection_id) {
                    let reason = link.closing().unwrap_or_else(|| reason_of(closed.cause));
                    self.push(ToSwarm::GenerateEvent(Gone { link, reason }));
                }
            }
            // Another behaviour refused the connection after this one had made a handler for it.
            FromSwarm::DialFailure(failure) => drop(self.forget(failure.connection_id)),
            FromSwarm::ListenFailure(failure) => drop(self.forget(failure.connection_id)),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer_id: PeerId,
        connection: ConnectionId,
        event: handler::Close,
    ) {
        let handler::Close = event;
        self.push(ToSwarm::CloseConnection {
            peer_id,
            connection: CloseConnection::One(connection),
        });
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Gone, Infallible>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn reason_of(cause: Option<&ConnectionError>) -> DownReason {
    match cause {
        None => DownReason::Local,
        Some(ConnectionError::IO(error)) => DownReason::Broken(error.to_string()),
        Some(ConnectionError::KeepAliveTimeout) => DownReason::Broken("idle".into()),
    }
}
