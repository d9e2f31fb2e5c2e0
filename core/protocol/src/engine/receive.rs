//! Bundles that come in: size check → content id → de-duplicate → own tags → open → signature,
//! parents → quota → store → people. A stranger's node stops after "store" and carries on from there.

use core::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use rand_core::CryptoRng;

use super::{
    Effect, Engine, Judgement, OwnState, Pending, PersistOutcome, StoreOp, Tell, Token,
    compose::{channel_record, log_message, message_record, order_of},
    link::SELF,
};
use crate::{
    id::{ChannelId, ContentId, LinkId, MessageId},
    link_kind::Source,
    log::Inserted,
    message::{
        bundle::Bundle,
        envelope::{Envelope, Kind},
        text::TextBody,
    },
    policy::strikes::Strike,
    shelf::{self, Changes, DeclineReason},
    time::Now,
};

/// Whom imported files are charged to: the person at the keyboard, as one source.
const IMPORT_SOURCE: Source = Source(u64::MAX);

/// Where a bundle came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A link.
    Link(LinkId),
    /// Gossip, to be judged by this number.
    Gossip(u64),
    /// A file.
    Import,
}

/// What became of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// On its way to the disk.
    New(Token),
    /// It is here, or was.
    Known,
    /// Broken, expired, or over a quota.
    Declined,
}

/// A bundle on its way to the disk.
#[derive(Debug)]
pub(super) struct Arrival {
    content: ContentId,
    size: usize,
    origin: Origin,
    opened: Option<Opened>,
}

#[derive(Debug)]
struct Opened {
    channel: ChannelId,
    envelope: Envelope,
    text: Option<TextBody>,
}

enum Sight {
    /// Not of a channel of ours.
    Sealed,
    Mine(Box<Opened>),
    /// Of a channel of ours, and here already under another seal.
    Resealed,
    /// Of a channel of ours, and invalid.
    Broken,
}

impl Engine {
    /// Takes a bundle in from a file (MSG-12).
    pub fn import(&mut self, bytes: Bytes, age_s: u32, lifetime_s: u32, now: Now) -> Taken {
        self.clock.advance(now);
        self.take(bytes, age_s, lifetime_s, Origin::Import, now)
    }

    pub(super) fn take(
        &mut self,
        bytes: Bytes,
        age_s: u32,
        lifetime_s: u32,
        origin: Origin,
        now: Now,
    ) -> Taken {
        let size = bytes.len();
        let Ok(bundle) = Bundle::parse(bytes) else {
            self.counters.count("bundle_malformed");
            self.settle(origin, size, Judgement::Reject);
            if let Origin::Link(link) = origin {
                self.strike(link, Strike::BadBundle, now);
            }
            return Taken::Declined;
        };
        let link = match origin {
            Origin::Link(link) => Some(link),
            _ => None,
        };
        self.strike_from_lists(&bundle.content_id(), link, now);
        let taken = self.decide(&bundle, age_s, lifetime_s, origin);
        if !matches!(taken, Taken::New(_)) {
            self.settle(origin, size, Judgement::Ignore);
        }
        taken
    }

    fn decide(&mut self, bundle: &Bundle, age_s: u32, lifetime_s: u32, origin: Origin) -> Taken {
        let content = bundle.content_id();
        if self.shelf.held(&content)
            || self.shelf.seen(&content)
            || self.arriving.contains_key(&content)
        {
            self.counters.count("bundle_known");
            return Taken::Known;
        }
        let sight = self.look(bundle);
        let kind = match &sight {
            Sight::Mine(_) => shelf::Kind::Member,
            Sight::Sealed => shelf::Kind::Stranger,
            Sight::Resealed | Sight::Broken => {
                // Whoever carried it could not know: nobody is blamed, and it need not come again.
                let known = matches!(sight, Sight::Resealed);
                self.counters.count(if known {
                    "bundle_resealed"
                } else {
                    "bundle_broken"
                });
                self.refuse(content);
                return if known { Taken::Known } else { Taken::Declined };
            }
        };
        // Gossip carries members' bundles only.
        if matches!(origin, Origin::Gossip(_)) && kind == shelf::Kind::Stranger {
            self.counters.count("gossip_foreign");
            return Taken::Declined;
        }
        let life = self.clock.life();
        let arrival = shelf::Arrival {
            content,
            size: u32::try_from(bundle.size()).unwrap_or(u32::MAX),
            age: Duration::from_secs(age_s.into()),
            lifetime: Duration::from_secs(lifetime_s.into()),
            source: self.source_of(origin),
            kind,
        };
        let message = match &sight {
            Sight::Mine(opened) => Some(opened.envelope.id),
            _ => None,
        };
        let mut ops = match self.keep(&arrival, bundle.as_bytes().clone(), message) {
            Ok(ops) => ops,
            Err(reason) => {
                self.counters.count(decline_word(reason));
                let changes = self.shelf.commit_decline(&arrival, reason, life);
                self.persist_changes(&changes);
                return Taken::Declined;
            }
        };
        let opened = match sight {
            Sight::Mine(opened) => {
                self.record_opened(&opened, content, &mut ops);
                Some(*opened)
            }
            _ => None,
        };
        let arrival = Arrival {
            content,
            size: bundle.size(),
            origin,
            opened,
        };
        let token = self.persist(ops, Pending::Received(Box::new(arrival)));
        self.arriving.insert(content, token);
        Taken::New(token)
    }

