//! Acknowledgements (MSG-7). A member that stood at the other end of the link is told at once; for
//! an author who is elsewhere one member writes a receipt, a bundle like any other. Whoever hears
//! another member acknowledge first keeps silent.

use core::time::Duration;
use std::collections::BTreeSet;

use rand_core::CryptoRng;

use super::{Channel, Engine, OwnState};
use crate::{
    id::{ChannelId, ContentId, LinkId, MessageId},
    message::envelope::Kind,
    policy::jitter,
    reconcile::{
        ShortId,
        frames::{MAX_IDS_PER_FRAME, pack_all},
    },
    time::Now,
    wire::v1::{Delivered, frame::Body},
};

/// A receipt waits at least so long, so that one covers several messages.
const RECEIPT_WAIT_MIN: Duration = Duration::from_secs(2);
/// Then for one of several slots of this length, and within it: see [`receipt_wait`].
const RECEIPT_SLOT: Duration = Duration::from_secs(10);

/// Acknowledgements remembered of a link that is not in step yet; what is forgotten is told twice.
const MAX_TOLD: usize = 4_096;

/// Bundles that a link was told of before it was told of the backlog.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeSet<ContentId>);

impl Told {
    fn note(&mut self, content: ContentId) {
        if self.0.len() < MAX_TOLD {
            self.0.insert(content);
        }
    }
}

impl Engine {
    pub(super) fn is_member(&self, link: LinkId, channel: &ChannelId) -> bool {
        self.links
            .get(&link)
            .is_some_and(|link| link.member_of.contains(channel))
    }

    /// Tells the member at the other end that a bundle of its channel is durable here.
    pub(super) fn acknowledge(&mut self, link: LinkId, content: ContentId) {
        let Some(link) = self.links.get_mut(&link) else {
            return;
        };
        let Some(key) = link.key() else { return };
        if let Some(told) = &mut link.told {
            told.note(content);
        }
        link.acknowledge.push(key.short(&content));
    }

    /// Says what has become durable, in as few frames as it takes.
    pub(super) fn pump_acknowledgements(&mut self) {
        for link in self.links.values_mut() {
            for ids in pack_all(&core::mem::take(&mut link.acknowledge)) {
                // A session that takes no frame is closing: the next backlog tells again.
                let _ = link.session.send(Body::Delivered(Delivered { ids }));
            }
        }
    }

    /// A bundle came again that is known here: a member hears that it is, whoever brought it first.
    pub(super) fn acknowledge_again(&mut self, link: LinkId, content: ContentId) {
        let message = self.shelf.get(&content).and_then(|meta| meta.message);
        let channel = message.and_then(|message| {
            let mine = |channel: &&Channel| channel.awaits_acknowledgement(&message);
            self.channels.values().find(mine).map(Channel::id)
        });
        if channel.is_some_and(|channel| self.is_member(link, &channel)) {
            self.acknowledge(link, content);
        }
    }

    /// Once both ends hold the same and the other one has proved membership: it hears which messages are here that
    /// nobody is known to have acknowledged. What came over a slow link before the proof is among them, and what
    /// a link that broke too early did not tell.
    pub(super) fn acknowledge_backlog(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(key) = link.key() else { return };
        if !link.synced || link.member_of.is_empty() {
            return;
        }
        let Some(Told(told)) = link.told.take() else {
            return;
        };
        let mut backlog: Vec<(u64, ContentId)> = Vec::new();
        for (content, meta) in self.shelf.iter() {
            let Some(message) = meta.message.filter(|_| !told.contains(content)) else {
                continue;
            };
            let known = link.member_of.iter().find_map(|channel| {
                let channel = self.channels.get(channel)?;
                let awaits = channel.awaits_acknowledgement(&message);
                channel.log.get(&message).filter(|_| awaits)
            });
            backlog.extend(known.map(|known| (known.lamport, *content)));
        }
        backlog.sort_unstable_by(|one, other| other.cmp(one));
        backlog.truncate(MAX_IDS_PER_FRAME);
        for channel in &link.member_of {
            if let Some(channel) = self.channels.get_mut(channel) {
                channel.told(id);
            }
        }
        let ids: Vec<ShortId> = backlog
            .iter()
            .map(|(_, content)| key.short(content))
            .collect();
        for ids in pack_all(&ids) {
            // A session that takes no frame is closing: the next backlog tells again.
            let _ = link.session.send(Body::Delivered(Delivered { ids }));
        }
    }

