//! Gossipsub with the parameters of decision 10: the fast path among members on wide links.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use libp2p::{
    PeerId,
    gossipsub::{
        Behaviour, ConfigBuilder, IdentTopic, MaxCountSubscriptionFilter, Message,
        MessageAcceptance, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds,
        TopicHash, TopicScoreParams, TopicSubscriptionFilter, ValidationMode,
    },
};
use sha2::{Digest, Sha256};

use super::P2pError;
use crate::ports::network::{Topic, Verdict};

/// Largest message on the wire: a bundle of 16 KiB, its header, and the topic's name.
const MAX_MESSAGE: usize = 17 * 1024;
/// Topics that one peer may be in: 64 channels, two days each (decision 10).
const MAX_TOPICS: usize = 128;
/// Length of a topic's name, the hex form of 32 bytes.
const TOPIC_TEXT: usize = 64;
/// Messages in one transmission, and control entries.
const MAX_PER_TRANSMISSION: usize = 64;
/// Transmissions that wait for one peer.
const PEER_QUEUE: usize = 256;
/// Messages that wait for a verdict; beyond it the oldest is ignored.
const MAX_UNJUDGED: usize = 512;

/// The behaviour, with its bound on what a peer may subscribe to.
pub(super) type Gossipsub =
    Behaviour<libp2p::gossipsub::IdentityTransform, MaxCountSubscriptionFilter<OurTopics>>;

/// Only names of our topics' length: a name is free to choose, and is kept.
#[derive(Debug, Clone)]
pub(super) struct OurTopics;

impl TopicSubscriptionFilter for OurTopics {
    fn can_subscribe(&mut self, topic: &TopicHash) -> bool {
        topic.as_str().len() == TOPIC_TEXT
    }
}

/// Builds the behaviour.
pub(super) fn behaviour() -> Result<Gossipsub, P2pError> {
    let setup = |why: String| P2pError::Setup {
        what: "gossip",
        why,
    };
    let config = ConfigBuilder::default()
        .mesh_n(4)
        .mesh_n_low(3)
        .mesh_n_high(6)
        .mesh_outbound_min(1)
        .gossip_lazy(2)
        .heartbeat_interval(Duration::from_secs(3))
        .flood_publish(false)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        // Age and lifetime are part of it: nobody changes them on the way (docs/protocol.md §7.5).
        .message_id_fn(|message| MessageId::from(Sha256::digest(&message.data).to_vec()))
        .max_transmit_size(MAX_MESSAGE)
        .max_publish_messages(MAX_PER_TRANSMISSION)
        .max_control_messages_sent(MAX_PER_TRANSMISSION)
        .connection_handler_queue_len(PEER_QUEUE)
        .build()
        .map_err(|why| setup(why.to_string()))?;
    let filter = MaxCountSubscriptionFilter {
        filter: OurTopics,
        max_subscribed_topics: MAX_TOPICS,
        max_subscriptions_per_request: MAX_TOPICS,
    };
    let mut gossip =
        Behaviour::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
            .map_err(|why| setup(why.into()))?;
    gossip
        .with_peer_score(peer_score(), PeerScoreThresholds::default())
        .map_err(setup)?;
    Ok(gossip)
}

/// Peers behind one relay or NAT share an address: no penalty for that.
fn peer_score() -> PeerScoreParams {
    PeerScoreParams {
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    }
}

/// Invalid messages count against a peer; silence does not, because people are quiet for hours.
fn topic_score() -> TopicScoreParams {
    TopicScoreParams {
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_weight: 0.01,
        first_message_deliveries_cap: 100.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -10.0,
        ..TopicScoreParams::default()
    }
}

/// A message that waits for its verdict.
struct Unjudged {
    id: MessageId,
    from: PeerId,
}

/// What the node's task remembers about gossip.
#[derive(Default)]
pub(super) struct Gossip {
    topics: BTreeSet<Topic>,
    unjudged: BTreeMap<u64, Unjudged>,
    next_token: u64,
}

