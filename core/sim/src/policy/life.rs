//! What happens to people and their phones.

use sovereign_protocol::engine::StoreOp;
use sovereign_protocol::engine::{Engine, Stored};

use super::city::City;
use super::node::{config, who as identity};
use crate::record::{self, decimetres};
use crate::scenario::Malice;
use crate::world::{Happening, Off, What};

impl City<'_> {
    pub(super) fn happens(&mut self, happening: Happening) {
        let who = happening.who;
        match happening.what {
            What::On => self.switch_on(who),
            What::Off(how) => self.switch_off(who, how),
            What::Walks(leg) => {
                let until = leg.arrives.as_millis() as u64;
                let (x, y) = (decimetres(leg.to.x), decimetres(leg.to.y));
                self.record(who, record::What::Walks { x, y, until });
                self.nodes[who as usize].step = Some(self.now);
                self.walk_on(who);
            }
            What::Internet(on) => {
                self.record(who, record::What::Internet { on });
                self.nodes[who as usize].internet = on;
                if on {
                    self.online.push(who);
                    self.enters_internet(who);
                } else {
                    self.online.retain(|other| *other != who);
                    let others = self.online.clone();
                    self.leaves_wide(who, &others);
                }
            }
            What::Lan { lan, inside } => {
                self.record(who, record::What::Lan { lan, on: inside });
                if inside {
                    self.nodes[who as usize].lans.push(lan);
                    self.lans[lan as usize].push(who);
                    self.enters_lan(who, lan);
                } else {
                    self.nodes[who as usize].lans.retain(|other| *other != lan);
                    self.lans[lan as usize].retain(|other| *other != who);
                    let others = self.lans[lan as usize].clone();
                    self.leaves_wide(who, &others);
                }
            }
            What::Says { channel, bytes } => self.say(who, channel, bytes),
        }
    }

    fn switch_on(&mut self, who: u32) {
        if !self.nodes[who as usize].placed {
            self.nodes[who as usize].placed = true;
            let (x, y) = self.place_record(who);
            self.record(who, record::What::Placed { x, y });
        }
        self.record(who, record::What::On);
        let person = self.world.people()[who as usize];
        let node = &mut self.nodes[who as usize];
        node.billed = self.now;
        node.charge_links(self.now);
        node.scanned = false;
        let stored = match &node.store {
            Some(store) => store.stored(),
            None => Stored::default(),
        };
        let mut config = config(&person);
        (self.alter)(&mut config);
        let engine = Engine::restore(
            config,
            identity(who, self.seed),
            stored,
            node.boot_id(),
            node.at(self.now, &person),
            &mut self.rng,
        );
        node.engine = Some(Box::new(
            engine.expect("the store holds what the engine wrote"),
        ));
        self.after(who);
        if !self.nodes[who as usize].joined {
            self.nodes[who as usize].joined = true;
            self.join_all(who);
        }
        self.air.put(who, self.world.position(who, self.now));
        self.announce(who);
        for lan in self.nodes[who as usize].lans.clone() {
            self.enters_lan(who, lan);
        }
        if self.nodes[who as usize].internet {
            self.enters_internet(who);
        }
        if let Some(Malice::Flooding { .. }) = person.malice {
            self.begin_flood(who);
        }
    }

    /// Joins the channels that somebody is in; the first to come makes them.
    fn join_all(&mut self, who: u32) {
        for channel in self.channels_of[who as usize].clone() {
            let person = self.world.people()[who as usize];
            let node = &mut self.nodes[who as usize];
            let at = node.at(self.now, &person);
            let Some(engine) = &mut node.engine else {
                return;
            };
            let room = &mut self.rooms[channel as usize];
            // A node in too many channels does without the rest.
            match &room.made {
                Some((_, link)) => {
                    let _ = engine.join_channel(link, at);
                }
                None => {
                    let name = &self.world.channels()[channel as usize].name;
                    if let Ok((id, _)) = engine.create_channel(name, at, &mut self.rng) {
                        room.made = engine.channel_link(id).ok().map(|link| (id, link));
                    }
                }
            }
            self.after(who);
        }
    }

    fn switch_off(&mut self, who: u32, how: Off) {
        let now = self.now;
        let node = &mut self.nodes[who as usize];
        for address in Vec::from_iter(node.dials.keys().copied()) {
            node.dial_ends(address, now);
        }
        self.bill(who);
        let why = how.into();
        self.record(who, record::What::Off { why });
        if how == Off::Sleep {
            let person = self.world.people()[who as usize];
            let node = &mut self.nodes[who as usize];
            let at = node.at(self.now, &person);
            if let Some(engine) = &mut node.engine {
                engine.shutdown(at, &mut self.rng);
            }
            self.after(who);
        }
        self.abandon(who);
        self.air.take(who);
        let now = self.now;
        let node = &mut self.nodes[who as usize];
        node.engine = None;
        node.timer = None;
        node.durable = None;
        node.turn = None;
        node.scan_turns(now, None);
        node.advertising_turns(now, None);
        let in_flight = std::mem::take(&mut node.in_flight);
        if how == Off::Sleep {
            if let Some(store) = &mut node.store {
                in_flight.into_iter().for_each(|(_, ops)| store.apply(ops));
            }
        } else {
            self.lose(who, in_flight.into_iter().flat_map(|(_, ops)| ops));
        }
        if how == Off::Empty {
            self.nodes[who as usize].reboots(now);
        }
    }

    /// What was not durable is gone.
    fn lose(&mut self, who: u32, ops: impl Iterator<Item = StoreOp>) {
        for op in ops {
            let StoreOp::PutBundle { content, .. } = op else {
                continue;
            };
            let store = self.nodes[who as usize].store.as_ref();
            let durable = store.is_some_and(|store| store.holds(&content));
            if let Some(number) = self.book.of_content(&content).filter(|_| !durable) {
                self.book.lose(number, who);
            }
        }
    }

    fn say(&mut self, who: u32, channel: u32, bytes: u32) {
        let person = self.world.people()[who as usize];
        let node = &mut self.nodes[who as usize];
        let at = node.at(self.now, &person);
        let made = self.rooms[channel as usize].made.as_ref();
        let (Some(engine), Some((id, _))) = (&mut node.engine, made) else {
            return;
        };
        let text = "x".repeat(bytes as usize);
        match engine.send_text(*id, &text, at, &mut self.rng) {
            Ok(composed) => {
                self.writing = Some((composed.message, channel, bytes));
                self.after(who);
                self.writing = None;
            }
            Err(_) => self.record(who, record::What::Refused { channel }),
        }
    }
}
