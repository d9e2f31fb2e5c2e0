//! At most so many incoming connections from one source, being accepted and established together:
//! PeerIds are free to make, so only this keeps one host from taking every place.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, ToSwarm, dummy,
    },
};
use sovereign_protocol::link_kind::Source;

use super::address::{is_slow, source_of};

/// See the module.
pub(super) struct SourceCap {
    limit: u32,
    salt: [u8; 16],
    held: BTreeMap<ConnectionId, Source>,
    counts: BTreeMap<Source, u32>,
}

/// The source has all the connections it may have.
#[derive(Debug, thiserror::Error)]
#[error("too many connections from one source")]
struct TooMany;

impl SourceCap {
    pub(super) fn new(limit: u32, salt: [u8; 16]) -> Self {
        Self {
            limit,
            salt,
            held: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    fn take(&mut self, connection: ConnectionId, source: Source) -> Result<(), ConnectionDenied> {
        let count = self.counts.entry(source).or_insert(0);
        if *count >= self.limit {
            return Err(ConnectionDenied::new(TooMany));
        }
        *count += 1;
        self.held.insert(connection, source);
        Ok(())
    }

    fn give_back(&mut self, connection: ConnectionId) {
        let Some(source) = self.held.remove(&connection) else {
            return;
        };
        if let Some(count) = self.counts.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&source);
            }
        }
    }
}

impl NetworkBehaviour for SourceCap {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.take(
            connection,
            source_of(remote, is_slow(Some(local), remote), &self.salt),
        )
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(closed) => self.give_back(closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.give_back(failure.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: Infallible) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, Infallible>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_source_and_given_back_once() {
        let mut cap = SourceCap::new(2, [0; 16]);
        let id = ConnectionId::new_unchecked;
        assert!(cap.take(id(1), Source(7)).is_ok());
        assert!(cap.take(id(2), Source(7)).is_ok());
        assert!(cap.take(id(3), Source(7)).is_err());
        assert!(
            cap.take(id(4), Source(8)).is_ok(),
            "another source has its own places"
        );
        cap.give_back(id(3));
        assert!(
            cap.take(id(5), Source(7)).is_err(),
            "a refused connection held no place"
        );
        cap.give_back(id(1));
        cap.give_back(id(1));
        assert!(cap.take(id(6), Source(7)).is_ok());
        assert!(cap.take(id(7), Source(7)).is_err());
        for n in 1..=7 {
            cap.give_back(id(n));
        }
        assert!(cap.counts.is_empty() && cap.held.is_empty());
    }
}
