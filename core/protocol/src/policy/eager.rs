//! Live exchange (decision 9, docs/protocol.md §8.4): a new bundle goes to two links at once, to the rest
//! as Have in batches.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{ContentId, LinkId},
    link::{MAX_IDS, PeerKey},
};

/// Links that get a new bundle at once.
pub const EAGER_LINKS: usize = 2;
/// Largest bundle that goes eagerly over a slow link, bytes; larger ones are announced there.
pub const EAGER_OVER_SLOW: u32 = 1_024;
/// How long announcements are gathered.
pub const HAVE_BATCH: Duration = Duration::from_millis(250);

/// A peer's standing link, as far as the choice looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The link.
    pub link: LinkId,
    /// Whose.
    pub peer: PeerKey,
    /// Whether the peer proved membership of the bundle's channel, as far as this node can tell.
    pub member: bool,
    /// Whether the link is slow.
    pub slow: bool,
}

/// Who gets a new bundle, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spread {
    /// Offer the bundle here at once.
    pub eager: Vec<LinkId>,
    /// Announce it here, by way of the [`HaveBatcher`].
    pub announce: Vec<LinkId>,
}

/// Chooses the eager links and remembers when each was last chosen.
#[derive(Debug, Default)]
pub struct Eager {
    turn: u64,
    chosen: BTreeMap<LinkId, u64>,
}

impl Eager {
    /// Spreads a bundle of `size` bytes that came from the peer `from`; `None` when it was written here.
    /// Members of its channel come first, then fast links, then those not chosen for longest.
    pub fn spread(&mut self, candidates: &[Candidate], from: Option<PeerKey>, size: u32) -> Spread {
        let mut others: Vec<&Candidate> = candidates
            .iter()
            .filter(|candidate| Some(candidate.peer) != from)
            .collect();
        others.sort_by_key(|candidate| {
            let turn = self.chosen.get(&candidate.link).copied().unwrap_or(0);
            (!candidate.member, candidate.slow, turn, candidate.link)
        });
        let mut spread = Spread::default();
        for candidate in others {
            let fits = !candidate.slow || size <= EAGER_OVER_SLOW;
            if fits && spread.eager.len() < EAGER_LINKS {
                self.turn += 1;
                self.chosen.insert(candidate.link, self.turn);
                spread.eager.push(candidate.link);
            } else {
                spread.announce.push(candidate.link);
            }
        }
        spread
    }

    /// A link is gone.
    pub fn link_down(&mut self, link: LinkId) {
        self.chosen.remove(&link);
    }
}

/// Gathers announcements for each link over [`HAVE_BATCH`], or until a frame is full.
#[derive(Debug, Default)]
pub struct HaveBatcher {
    batches: BTreeMap<LinkId, Batch>,
}

#[derive(Debug)]
struct Batch {
    due: Duration,
    contents: BTreeSet<ContentId>,
}

impl HaveBatcher {
    /// Announces a bundle over a link.
    pub fn add(&mut self, link: LinkId, content: ContentId, now: Duration) {
        let fresh = || Batch {
            due: now + HAVE_BATCH,
            contents: BTreeSet::new(),
        };
        let batch = self.batches.entry(link).or_insert_with(fresh);
        batch.contents.insert(content);
        if batch.contents.len() >= MAX_IDS {
            batch.due = batch.due.min(now);
        }
    }

    /// The other end has the bundle: no need to announce it.
    pub fn settled(&mut self, link: LinkId, content: &ContentId) {
        if let Some(batch) = self.batches.get_mut(&link) {
            batch.contents.remove(content);
            if batch.contents.is_empty() {
                self.batches.remove(&link);
            }
        }
    }

    /// A link is gone.
    pub fn link_down(&mut self, link: LinkId) {
        self.batches.remove(&link);
    }

