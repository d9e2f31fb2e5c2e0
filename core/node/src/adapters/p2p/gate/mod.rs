//! A gate around a stock behaviour (decisions 4 and 10). By address: the behaviour never hears of
//! a slow connection. Late: it hears of a wide one only when it is admitted.
//!
//! What the behaviour sees is consistent in itself: `other_established` and
//! `remaining_established` count the connections that it knows of, events meant for "any"
//! connection go to one that it knows, and nothing it does dials, listens or spreads addresses,
//! because the node decides on connections.

mod handler;

use std::{
    collections::{BTreeMap, VecDeque},
    task::{Context, Poll, Waker},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{ConnectedPoint, Endpoint, transport::PortUse},
    swarm::{
        CloseConnection, ConnectionDenied, ConnectionHandler, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
        behaviour::{ConnectionClosed, ConnectionEstablished},
    },
};

pub(super) use handler::GateHandler;
use handler::{GateEvent, Watch};

use super::address::{is_slow, is_slow_address, is_slow_point};

/// See the module.
pub(super) struct Gate<B: NetworkBehaviour> {
    inner: B,
    late: bool,
    watch: Watch,
    /// The wide connections.
    wide: BTreeMap<ConnectionId, Wide>,
    /// Bounded by the connection limits: one entry for each connection that is opened or closed.
    events: VecDeque<Event<B>>,
    waker: Option<Waker>,
}

type Event<B> = ToSwarm<<B as NetworkBehaviour>::ToSwarm, GateEvent<THandler<B>>>;

struct Wide {
    peer: PeerId,
    point: ConnectedPoint,
    /// Whether the inner behaviour knows of it.
    open: bool,
}

impl<B: NetworkBehaviour> Gate<B> {
    /// Open on every wide connection. Changes of the local protocols after a connection's
    /// beginning are kept from the inner handler, so that identify pushes nothing.
    pub(super) fn wide_only(inner: B) -> Self {
        Self::new(inner, false)
    }

    /// Shut until [`Gate::admit`].
    pub(super) fn late(inner: B) -> Self {
        Self::new(inner, true)
    }

    fn new(inner: B, late: bool) -> Self {
        let watch = if late {
            Watch::RetryRefused
        } else {
            Watch::HideProtocolChanges
        };
        Self {
            inner,
            late,
            watch,
            wide: BTreeMap::new(),
            events: VecDeque::new(),
            waker: None,
        }
    }

