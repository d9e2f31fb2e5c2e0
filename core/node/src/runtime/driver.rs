//! The event loop. It decides nothing: what happens goes to the engine, what the engine wants done
//! goes to the ports.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use sovereign_protocol::{
    engine::{Effect, Engine, Input, Judgement, PersistOutcome, Tell, Token},
    id::{ChannelId, MessageId},
    identity::TransportKey,
    link_kind::{Medium, Source},
    policy::dial::Sighting,
    time::Now,
};
use tokio::sync::{broadcast, mpsc, watch};

use super::{
    archive_file::Imported,
    commands::{ImportUnderWay, Query, Waiter},
    home::Home,
    keeper::{Done, Job, Keeper},
    nets::{self, Nets},
    say,
};
use crate::{
    api::{Event, EventKind},
    config::NodeConfig,
    node::Request,
    ports::{
        clock::Clock,
        lan::{Lan, LanAdvertisement, LanEvent},
        network::{DownReason, Endpoint, Network, NetworkCommand, NetworkEvent, Verdict},
        rng::Rng,
    },
    text::rfc3339_ms,
};

/// After the first listener is up, the others are waited for this long before the node announces
/// itself: a second announcement would have to be probed again.
const LISTENERS_SETTLE: Duration = Duration::from_millis(30);
/// An old transport key's network drains for so long.
const DRAIN_FOR: Duration = Duration::from_secs(600);

/// Makes the network of a transport key.
pub(super) type MakeNet<N> = Box<dyn Fn(&TransportKey) -> Result<N, String> + Send>;

/// Everything the loop owns.
pub(super) struct Driver<N, L> {
    pub(super) config: NodeConfig,
    pub(super) engine: Engine,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) keeper: Keeper,
    pub(super) store: Arc<dyn crate::ports::store::Store>,
    pub(super) home: Home,
    pub(super) key: TransportKey,
    pub(super) nets: Nets<N>,
    pub(super) make_net: MakeNet<N>,
    pub(super) source_of: Box<dyn Fn(std::net::SocketAddr) -> Source + Send>,
    pub(super) lan: Option<L>,
    pub(super) lan_state: Result<(), String>,
    pub(super) interfaces: Option<usize>,
    pub(super) announced: Option<LanAdvertisement>,
    pub(super) announce_at: Option<Duration>,
    pub(super) drain_until: Option<Duration>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) stopped: watch::Sender<bool>,
    pub(super) waiting: BTreeMap<Token, Waiter>,
    pub(super) queries: BTreeMap<u64, Query>,
    pub(super) next_query: u64,
    pub(super) import: Option<ImportUnderWay>,
    pub(super) started: Duration,
    pub(super) read_only: Option<String>,
    pub(super) stopping: bool,
    /// Store answers that the loop gives itself because the queue was full.
    pub(super) refused: VecDeque<Done>,
}

