//! Refuses, within the dial of one address, a peer that is not the one expected.
//!
//! The Swarm makes that check only when one address of a dial has answered, and gives the others
//! up: whoever answers first at a stale or forged address would keep two peers apart.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::future::{BoxFuture, FutureExt};
use libp2p::{
    Multiaddr, PeerId, Transport,
    core::{
        muxing::{StreamMuxerBox, StreamMuxerExt},
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
    },
    multiaddr::Protocol,
};

type Output = (PeerId, StreamMuxerBox);
type Inner = Boxed<Output>;

/// See the module.
pub(super) struct Expected(pub(super) Inner);

impl Transport for Expected {
    type Output = Output;
    type Error = io::Error;
    type ListenerUpgrade = <Inner as Transport>::ListenerUpgrade;
    type Dial = BoxFuture<'static, io::Result<Output>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        self.0.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.0.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let expected = address.iter().find_map(|part| {
            if let Protocol::P2p(peer) = part {
                Some(peer)
            } else {
                None
            }
        });
        let dial = self.0.dial(address, options)?;
        Ok(async move {
            let (peer, muxer) = dial.await?;
            match expected {
                Some(expected) if expected != peer => {
                    // A polite end, so that the other side does not keep a dead connection.
                    let _ = muxer.close().now_or_never();
                    Err(io::Error::new(
                        io::ErrorKind::PermissionDenied,
                        "another peer answered",
                    ))
                }
                _ => Ok((peer, muxer)),
            }
        }
        .boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Pin::new(&mut self.0).poll(cx)
    }
}
