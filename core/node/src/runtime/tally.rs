//! What is counted for people: bytes of each layer today (APP-8), links and gossip (APP-5). Counting is all
//! that is done while nobody looks.

use std::{collections::BTreeMap, time::Duration};

use sovereign_protocol::{
    id::{ChannelId, LinkId, MessageId, TransportId},
    link_kind::{Medium, Role},
};

use crate::ports::network::{Endpoint, LinkBytes, Topic};

/// Own messages whose acknowledgement is waited for, at most; the oldest is given up for a new one.
const MAX_WAITING: usize = 256;
/// Channels and topics that are counted; a node is in 64 channels, each with topics of two days.
const MAX_COUNTED: usize = 256;
const DAY_MS: u64 = 24 * 3600 * 1000;

/// A link that is up.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkTally {
    pub(super) peer: TransportId,
    pub(super) medium: Medium,
    pub(super) role: Role,
    pub(super) endpoint: Option<Endpoint>,
    /// Since when, on the boot clock.
    pub(super) since: Duration,
    pub(super) bytes: LinkBytes,
}

/// A gossip topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TopicTally {
    pub(super) received: u64,
    pub(super) published: u64,
}

/// A channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ChannelTally {
    /// Messages of others.
    pub(super) messages: u64,
    /// When the last of them came, by the wall clock.
    pub(super) last_ms: Option<u64>,
    pub(super) delivered: u64,
    pub(super) delivery: Option<Duration>,
}

/// Bytes since midnight, or since the start of the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Today {
    pub(super) since_ms: u64,
    pub(super) ip: LinkBytes,
    pub(super) ble: LinkBytes,
}

/// All counts.
#[derive(Debug, Default)]
pub(super) struct Tally {
    links: BTreeMap<LinkId, LinkTally>,
    topics: BTreeMap<Topic, TopicTally>,
    channels: BTreeMap<ChannelId, ChannelTally>,
    /// Own messages that nobody has acknowledged: since when, on the boot clock.
    waiting: BTreeMap<MessageId, Duration>,
    today: Today,
}

impl Tally {
    pub(super) fn up(&mut self, link: LinkId, tally: LinkTally) {
        self.links.insert(link, tally);
    }

    pub(super) fn down(&mut self, link: LinkId) {
        self.links.remove(&link);
    }

    pub(super) fn received(&mut self, link: LinkId, bytes: usize) {
        if let Some(link) = self.links.get_mut(&link) {
            link.bytes.received += bytes as u64;
        }
    }

    pub(super) fn sent(&mut self, link: LinkId, bytes: usize) {
        if let Some(link) = self.links.get_mut(&link) {
            link.bytes.sent += bytes as u64;
        }
    }

    pub(super) fn links_of(&self, peer: TransportId) -> impl Iterator<Item = &LinkTally> {
        self.links.values().filter(move |link| link.peer == peer)
    }

    /// Topics that are no more are forgotten.
    pub(super) fn set_topics(&mut self, topics: &[Topic]) {
        self.topics.retain(|topic, _| topics.contains(topic));
    }

    pub(super) fn gossiped(&mut self, topic: Topic) {
        if let Some(tally) = counted(&mut self.topics, topic) {
            tally.received += 1;
        }
    }

    pub(super) fn published(&mut self, topic: Topic) {
        if let Some(tally) = counted(&mut self.topics, topic) {
            tally.published += 1;
        }
    }

    pub(super) fn topic(&self, topic: &Topic) -> TopicTally {
        self.topics.get(topic).copied().unwrap_or_default()
    }

    /// A message of somebody else counts.
    pub(super) fn heard(&mut self, channel: ChannelId, wall_ms: u64) {
        if let Some(tally) = counted(&mut self.channels, channel) {
            tally.messages += 1;
            tally.last_ms = Some(wall_ms);
        }
    }

    /// An own message was written.
    pub(super) fn wrote(&mut self, message: MessageId, now: Duration) {
        if self.waiting.len() >= MAX_WAITING {
            let oldest = self.waiting.iter().min_by_key(|(_, since)| **since);
            if let Some(oldest) = oldest.map(|(message, _)| *message) {
                self.waiting.remove(&oldest);
            }
        }
        self.waiting.insert(message, now);
    }

