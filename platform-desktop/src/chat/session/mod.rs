//! The conversation at the prompt: what is typed, what comes in, what is shown.

use std::{collections::BTreeMap, time::Duration};

use sovereign_node::api::{
    ApiError, ChannelSummary, Command, Event, EventKind, HistoryEntry, PeerInfo, PeerState, Reply,
    Status,
};
use tokio::time::Instant;

use super::{
    slash::{self, Typed},
    ticks::Ticks,
};
use crate::{control::Service, output::Paint, show, text};

/// Messages shown when a channel is opened.
const RECALLED: u32 = 10;
/// Peers whose coming was told and whose going will be, at most.
const TOLD: usize = 1024;

/// A message on the screen counts as read after so long; at most one write for all of them.
const READ: Duration = Duration::from_secs(2);

/// What follows a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// The next line.
    More,
    /// The end.
    Quit,
}

/// A channel that is talked in.
#[derive(Debug, Clone)]
struct Current {
    id: String,
    name: String,
}

/// A conversation; `P` prints above the prompt.
pub(super) struct Session<S, P> {
    node: S,
    paint: Paint,
    print: P,
    current: Option<Current>,
    channels: Vec<ChannelSummary>,
    near: BTreeMap<String, String>,
    typed: Vec<String>,
    ticks: Ticks,
    /// When what was shown counts as read.
    read_at: Option<Instant>,
}

impl<S: Service, P: Fn(&str)> Session<S, P> {
    /// Nothing is shown before [`Session::open`].
    pub(super) fn new(node: S, paint: Paint, print: P) -> Self {
        Self {
            node,
            paint,
            print,
            current: None,
            channels: Vec::new(),
            near: BTreeMap::new(),
            typed: Vec::new(),
            ticks: Ticks::default(),
            read_at: None,
        }
    }

    /// Greets, opens a channel and shows what was said last and who is near.
    pub(super) async fn open(&mut self, status: &Status) {
        self.say(&format!(
            "Sovereign {}. You are {}, fingerprint {}.",
            env!("CARGO_PKG_VERSION"),
            self.paint.bold(&text::name(&status.name)),
            text::line(&status.fingerprint)
        ));
        for (name, layer) in &status.layers {
            if matches!(layer.state.as_str(), "off" | "failed") {
                let reason = layer.reason.as_deref().unwrap_or_default();
                let line = format!("{name} is {}. {reason}", layer.state);
                self.say(&self.paint.yellow(text::line(&line).trim()));
            }
        }
        if status.store.read_only {
            let line = "The store is damaged and open read-only: export what you need.";
            self.say(&self.paint.red(line));
        }
        self.refresh_channels().await;
        let nearby = self
            .channels
            .iter()
            .find(|channel| channel.name == "#nearby");
        let first = nearby.or(self.channels.first()).cloned();
        match first {
            Some(channel) => {
                let name = text::name(&channel.name);
                self.say(&format!(
                    "Type to talk in {name}; /help for more, Ctrl-C to leave."
                ));
                self.enter(&channel).await;
            }
            None => self.say("You are in no channel: /join #nearby, or /help."),
        }
        match self.node.call(Command::Peers).await {
            Ok(Reply::Peers(peers)) => peers.iter().for_each(|peer| self.peer(peer)),
            Ok(_) => {}
            Err(error) => self.fail(&error),
        }
        if self.near.is_empty() {
            self.say(&self.paint.dim("Nobody is near yet."));
        }
    }

    /// Marks what was seen as read.
    pub(super) async fn close(&mut self) {
        self.mark_read().await;
    }

    /// What stands before the line that is typed.
    pub(super) fn prompt(&self) -> String {
        let name = self
            .current
            .as_ref()
            .map(|current| text::name(&current.name));
        format!("{}> ", name.as_deref().unwrap_or("no channel"))
    }

    /// What Tab completes channel names with.
    pub(super) fn words(&self) -> Vec<String> {
        let names = self.channels.iter().map(|channel| channel.name.clone());
        names.filter(|name| text::line(name) == *name).collect()
    }

