//! Own messages that are not delivered yet, found by their bundle and by themselves.

use std::collections::BTreeMap;

use crate::id::{ChannelId, ContentId, MessageId};

/// A message is carried by one bundle at a time.
#[derive(Debug, Default)]
pub(super) struct Own {
    messages: BTreeMap<ContentId, (ChannelId, MessageId)>,
    bundles: BTreeMap<MessageId, ContentId>,
}

impl Own {
    pub(super) fn insert(&mut self, content: ContentId, channel: ChannelId, message: MessageId) {
        if let Some(before) = self.bundles.insert(message, content) {
            self.messages.remove(&before);
        }
        self.messages.insert(content, (channel, message));
    }

    pub(super) fn get(&self, content: &ContentId) -> Option<(ChannelId, MessageId)> {
        self.messages.get(content).copied()
    }

    /// The bundle is gone, or of no use any more.
    pub(super) fn remove(&mut self, content: &ContentId) {
        if let Some((_, message)) = self.messages.remove(content) {
            self.bundles.remove(&message);
        }
    }

    pub(super) fn remove_message(&mut self, message: &MessageId) {
        if let Some(content) = self.bundles.remove(message) {
            self.messages.remove(&content);
        }
    }

    pub(super) fn leave(&mut self, channel: ChannelId) {
        self.messages.retain(|_, (of, _)| *of != channel);
        self.bundles
            .retain(|_, content| self.messages.contains_key(content));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNELS: [ChannelId; 2] = [ChannelId([1; 16]), ChannelId([2; 16])];

    fn own() -> Own {
        let mut own = Own::default();
        for (number, channel) in [(1, CHANNELS[0]), (2, CHANNELS[0]), (3, CHANNELS[1])] {
            own.insert(content(number), channel, message(number));
        }
        own
    }

    fn content(number: u8) -> ContentId {
        ContentId([number; 32])
    }

    fn message(number: u8) -> MessageId {
        MessageId([number; 32])
    }

    fn left(own: &Own) -> Vec<u8> {
        assert_eq!(own.messages.len(), own.bundles.len());
        own.messages.keys().map(|content| content.0[0]).collect()
    }

    #[test]
    fn both_ways_lead_to_the_same() {
        let mut own = own();
        assert_eq!(own.get(&content(2)), Some((CHANNELS[0], message(2))));
        own.remove(&content(2));
        assert_eq!(left(&own), [1, 3]);
        own.remove_message(&message(3));
        assert_eq!(left(&own), [1]);
        own.remove_message(&message(3));
        assert_eq!(left(&own), [1]);
    }

    #[test]
    fn a_message_sealed_again_is_in_one_bundle() {
        let mut own = own();
        own.insert(content(9), CHANNELS[0], message(1));
        assert_eq!(left(&own), [2, 3, 9]);
    }

    #[test]
    fn leaving_takes_a_channel_s_messages_only() {
        let mut own = own();
        own.leave(CHANNELS[0]);
        assert_eq!(left(&own), [3]);
    }
}
