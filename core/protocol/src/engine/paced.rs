//! Own texts that wait for their turn (`policy::pace`): they are durable and shown, and neighbours are not told of
//! them yet, neither as news nor in a comparison. Leaving a channel changes nothing in that. After a restart nothing
//! waits: what was held back is told then.

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use super::{Engine, receive::Opened};
use crate::{
    id::{ChannelId, ContentId},
    message::envelope::Kind,
    policy::pace::HEARD_FOR,
    time::Now,
};

/// In the order of writing.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    queue: VecDeque<(ChannelId, ContentId)>,
    ids: BTreeSet<ContentId>,
}

impl Waiting {
    pub(super) fn contains(&self, content: &ContentId) -> bool {
        self.ids.contains(content)
    }

    fn push(&mut self, channel: ChannelId, content: ContentId) {
        if self.ids.insert(content) {
            self.queue.push_back((channel, content));
        }
    }

    fn pop(&mut self) -> Option<(ChannelId, ContentId)> {
        let (channel, content) = self.queue.pop_front()?;
        self.ids.remove(&content);
        Some((channel, content))
    }
}

impl Engine {
    /// Whether an own text waits for its turn; it is offered later then.
    pub(super) fn waits(&mut self, channel: ChannelId, content: ContentId, now: Now) -> bool {
        if !self.config.paced || !self.has_slow_link() {
            return false;
        }
        let size = self.shelf.get(&content).map_or(0, |meta| meta.size);
        if self.waiting.queue.is_empty() && self.pace.take(size, now.boot) {
            return false;
        }
        self.waiting.push(channel, content);
        true
    }

    /// Offers what waited long enough; all of it once no slow link is left.
    pub(super) fn offer_paced(&mut self, now: Now) {
        while let Some((_, content)) = self.waiting.queue.front() {
            let size = self.shelf.get(content).map_or(0, |meta| meta.size);
            if self.has_slow_link() && !self.pace.take(size, now.boot) {
                return;
            }
            if let Some((channel, content)) = self.waiting.pop() {
                self.offer(content, None, Some(channel), now);
            }
        }
    }

    /// When the next one may be offered, on the boot clock.
    pub(super) fn next_paced(&self) -> Option<Duration> {
        let (_, content) = self.waiting.queue.front()?;
        let size = self.shelf.get(content).map_or(0, |meta| meta.size);
        Some(self.pace.ready_at(size))
    }

    /// A bundle came: what it says of how much others write now. What is old tells nothing of that.
    pub(super) fn hear_load(&mut self, content: &ContentId, opened: Option<&Opened>, now: Now) {
        let life = self.clock.life();
        let Some(meta) = self.shelf.get(content) else {
            return;
        };
        if meta.age_now(life) >= HEARD_FOR {
            return;
        }
        match opened {
            None => self.pace.carried(meta.size, now.boot),
            Some(opened) if opened.envelope.kind == Kind::Text => {
                self.pace.heard(opened.envelope.author, now.boot);
            }
            Some(_) => {}
        }
    }

    fn has_slow_link(&self) -> bool {
        self.links.values().any(|link| link.ends.medium.is_slow())
    }
}