    /// When [`Session::tick`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.ticks.due().into_iter().chain(self.read_at).min()
    }

    /// Shows how far messages have come, and marks what was shown as read.
    pub(super) async fn tick(&mut self) {
        let now = Instant::now();
        for line in self.ticks.settle(now) {
            self.say(&self.paint.dim(&line));
        }
        if self.read_at.is_some_and(|at| at <= now) {
            self.mark_read().await;
        }
    }

    /// Does what was typed.
    pub(super) async fn line(&mut self, line: &str) -> After {
        let done = match slash::parse(line) {
            Typed::Nothing => Ok(()),
            Typed::Quit => return After::Quit,
            Typed::Help => {
                self.say(&slash::help());
                Ok(())
            }
            Typed::Wrong(why) => {
                self.say(&self.paint.yellow(&text::line(&why)));
                Ok(())
            }
            Typed::Text(text) => self.send(text).await,
            Typed::Peers => self.ask(Command::Peers).await,
            Typed::Status => self.ask(Command::Status).await,
            Typed::Doctor => self.ask(Command::Doctor).await,
            Typed::Channels => self.ask(Command::ChannelList).await,
            Typed::Name(name) => self.ask(Command::SetName { name }).await,
            Typed::History(limit) => self.recall(Some(limit)).await,
            Typed::Invite(channel) => match channel.or_else(|| self.current_id()) {
                Some(channel) => self.ask(Command::ChannelInvite { channel }).await,
                None => self.no_channel(),
            },
            Typed::Join(target) => self.join(Command::ChannelJoin { target }).await,
            Typed::Create(name) => self.join(Command::ChannelCreate { name }).await,
            Typed::Leave(channel) => self.leave(channel).await,
            Typed::Switch(name) => self.switch(&name).await,
        };
        if let Err(error) = done {
            self.fail(&error);
        }
        After::More
    }

    /// Shows what happened.
    pub(super) fn event(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Message {
                channel,
                channel_name,
                message,
            } => self.message(channel, channel_name, message),
            EventKind::MessageState { id, state, .. } => {
                self.ticks.change(id, *state, Instant::now());
            }
            EventKind::PeerDiscovered { peer } | EventKind::PeerUpdated { peer } => self.peer(peer),
            EventKind::PeerLost { transport_id } => self.gone(transport_id),
            EventKind::Warning { message, .. } => {
                self.say(&self.paint.yellow(&text::line(message)));
            }
            EventKind::Missed { count } => {
                let line = format!("({count} events were missed; /history shows the messages)");
                self.say(&self.paint.dim(&line));
            }
            EventKind::Started { .. }
            | EventKind::ListenChanged { .. }
            | EventKind::LinkUp { .. }
            | EventKind::LinkDown { .. }
            | EventKind::ChannelJoined { .. }
            | EventKind::ChannelLeft { .. }
            | EventKind::Synced { .. }
            | EventKind::Dashboard { .. }
            | EventKind::Stopping => {}
        }
    }

    fn message(&mut self, channel: &str, channel_name: &str, message: &HistoryEntry) {
        if message.own {
            if let Some(at) = self.typed.iter().position(|id| *id == message.id) {
                // It stands on the screen already, as it was typed.
                self.typed.remove(at);
                return;
            }
            self.ticks
                .follow(&message.id, &message.text, message.state, Instant::now());
        }
        let here = self
            .current
            .as_ref()
            .is_some_and(|current| current.id == channel);
        let place = if here {
            if !message.own && self.read_at.is_none() {
                self.read_at = Some(Instant::now() + READ);
            }
            String::new()
        } else {
            format!("{} ", self.paint.yellow(&text::name(channel_name)))
        };
        self.say(&format!("{place}{}", show::live(message, self.paint)));
    }

    fn peer(&mut self, peer: &PeerInfo) {
        if peer.state == PeerState::Lost {
            self.gone(&peer.transport_id);
        } else if peer.state == PeerState::Connected {
            let name = peer.name.as_deref().map_or_else(
                || format!("somebody ({})", show::short_peer(&peer.transport_id)),
                text::name,
            );
            let known = self.near.get(&peer.transport_id);
            if known == Some(&name) || (known.is_none() && self.near.len() >= TOLD) {
                return;
            }
            let line = match known {
                Some(before) => format!("* {before} is {name}"),
                None => format!("+ {name} is near ({})", show::link(peer.link)),
            };
            self.say(&self.paint.green(&line));
            self.near.insert(peer.transport_id.clone(), name);
        }
    }

    fn gone(&mut self, transport_id: &str) {
        if let Some(name) = self.near.remove(transport_id) {
            self.say(&self.paint.dim(&format!("- {name} has gone")));
        }
    }

    async fn send(&mut self, text: String) -> Result<(), ApiError> {
        let Some(channel) = self.current_id() else {
            return self.no_channel();
        };
        let command = Command::Send {
            channel,
            text: text.clone(),
        };
        if let Reply::Sent(sent) = self.node.call(command).await? {
            self.ticks
                .follow(&sent.id, &text, sent.state, Instant::now());
            self.typed.push(sent.id);
        }
        Ok(())
    }

    async fn ask(&mut self, command: Command) -> Result<(), ApiError> {
        let shown = match self.node.call(command).await? {
            Reply::Done => "Done.".to_owned(),
            Reply::Peers(peers) => show::peers(&peers, self.paint),
            Reply::Status(status) => show::status(&status, self.paint),
            Reply::Doctor(checks) => show::doctor(&checks, self.paint),
            Reply::Channels(channels) => show::channels(&channels, self.paint),
            Reply::Channel(channel) => text::line(&channel.link),
            _ => return Ok(()),
        };
        self.say(&shown);
        Ok(())
    }

    async fn join(&mut self, command: Command) -> Result<(), ApiError> {
        let Reply::Channel(channel) = self.node.call(command).await? else {
            return Ok(());
        };
        let link = text::line(&channel.link);
        self.say(&self.paint.dim(&format!("Others join with: {link}")));
        self.refresh_channels().await;
        let joined = self
            .channels
            .iter()
            .find(|known| known.id == channel.id)
            .cloned();
        if let Some(joined) = joined {
            self.enter(&joined).await;
        }
        Ok(())
    }

    async fn leave(&mut self, channel: String) -> Result<(), ApiError> {
        self.ask(Command::ChannelLeave { channel }).await?;
        self.refresh_channels().await;
        let gone = self
            .current
            .as_ref()
            .is_some_and(|current| self.channels.iter().all(|known| known.id != current.id));
        if gone {
            self.current = None;
            if let Some(next) = self.channels.first().cloned() {
                self.enter(&next).await;
            }
        }
        Ok(())
    }

    async fn switch(&mut self, name: &str) -> Result<(), ApiError> {
        self.refresh_channels().await;
        let bare = name.trim_start_matches('#');
        let exact = |channel: &&ChannelSummary| channel.name == name || channel.id == name;
        let loose = |channel: &&ChannelSummary| {
            channel.name.trim_start_matches('#') == bare
                || (name.len() >= 8 && channel.id.starts_with(name))
        };
        let found = self
            .channels
            .iter()
            .find(exact)
            .or_else(|| self.channels.iter().find(loose));
        match found.cloned() {
            Some(channel) => self.enter(&channel).await,
            None => {
                let line = format!(
                    "You are not in {}. /channels lists yours.",
                    text::name(name)
                );
                self.say(&self.paint.yellow(&line));
            }
        }
        Ok(())
    }

    async fn enter(&mut self, channel: &ChannelSummary) {
        self.current = Some(Current {
            id: channel.id.clone(),
            name: channel.name.clone(),
        });
        if let Err(error) = self.recall(None).await {
            self.fail(&error);
        }
        self.mark_read().await;
    }

    /// Shows the last messages; without a number, quietly when there are none.
    async fn recall(&mut self, limit: Option<u32>) -> Result<(), ApiError> {
        let Some(channel) = self.current_id() else {
            return self.no_channel();
        };
        let command = Command::History {
            channel,
            limit: Some(limit.unwrap_or(RECALLED)),
            since: None,
            before: None,
        };
        if let Reply::History(entries) = self.node.call(command).await? {
            if !entries.is_empty() {
                self.say(&show::history(&entries, self.paint));
            } else if limit.is_some() {
                self.say("Nothing has been said here yet.");
            }
        }
        Ok(())
    }

    async fn mark_read(&mut self) {
        self.read_at = None;
        if let Some(channel) = self.current_id() {
            // The count of unread messages is not worth a word when it cannot be kept.
            let _ = self.node.call(Command::ChannelRead { channel }).await;
        }
    }

    async fn refresh_channels(&mut self) {
        match self.node.call(Command::ChannelList).await {
            Ok(Reply::Channels(channels)) => self.channels = channels,
            Ok(_) => {}
            Err(error) => self.fail(&error),
        }
    }

    fn current_id(&self) -> Option<String> {
        self.current.as_ref().map(|current| current.id.clone())
    }

    fn no_channel(&self) -> Result<(), ApiError> {
        self.say(&self.paint.yellow("You are in no channel: /join #nearby."));
        Ok(())
    }

    fn fail(&self, error: &ApiError) {
        let line = format!(
            "{} ({})",
            text::line(&error.message),
            text::line(&error.hint)
        );
        self.say(&self.paint.red(&line));
    }

    fn say(&self, text: &str) {
        (self.print)(text);
    }
}

#[cfg(test)]
mod tests;
