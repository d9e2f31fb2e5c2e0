//! Acknowledgements (MSG-7). A member that stood at the other end of the link is told at once; for
//! an author who is elsewhere one member writes a receipt, a bundle like any other. Whoever hears
//! another member acknowledge first keeps silent.

use core::time::Duration;

use rand_core::CryptoRng;

use super::{Engine, OwnState};
use crate::{
    id::{ChannelId, ContentId, LinkId},
    message::envelope::Kind,
    reconcile::ShortId,
    time::Now,
    wire::v1::{Delivered, frame::Body},
};

/// A receipt waits at least so long, so that one covers several messages.
const RECEIPT_WAIT_MIN: Duration = Duration::from_secs(2);
/// And at most so long: drawn uniformly, so that of many members one speaks first.
const RECEIPT_WAIT_MAX: Duration = Duration::from_secs(12);

impl Engine {
    pub(super) fn is_member(&self, link: LinkId, channel: &ChannelId) -> bool {
        self.links
            .get(&link)
            .is_some_and(|link| link.member_of.contains(channel))
    }

    /// Tells the member at the other end that a bundle of its channel is durable here.
    pub(super) fn acknowledge(&mut self, link: Option<LinkId>, content: ContentId) {
        let Some(link) = link.and_then(|link| self.links.get_mut(&link)) else {
            return;
        };
        let Some(key) = link.key() else { return };
        let ids = key.short(&content).0.to_le_bytes().to_vec().into();
        // A session that takes no frame is closing: the next reconciliation tells again.
        let _ = link.session.send(Body::Delivered(Delivered { ids }));
    }

    /// The other end says that it opened and stored these.
    pub(super) fn delivered(&mut self, id: LinkId, shorts: &[ShortId]) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let Some(key) = link.key() else { return };
        if link.member_of.is_empty() {
            return;
        }
        let raised: Vec<_> = self
            .own
            .iter()
            .filter(|(content, (channel, _))| {
                link.member_of.contains(channel) && shorts.contains(&key.short(content))
            })
            .map(|(_, own)| *own)
            .collect();
        for (channel, message) in raised {
            self.raise_state(channel, message, OwnState::Delivered);
        }
    }

    pub(super) fn schedule_receipt(&mut self, id: ChannelId, now: Now, rng: &mut impl CryptoRng) {
        let Some(channel) = self.channels.get_mut(&id) else {
            return;
        };
        if channel.receipt_due.is_none() {
            let span = (RECEIPT_WAIT_MAX - RECEIPT_WAIT_MIN).as_millis() as u64;
            let wait = RECEIPT_WAIT_MIN + Duration::from_millis(rng.next_u64() % (span + 1));
            channel.receipt_due = Some(now.boot + wait);
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
            channel.receipt_due = None;
            let own = channel.log.own();
            let silent = channel.log.heads().iter().all(|head| {
                channel.log.acknowledged(head)
                    || channel.log.get(head).is_some_and(|head| head.author == own)
            });
            if !silent {
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