    /// The other end says that it opened and stored these.
    pub(super) fn delivered(&mut self, id: LinkId, shorts: &[ShortId]) {
        for short in shorts {
            let Some(content) = self.resolve(id, *short) else {
                continue;
            };
            if let Some((channel, message)) = self.own.get(&content)
                && self.is_member(id, &channel)
            {
                self.raise_state(channel, message, OwnState::Delivered);
            }
        }
    }

    /// A message came from `link`, whose other end is not known to be a member, or from elsewhere.
    pub(super) fn schedule_receipt(
        &mut self,
        id: ChannelId,
        message: MessageId,
        link: Option<LinkId>,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        let Some(channel) = self.channels.get_mut(&id) else {
            return;
        };
        channel.receipt_for.insert(message, link);
        if channel.receipt_due.is_none() {
            channel.receipt_due = Some(now.boot + receipt_wait(channel.log.authors(), rng));
        }
    }

    pub(super) fn send_due_receipts(&mut self, now: Now, rng: &mut impl CryptoRng) {
        let due: Vec<ChannelId> = self
            .channels
            .iter()
            .filter(|(_, channel)| channel.receipt_due.is_some_and(|due| due <= now.boot))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(channel) = self.channels.get_mut(&id) else {
                continue;
            };
            let mut waiting = channel.receipt_for.keys();
            let awaited = waiting.any(|message| channel.awaits_acknowledgement(message));
            channel.no_receipt();
            if awaited {
                // For want of room nobody is told; the next arrival schedules another.
                let _ = self.compose(id, Kind::Receipt, bytes::Bytes::new(), None, now, rng);
            }
        }
    }

    pub(super) fn next_receipt(&self) -> Option<Duration> {
        self.channels
            .values()
            .filter_map(|channel| channel.receipt_due)
            .min()
    }
}

/// How long a receipt waits where so many authors were heard. Of many members few are to speak before one is
/// heard by all: each slot before the last is drawn half as often as the one after it (timers of J. Nonnenmacher
/// and E. Biersack, "Optimal Multicast Feedback", INFOCOM 1998, in steps), and there are as many as the authors
/// have binary digits after the first. Up to three authors: one.
fn receipt_wait(authors: usize, rng: &mut impl CryptoRng) -> Duration {
    let slots = authors.max(2).ilog2();
    let back = rng.next_u64().trailing_zeros().min(slots - 1);
    let slot = RECEIPT_SLOT * (slots - 1 - back);
    RECEIPT_WAIT_MIN + slot + jitter(rng, RECEIPT_SLOT)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng as _;

    use super::*;

    #[test]
    fn of_many_members_few_are_early() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (authors, slots) in [(0, 1), (1, 1), (3, 1), (4, 2), (7, 2), (8, 3), (1_000, 9)] {
            let most = RECEIPT_WAIT_MIN + RECEIPT_SLOT * slots;
            let waits: Vec<Duration> = (0..4_096)
                .map(|_| receipt_wait(authors, &mut rng))
                .collect();
            assert!(
                waits
                    .iter()
                    .all(|wait| (RECEIPT_WAIT_MIN..=most).contains(wait))
            );
            assert!(waits.iter().any(|wait| *wait > most - RECEIPT_SLOT / 10));
            // The last slot holds half, the one before a quarter; the first two hold alike.
            let late = waits
                .iter()
                .filter(|wait| **wait > most - RECEIPT_SLOT)
                .count();
            let expected = if slots == 1 { 4_096 } else { 2_048 };
            assert!(late.abs_diff(expected) < 150, "{authors}: {late}");
            let first = waits
                .iter()
                .filter(|wait| **wait < RECEIPT_WAIT_MIN + RECEIPT_SLOT)
                .count();
            let expected = 4_096 >> (slots - 1);
            assert!(
                first.abs_diff(expected) <= 40.max(expected / 5),
                "{authors}: {first}"
            );
        }
    }

    #[test]
    fn what_a_link_was_told_is_remembered_up_to_a_bound() {
        let mut told = Told::default();
        for number in 0..MAX_TOLD as u64 + 2 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            told.note(ContentId(id));
        }
        assert_eq!(told.0.len(), MAX_TOLD);
    }
}
