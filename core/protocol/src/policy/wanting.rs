//! Bundles that were announced and are not here yet: which link was asked, who else announced them, and
//! when to ask elsewhere (docs/protocol.md §8.4).
//!
//! `K` names a bundle alike on every link.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use crate::id::LinkId;

/// An answer that has not come after this long is asked for elsewhere, unless the link asked delivers
/// others meanwhile.
pub const ASK_ELSEWHERE_AFTER: Duration = Duration::from_secs(2);
/// A link that delivers is waited for no longer than this.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Bundles wanted at most; announcements beyond are left to the reconciliation.
pub const MAX_WANTED: usize = 4_096;
/// Links remembered for one bundle at most, the asked one included.
pub const MAX_ANNOUNCERS: usize = 8;
/// Of these, bundles that one link was asked for and has not sent at most: no link can fill the list.
pub const MAX_WANTED_OF_LINK: usize = 1_024;

/// Send a Want for `key` over `link`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ask<K> {
    /// Over which link.
    pub link: LinkId,
    /// For which bundle.
    pub key: K,
}

/// All bundles wanted.
#[derive(Debug)]
pub struct Wanting<K> {
    wanted: BTreeMap<K, Wanted>,
    due: BTreeSet<(Duration, K)>,
    asked: BTreeMap<LinkId, OfLink>,
}

#[derive(Debug)]
struct Wanted {
    asked: LinkId,
    since: Duration,
    due: Duration,
    /// Others that announced it, in order.
    others: Vec<LinkId>,
}

/// What one link was asked for.
#[derive(Debug, Default)]
struct OfLink {
    count: usize,
    /// When it last delivered something.
    delivered: Option<Duration>,
}

impl<K> Default for Wanting<K> {
    fn default() -> Self {
        Self {
            wanted: BTreeMap::new(),
            due: BTreeSet::new(),
            asked: BTreeMap::new(),
        }
    }
}

impl<K: Copy + Ord> Wanting<K> {
    /// A link announced a bundle that is not here. Returns whether to ask this link for it.
    pub fn announced(&mut self, key: K, link: LinkId, now: Duration) -> Option<Ask<K>> {
        if let Some(wanted) = self.wanted.get_mut(&key) {
            let known = wanted.asked == link || wanted.others.contains(&link);
            if !known && wanted.others.len() + 1 < MAX_ANNOUNCERS {
                wanted.others.push(link);
            }
            return None;
        }
        let of_link = self.asked.get(&link).map_or(0, |asked| asked.count);
        if self.wanted.len() >= MAX_WANTED || of_link >= MAX_WANTED_OF_LINK {
            return None;
        }
        self.ask(key, link, Vec::new(), now);
        Some(Ask { link, key })
    }

    /// A bundle came in over a link: what else it was asked for is on its way.
    pub fn delivering(&mut self, link: LinkId, now: Duration) {
        if let Some(asked) = self.asked.get_mut(&link) {
            asked.delivered = Some(now);
        }
    }

    /// The bundle is here, or need not come.
    pub fn settled(&mut self, key: &K) {
        self.take(key);
    }

    /// The link asked no longer has the bundle: whom to ask now.
    pub fn gone(&mut self, key: &K, link: LinkId, now: Duration) -> Option<Ask<K>> {
        let wanted = self.wanted.get_mut(key)?;
        if wanted.asked != link {
            wanted.others.retain(|other| *other != link);
            return None;
        }
        self.ask_next(*key, now)
    }

