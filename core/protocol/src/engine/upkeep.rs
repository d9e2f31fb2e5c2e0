//! What has to be done from time to time, and what is counted.

use core::time::Duration;
use std::collections::BTreeMap;

use prost::Message as _;
use rand_core::CryptoRng;

use super::{Engine, Pending, StoreOp, compose::channel_record, link::Link};
use crate::{
    id::LinkId,
    policy::{
        dial::Subject,
        strikes::{Strike, Verdict},
    },
    time::Now,
    wire::v1::CloseReason,
};

/// The life clock is written down so often: what a crash may make a bundle younger by, if the machine
/// reboots with an unset clock.
const CLOCK_SAVED_EVERY: Duration = Duration::from_secs(600);

/// A store that refused a write is asked again so often whether it takes any.
pub(super) const PROBE_EVERY: Duration = Duration::from_secs(5);

/// Counters by stable word; they only grow.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    counts: BTreeMap<&'static str, u64>,
}

impl Counters {
    pub(super) fn count(&mut self, word: &'static str) {
        *self.counts.entry(word).or_default() += 1;
    }

    pub(super) fn count_close(&mut self, reason: CloseReason) {
        self.count(close_word(reason));
    }

    /// One counter.
    #[must_use]
    pub fn get(&self, word: &str) -> u64 {
        self.counts.get(word).copied().unwrap_or(0)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.counts.iter().map(|(word, count)| (*word, *count))
    }
}

/// The stable word for why this node closed a link.
const fn close_word(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Unspecified => "closed_unspecified",
        CloseReason::Shutdown => "closed_shutdown",
        CloseReason::Version => "closed_version",
        CloseReason::Critical => "closed_critical",
        CloseReason::Misbehaviour => "closed_misbehaviour",
        CloseReason::Duplicate => "closed_duplicate",
        CloseReason::Full => "closed_full",
        CloseReason::Timeout => "closed_timeout",
    }
}

impl Engine {
    pub(super) fn timeout(&mut self, now: Now, rng: &mut impl CryptoRng) {
        self.time_out_links(now, rng);
        self.expire();
        self.forget_keys();
        self.send_due_receipts(now, rng);
        self.topics_due = false;
        self.renew_topics(now);
        self.run_dial(now, rng);
        self.run_near(now, rng);
        self.drop_quiet_indexes(now);
        let probe = self.probe.is_some_and(|at| at <= now.boot);
        if probe || self.clock_saved + CLOCK_SAVED_EVERY <= now.boot {
            self.probe = self.probe.map(|_| now.boot + PROBE_EVERY);
            self.save_clock(now);
        }
    }

    /// When [`Input::Timeout`](super::Input::Timeout) is due, on the boot clock; `None`: not before
    /// something else happens.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<Duration> {
        let sessions = self
            .links
            .values()
            .filter_map(|link| link.session.poll_timeout())
            .min();
        let waits = |id| self.links.get(id).is_some_and(Link::may_tell_membership);
        let membership = self.membership_due.iter().any(waits).then_some(now.boot);
        // Expiry is by the life clock, which runs at the boot clock's pace from here on.
        let expiry = self
            .shelf
            .next_expiry()
            .map(|at| now.boot + at.saturating_sub(self.clock.life()));
        [
            sessions,
            membership,
            expiry,
            self.next_receipt(),
            self.have.poll_timeout(),
            self.fetch
                .poll_timeout()
                .filter(|_| self.store_trouble.is_none()),
            self.probe,
            self.next_paced(),
            self.topics_due.then_some(now.boot),
            self.dial.poll_timeout(),
            self.near.poll_timeout(),
            self.next_topics(now),
            Some(self.clock_saved + CLOCK_SAVED_EVERY),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Closes every link and writes the clock down; the effects are the last ones.
    pub fn shutdown(&mut self, now: Now, rng: &mut impl CryptoRng) {
        self.clock.advance(now);
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.close(link, CloseReason::Shutdown, now, rng);
        }
        self.save_clock(now);
    }

    fn time_out_links(&mut self, now: Now, rng: &mut impl CryptoRng) {
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            if let Err(reason) = link.session.handle_timeout(now) {
                self.close(id, reason, now, rng);
            }
        }
    }

    fn expire(&mut self) {
        let changes = self.shelf.expire(self.clock.life());
        self.persist_changes(&changes);
    }

    fn forget_keys(&mut self) {
        let key_clock = self.clock.key();
        let mut ops = Vec::new();
        for (id, channel) in &mut self.channels {
            if channel.keys.forget(key_clock) {
                ops.push(StoreOp::PutChannel {
                    channel: *id,
                    record: channel_record(channel),
                });
            }
        }
        if !ops.is_empty() {
            ops.push(StoreOp::Scrub);
        }
        self.persist_quietly(ops);
    }

    pub(super) fn save_clock(&mut self, now: Now) {
        self.clock_saved = now.boot;
        let record = self.clock.to_record().encode_to_vec();
        self.persist(vec![StoreOp::PutClock(record)], Pending::Quiet);
    }

    /// Counts a violation; a peer that keeps at it is let go, with [`Self::punish`].
    pub(super) fn strike(&mut self, id: LinkId, strike: Strike, now: Now) {
        self.counters.count(strike.word());
        let Some(link) = self.links.get(&id) else {
            return;
        };
        let (peer, source) = (link.ends.peer, link.ends.source);
        if let Some(verdict) = self.strikes.strike(peer, source, strike, now.boot) {
            // The link itself may be closed before the verdict is carried out.
            self.let_go.push((peer, source, verdict));
        }
    }

    /// Lets go whom [`Self::strike`] condemned, and leaves them alone for a while.
    pub(super) fn punish(&mut self, now: Now, rng: &mut impl CryptoRng) {
        for (peer, source, verdict) in core::mem::take(&mut self.let_go) {
            let reason = match verdict {
                Verdict::LetGo(reason) => {
                    self.ban(Subject::Peer(peer), now);
                    reason
                }
                Verdict::RefuseSource(reason) => {
                    self.ban(Subject::Peer(peer), now);
                    self.ban(Subject::Source(source), now);
                    reason
                }
            };
            let links: Vec<LinkId> = self
                .links
                .iter()
                .filter(|(_, link)| link.ends.peer == peer)
                .map(|(id, _)| *id)
                .collect();
            for link in links {
                self.close(link, reason, now, rng);
            }
        }
    }
}
