//! Channels joined and left, messages written.

use core::time::Duration;

use bytes::Bytes;
use rand_core::CryptoRng;

use super::{Channel, Engine, MAX_CHANNELS, OWN_LIFETIME, OwnState, Pending, StoreOp, Tell, Token};
use crate::{
    channel::{
        invite::Invite,
        keys::{ChannelKeys, ChannelKind},
        name::{CanonicalName, Label, NameError},
    },
    id::{ChannelId, ContentId, MessageId},
    link_kind::Source,
    log::{LogMessage, OrderKey},
    message::{
        envelope::{Draft, Envelope, EnvelopeError, Kind},
        text::TextBody,
    },
    shelf,
    time::Now,
    wire::local,
};

use prost::Message as _;

/// Why a channel was not created, joined or left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// The name is none.
    #[error("that is no channel name: {0}")]
    Name(#[from] NameError),
    /// The link is none.
    #[error("that is no invitation link")]
    Link,
    /// The node is in as many as it can be.
    #[error("a node can be in {MAX_CHANNELS} channels: leave one first")]
    Full,
    /// The node is in it already.
    #[error("already in this channel")]
    Joined(ChannelId),
    /// No such channel.
    #[error("no such channel")]
    Unknown,
}

/// Why a message was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No such channel.
    #[error("no such channel")]
    Unknown,
    /// Empty, too long, or holding control characters.
    #[error("the text is empty, longer than 12,000 bytes, or holds control characters")]
    Text,
    /// The store does not take writes.
    #[error("the store takes no writes at present: nothing was lost, but nothing can be written")]
    Store {
        /// For want of room.
        full: bool,
    },
    /// The shelf has no room for own messages.
    #[error("the store's cap is reached by own messages: raise it or wait for old ones to expire")]
    NoRoom,
    /// The channel's Lamport counter has come to its end.
    #[error("this channel is full")]
    Envelope(#[from] EnvelopeError),
}

/// A message written; it is durable when its token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Composed {
    /// Its id.
    pub message: MessageId,
    /// Its channel.
    pub channel: ChannelId,
    /// Its place.
    pub lamport: u64,
    /// Its batch of writes.
    pub token: Token,
}

impl Engine {
    /// Creates a channel: public if the name begins with `#`, private otherwise.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn create_channel(
        &mut self,
        name: &str,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<(ChannelId, Token), ChannelError> {
        self.clock.advance(now);
        let keys = if name.starts_with('#') {
            ChannelKeys::public(&CanonicalName::parse(name)?)
        } else {
            ChannelKeys::private(&Label::parse(name)?, rng, self.clock.key())
        };
        self.join(keys)
    }

