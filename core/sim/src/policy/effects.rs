//! What engines want done.

use std::time::Duration;

use sovereign_protocol::engine::{Effect, Input, OwnState, PersistOutcome, StoreOp, Tell, Token};
use sovereign_protocol::id::{ContentId, LinkId};
use sovereign_protocol::policy::near;

use super::city::City;
use super::queue::Event;
use super::wire::WireId;
use crate::record::What;
use crate::scenario::Malice;
use crate::world::FLUSH;

/// The pseudo-link of the node itself, for which bodies are loaded when a channel was joined.
const SELF: LinkId = LinkId(0);
/// How long a write that nothing waits for waits for the next.
const WRITTEN_QUIETLY: Duration = Duration::from_secs(1);

impl City<'_> {
    /// Carries out a node's effects, and sets its alarm.
    pub(super) fn after(&mut self, who: u32) {
        while let Some(effect) = self.nodes[who as usize]
            .engine
            .as_mut()
            .and_then(|engine| engine.poll_effect())
        {
            self.carry_out(who, effect);
        }
        let node = &mut self.nodes[who as usize];
        let at = node.at(self.now, &self.world.people()[who as usize]);
        let due = node.engine.as_ref().and_then(|it| it.poll_timeout(at));
        if let Some(due) = due {
            let due = node.world_time(due).max(self.now);
            if node.timer.is_none_or(|timer| due < timer) {
                node.timer = Some(due);
                self.queue.plan(due, Event::Timeout(who));
            }
        }
    }

    fn carry_out(&mut self, who: u32, effect: Effect) {
        match effect {
            Effect::Send { link, frame } => self.send(who, link, frame),
            Effect::Close { link, .. } => self.close(who, link),
            Effect::Load { link, content } => self.load(who, link, content),
            Effect::Persist {
                token,
                ops,
                awaited,
            } => self.persist(who, token, ops, awaited),
            Effect::Dial { peer } => {
                let other = super::node::whose(&peer);
                self.dial_wide(who, other);
            }
            Effect::Near(effect) => self.near_effect(who, effect),
            Effect::Tell(tell) => self.told(who, tell),
            // Gossip is for members on wide links; policy nodes show what holds without it.
            Effect::AdmitToGossip { .. }
            | Effect::SetTopics(_)
            | Effect::Publish { .. }
            | Effect::Judge { .. } => {}
        }
    }

    fn near_effect(&mut self, who: u32, effect: near::Effect) {
        match effect {
            near::Effect::Connect { neighbour, address } => {
                self.dial(who, neighbour, address.0);
            }
            near::Effect::Abort { address, .. } => {
                let now = self.now;
                self.nodes[who as usize].dial_ends(address.0, now);
            }
            near::Effect::Probe(link) => {
                if self.is_alive(link) {
                    self.answer(who, Input::Near(near::Event::Alive(link)));
                }
            }
            near::Effect::Scan(mode) => self.scan(who, mode),
            near::Effect::Advertise(how) => {
                self.nodes[who as usize].advertising_turns(self.now, Some(how));
            }
            // The engine keeps these to itself.
            near::Effect::Close { .. }
            | near::Effect::Discovered(_)
            | near::Effect::Updated(_)
            | near::Effect::Lost(_) => {}
        }
    }

    /// Tells an engine something; the caller carries out what follows.
    pub(super) fn answer(&mut self, who: u32, input: Input) {
        let node = &mut self.nodes[who as usize];
        let at = node.at(self.now, &self.world.people()[who as usize]);
        if let Some(engine) = &mut node.engine {
            engine.handle(input, at, &mut self.rng);
        }
    }

    fn load(&mut self, who: u32, link: LinkId, content: ContentId) {
        let malice = self.world.people()[who as usize].malice;
        if link != SELF && malice == Some(Malice::Lying) {
            return;
        }
        let mut body = self.bodies.get(&content);
        if link != SELF {
            let (sent, instead) = self.resealed(who, content, body);
            body = instead;
            self.begins_to_send(link, sent);
        }
        self.answer(
            who,
            Input::Loaded {
                link,
                content,
                body,
            },
        );
    }

    /// A copy is on its way to the other end.
    fn begins_to_send(&mut self, link: LinkId, content: ContentId) {
        let (id, side) = WireId::of(link);
        let Some(number) = self.book.of_content(&content) else {
            return;
        };
        let Some(wire) = self.wires.get_mut(id) else {
            return;
        };
        let (from, to) = (wire.ends[side], wire.ends[1 - side]);
        if self.book.holds(number, to) {
            let again = true;
            let message = number;
            self.record(
                to,
                What::Copy {
                    message,
                    from,
                    again,
                },
            );
        } else if !wire.directions[side].under_way.contains(&content) {
            wire.directions[side].under_way.push(content);
        }
    }

    fn persist(&mut self, who: u32, token: Token, ops: Vec<StoreOp>, awaited: bool) {
        for op in &ops {
            if let StoreOp::PutBundle { content, body, .. } = op {
                self.bodies.keep(*content, body);
                self.stored(who, content);
            }
        }
        let node = &mut self.nodes[who as usize];
        let ops = if node.store.is_some() {
            ops
        } else {
            Vec::new()
        };
        node.in_flight.push((token, ops));
        let wait = if awaited { FLUSH } else { WRITTEN_QUIETLY };
        let due = self.now + wait;
        if node.durable.is_none_or(|durable| due < durable) {
            node.durable = Some(due);
            self.queue.plan(due, Event::Durable(who));
        }
    }

    /// A bundle goes to a store: it is a message being written, or a copy that came.
    fn stored(&mut self, who: u32, content: &ContentId) {
        if let Some((message, channel, bytes)) = self.writing.take() {
            let message = self.book.write(who, message, *content);
            self.record(
                who,
                What::Said {
                    message,
                    channel,
                    bytes,
                },
            );
            return;
        }
        let Some(message) = self.book.of_content(content) else {
            return;
        };
        if self.book.holds(message, who) {
            return;
        }
        self.book.hold(message, who);
        // It came over the link that was just heard; whoever else has begun to send it is too late.
        let (hearing, mut copies) = (self.hearing, Vec::new());
        for link in &self.nodes[who as usize].links {
            let (id, side) = WireId::of(*link);
            let Some(wire) = self.wires.get_mut(id) else {
                continue;
            };
            let under_way = &mut wire.directions[1 - side].under_way;
            if let Some(place) = under_way.iter().position(|other| other == content) {
                under_way.swap_remove(place);
                copies.push((Some(*link) != hearing, wire.ends[1 - side]));
            }
        }
        copies.sort_unstable();
        for (place, (_, from)) in copies.into_iter().enumerate() {
            let again = place > 0;
            self.record(
                who,
                What::Copy {
                    message,
                    from,
                    again,
                },
            );
        }
    }

    pub(super) fn durable(&mut self, who: u32) {
        let node = &mut self.nodes[who as usize];
        if node.durable != Some(self.now) {
            return;
        }
        node.durable = None;
        let mut outcomes = Vec::with_capacity(node.in_flight.len());
        for (token, ops) in std::mem::take(&mut node.in_flight) {
            if let Some(store) = &mut node.store {
                store.apply(ops);
            }
            outcomes.push((token, PersistOutcome::Durable));
        }
        self.tell(who, Input::Persisted(outcomes));
    }

    fn told(&mut self, who: u32, tell: Tell) {
        match tell {
            Tell::Message { message, .. } => {
                if let Some(message) = self.book.read(&message, who) {
                    self.record(who, What::Delivered { message });
                }
            }
            Tell::State {
                message,
                state: OwnState::Delivered,
                ..
            } => {
                if let Some(message) = self.book.acknowledge(&message) {
                    self.record(who, What::Acknowledged { message });
                }
            }
            Tell::LinkUp { .. } => self.link_ready(who),
            _ => {}
        }
    }
}
