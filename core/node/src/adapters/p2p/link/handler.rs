//! One connection's handler: opens or accepts the substream, moves frames both ways.
//!
//! Frames go straight between the substream and the port's inbox; the Swarm only hears of closing.
//! The handler reads on only while the inbox takes what it has read: a slow consumer slows the
//! senders down, and no frame is lost.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use futures::{AsyncRead, AsyncWrite};
use libp2p::{
    Stream, StreamProtocol,
    core::upgrade::ReadyUpgrade,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::ConnectionEvent,
    },
};
use sovereign_protocol::link_kind::Role;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::PollSender;

use super::{Hub, Link, PROTOCOL, framing::Decoder};
use crate::ports::network::{DownReason, NetworkEvent};

/// The substream is open within this time, or the connection is closed.
const OPEN_WITHIN: Duration = Duration::from_secs(10);
/// A frame that has begun is complete within this time: 1 KiB at 35 B/s. Time during which this
/// node itself does not read does not count.
const FRAME_WITHIN: Duration = Duration::from_secs(30);
/// When this node closes the link: time for the last frames to leave and for the other end to have
/// read them. An honest end takes one round trip.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Surplus substreams that are refused before the connection is closed.
const MAX_SURPLUS: u32 = 8;

type Event = ConnectionHandlerEvent<ReadyUpgrade<StreamProtocol>, (), Close>;

/// The handler wants its connection closed; the reason is in the [`Link`].
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Close;

/// See the module.
pub(in super::super) struct Handler {
    link: Arc<Link>,
    hub: Arc<Hub>,
    inbox: PollSender<NetworkEvent>,
    stream: Option<Stream>,
    requested: bool,
    open_by: Pin<Box<Sleep>>,
    decoder: Decoder,
    frame_by: Option<Pin<Box<Sleep>>>,
    /// Waits for room in the inbox: the report that the link is up and at most one frame.
    inward: VecDeque<NetworkEvent>,
    /// Prefixed frames on their way into the substream.
    outward: BytesMut,
    /// Lengths of the frames in `outward`, or written and not yet flushed.
    batch: usize,
    flushing: bool,
    /// Written and not yet reported.
    sent: usize,
    surplus: u32,
    close_told: bool,
    close_by: Option<Pin<Box<Sleep>>>,
}

impl Handler {
    pub(super) fn new(link: Arc<Link>, hub: Arc<Hub>, inbox: PollSender<NetworkEvent>) -> Self {
        Self {
            link,
            hub,
            inbox,
            stream: None,
            requested: false,
            open_by: Box::pin(sleep(OPEN_WITHIN)),
            decoder: Decoder::new(),
            frame_by: None,
            inward: VecDeque::with_capacity(2),
            outward: BytesMut::new(),
            batch: 0,
            flushing: false,
            sent: 0,
            surplus: 0,
            close_told: false,
            close_by: None,
        }
    }

    fn opened(&mut self, stream: Stream) {
        self.stream = Some(stream);
        self.inward.push_back(self.link.up_event());
    }

    fn unsupported(&self) {
        self.hub
            .counters
            .unsupported
            .fetch_add(1, Ordering::Relaxed);
        self.link.close(DownReason::Unsupported);
    }

    fn malformed(&self) {
        self.hub.counters.malformed.fetch_add(1, Ordering::Relaxed);
        self.link.close(DownReason::Malformed);
    }

    fn accepted(&mut self, stream: Stream) {
        if self.link.role == Role::Listener && self.stream.is_none() {
            return self.opened(stream);
        }
        drop(stream);
        self.hub
            .counters
            .refused_substreams
            .fetch_add(1, Ordering::Relaxed);
        self.surplus += 1;
        if self.surplus > MAX_SURPLUS {
            self.malformed();
        }
    }

    /// Hands over what waits for the inbox. `Pending` means that something still waits.
    fn deliver(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.inward.is_empty() || self.sent > 0 {
            match self.inbox.poll_reserve(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => {
                    let event = self
                        .inward
                        .pop_front()
                        .unwrap_or_else(|| NetworkEvent::Sent {
                            link: self.link.id,
                            bytes: std::mem::take(&mut self.sent),
                        });
                    // The slot is reserved: this fails only when nobody listens any more.
                    let _ = self.inbox.send_item(event);
                }
                Poll::Ready(Err(_)) => {
                    self.inward.clear();
                    self.sent = 0;
                    self.link.close(DownReason::Local);
                }
            }
        }
        Poll::Ready(())
    }

