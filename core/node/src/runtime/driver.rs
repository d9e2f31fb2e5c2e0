//! The event loop. It decides nothing: what happens goes to the engine, what the engine wants done
//! goes to the ports.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use sovereign_protocol::{
    engine::{Effect, Engine, Input, Judgement, PersistOutcome, Token},
    identity::TransportKey,
    link_kind::Source,
    time::Now,
};
use tokio::sync::{broadcast, mpsc, watch};

use super::{
    archive_file::Imported,
    bodies::Bodies,
    commands::{Query, Waiter},
    field::Field,
    home::Home,
    keeper::{Done, Haste, Job, Keeper, Question, Write},
    nets::{self, Nets},
    randomness::Randomness,
    transfer::ImportUnderWay,
};
use crate::{
    air::AirEvent,
    api::{Event, EventKind},
    config::NodeConfig,
    node::Request,
    ports::{
        clock::Clock,
        lan::{Lan, LanAdvertisement, LanEvent},
        network::{Network, NetworkCommand, NetworkEvent, Verdict},
        rng::Rng,
    },
    text::rfc3339_ms,
};

/// An old transport key's network drains for so long.
const DRAIN_FOR: Duration = Duration::from_secs(600);

/// Events taken in one go at most.
const MAX_AT_ONCE: usize = 256;

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
    /// The radio, if this node uses one.
    pub(super) field: Option<Field<N>>,
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
    /// For the store's thread, as soon as there is nothing else to do.
    pub(super) jobs: Vec<Job>,
    /// Answers that the loop gives itself: from memory, or because the store's queue was full.
    pub(super) answers: VecDeque<Done>,
    pub(super) bodies: Bodies,
}

/// What woke the loop.
enum Woken {
    Request(Option<Request>),
    Network(sovereign_protocol::id::TransportId, NetworkEvent),
    Lan(LanEvent),
    Air(AirEvent),
    Store(Option<Done>),
    Imported(Option<Imported>),
    Timer,
}

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) async fn run(mut self) {
        self.handle(Input::Timeout);
        self.hand_over();
        while !self.stopping {
            let woken = self.wait().await;
            self.wake(woken);
            // What is there already comes before the store is woken: it then finds more to do at once.
            for _ in 1..MAX_AT_ONCE {
                if self.stopping {
                    break;
                }
                match self.wait().now_or_never() {
                    Some(woken) => self.wake(woken),
                    None => break,
                }
            }
            self.hand_over();
        }
        self.finish().await;
    }

    async fn wait(&mut self) -> Woken {
        if let Some(done) = self.answers.pop_front() {
            return Woken::Store(Some(done));
        }
        let wait = self.next_timer();
        let importing = self.import.as_ref().is_some_and(ImportUnderWay::may_read);
        tokio::select! {
            request = self.requests.recv() => Woken::Request(request),
            (local, event) = self.nets.next() => Woken::Network(local, event),
            event = next_lan(&mut self.lan) => Woken::Lan(event),
            event = next_air(&mut self.field) => Woken::Air(event),
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
            self.field.as_ref().and_then(Field::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
        // The engine always names a time; an hour stands for never.
        .map_or(Duration::from_secs(3600), |at| at.saturating_sub(now.boot))
    }

    fn wake(&mut self, woken: Woken) {
        // Before anything else: out of a suspend too, nothing is sent as whom the node was.
        self.turn_epoch();
        match woken {
            Woken::Request(Some(request)) => self.request(request),
            // Every handle of the node is gone: nobody can stop it any more but this.
            Woken::Request(None) => self.stopping = true,
            Woken::Network(local, event) => self.network(local, event),
            Woken::Lan(event) => self.lan_event(event),
            Woken::Air(event) => self.air_event(event),
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
        self.nets.count_crossed(now.wall_ms);
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
                Effect::Load { link, content } => match self.bodies.get(&content) {
                    Some(body) => self.answers.push_back(Done::Loaded {
                        link,
                        content,
                        body: Some(body),
                    }),
                    None => self.jobs.push(Job::Ask(Question::Load { link, content })),
                },
                Effect::Persist {
                    token,
                    ops,
                    awaited,
                } => {
                    self.bodies.follow(&ops);
                    let haste = if self.waiting.contains_key(&token) {
                        Haste::Now
                    } else if awaited {
                        Haste::Soon
                    } else {
                        Haste::None
                    };
                    self.jobs.push(Job::Commit(Write { token, ops, haste }));
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
                Effect::Near(effect) => self.near(effect),
                Effect::SetTopics(topics) => {
                    self.nets.tally.set_topics(&topics);
                    self.nets
                        .current
                        .network
                        .submit(NetworkCommand::SetTopics(topics));
                }
                Effect::Publish { topic, data } => {
                    self.nets.tally.published(topic);
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
                    self.nets.judge(token, verdict);
                }
                Effect::Tell(tell) => self.tell(tell),
            }
        }
    }

    /// Gives the store's thread what has come together for it.
    fn hand_over(&mut self) {
        for job in self.jobs.drain(..) {
            let Err(job) = self.keeper.submit(job) else {
                continue;
            };
            match *job {
                Job::Commit(Write { token, .. }) => self
                    .answers
                    .push_back(Done::Persisted(vec![(token, PersistOutcome::Failed)])),
                Job::Ask(Question::Load { link, content }) => {
                    self.answers.push_back(Done::Loaded {
                        link,
                        content,
                        body: None,
                    });
                }
                Job::Ask(Question::Messages { query, .. } | Question::Export { query, .. }) => {
                    self.answers.push_back(Done::Busy { query });
                }
            }
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Persisted(outcomes) => {
                self.handle(Input::Persisted(outcomes.clone()));
                for (token, outcome) in outcomes {
                    self.durable(token, outcome);
                }
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
            Done::Busy { query } => self.give_up(query),
        }
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
        self.home.adopt(&key);
        let fresh = nets::Net::new(network, key.id());
        let late = self.nets.renew(fresh);
        drop(late);
        self.key = key;
        self.announced = None;
        self.drain_until = Some(self.now().boot + DRAIN_FOR);
        self.engine.set_topics_again();
        self.save_home();
    }

    pub(super) fn end_draining(&mut self) {
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
        self.hand_over();
        let lan = async {
            if let Some(lan) = &mut self.lan {
                lan.shutdown().await;
            }
        };
        let (draining, current, epochs) = self.nets.all_mut();
        let draining = async {
            if let Some(draining) = draining {
                draining.network.shutdown().await;
            }
        };
        let epochs = futures::future::join_all(epochs.iter_mut().map(|net| net.network.shutdown()));
        tokio::join!(
            lan,
            draining,
            current.network.shutdown(),
            epochs,
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

async fn next_air<N>(field: &mut Option<Field<N>>) -> AirEvent {
    let heard = match field {
        Some(field) => field.heard.recv().await,
        None => None,
    };
    match heard {
        Some(event) => event,
        // No radio, or its task is gone.
        None => core::future::pending().await,
    }
}

async fn next_import(import: &mut Option<ImportUnderWay>) -> Option<Imported> {
    match import {
        Some(import) => import.records.recv().await,
        None => core::future::pending().await,
    }
}
