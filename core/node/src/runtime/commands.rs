//! Commands and their answers. An answer to a change is given when the change is durable.

use std::path::{Path, PathBuf};

use sovereign_protocol::{
    engine::{ChannelError, PersistOutcome, SendError, Token},
    id::{ChannelId, MessageId, TransportId},
};
use tokio::sync::oneshot;

use super::{driver::Driver, say};
use crate::{
    api::{ApiError, Command, ErrorKind, EventKind, MAX_NAME_INPUT, MAX_PATH, Reply},
    node::Request,
    ports::{lan::Lan, network::Network},
};

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
    /// Waits for a peer.
    Ping {
        answer: Answer,
        peer: TransportId,
    },
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
            Command::Status => {
                let wall_ms = self.now().wall_ms;
                self.nets.count_crossed(wall_ms);
                Ok(Reply::Status(Box::new(self.status())))
            }
            Command::Peers => {
                let now = self.now();
                let mut peers: Vec<_> = self.engine.peers(now).iter().map(say::peer_info).collect();
                let neighbours = self.engine.neighbours(now);
                let unlinked = neighbours.iter().filter(|known| known.peer.is_none());
                peers.extend(unlinked.map(say::neighbour_info));
                for (rank, peer) in (1..).zip(&mut peers) {
                    peer.rank = rank;
                }
                Ok(Reply::Peers(peers))
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
                before,
            } => {
                return self.history(answer, &channel, limit, since.as_deref(), before.as_deref());
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
            Command::Panel => Ok(Reply::Panel(Box::new(self.panel()))),
            Command::Ping { peer } => return self.ping(answer, &peer),
            Command::Reconnect { peer } => self.reconnect(&peer),
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
}

pub(super) fn bounded(text: &str, most: usize) -> Result<(), ApiError> {
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

pub(super) fn path_of(text: &str) -> Result<PathBuf, ApiError> {
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

pub(super) fn no_channel() -> ApiError {
    ApiError::new(
        ErrorKind::NotFound,
        "no such channel",
        "see `sovereign channel list`",
    )
}

pub(super) fn read_only(why: &str) -> ApiError {
    ApiError::new(
        ErrorKind::ReadOnly,
        format!("the store is open read-only: {why}"),
        "export what you need, then restore a backup into an empty directory",
    )
}

pub(super) fn channel_error(error: ChannelError) -> ApiError {
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

pub(super) fn send_error(error: &SendError) -> ApiError {
    let (kind, hint) = match error {
        SendError::Unknown => (ErrorKind::NotFound, "see `sovereign channel list`"),
        SendError::Text => (ErrorKind::Invalid, "shorten it, or send it in parts"),
        SendError::Store { full: true } => {
            (ErrorKind::DiskFull, "make room on the disk, then try again")
        }
        SendError::Store { full: false } => (ErrorKind::Io, "see the log and `sovereign doctor`"),
        SendError::NoRoom => (
            ErrorKind::DiskFull,
            "raise store.cap_mib in the configuration",
        ),
        SendError::Envelope(_) => (ErrorKind::TooLarge, "create a new channel"),
    };
    ApiError::new(kind, error.to_string(), hint)
}
