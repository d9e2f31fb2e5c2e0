//! The fast path among members on wide links (decision 10): who is admitted, what is published,
//! what is forwarded.

use core::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rand_core::CryptoRng;

use super::near::NearDue;
use super::{Effect, Engine, Judgement, Origin};
use crate::{
    id::{ChannelId, LinkId},
    link_kind::Role,
    time::Now,
    wire::v1::{Membership, frame::Body},
};

/// Milliseconds of a day.
const DAY_MS: u64 = 86_400_000;
/// Numbers of tags that a Membership frame may hold: how many channels a node is in shows only so far.
const TAG_COUNTS: [usize; 5] = [4, 8, 16, 32, 64];

impl Engine {
    /// The other end's tags: which of our channels is it in?
    pub(super) fn membership(&mut self, id: LinkId, tags: Vec<[u8; 8]>) {
        if let Some(link) = self.links.get_mut(&id) {
            link.tags = tags.into_iter().collect();
        }
        self.match_members(id);
        self.near_due.push_back(NearDue::Proven(id));
        self.acknowledge_backlog(id);
    }

    fn match_members(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(ready) = link.ready else { return };
        let theirs = match link.ends.role {
            Role::Dialer => Role::Listener,
            Role::Listener => Role::Dialer,
        };
        link.member_of = self
            .channels
            .values()
            .filter(|channel| {
                link.tags
                    .contains(&channel.keys.member_tag(theirs, &ready.session))
            })
            .map(super::Channel::id)
            .collect();
        if self.config.gossip
            && !link.ends.medium.is_slow()
            && !link.member_of.is_empty()
            && !link.gossip
        {
            link.gossip = true;
            self.effects.push_back(Effect::AdmitToGossip { link: id });
        }
    }

    /// The channels have changed: every link is told anew, and topics follow.
    pub(super) fn announce_membership(&mut self) {
        self.topics_due = true;
        let ready: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, link)| link.ready.is_some())
            .map(|(id, _)| *id)
            .collect();
        for id in ready {
            self.match_members(id);
            self.membership_due.insert(id);
        }
    }

    /// Sends the tags that are due: on a slow link only once both ends hold the same.
    pub(super) fn pump_membership(&mut self, rng: &mut impl CryptoRng) {
        let due: Vec<LinkId> = self.membership_due.iter().copied().collect();
        for id in due {
            let Some(link) = self.links.get_mut(&id) else {
                self.membership_due.remove(&id);
                continue;
            };
            let Some(ready) = link.ready.filter(|_| link.may_tell_membership()) else {
                continue;
            };
            let role = link.ends.role;
            let mut tags: Vec<[u8; 8]> = self
                .channels
                .values()
                .map(|channel| channel.keys.member_tag(role, &ready.session))
                .collect();
            let count = TAG_COUNTS
                .into_iter()
                .find(|count| *count >= tags.len())
                .unwrap_or(TAG_COUNTS[4]);
            while tags.len() < count {
                tags.push(rng.next_u64().to_le_bytes());
            }
            // Tags are pseudorandom: sorting them hides whose is whose as well as shuffling.
            tags.sort_unstable();
            self.membership_due.remove(&id);
            self.send(
                id,
                Body::Membership(Membership {
                    tags: tags.concat().into(),
                }),
            );
        }
    }

    /// Publishes an own bundle.
    pub(super) fn publish(&mut self, channel: ChannelId, body: &Bytes, now: Now) {
        let wide = self
            .links
            .values()
            .any(|link| link.gossip && link.member_of.contains(&channel));
        let Some(channel) = self.channels.get(&channel).filter(|_| wide) else {
            return;
        };
        let mut data = BytesMut::with_capacity(8 + body.len());
        data.put_u32(0);
        data.put_u32(u32::try_from(super::OWN_LIFETIME.as_secs()).unwrap_or(u32::MAX));
        data.put_slice(body);
        let topic = channel.keys.topic(day(now));
        self.effects.push_back(Effect::Publish {
            topic,
            data: data.freeze(),
        });
    }

    /// A member's gossip.
    pub(super) fn gossiped(&mut self, token: u64, data: &Bytes, now: Now) {
        let (Some(age), Some(lifetime)) = (number(data, 0), number(data, 4)) else {
            self.counters.count("gossip_malformed");
            self.judge(token, Judgement::Reject);
            return;
        };
        if age > lifetime || Duration::from_secs(lifetime.into()) > super::OWN_LIFETIME {
            self.counters.count("gossip_malformed");
            self.judge(token, Judgement::Reject);
            return;
        }
        self.take(data.slice(8..), age, lifetime, Origin::Gossip(token), now);
    }

    pub(super) fn judge(&mut self, token: u64, judgement: Judgement) {
        self.effects.push_back(Effect::Judge { token, judgement });
    }

    /// Subscribes to today's topics and, for the half day around midnight, the neighbour's.
    pub(super) fn renew_topics(&mut self, now: Now) {
        if !self.config.gossip {
            return;
        }
        let today = day(now);
        let neighbour = if now.wall_ms % DAY_MS < DAY_MS / 2 {
            today.saturating_sub(1)
        } else {
            today.saturating_add(1)
        };
        let mut topics: Vec<[u8; 32]> = self
            .channels
            .values()
            .flat_map(|channel| [channel.keys.topic(today), channel.keys.topic(neighbour)])
            .collect();
        topics.sort_unstable();
        topics.dedup();
        if topics != self.topics {
            self.topics.clone_from(&topics);
            self.effects.push_back(Effect::SetTopics(topics));
        }
    }

    /// When the topics change next, on the boot clock.
    pub(super) fn next_topics(&self, now: Now) -> Option<Duration> {
        let half = DAY_MS / 2;
        let left = half - now.wall_ms % half;
        (self.config.gossip && !self.channels.is_empty())
            .then(|| now.boot + Duration::from_millis(left))
    }
}

/// Days since 1970 by the wall clock: a hint that two days' overlap makes good enough.
fn day(now: Now) -> u32 {
    u32::try_from(now.wall_ms / DAY_MS).unwrap_or(u32::MAX)
}

fn number(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..at + 4)?
        .try_into()
        .ok()
        .map(u32::from_be_bytes)
}