    /// A link is lost: whom to ask for what it owed.
    pub fn link_down(&mut self, link: LinkId, now: Duration) -> Vec<Ask<K>> {
        let mut owed = Vec::new();
        for (key, wanted) in &mut self.wanted {
            wanted.others.retain(|other| *other != link);
            if wanted.asked == link {
                owed.push(*key);
            }
        }
        owed.into_iter()
            .filter_map(|key| self.ask_next(key, now))
            .collect()
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Time has passed: whom to ask for what has not come. The link asked before goes to the end of the
    /// bundle's line; a bundle without another announcer is forgotten, the reconciliation brings it.
    pub fn handle_timeout(&mut self, now: Duration) -> Vec<Ask<K>> {
        let mut asks = Vec::new();
        while let Some((at, key)) = self.due.first().copied() {
            if at > now {
                break;
            }
            if let Some(later) = self.later(&key).filter(|later| *later > now) {
                self.put_off(key, later);
                continue;
            }
            let late = self.wanted.get(&key).map(|wanted| wanted.asked);
            if let Some(ask) = self.ask_next(key, now) {
                if let (Some(wanted), Some(late)) = (self.wanted.get_mut(&key), late) {
                    wanted.others.push(late);
                }
                asks.push(ask);
            }
        }
        asks
    }

    /// The link that was asked for a bundle.
    #[must_use]
    pub fn asked(&self, key: &K) -> Option<LinkId> {
        self.wanted.get(key).map(|wanted| wanted.asked)
    }

    /// How many bundles are wanted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    fn ask(&mut self, key: K, link: LinkId, others: Vec<LinkId>, now: Duration) {
        let due = now + ASK_ELSEWHERE_AFTER;
        self.due.insert((due, key));
        self.asked.entry(link).or_default().count += 1;
        self.wanted.insert(
            key,
            Wanted {
                asked: link,
                since: now,
                due,
                others,
            },
        );
    }

    /// Until when to wait for a link that delivers.
    fn later(&self, key: &K) -> Option<Duration> {
        let wanted = self.wanted.get(key)?;
        let delivered = self.asked.get(&wanted.asked)?.delivered?;
        Some((delivered + ASK_ELSEWHERE_AFTER).min(wanted.since + PATIENCE))
    }

    fn put_off(&mut self, key: K, later: Duration) {
        if let Some(wanted) = self.wanted.get_mut(&key) {
            self.due.remove(&(wanted.due, key));
            self.due.insert((later, key));
            wanted.due = later;
        }
    }

    fn take(&mut self, key: &K) -> Option<Wanted> {
        let wanted = self.wanted.remove(key)?;
        self.due.remove(&(wanted.due, *key));
        if let Some(asked) = self.asked.get_mut(&wanted.asked) {
            asked.count -= 1;
            if asked.count == 0 {
                self.asked.remove(&wanted.asked);
            }
        }
        Some(wanted)
    }

