//! The model's face: commands, events and time go in, each radio's events come out.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};
use std::time::Duration;

use bytes::Bytes;
use rand_core::Rng;
use sovereign_node::ports::radio::{
    Advertising, MAX_ADVERTISEMENT, MAX_HELLO, RadioAddress, RadioCommand, RadioError, RadioEvent,
    RadioState, ScanDuty,
};

use super::{
    advertise::OnAir,
    chance,
    link::{Link, LinkKey, Side},
    physics::{CHANNELS, Hardware, Physics},
    scene::{Position, Scene},
    schedule::Schedule,
    station::{Scan, Station},
    usage::Usage,
    walls::Wall,
};

/// A radio of one world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RadioId(pub u32);

/// What happens in the world without a command.
#[derive(Debug, Clone, PartialEq)]
pub enum WorldEvent {
    /// A radio is somewhere else now. Walk in steps that are short against the shadows.
    Move {
        /// Which.
        radio: RadioId,
        /// Where.
        to: Position,
    },
    /// A radio is switched off, forbidden, or on again. Off, its links, dials, scanning and
    /// advertising end.
    Switch {
        /// Which.
        radio: RadioId,
        /// How it is now.
        state: RadioState,
    },
    /// A radio goes, and says goodbye on its links.
    Leave(RadioId),
    /// A radio's battery is empty: nobody is told, links end by supervision.
    Die(RadioId),
}

/// What was counted since the beginning, over all radios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Advertising events.
    pub advertised: u64,
    /// Advertisements that a scanner, or a dialler waiting for one, heard.
    pub heard: u64,
    /// … or was listening for but too far away from.
    pub weak: u64,
    /// … or that met another on the same channel, or came while the radio itself was sending.
    pub collided: u64,
    /// … or that got lost.
    pub lost: u64,
    /// Frames that left, as GATT operations.
    pub frames: u64,
    /// Bytes in them.
    pub frame_bytes: u64,
    /// Frames among them that never came out.
    pub frames_lost: u64,
    /// Frames that a node was handed, or should have been.
    pub frames_delivered: u64,
}

/// All radios that may hear each other. Time is any clock that starts at 0 and never runs back; what
/// the world has planned happens in [`World::advance`] only.
#[derive(Debug)]
pub struct World {
    pub(super) physics: Physics,
    pub(super) scene: Scene,
    pub(super) stations: BTreeMap<RadioId, Station>,
    pub(super) by_address: BTreeMap<RadioAddress, RadioId>,
    pub(super) links: BTreeMap<LinkKey, Link>,
    pub(super) schedule: Schedule<Due>,
    pub(super) on_air: Vec<OnAir>,
    pub(super) counters: Counters,
    pub(super) now: Duration,
    told: BTreeSet<RadioId>,
    next_radio: u32,
    next_number: u64,
}

/// What is planned.
#[derive(Debug)]
pub(super) enum Due {
    Advertise {
        radio: RadioId,
        generation: u64,
    },
    Heard {
        event: u64,
    },
    GiveUp {
        radio: RadioId,
        address: RadioAddress,
        dial: u64,
    },
    SetUp {
        radio: RadioId,
        address: RadioAddress,
        dial: u64,
        to: RadioId,
    },
    Operate {
        link: LinkKey,
        side: Side,
    },
    Deliver {
        link: LinkKey,
        to: Side,
        frame: Bytes,
    },
    Look {
        link: LinkKey,
    },
    Supervise {
        link: LinkKey,
        lost_since: Duration,
    },
}

impl World {
    /// An empty world. The seed gives each pair of radios its shadow and nothing else: the same scene
    /// can be played with other generators, and other policies in the same scene.
    #[must_use]
    pub fn new(physics: Physics, seed: u64) -> Self {
        Self {
            scene: Scene::new(&physics, seed),
            physics,
            stations: BTreeMap::new(),
            by_address: BTreeMap::new(),
            links: BTreeMap::new(),
            schedule: Schedule::default(),
            on_air: Vec::new(),
            counters: Counters::default(),
            now: Duration::ZERO,
            told: BTreeSet::new(),
            next_radio: 0,
            next_number: 0,
        }
    }

    /// The same world with walls in it. Links there already notice them with the next move.
    #[must_use]
    pub fn with_walls(mut self, walls: Vec<Wall>) -> Self {
        self.scene.set_walls(walls);
        self
    }

