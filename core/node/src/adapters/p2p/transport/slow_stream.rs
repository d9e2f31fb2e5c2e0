//! A byte stream over frames of a radio: writes are merged and cut to the frame's size, and
//! counted.
//!
//! A flush does not force a part-filled frame out at once: it leaves within [`MERGE_WITHIN`], so
//! that what several layers write and flush one after the other shares a frame.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use futures::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};

/// Bytes of payload in one write: the MTU of 185 that phones agree on, less three bytes of the
/// attribute protocol's header (Bluetooth Core, Vol 3, Part F, 3.4.5.3).
pub(super) const SLOW_PAYLOAD: usize = 182;
/// How long a part-filled frame waits for more; a radio's connection interval is longer.
const MERGE_WITHIN: Duration = Duration::from_millis(5);
/// Bytes held back at most; above it, writes wait for the radio.
const BUFFER: usize = 2048;

/// What this node wrote to its slow links, all together.
#[derive(Debug, Clone, Default)]
pub struct SlowStats(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    writes: AtomicU64,
}

impl SlowStats {
    /// Bytes written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Writes made, each of one radio frame.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.writes.fetch_add(1, Ordering::Relaxed);
    }
}

/// See the module.
pub(super) struct SlowStream<T> {
    io: T,
    buffer: BytesMut,
    due: Option<Pin<Box<Sleep>>>,
    stats: SlowStats,
}

impl<T: AsyncWrite + Unpin> SlowStream<T> {
    pub(super) fn new(io: T, stats: SlowStats) -> Self {
        Self {
            io,
            buffer: BytesMut::new(),
            due: None,
            stats,
        }
    }

    /// Writes whole frames, and the rest too if `all`.
    fn drain(&mut self, cx: &mut Context<'_>, all: bool) -> Poll<io::Result<()>> {
        while self.buffer.len() >= SLOW_PAYLOAD || (all && !self.buffer.is_empty()) {
            let frame = self.buffer.len().min(SLOW_PAYLOAD);
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.buffer[..frame]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.stats.count(count);
            self.buffer.advance(count);
        }
        if self.buffer.is_empty() {
            self.due = None;
            self.buffer = BytesMut::new();
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Writes what is due. `Pending` only if the radio does not take it.
    fn advance(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let due = match &mut self.due {
            Some(due) => due.as_mut().poll(cx).is_ready(),
            None => false,
        };
        self.drain(cx, due)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for SlowStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // Whoever waits for an answer drives what was written before.
        if let Poll::Ready(Err(error)) = self.advance(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.io).poll_read(cx, out)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for SlowStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffer.len() >= BUFFER {
            ready!(self.advance(cx))?;
        }
        let count = data.len().min(BUFFER.saturating_sub(self.buffer.len()));
        self.buffer.extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.buffer.is_empty() && self.due.is_none() {
            self.due = Some(Box::pin(sleep(MERGE_WITHIN)));
        }
        self.advance(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx, true))?;
        Pin::new(&mut self.io).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
    use tokio_util::compat::TokioAsyncReadCompatExt;

    use super::*;

    fn pair() -> (
        SlowStream<impl AsyncRead + AsyncWrite + Unpin>,
        impl AsyncRead + Unpin,
        SlowStats,
    ) {
        let (near, far) = tokio::io::duplex(1 << 16);
        let stats = SlowStats::default();
        (
            SlowStream::new(near.compat(), stats.clone()),
            far.compat(),
            stats,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_flushed_within_the_window_shares_a_write() {
        let (mut near, mut far, stats) = pair();
        for part in [&b"one"[..], b"two", b"three"] {
            near.write_all(part).await.unwrap();
            near.flush().await.unwrap();
        }
        assert_eq!((stats.writes(), stats.bytes()), (0, 0));
        // Reading drives the writer once the window is over.
        let mut nothing = [0; 1];
        let read = near.read(&mut nothing);
        let mut got = [0; 11];
        tokio::select! {
            _ = read => panic!("nothing was sent to this end"),
            result = far.read_exact(&mut got) => { result.unwrap(); }
        }
        assert_eq!(&got, b"onetwothree");
        assert_eq!((stats.writes(), stats.bytes()), (1, 11));
    }

    #[tokio::test(start_paused = true)]
    async fn whole_frames_leave_at_once_and_never_exceed_the_payload() {
        let (mut near, _far, stats) = pair();
        near.write_all(&[0; 2 * SLOW_PAYLOAD + 1]).await.unwrap();
        near.flush().await.unwrap();
        assert_eq!((stats.writes(), stats.bytes()), (2, 364));
        near.close().await.unwrap();
        assert_eq!((stats.writes(), stats.bytes()), (3, 365));
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_radio_stops_the_writer() {
        let (near, _far) = tokio::io::duplex(SLOW_PAYLOAD);
        let mut near = SlowStream::new(near.compat(), SlowStats::default());
        let mut accepted = 0;
        for _ in 0..100 {
            match poll_fn(|cx| Poll::Ready(Pin::new(&mut near).poll_write(cx, &[0; 500]))).await {
                Poll::Ready(count) => accepted += count.unwrap(),
                Poll::Pending => break,
            }
            let _ = near.flush().now_or_never();
        }
        assert_eq!(
            accepted,
            BUFFER + SLOW_PAYLOAD,
            "what the radio took and one buffer"
        );
    }
}
