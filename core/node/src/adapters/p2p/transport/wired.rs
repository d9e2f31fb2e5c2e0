//! The wires port as a transport: an address is `/ip4|ip6/…/tcp/…`, as TCP's.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::future::{BoxFuture, Ready, ready};
use libp2p::{
    Multiaddr, Transport,
    core::transport::{DialOpts, ListenerId, TransportError, TransportEvent},
};
use tokio::sync::mpsc;

use super::super::address::{endpoint_of, multiaddr_of};
use crate::ports::{
    network::Endpoint,
    wires::{Incoming, Stream, Wires},
};

/// See the module.
pub(super) struct WiredTransport {
    wires: Arc<dyn Wires>,
    listening: Vec<Listening>,
    waker: Option<Waker>,
}

struct Listening {
    id: ListenerId,
    at: SocketAddr,
    connections: mpsc::Receiver<Incoming>,
    announced: bool,
}

impl WiredTransport {
    pub(super) fn new(wires: Arc<dyn Wires>) -> Self {
        Self {
            wires,
            listening: Vec::new(),
            waker: None,
        }
    }
}

fn socket_of(address: &Multiaddr) -> Result<SocketAddr, TransportError<io::Error>> {
    match endpoint_of(address) {
        Some(Endpoint::Tcp(at)) => Ok(at),
        _ => Err(TransportError::MultiaddrNotSupported(address.clone())),
    }
}

impl Transport for WiredTransport {
    type Output = Box<dyn Stream>;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        let at = socket_of(&address)?;
        let connections = self.wires.listen(at).map_err(TransportError::Other)?;
        self.listening.push(Listening {
            id,
            at,
            connections,
            announced: false,
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        let before = self.listening.len();
        self.listening.retain(|known| known.id != id);
        before != self.listening.len()
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        Ok(self.wires.dial(socket_of(&address)?))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        for at in 0..self.listening.len() {
            let listening = &mut self.listening[at];
            let listener_id = listening.id;
            let address = multiaddr_of(Endpoint::Tcp(listening.at));
            if !listening.announced {
                listening.announced = true;
                return Poll::Ready(TransportEvent::NewAddress {
                    listener_id,
                    listen_addr: address,
                });
            }
            match listening.connections.poll_recv(cx) {
                Poll::Ready(Some(Incoming { from, stream })) => {
                    return Poll::Ready(TransportEvent::Incoming {
                        listener_id,
                        local_addr: address,
                        send_back_addr: multiaddr_of(Endpoint::Tcp(from)),
                        upgrade: ready(Ok(stream)),
                    });
                }
                // The network is gone, or another listens there now.
                Poll::Ready(None) => {
                    self.listening.remove(at);
                    return Poll::Ready(TransportEvent::ListenerClosed {
                        listener_id,
                        reason: Ok(()),
                    });
                }
                Poll::Pending => {}
            }
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
