//! The gate's handler: nothing until it is opened, then the inner handler.

use std::{
    collections::VecDeque,
    fmt,
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    future::{BoxFuture, FutureExt},
    ready,
};
use libp2p::{
    Stream,
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
            InboundUpgradeSend, ListenUpgradeError, UpgradeInfoSend,
        },
    },
};

/// What the gate does beside letting through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    /// Keep later changes of the local protocols from the inner handler.
    HideProtocolChanges,
    /// Try again what the other end refused while its gate was still shut. Both ends open their
    /// gates on their own, so the first to open is refused; the later one's own substream then
    /// tells that the way is free. No timer is needed.
    RetryRefused,
}

/// From the gate to its handler.
pub(in super::super) enum GateEvent<H: ConnectionHandler> {
    /// Run this handler from now on.
    Open(Box<H>),
    /// For the inner handler.
    Inner(H::FromBehaviour),
}

impl<H: ConnectionHandler> fmt::Debug for GateEvent<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(_) => f.write_str("Open"),
            Self::Inner(event) => f.debug_tuple("Inner").field(event).finish(),
        }
    }
}

/// See the module.
pub(in super::super) struct GateHandler<H: ConnectionHandler> {
    inner: Option<Box<H>>,
    watch: Watch,
    /// The protocols were told once.
    told_protocols: bool,
    /// The other end opened a substream: its gate is open.
    remote_open: bool,
    /// Refused, and waiting for the other end's gate.
    held: Vec<Attempt<H>>,
    again: VecDeque<Attempt<H>>,
}

/// An outbound substream that the inner handler asked for.
pub(in super::super) struct Attempt<H: ConnectionHandler> {
    protocol: H::OutboundProtocol,
    info: H::OutboundOpenInfo,
    timeout: Duration,
    /// Whether the other end's gate was known to be open when this was tried.
    remote_was_open: bool,
}

impl<H: ConnectionHandler> GateHandler<H> {
    pub(super) fn shut(watch: Watch) -> Self {
        Self {
            inner: None,
            watch,
            told_protocols: false,
            remote_open: false,
            held: Vec::new(),
            again: VecDeque::new(),
        }
    }

    pub(super) fn open(handler: H, watch: Watch) -> Self {
        Self {
            inner: Some(Box::new(handler)),
            ..Self::shut(watch)
        }
    }

    /// Keeps a refused attempt back, if the refusal may only mean that the other gate was shut.
    fn keep(&mut self, attempt: Attempt<H>) -> Result<(), H::OutboundOpenInfo> {
        if self.watch != Watch::RetryRefused || attempt.remote_was_open {
            return Err(attempt.info);
        }
        if self.remote_open {
            self.again.push_back(attempt);
        } else {
            self.held.push(attempt);
        }
        Ok(())
    }
}

impl<H> ConnectionHandler for GateHandler<H>
where
    H: ConnectionHandler,
    H::OutboundProtocol: Clone,
{
    type FromBehaviour = GateEvent<H>;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = IfOpen<H::InboundProtocol>;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = Option<H::InboundOpenInfo>;
    type OutboundOpenInfo = Attempt<H>;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        match &self.inner {
            Some(inner) => inner
                .listen_protocol()
                .map_upgrade(|upgrade| IfOpen(Some(upgrade)))
                .map_info(Some),
            None => SubstreamProtocol::new(IfOpen(None), None),
        }
    }

    /// Only the link keeps a connection.
    fn connection_keep_alive(&self) -> bool {
        false
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<
        ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>,
    > {
        let Some(inner) = &mut self.inner else {
            return Poll::Pending;
        };
        let remote_was_open = self.remote_open;
        if let Some(attempt) = self.again.pop_front() {
            let protocol = SubstreamProtocol::new(
                attempt.protocol.clone(),
                Attempt {
                    remote_was_open: true,
                    ..attempt
                },
            );
            let timeout = protocol.info().timeout;
            let protocol = protocol.with_timeout(timeout);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        let event = match ready!(inner.poll(cx)) {
            ConnectionHandlerEvent::OutboundSubstreamRequest { protocol } => {
                let timeout = *protocol.timeout();
                let (protocol, info) = protocol.into_upgrade();
                let attempt = Attempt {
                    protocol: protocol.clone(),
                    info,
                    timeout,
                    remote_was_open,
                };
                let protocol = SubstreamProtocol::new(protocol, attempt).with_timeout(timeout);
                ConnectionHandlerEvent::OutboundSubstreamRequest { protocol }
            }
            ConnectionHandlerEvent::NotifyBehaviour(event) => {
                ConnectionHandlerEvent::NotifyBehaviour(event)
            }
            ConnectionHandlerEvent::ReportRemoteProtocols(support) => {
                ConnectionHandlerEvent::ReportRemoteProtocols(support)
            }
            _ => {
                // A kind of event that later versions may add: ask for the next one.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        };
        Poll::Ready(event)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.inner
            .as_mut()
            .map_or(Poll::Ready(None), |inner| inner.poll_close(cx))
    }

    fn on_behaviour_event(&mut self, event: GateEvent<H>) {
        match (event, &mut self.inner) {
            (GateEvent::Open(handler), inner @ None) => *inner = Some(handler),
            (GateEvent::Inner(event), Some(inner)) => inner.on_behaviour_event(event),
            (GateEvent::Open(_), Some(_)) | (GateEvent::Inner(_), None) => {}
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        let event = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol,
                info: Some(info),
            }) => {
                self.remote_open = true;
                self.again.extend(self.held.drain(..));
                ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, info })
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info,
            }) => ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info: info.info,
            }),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let info = match &error {
                    StreamUpgradeError::NegotiationFailed => match self.keep(info) {
                        Ok(()) => return,
                        Err(info) => info,
                    },
                    _ => info.info,
                };
                ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error })
            }
            ConnectionEvent::ListenUpgradeError(ListenUpgradeError {
                info: Some(info),
                error,
            }) => ConnectionEvent::ListenUpgradeError(ListenUpgradeError { info, error }),
            ConnectionEvent::LocalProtocolsChange(change) => {
                if self.watch == Watch::HideProtocolChanges
                    && std::mem::replace(&mut self.told_protocols, true)
                {
                    return;
                }
                ConnectionEvent::LocalProtocolsChange(change)
            }
            ConnectionEvent::AddressChange(change) => ConnectionEvent::AddressChange(change),
            ConnectionEvent::RemoteProtocolsChange(change) => {
                ConnectionEvent::RemoteProtocolsChange(change)
            }
            _ => return,
        };
        if let Some(inner) = &mut self.inner {
            inner.on_connection_event(event);
        }
    }
}

/// The inner handler's inbound protocols, or none.
pub(in super::super) struct IfOpen<U>(Option<U>);

impl<U: InboundUpgradeSend> UpgradeInfoSend for IfOpen<U> {
    type Info = U::Info;
    type InfoIter = std::iter::Flatten<std::option::IntoIter<U::InfoIter>>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0
            .as_ref()
            .map(UpgradeInfoSend::protocol_info)
            .into_iter()
            .flatten()
    }
}

impl<U: InboundUpgradeSend> InboundUpgradeSend for IfOpen<U> {
    type Output = U::Output;
    type Error = U::Error;
    type Future = BoxFuture<'static, Result<U::Output, U::Error>>;

    fn upgrade_inbound(self, stream: Stream, info: U::Info) -> Self::Future {
        match self.0 {
            Some(upgrade) => upgrade.upgrade_inbound(stream, info).boxed(),
            // Without protocols nothing is ever agreed upon.
            None => futures::future::pending().boxed(),
        }
    }
}