    /// Joins by `#name` or invitation.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn join_channel(
        &mut self,
        target: &str,
        now: Now,
    ) -> Result<(ChannelId, Token), ChannelError> {
        self.clock.advance(now);
        let keys = if target.starts_with('#') {
            ChannelKeys::public(&CanonicalName::parse(target)?)
        } else {
            let invite: Invite = target.parse().map_err(|_| ChannelError::Link)?;
            ChannelKeys::from_invite(&invite, self.clock.key())
        };
        self.join(keys)
    }

    fn join(&mut self, keys: ChannelKeys) -> Result<(ChannelId, Token), ChannelError> {
        let id = keys.id();
        if self.channels.contains_key(&id) {
            return Err(ChannelError::Joined(id));
        }
        if self.channels.len() >= MAX_CHANNELS {
            return Err(ChannelError::Full);
        }
        let mut channel = Channel::new(keys, &self.identity, self.clock.life());
        // Bundles of this channel that were carried unread can be read now.
        channel.searching = true;
        let record = channel_record(&channel);
        self.channels.insert(id, channel);
        let token = self.persist(
            vec![StoreOp::PutChannel {
                channel: id,
                record,
            }],
            Pending::Quiet,
        );
        self.begin_search();
        self.announce_membership();
        Ok((id, token))
    }

    /// Leaves a channel and destroys its keys; its bundles are carried on as a stranger's.
    ///
    /// # Errors
    /// [`ChannelError::Unknown`].
    pub fn leave_channel(&mut self, id: ChannelId) -> Result<Token, ChannelError> {
        let mut ops = Vec::new();
        self.carry_on(id, &mut ops);
        let channel = self.channels.remove(&id).ok_or(ChannelError::Unknown)?;
        for message in channel.log.ids() {
            ops.push(StoreOp::DropMessage(message));
            self.states.remove(&message);
        }
        self.own.leave(id);
        self.announce_membership();
        // The keys first: what a crash leaves of the rest is swept at the next start.
        let token = self.persist(vec![StoreOp::DropChannel(id)], Pending::Quiet);
        self.persist_quietly(ops);
        Ok(token)
    }

    /// The text that others join with: an invitation, or `#name`.
    ///
    /// # Errors
    /// [`ChannelError::Unknown`].
    pub fn channel_link(&self, id: ChannelId) -> Result<String, ChannelError> {
        let channel = self.channels.get(&id).ok_or(ChannelError::Unknown)?;
        Ok(match channel.keys.kind() {
            ChannelKind::Public => format!("#{}", channel.keys.name()),
            ChannelKind::Private => channel
                .keys
                .invite()
                .ok_or(ChannelError::Unknown)?
                .to_string(),
        })
    }

    /// Marks everything in a channel as read.
    ///
    /// # Errors
    /// [`ChannelError::Unknown`].
    pub fn mark_read(&mut self, id: ChannelId) -> Result<Token, ChannelError> {
        let channel = self.channels.get_mut(&id).ok_or(ChannelError::Unknown)?;
        channel.read = channel.log.last();
        let record = channel_record(channel);
        Ok(self.persist(
            vec![StoreOp::PutChannel {
                channel: id,
                record,
            }],
            Pending::Quiet,
        ))
    }

    /// Writes a text.
    ///
    /// # Errors
    /// [`SendError`]; nothing is changed then.
    pub fn send_text(
        &mut self,
        id: ChannelId,
        text: &str,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Composed, SendError> {
        self.clock.advance(now);
        let name = self.name.clone();
        let channel = self.channels.get(&id).ok_or(SendError::Unknown)?;
        let news = (channel.told_name.as_deref() != Some(name.as_str())).then(|| name.clone());
        let draft = TextBody {
            body: text.to_owned(),
            name: news,
        };
        let payload = draft.encode().map_err(|_| SendError::Text)?;
        // What is shown here is what others will decode.
        let body = TextBody::decode(&payload).map_err(|_| SendError::Text)?;
        let composed = self.compose(id, Kind::Text, payload, Some(body), now, rng)?;
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.told_name = Some(name);
            channel.no_receipt();
        }
        Ok(composed)
    }

    pub(super) fn compose(
        &mut self,
        id: ChannelId,
        kind: Kind,
        payload: Bytes,
        text: Option<TextBody>,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Composed, SendError> {
        if let Some(full) = self.store_trouble {
            return Err(SendError::Store { full });
        }
        let key_clock = self.clock.key();
        let life = self.clock.life();
        let channel = self.channels.get_mut(&id).ok_or(SendError::Unknown)?;
        if channel.keys.step(key_clock) {
            channel.stored = false;
        }
        let place = channel.log.next_place();
        let epoch = channel.keys.newest_epoch();
        let draft = Draft {
            channel: id,
            epoch,
            device: self.device,
            kind,
            parents: place.parents,
            sent_at_s: now.wall_ms / 1000,
            lamport: place.lamport,
            payload,
        };
        let bytes = draft.sign(&channel.signer)?;
        let envelope = Envelope::verify(&bytes, id, epoch)?;
        let bundle = channel
            .keys
            .seal(&bytes, rng)
            .map_err(|_| SendError::Text)?;
        let content = bundle.content_id();
        let arrival = shelf::Arrival {
            content,
            size: u32::try_from(bundle.size()).unwrap_or(u32::MAX),
            age: Duration::ZERO,
            lifetime: OWN_LIFETIME,
            source: Source(0),
            kind: shelf::Kind::Own,
        };
        let body = bundle.as_bytes().clone();
        let mut ops = self
            .keep(&arrival, body.clone(), Some(envelope.id))
            .map_err(|_| SendError::NoRoom)?;
        let channel = self.channels.get_mut(&id).ok_or(SendError::Unknown)?;
        // A message is not durable without the keys that read it.
        if !channel.stored {
            ops.push(StoreOp::PutChannel {
                channel: id,
                record: channel_record(channel),
            });
        }
        ops.push(StoreOp::PutMessage {
            message: envelope.id,
            record: message_record(&envelope, text.as_ref(), content, life),
        });
        let shown = kind == Kind::Text;
        if shown {
            ops.push(StoreOp::PutState {
                message: envelope.id,
                state: OwnState::Stored,
            });
            self.states.insert(envelope.id, OwnState::Stored);
            self.own.insert(content, id, envelope.id);
        }
        // In the log at once: the next message, written before this one is durable, follows it.
        let change = channel.log.insert(log_message(&envelope));
        if let Some(name) = text.as_ref().and_then(|text| text.name.as_deref()) {
            channel.names.note(order_of(&envelope), name);
        }
        let token = self.persist(
            ops,
            Pending::Composed {
                channel: id,
                message: envelope.id,
                content,
                body,
            },
        );
        self.arriving.insert(content, token);
        self.apply(id, change.unwrap_or_default());
        Ok(Composed {
            message: envelope.id,
            channel: id,
            lamport: envelope.lamport,
            token,
        })
    }

    pub(super) fn composed(
        &mut self,
        channel: ChannelId,
        message: MessageId,
        content: ContentId,
        body: &Bytes,
        now: Now,
    ) {
        self.arriving.remove(&content);
        let author = self.channels.get(&channel).map(|channel| channel.log.own());
        if let Some(author) = author.filter(|_| self.states.contains_key(&message)) {
            self.tell(Tell::Message {
                channel,
                message,
                author,
                said: None,
            });
        }
        // Receipts are small, and few: they go at once.
        if !self.states.contains_key(&message) || !self.waits(channel, content, now) {
            self.offer(content, None, Some(channel), now);
        }
        self.publish(channel, body, now);
    }

    /// An own message that could not be made durable is taken back: the caller was told so.
    pub(super) fn compose_failed(
        &mut self,
        channel: ChannelId,
        message: MessageId,
        content: ContentId,
    ) {
        self.arriving.remove(&content);
        self.shelf.remove(&content);
        self.own.remove(&content);
        self.states.remove(&message);
        if let Some(known) = self.channels.get_mut(&channel) {
            let change = known.log.withdraw(&message);
            known.told_name = None;
            self.apply(channel, change);
        }
    }
}

