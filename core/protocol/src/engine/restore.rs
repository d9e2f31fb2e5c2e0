//! A node's state from what its store holds.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use prost::Message as _;
use rand_core::CryptoRng;

use super::{Channel, Counters, Engine, EngineConfig, OwnState, StoreOp, own::Own};
use crate::{
    channel::keys::ChannelKeys,
    id::{AuthorKey, ChannelId, ContentId, DeviceId, MessageId},
    identity::Identity,
    link::Scheduler,
    log::LogMessage,
    message::envelope::{Kind, ParentId},
    policy::{
        dial::DialPolicy,
        eager::{Eager, HaveBatcher},
        fetch::Fetch,
        near::NearPolicy,
        strikes::Strikes,
    },
    shelf::{Recorded, Shelf, life::LifeClock},
    time::Now,
    wire::local,
};

/// What the store holds, table by table.
#[derive(Debug, Default)]
pub struct Stored {
    /// `ClockRecord`.
    pub clock: Option<Vec<u8>>,
    /// `ChannelRecord` by channel.
    pub channels: Vec<(ChannelId, Vec<u8>)>,
    /// `ShelfRecord` by bundle.
    pub shelf: Vec<(ContentId, Vec<u8>)>,
    /// `ShelfRecord` by seen id.
    pub seen: Vec<(ContentId, Vec<u8>)>,
    /// `MessageRecord` by message.
    pub messages: Vec<(MessageId, Vec<u8>)>,
    /// States of own messages.
    pub states: Vec<(MessageId, OwnState)>,
}

/// A record that this program did not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The clock's.
    #[error("the record of the clock is damaged")]
    Clock,
    /// A channel's.
    #[error("the record of channel {0} is damaged")]
    Channel(ChannelId),
    /// A bundle's.
    #[error("the record of bundle {0} is damaged")]
    Bundle(ContentId),
    /// A message's.
    #[error("the record of message {0} is damaged")]
    Message(MessageId),
}

/// Who the node is.
#[derive(Debug)]
pub struct Who {
    /// Its identity.
    pub identity: Identity,
    /// Its device id.
    pub device: DeviceId,
    /// Its display name.
    pub name: String,
}

