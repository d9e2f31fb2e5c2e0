//! Who is left alone for a while.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::{id::TransportId, link_kind::Source};

/// Bans remembered at most; the one that ends first makes room.
pub const MAX_BANS: usize = 1_024;

/// Whom a ban concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// One transport key.
    Peer(TransportId),
    /// Everyone at a source.
    Source(Source),
}

#[derive(Debug, Default)]
pub(super) struct Bans {
    until: BTreeMap<Subject, Duration>,
}

impl Bans {
    /// Bans until then, or longer if it was banned for longer.
    pub(super) fn add(&mut self, subject: Subject, until: Duration) {
        if self.until.len() >= MAX_BANS && !self.until.contains_key(&subject) {
            let first = self.until.iter().min_by_key(|(_, until)| **until);
            if let Some(first) = first.map(|(subject, _)| *subject) {
                self.until.remove(&first);
            }
        }
        let entry = self.until.entry(subject).or_insert(until);
        *entry = until.max(*entry);
    }

    /// When the ban on this peer at this source ends; `None` when there is none.
    pub(super) fn until(
        &self,
        peer: &TransportId,
        source: Source,
        now: Duration,
    ) -> Option<Duration> {
        [Subject::Peer(*peer), Subject::Source(source)]
            .iter()
            .filter_map(|subject| self.until.get(subject).copied())
            .filter(|until| *until > now)
            .max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);
    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_ban_holds_for_the_peer_or_its_source_until_its_end() {
        let (peer, other) = (TransportId([1; 32]), TransportId([2; 32]));
        let mut bans = Bans::default();
        bans.add(Subject::Peer(peer), T);
        bans.add(Subject::Source(Source(5)), T + S);
        assert_eq!(bans.until(&peer, Source(1), T - S), Some(T));
        assert_eq!(bans.until(&peer, Source(1), T), None);
        assert_eq!(bans.until(&other, Source(1), T - S), None);
        assert_eq!(bans.until(&other, Source(5), T), Some(T + S));
        assert_eq!(bans.until(&peer, Source(5), T - S), Some(T + S));
        bans.add(Subject::Peer(peer), T - S);
        assert_eq!(bans.until(&peer, Source(1), T - S), Some(T));
        bans.add(Subject::Peer(peer), T + 2 * S);
        assert_eq!(bans.until(&peer, Source(1), T), Some(T + 2 * S));
    }

    #[test]
    fn bans_are_bounded() {
        let mut bans = Bans::default();
        for number in 0..MAX_BANS as u64 {
            bans.add(Subject::Source(Source(number)), T + S * (number as u32 + 1));
        }
        bans.add(Subject::Source(Source(7)), T + S * 5_000);
        assert!(bans.until(&TransportId([0; 32]), Source(0), T).is_some());
        bans.add(Subject::Source(Source(9_999)), T + S * 5_000);
        assert_eq!(bans.until.len(), MAX_BANS);
        assert!(bans.until(&TransportId([0; 32]), Source(0), T).is_none());
        assert!(bans.until(&TransportId([0; 32]), Source(1), T).is_some());
    }
}