    fn look(&self, bundle: &Bundle) -> Sight {
        let Some(channel) = self
            .channels
            .values()
            .find(|channel| channel.keys.owns(bundle))
        else {
            return Sight::Sealed;
        };
        let id = channel.id();
        let Ok(opened) = channel.keys.open(bundle) else {
            return Sight::Broken;
        };
        let Ok(envelope) = Envelope::verify(&opened.envelope, id, opened.epoch) else {
            return Sight::Broken;
        };
        if channel.log.contains(&envelope.id) || self.opening(&envelope.id) {
            return Sight::Resealed;
        }
        let text = match envelope.kind {
            Kind::Text => match TextBody::decode(&envelope.payload) {
                Ok(text) => Some(text),
                Err(_) => return Sight::Broken,
            },
            _ => None,
        };
        Sight::Mine(Box::new(Opened {
            channel: id,
            envelope,
            text,
        }))
    }

    /// Whether a message is on its way to the disk under another seal.
    fn opening(&self, message: &MessageId) -> bool {
        self.pending.values().any(|pending| match pending {
            Pending::Received(arrival) => arrival
                .opened
                .as_ref()
                .is_some_and(|opened| opened.envelope.id == *message),
            _ => false,
        })
    }

    fn record_opened(&mut self, opened: &Opened, content: ContentId, ops: &mut Vec<StoreOp>) {
        let key_clock = self.clock.key();
        let life = self.clock.life();
        let Some(channel) = self.channels.get_mut(&opened.channel) else {
            return;
        };
        let by_other = opened.envelope.author != channel.log.own();
        if channel
            .keys
            .authenticated(opened.envelope.epoch, by_other, key_clock)
        {
            ops.push(StoreOp::PutChannel {
                channel: opened.channel,
                record: channel_record(channel),
            });
        }
        let record = message_record(&opened.envelope, opened.text.as_ref(), content, life);
        ops.push(StoreOp::PutMessage {
            message: opened.envelope.id,
            record,
        });
    }

    fn source_of(&self, origin: Origin) -> Source {
        match origin {
            Origin::Link(link) => self
                .links
                .get(&link)
                .map_or(Source(0), |link| link.ends.source),
            Origin::Gossip(_) => Source(0),
            Origin::Import => IMPORT_SOURCE,
        }
    }

    /// Puts a bundle on the shelf and says what to write for it.
    pub(super) fn keep(
        &mut self,
        arrival: &shelf::Arrival,
        body: Bytes,
        message: Option<MessageId>,
    ) -> Result<Vec<StoreOp>, DeclineReason> {
        let life = self.clock.life();
        let changes = self.shelf.commit_keep(arrival, message, life)?;
        let record = self
            .shelf
            .to_record(&arrival.content)
            .map(|record| record.encode_to_vec())
            .unwrap_or_default();
        let mut ops = vec![StoreOp::PutBundle {
            content: arrival.content,
            body,
            record,
        }];
        self.follow(&changes, &mut ops);
        Ok(ops)
    }

    /// What the store has to follow of the shelf's changes.
    pub(super) fn follow(&mut self, changes: &Changes, ops: &mut Vec<StoreOp>) {
        for content in &changes.dropped {
            ops.push(StoreOp::DropBundle(*content));
            self.counters.count("bundle_dropped");
            self.own.remove(content);
        }
        for content in changes.dropped.iter().chain(&changes.seen) {
            if let Some(record) = self.shelf.to_record(content) {
                ops.push(StoreOp::PutSeen {
                    content: *content,
                    record: record.encode_to_vec(),
                });
            }
        }
        ops.extend(
            changes
                .forgotten
                .iter()
                .map(|content| StoreOp::DropSeen(*content)),
        );
    }

    pub(super) fn persist_changes(&mut self, changes: &Changes) {
        let mut ops = Vec::new();
        self.follow(changes, &mut ops);
        if !ops.is_empty() {
            self.persist(ops, Pending::Quiet);
        }
    }

