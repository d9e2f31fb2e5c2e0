//! A libp2p peer that is not one of ours: opens what it is told to and writes any bytes.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use futures::{AsyncWriteExt, FutureExt, StreamExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder,
    core::{
        Endpoint, Transport,
        transport::{MemoryTransport, PortUse},
        upgrade::{ReadyUpgrade, Version},
    },
    identity::Keypair,
    noise,
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, StreamUpgradeError, SubstreamProtocol, SwarmEvent, THandler,
        THandlerInEvent, THandlerOutEvent, ToSwarm, handler::ConnectionEvent,
    },
    tcp, yamux,
};
use sovereign_protocol::id::TransportId;

pub const LINK: StreamProtocol = StreamProtocol::new("/sovereign/link/1");

/// What the peer does on every connection.
#[derive(Debug, Clone)]
pub struct Script {
    /// What it listens for.
    pub listens: Option<StreamProtocol>,
    /// Substreams that it opens, one after the other, and what it writes on each.
    pub opens: Vec<(StreamProtocol, Vec<u8>)>,
}

/// How one opened substream went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Opened,
    NotSupported,
    Failed,
}

pub fn id_of(keypair: &Keypair) -> TransportId {
    TransportId::from_peer_id_bytes(&keypair.public().to_peer_id().to_bytes()).unwrap()
}

/// A swarm with this behaviour over TCP, Noise and Yamux.
pub fn swarm<B: NetworkBehaviour>(keypair: &Keypair, behaviour: B) -> Swarm<B> {
    SwarmBuilder::with_existing_identity(keypair.clone())
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .unwrap()
        .with_behaviour(|_| behaviour)
        .unwrap_or_else(|never| match never {})
        .with_swarm_config(|config| {
            config.with_idle_connection_timeout(std::time::Duration::from_secs(60))
        })
        .build()
}

/// The same over the in-process memory transport, for tests in virtual time.
pub fn memory_swarm<B: NetworkBehaviour>(keypair: &Keypair, behaviour: B) -> Swarm<B> {
    let transport = MemoryTransport::new()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    let config = libp2p::swarm::Config::with_tokio_executor();
    Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config)
}

/// Listens on loopback; gives the address.
pub async fn listen<B: NetworkBehaviour>(swarm: &mut Swarm<B>) -> Multiaddr {
    swarm
        .listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap())
        .unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return address;
        }
    }
}

pub struct Raw(pub Script, pub VecDeque<Outcome>);

impl NetworkBehaviour for Raw {
    type ConnectionHandler = RawHandler;
    type ToSwarm = Outcome;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(RawHandler::new(self.0.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(RawHandler::new(self.0.clone()))
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.1.push_back(event);
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Outcome, THandlerInEvent<Self>>> {
        // Polled again after every handler event.
        self.1.pop_front().map_or(Poll::Pending, |outcome| {
            Poll::Ready(ToSwarm::GenerateEvent(outcome))
        })
    }
}

pub struct RawHandler {
    script: Script,
    to_open: VecDeque<(StreamProtocol, Vec<u8>)>,
    outcomes: VecDeque<Outcome>,
    writing: Vec<BoxFuture<'static, Option<Stream>>>,
    streams: Vec<Stream>,
}

impl RawHandler {
    fn new(script: Script) -> Self {
        let to_open = script.opens.clone().into();
        Self {
            script,
            to_open,
            outcomes: VecDeque::new(),
            writing: Vec::new(),
            streams: Vec::new(),
        }
    }

    fn write(&mut self, mut stream: Stream, bytes: Vec<u8>) {
        self.writing.push(
            async move {
                stream.write_all(&bytes).await.ok()?;
                stream.flush().await.ok()?;
                Some(stream)
            }
            .boxed(),
        );
    }
}

impl ConnectionHandler for RawHandler {
    type FromBehaviour = std::convert::Infallible;
    type ToBehaviour = Outcome;
    type InboundProtocol = Listens;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Vec<u8>;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(Listens(self.script.listens.clone()), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Vec<u8>, Outcome>> {
        self.writing.retain_mut(|write| match write.poll_unpin(cx) {
            Poll::Ready(stream) => {
                self.streams.extend(stream);
                false
            }
            Poll::Pending => true,
        });
        if let Some(outcome) = self.outcomes.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(outcome));
        }
        if let Some((protocol, bytes)) = self.to_open.pop_front() {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(protocol), bytes);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol, (), Vec<u8>>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedOutbound(negotiated) => {
                self.outcomes.push_back(Outcome::Opened);
                self.write(negotiated.protocol, negotiated.info);
            }
            ConnectionEvent::FullyNegotiatedInbound(negotiated) => {
                self.streams.push(negotiated.protocol)
            }
            ConnectionEvent::DialUpgradeError(error) => {
                self.outcomes.push_back(match error.error {
                    StreamUpgradeError::NegotiationFailed => Outcome::NotSupported,
                    _ => Outcome::Failed,
                })
            }
            _ => {}
        }
    }
}

/// Listens for one protocol, or none.
pub struct Listens(Option<StreamProtocol>);

impl libp2p::core::UpgradeInfo for Listens {
    type Info = StreamProtocol;
    type InfoIter = std::option::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl libp2p::core::upgrade::InboundUpgrade<Stream> for Listens {
    type Output = Stream;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Stream, Self::Error>>;

    fn upgrade_inbound(self, stream: Stream, _: StreamProtocol) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}
