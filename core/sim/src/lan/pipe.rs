//! One direction of a wire: bytes arrive in order, after the network's latency and at its rate; while the two
//! ends do not reach each other, they wait.

use std::{
    collections::VecDeque,
    future::Future as _,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use futures::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use super::topology::{HostId, Net, Quality};

/// What may be under way in one direction, in bytes: a usual socket buffer.
const WINDOW: usize = 64 * 1024;

/// Two ends of a wire between these machines.
pub(super) fn wire(net: &Net, one: HostId, other: HostId, quality: Quality) -> (End, End) {
    let there = Arc::new(Pipe::default());
    let back = Arc::new(Pipe::default());
    let end = |ours: HostId, theirs: HostId, read: &Arc<Pipe>, write: &Arc<Pipe>| End {
        net: net.clone(),
        ours,
        theirs,
        quality,
        read: Arc::clone(read),
        write: Arc::clone(write),
        sleep: None,
    };
    (
        end(one, other, &back, &there),
        end(other, one, &there, &back),
    )
}

#[derive(Debug, Default)]
struct Pipe(Mutex<Half>);

#[derive(Debug, Default)]
struct Half {
    under_way: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    /// When the last byte arrives.
    busy_until: Option<Instant>,
    /// Nothing more is written, from when on.
    ended: Option<Instant>,
    /// Nobody reads any more.
    deaf: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, Half> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, at: Instant) {
        let mut half = self.lock();
        half.ended.get_or_insert(at);
        wake(&mut half.reader);
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// One end. Dropping it ends both directions, which the other learns when it can; from the dead it learns it when
/// it writes.
#[derive(Debug)]
pub(super) struct End {
    net: Net,
    ours: HostId,
    theirs: HostId,
    quality: Quality,
    read: Arc<Pipe>,
    write: Arc<Pipe>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl End {
    /// Ready once `at` has come.
    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        sleep.as_mut().poll(cx)
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        {
            let mut state = self.net.lock();
            if state.between(self.ours, self.theirs).is_none() {
                state.stall(cx.waker());
                return Poll::Pending;
            }
        }
        let next = {
            let mut half = self.read.lock();
            let next = half.under_way.front().map(|(at, _)| *at).or(half.ended);
            if next.is_none() {
                half.reader = Some(cx.waker().clone());
            }
            next
        };
        let Some(at) = next else {
            return Poll::Pending;
        };
        if self.poll_until(at, cx).is_pending() {
            return Poll::Pending;
        }
        let mut half = self.read.lock();
        let Some((_, chunk)) = half.under_way.front_mut() else {
            return Poll::Ready(Ok(0));
        };
        let length = chunk.len().min(buffer.len());
        buffer[..length].copy_from_slice(&chunk[..length]);
        chunk.advance(length);
        if chunk.is_empty() {
            half.under_way.pop_front();
        }
        half.bytes -= length;
        wake(&mut half.writer);
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut half = self.write.lock();
        if half.deaf || half.ended.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let length = buffer.len().min(WINDOW - half.bytes);
        if length == 0 && !buffer.is_empty() {
            half.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let now = Instant::now();
        let takes = Duration::from_secs_f64(length as f64 / f64::from(self.quality.rate.max(1)));
        let sent = half.busy_until.map_or(now, |busy| busy.max(now)) + takes;
        half.busy_until = Some(sent);
        half.bytes += length;
        half.under_way.push_back((
            sent + self.quality.latency,
            Bytes::copy_from_slice(&buffer[..length]),
        ));
        wake(&mut half.reader);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let at = Instant::now() + self.quality.latency;
        self.write.end(at);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let dead = |host: &super::topology::Host| host.dead;
        if !self.net.lock().hosts.get(&self.ours).is_some_and(dead) {
            self.write.end(Instant::now() + self.quality.latency);
        }
        let mut half = self.read.lock();
        half.deaf = true;
        wake(&mut half.writer);
    }
}
