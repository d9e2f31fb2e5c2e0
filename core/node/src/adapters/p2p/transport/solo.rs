//! The muxer of slow connections: exactly one substream, which is the connection itself.
//!
//! A slow connection carries `link/1` and nothing else (decision 4), so Yamux's frame headers,
//! window updates and pings, and the negotiation of the substream's protocol, would say nothing
//! that both ends do not know. The Noise prologue binds the version instead. The Swarm still
//! negotiates; [`SoloStream`] answers it on the spot (docs/adr/0002).

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::{
    Endpoint,
    muxing::{StreamMuxer, StreamMuxerEvent},
};

/// Both ends' whole part in agreeing on `link/1` (multistream-select 1.0): the dialler proposes
/// these bytes, the listener echoes them. They are swallowed and answered here.
const AGREEMENT: &[u8] = b"\x13/multistream/1.0.0\n\x12/sovereign/link/1\n";

/// See the module.
pub(super) struct SoloMuxer<T> {
    io: Arc<Mutex<T>>,
    side: Endpoint,
    given: bool,
}

impl<T> SoloMuxer<T> {
    pub(super) fn new(io: T, side: Endpoint) -> Self {
        Self {
            io: Arc::new(Mutex::new(io)),
            side,
            given: false,
        }
    }

    fn give(&mut self, side: Endpoint) -> Poll<io::Result<SoloStream<T>>> {
        // Any further request waits until its own timeout: the behaviours that would ask are gated.
        if self.given || self.side != side {
            return Poll::Pending;
        }
        self.given = true;
        Poll::Ready(Ok(SoloStream {
            io: Arc::clone(&self.io),
            to_swallow: AGREEMENT,
            to_answer: AGREEMENT,
        }))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> StreamMuxer for SoloMuxer<T> {
    type Substream = SoloStream<T>;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<SoloStream<T>>> {
        self.give(Endpoint::Listener)
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<io::Result<SoloStream<T>>> {
        self.give(Endpoint::Dialer)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.io)).poll_close(cx)
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        // Drives what was written even while nobody reads. The connection's task polls the stream
        // and this with the same waker.
        match Pin::new(&mut *lock(&self.io)).poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }
}

/// The one substream.
pub(super) struct SoloStream<T> {
    io: Arc<Mutex<T>>,
    to_swallow: &'static [u8],
    to_answer: &'static [u8],
}

impl<T: AsyncRead + Unpin> AsyncRead for SoloStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !self.to_answer.is_empty() {
            let count = out.len().min(self.to_answer.len());
            let (now, later) = self.to_answer.split_at(count);
            out[..count].copy_from_slice(now);
            self.to_answer = later;
            return Poll::Ready(Ok(count));
        }
        Pin::new(&mut *lock(&self.io)).poll_read(cx, out)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for SoloStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.to_swallow.is_empty() {
            let count = data.len().min(self.to_swallow.len());
            let (now, later) = self.to_swallow.split_at(count);
            if data[..count] != *now {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a slow connection carries link/1 only",
                )));
            }
            self.to_swallow = later;
            return Poll::Ready(Ok(count));
        }
        Pin::new(&mut *lock(&self.io)).poll_write(cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.io)).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *lock(&self.io)).poll_close(cx)
    }
}

fn lock<T>(io: &Mutex<T>) -> MutexGuard<'_, T> {
    io.lock().unwrap_or_else(PoisonError::into_inner)
}
