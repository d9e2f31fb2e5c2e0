//! One link as a stream of bytes.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures::{AsyncRead, AsyncWrite};
use sovereign_protocol::{
    id::LinkId,
    radio::stream::{End, Stream},
};
use tokio::time::Instant;

use super::Bell;
use crate::ports::radio::RadioAddress;

/// A link's stream machine, shared by its connection and the radio's task.
#[derive(Debug)]
pub(super) struct State {
    pub(super) stream: Stream,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The radio took the link away.
    pub(super) down: Option<String>,
    /// The connection was dropped.
    pub(super) dropped: bool,
}

impl State {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            reader: None,
            writer: None,
            down: None,
            dropped: false,
        }
    }

    /// Wakes whoever can go on now.
    pub(super) fn wake(&mut self) {
        let over = self.stream.end().is_some() || self.down.is_some();
        if (over || self.stream.readable() > 0 || self.stream.at_end())
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
        if (over || self.stream.room() > 0 || self.stream.drained())
            && let Some(writer) = self.writer.take()
        {
            writer.wake();
        }
    }

    fn over(&self) -> Option<io::Error> {
        if let Some(why) = &self.down {
            return Some(io::Error::new(io::ErrorKind::ConnectionReset, why.clone()));
        }
        let (kind, why) = match self.stream.end()? {
            End::Finished => (io::ErrorKind::NotConnected, "the stream is finished"),
            End::Reset(_) => (
                io::ErrorKind::ConnectionReset,
                "the other end gave the stream up",
            ),
            End::Abandoned(_) => (
                io::ErrorKind::ConnectionAborted,
                "this end gave the stream up",
            ),
            End::NeverOpened => (io::ErrorKind::TimedOut, "the other end never spoke"),
            End::Silent => (io::ErrorKind::TimedOut, "the other end answers no more"),
            End::Misbehaved => (
                io::ErrorKind::InvalidData,
                "the other end keeps sending frames that mean nothing",
            ),
        };
        Some(io::Error::new(kind, why))
    }
}

/// A connection over the air. Dropping it ends the link.
#[derive(Debug)]
pub struct AirConn {
    pub(super) address: RadioAddress,
    pub(super) link: LinkId,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) bell: Arc<Bell>,
    /// Begin of the task's time.
    pub(super) epoch: Instant,
}

impl AirConn {
    /// The other end's address; it changes with its discovery id.
    #[must_use]
    pub const fn address(&self) -> RadioAddress {
        self.address
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for AirConn {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        let count = state.stream.read(out);
        if count > 0 || out.is_empty() {
            drop(state);
            // Room was made: the other end may have to hear of it.
            self.bell.ring(self.link);
            return Poll::Ready(Ok(count));
        }
        if state.stream.at_end() && matches!(state.stream.end(), None | Some(End::Finished)) {
            return Poll::Ready(Ok(0));
        }
        if let Some(error) = state.over() {
            return Poll::Ready(Err(error));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for AirConn {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if let Some(error) = state.over() {
            return Poll::Ready(Err(error));
        }
        let count = state.stream.write(data, self.epoch.elapsed());
        if count > 0 || data.is_empty() {
            drop(state);
            self.bell.ring(self.link);
            return Poll::Ready(Ok(count));
        }
        state.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// What was written leaves within 5 ms by itself, so that layers that flush one after the other share
    /// a frame.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.lock().over() {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(())),
        }
    }

    /// Done when the other end has everything.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        state.stream.close(self.epoch.elapsed());
        if state.stream.drained() || state.over().is_some() {
            return Poll::Ready(Ok(()));
        }
        state.writer = Some(cx.waker().clone());
        drop(state);
        self.bell.ring(self.link);
        Poll::Pending
    }
}

impl Drop for AirConn {
    fn drop(&mut self) {
        let mut state = self.lock();
        state.dropped = true;
        state.stream.close(self.epoch.elapsed());
        drop(state);
        self.bell.ring(self.link);
    }
}