impl Engine {
    /// An engine over what the store holds; over nothing at a first start.
    ///
    /// # Errors
    /// [`RestoreError`] names the first damaged record; nothing is repaired or dropped silently.
    pub fn restore(
        config: EngineConfig,
        who: Who,
        stored: Stored,
        boot_id: [u8; 16],
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, RestoreError> {
        let record = match &stored.clock {
            Some(bytes) => Some(
                local::ClockRecord::decode(bytes.as_slice()).map_err(|_| RestoreError::Clock)?,
            ),
            None => None,
        };
        let first = record.is_none();
        let clock =
            LifeClock::resume(record.as_ref(), now, boot_id).map_err(|_| RestoreError::Clock)?;
        let mut shelf = Shelf::new(config.limits);
        let mut changes = Vec::new();
        for (content, bytes) in stored.shelf.into_iter().chain(stored.seen) {
            let damaged = RestoreError::Bundle(content);
            let record = local::ShelfRecord::decode(bytes.as_slice()).map_err(|_| damaged)?;
            let recorded = Recorded::from_record(&record).map_err(|_| damaged)?;
            changes.push(shelf.restore(content, recorded, clock.life()));
        }
        changes.push(shelf.trim(clock.life()));
        let Who {
            identity,
            device,
            name,
        } = who;
        let mut channels = BTreeMap::new();
        for (id, bytes) in stored.channels {
            let damaged = RestoreError::Channel(id);
            let record = local::ChannelRecord::decode(bytes.as_slice()).map_err(|_| damaged)?;
            let keys = ChannelKeys::from_record(&record).map_err(|_| damaged)?;
            if keys.id() != id {
                return Err(damaged);
            }
            let mut channel =
                Channel::new(keys, &identity, Duration::from_secs(record.joined_life_s));
            if !record.read_message.is_empty() {
                let author = AuthorKey::try_from(&record.read_author[..]).map_err(|_| damaged)?;
                let message = MessageId::try_from(&record.read_message[..]).map_err(|_| damaged)?;
                channel.read = Some((record.read_lamport, author, message));
            }
            channel.searching = record.searching;
            channel.stored = true;
            channels.insert(id, channel);
        }
        let states: BTreeMap<MessageId, OwnState> = stored.states.into_iter().collect();
        let mut own = Own::default();
        let mut messages = Vec::new();
        for (id, bytes) in stored.messages {
            messages.push(read_message(id, &bytes).ok_or(RestoreError::Message(id))?);
        }
        // In order, so that the Lamport clock comes as far as it ever did.
        messages.sort_unstable_by_key(|(message, ..)| (message.lamport, message.id));
        let mut swept = Vec::new();
        for (message, channel, content, name) in messages {
            let id = message.id;
            // A message of a channel that was left: its removal was cut short.
            let Some(channel) = channels.get_mut(&channel) else {
                swept.push(StoreOp::DropMessage(id));
                continue;
            };
            let order = (message.lamport, message.author, message.id);
            if let Some(name) = name {
                channel.names.note(order, &name);
            }
            let undelivered = states
                .get(&id)
                .is_some_and(|state| *state < OwnState::Delivered);
            if undelivered && shelf.held(&content) {
                own.insert(content, channel.id(), id);
            }
            let change = channel.log.insert(message).unwrap_or_default();
            swept.extend(change.dropped.into_iter().map(StoreOp::DropMessage));
        }
        for channel in channels.values_mut() {
            channel.told_name = channel.names.get(&channel.log.own()).map(str::to_owned);
        }
        let mut engine = Self {
            dial: DialPolicy::new(config.dial, rng),
            near: NearPolicy::new(config.near),
            near_due: VecDeque::new(),
            radio_discovery: None,
            config,
            identity,
            device,
            name,
            clock,
            channels,
            shelf,
            own,
            states,
            risen: Vec::new(),
            links: BTreeMap::new(),
            scheduler: Scheduler::default(),
            eager: Eager::default(),
            have: HaveBatcher::default(),
            fetch: Fetch::default(),
            pace: crate::policy::pace::Pace::default(),
            waiting: super::paced::Waiting::default(),
            strikes: Strikes::default(),
            let_go: Vec::new(),
            sightings: super::peers::Sightings::default(),
            membership_due: BTreeSet::new(),
            pending: BTreeMap::new(),
            arriving: BTreeMap::new(),
            opening: BTreeSet::new(),
            next_token: 0,
            store_trouble: None,
            probe: None,
            unwritten: super::unwritten::Unwritten::default(),
            search: super::search::Search::default(),
            topics_due: true,
            topics: Vec::new(),
            clock_saved: now.boot,
            counters: Counters::default(),
            effects: VecDeque::new(),
        };
        for changes in changes {
            engine.persist_changes(&changes);
        }
        engine.persist_quietly(swept);
        if first {
            engine.save_clock(now);
        }
        if engine.channels.values().any(|channel| channel.searching) {
            engine.begin_search();
        }
        Ok(engine)
    }
}

fn read_message(
    id: MessageId,
    bytes: &[u8],
) -> Option<(LogMessage, ChannelId, ContentId, Option<String>)> {
    let record = local::MessageRecord::decode(bytes).ok()?;
    let parents: Option<Vec<ParentId>> = record
        .parents
        .iter()
        .map(|parent| parent[..].try_into().ok().map(ParentId))
        .collect();
    let message = LogMessage {
        id,
        author: AuthorKey::try_from(&record.author[..]).ok()?,
        kind: Kind::from(record.r#type),
        parents: parents?,
        lamport: record.lamport,
    };
    let channel = ChannelId::try_from(&record.channel[..]).ok()?;
    let content = ContentId::try_from(&record.content_id[..]).ok()?;
    Some((
        message,
        channel,
        content,
        (!record.name.is_empty()).then_some(record.name),
    ))
}