pub(super) fn channel_record(channel: &Channel) -> Vec<u8> {
    let mut record = channel.keys.to_record();
    record.joined_life_s = channel.joined.as_secs();
    record.searching = channel.searching;
    if let Some((lamport, author, message)) = channel.read {
        record.read_lamport = lamport;
        record.read_author = author.0.to_vec().into();
        record.read_message = message.0.to_vec().into();
    }
    record.encode_to_vec()
}

pub(super) fn message_record(
    envelope: &Envelope,
    text: Option<&TextBody>,
    content: ContentId,
    life: Duration,
) -> Vec<u8> {
    local::MessageRecord {
        channel: envelope.channel.0.to_vec().into(),
        author: envelope.author.0.to_vec().into(),
        device: u32::from_be_bytes(envelope.device.0),
        r#type: envelope.kind.into(),
        parents: envelope
            .parents
            .iter()
            .map(|parent| parent.0.to_vec().into())
            .collect(),
        sent_at_s: envelope.sent_at_s,
        lamport: envelope.lamport,
        body: text.map(|text| text.body.clone()).unwrap_or_default(),
        name: text.and_then(|text| text.name.clone()).unwrap_or_default(),
        content_id: content.0.to_vec().into(),
        received_life_s: life.as_secs(),
    }
    .encode_to_vec()
}

pub(super) fn log_message(envelope: &Envelope) -> LogMessage {
    LogMessage {
        id: envelope.id,
        author: envelope.author,
        kind: envelope.kind,
        parents: envelope.parents.clone(),
        lamport: envelope.lamport,
    }
}

pub(super) fn order_of(envelope: &Envelope) -> OrderKey {
    (envelope.lamport, envelope.author, envelope.id)
}