    fn ask_next(&mut self, key: K, now: Duration) -> Option<Ask<K>> {
        let mut wanted = self.take(&key)?;
        if wanted.others.is_empty() {
            return None;
        }
        let link = wanted.others.remove(0);
        self.ask(key, link, wanted.others, now);
        Some(Ask { link, key })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const T: Duration = Duration::from_secs(5);
    const MS: Duration = Duration::from_millis(1);
    const A: LinkId = LinkId(1);
    const B: LinkId = LinkId(2);
    const C: LinkId = LinkId(3);

    fn ask(link: LinkId, key: u32) -> Ask<u32> {
        Ask { link, key }
    }

    #[test]
    fn the_first_announcer_is_asked_and_after_two_seconds_the_next() {
        let mut wanting = Wanting::default();
        assert_eq!(wanting.announced(7, A, T), Some(ask(A, 7)));
        assert_eq!(wanting.announced(7, B, T), None);
        assert_eq!(wanting.announced(7, A, T), None);
        assert_eq!(wanting.poll_timeout(), Some(T + ASK_ELSEWHERE_AFTER));
        assert_eq!(wanting.handle_timeout(T + ASK_ELSEWHERE_AFTER - MS), vec![]);
        let second = T + ASK_ELSEWHERE_AFTER;
        assert_eq!(wanting.handle_timeout(second), vec![ask(B, 7)]);
        assert_eq!(wanting.asked(&7), Some(B));
        // A is asked again only after B was late too.
        let third = second + ASK_ELSEWHERE_AFTER;
        assert_eq!(wanting.handle_timeout(third), vec![ask(A, 7)]);
        wanting.settled(&7);
        assert!(wanting.is_empty() && wanting.poll_timeout().is_none());
        assert_eq!(wanting.announced(7, C, third), Some(ask(C, 7)));
    }

    #[test]
    fn a_bundle_nobody_else_announced_is_forgotten() {
        let mut wanting = Wanting::default();
        wanting.announced(7, A, T);
        assert_eq!(wanting.handle_timeout(T + ASK_ELSEWHERE_AFTER), vec![]);
        assert!(wanting.is_empty());
    }

    #[test]
    fn a_link_that_delivers_is_waited_for_but_not_for_ever() {
        let mut wanting = Wanting::default();
        for key in [1, 2] {
            wanting.announced(key, A, T);
            wanting.announced(key, B, T);
        }
        wanting.settled(&1);
        wanting.delivering(A, T + 1_500 * MS);
        wanting.delivering(C, T);
        assert_eq!(wanting.handle_timeout(T + ASK_ELSEWHERE_AFTER), vec![]);
        assert_eq!(wanting.poll_timeout(), Some(T + 3_500 * MS));
        assert_eq!(wanting.handle_timeout(T + 3_500 * MS), vec![ask(B, 2)]);
        let asked = T + 3_500 * MS;
        for second in 1..30 {
            let now = asked + 1_000 * second * MS;
            wanting.delivering(B, now);
            assert_eq!(wanting.handle_timeout(now), vec![], "{second}");
        }
        assert_eq!(wanting.poll_timeout(), Some(asked + PATIENCE));
        wanting.delivering(B, asked + PATIENCE);
        assert_eq!(wanting.handle_timeout(asked + PATIENCE), vec![ask(A, 2)]);
    }

    #[test]
    fn gone_and_lost_links_move_the_question_on() {
        let mut wanting = Wanting::default();
        for key in [1, 2] {
            wanting.announced(key, A, T);
            wanting.announced(key, B, T);
            wanting.announced(key, C, T);
        }
        assert_eq!(wanting.gone(&1, B, T), None);
        assert_eq!(wanting.gone(&1, A, T), Some(ask(C, 1)));
        assert_eq!(wanting.link_down(A, T + MS), vec![ask(B, 2)]);
        assert_eq!(wanting.poll_timeout(), Some(T + ASK_ELSEWHERE_AFTER));
        assert_eq!(wanting.link_down(C, T), vec![]);
        assert_eq!(wanting.asked(&1), None);
        assert_eq!(wanting.gone(&2, B, T), None);
        assert!(wanting.is_empty());
    }

    #[test]
    fn the_lists_are_bounded_for_each_link_and_in_total() {
        let mut wanting = Wanting::default();
        let mut asked = 0;
        for key in 0..2_000 {
            asked += usize::from(wanting.announced(key, A, T).is_some());
        }
        assert_eq!(asked, MAX_WANTED_OF_LINK);
        assert!(wanting.announced(5_000, B, T).is_some());
        for link in 10..20 {
            for key in 0..1_000_u32 {
                let key = 10_000 * u32::try_from(link).unwrap() + key;
                asked += usize::from(wanting.announced(key, LinkId(link), T).is_some());
            }
        }
        assert_eq!((wanting.len(), asked), (MAX_WANTED, MAX_WANTED - 1));
        wanting.settled(&0);
        assert!(wanting.announced(1, LinkId(99), T).is_none());
        assert!(wanting.announced(9_999, A, T).is_some());
        for link in 100..200 {
            wanting.announced(9_999, LinkId(link), T);
        }
        assert_eq!(wanting.wanted[&9_999].others.len(), MAX_ANNOUNCERS - 1);
    }

    proptest! {
        /// Whatever happens, a bundle is asked of one link at a time, and every ask names a link that
        /// announced the bundle and is up.
        #[test]
        fn one_question_at_a_time(steps in vec((0..5_u8, 0..6_u32, 0..4_u64), 0..200)) {
            let mut wanting = Wanting::default();
            let mut now = T;
            let mut announced = BTreeSet::new();
            for (step, key, link) in steps {
                let link = LinkId(link);
                let asks = match step {
                    0 | 1 => {
                        announced.insert((key, link));
                        wanting.announced(key, link, now).into_iter().collect()
                    }
                    2 => wanting.gone(&key, link, now).into_iter().collect(),
                    3 => {
                        announced.retain(|(_, up)| *up != link);
                        wanting.link_down(link, now)
                    }
                    _ => {
                        now += MS * 900;
                        wanting.handle_timeout(now)
                    }
                };
                for ask in asks {
                    prop_assert!(announced.contains(&(ask.key, ask.link)));
                    prop_assert_eq!(wanting.asked(&ask.key), Some(ask.link));
                }
                prop_assert_eq!(wanting.due.len(), wanting.wanted.len());
                prop_assert_eq!(wanting.asked.values().map(|asked| asked.count).sum::<usize>(), wanting.len());
                prop_assert!(wanting.poll_timeout().is_none_or(|at| at > now));
            }
        }
    }
}
