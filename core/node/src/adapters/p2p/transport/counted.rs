//! Counts what crosses a connection: the payload of all its substreams, above encryption and multiplexing.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};

use crate::ports::network::LinkBytes;

/// What crossed all connections of a network.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Crossed(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Crossed {
    pub(in super::super) fn read(&self) -> LinkBytes {
        LinkBytes {
            received: self.0.received.load(Ordering::Relaxed),
            sent: self.0.sent.load(Ordering::Relaxed),
        }
    }

    fn received(&self, bytes: usize) {
        self.0.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn sent(&self, bytes: usize) {
        self.0.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A muxer whose substreams are counted.
pub(in super::super) struct Counted {
    inner: StreamMuxerBox,
    crossed: Crossed,
}

impl Counted {
    pub(in super::super) fn new(inner: StreamMuxerBox, crossed: Crossed) -> Self {
        Self { inner, crossed }
    }

    fn wrap(&self, inner: SubstreamBox) -> CountedStream<SubstreamBox> {
        CountedStream {
            inner,
            crossed: self.crossed.clone(),
        }
    }
}

impl StreamMuxer for Counted {
    type Substream = CountedStream<SubstreamBox>;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
        Poll::Ready(Ok(self.wrap(stream)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        Poll::Ready(Ok(self.wrap(stream)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// A substream that is counted.
pub(in super::super) struct CountedStream<T> {
    inner: T,
    crossed: Crossed,
}

impl<T: AsyncRead + Unpin> AsyncRead for CountedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, out))?;
        self.crossed.received(read);
        Poll::Ready(Ok(read))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for CountedStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, data))?;
        self.crossed.sent(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncReadExt as _, AsyncWriteExt as _, executor::block_on, io::Cursor};

    use super::*;

    #[test]
    fn what_crosses_is_counted_both_ways() {
        // APP-8: real counts.
        let crossed = Crossed::default();
        let mut stream = CountedStream {
            inner: Cursor::new(vec![7; 100]),
            crossed: crossed.clone(),
        };
        let mut out = [0; 30];
        block_on(stream.read_exact(&mut out)).unwrap();
        block_on(stream.write_all(&[1; 12])).unwrap();
        assert_eq!(
            crossed.read(),
            LinkBytes {
                received: 30,
                sent: 12
            }
        );
    }
}
