//! The radio as a transport (decision 2): an address is `/memory/N` with the mark of a slow link and the
//! radio address in the rest.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures::future::{BoxFuture, FutureExt, Ready, ready};
use libp2p::{
    Multiaddr, Transport,
    core::transport::{DialOpts, ListenerId, TransportError, TransportEvent},
};
use tokio::sync::mpsc;

use super::super::address::{endpoint_of, multiaddr_of};
use crate::{
    air::{Air, AirConn},
    ports::{network::Endpoint, radio::RadioAddress},
};

/// Where a node listens on its radio.
pub(in super::super) const LISTEN: Endpoint = Endpoint::Memory(0, true);

/// See the module.
pub(super) struct RadioTransport {
    air: Air,
    listening: Option<Listening>,
    waker: Option<Waker>,
}

struct Listening {
    id: ListenerId,
    connections: mpsc::Receiver<AirConn>,
    announced: bool,
}

impl RadioTransport {
    pub(super) fn new(air: Air) -> Self {
        Self {
            air,
            listening: None,
            waker: None,
        }
    }
}

impl Transport for RadioTransport {
    type Output = AirConn;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<AirConn>>;
    type Dial = BoxFuture<'static, io::Result<AirConn>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        if endpoint_of(&address) != Some(LISTEN) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.listening = Some(Listening {
            id,
            connections: self.air.listen(),
            announced: false,
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let there = self.listening.as_ref().is_some_and(|known| known.id == id);
        if there {
            self.listening = None;
        }
        there
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(Endpoint::Memory(number, true)) = endpoint_of(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let air = self.air.clone();
        Ok(async move { air.connect(RadioAddress(number)).await }.boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let Some(listening) = &mut self.listening else {
            self.waker = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let listener_id = listening.id;
        if !listening.announced {
            listening.announced = true;
            return Poll::Ready(TransportEvent::NewAddress {
                listener_id,
                listen_addr: multiaddr_of(LISTEN),
            });
        }
        match listening.connections.poll_recv(cx) {
            Poll::Ready(Some(connection)) => Poll::Ready(TransportEvent::Incoming {
                listener_id,
                local_addr: multiaddr_of(LISTEN),
                send_back_addr: multiaddr_of(Endpoint::Memory(connection.address().0, true)),
                upgrade: ready(Ok(connection)),
            }),
            // Another network listens now, or the radio is gone.
            Poll::Ready(None) => {
                self.listening = None;
                self.waker = Some(cx.waker().clone());
                Poll::Ready(TransportEvent::ListenerClosed {
                    listener_id,
                    reason: Ok(()),
                })
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