    /// When to call [`Self::take_due`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.batches.values().map(|batch| batch.due).min()
    }

    /// The batches that are due: for each link one or more frames of at most [`MAX_IDS`] ids.
    pub fn take_due(&mut self, now: Duration) -> Vec<(LinkId, Vec<ContentId>)> {
        let due: Vec<LinkId> = self
            .batches
            .iter()
            .filter(|(_, batch)| batch.due <= now)
            .map(|(link, _)| *link)
            .collect();
        let mut frames = Vec::new();
        for link in due {
            let contents: Vec<ContentId> = self
                .batches
                .remove(&link)
                .into_iter()
                .flat_map(|batch| batch.contents)
                .collect();
            frames.extend(contents.chunks(MAX_IDS).map(|chunk| (link, chunk.to_vec())));
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const T: Duration = Duration::from_secs(3);
    const MS: Duration = Duration::from_millis(1);

    fn candidate(number: u64, member: bool, slow: bool) -> Candidate {
        Candidate {
            link: LinkId(number),
            peer: PeerKey(number),
            member,
            slow,
        }
    }

    fn links(numbers: &[u64]) -> Vec<LinkId> {
        numbers.iter().copied().map(LinkId).collect()
    }

    #[test]
    fn members_then_fast_links_then_those_not_chosen_for_longest() {
        let mut eager = Eager::default();
        let all = [
            candidate(1, false, true),
            candidate(2, false, false),
            candidate(3, true, true),
            candidate(4, false, false),
            candidate(5, false, false),
        ];
        let first = eager.spread(&all, None, 256);
        assert_eq!(
            (first.eager, first.announce),
            (links(&[3, 2]), links(&[4, 5, 1]))
        );
        let second = eager.spread(&all, None, 256);
        assert_eq!(
            (second.eager, second.announce),
            (links(&[3, 4]), links(&[5, 2, 1]))
        );
        eager.link_down(LinkId(4));
        assert_eq!(eager.spread(&all, None, 256).eager, links(&[3, 4]));
    }

    #[test]
    fn the_source_gets_nothing() {
        let all = [candidate(1, true, false), candidate(2, false, false)];
        let spread = Eager::default().spread(&all, Some(PeerKey(1)), 256);
        assert_eq!((spread.eager, spread.announce), (links(&[2]), links(&[])));
    }

    #[test]
    fn large_bundles_are_only_announced_over_slow_links() {
        let all = [candidate(1, true, true), candidate(2, false, false)];
        let mut eager = Eager::default();
        assert_eq!(eager.spread(&all, None, 1_024).eager, links(&[1, 2]));
        let large = eager.spread(&all, None, 4_096);
        assert_eq!((large.eager, large.announce), (links(&[2]), links(&[1])));
    }

    fn content(number: u16) -> ContentId {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&number.to_be_bytes());
        ContentId(id)
    }

    #[test]
    fn announcements_wait_for_a_quarter_of_a_second() {
        let mut batcher = HaveBatcher::default();
        assert_eq!(batcher.poll_timeout(), None);
        batcher.add(LinkId(1), content(1), T);
        batcher.add(LinkId(1), content(2), T + 200 * MS);
        batcher.add(LinkId(2), content(1), T + 100 * MS);
        assert_eq!(batcher.poll_timeout(), Some(T + HAVE_BATCH));
        assert_eq!(batcher.take_due(T + HAVE_BATCH - MS), vec![]);
        let due = batcher.take_due(T + HAVE_BATCH);
        assert_eq!(due, vec![(LinkId(1), vec![content(1), content(2)])]);
        batcher.settled(LinkId(2), &content(1));
        assert_eq!(batcher.poll_timeout(), None);
        batcher.add(LinkId(3), content(1), T);
        batcher.link_down(LinkId(3));
        assert_eq!(batcher.poll_timeout(), None);
    }

    #[test]
    fn a_full_frame_does_not_wait() {
        let mut batcher = HaveBatcher::default();
        let most = MAX_IDS as u16;
        for number in 0..most - 1 {
            batcher.add(LinkId(1), content(number), T);
        }
        assert_eq!(batcher.take_due(T), vec![]);
        batcher.add(LinkId(1), content(most), T);
        batcher.add(LinkId(1), content(most + 1), T + MS);
        assert_eq!(batcher.poll_timeout(), Some(T));
        let sizes: Vec<usize> = batcher
            .take_due(T + MS)
            .iter()
            .map(|(_, contents)| contents.len())
            .collect();
        assert_eq!(sizes, vec![MAX_IDS, 1]);
    }

    proptest! {
        #[test]
        fn each_other_link_hears_of_a_bundle_in_exactly_one_way(
            kinds in vec(any::<(bool, bool)>(), 0..40), from in any::<Option<u8>>(), size in prop::sample::select(vec![256_u32, 1_024, 4_096])
        ) {
            let all: Vec<Candidate> =
                kinds.iter().zip(0..).map(|((member, slow), n)| candidate(n, *member, *slow)).collect();
            let from = from.map(|n| PeerKey(u64::from(n % 40)));
            let spread = Eager::default().spread(&all, from, size);
            prop_assert!(spread.eager.len() <= EAGER_LINKS);
            let mut told: Vec<LinkId> = spread.eager.into_iter().chain(spread.announce).collect();
            told.sort_unstable();
            let expected: Vec<LinkId> =
                all.iter().filter(|c| Some(c.peer) != from).map(|c| c.link).collect();
            prop_assert_eq!(told, expected);
        }
    }
}
