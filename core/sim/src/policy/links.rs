//! Links that come up, carry frames, break and close.

use std::time::Duration;

use bytes::Bytes;
use sovereign_protocol::engine::Input;
use sovereign_protocol::id::LinkId;
use sovereign_protocol::link_kind::{self, Role, Source};
use sovereign_protocol::policy::near;

use super::city::City;
use super::node::{WIDE, address, transport};
use super::queue::Event;
use super::wire::{Wire, WireId};
use crate::radio::chance;
use crate::record::{Medium, What, decimetres};

/// How long a wide link takes to be missed.
const MISSED: Duration = Duration::from_secs(15);
/// A radio link out of reach is looked at again after so long.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// One in reach, when nobody walks; when somebody does.
const LOOK: Duration = Duration::from_secs(30);
const LOOK_WALKING: Duration = Duration::from_secs(4);
/// Latency and bytes a second of a local network, and of a mobile uplink. Estimates.
const LAN: (Duration, u32) = (Duration::from_millis(3), 2_000_000);
const INTERNET: (Duration, u32) = (Duration::from_millis(60), 250_000);

impl City<'_> {
    /// Links two nodes: the first dialled.
    pub(super) fn connect(&mut self, ends: [u32; 2], medium: Medium) {
        let pace = match medium {
            Medium::Ble => chance::within(self.air.physics.operation, &mut self.rng),
            Medium::Lan => LAN.0,
            Medium::Internet => INTERNET.0,
        };
        let id = self.wires.add(Wire::new(ends, medium, pace, self.now));
        if medium == Medium::Ble {
            self.queue.plan(self.now + LOOK_WALKING, Event::Look(id));
        }
        let epoch = |node: u32| match medium {
            Medium::Ble => self.nodes[node as usize].epoch,
            Medium::Lan | Medium::Internet => WIDE,
        };
        let epochs = ends.map(epoch);
        for side in 0..2 {
            let (who, other) = (ends[side], ends[1 - side]);
            let link = id.link(side);
            let role = [Role::Dialer, Role::Listener][side];
            self.nodes[who as usize].gain(link, self.now);
            self.tell(
                who,
                Input::LinkUp {
                    link,
                    local: transport(who, epochs[side], self.seed),
                    peer: transport(other, epochs[1 - side], self.seed),
                    role,
                    medium: match medium {
                        Medium::Ble => link_kind::Medium::Ble,
                        Medium::Lan => link_kind::Medium::Lan,
                        Medium::Internet => link_kind::Medium::Direct,
                    },
                    source: Source(u64::from(other) + 1),
                },
            );
            if medium == Medium::Ble {
                let address = near::Address(address(other, epochs[1 - side]));
                self.tell(
                    who,
                    Input::Near(near::Event::LinkUp {
                        link,
                        address,
                        role,
                    }),
                );
            }
        }
    }

    /// Queues a frame.
    pub(super) fn send(&mut self, who: u32, link: LinkId, frame: Bytes) {
        let frame = if self.world.people()[who as usize].malice.is_some() {
            self.twisted(who, frame)
        } else {
            frame
        };
        let (id, side) = WireId::of(link);
        let Some(wire) = self.wires.get_mut(id) else {
            return;
        };
        wire.directions[side].queue.push_back(frame);
        if wire.directions[side].flying == 0 {
            self.transmit(id, side);
        }
    }

    /// Puts what is next in a direction into the air.
    fn transmit(&mut self, id: WireId, side: usize) {
        let Some(wire) = self.wires.get_mut(id) else {
            return;
        };
        let (ends, medium) = (wire.ends, wire.medium);
        let Some(flight) = wire.take_off(side) else {
            if wire.directions[side].closing {
                self.queue.plan(self.now, Event::Closed(id, side as u8));
            }
            return;
        };
        let rate = match medium {
            Medium::Ble => self.air.physics.bytes_per_second.map(u32::from),
            Medium::Lan => Some(LAN.1),
            Medium::Internet => Some(INTERNET.1),
        };
        let lasts = |bytes: usize| {
            rate.map_or(Duration::ZERO, |rate| {
                Duration::from_nanos(bytes as u64 * 1_000_000_000 / u64::from(rate))
            })
        };
        let begins = wire.beats(self.now, flight.operations);
        let due = if medium == Medium::Ble {
            // A radio's links share it, at both ends.
            let busy = |who: u32| self.nodes[who as usize].busy;
            let free = busy(ends[0]).max(busy(ends[1])).max(self.now) + lasts(flight.bytes);
            for who in ends {
                self.nodes[who as usize].busy = free;
            }
            free.max(begins + lasts(flight.last))
        } else {
            begins + lasts(flight.bytes)
        };
        self.queue.plan(due, Event::Frame(id, side as u8));
    }

    /// What was in the air has left, and is there.
    pub(super) fn transmitted(&mut self, id: WireId, side: usize) {
        let Some(wire) = self.wires.get(id) else {
            return;
        };
        let (ends, medium, gone) = (wire.ends, wire.medium, wire.gone);
        if medium == Medium::Ble && !gone[1 - side] && !self.hear_each_other(ends) {
            // Nothing comes out; the wire stands still until it is missed.
            self.queue
                .plan(self.now + LOOK_AGAIN, Event::Frame(id, side as u8));
            self.miss(id);
            return;
        }
        let Some(wire) = self.wires.get_mut(id) else {
            return;
        };
        let (frames, flight) = wire.land(side);
        let (from, to) = (ends[side], ends[1 - side]);
        let count = flight.bytes as u64;
        let wide = medium != Medium::Ble;
        let spent = &mut self.nodes[from as usize].spent;
        if wide {
            spent.wide_sent_bytes += count;
        } else {
            spent.sent += u64::from(flight.operations);
            spent.sent_bytes += count;
        }
        let spent = &mut self.nodes[to as usize].spent;
        if wide {
            spent.wide_received_bytes += count;
        } else {
            spent.received_bytes += count;
        }
        self.transmit(id, side);
        for frame in frames {
            // What one frame says may end the link.
            let gone = |side: usize| self.wires.get(id).is_none_or(|wire| wire.gone[side]);
            let (sender, receiver) = (!gone(side), !gone(1 - side));
            if sender {
                let (link, bytes) = (id.link(side), frame.len());
                self.tell(from, Input::Sent { link, bytes });
            }
            if receiver {
                let link = id.link(1 - side);
                self.hearing = Some(link);
                self.tell(to, Input::Frame { link, frame });
                self.hearing = None;
            }
        }
    }

    /// An engine closes a link: what is queued still leaves.
    pub(super) fn close(&mut self, who: u32, link: LinkId) {
        let (id, side) = WireId::of(link);
        if !self.forget(who, link) {
            return;
        }
        if let Some(wire) = self.wires.get_mut(id) {
            wire.directions[side].closing = true;
            if wire.directions[side].flying == 0 {
                self.queue.plan(self.now, Event::Closed(id, side as u8));
            }
        }
    }

    /// A sender has closed, and all it said has arrived.
    pub(super) fn closed(&mut self, id: WireId, side: usize) {
        let Some(wire) = self.wires.get(id) else {
            return;
        };
        let other = wire.ends[1 - side];
        self.down(other, id.link(1 - side));
        self.wires.remove(id);
    }

    /// An end finds out that the wire is gone.
    pub(super) fn gone(&mut self, id: WireId, side: usize) {
        let Some(wire) = self.wires.get(id) else {
            return;
        };
        let who = wire.ends[side];
        self.down(who, id.link(side));
        let gone = |wire: &Wire| wire.gone == [true; 2];
        if self.wires.get(id).is_some_and(gone) {
            self.wires.remove(id);
        }
    }

    fn down(&mut self, who: u32, link: LinkId) {
        if self.forget(who, link) {
            self.tell(who, Input::LinkDown { link });
        }
    }

    /// An end has no link any more; whether it had.
    fn forget(&mut self, who: u32, link: LinkId) -> bool {
        let (id, side) = WireId::of(link);
        let now = self.now;
        let Some(wire) = self.wires.get_mut(id).filter(|wire| !wire.gone[side]) else {
            return false;
        };
        wire.gone[side] = true;
        let told = std::mem::take(&mut wire.told);
        let ([dialler, with], medium) = (wire.ends, wire.medium);
        self.nodes[who as usize].lose(link, now);
        if told {
            self.record(dialler, What::LinkDown { with, medium });
        }
        true
    }

    /// A node is off all at once: the others find out by silence.
    pub(super) fn abandon(&mut self, who: u32) {
        for link in self.nodes[who as usize].links.clone() {
            let (id, side) = WireId::of(link);
            self.forget(who, link);
            let Some(wire) = self.wires.get(id) else {
                continue;
            };
            let missed = match wire.medium {
                Medium::Ble => self.air.physics.supervision,
                Medium::Lan | Medium::Internet => MISSED,
            };
            self.queue
                .plan(self.now + missed, Event::Gone(id, 1 - side as u8));
        }
    }

    /// Both ends lose a link at once.
    pub(super) fn cut(&mut self, id: WireId) {
        for side in 0..2 {
            self.queue.plan(self.now, Event::Gone(id, side));
        }
    }

    /// Whether the ends of a wire still hear each other.
    pub(super) fn look(&mut self, id: WireId) {
        let Some(wire) = self.wires.get(id) else {
            return;
        };
        let (ends, gone) = (wire.ends, wire.gone);
        if gone != [false; 2] {
            return;
        }
        let next = if !self.hear_each_other(ends) {
            self.miss(id);
            LOOK_AGAIN
        } else {
            if let Some(wire) = self.wires.get_mut(id) {
                wire.lost = None;
            }
            let walks = |who: u32| self.nodes[who as usize].step.is_some();
            if ends.into_iter().any(walks) {
                LOOK_WALKING
            } else {
                LOOK
            }
        };
        self.queue.plan(self.now + next, Event::Look(id));
    }

    /// The ends do not hear each other at the moment: for too long, and the wire breaks.
    fn miss(&mut self, id: WireId) {
        let (now, supervision) = (self.now, self.air.physics.supervision);
        let Some(wire) = self.wires.get_mut(id) else {
            return;
        };
        match wire.lost {
            None => {
                wire.lost = Some(now);
                self.queue.plan(now + LOOK_AGAIN, Event::Look(id));
            }
            Some(since) if now >= since + supervision => self.cut(id),
            Some(_) => {}
        }
    }

    /// Whether something comes back over a link.
    pub(super) fn is_alive(&self, link: LinkId) -> bool {
        let (id, side) = WireId::of(link);
        let wire = self.wires.get(id).filter(|wire| !wire.gone[1 - side]);
        wire.is_some_and(|wire| wire.medium != Medium::Ble || self.hear_each_other(wire.ends))
    }

    /// The Hello of the link that is being heard is done.
    pub(super) fn link_ready(&mut self, who: u32) {
        let Some(link) = self.hearing else {
            return;
        };
        let (id, _) = WireId::of(link);
        let Some(wire) = self.wires.get_mut(id) else {
            return;
        };
        let ([dialler, with], medium) = (wire.ends, wire.medium);
        if wire.told || wire.gone != [false; 2] || dialler != who {
            return;
        }
        wire.told = true;
        let dbm = match medium {
            Medium::Ble => self.strength([dialler, with]),
            Medium::Lan | Medium::Internet => None,
        };
        let dbm = dbm.map(|dbm| (decimetres(dbm) / 10) as i16);
        self.record(dialler, What::LinkUp { with, medium, dbm });
    }
}
