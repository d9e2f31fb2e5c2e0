//! The in-process transport of tests and the simulator, split by address into a wide and a slow
//! half.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, Transport,
    core::transport::{DialOpts, ListenerId, MemoryTransport, TransportError, TransportEvent},
};

use super::super::address::is_slow_address;

/// One half: takes only addresses of its speed.
pub(super) struct MemoryHalf {
    slow: bool,
    inner: MemoryTransport,
    ids: Vec<ListenerId>,
}

impl MemoryHalf {
    pub(super) fn new(slow: bool) -> Self {
        Self {
            slow,
            inner: MemoryTransport::new(),
            ids: Vec::new(),
        }
    }
}

type Error = <MemoryTransport as Transport>::Error;

impl Transport for MemoryHalf {
    type Output = <MemoryTransport as Transport>::Output;
    type Error = Error;
    type ListenerUpgrade = <MemoryTransport as Transport>::ListenerUpgrade;
    type Dial = <MemoryTransport as Transport>::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Error>> {
        if is_slow_address(&address) != self.slow {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.inner.listen_on(id, address)?;
        self.ids.push(id);
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.ids.retain(|known| *known != id);
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Error>> {
        if is_slow_address(&address) != self.slow {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

impl Drop for MemoryHalf {
    /// `MemoryTransport` gives its numbers back only when asked to.
    fn drop(&mut self) {
        for id in std::mem::take(&mut self.ids) {
            self.inner.remove_listener(id);
        }
    }
}
