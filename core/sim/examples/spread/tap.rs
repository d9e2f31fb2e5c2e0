//! Counts what gossipsub says: every substream's bytes are read along as they are written.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use prost::Message as _;

/// What was written so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Messages with their bodies.
    pub(crate) bodies: AtomicU64,
    /// Frames of gossipsub of any kind, and their bytes.
    pub(crate) frames: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Ids announced, asked for, and declared unwanted.
    pub(crate) ihave: AtomicU64,
    pub(crate) iwant: AtomicU64,
    pub(crate) idontwant: AtomicU64,
}

impl Counts {
    /// Forgets all.
    pub(crate) fn clear(&self) {
        for count in [
            &self.bodies,
            &self.frames,
            &self.bytes,
            &self.ihave,
            &self.iwant,
            &self.idontwant,
        ] {
            count.store(0, Ordering::Relaxed);
        }
    }

    fn note(&self, frame: &[u8]) {
        // Negotiation: its messages begin with a slash, are `na` or `ls`; no message of protobuf does.
        if matches!(frame.first(), None | Some(b'/')) || frame.ends_with(b"na\n") {
            return;
        }
        let add = |count: &AtomicU64, more: usize| {
            count.fetch_add(more as u64, Ordering::Relaxed);
        };
        add(&self.frames, 1);
        add(&self.bytes, frame.len());
        let Ok(rpc) = Rpc::decode(frame) else {
            return;
        };
        add(&self.bodies, rpc.publish.len());
        if let Some(control) = rpc.control {
            add(
                &self.ihave,
                control.ihave.iter().map(|it| it.ids.len()).sum(),
            );
            add(
                &self.iwant,
                control.iwant.iter().map(|it| it.ids.len()).sum(),
            );
            add(
                &self.idontwant,
                control.idontwant.iter().map(|it| it.ids.len()).sum(),
            );
        }
    }
}

/// What is looked at in a frame of gossipsub (libp2p specs, pubsub/gossipsub).
#[derive(Clone, PartialEq, prost::Message)]
struct Rpc {
    #[prost(bytes = "vec", repeated, tag = "2")]
    publish: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "3")]
    control: Option<Control>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Control {
    #[prost(message, repeated, tag = "1")]
    ihave: Vec<Have>,
    #[prost(message, repeated, tag = "2")]
    iwant: Vec<Want>,
    #[prost(message, repeated, tag = "5")]
    idontwant: Vec<Want>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Have {
    #[prost(bytes = "vec", repeated, tag = "2")]
    ids: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Want {
    #[prost(bytes = "vec", repeated, tag = "1")]
    ids: Vec<Vec<u8>>,
}

/// A muxer whose substreams are read along.
pub(crate) struct Tapped<M> {
    pub(crate) inner: M,
    pub(crate) counts: Arc<Counts>,
}

impl<M> Tapped<M> {
    fn wrap<S>(&self, inner: S) -> Tap<S> {
        Tap {
            inner,
            counts: Arc::clone(&self.counts),
            written: Vec::new(),
        }
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for Tapped<M>
where
    M::Substream: Unpin,
{
    type Substream = Tap<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let polled = Pin::new(&mut self.inner).poll_inbound(cx);
        polled.map_ok(|inner| self.wrap(inner))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let polled = Pin::new(&mut self.inner).poll_outbound(cx);
        polled.map_ok(|inner| self.wrap(inner))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// A substream that is read along.
pub(crate) struct Tap<S> {
    inner: S,
    counts: Arc<Counts>,
    /// What was written of a frame that is not whole.
    written: Vec<u8>,
}

impl<S> Tap<S> {
    /// Takes whole frames out: length as a varint, then so many bytes.
    fn frames(&mut self) {
        loop {
            let mut rest = self.written.as_slice();
            let Ok(length) = prost::decode_length_delimiter(&mut rest) else {
                return;
            };
            if rest.len() < length {
                return;
            }
            self.counts.note(&rest[..length]);
            let whole = self.written.len() - rest.len() + length;
            self.written.drain(..whole);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buffer);
        if let Poll::Ready(Ok(length)) = &polled {
            self.written.extend_from_slice(&buffer[..*length]);
            self.frames();
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
