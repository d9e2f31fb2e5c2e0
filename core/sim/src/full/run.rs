//! Runs a scenario on whole nodes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::ControlFlow,
    time::Duration,
};

use sovereign_node::api::{ApiError, Command, Event, Reply};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Held, Model, Phone, links::Links};
use crate::{
    lan::{LanId, Net, Quality},
    radio::{Air, RadioId, Usage, WorldEvent},
    record::{Record, Sink, What, decimetres},
    scenario::Scenario,
    world::{Happening, Off, What as Happens, World},
};

/// 2026-11-21T00:00:00Z, in milliseconds since 1970: when every scenario begins.
const BEGINNING_MS: u64 = 1_795_219_200_000;
/// Walkers are moved, links looked at and progress told so often.
const STEP: Duration = Duration::from_secs(1);
/// What phones spent is recorded so often.
const ACCOUNTS: u64 = 60;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Virtual time so far.
    pub at: Duration,
    /// Virtual time in all.
    pub end: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Virtual time.
    pub at: Duration,
    /// Whether it was to the end of the scenario.
    pub complete: bool,
}

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Abort {
    /// The recording could not be written.
    #[error("the recording cannot be written: {0}")]
    Write(#[from] io::Error),
    /// A node did not do what a node does.
    #[error("{name} failed: {}", .error.message)]
    Node {
        /// Whose.
        name: String,
        /// What it said.
        error: ApiError,
    },
    /// A node told more than the run could hear.
    #[error("{count} events of a node were missed: the run would not show them")]
    Missed {
        /// How many.
        count: u64,
    },
    /// The scenario asks for what whole nodes do not have.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// Runs it: everything that happens goes to the sink, and `watch` is told how far it is once a virtual second
/// and may end it. Reproducible on a runtime of one thread with a paused clock in a process whose randomness is
/// seeded; the thread's wall clock follows the runtime's from here on.
///
/// # Errors
/// [`Abort`].
pub async fn run(
    scenario: &Scenario,
    seed: u64,
    watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    sink: &mut dyn Sink,
) -> Result<Ended, Abort> {
    let world = World::new(scenario, seed);
    if world.people().iter().any(|person| person.malice.is_some()) {
        return Err(Abort::Unsupported(
            "whole nodes are honest: set `fidelity = \"policy\"` for hostile ones",
        ));
    }
    let wall = std::time::UNIX_EPOCH + Duration::from_millis(BEGINNING_MS);
    web_time::follow_tokio(wall);
    let mut run = Run::new(scenario, seed, world, sink);
    run.go(watch).await
}

/// What the loop hears.
pub(super) enum Heard {
    Told(u32, Event),
    Held(u32, Held),
    Sent {
        who: u32,
        channel: u32,
        bytes: u32,
        sent: Result<Reply, ApiError>,
    },
}

pub(super) struct Run<'a> {
    pub(super) world: World,
    pub(super) air: Air,
    pub(super) phones: Vec<Phone>,
    pub(super) owner: BTreeMap<RadioId, u32>,
    pub(super) net: Net,
    pub(super) start: Instant,
    /// Legs under way.
    pub(super) walking: BTreeMap<u32, Duration>,
    /// Links to the channels that somebody has made.
    pub(super) invitations: BTreeMap<u32, String>,
    pub(super) joined: BTreeSet<(u32, u32)>,
    /// Numbers of messages by their id, in hexadecimal.
    pub(super) messages: BTreeMap<String, u32>,
    pub(super) acknowledged: BTreeSet<u32>,
    /// Messages' ids by the content ids of their bundles.
    pub(super) contents: BTreeMap<Vec<u8>, String>,
    /// Who has which bundle, as far as is recorded.
    pub(super) held: BTreeSet<(u32, Vec<u8>)>,
    /// Copies that came to each phone again, as its node counts since it started.
    pub(super) known: Vec<u64>,
    pub(super) links: Links,
    pub(super) accounted: Vec<Usage>,
    pub(super) heard_in: mpsc::UnboundedSender<Heard>,
    pub(super) heard: mpsc::UnboundedReceiver<Heard>,
    pub(super) sink: &'a mut dyn Sink,
}

impl<'a> Run<'a> {
    fn new(scenario: &Scenario, seed: u64, world: World, sink: &'a mut dyn Sink) -> Self {
        let radio = crate::radio::World::new(scenario.radio.physics(), seed)
            .with_walls(scenario.radio.walls());
        let air = Air::new(radio, seed);
        let net = Net::default();
        for (number, lan) in (0..).zip(&scenario.lan) {
            let multicast = lan.multicast;
            net.describe(
                LanId(number),
                Quality {
                    multicast,
                    ..Quality::default()
                },
            );
        }
        let phones = (0..).zip(world.people()).map(|(number, person)| {
            let model = Model {
                name: format!("P{number}"),
                radio: Some((person.home, scenario.radio.hardware())),
                profile: person.profile.into(),
                clock_off_ms: person.clock_ms,
            };
            Phone::new(model, number, &air, &net)
        });
        let phones: Vec<Phone> = phones.collect();
        let (heard_in, heard) = mpsc::unbounded_channel();
        for (who, phone) in (0..).zip(&phones) {
            let heard = heard_in.clone();
            phone.watch(move |held| {
                // The run has ended.
                let _ = heard.send(Heard::Held(who, held));
            });
        }
        Self {
            phones,
            known: vec![0; world.people().len()],
            contents: BTreeMap::new(),
            held: BTreeSet::new(),
            accounted: vec![Usage::default(); world.people().len()],
            air,
            world,
            owner: BTreeMap::new(),
            net,
            start: Instant::now(),
            walking: BTreeMap::new(),
            invitations: BTreeMap::new(),
            joined: BTreeSet::new(),
            messages: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            links: Links::default(),
            heard_in,
            heard,
            sink,
        }
    }

    async fn go(
        &mut self,
        watch: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Ended, Abort> {
        for (number, person) in (0..).zip(self.world.people().to_vec()) {
            let (x, y) = (decimetres(person.home.x), decimetres(person.home.y));
            self.record(number, What::Placed { x, y })?;
        }
        let end = self.world.end();
        let mut step = 1_u64;
        loop {
            let next = STEP * u32::try_from(step).unwrap_or(u32::MAX);
            let until = self.world.next_time().map_or(next, |at| at.min(next));
            tokio::select! {
                biased;
                Some(heard) = self.heard.recv() => self.hear(heard)?,
                () = sleep_until(self.start + until.min(end)) => {
                    while let Some(happening) = self.world.happen(until) {
                        self.happens(happening).await?;
                    }
                    if until == next || until >= end {
                        step += 1;
                        self.step()?;
                        let at = until.min(end);
                        let stopped = watch(Progress { at, end }).is_break();
                        if step.is_multiple_of(ACCOUNTS) || stopped || at == end {
                            self.account_all().await?;
                        }
                        if stopped || at == end {
                            let complete = at == end;
                            return Ok(Ended { at, complete });
                        }
                    }
                }
            }
        }
    }

    pub(super) fn record(&mut self, who: u32, what: What) -> Result<(), Abort> {
        let record = Record::new(self.start.elapsed(), who, what);
        Ok(self.sink.take(&record)?)
    }

    pub(super) fn record_all(&mut self, all: Vec<(u32, What)>) -> Result<(), Abort> {
        all.into_iter()
            .try_for_each(|(who, what)| self.record(who, what))
    }

    fn failed(who: u32, error: ApiError) -> Abort {
        let name = format!("P{who}");
        Abort::Node { name, error }
    }

    async fn happens(&mut self, happening: Happening) -> Result<(), Abort> {
        let who = happening.who;
        match happening.what {
            Happens::On => self.switch_on(who).await,
            Happens::Off(how) => self.switch_off(who, how).await,
            Happens::Walks(leg) => {
                self.walking.insert(who, leg.arrives);
                let (x, y) = (decimetres(leg.to.x), decimetres(leg.to.y));
                let until = u64::try_from(leg.arrives.as_millis()).unwrap_or(u64::MAX);
                self.record(who, What::Walks { x, y, until })
            }
            // Nothing finds others there yet: the wide network is to come.
            Happens::Internet(on) => self.record(who, What::Internet { on }),
            Happens::Lan { lan, inside } => {
                self.net
                    .place(self.phones[who as usize].host(), LanId(lan), inside);
                self.record(who, What::Lan { lan, on: inside })
            }
            Happens::Says { channel, bytes } => {
                self.says(who, channel, bytes);
                Ok(())
            }
        }
    }

    async fn switch_on(&mut self, who: u32) -> Result<(), Abort> {
        let at = self.start.elapsed();
        let wall = BEGINNING_MS + u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let here = self.world.position(who, at);
        let phone = &mut self.phones[who as usize];
        phone.go_to(here);
        let mut events = phone
            .start(wall)
            .map_err(|error| Self::failed(who, error))?;
        self.accounted[who as usize] = Usage::default();
        self.known[who as usize] = 0;
        if let Some(radio) = phone.radio() {
            self.owner.insert(radio, who);
        }
        let heard = self.heard_in.clone();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                // The run has ended.
                let _ = heard.send(Heard::Told(who, event));
            }
        });
        self.record(who, What::On)?;
        self.join_channels(who).await
    }

    async fn join_channels(&mut self, who: u32) -> Result<(), Abort> {
        let its: Vec<(u32, String)> = (0..)
            .zip(self.world.channels())
            .filter(|(_, channel)| channel.members.binary_search(&who).is_ok())
            .map(|(number, channel)| (number, channel.name.clone()))
            .collect();
        for (number, name) in its {
            if !self.joined.insert((who, number)) {
                continue;
            }
            // Private ones: the first makes it, the others are invited in person.
            let command = match self.invitations.get(&number) {
                Some(link) => Command::ChannelJoin {
                    target: link.clone(),
                },
                None => Command::ChannelCreate { name },
            };
            let reply = self.phones[who as usize].call(command).await;
            match reply {
                Some(Ok(Reply::Channel(channel))) => {
                    self.invitations.entry(number).or_insert(channel.link);
                }
                Some(Err(error)) => return Err(Self::failed(who, error)),
                _ => {}
            }
        }
        Ok(())
    }

    async fn switch_off(&mut self, who: u32, how: Off) -> Result<(), Abort> {
        self.account(who).await?;
        let phone = &mut self.phones[who as usize];
        if let Some(radio) = phone.radio() {
            self.owner.remove(&radio);
        }
        match how {
            Off::Sleep => phone.sleep(),
            Off::Empty => phone.die(),
            Off::Crash => phone.crash(),
        }
        self.record(who, What::Off { why: how.into() })?;
        let gone = self.links.ended(who);
        self.record_all(gone)
    }

    fn says(&self, who: u32, channel: u32, bytes: u32) {
        let Some(node) = self.phones[who as usize].node().cloned() else {
            return;
        };
        let name = self.world.channels()[channel as usize].name.clone();
        let text = "x".repeat(bytes as usize);
        let heard = self.heard_in.clone();
        tokio::spawn(async move {
            let channel_name = name;
            let command = Command::Send {
                channel: channel_name,
                text,
            };
            let sent = node.call(command).await;
            // The run has ended.
            let _ = heard.send(Heard::Sent {
                who,
                channel,
                bytes,
                sent,
            });
        });
    }

    /// Walkers are somewhere else, links may have changed.
    fn step(&mut self) -> Result<(), Abort> {
        let at = self.start.elapsed();
        for who in self.walking.keys() {
            if let Some(radio) = self.phones[*who as usize].radio() {
                let to = self.world.position(*who, at);
                self.air.handle(WorldEvent::Move { radio, to });
            }
        }
        self.walking.retain(|_, arrives| *arrives > at);
        let changes = self.links.look(&self.air, &self.owner);
        self.record_all(changes)
    }
}
