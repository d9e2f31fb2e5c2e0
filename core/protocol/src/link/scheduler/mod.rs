//! The scheduler (decision 3): sees all links of each peer, chooses one for the reconciliation and for
//! each bundle, ends duplicates, and hands back what a lost link still owed.
//!
//! A *peer* is above PeerIds: links that prove one transport id are one peer from the start, others
//! become one by [`Scheduler::merge`].

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::{
    duplicate::{LinkInfo, Rank},
    metrics::Metrics,
    pending::Pending,
};
use crate::id::{ContentId, LinkId, TransportId};

/// Links of one peer at most, those not yet ready included.
pub const MAX_LINKS_PER_PEER: usize = 8;
/// Another link must promise less than half the delay of the one in use, and save this much, to take over.
const WORTH_A_CHANGE: Duration = Duration::from_millis(20);
/// What the choice of a peer's standing link is judged by: a text bundle of the greatest class.
const TYPICAL: u64 = 1_024;

/// A peer of this run. Never on the wire, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerKey(pub u64);

/// Two peers turned out to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Its key from now on.
    pub peer: PeerKey,
    /// The key that is no more, if they were two.
    pub gone: Option<PeerKey>,
    /// Duplicates to close, reason DUPLICATE.
    pub close: Vec<LinkId>,
}

/// What a lost link leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Whose link it was.
    pub peer: PeerKey,
    /// The link that takes over; `None` when the peer has no other.
    pub next: Option<LinkId>,
    /// Bundles that were queued: to be offered again.
    pub queued: Vec<ContentId>,
    /// Bundles handed to the adapter of which nothing proves that they arrived: to be announced by Have.
    pub unproven: Vec<ContentId>,
}

/// All links, by peer.
#[derive(Debug, Default)]
pub struct Scheduler {
    links: BTreeMap<LinkId, Link>,
    peers: BTreeMap<PeerKey, Peer>,
    next_peer: u64,
}

#[derive(Debug)]
struct Link {
    peer: PeerKey,
    info: LinkInfo,
    /// Set once the session is ready.
    rank: Option<Rank>,
    /// Told to close as a duplicate.
    closing: bool,
    metrics: Metrics,
    pending: Pending,
}

#[derive(Debug, Default)]
struct Peer {
    links: BTreeSet<LinkId>,
    /// The standing link.
    preferred: Option<LinkId>,
}

impl Scheduler {
    /// A connection is up. `None` when its peer has [`MAX_LINKS_PER_PEER`] already: close it, reason FULL.
    pub fn up(&mut self, link: LinkId, info: LinkInfo, now: Duration) -> Option<PeerKey> {
        let known = self.peer_with(&info.remote);
        let peer = known.unwrap_or(PeerKey(self.next_peer));
        if self.links_of(peer).count() >= MAX_LINKS_PER_PEER {
            return None;
        }
        if known.is_none() {
            self.next_peer += 1;
        }
        self.peers.entry(peer).or_default().links.insert(link);
        let metrics = Metrics::new(info.medium, now);
        self.links.insert(
            link,
            Link {
                peer,
                info,
                rank: None,
                closing: false,
                metrics,
                pending: Pending::default(),
            },
        );
        Some(peer)
    }

    /// A link's session is ready: the peer at its end is alive. Returns duplicates to close.
    pub fn ready(&mut self, link: LinkId, session: [u8; 32], now: Duration) -> Vec<LinkId> {
        let Some(entry) = self.links.get_mut(&link) else {
            return Vec::new();
        };
        entry.rank = Some(Rank::new(&entry.info, session));
        entry.metrics.heard(now);
        let peer = entry.peer;
        let close = self.close_duplicates(peer);
        self.prefer(peer, now);
        close
    }

    /// Two links proved to lead to one peer: the same contact, or the same session.
    pub fn merge(&mut self, a: LinkId, b: LinkId, now: Duration) -> Option<Merged> {
        let (one, other) = (self.peer_of(a)?, self.peer_of(b)?);
        let (peer, gone) = (one.min(other), one.max(other));
        if peer == gone {
            return Some(Merged {
                peer,
                gone: None,
                close: Vec::new(),
            });
        }
        let moved = self.peers.remove(&gone).unwrap_or_default();
        for link in &moved.links {
            if let Some(entry) = self.links.get_mut(link) {
                entry.peer = peer;
            }
        }
        self.peers
            .entry(peer)
            .or_default()
            .links
            .extend(moved.links);
        let close = self.close_duplicates(peer);
        self.prefer(peer, now);
        Some(Merged {
            peer,
            gone: Some(gone),
            close,
        })
    }

    /// A link is gone. What it owed is to go over `next`.
    pub fn down(&mut self, link: LinkId, now: Duration) -> Option<Lost> {
        let entry = self.links.remove(&link)?;
        let peer = entry.peer;
        if let Some(rest) = self.peers.get_mut(&peer) {
            rest.links.remove(&link);
            if rest.links.is_empty() {
                self.peers.remove(&peer);
            }
        }
        self.prefer(peer, now);
        let (mut queued, mut unproven) = entry.pending.into_parts(now);
        queued.retain(|content| !self.is_pending(peer, content));
        unproven.retain(|content| !self.is_pending(peer, content));
        Some(Lost {
            peer,
            next: self.standing(peer),
            queued,
            unproven,
        })
    }

    /// The peer's standing link: it carries the reconciliation and, unless another is far better for one,
    /// the bundles. `None` while no link is ready.
    #[must_use]
    pub fn standing(&self, peer: PeerKey) -> Option<LinkId> {
        self.peers.get(&peer)?.preferred
    }