    /// Writes until the queue is empty and flushed (`Ready`) or the substream is busy (`Pending`).
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = &mut self.stream else {
            return Poll::Pending;
        };
        let mut stream = Pin::new(stream);
        loop {
            let step = if !self.outward.is_empty() {
                match stream.as_mut().poll_write(cx, &self.outward) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) => Err(std::io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(count)) => {
                        self.outward.advance(count);
                        self.flushing = true;
                        Ok(())
                    }
                    Poll::Ready(Err(error)) => Err(error),
                }
            } else if self.flushing {
                match stream.as_mut().poll_flush(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(result) => {
                        self.flushing = false;
                        let batch = std::mem::take(&mut self.batch);
                        self.link.written(batch);
                        self.sent += batch;
                        result
                    }
                }
            } else {
                self.batch = self.link.take_batch(&mut self.outward);
                if self.batch == 0 {
                    // An idle link keeps no write buffer.
                    self.outward = BytesMut::new();
                    return Poll::Ready(());
                }
                Ok(())
            };
            if let Err(error) = step {
                self.link.close(DownReason::Broken(error.to_string()));
                return Poll::Ready(());
            }
        }
    }

    /// Sends what was queued before this node closed the link, then its end of the substream, then
    /// waits for the other end's: a connection that is closed earlier takes unread bytes with it.
    fn say_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.write(cx));
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(());
        };
        let mut stream = Pin::new(stream);
        if ready!(stream.as_mut().poll_close(cx)).is_err() || self.link.slow {
            // A radio link has no half-close, and hands over what it took before it ends.
            return Poll::Ready(());
        }
        let mut discarded = [0; 512];
        while let Ok(1..) = ready!(stream.as_mut().poll_read(cx, &mut discarded)) {}
        Poll::Ready(())
    }

    /// Reads and hands over frames until the substream or the inbox has nothing more to give.
    fn read(&mut self, cx: &mut Context<'_>) {
        loop {
            if self.deliver(cx).is_pending() {
                self.frame_by = None;
                return;
            }
            let Some(stream) = &mut self.stream else {
                return;
            };
            match self.decoder.next_frame() {
                Err(_) => return self.malformed(),
                Ok(Some(frame)) => {
                    self.frame_by = None;
                    self.inward.push_back(NetworkEvent::Frame {
                        link: self.link.id,
                        frame,
                    });
                    continue;
                }
                Ok(None) => {}
            }
            match Pin::new(stream).poll_read(cx, self.decoder.space()) {
                Poll::Ready(Ok(0)) => return self.link.close(DownReason::Remote),
                Poll::Ready(Ok(count)) => self.decoder.filled(count),
                Poll::Ready(Err(error)) => {
                    return self.link.close(DownReason::Broken(error.to_string()));
                }
                Poll::Pending if self.decoder.has_partial() => {
                    let by = self
                        .frame_by
                        .get_or_insert_with(|| Box::pin(sleep(FRAME_WITHIN)));
                    if by.as_mut().poll(cx).is_ready() {
                        self.malformed();
                    }
                    return;
                }
                Poll::Pending => return,
            }
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = std::convert::Infallible;
    type ToBehaviour = Close;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ()).with_timeout(OPEN_WITHIN)
    }

    fn connection_keep_alive(&self) -> bool {
        !self.close_told
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if self.close_told {
            return Poll::Pending;
        }
        if self.link.role == Role::Dialer && !self.requested {
            self.requested = true;
            let protocol =
                SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ()).with_timeout(OPEN_WITHIN);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        if self.link.register(cx.waker()).is_none() {
            if self.stream.is_none() {
                if self.open_by.as_mut().poll(cx).is_ready() {
                    self.unsupported();
                }
            } else {
                let _ = self.write(cx);
                self.read(cx);
            }
        }
        if let Some(reason) = self.link.closing() {
            // Said now: once the connection closes, nothing moves its bytes any more.
            if reason == DownReason::Local && self.stream.is_some() {
                let by = self
                    .close_by
                    .get_or_insert_with(|| Box::pin(sleep(CLOSE_WITHIN)));
                if by.as_mut().poll(cx).is_pending() && self.say_goodbye(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            self.close_told = true;
            self.stream = None;
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Close));
        }
        Poll::Pending
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Close>> {
        // What was received is handed over before the link is reported down.
        self.deliver(cx).map(|()| None)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(negotiated) => {
                self.accepted(negotiated.protocol)
            }
            ConnectionEvent::FullyNegotiatedOutbound(negotiated) => {
                self.opened(negotiated.protocol)
            }
            ConnectionEvent::DialUpgradeError(error) => match error.error {
                StreamUpgradeError::Io(error) => {
                    self.link.close(DownReason::Broken(error.to_string()))
                }
                StreamUpgradeError::Timeout
                | StreamUpgradeError::NegotiationFailed
                | StreamUpgradeError::Apply(_) => {
                    self.unsupported();
                }
            },
            _ => {}
        }
    }
}