impl Gossip {
    /// Joins exactly these topics.
    pub(super) fn set_topics(&mut self, gossip: &mut Gossipsub, topics: Vec<Topic>) {
        let wanted: BTreeSet<Topic> = topics.into_iter().take(MAX_TOPICS).collect();
        for topic in self.topics.difference(&wanted) {
            gossip.unsubscribe(&name(topic));
        }
        for topic in wanted.difference(&self.topics) {
            if gossip.subscribe(&name(topic)).is_ok() {
                // Fails only without scoring, which is on.
                let _ = gossip.set_topic_params(name(topic), topic_score());
            }
        }
        self.topics = wanted;
    }

    /// Publishes. That nobody is there, or that it was published before, is no failure: the link
    /// protocol carries everything anyway.
    pub(super) fn publish(&self, gossip: &mut Gossipsub, topic: &Topic, data: Vec<u8>) {
        if let Err(why) = gossip.publish(name(topic), data) {
            tracing::debug!(%why, "not published by gossip");
        }
    }

    /// Numbers an arrived message; `None` if it is not of a joined topic.
    pub(super) fn arrived(
        &mut self,
        gossip: &mut Gossipsub,
        id: MessageId,
        from: PeerId,
        message: &Message,
    ) -> Option<(u64, Topic)> {
        let topic = topic_of(&message.topic).filter(|topic| self.topics.contains(topic));
        let Some(topic) = topic else {
            Self::ignore(gossip, &id, &from);
            return None;
        };
        if self.unjudged.len() >= MAX_UNJUDGED
            && let Some((_, oldest)) = self.unjudged.pop_first()
        {
            Self::ignore(gossip, &oldest.id, &oldest.from);
        }
        let token = self.next_token;
        self.next_token += 1;
        self.unjudged.insert(token, Unjudged { id, from });
        Some((token, topic))
    }

    /// Neither forwards a message nor holds it against anybody.
    pub(super) fn ignore(gossip: &mut Gossipsub, id: &MessageId, from: &PeerId) {
        gossip.report_message_validation_result(id, from, MessageAcceptance::Ignore);
    }

    /// Takes the node's verdict; an unknown token is ignored.
    pub(super) fn judge(&mut self, gossip: &mut Gossipsub, token: u64, verdict: Verdict) {
        if let Some(Unjudged { id, from }) = self.unjudged.remove(&token) {
            let acceptance = match verdict {
                Verdict::Accept => MessageAcceptance::Accept,
                Verdict::Reject => MessageAcceptance::Reject,
                Verdict::Ignore => MessageAcceptance::Ignore,
            };
            gossip.report_message_validation_result(&id, &from, acceptance);
        }
    }
}

fn name(topic: &Topic) -> IdentTopic {
    IdentTopic::new(hex::encode(topic))
}

fn topic_of(name: &TopicHash) -> Option<Topic> {
    let mut topic = [0; 32];
    hex::decode_to_slice(name.as_str(), &mut topic).ok()?;
    Some(topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_10_is_what_gossipsub_accepts() {
        // MSG-3. The builder refuses contradictory degrees and scores.
        let mut gossip = behaviour().unwrap();
        topic_score().validate().unwrap();
        assert_eq!(peer_score().ip_colocation_factor_weight, 0.0);
        let mut state = Gossip::default();
        state.set_topics(&mut gossip, vec![[1; 32], [2; 32]]);
        state.set_topics(&mut gossip, vec![[2; 32], [3; 32]]);
        let joined: BTreeSet<_> = gossip.topics().filter_map(topic_of).collect();
        assert_eq!(joined, BTreeSet::from([[2; 32], [3; 32]]));
    }

    #[test]
    fn only_names_of_our_length_are_kept() {
        assert!(OurTopics.can_subscribe(&name(&[9; 32]).hash()));
        assert!(!OurTopics.can_subscribe(&TopicHash::from_raw("x".repeat(100_000))));
        assert_eq!(topic_of(&name(&[9; 32]).hash()), Some([9; 32]));
        assert_eq!(topic_of(&TopicHash::from_raw("z".repeat(64))), None);
    }
}
