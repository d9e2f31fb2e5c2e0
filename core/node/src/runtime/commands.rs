//! Commands and their answers. An answer to a change is given when the change is durable.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use prost::Message as _;
use sovereign_protocol::{
    channel::keys::ChannelKind,
    engine::{Channel, ChannelError, PersistOutcome, SendError, Taken, Token},
    id::{ChannelId, MessageId, TransportId},
    message::text::clean_name,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    archive_file::{self, IMPORT_QUEUE, Imported, Item},
    driver::{Driver, Randomness},
    keeper::Job,
    say,
};
use crate::{
    api::{
        ApiError, ChannelInfo, Command, ErrorKind, EventKind, Exported, IdentityInfo, LayerStatus,
        MAX_NAME_INPUT, MAX_PATH, MAX_TEXT, MessageState, Reply, Sent, Status, StoreStatus,
    },
    node::Request,
    ports::{lan::Lan, network::Network},
};

/// Messages that one history answers with at most.
const MAX_HISTORY: usize = 10_000;
/// Messages that one history answers with unless told otherwise.
const HISTORY: usize = 100;
/// Digits that a channel id may be shortened to.
const MIN_ID_PREFIX: usize = 8;

pub(super) type Answer = oneshot::Sender<Result<Reply, ApiError>>;

/// Waits for a batch of writes.
pub(super) struct Waiter {
    pub(super) answer: Answer,
    pub(super) reply: Reply,
    pub(super) event: Option<EventKind>,
}

/// Waits for the store's answer to a question.
pub(super) enum Query {
    History {
        answer: Answer,
        channel: ChannelId,
        order: Vec<MessageId>,
    },
    Tell {
        channel: ChannelId,
    },
    Export {
        answer: Answer,
    },
}

/// An import under way; one at a time.
pub(super) struct ImportUnderWay {
    pub(super) records: mpsc::Receiver<Imported>,
    path: PathBuf,
    answer: Answer,
    counts: crate::api::Imported,
    writing: BTreeSet<Token>,
    /// The file's end has been read.
    end: Option<Result<(), ApiError>>,
}

impl ImportUnderWay {
    /// Bundles on their way to the disk at most: the file is read no faster than it is stored.
    const MAX_WRITING: usize = 256;

