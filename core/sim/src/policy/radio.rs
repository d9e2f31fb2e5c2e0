//! Scanning, advertising and dialling.

use std::time::Duration;

use sovereign_protocol::engine::Input;
use sovereign_protocol::id::DiscoveryId;
use sovereign_protocol::policy::near::{self, duty::ScanMode};

use super::city::City;
use super::node::{Dial, Scan, address, discovery, of_address, transport};
use super::queue::Event;
use super::wire::WireId;
use crate::radio::{Dialling, chance};
use crate::record::Medium;
use crate::scenario::Malice;

/// The first round after a node began to scan; each further one comes after twice as long, up to
/// [`longest_round`].
const FIRST_ROUND: Duration = Duration::from_secs(1);
/// Slots of ids on the air, and how far a node is late (docs/radio.md).
const SLOT: Duration = Duration::from_secs(600);
const LATE: Duration = Duration::from_secs(20);
/// After the radio's link is up, the handshake of the connection above it: six writes.
const HANDSHAKE: u32 = 6;
/// A node on its way is put somewhere else when it has walked about so many metres.
const STEP_M: f64 = 8.0;

/// From one round to the next when nothing is new.
const fn longest_round(mode: ScanMode) -> Duration {
    Duration::from_secs(match mode {
        ScanMode::LowLatency => 4,
        ScanMode::Balanced | ScanMode::LowPower => 10,
        ScanMode::ScreenOff => 21,
    })
}