    /// Takes note of an id that need not come again.
    fn refuse(&mut self, content: ContentId) {
        let changes = self.shelf.refuse(content, self.clock.life());
        self.persist_changes(&changes);
    }

    /// The sender may send on, and gossip is judged.
    fn settle(&mut self, origin: Origin, size: usize, judgement: Judgement) {
        match origin {
            Origin::Link(link) => {
                if let Some(link) = self.links.get_mut(&link) {
                    link.session
                        .consumed(u32::try_from(size).unwrap_or(u32::MAX));
                }
            }
            Origin::Gossip(token) => self.judge(token, judgement),
            Origin::Import => {}
        }
    }

    pub(super) fn persisted(
        &mut self,
        token: Token,
        outcome: PersistOutcome,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        self.note_outcome(outcome);
        let Some(pending) = self.pending.remove(&token) else {
            return;
        };
        match (pending, outcome) {
            (Pending::Received(arrival), PersistOutcome::Durable) => {
                self.arrived(*arrival, now, rng)
            }
            (Pending::Received(arrival), _) => {
                self.arriving.remove(&arrival.content);
                // Not seen: it may come again when there is room.
                self.shelf.remove(&arrival.content);
                self.settle(arrival.origin, arrival.size, Judgement::Ignore);
            }
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
    }

    fn note_outcome(&mut self, outcome: PersistOutcome) {
        let trouble = match outcome {
            PersistOutcome::Durable => None,
            PersistOutcome::Full => Some(true),
            PersistOutcome::Failed => Some(false),
        };
        if trouble != self.store_trouble {
            self.store_trouble = trouble;
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
        } = arrival;
        self.arriving.remove(&content);
        self.counters.count("bundle_stored");
        let link = match origin {
            Origin::Link(link) => Some(link),
            _ => None,
        };
        let channel = opened.as_ref().map(|opened| opened.channel);
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
            self.opened(opened, content, link, now, rng);
        }
        self.offer(content, link, channel, now);
    }

    /// A message of ours, durable: into the log, and acknowledged to whoever brought it.
    fn opened(
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
            });
        }
        self.apply(id, change);
        if by_other && envelope.kind != Kind::Receipt {
            let direct = link.is_some_and(|link| self.is_member(link, &id));
            if direct {
                self.acknowledge(link, content);
            } else {
                self.schedule_receipt(id, now, rng);
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
                });
            }
        }
        for tell in tells {
            self.tell(tell);
        }
        for message in change.delivered {
            self.raise_state(id, message, OwnState::Delivered);
        }
        if !change.dropped.is_empty() {
            let ops = change
                .dropped
                .into_iter()
                .map(StoreOp::DropMessage)
                .collect();
            self.persist(ops, Pending::Quiet);
        }
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
            self.own.retain(|_, (_, own)| *own != message);
        }
        self.persist(vec![StoreOp::PutState { message, state }], Pending::Quiet);
        self.tell(Tell::State {
            channel,
            message,
            state,
        });
    }

    /// After a channel was joined: reads what was carried unread for it.
    pub(super) fn open_carried(&mut self) {
        let sealed: Vec<ContentId> = self
            .shelf
            .iter()
            .filter(|(_, meta)| meta.kind.is_carried())
            .map(|(content, _)| *content)
            .collect();
        for content in sealed {
            self.effects.push_back(Effect::Load {
                link: SELF,
                content,
            });
        }
    }

    /// A carried bundle was read from the store because a channel was joined.
    pub(super) fn reopened(
        &mut self,
        content: ContentId,
        body: Option<Bytes>,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        let Some(bundle) = body.and_then(|body| Bundle::parse(body).ok()) else {
            return;
        };
        let Sight::Mine(opened) = self.look(&bundle) else {
            return;
        };
        let mut ops = Vec::new();
        self.record_opened(&opened, content, &mut ops);
        if self
            .shelf
            .reclassify(&content, shelf::Kind::Member, Some(opened.envelope.id))
            && let Some(record) = self.shelf.to_record(&content)
        {
            ops.push(StoreOp::PutRecord {
                content,
                record: record.encode_to_vec(),
            });
        }
        self.persist(ops, Pending::Quiet);
        self.opened(*opened, content, None, now, rng);
    }
}

/// The stable word for why a bundle was declined.
const fn decline_word(reason: DeclineReason) -> &'static str {
    match reason {
        DeclineReason::Duplicate => "declined_duplicate",
        DeclineReason::Seen => "declined_seen",
        DeclineReason::Expired => "declined_expired",
        DeclineReason::TooLong => "declined_lifetime",
        DeclineReason::TooLarge => "declined_size",
        DeclineReason::RateTotal => "declined_rate_total",
        DeclineReason::RateSource => "declined_rate_source",
        DeclineReason::NoRoom => "declined_no_room",
    }
}
