//! Misbehaviour: counted by peer and by kind; a peer that keeps at it is let go, with a reason, and a
//! source whose peers keep being let go is refused for a while. A PeerId costs nothing, a source does.

use core::time::Duration;
use std::collections::BTreeMap;

use crate::{link_kind::Source, wire::v1::CloseReason};

/// Peers whose strikes are remembered at most; those longest without a strike are forgotten first.
pub const MAX_PEERS: usize = 1_024;
/// Sources that are remembered at most.
pub const MAX_SOURCES: usize = 1_024;
/// Points that a peer may have; above, it is let go.
pub const TOLERATED: u32 = 16;
/// One point is forgiven after each such time without a strike.
pub const FORGIVEN_EVERY: Duration = Duration::from_secs(60);
/// Peers of a source let go within [`SOURCE_MEMORY`] before the source itself is refused.
pub const TOLERATED_PEERS: u32 = 3;
/// How long a let-go peer is held against its source.
pub const SOURCE_MEMORY: Duration = Duration::from_secs(600);

/// What a peer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strike {
    /// A frame that does not decode, is unknown or out of bounds.
    BrokenFrame,
    /// Broke the order of the link: credit, Parts out of step, a second Hello.
    BrokenLink,
    /// A bundle of a version or shape that no node makes.
    BadBundle,
    /// An envelope that opened under a channel's key, but is not validly signed.
    ForgedEnvelope,
    /// A proof, binding or recognition tag that does not verify.
    BadProof,
    /// A reconciliation that cannot be right.
    BadReconciliation,
    /// Announced a bundle and did not have it.
    EmptyPromise,
    /// Sends more than its share.
    Flood,
}

impl Strike {
    /// Stable word, for counters and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BrokenFrame => "broken-frame",
            Self::BrokenLink => "broken-link",
            Self::BadBundle => "bad-bundle",
            Self::ForgedEnvelope => "forged-envelope",
            Self::BadProof => "bad-proof",
            Self::BadReconciliation => "bad-reconciliation",
            Self::EmptyPromise => "empty-promise",
            Self::Flood => "flood",
        }
    }

    /// Points. What an honest node never does weighs more; a member's forged envelope can come through an
    /// honest carrier of the same channel, an empty promise from an eviction.
    const fn points(self) -> u32 {
        match self {
            Self::BrokenFrame | Self::EmptyPromise | Self::ForgedEnvelope => 1,
            Self::BadBundle | Self::Flood => 4,
            Self::BadReconciliation => 6,
            Self::BadProof => 9,
            Self::BrokenLink => TOLERATED + 1,
        }
    }
}

/// What follows from one strike too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Close the peer's links and do not dial it for a while.
    LetGo(CloseReason),
    /// The same, and refuse its source for a while.
    RefuseSource(CloseReason),
}

/// The record of all peers. `P` names a peer: its transport id, or a key above transport ids.
#[derive(Debug)]
pub struct Strikes<P> {
    peers: BTreeMap<P, Record>,
    sources: BTreeMap<Source, Guilt>,
}

#[derive(Debug, Default)]
struct Record {
    points: u32,
    last: Duration,
    by_kind: BTreeMap<Strike, u64>,
}

#[derive(Debug, Default)]
struct Guilt {
    peers: u32,
    last: Duration,
}

impl<P> Default for Strikes<P> {
    fn default() -> Self {
        Self {
            peers: BTreeMap::new(),
            sources: BTreeMap::new(),
        }
    }
}

impl<P: Copy + Ord> Strikes<P> {
    /// A peer at this source misbehaved. `None`: that is borne.
    pub fn strike(
        &mut self,
        peer: P,
        source: Source,
        strike: Strike,
        now: Duration,
    ) -> Option<Verdict> {
        make_room(&mut self.peers, &peer, MAX_PEERS, |record| record.last);
        let record = self.peers.entry(peer).or_default();
        let quiet = now.saturating_sub(record.last).as_secs() / FORGIVEN_EVERY.as_secs();
        let forgiven = u32::try_from(quiet).unwrap_or(u32::MAX);
        record.points = record
            .points
            .saturating_sub(forgiven)
            .saturating_add(strike.points());
        record.last = now;
        let count = record.by_kind.entry(strike).or_default();
        *count = count.saturating_add(1);
        if record.points <= TOLERATED {
            return None;
        }
        record.points = 0;
        let reason = CloseReason::Misbehaviour;
        Some(if self.blame(source, now) {
            Verdict::RefuseSource(reason)
        } else {
            Verdict::LetGo(reason)
        })
    }

    /// Strikes of a peer by kind.
    pub fn of(&self, peer: &P) -> impl Iterator<Item = (Strike, u64)> + '_ {
        self.peers
            .get(peer)
            .into_iter()
            .flat_map(|record| record.by_kind.iter().map(|(kind, count)| (*kind, *count)))
    }

    /// A peer of this source was let go; whether that was one too many.
    fn blame(&mut self, source: Source, now: Duration) -> bool {
        make_room(&mut self.sources, &source, MAX_SOURCES, |guilt| guilt.last);
        let guilt = self.sources.entry(source).or_default();
        if now.saturating_sub(guilt.last) >= SOURCE_MEMORY {
            guilt.peers = 0;
        }
        guilt.peers += 1;
        guilt.last = now;
        if guilt.peers <= TOLERATED_PEERS {
            return false;
        }
        guilt.peers = 0;
        true
    }
}

