//! Links that come up, carry frames, break and close.

use bytes::Bytes;
use sovereign_protocol::{
    engine::Input,
    id::LinkId,
    link_kind::{Role, Source},
};

use super::{
    Event, World, ms,
    wire::{End, Profile, Wire},
};

impl World {
    /// Links two running nodes; `dialer` opened the connection.
    pub fn connect(&mut self, dialer: usize, listener: usize, profile: Profile) -> u64 {
        let wire = self.next_serial();
        let ids = [
            LinkId(self.next_serial() + 1),
            LinkId(self.next_serial() + 1),
        ];
        let ends = [End::Node(dialer, ids[0]), End::Node(listener, ids[1])];
        self.wires.insert(wire, Wire::new(ends, profile));
        let pairs = [
            (dialer, listener, Role::Dialer),
            (listener, dialer, Role::Listener),
        ];
        for (side, (node, peer, role)) in pairs.into_iter().enumerate() {
            self.nodes[node].links.insert(ids[side], wire);
            let input = Input::LinkUp {
                link: ids[side],
                local: self.nodes[node].transport(),
                peer: self.nodes[peer].transport(),
                role,
                medium: profile.medium,
                source: Source(self.nodes[peer].setup.source.unwrap_or(peer as u64 + 1)),
            };
            self.tell(node, input);
        }
        wire
    }

    /// Breaks a link: what is on the way is lost, and both ends find out some time later.
    pub fn cut(&mut self, wire: u64) {
        let Some(gone) = self.wires.remove(&wire) else {
            return;
        };
        self.past.add(&gone.traffic());
        for end in gone.ends {
            if let End::Node(node, link) = end {
                let most = u64::try_from(self.detection.as_millis()).expect("short");
                let wait = ms(self.draw(most + 1));
                let life = self.nodes[node].life;
                self.schedule(wait, Event::Down { node, life, link });
            }
        }
    }

    /// Breaks a link so that one end does not find out.
    pub fn cut_unseen(&mut self, wire: u64, by: usize) {
        let gone = self.wires.remove(&wire).expect("a wire that is there");
        self.past.add(&gone.traffic());
        for end in gone.ends {
            if let End::Node(node, link) = end
                && node != by
            {
                let life = self.nodes[node].life;
                self.schedule(ms(0), Event::Down { node, life, link });
            }
        }
    }

    /// Pulls a cable: what is sent is taken and never arrives, and nobody is told.
    pub fn pull(&mut self, wire: u64) {
        self.wires
            .get_mut(&wire)
            .expect("a wire that is there")
            .pulled = true;
    }

    pub fn cut_all(&mut self) {
        let all: Vec<u64> = self.wires.keys().copied().collect();
        for wire in all {
            self.cut(wire);
        }
    }

    /// The wire between two nodes.
    pub fn between(&self, a: usize, b: usize) -> Option<u64> {
        let is = |end: &End, node| matches!(end, End::Node(of, _) if *of == node);
        self.wires
            .iter()
            .find(|(_, wire)| {
                let [x, y] = &wire.ends;
                (is(x, a) && is(y, b)) || (is(x, b) && is(y, a))
            })
            .map(|(id, _)| *id)
    }

    /// Queues a frame at one end of a wire.
    pub fn push(&mut self, id: u64, from: End, frame: Bytes) {
        let Some(wire) = self.wires.get_mut(&id) else {
            return;
        };
        let side = usize::from(wire.ends[1] == from);
        let idle = !wire.directions[side].sending;
        wire.push(side, frame);
        if idle {
            self.transmit(id, side);
        }
    }

    fn transmit(&mut self, id: u64, side: usize) {
        let Some(wire) = self.wires.get_mut(&id) else {
            return;
        };
        let next = wire.directions[side].queue.front();
        let wait = next.map(|frame| wire.profile.airtime(frame));
        wire.directions[side].sending = wait.is_some();
        let latency = wire.profile.latency;
        let closing = wire.directions[side].closing;
        match wait {
            Some(wait) => self.schedule(wait, Event::Transmitted { wire: id, side }),
            None if closing => {
                self.schedule(
                    latency,
                    Event::Closed {
                        wire: id,
                        to: 1 - side,
                    },
                );
            }
            None => {}
        }
    }

    pub(super) fn transmitted(&mut self, id: u64, side: usize) {
        let Some(wire) = self.wires.get_mut(&id) else {
            return;
        };
        let Some(frame) = wire.transmitted(side) else {
            return;
        };
        let (latency, from) = (wire.profile.latency, wire.ends[side]);
        let bytes = frame.len();
        let to = 1 - side;
        self.schedule(
            latency,
            Event::Deliver {
                wire: id,
                to,
                frame,
            },
        );
        self.transmit(id, side);
        match from {
            End::Node(node, link) => self.tell(node, Input::Sent { link, bytes }),
            End::Puppet(puppet) => self.puppet_sent(puppet, bytes),
        }
    }

    pub(super) fn deliver(&mut self, id: u64, to: usize, frame: Bytes) {
        let Some(wire) = self.wires.get(&id).filter(|wire| !wire.pulled) else {
            return;
        };
        match wire.ends[to] {
            End::Node(node, link) => self.tell(node, Input::Frame { link, frame }),
            End::Puppet(puppet) => self.puppet_heard(puppet, frame),
        }
    }

    pub(super) fn close(&mut self, id: u64, from: End) {
        if let Some(wire) = self.wires.get_mut(&id) {
            let side = usize::from(wire.ends[1] == from);
            wire.directions[side].closing = true;
            if !wire.directions[side].sending {
                self.transmit(id, side);
            }
        }
    }

    pub(super) fn closed(&mut self, id: u64, to: usize) {
        if self.wires.get(&id).is_some_and(|wire| wire.pulled) {
            return;
        }
        let Some(wire) = self.wires.remove(&id) else {
            return;
        };
        self.past.add(&wire.traffic());
        match wire.ends[to] {
            End::Node(node, link) => {
                if self.nodes[node].links.remove(&link).is_some() {
                    self.nodes[node].admitted.retain(|other| *other != link);
                    self.tell(node, Input::LinkDown { link });
                }
            }
            End::Puppet(puppet) => self.puppets[puppet].gone = true,
        }
    }
}