impl City<'_> {
    /// Strength at which two hear each other, if they do.
    pub(super) fn strength(&self, [one, other]: [u32; 2]) -> Option<f64> {
        let at = |who: u32| self.world.position(who, self.now);
        let walked = |who: u32| self.nodes[who as usize].walked;
        let places = (at(one), at(other));
        let walked = walked(one) + walked(other);
        self.air.strength((one, other), places, walked, self.now)
    }

    pub(super) fn hear_each_other(&self, pair: [u32; 2]) -> bool {
        self.strength(pair).is_some()
    }

    /// An engine wants to scan, or to stop.
    pub(super) fn scan(&mut self, who: u32, mode: Option<ScanMode>) {
        let now = self.now;
        self.evaluate(who);
        let node = &mut self.nodes[who as usize];
        let before = node.scan.map(|scan| scan.mode);
        let scan = mode.map(|mode| {
            // A phase like the one before is evaluated when it ends; anything new at once.
            let again = node.scanned && before.is_none();
            let longest = longest_round(mode);
            let gap = if again { longest } else { FIRST_ROUND };
            Scan {
                mode,
                from: now,
                round: now + gap,
                gap,
            }
        });
        node.scanned = true;
        node.scan_turns(now, scan);
        if let Some(scan) = scan {
            self.queue.plan(scan.round, Event::Round(who));
        }
    }

    /// A round of scanning is over.
    pub(super) fn round(&mut self, who: u32) {
        let now = self.now;
        let node = &mut self.nodes[who as usize];
        let Some(scan) = node.scan.filter(|scan| scan.round == now) else {
            return;
        };
        let gap = (scan.gap * 2).min(longest_round(scan.mode));
        let round = now + gap;
        let heard = self.listen(who);
        if let Some(scan) = &mut self.nodes[who as usize].scan {
            scan.round = round;
            scan.gap = gap;
        }
        self.queue.plan(round, Event::Round(who));
        self.hear(who, heard);
    }

    /// What was heard until now is told before the scan changes: later, as the engine is being carried out.
    fn evaluate(&mut self, who: u32) {
        let heard = self.listen(who);
        if !heard.is_empty() {
            self.queue.plan(self.now, Event::Heard(who));
        }
        self.heard_later
            .extend(heard.into_iter().map(|sighting| (who, sighting)));
    }

    /// Tells what a scan heard when it ended.
    pub(super) fn heard(&mut self, who: u32) {
        let mut mine = Vec::new();
        self.heard_later.retain(|(of, sighting)| {
            if *of == who {
                mine.push(*sighting);
            }
            *of != who
        });
        self.hear(who, mine);
    }

    fn hear(&mut self, who: u32, heard: Vec<near::Sighting>) {
        for sighting in heard {
            self.answer(who, Input::Near(near::Event::Sighted(sighting)));
        }
        if self.nodes[who as usize].is_on() {
            self.after(who);
        }
    }

    /// Whom a node heard since its scan was last evaluated.
    fn listen(&mut self, who: u32) -> Vec<near::Sighting> {
        let now = self.now;
        let Some(scan) = self.nodes[who as usize].scan else {
            return Vec::new();
        };
        let scanned = now.saturating_sub(scan.from);
        self.nodes[who as usize].charge_scan(now);
        if scanned.is_zero() {
            return Vec::new();
        }
        let mut near = std::mem::take(&mut self.near);
        self.air.near(who, &mut near);
        let mut rate = 0.0;
        let mut audible = Vec::new();
        for other in &near {
            if *other == who || self.air.is_far([who, *other]) {
                continue;
            }
            let Some(advertising) = self.nodes[*other as usize].advertising else {
                continue;
            };
            if let Some(dbm) = self.strength([who, *other]) {
                rate += 1.0 / advertising.interval.as_secs_f64();
                audible.push((*other, dbm, advertising));
            }
        }
        self.near = near;
        let mut heard = Vec::new();
        for (other, dbm, advertising) in &audible {
            let chance = self
                .air
                .hears(scan.mode, scanned, advertising, audible.len(), rate);
            if !chance::happens(chance, &mut self.rng) {
                continue;
            }
            let fade = self.air.physics.fading_sigma_db * chance::normal(&mut self.rng);
            let epoch = self.nodes[*other as usize].epoch;
            heard.push(near::Sighting {
                neighbour: discovery(*other, epoch, self.seed),
                address: near::Address(address(*other, epoch)),
                // A cast saturates.
                rssi: Some(libm::round(dbm + fade) as i8),
                connectable: advertising.connectable,
                waits: false,
                relation: near::Relation::Stranger,
            });
        }
        heard
    }

    /// A node becomes another one on the air.
    pub(super) fn turn(&mut self, who: u32) {
        let node = &mut self.nodes[who as usize];
        if node.turn != Some(self.now) {
            return;
        }
        self.announce(who);
    }

    /// Announces a node under new ids, and plans the next ones.
    pub(super) fn announce(&mut self, who: u32) {
        let slots = self.now.as_millis() / SLOT.as_millis() + 1;
        let late = LATE.mul_f64(chance::unit(&mut self.rng));
        // Scenarios last a month at most: 4,464 slots.
        let next = SLOT * slots as u32 + late;
        let node = &mut self.nodes[who as usize];
        node.epoch += 1;
        node.turn = Some(next);
        let epoch = node.epoch;
        self.queue.plan(next, Event::Turn(who));
        self.tell(
            who,
            Input::Near(near::Event::Announced {
                transport: transport(who, epoch, self.seed),
                discovery: discovery(who, epoch, self.seed),
            }),
        );
    }

    /// An engine dials.
    pub(super) fn dial(&mut self, who: u32, neighbour: DiscoveryId, to: u64) {
        let (other, epoch) = of_address(to);
        let (waits, takes) = match self.air.physics.dialling {
            Dialling::Instant => (Duration::ZERO, Duration::ZERO),
            Dialling::Heard { set_up, .. } => {
                let interval = self.nodes[other as usize]
                    .advertising
                    .map_or(Duration::ZERO, |advertising| advertising.interval);
                let waits = interval.mul_f64(chance::unit(&mut self.rng));
                let takes = chance::within(set_up, &mut self.rng);
                (waits, takes + self.air.physics.operation.max * HANDSHAKE)
            }
        };
        let due = self.now + waits + takes;
        let dial = Dial {
            neighbour,
            since: self.now,
            due,
            heard: self.reaches(who, other, epoch).then_some(waits),
            fails: false,
        };
        self.nodes[who as usize].dials.insert(to, dial);
        self.nodes[who as usize].spent.dials += 1;
        self.queue.plan(due, Event::Dialled(who, to));
    }

    /// What became of a dial.
    pub(super) fn dialled(&mut self, who: u32, to: u64) {
        let now = self.now;
        let node = &mut self.nodes[who as usize];
        let Some(dial) = node.dials.get_mut(&to).filter(|dial| dial.due == now) else {
            return;
        };
        let (neighbour, heard) = (dial.neighbour, dial.heard.is_some());
        if dial.fails {
            node.dial_ends(to, now);
            self.tell(who, Input::Near(near::Event::ConnectFailed(neighbour)));
            return;
        }
        let (other, epoch) = of_address(to);
        if self.reaches(who, other, epoch) && self.has_room(who) {
            self.nodes[who as usize].dial_ends(to, now);
            self.connect([who, other], Medium::Ble);
            return;
        }
        let give_up = match self.air.physics.dialling {
            Dialling::Instant => Duration::ZERO,
            Dialling::Heard { give_up, .. } => give_up,
        };
        if let Some(dial) = self.nodes[who as usize].dials.get_mut(&to) {
            dial.fails = true;
            // Who was heard, and is out of reach when the link is to be set up, is known to be so at once.
            let until = if heard { now } else { dial.since + give_up };
            dial.due = until.max(now);
            let due = dial.due;
            self.queue.plan(due, Event::Dialled(who, to));
        }
    }

    /// Whether a dial would be answered now.
    fn reaches(&self, who: u32, other: u32, epoch: u32) -> bool {
        self.answers(other, epoch) && self.hear_each_other([who, other])
    }

    fn answers(&self, other: u32, epoch: u32) -> bool {
        let node = &self.nodes[other as usize];
        let open = node.advertising.is_some_and(|how| how.connectable);
        node.is_on() && node.epoch == epoch && open && self.has_room(other)
    }

    /// Whether the controller holds one link more; one that hangs holds none.
    fn has_room(&self, who: u32) -> bool {
        if self.world.people()[who as usize].malice == Some(Malice::Deaf) {
            return false;
        }
        let slow = |link: &&sovereign_protocol::id::LinkId| {
            let wire = self.wires.get(WireId::of(**link).0);
            wire.is_some_and(|wire| wire.medium == Medium::Ble)
        };
        let links = self.nodes[who as usize].links.iter().filter(slow).count();
        links < self.air.hardware.max_links
    }

    /// Somebody set out, or walks on.
    pub(super) fn walk_on(&mut self, who: u32) {
        let now = self.now;
        if self.nodes[who as usize].step != Some(now) {
            return;
        }
        self.nodes[who as usize].step = None;
        let leg = *self.world.leg(who);
        let speed = leg.speed();
        if now < leg.arrives && speed > 0.0 {
            let wait = (STEP_M / speed).clamp(0.5, 20.0);
            self.air.goes(speed * wait);
            let next = (now + Duration::from_secs_f64(wait)).min(leg.arrives);
            self.nodes[who as usize].step = Some(next);
            self.queue.plan(next, Event::Step(who));
        }
        let done = now.min(leg.arrives).saturating_sub(leg.departs);
        self.nodes[who as usize].walked = leg.walked + speed * done.as_secs_f64();
        if self.nodes[who as usize].is_on() {
            self.air.put(who, self.world.position(who, now));
        }
    }
}