    /// A world without imperfections: the twin for tests of what stands above it.
    #[must_use]
    pub fn ideal() -> Self {
        Self::new(Physics::ideal(), 0)
    }

    /// Puts a radio into the world. It is on.
    pub fn join(&mut self, at: Position, hardware: Hardware, rng: &mut impl Rng) -> RadioId {
        let radio = RadioId(self.next_radio);
        self.next_radio += 1;
        let address = self.draw_address(radio, rng);
        self.stations
            .insert(radio, Station::new(hardware, address, self.now));
        self.scene.put(radio, at);
        self.told.insert(radio);
        radio
    }

    /// A radio's command.
    ///
    /// # Errors
    /// As [`Radio::submit`](sovereign_node::ports::radio::Radio::submit); `Unavailable` also where there is no such radio.
    pub fn submit(
        &mut self,
        radio: RadioId,
        command: RadioCommand,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Result<(), RadioError> {
        self.now = self.now.max(now);
        if !self.stations.get(&radio).is_some_and(Station::is_on) {
            return Err(RadioError::Unavailable);
        }
        match command {
            RadioCommand::Scan(duty) => self.scan(radio, duty, now, rng),
            RadioCommand::Advertise(None) => self.replace_advertising(radio, None, now, rng),
            RadioCommand::Advertise(Some(wanted)) => {
                if wanted.data.len() > MAX_ADVERTISEMENT
                    || wanted.scan_response.len() > MAX_ADVERTISEMENT
                    || wanted.hello.len() > MAX_HELLO
                {
                    return Err(RadioError::Length);
                }
                self.enter_epoch(radio, wanted.address, rng);
                self.replace_advertising(radio, Some(wanted), now, rng);
            }
            RadioCommand::Connect(address) => return self.dial(radio, address, now, rng),
            RadioCommand::Send { link, frame } => return self.send(radio, link, frame, now),
            RadioCommand::Close(link) => return self.close(radio, link, now, rng),
        }
        Ok(())
    }

    /// Something happens. Radios that are not there are passed over.
    pub fn handle(&mut self, event: WorldEvent, now: Duration, rng: &mut impl Rng) {
        self.now = self.now.max(now);
        match event {
            WorldEvent::Move { radio, to } => {
                if let Some(station) = self.stations.get(&radio) {
                    let links: Vec<LinkKey> = station.links.values().map(|(key, _)| *key).collect();
                    self.scene.put(radio, to);
                    for link in links {
                        self.look(link, now, rng);
                    }
                }
            }
            WorldEvent::Switch { radio, state } => {
                let Some(station) = self.stations.get_mut(&radio) else {
                    return;
                };
                station.account(now);
                let goes_off = station.is_on() && state != RadioState::On;
                station.state = state.clone();
                self.tell(radio, RadioEvent::State(state));
                if goes_off {
                    self.replace_advertising(radio, None, now, rng);
                    self.part_all(radio, now, rng);
                    self.abandon_dials(radio);
                    if let Some(station) = self.stations.get_mut(&radio) {
                        station.scan = None;
                    }
                }
            }
            WorldEvent::Leave(radio) => {
                self.part_all(radio, now, rng);
                self.remove(radio);
            }
            WorldEvent::Die(radio) => {
                self.abandon_links(radio, now);
                self.remove(radio);
            }
        }
    }

    /// Lets everything happen that is planned until now, each thing at its own time.
    pub fn advance(&mut self, now: Duration, rng: &mut impl Rng) {
        while let Some((at, due)) = self.schedule.pop(now) {
            self.now = at;
            match due {
                Due::Advertise { radio, generation } => self.advertise(radio, generation, at),
                Due::Heard { event } => self.heard(event, at, rng),
                Due::GiveUp {
                    radio,
                    address,
                    dial,
                } => self.give_up(radio, address, dial),
                Due::SetUp {
                    radio,
                    address,
                    dial,
                    to,
                } => {
                    self.set_up(radio, address, dial, to, at, rng);
                }
                Due::Operate { link, side } => self.operate(link, side, at, rng),
                Due::Deliver { link, to, frame } => self.deliver(link, to, frame),
                Due::Look { link } => self.look_again(link, at, rng),
                Due::Supervise { link, lost_since } => self.supervise(link, lost_since, at, rng),
            }
        }
        self.now = self.now.max(now);
    }

    /// When something is planned next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.schedule.next_time()
    }

