//! Bundles that come in: size check → content id → de-duplicate → own tags → open → signature,
//! parents → quota → store → people. A stranger's node stops after "store" and carries on from there.

use core::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use super::{
    Engine, Judgement, Pending, StoreOp, Token,
    compose::{channel_record, message_record},
};
use crate::{
    id::{ChannelId, ContentId, LinkId, MessageId},
    link_kind::Source,
    message::{
        bundle::{Bundle, OpenError},
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
    pub(super) content: ContentId,
    pub(super) size: usize,
    pub(super) origin: Origin,
    pub(super) opened: Option<Opened>,
    /// It is read and not kept.
    pub(super) no_room: bool,
}

/// A bundle of a channel of ours.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) channel: ChannelId,
    pub(super) envelope: Envelope,
    pub(super) text: Option<TextBody>,
}

/// What a bundle is to this node.
pub(super) enum Sight {
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
        if let (Taken::Known, Some(link)) = (taken, link) {
            self.acknowledge_again(link, bundle.content_id());
        }
        taken
    }

    fn decide(&mut self, bundle: &Bundle, age_s: u32, lifetime_s: u32, origin: Origin) -> Taken {
        let content = bundle.content_id();
        if self.knows(&content) {
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
        let (mut ops, no_room) = match self.keep(&arrival, bundle.as_bytes().clone(), message) {
            Ok(ops) => (ops, false),
            // What the shelf has no room for can still be read.
            Err(DeclineReason::NoRoom) if message.is_some() => (Vec::new(), true),
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
            no_room,
        };
        self.opening.extend(message);
        let token = self.persist(ops, Pending::Received(Box::new(arrival)));
        self.arriving.insert(content, token);
        Taken::New(token)
    }

    pub(super) fn look(&self, bundle: &Bundle) -> Sight {
        let Some(channel) = self
            .channels
            .values()
            .find(|channel| channel.keys.owns(bundle))
        else {
            return Sight::Sealed;
        };
        let id = channel.id();
        let opened = match channel.keys.open(bundle) {
            Ok(opened) => opened,
            // Of an epoch from before this node joined, or forgotten: other members can read it.
            Err(OpenError::Key) => return Sight::Sealed,
            Err(_) => return Sight::Broken,
        };
        let Ok(envelope) = Envelope::verify(&opened.envelope, id, opened.epoch) else {
            return Sight::Broken;
        };
        if channel.log.contains(&envelope.id) || self.opening.contains(&envelope.id) {
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

    pub(super) fn record_opened(
        &mut self,
        opened: &Opened,
        content: ContentId,
        ops: &mut Vec<StoreOp>,
    ) {
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
        self.persist_quietly(ops);
    }

    /// Takes note of an id that need not come again.
    pub(super) fn refuse(&mut self, content: ContentId) {
        let changes = self.shelf.refuse(content, self.clock.life());
        self.persist_changes(&changes);
    }

    /// The sender may send on, and gossip is judged.
    pub(super) fn settle(&mut self, origin: Origin, size: usize, judgement: Judgement) {
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