    /// The link for a bundle of `size` bytes. `None` while no link is ready.
    pub fn choose(&mut self, peer: PeerKey, size: u64, now: Duration) -> Option<LinkId> {
        self.prefer(peer, now);
        let standing = self.standing(peer)?;
        self.better(peer, standing, size, now).or(Some(standing))
    }

    /// A bundle is queued on a link; `false` when a link of its peer has it already.
    pub fn assign(&mut self, link: LinkId, content: ContentId) -> bool {
        let Some(peer) = self.peer_of(link) else {
            return false;
        };
        if self.is_pending(peer, &content) {
            return false;
        }
        if let Some(entry) = self.links.get_mut(&link) {
            entry.pending.queue(content);
        }
        true
    }

    /// A bundle was completely handed to the adapter of its link.
    pub fn handed(&mut self, link: LinkId, content: ContentId, now: Duration) {
        if let Some(entry) = self.links.get_mut(&link) {
            entry.pending.handed(content, now);
        }
    }

    /// The peer has a bundle, or it is no longer to be sent to it.
    pub fn settled(&mut self, peer: PeerKey, content: &ContentId) {
        let links: Vec<LinkId> = self.links_of(peer).collect();
        for link in links {
            if let Some(entry) = self.links.get_mut(&link) {
                entry.pending.remove(content);
            }
        }
    }

    /// Whether a link of the peer has a bundle queued, or handed over and unproven.
    #[must_use]
    pub fn is_pending(&self, peer: PeerKey, content: &ContentId) -> bool {
        self.links_of(peer)
            .filter_map(|link| self.links.get(&link))
            .any(|entry| entry.pending.holds(content))
    }

    /// Measurements of a link, to be kept up to date.
    pub fn metrics_mut(&mut self, link: LinkId) -> Option<&mut Metrics> {
        self.links.get_mut(&link).map(|entry| &mut entry.metrics)
    }

    /// Measurements of a link.
    #[must_use]
    pub fn metrics(&self, link: LinkId) -> Option<&Metrics> {
        self.links.get(&link).map(|entry| &entry.metrics)
    }

    /// Whose link this is.
    #[must_use]
    pub fn peer_of(&self, link: LinkId) -> Option<PeerKey> {
        self.links.get(&link).map(|entry| entry.peer)
    }

    /// The peer of a proven transport id, while it has a link.
    #[must_use]
    pub fn peer_with(&self, transport: &TransportId) -> Option<PeerKey> {
        self.links
            .values()
            .find(|entry| entry.info.remote == *transport)
            .map(|entry| entry.peer)
    }

    /// All links of a peer, ascending; ready, waiting and closing ones.
    pub fn links_of(&self, peer: PeerKey) -> impl Iterator<Item = LinkId> + '_ {
        self.peers
            .get(&peer)
            .into_iter()
            .flat_map(|peer| peer.links.iter().copied())
    }

    /// All peers with a link, ascending.
    pub fn peers(&self) -> impl Iterator<Item = PeerKey> + '_ {
        self.peers.keys().copied()
    }

    /// Links of the peer that may be used.
    fn usable(&self, peer: PeerKey) -> impl Iterator<Item = (LinkId, &Link)> + '_ {
        self.links_of(peer)
            .filter_map(|link| self.links.get(&link).map(|entry| (link, entry)))
            .filter(|(_, entry)| entry.rank.is_some() && !entry.closing)
    }

    /// A link that is so much better than `current` for this size that a change is worth it.
    fn better(&self, peer: PeerKey, current: LinkId, size: u64, now: Duration) -> Option<LinkId> {
        let held = &self.links.get(&current)?.metrics;
        let best = self.best(peer, size, now)?;
        let promised = self.links.get(&best)?.metrics.delay(size);
        let stuck = held.is_suspect(now) && !self.links.get(&best)?.metrics.is_suspect(now);
        let gain = promised * 2 < held.delay(size) && promised + WORTH_A_CHANGE <= held.delay(size);
        (best != current && (stuck || gain)).then_some(best)
    }

    fn best(&self, peer: PeerKey, size: u64, now: Duration) -> Option<LinkId> {
        self.usable(peer)
            .min_by_key(|(link, entry)| {
                (
                    entry.metrics.is_suspect(now),
                    entry.metrics.delay(size),
                    *link,
                )
            })
            .map(|(link, _)| link)
    }

    /// Brings the standing link up to date.
    fn prefer(&mut self, peer: PeerKey, now: Duration) {
        let current = self
            .standing(peer)
            .filter(|current| self.usable(peer).any(|(link, _)| link == *current));
        let next = match current {
            Some(current) => self.better(peer, current, TYPICAL, now).or(Some(current)),
            None => self.best(peer, TYPICAL, now),
        };
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.preferred = next;
        }
    }

    /// Of the ready links over each medium the one of the least rank stays.
    fn close_duplicates(&mut self, peer: PeerKey) -> Vec<LinkId> {
        let mut kept = BTreeSet::new();
        let mut ranked: Vec<(Rank, LinkId)> = self
            .usable(peer)
            .filter_map(|(link, entry)| entry.rank.map(|rank| (rank, link)))
            .collect();
        ranked.sort_unstable();
        let mut close = Vec::new();
        for (_, link) in ranked {
            if let Some(entry) = self.links.get_mut(&link)
                && !kept.insert(entry.info.medium)
            {
                entry.closing = true;
                close.push(link);
            }
        }
        close
    }
}

#[cfg(test)]
mod tests;