    /// The behaviour behind the gate.
    pub(super) fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    /// Tells the inner behaviour of a connection, from now on. A slow or unknown connection stays
    /// outside.
    pub(super) fn admit(&mut self, connection: ConnectionId) {
        let Some(Wide {
            peer,
            point,
            open: false,
        }) = self.wide.get(&connection)
        else {
            return;
        };
        let (peer, point) = (*peer, point.clone());
        let made = match &point {
            ConnectedPoint::Dialer {
                address,
                role_override,
                port_use,
            } => self.inner.handle_established_outbound_connection(
                connection,
                peer,
                address,
                *role_override,
                *port_use,
            ),
            ConnectedPoint::Listener {
                local_addr,
                send_back_addr,
            } => self.inner.handle_established_inbound_connection(
                connection,
                peer,
                local_addr,
                send_back_addr,
            ),
        };
        let Ok(handler) = made else { return };
        let other_established = self.known(peer);
        if let Some(wide) = self.wide.get_mut(&connection) {
            wide.open = true;
        }
        self.inner
            .on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id: connection,
                endpoint: &point,
                failed_addresses: &[],
                other_established,
            }));
        self.events.push_back(ToSwarm::NotifyHandler {
            peer_id: peer,
            handler: NotifyHandler::One(connection),
            event: GateEvent::Open(Box::new(handler)),
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// How many connections to a peer the inner behaviour knows of.
    fn known(&self, peer: PeerId) -> usize {
        self.known_ids(peer).count()
    }

    fn known_ids(&self, peer: PeerId) -> impl Iterator<Item = ConnectionId> {
        self.wide
            .iter()
            .filter(move |(_, wide)| wide.open && wide.peer == peer)
            .map(|(id, _)| *id)
    }

    fn is_open(&self, connection: ConnectionId) -> bool {
        self.wide.get(&connection).is_some_and(|wide| wide.open)
    }

    fn established(&mut self, event: ConnectionEstablished<'_>) {
        if is_slow_point(event.endpoint) {
            return;
        }
        let other_established = self.known(event.peer_id);
        let open = !self.late;
        self.wide.insert(
            event.connection_id,
            Wide {
                peer: event.peer_id,
                point: event.endpoint.clone(),
                open,
            },
        );
        if open {
            self.inner
                .on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                    other_established,
                    ..event
                }));
        }
    }

    fn closed(&mut self, event: ConnectionClosed<'_>) {
        if self
            .wide
            .remove(&event.connection_id)
            .is_some_and(|wide| wide.open)
        {
            let remaining_established = self.known(event.peer_id);
            self.inner
                .on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                    remaining_established,
                    ..event
                }));
        }
    }

    /// Lets through what a stock behaviour may ask of the Swarm.
    fn filter(&mut self, event: ToSwarm<B::ToSwarm, THandlerInEvent<B>>) -> Option<Event<B>> {
        match event {
            ToSwarm::GenerateEvent(event) => Some(ToSwarm::GenerateEvent(event)),
            ToSwarm::NotifyHandler {
                peer_id,
                handler,
                event,
            } => {
                let connection = match handler {
                    NotifyHandler::One(connection) => {
                        Some(connection).filter(|id| self.is_open(*id))
                    }
                    NotifyHandler::Any => self.known_ids(peer_id).next(),
                }?;
                let handler = NotifyHandler::One(connection);
                Some(ToSwarm::NotifyHandler {
                    peer_id,
                    handler,
                    event: GateEvent::Inner(event),
                })
            }
            ToSwarm::CloseConnection {
                peer_id,
                connection,
            } => {
                let ids: Vec<_> = match connection {
                    CloseConnection::One(connection) => Some(connection)
                        .filter(|id| self.is_open(*id))
                        .into_iter()
                        .collect(),
                    CloseConnection::All => self.known_ids(peer_id).collect(),
                };
                self.events
                    .extend(ids.into_iter().map(|id| ToSwarm::CloseConnection {
                        peer_id,
                        connection: CloseConnection::One(id),
                    }));
                None
            }
            _ => None,
        }
    }
}

impl<B> NetworkBehaviour for Gate<B>
where
    B: NetworkBehaviour,
    <THandler<B> as ConnectionHandler>::OutboundProtocol: Clone,
{
    type ConnectionHandler = GateHandler<THandler<B>>;
    type ToSwarm = B::ToSwarm;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if self.late || is_slow(Some(local), remote) {
            return Ok(GateHandler::shut(self.watch));
        }
        let handler = self
            .inner
            .handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(GateHandler::open(handler, self.watch))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role_override: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if self.late || is_slow_address(address) {
            return Ok(GateHandler::shut(self.watch));
        }
        let handler = self.inner.handle_established_outbound_connection(
            connection,
            peer,
            address,
            role_override,
            port_use,
        )?;
        Ok(GateHandler::open(handler, self.watch))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.established(event),
            FromSwarm::ConnectionClosed(event) => self.closed(event),
            FromSwarm::AddressChange(change) => {
                if let Some(wide) = self.wide.get_mut(&change.connection_id) {
                    wide.point = change.new.clone();
                    if wide.open {
                        self.inner.on_swarm_event(FromSwarm::AddressChange(change));
                    }
                }
            }
            FromSwarm::ListenFailure(failure)
                if is_slow(Some(failure.local_addr), failure.send_back_addr) => {}
            FromSwarm::NewListenAddr(new) if is_slow_address(new.addr) => {}
            FromSwarm::ExpiredListenAddr(expired) if is_slow_address(expired.addr) => {}
            other => self.inner.on_swarm_event(other),
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        if self.is_open(connection) {
            self.inner
                .on_connection_handler_event(peer, connection, event);
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            // A handler is opened before it gets the inner behaviour's events.
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            match self.inner.poll(cx) {
                Poll::Ready(event) => {
                    if let Some(event) = self.filter(event) {
                        return Poll::Ready(event);
                    }
                }
                Poll::Pending => {
                    self.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