    pub(super) fn may_read(&self) -> bool {
        self.end.is_none() && self.writing.len() < Self::MAX_WRITING
    }
}

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn request(&mut self, request: Request) {
        let Request { command, answer } = request;
        if let Some(result) = self.command(command, answer) {
            let (answer, result) = result;
            // Whoever asked may have gone.
            let _ = answer.send(result);
        }
        self.after_command();
    }

    /// `None` when the answer will be given later.
    fn command(
        &mut self,
        command: Command,
        answer: Answer,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        let result = match command {
            Command::Status => Ok(Reply::Status(Box::new(self.status()))),
            Command::Peers => {
                let now = self.now();
                Ok(Reply::Peers(
                    self.engine.peers(now).iter().map(say::peer_info).collect(),
                ))
            }
            Command::ChannelCreate { name } => {
                return self.change(answer, |driver| driver.create(&name));
            }
            Command::ChannelJoin { target } => {
                return self.change(answer, |driver| driver.join(&target));
            }
            Command::ChannelLeave { channel } => {
                return self.change(answer, |driver| driver.leave(&channel));
            }
            Command::ChannelRead { channel } => {
                return self.change(answer, |driver| driver.mark_read(&channel));
            }
            Command::ChannelList => Ok(Reply::Channels(
                self.engine.channels().map(say::channel_summary).collect(),
            )),
            Command::ChannelInvite { channel } => self
                .find(&channel)
                .and_then(|id| self.info(id))
                .map(Reply::Channel),
            Command::Send { channel, text } => {
                return self.change(answer, |driver| driver.send(&channel, &text));
            }
            Command::History {
                channel,
                limit,
                since,
            } => {
                return self.history(answer, &channel, limit, since.as_deref());
            }
            Command::Export { path, channel } => {
                return self.export(answer, &path, channel.as_deref());
            }
            Command::Import { path } => return self.import(answer, &path),
            Command::IdShow => Ok(Reply::Identity(self.identity())),
            Command::IdBackup { path, passphrase } => {
                return self.backup(answer, &path, passphrase);
            }
            Command::IdWipe => {
                self.stopping = true;
                crate::wipe::wipe(&self.config.data).map(|()| Reply::Done)
            }
            Command::SetName { name } => {
                return self.change(answer, |driver| driver.set_name(&name));
            }
            Command::Doctor => Ok(Reply::Doctor(self.doctor())),
            Command::Dial { address } => self.dial(&address),
            Command::Shutdown => {
                self.stopping = true;
                Ok(Reply::Done)
            }
        };
        Some((answer, result))
    }

    /// Answers when the change's writes are durable.
    fn change(
        &mut self,
        answer: Answer,
        change: impl FnOnce(&mut Self) -> Result<(Token, Reply, Option<EventKind>), ApiError>,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        if let Some(why) = &self.read_only {
            return Some((answer, Err(read_only(why))));
        }
        match change(self) {
            Ok((token, reply, event)) => {
                self.waiting.insert(
                    token,
                    Waiter {
                        answer,
                        reply,
                        event,
                    },
                );
                None
            }
            Err(error) => Some((answer, Err(error))),
        }
    }

    /// A batch of writes is durable or refused.
    pub(super) fn durable(&mut self, token: Token, outcome: PersistOutcome) {
        if let Some(waiter) = self.waiting.remove(&token) {
            let result = match outcome {
                PersistOutcome::Durable => Ok(waiter.reply),
                PersistOutcome::Full => Err(ApiError::new(
                    ErrorKind::DiskFull,
                    "the disk is full: nothing was stored",
                    "make room on the disk, then try again",
                )),
                PersistOutcome::Failed => Err(ApiError::new(
                    ErrorKind::Io,
                    "the store refused the write",
                    "see the log and `sovereign doctor`",
                )),
            };
            if let (Ok(_), Some(event)) = (&result, waiter.event) {
                self.emit(event);
            }
            // Whoever asked may have gone.
            let _ = waiter.answer.send(result);
        }
        if let Some(import) = &mut self.import
            && import.writing.remove(&token)
        {
            match outcome {
                PersistOutcome::Durable => import.counts.new += 1,
                _ => import.counts.declined += 1,
            }
            self.finish_import();
        }
    }

    fn create(&mut self, name: &str) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        bounded(name, MAX_NAME_INPUT)?;
        let now = self.now();
        let (id, token) = self
            .engine
            .create_channel(name, now, &mut Randomness(&*self.rng))
            .map_err(channel_error)?;
        self.joined(id, token)
    }

    fn join(&mut self, target: &str) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        bounded(target, MAX_NAME_INPUT)?;
        let now = self.now();
        let (id, token) = self
            .engine
            .join_channel(target, now)
            .map_err(channel_error)?;
        self.joined(id, token)
    }

    fn joined(
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

    fn leave(&mut self, channel: &str) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        let id = self.find(channel)?;
        let token = self.engine.leave_channel(id).map_err(channel_error)?;
        Ok((
            token,
            Reply::Done,
            Some(EventKind::ChannelLeft { id: id.to_string() }),
        ))
    }

    fn mark_read(&mut self, channel: &str) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
        let id = self.find(channel)?;
        let token = self.engine.mark_read(id).map_err(channel_error)?;
        Ok((token, Reply::Done, None))
    }

    fn send(
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

    fn set_name(&mut self, name: &str) -> Result<(Token, Reply, Option<EventKind>), ApiError> {
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

    fn info(&self, id: ChannelId) -> Result<ChannelInfo, ApiError> {
        let channel = self.engine.channel(&id).ok_or_else(no_channel)?;
        Ok(ChannelInfo {
            id: id.to_string(),
            name: say::channel_name(channel),
            kind: say::kind_word(channel.keys().kind()),
            link: self.engine.channel_link(id).map_err(channel_error)?,
        })
    }

    /// A channel by `#name`, label, id or a prefix of the id.
    fn find(&self, text: &str) -> Result<ChannelId, ApiError> {
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

    fn history(
        &mut self,
        answer: Answer,
        channel: &str,
        limit: Option<u32>,
        since: Option<&str>,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        let limit = limit
            .map_or(HISTORY, |limit| limit as usize)
            .min(MAX_HISTORY);
        let found = self.find(channel).and_then(|id| {
            let since: Option<MessageId> = since.map(str::parse).transpose().map_err(|_| {
                ApiError::new(
                    ErrorKind::Invalid,
                    "that is no message id",
                    "message ids have 64 hex digits",
                )
            })?;
            let channel = self.engine.channel(&id).ok_or_else(no_channel)?;
            if let Some(since) = &since
                && !channel.log().contains(since)
            {
                return Err(ApiError::new(
                    ErrorKind::NotFound,
                    "no such message",
                    "see `sovereign history`",
                ));
            }
            Ok((id, channel.history(limit, since.as_ref())))
        });
        match found {
            Ok((channel, order)) => {
                self.read_messages(
                    order.clone(),
                    Query::History {
                        answer,
                        channel,
                        order,
                    },
                );
                None
            }
            Err(error) => Some((answer, Err(error))),
        }
    }

    pub(super) fn read_messages(&mut self, ids: Vec<MessageId>, query: Query) {
        let number = self.ask(query);
        if self
            .keeper
            .submit(Job::Messages { query: number, ids })
            .is_err()
        {
            self.give_up(number);
        }
    }

    fn ask(&mut self, query: Query) -> u64 {
        let number = self.next_query;
        self.next_query += 1;
        self.queries.insert(number, query);
        number
    }

    fn give_up(&mut self, number: u64) {
        if let Some(Query::History { answer, .. } | Query::Export { answer }) =
            self.queries.remove(&number)
        {
            let busy = ApiError::new(
                ErrorKind::Busy,
                "the store is busy",
                "try again in a moment",
            );
            // Whoever asked may have gone.
            let _ = answer.send(Err(busy));
        }
    }

    pub(super) fn messages_read(&mut self, query: u64, records: Vec<(MessageId, Vec<u8>)>) {
        match self.queries.remove(&query) {
            Some(Query::History {
                answer,
                channel,
                order,
            }) => {
                let reply = match self.engine.channel(&channel) {
                    Some(channel) => {
                        let records: BTreeMap<MessageId, Vec<u8>> = records.into_iter().collect();
                        let entries = order.into_iter().filter_map(|id| {
                            records.get(&id).and_then(|record| {
                                say::history_entry(&self.engine, channel, id, record)
                            })
                        });
                        Ok(Reply::History(entries.collect()))
                    }
                    None => Err(no_channel()),
                };
                // Whoever asked may have gone.
                let _ = answer.send(reply);
            }
            Some(Query::Tell { channel }) => {
                let Some(known) = self.engine.channel(&channel) else {
                    return;
                };
                let name = say::channel_name(known);
                let entries: Vec<_> = records
                    .into_iter()
                    .filter_map(|(id, record)| say::history_entry(&self.engine, known, id, &record))
                    .collect();
                for message in entries {
                    self.emit(EventKind::Message {
                        channel: channel.to_string(),
                        channel_name: name.clone(),
                        message,
                    });
                }
            }
            Some(Query::Export { .. }) | None => {}
        }
    }

    fn export(
        &mut self,
        answer: Answer,
        path: &str,
        channel: Option<&str>,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        let items = path_of(path).and_then(|path| {
            let only = channel.map(|channel| self.find(channel)).transpose()?;
            let life = self.engine.life();
            let wanted = |message: Option<MessageId>| match only
                .and_then(|id| self.engine.channel(&id))
            {
                None => true,
                Some(channel) => message.is_some_and(|message| channel.log().contains(&message)),
            };
            let items = self
                .engine
                .shelf()
                .iter()
                .filter(|(_, meta)| wanted(meta.message))
                .map(|(content, meta)| Item {
                    content: *content,
                    age_s: say::seconds(meta.age_now(life)),
                    lifetime_s: say::seconds(meta.lifetime),
                });
            Ok((path, items.collect::<Vec<Item>>()))
        });
        match items {
            Ok((path, items)) => {
                let query = self.ask(Query::Export { answer });
                if self
                    .keeper
                    .submit(Job::Export { path, items, query })
                    .is_err()
                {
                    self.give_up(query);
                }
                None
            }
            Err(error) => Some((answer, Err(error))),
        }
    }

    pub(super) fn exported(&mut self, query: u64, result: Result<Exported, ApiError>) {
        if let Some(Query::Export { answer }) = self.queries.remove(&query) {
            // Whoever asked may have gone.
            let _ = answer.send(result.map(Reply::Exported));
        }
    }

    fn import(&mut self, answer: Answer, path: &str) -> Option<(Answer, Result<Reply, ApiError>)> {
        if let Some(why) = &self.read_only {
            return Some((answer, Err(read_only(why))));
        }
        if self.import.is_some() {
            let busy = ApiError::new(
                ErrorKind::Busy,
                "another import is under way",
                "wait for it to end",
            );
            return Some((answer, Err(busy)));
        }
        let path = match path_of(path) {
            Ok(path) => path,
            Err(error) => return Some((answer, Err(error))),
        };
        let (out, records) = mpsc::channel(IMPORT_QUEUE);
        let file = path.clone();
        tokio::task::spawn_blocking(move || archive_file::read(&file, &out));
        self.import = Some(ImportUnderWay {
            records,
            path,
            answer,
            counts: crate::api::Imported {
                bundles: 0,
                new: 0,
                known: 0,
                declined: 0,
            },
            writing: BTreeSet::new(),
            end: None,
        });
        None
    }

    pub(super) fn imported(&mut self, record: Option<Imported>) {
        let now = self.now();
        let Some(import) = &mut self.import else {
            return;
        };
        match record {
            Some(Imported::Record(record)) => {
                import.counts.bundles += 1;
                match self.engine.import(
                    record.bundle.as_bytes().clone(),
                    record.age_s,
                    record.lifetime_s,
                    now,
                ) {
                    Taken::New(token) => {
                        import.writing.insert(token);
                    }
                    Taken::Known => import.counts.known += 1,
                    Taken::Declined => import.counts.declined += 1,
                }
            }
            Some(Imported::End(end)) => import.end = Some(end),
            None => {
                let lost = ApiError::new(
                    ErrorKind::Internal,
                    format!("reading {} stopped", import.path.display()),
                    "try again",
                );
                import.end.get_or_insert(Err(lost));
            }
        }
        self.after_command();
        self.finish_import();
    }

    fn finish_import(&mut self) {
        if self
            .import
            .as_ref()
            .is_some_and(|import| import.end.is_some() && import.writing.is_empty())
            && let Some(import) = self.import.take()
        {
            let result = import
                .end
                .unwrap_or(Ok(()))
                .map(|()| Reply::Imported(import.counts));
            // Whoever asked may have gone.
            let _ = import.answer.send(result);
        }
    }

    fn backup(
        &mut self,
        answer: Answer,
        path: &str,
        passphrase: String,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        match path_of(path) {
            Ok(path) => {
                let store = std::sync::Arc::clone(&self.store);
                // The passphrase's key derivation takes a second of work: off the loop with it.
                tokio::task::spawn_blocking(move || {
                    let result = crate::backup::Backup::collect(&*store)
                        .and_then(|backup| crate::backup::seal(&backup, &passphrase))
                        .and_then(|sealed| crate::backup::write_file(&path, &sealed))
                        .map(|()| Reply::Done);
                    let _ = answer.send(result);
                });
                None
            }
            Err(error) => Some((answer, Err(error))),
        }
    }

    fn dial(&mut self, address: &str) -> Result<Reply, ApiError> {
        bounded(address, MAX_NAME_INPUT)?;
        let wrong = |what: &str| {
            ApiError::new(
                ErrorKind::Invalid,
                what,
                "an address looks like /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…",
            )
        };
        let (at, peer) = address
            .rsplit_once("/p2p/")
            .ok_or_else(|| wrong("the address does not end in /p2p/ and a PeerId"))?;
        let peer: TransportId = peer.parse().map_err(|_| wrong("that is no PeerId"))?;
        let endpoint =
            crate::adapters::p2p::parse_dial(at).map_err(|error| wrong(&error.to_string()))?;
        self.nets.dial_at(peer, endpoint);
        Ok(Reply::Done)
    }

    pub(super) fn identity(&self) -> IdentityInfo {
        let identity = self.engine.identity().public();
        let mesh = identity.mesh_id();
        IdentityInfo {
            name: self.engine.name().to_owned(),
            identity: identity.to_string(),
            mesh_id: mesh.to_string(),
            fingerprint: mesh.fingerprint(),
            transport_id: self.key.id().to_string(),
        }
    }

    fn status(&self) -> Status {
        let identity = self.identity();
        let peers = self.engine.linked_peers() as u64;
        let shelf = self.engine.shelf().stats();
        let messages = self
            .engine
            .channels()
            .map(|channel| channel.log().len() as u64)
            .sum();
        let network = match (peers, self.interfaces) {
            (1.., _) => "local",
            (0, Some(0)) => "offline",
            _ => "searching",
        };
        Status {
            name: identity.name,
            identity: identity.identity,
            mesh_id: identity.mesh_id,
            fingerprint: identity.fingerprint,
            transport_id: identity.transport_id,
            mode: "ephemeral".to_owned(),
            network: network.to_owned(),
            listen: self.listen_addresses(),
            uptime_s: self.now().boot.saturating_sub(self.started).as_secs(),
            peers,
            channels: self.engine.channels().count() as u64,
            store: StoreStatus {
                messages,
                bundles: shelf.bundles,
                carried_bundles: shelf.carried_bundles,
                // Contacts' and strangers'.
                carried_bytes: shelf.bytes_by_kind[2..].iter().sum(),
                bytes: self.store.stats().disk_bytes,
                read_only: self.read_only.is_some(),
            },
            layers: self.layers(),
            counters: self
                .engine
                .counters()
                .iter()
                .map(|(word, count)| (word.to_owned(), count))
                .collect(),
        }
    }

    pub(super) fn layers(&self) -> BTreeMap<String, LayerStatus> {
        let layer = |state: &str, reason: Option<&str>| LayerStatus {
            state: state.to_owned(),
            reason: reason.map(str::to_owned),
        };
        let mdns = match (&self.lan, &self.lan_state) {
            (None, Ok(())) => layer("off", Some("switched off in the configuration")),
            (_, Err(reason)) => layer("failed", Some(reason)),
            (Some(_), Ok(())) => layer("on", None),
        };
        let absent = || layer("unavailable", Some("not in this version"));
        BTreeMap::from([
            ("mdns".to_owned(), mdns),
            ("ble".to_owned(), absent()),
            ("dht".to_owned(), absent()),
        ])
    }
}

fn bounded(text: &str, most: usize) -> Result<(), ApiError> {
    if text.is_empty() {
        return Err(ApiError::new(
            ErrorKind::Invalid,
            "that is empty",
            "write something",
        ));
    }
    if text.len() > most {
        return Err(ApiError::new(
            ErrorKind::TooLarge,
            format!("that has {} bytes, at most {most} are taken", text.len()),
            "make it shorter",
        ));
    }
    Ok(())
}

fn path_of(text: &str) -> Result<PathBuf, ApiError> {
    bounded(text, MAX_PATH)?;
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err(ApiError::new(
            ErrorKind::Invalid,
            "the path is not absolute",
            "give the whole path",
        ));
    }
    Ok(path.to_owned())
}

fn no_channel() -> ApiError {
    ApiError::new(
        ErrorKind::NotFound,
        "no such channel",
        "see `sovereign channel list`",
    )
}

fn read_only(why: &str) -> ApiError {
    ApiError::new(
        ErrorKind::ReadOnly,
        format!("the store is open read-only: {why}"),
        "export what you need, then restore a backup into an empty directory",
    )
}

fn channel_error(error: ChannelError) -> ApiError {
    let (kind, hint) = match &error {
        ChannelError::Name(_) => (
            ErrorKind::Invalid,
            "a name has 1 to 64 bytes and no spaces in a public channel",
        ),
        ChannelError::Link => (
            ErrorKind::Invalid,
            "paste the whole link, or write #name for a public channel",
        ),
        ChannelError::Full => (ErrorKind::TooLarge, "leave a channel first"),
        ChannelError::Joined(_) => (ErrorKind::Exists, "see `sovereign channel list`"),
        ChannelError::Unknown => (ErrorKind::NotFound, "see `sovereign channel list`"),
    };
    ApiError::new(kind, error.to_string(), hint)
}

fn send_error(error: &SendError) -> ApiError {
    let (kind, hint) = match error {
        SendError::Unknown => (ErrorKind::NotFound, "see `sovereign channel list`"),
        SendError::Text => (ErrorKind::Invalid, "shorten it, or send it in parts"),
        SendError::Store => (ErrorKind::DiskFull, "make room on the disk, then try again"),
        SendError::NoRoom => (
            ErrorKind::DiskFull,
            "raise store.cap_mib in the configuration",
        ),
        SendError::Envelope(_) => (ErrorKind::TooLarge, "create a new channel"),
    };
    ApiError::new(kind, error.to_string(), hint)
}