    /// A radio for which there is something new to [`take`](World::take).
    pub fn poll_ready(&mut self) -> Option<RadioId> {
        self.told.pop_first()
    }

    /// The next event for a radio.
    pub fn take(&mut self, radio: RadioId) -> Option<RadioEvent> {
        self.stations.get_mut(&radio)?.inbox.pop()
    }

    /// Strength in dBm at which one hears another by distance and walls alone; `None` beyond the horizon.
    #[must_use]
    pub fn mean_dbm(&self, from: RadioId, to: RadioId) -> Option<f64> {
        let sender = self.stations.get(&from)?;
        Some(sender.hardware.at_1m_dbm - self.scene.path_loss_db(from, to)?)
    }

    /// The links of which both ends still think that they have one: dialler, listener.
    pub fn links(&self) -> impl Iterator<Item = (RadioId, RadioId)> + '_ {
        self.links.values().filter_map(Link::radios)
    }

    /// What a radio did until `now`; `None` when it is not there any more.
    #[must_use]
    pub fn usage(&mut self, radio: RadioId, now: Duration) -> Option<Usage> {
        let station = self.stations.get_mut(&radio)?;
        station.account(now);
        Some(station.usage)
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub(super) fn tell(&mut self, radio: RadioId, event: RadioEvent) {
        if let Some(station) = self.stations.get_mut(&radio) {
            station.inbox.push(event);
            self.told.insert(radio);
        }
    }

    /// A number that was never given before.
    pub(super) fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    /// Strength in dBm at which a radio hears another, before fading.
    pub(super) fn strength(
        &mut self,
        from: RadioId,
        to: RadioId,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Option<f64> {
        let sender = self.stations.get(&from)?.hardware.at_1m_dbm;
        Some(sender - self.scene.loss_db(from, to, now, rng)?)
    }

    /// Whether two hear each other, fading apart.
    pub(super) fn in_reach(
        &mut self,
        one: RadioId,
        other: RadioId,
        now: Duration,
        rng: &mut impl Rng,
    ) -> bool {
        [(one, other), (other, one)].into_iter().all(|(from, to)| {
            let strength = self.strength(from, to, now, rng);
            let needed = self.stations.get(&to).map(|at| at.hardware.sensitivity_dbm);
            strength
                .zip(needed)
                .is_some_and(|(has, needs)| has >= needs)
        })
    }

    fn scan(&mut self, radio: RadioId, duty: Option<ScanDuty>, now: Duration, rng: &mut impl Rng) {
        let channel = chance::index(CHANNELS, rng);
        if let Some(station) = self.stations.get_mut(&radio) {
            station.account(now);
            station.scan = duty.map(|duty| Scan::new(duty, now, channel));
        }
    }

    fn replace_advertising(
        &mut self,
        radio: RadioId,
        wanted: Option<Advertising>,
        now: Duration,
        rng: &mut impl Rng,
    ) {
        let Some(station) = self.stations.get_mut(&radio) else {
            return;
        };
        station.generation += 1;
        let (generation, starts) = (station.generation, wanted.is_some());
        station.advertising = wanted;
        if starts {
            self.plan_advertisement(radio, generation, now, rng);
        }
    }

    fn enter_epoch(&mut self, radio: RadioId, epoch: [u8; 6], rng: &mut impl Rng) {
        let Some(station) = self.stations.get_mut(&radio) else {
            return;
        };
        let changes = station.epoch.replace(epoch).is_some_and(|old| old != epoch);
        let old = station.address;
        if changes {
            let address = self.draw_address(radio, rng);
            self.by_address.remove(&old);
            if let Some(station) = self.stations.get_mut(&radio) {
                station.address = address;
            }
        }
    }

    /// An address that nobody has, in the form of a resolvable private one (vol. 6, part B, 1.3.2.2).
    fn draw_address(&mut self, radio: RadioId, rng: &mut impl Rng) -> RadioAddress {
        loop {
            let address = RadioAddress((rng.next_u64() >> 18) | 0x4000_0000_0000);
            if let Entry::Vacant(free) = self.by_address.entry(address) {
                free.insert(radio);
                return address;
            }
        }
    }

    fn remove(&mut self, radio: RadioId) {
        if let Some(station) = self.stations.remove(&radio) {
            self.by_address.remove(&station.address);
        }
        self.scene.remove(radio);
        self.told.remove(&radio);
    }
}
