//! A joined channel: its keys, its log, its names, and what waits to be acknowledged.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::{
    channel::keys::ChannelKeys,
    id::{ChannelId, LinkId, MessageId},
    identity::{Identity, Signer},
    log::{ChannelLog, NameBook, OrderKey},
    message::envelope::Kind,
};

/// A joined channel.
#[derive(Debug)]
pub struct Channel {
    /// Its keys.
    pub(super) keys: ChannelKeys,
    /// Its messages.
    pub(super) log: ChannelLog,
    /// Names of its authors.
    pub(super) names: NameBook,
    /// Signs this node's messages here.
    pub(super) signer: Signer,
    /// Place of the last message that was read.
    pub(super) read: Option<OrderKey>,
    /// The name that this node's last message here carried or inherited.
    pub(super) told_name: Option<String>,
    /// When a receipt is due, on the boot clock; `None` if nothing waits for one.
    pub(super) receipt_due: Option<Duration>,
    /// The messages that wait for it, and the links that brought them.
    pub(super) receipt_for: BTreeMap<MessageId, Option<LinkId>>,
    /// When the channel was joined, on the life clock.
    pub(super) joined: Duration,
    /// Whether carried bundles are still to be tried with its keys.
    pub(super) searching: bool,
    /// Whether its record is known to be on the disk.
    pub(super) stored: bool,
}

impl Channel {
    pub(super) fn new(keys: ChannelKeys, identity: &Identity, joined: Duration) -> Self {
        let signer = keys.signer(identity);
        Self {
            log: ChannelLog::new(signer.author()),
            names: NameBook::default(),
            signer,
            keys,
            read: None,
            told_name: None,
            receipt_due: None,
            receipt_for: BTreeMap::new(),
            joined,
            searching: false,
            stored: false,
        }
    }

    /// Whether a message is here, somebody else's, and nobody is known to have acknowledged it.
    pub(super) fn awaits_acknowledgement(&self, message: &MessageId) -> bool {
        let known = self.log.get(message);
        known.is_some_and(|known| known.author != self.log.own() && known.kind != Kind::Receipt)
            && !self.log.acknowledged(message)
    }

    /// The member at the end of a link has been told of everything: no receipt for what it brought.
    pub(super) fn told(&mut self, link: LinkId) {
        self.receipt_for.retain(|_, brought| *brought != Some(link));
        if self.receipt_for.is_empty() {
            self.receipt_due = None;
        }
    }

    /// Whoever writes has acknowledged by it.
    pub(super) fn no_receipt(&mut self) {
        self.receipt_due = None;
        self.receipt_for.clear();
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> ChannelId {
        self.keys.id()
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> &ChannelKeys {
        &self.keys
    }

    /// Its messages.
    #[must_use]
    pub fn log(&self) -> &ChannelLog {
        &self.log
    }

    /// Names of its authors.
    #[must_use]
    pub fn names(&self) -> &NameBook {
        &self.names
    }

    /// Texts of others that were not read.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.log.unread_after(self.read)
    }

    /// The newest `limit` texts after `since`, oldest first.
    #[must_use]
    pub fn history(&self, limit: usize, since: Option<&MessageId>) -> Vec<MessageId> {
        self.log.history(limit, since)
    }
}
