//! What became of a batch of writes: people are told, peers are offered and acknowledged, or it is taken back.

use rand_core::CryptoRng;

use super::{
    Batch, Engine, Judgement, Origin, OwnState, Pending, PersistOutcome, Said, StoreOp, Tell,
    Token,
    compose::{log_message, order_of},
    receive::{Arrival, Opened},
    upkeep::PROBE_EVERY,
};
use crate::{
    id::{ChannelId, ContentId, LinkId, MessageId},
    log::Inserted,
    message::envelope::Kind,
    time::Now,
};

impl Engine {
    pub(super) fn persisted(
        &mut self,
        token: Token,
        outcome: PersistOutcome,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        self.note_outcome(outcome, now);
        let Some(Batch { pending, lasting }) = self.pending.remove(&token) else {
            return;
        };
        let durable = outcome == PersistOutcome::Durable;
        for op in lasting {
            if !durable {
                self.unwritten.note(op);
            } else if let StoreOp::PutChannel { channel, .. } = op
                && let Some(channel) = self.channels.get_mut(&channel)
            {
                channel.stored = true;
            }
        }
        match (pending, outcome) {
            (Pending::Received(arrival), PersistOutcome::Durable) => {
                self.arrived(*arrival, now, rng)
            }
            (Pending::Received(arrival), _) => self.not_arrived(*arrival),
            (Pending::Found(found), _) => self.found(*found, durable, now, rng),
            (
                Pending::Composed {
                    channel,
                    message,
                    content,
                    body,
                },
                PersistOutcome::Durable,
            ) => {
                self.composed(channel, message, content, &body, now);
            }
            (
                Pending::Composed {
                    channel,
                    message,
                    content,
                    ..
                },
                _,
            ) => self.compose_failed(channel, message, content),
            (Pending::Quiet, _) => {}
        }
        self.rewrite();
    }

    fn note_outcome(&mut self, outcome: PersistOutcome, now: Now) {
        let trouble = match outcome {
            PersistOutcome::Durable => None,
            PersistOutcome::Full => Some(true),
            PersistOutcome::Failed => Some(false),
        };
        self.probe = trouble.map(|_| now.boot + PROBE_EVERY);
        if trouble != self.store_trouble {
            self.store_trouble = trouble;
            self.go_on_searching();
            self.tell(match trouble {
                Some(full) => Tell::StoreTrouble { full },
                None => Tell::StoreWorks,
            });
        }
    }

    fn arrived(&mut self, arrival: Arrival, now: Now, rng: &mut impl CryptoRng) {
        let Arrival {
            content,
            size,
            origin,
            opened,
            no_room,
        } = arrival;
        self.arriving.remove(&content);
        self.counters.count("bundle_stored");
        let link = match origin {
            Origin::Link(link) => Some(link),
            _ => None,
        };
        let channel = opened.as_ref().map(|opened| opened.channel);
        self.hear_load(&content, opened.as_ref(), now);
        self.settle(
            origin,
            size,
            if opened.is_some() {
                Judgement::Accept
            } else {
                Judgement::Ignore
            },
        );
        if let Some(opened) = opened {
            self.opening.remove(&opened.envelope.id);
            self.opened(opened, content, link, now, rng);
        }
        if no_room {
            self.refuse(content);
        }
        self.offer(content, link, channel, now);
        self.search_arrived(content, true);
    }

    /// The store refused it: it may come again when there is room.
    fn not_arrived(&mut self, arrival: Arrival) {
        let content = arrival.content;
        self.arriving.remove(&content);
        if let Some(opened) = &arrival.opened {
            self.opening.remove(&opened.envelope.id);
        }
        self.shelf.remove(&content);
        self.settle(arrival.origin, arrival.size, Judgement::Ignore);
        self.hear_again(&content);
        self.search_arrived(content, false);
    }

    /// A message of ours, durable: into the log, and acknowledged to whoever brought it.
    pub(super) fn opened(
        &mut self,
        opened: Opened,
        content: ContentId,
        link: Option<LinkId>,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        let Opened {
            channel: id,
            envelope,
            text,
        } = opened;
        let Some(channel) = self.channels.get_mut(&id) else {
            return;
        };
        let Some(change) = channel.log.insert(log_message(&envelope)) else {
            return;
        };
        if let Some(name) = text.as_ref().and_then(|text| text.name.as_deref()) {
            channel.names.note(order_of(&envelope), name);
        }
        let by_other = envelope.author != channel.log.own();
        let counts = change.counts;
        if counts && envelope.kind == Kind::Text {
            self.tell(Tell::Message {
                channel: id,
                message: envelope.id,
                author: envelope.author,
                said: text.map(|text| Said {
                    text: text.body,
                    sent_at_s: envelope.sent_at_s,
                    lamport: envelope.lamport,
                }),
            });
        }
        self.apply(id, change);
        if by_other && envelope.kind != Kind::Receipt {
            match link.filter(|link| self.is_member(*link, &id)) {
                Some(member) => self.acknowledge(member, content),
                None => self.schedule_receipt(id, envelope.id, link, now, rng),
            }
        }
    }

    /// Carries what a log change means to people and store.
    pub(super) fn apply(&mut self, id: ChannelId, change: Inserted) {
        let Some(channel) = self.channels.get(&id) else {
            return;
        };
        let mut tells = Vec::new();
        for message in change.retracted {
            tells.push(Tell::Retracted {
                channel: id,
                message,
            });
        }
        for message in change.restored {
            if let Some(known) = channel
                .log
                .get(&message)
                .filter(|known| known.kind == Kind::Text)
            {
                tells.push(Tell::Message {
                    channel: id,
                    message,
                    author: known.author,
                    said: None,
                });
            }
        }
        for tell in tells {
            self.tell(tell);
        }
        for message in change.delivered {
            self.raise_state(id, message, OwnState::Delivered);
        }
        for message in &change.dropped {
            self.states.remove(message);
            self.own.remove_message(message);
        }
        let ops = change.dropped.into_iter().map(StoreOp::DropMessage);
        self.persist_quietly(ops.collect());
    }

    /// States only rise.
    pub(super) fn raise_state(&mut self, channel: ChannelId, message: MessageId, state: OwnState) {
        let Some(known) = self.states.get_mut(&message) else {
            return;
        };
        if *known >= state {
            return;
        }
        *known = state;
        if state == OwnState::Delivered {
            self.own.remove_message(&message);
        }
        self.risen.push((message, state));
        self.tell(Tell::State {
            channel,
            message,
            state,
        });
    }

    /// Writes the states that rose since the last time; some messages may be gone meanwhile.
    pub(super) fn write_risen(&mut self) {
        let risen = core::mem::take(&mut self.risen);
        let ops = risen
            .into_iter()
            .filter(|(message, _)| self.states.contains_key(message))
            .map(|(message, state)| StoreOp::PutState { message, state });
        self.persist_quietly(ops.collect());
    }
}
