//! TCP to IPv6 link-local addresses, which need the scope that libp2p's transports drop
//! (rust-libp2p #5608). Dials `/ip6zone/<interface index>/ip6/fe80::…/tcp/N`; networks without
//! DHCP have nothing else. Listening is the ordinary transport's on `/ip6/::`.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use futures::future::{BoxFuture, FutureExt, Ready};
use libp2p::{
    Multiaddr, Transport,
    core::transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    multiaddr::Protocol,
};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::super::address::endpoint_of;
use crate::ports::network::Endpoint;

/// See the module.
pub(super) struct LinkLocalTcp;

impl Transport for LinkLocalTcp {
    type Output = Compat<TcpStream>;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(at) = scoped(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        Ok(async move {
            // The scope travels in `sin6_scope_id`: the kernel picks the interface by it.
            let stream = TcpStream::connect(at).await?;
            stream.set_nodelay(true)?;
            Ok(stream.compat())
        }
        .boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

fn scoped(address: &Multiaddr) -> Option<SocketAddr> {
    match (address.iter().next()?, endpoint_of(address)?) {
        (Protocol::Ip6zone(_), Endpoint::Tcp(at)) => Some(at),
        _ => None,
    }
}