/// What woke the loop.
enum Woken {
    Request(Option<Request>),
    Network(sovereign_protocol::id::TransportId, NetworkEvent),
    Lan(LanEvent),
    Store(Option<Done>),
    Imported(Option<Imported>),
    Timer,
}

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) async fn run(mut self) {
        self.handle(Input::Timeout);
        while !self.stopping {
            let woken = self.wait().await;
            self.wake(woken);
        }
        self.finish().await;
    }

    async fn wait(&mut self) -> Woken {
        if let Some(done) = self.refused.pop_front() {
            return Woken::Store(Some(done));
        }
        let wait = self.next_timer();
        let importing = self.import.as_ref().is_some_and(ImportUnderWay::may_read);
        tokio::select! {
            request = self.requests.recv() => Woken::Request(request),
            (local, event) = self.nets.next() => Woken::Network(local, event),
            event = next_lan(&mut self.lan) => Woken::Lan(event),
            done = self.keeper.done.recv() => Woken::Store(done),
            record = next_import(&mut self.import), if importing => Woken::Imported(record),
            () = tokio::time::sleep(wait) => Woken::Timer,
        }
    }

    fn next_timer(&self) -> Duration {
        let now = self.clock.now();
        [
            self.engine.poll_timeout(now),
            self.announce_at,
            self.drain_until,
        ]
        .into_iter()
        .flatten()
        .min()
        // The engine always names a time; an hour stands for never.
        .map_or(Duration::from_secs(3600), |at| at.saturating_sub(now.boot))
    }

    fn wake(&mut self, woken: Woken) {
        match woken {
            Woken::Request(Some(request)) => self.request(request),
            // Every handle of the node is gone: nobody can stop it any more but this.
            Woken::Request(None) => self.stopping = true,
            Woken::Network(local, event) => self.network(local, event),
            Woken::Lan(event) => self.lan_event(event),
            Woken::Store(Some(done)) => self.done(done),
            Woken::Store(None) => {
                tracing::error!("the store's thread has ended");
                self.stopping = true;
            }
            Woken::Imported(record) => self.imported(record),
            Woken::Timer => self.timer(),
        }
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(super) fn handle(&mut self, input: Input) {
        let now = self.now();
        self.engine.handle(input, now, &mut Randomness(&*self.rng));
        self.carry_out();
    }

    /// Lets the engine see what a command changed, and carries out what follows.
    pub(super) fn after_command(&mut self) {
        self.handle(Input::Timeout);
    }

    fn timer(&mut self) {
        let now = self.now();
        if self.announce_at.is_some_and(|at| at <= now.boot) {
            self.announce_at = None;
            self.emit(EventKind::ListenChanged {
                listen: self.listen_addresses(),
            });
            self.announce();
        }
        if self.drain_until.is_some_and(|at| at <= now.boot) {
            self.drain_until = None;
            self.end_draining();
        }
        if self.key.expired(self.engine.life()) {
            self.renew_key();
        }
        self.handle(Input::Timeout);
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            match effect {
                Effect::Send { link, frame } => {
                    self.nets
                        .submit(link, |link| NetworkCommand::Send { link, frame });
                }
                Effect::Close { link, .. } => self
                    .nets
                    .submit(link, |link| NetworkCommand::Close { link }),
                Effect::AdmitToGossip { link } => {
                    self.nets
                        .submit(link, |link| NetworkCommand::AdmitToGossip { link });
                }
                Effect::Load { link, content } => {
                    if self.keeper.submit(Job::Load { link, content }).is_err() {
                        self.refused.push_back(Done::Loaded {
                            link,
                            content,
                            body: None,
                        });
                    }
                }
                Effect::Persist { token, ops } => {
                    if self.keeper.submit(Job::Commit { token, ops }).is_err() {
                        self.refused.push_back(Done::Persisted {
                            token,
                            outcome: PersistOutcome::Failed,
                        });
                    }
                }
                Effect::Dial { peer } => {
                    if !self.nets.dial(peer) {
                        let now = self.now();
                        self.engine.handle(
                            Input::DialFailed { peer },
                            now,
                            &mut Randomness(&*self.rng),
                        );
                    }
                }
                Effect::SetTopics(topics) => {
                    self.nets
                        .current
                        .network
                        .submit(NetworkCommand::SetTopics(topics));
                }
                Effect::Publish { topic, data } => {
                    self.nets
                        .current
                        .network
                        .submit(NetworkCommand::Publish { topic, data });
                }
                Effect::Judge { token, judgement } => {
                    let verdict = match judgement {
                        Judgement::Accept => Verdict::Accept,
                        Judgement::Reject => Verdict::Reject,
                        Judgement::Ignore => Verdict::Ignore,
                    };
                    self.nets
                        .current
                        .network
                        .submit(NetworkCommand::Judge { token, verdict });
                }
                Effect::Tell(tell) => self.tell(tell),
            }
        }
    }

    fn network(&mut self, local: sovereign_protocol::id::TransportId, event: NetworkEvent) {
        match event {
            NetworkEvent::Listening(endpoint) => self.listening(local, endpoint, true),
            NetworkEvent::NotListening(endpoint) => self.listening(local, endpoint, false),
            NetworkEvent::Up {
                link,
                peer,
                role,
                medium,
                source,
                endpoint: _,
            } => {
                let link = self.nets.number(local, link);
                // A LAN may use any addresses: who was sighted on it is on it.
                let medium = if medium == Medium::Direct && self.nets.knows(&peer) {
                    Medium::Lan
                } else {
                    medium
                };
                self.handle(Input::LinkUp {
                    link,
                    local,
                    peer,
                    role,
                    medium,
                    source,
                });
            }
            NetworkEvent::Frame { link, frame } => {
                if let Some(link) = self.nets.find(local, link) {
                    self.handle(Input::Frame { link, frame });
                }
            }
            NetworkEvent::Sent { link, bytes } => {
                if let Some(link) = self.nets.find(local, link) {
                    self.handle(Input::Sent { link, bytes });
                }
            }
            NetworkEvent::Rtt { link, ms } => {
                if let Some(link) = self.nets.find(local, link) {
                    self.handle(Input::Rtt { link, ms });
                }
            }
            NetworkEvent::Down { link, reason } => {
                if let Some(link) = self.nets.forget(local, link) {
                    if !matches!(reason, DownReason::Local | DownReason::Remote) {
                        tracing::debug!(?reason, "a link went down");
                    }
                    self.handle(Input::LinkDown { link });
                }
                let drained = self
                    .nets
                    .draining
                    .as_ref()
                    .is_some_and(super::nets::Net::is_drained);
                if drained {
                    self.end_draining();
                }
            }
            NetworkEvent::DialFailed { peer, why } => {
                tracing::debug!(%peer, %why, "a dial failed");
                self.handle(Input::DialFailed { peer });
            }
            NetworkEvent::Gossip {
                token,
                topic: _,
                data,
            } => self.handle(Input::Gossip { token, data }),
        }
    }

    fn listening(
        &mut self,
        local: sovereign_protocol::id::TransportId,
        endpoint: Endpoint,
        up: bool,
    ) {
        if local != self.nets.current.local {
            return;
        }
        let listening = &mut self.nets.current.listening;
        listening.retain(|known| *known != endpoint);
        if up {
            listening.push(endpoint);
        }
        listening.sort_unstable();
        if self.announce_at.is_none() {
            self.announce_at = Some(self.now().boot + LISTENERS_SETTLE);
        }
    }

    pub(super) fn listen_addresses(&self) -> Vec<String> {
        let local = self.nets.current.local;
        self.nets
            .current
            .listening
            .iter()
            .filter_map(|endpoint| say::multiaddr(endpoint, &local))
            .collect()
    }

    fn announce(&mut self) {
        let listening = &self.nets.current.listening;
        let tcp = listening.iter().find_map(|endpoint| match endpoint {
            Endpoint::Tcp(at) => Some(at.port()),
            _ => None,
        });
        let quic_port = listening.iter().find_map(|endpoint| match endpoint {
            Endpoint::Quic(at) => Some(at.port()),
            _ => None,
        });
        let Some(tcp_port) = tcp else { return };
        let advertisement = LanAdvertisement {
            transport: self.key.id(),
            discovery: self.key.lan_discovery_id(),
            tcp_port,
            quic_port,
            versions: (sovereign_protocol::link::MIN_VERSION
                ..=sovereign_protocol::link::MAX_VERSION)
                .filter_map(|version| u16::try_from(version).ok())
                .collect(),
            capabilities: self.engine.capabilities(),
        };
        if self.announced.as_ref() == Some(&advertisement) {
            return;
        }
        if let Some(lan) = &mut self.lan
            && let Err(reason) = lan.announce(advertisement.clone())
        {
            self.lan_state = Err(reason);
        }
        let (transport, discovery) = (advertisement.transport, advertisement.discovery);
        self.announced = Some(advertisement);
        self.handle(Input::Announced {
            transport,
            discovery,
        });
    }

    fn lan_event(&mut self, event: LanEvent) {
        match event {
            LanEvent::Sighted(sighting) => {
                self.nets.sighted(&sighting);
                let source = nets::source_of(&sighting, &self.source_of);
                let sighting = Sighting {
                    transport: sighting.advertisement.transport,
                    discovery: sighting.advertisement.discovery,
                    source,
                    endpoints: sighting.addresses.len(),
                };
                self.handle(Input::Sighted {
                    sighting,
                    medium: Medium::Lan,
                });
            }
            LanEvent::Lost(discovery) => {
                self.nets.sighting_lost(discovery);
                self.handle(Input::SightingLost { discovery });
            }
            LanEvent::Interfaces(addresses) => {
                self.interfaces = Some(addresses.len());
                if let Some(advertisement) = &self.announced {
                    let (transport, discovery) = (advertisement.transport, advertisement.discovery);
                    // A new network: who is there cannot have seen this node before.
                    self.handle(Input::Announced {
                        transport,
                        discovery,
                    });
                }
            }
            LanEvent::State(state) => {
                if let Err(reason) = &state {
                    self.emit(EventKind::Warning {
                        kind: "mdns".to_owned(),
                        message: reason.clone(),
                    });
                }
                self.lan_state = state;
            }
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Persisted { token, outcome } => {
                self.handle(Input::Persisted { token, outcome });
                self.durable(token, outcome);
            }
            Done::Loaded {
                link,
                content,
                body,
            } => self.handle(Input::Loaded {
                link,
                content,
                body,
            }),
            Done::Messages { query, records } => self.messages_read(query, records),
            Done::Exported { query, result } => self.exported(query, result),
        }
    }

    fn tell(&mut self, tell: Tell) {
        let now = self.now();
        let kind = match tell {
            Tell::PeerDiscovered(peer) => {
                EventKind::PeerDiscovered { peer: say::peer_info(&self.engine.peer(&peer, now)) }
            }
            Tell::PeerUpdated(peer) => EventKind::PeerUpdated { peer: say::peer_info(&self.engine.peer(&peer, now)) },
            Tell::PeerLost(peer) => EventKind::PeerLost { transport_id: peer.to_string() },
            Tell::LinkUp { peer, medium } => {
                EventKind::LinkUp { transport_id: peer.to_string(), link: say::link_word(medium) }
            }
            Tell::LinkDown { peer, medium, reason } => EventKind::LinkDown {
                transport_id: peer.to_string(),
                link: say::link_word(medium),
                reason: say::close_words(reason).to_owned(),
            },
            Tell::Message { channel, message, author: _ } => return self.tell_message(channel, message),
            Tell::Retracted { channel, message } => EventKind::Warning {
                kind: "message_retracted".to_owned(),
                message: format!("message {message} in channel {channel} turned out to lie about its place and is not shown"),
            },
            Tell::State { channel, message, state } => EventKind::MessageState {
                id: message.to_string(),
                channel: channel.to_string(),
                state: say::state_word(state),
            },
            Tell::Synced(peer) => EventKind::Synced { transport_id: peer.to_string() },
            Tell::StoreTrouble { full: true } => EventKind::Warning {
                kind: "disk_full".to_owned(),
                message: "the disk is full: nothing was lost, but nothing can be stored until there is room".to_owned(),
            },
            Tell::StoreTrouble { full: false } => EventKind::Warning {
                kind: "store".to_owned(),
                message: "the store refuses writes: see the log, and `sovereign doctor`".to_owned(),
            },
            Tell::StoreWorks => EventKind::Warning { kind: "store_works".to_owned(), message: "the store takes writes again".to_owned() },
        };
        self.emit(kind);
    }

    fn tell_message(&mut self, channel: ChannelId, message: MessageId) {
        self.read_messages(vec![message], Query::Tell { channel });
    }

    pub(super) fn emit(&self, kind: EventKind) {
        // Nobody listening is no error.
        let _ = self.events.send(Event {
            at: rfc3339_ms(self.now().wall_ms),
            kind,
        });
    }

    fn renew_key(&mut self) {
        let life = self.engine.life();
        let renewed = self.home.transport(life, &mut Randomness(&*self.rng));
        let Ok((key, true)) = renewed else { return };
        let network = match (self.make_net)(&key) {
            Ok(network) => network,
            Err(why) => {
                tracing::warn!(%why, "the transport key could not be renewed, the old one stays");
                return;
            }
        };
        let fresh = nets::Net::new(network, key.id());
        let late = self.nets.renew(fresh);
        drop(late);
        self.key = key;
        self.announced = None;
        self.drain_until = Some(self.now().boot + DRAIN_FOR);
        self.engine.set_topics_again();
        self.save_home();
    }

    fn end_draining(&mut self) {
        if let Some(mut old) = self.nets.draining.take() {
            for link in old.take_links() {
                self.handle(Input::LinkDown { link });
            }
            tokio::spawn(async move { old.network.shutdown().await });
        }
    }

    async fn finish(mut self) {
        self.emit(EventKind::Stopping);
        let now = self.now();
        self.engine.shutdown(now, &mut Randomness(&*self.rng));
        self.carry_out();
        let lan = async {
            if let Some(lan) = &mut self.lan {
                lan.shutdown().await;
            }
        };
        let draining = async {
            if let Some(draining) = &mut self.nets.draining {
                draining.network.shutdown().await;
            }
        };
        tokio::join!(
            lan,
            draining,
            self.nets.current.network.shutdown(),
            self.keeper.finish()
        );
        drop(self.store);
        // Whoever waits for the end may go on; nobody waiting is no error.
        let _ = self.stopped.send(true);
    }
}

async fn next_lan<L: Lan>(lan: &mut Option<L>) -> LanEvent {
    match lan {
        Some(lan) => lan.next().await,
        None => core::future::pending().await,
    }
}

async fn next_import(import: &mut Option<ImportUnderWay>) -> Option<Imported> {
    match import {
        Some(import) => import.records.recv().await,
        None => core::future::pending().await,
    }
}

/// The randomness port as the generator that the engine takes.
pub(super) struct Randomness<'a>(pub(super) &'a dyn Rng);

impl rand_core::TryRng for Randomness<'_> {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(buffer);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Randomness<'_> {}
