//! Commands about channels and messages.

use prost::Message as _;
use sovereign_protocol::{
    channel::keys::ChannelKind,
    engine::{Channel, Token},
    id::ChannelId,
    message::text::clean_name,
};

use super::{
    commands::{bounded, channel_error, no_channel, send_error},
    driver::Driver,
    randomness::Randomness,
    say,
};
use crate::{
    api::{
        ApiError, ChannelInfo, ErrorKind, EventKind, MAX_NAME_INPUT, MAX_TEXT, MessageState, Reply,
        Sent,
    },
    ports::{lan::Lan, network::Network},
};

/// Digits that a channel id may be shortened to.
const MIN_ID_PREFIX: usize = 8;

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn create(
        &mut self,
        name: &str,
    ) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        bounded(name, MAX_NAME_INPUT)?;
        let now = self.now();
        let (id, token) = self
            .engine
            .create_channel(name, now, &mut Randomness(&*self.rng))
            .map_err(channel_error)?;
        self.joined(id, token)
    }

    pub(super) fn join(
        &mut self,
        target: &str,
    ) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        bounded(target, MAX_NAME_INPUT)?;
        let now = self.now();
        let (id, token) = self
            .engine
            .join_channel(target, now)
            .map_err(channel_error)?;
        self.joined(id, token)
    }

    pub(super) fn joined(
        &mut self,
        id: ChannelId,
        token: Token,
    ) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        let info = self.info(id)?;
        let event = EventKind::ChannelJoined {
            id: info.id.clone(),
            name: info.name.clone(),
        };
        Ok((token, Reply::Channel(info), Some(event)))
    }

    pub(super) fn leave(
        &mut self,
        channel: &str,
    ) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        let id = self.find(channel)?;
        let token = self.engine.leave_channel(id).map_err(channel_error)?;
        self.nets.tally.forget(&id);
        Ok((
            token,
            Reply::Done,
            Some(EventKind::ChannelLeft { id: id.to_string() }),
        ))
    }

    pub(super) fn mark_read(
        &mut self,
        channel: &str,
    ) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        let id = self.find(channel)?;
        let token = self.engine.mark_read(id).map_err(channel_error)?;
        Ok((token, Reply::Done, None))
    }

    pub(super) fn send(
        &mut self,
        channel: &str,
        text: &str,
    ) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        bounded(text, MAX_TEXT)?;
        let id = self.find(channel)?;
        let now = self.now();
        let sent = self
            .engine
            .send_text(id, text, now, &mut Randomness(&*self.rng))
            .map_err(|error| send_error(&error))?;
        let reply = Sent {
            id: sent.message.to_string(),
            channel: id.to_string(),
            state: MessageState::Stored,
            lamport: sent.lamport,
        };
        Ok((sent.token, Reply::Sent(reply), None))
    }

    pub(super) fn set_name(
        &mut self,
        name: &str,
    ) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        bounded(name, MAX_NAME_INPUT)?;
        let name = clean_name(name).ok_or_else(|| {
            ApiError::new(
                ErrorKind::Invalid,
                "that name has nothing to show",
                "use letters",
            )
        })?;
        self.home.record.name.clone_from(&name);
        self.engine.set_name(name);
        let record = self.home.record.encode_to_vec();
        Ok((self.engine.persist_node(record), Reply::Done, None))
    }

    pub(super) fn save_home(&mut self) {
        let record = self.home.record.encode_to_vec();
        self.engine.persist_node(record);
    }

    pub(super) fn info(&self, id: ChannelId) -> Result<ChannelInfo, ApiError> {
        let channel = self.engine.channel(&id).ok_or_else(no_channel)?;
        Ok(ChannelInfo {
            id: id.to_string(),
            name: say::channel_name(channel),
            kind: say::kind_word(channel.keys().kind()),
            link: self.engine.channel_link(id).map_err(channel_error)?,
        })
    }

    /// A channel by `#name`, label, id or a prefix of the id.
    pub(super) fn find(&self, text: &str) -> Result<ChannelId, ApiError> {
        bounded(text, MAX_NAME_INPUT)?;
        let hex = text.len() >= MIN_ID_PREFIX && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let lower = text.to_lowercase();
        let fits = |channel: &&Channel| {
            let named = match channel.keys().kind() {
                ChannelKind::Public => text
                    .strip_prefix('#')
                    .is_some_and(|name| channel.keys().name() == name.to_lowercase()),
                ChannelKind::Private => channel.keys().name() == text,
            };
            named || (hex && channel.id().to_string().starts_with(&lower))
        };
        let mut found = self.engine.channels().filter(fits);
        let first = found.next().ok_or_else(no_channel)?;
        if found.next().is_some() {
            return Err(ApiError::new(
                ErrorKind::Invalid,
                "more than one channel answers to that",
                "name it by its id: see `sovereign channel list`",
            ));
        }
        Ok(first.id())
    }
}