    /// A member's node has acknowledged an own message.
    pub(super) fn delivered(&mut self, channel: ChannelId, message: &MessageId, now: Duration) {
        if let Some(since) = self.waiting.remove(message)
            && let Some(tally) = counted(&mut self.channels, channel)
        {
            tally.delivered += 1;
            tally.delivery = Some(now.saturating_sub(since));
        }
    }

    pub(super) fn channel(&self, channel: &ChannelId) -> ChannelTally {
        self.channels.get(channel).copied().unwrap_or_default()
    }

    /// A channel was left.
    pub(super) fn forget(&mut self, channel: &ChannelId) {
        self.channels.remove(channel);
    }

    /// Takes in what crossed the networks since they were last asked.
    pub(super) fn crossed(&mut self, ip: LinkBytes, ble: LinkBytes, wall_ms: u64) {
        let midnight = wall_ms - wall_ms % DAY_MS;
        if self.today.since_ms == 0 {
            self.today.since_ms = wall_ms;
        } else if self.today.since_ms < midnight {
            self.today = Today {
                since_ms: midnight,
                ..Today::default()
            };
        }
        self.today.ip += ip;
        self.today.ble += ble;
    }

    pub(super) fn today(&self) -> Today {
        self.today
    }
}

/// The count of a key, if it has one or there is room for it.
fn counted<K: Ord, V: Default>(counts: &mut BTreeMap<K, V>, key: K) -> Option<&mut V> {
    if counts.len() >= MAX_COUNTED && !counts.contains_key(&key) {
        return None;
    }
    Some(counts.entry(key).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn bytes(received: u64, sent: u64) -> LinkBytes {
        LinkBytes { received, sent }
    }

    #[test]
    fn a_day_ends_at_midnight() {
        // APP-8.
        let mut tally = Tally::default();
        let noon = 20_000 * DAY_MS + DAY_MS / 2;
        tally.crossed(bytes(1, 2), bytes(3, 4), noon);
        let midnight = 20_001 * DAY_MS;
        tally.crossed(bytes(10, 20), bytes(0, 0), midnight - 1);
        let today = Today {
            since_ms: noon,
            ip: bytes(11, 22),
            ble: bytes(3, 4),
        };
        assert_eq!(tally.today(), today);
        tally.crossed(bytes(5, 5), bytes(0, 1), midnight);
        let today = Today {
            since_ms: midnight,
            ip: bytes(5, 5),
            ble: bytes(0, 1),
        };
        assert_eq!(tally.today(), today);
        tally.crossed(bytes(1, 0), bytes(0, 0), midnight + 5);
        assert_eq!(tally.today().ip, bytes(6, 5));
    }

    #[test]
    fn deliveries_are_timed_once() {
        let mut tally = Tally::default();
        let (channel, message) = (ChannelId([1; 16]), MessageId([2; 32]));
        tally.delivered(channel, &message, 9 * S);
        assert_eq!(tally.channel(&channel), ChannelTally::default());
        tally.wrote(message, 10 * S);
        tally.delivered(channel, &message, 12 * S);
        tally.delivered(channel, &message, 20 * S);
        let counts = tally.channel(&channel);
        assert_eq!((counts.delivered, counts.delivery), (1, Some(2 * S)));
        tally.forget(&channel);
        assert_eq!(tally.channel(&channel), ChannelTally::default());
    }

    #[test]
    fn everything_is_bounded() {
        let mut tally = Tally::default();
        let id = |number: usize| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            id
        };
        for number in 0..=MAX_WAITING {
            tally.wrote(MessageId(id(number)), S * number as u32);
        }
        assert_eq!(tally.waiting.len(), MAX_WAITING);
        assert!(!tally.waiting.contains_key(&MessageId(id(0))));
        for number in 0..=MAX_COUNTED {
            tally.gossiped(id(number));
        }
        assert_eq!(tally.topics.len(), MAX_COUNTED);
        // A known one has its place.
        tally.published(id(0));
        let both = TopicTally {
            received: 1,
            published: 1,
        };
        assert_eq!(tally.topic(&id(0)), both);
        assert_eq!(tally.topic(&id(MAX_COUNTED)), TopicTally::default());
        tally.set_topics(&[id(0)]);
        assert_eq!(tally.topics.len(), 1);
    }
}