/// Lets the entry longest untouched go when `key` is new and the map is full.
fn make_room<K: Copy + Ord, V>(
    map: &mut BTreeMap<K, V>,
    key: &K,
    most: usize,
    last: impl Fn(&V) -> Duration,
) {
    if map.len() < most || map.contains_key(key) {
        return;
    }
    let oldest = map
        .iter()
        .min_by_key(|(_, value)| last(value))
        .map(|(key, _)| *key);
    if let Some(oldest) = oldest {
        map.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(10_000);
    const HERE: Source = Source(1);
    const GONE: Verdict = Verdict::LetGo(CloseReason::Misbehaviour);

    #[test]
    fn sixteen_broken_frames_are_borne_the_next_is_not() {
        let mut strikes = Strikes::default();
        for _ in 0..TOLERATED {
            assert_eq!(strikes.strike(7, HERE, Strike::BrokenFrame, T), None);
        }
        let verdict = strikes.strike(7, HERE, Strike::BrokenFrame, T);
        assert_eq!(verdict, Some(GONE));
        assert_eq!(
            strikes.of(&7).collect::<Vec<_>>(),
            vec![(Strike::BrokenFrame, 17)]
        );
        // It begins anew if it comes back.
        assert_eq!(strikes.strike(7, HERE, Strike::BrokenFrame, T), None);
        assert_eq!(strikes.strike(8, HERE, Strike::BrokenFrame, T), None);
    }

    #[test]
    fn worse_deeds_weigh_more() {
        let deeds = [
            (Strike::BrokenFrame, 17),
            (Strike::EmptyPromise, 17),
            (Strike::ForgedEnvelope, 17),
            (Strike::BadBundle, 5),
            (Strike::Flood, 5),
            (Strike::BadReconciliation, 3),
            (Strike::BadProof, 2),
            (Strike::BrokenLink, 1),
        ];
        for (deed, needed) in deeds {
            let mut strikes = Strikes::default();
            let mut count = 1;
            while strikes.strike(0, HERE, deed, T).is_none() {
                count += 1;
            }
            assert_eq!(count, needed, "{}", deed.word());
        }
    }

    #[test]
    fn a_minute_of_quiet_forgives_a_point() {
        let mut strikes = Strikes::default();
        for _ in 0..TOLERATED {
            strikes.strike(7, HERE, Strike::BrokenFrame, T);
        }
        let minute = T + FORGIVEN_EVERY;
        assert_eq!(strikes.strike(7, HERE, Strike::BrokenFrame, minute), None);
        let almost = minute + FORGIVEN_EVERY - Duration::from_millis(1);
        assert_ne!(strikes.strike(7, HERE, Strike::BrokenFrame, almost), None);
    }

    #[test]
    fn a_source_of_many_bad_peers_is_refused() {
        let mut strikes = Strikes::default();
        let mut let_go = |peer, source, now| strikes.strike(peer, source, Strike::BrokenLink, now);
        let gone = Some(GONE);
        let refused = Some(Verdict::RefuseSource(CloseReason::Misbehaviour));
        for peer in 0..TOLERATED_PEERS {
            assert_eq!(let_go(peer, HERE, T), gone);
            assert_eq!(let_go(peer, Source(2), T), gone);
        }
        assert_eq!(let_go(99, HERE, T), refused);
        assert_eq!(let_go(99, HERE, T), gone);
        // Long ago does not count; just short of it does.
        assert_eq!(let_go(99, Source(2), T + SOURCE_MEMORY), gone);
        for peer in 0..2 {
            assert_eq!(let_go(peer, Source(2), T + SOURCE_MEMORY), gone);
        }
        let almost = T + SOURCE_MEMORY * 2 - Duration::from_millis(1);
        assert_eq!(let_go(5, Source(2), almost), refused);
        let longer = almost + SOURCE_MEMORY * 3;
        for peer in 0..TOLERATED_PEERS {
            assert_eq!(let_go(peer, Source(3), almost), gone);
        }
        assert_eq!(let_go(9, Source(3), longer), gone);
    }

    #[test]
    fn a_thousand_peer_ids_leave_memory_flat() {
        let mut strikes = Strikes::default();
        for peer in 0..5_000_u32 {
            let now = T + Duration::from_secs(u64::from(peer));
            strikes.strike(peer, Source(u64::from(peer)), Strike::BrokenLink, now);
        }
        assert_eq!(
            (strikes.peers.len(), strikes.sources.len()),
            (MAX_PEERS, MAX_SOURCES)
        );
        assert!(strikes.peers.contains_key(&4_999) && !strikes.peers.contains_key(&3_975));
        assert!(strikes.peers.contains_key(&3_976));
        // One that is known pushes nobody out.
        strikes.strike(4_999, HERE, Strike::BrokenFrame, T + T);
        assert!(strikes.peers.contains_key(&3_976));
    }
}
