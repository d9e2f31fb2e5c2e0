//! The set of ids that one session starts from (docs/protocol.md §8.1).

use std::sync::Arc;

use super::{
    estimate::Estimate,
    key::{SessionKey, ShortId, low_half},
};
use crate::id::ContentId;

/// Ids that one session's set may have. The shelf's own limits stay within it (65,536 held and
/// 196,608 seen); whoever announces more is not answered.
pub const MAX_SET: u32 = 262_144;

/// A snapshot of the ids a node has when a session starts, sorted by short id. Later arrivals are
/// the live exchange's affair. 40 bytes for each id; share it rather than make it twice.
pub struct SessionSet {
    key: SessionKey,
    ids: Vec<(ShortId, ContentId)>,
    fingerprint: u128,
    estimate: Estimate,
}

impl SessionSet {
    /// Takes the snapshot. Ids beyond [`MAX_SET`] are left for another session, and of two with
    /// the same short id (one in 2^64) the greater one.
    pub fn new(key: SessionKey, ids: impl IntoIterator<Item = ContentId>) -> Arc<Self> {
        let mut shares: Vec<(u128, ContentId)> = ids
            .into_iter()
            .take(MAX_SET as usize)
            .map(|content| (key.share(&content), content))
            .collect();
        shares.sort_unstable_by_key(|(share, content)| (low_half(*share), *content));
        shares.dedup_by_key(|(share, _)| low_half(*share));
        let mut fingerprint = 0u128;
        let mut estimate = Estimate::default();
        for (share, _) in &shares {
            fingerprint = fingerprint.wrapping_add(*share);
            estimate.add(*share);
        }
        Arc::new(Self {
            key,
            ids: shares
                .into_iter()
                .map(|(share, content)| (low_half(share), content))
                .collect(),
            fingerprint,
            estimate,
        })
    }

    /// The session's key.
    #[must_use]
    pub const fn key(&self) -> &SessionKey {
        &self.key
    }

    /// Number of ids, at most [`MAX_SET`].
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.ids.len()).expect("at most MAX_SET ids are taken")
    }

    /// Whether there is no id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Wrapping sum of the shares.
    #[must_use]
    pub const fn fingerprint(&self) -> u128 {
        self.fingerprint
    }

    /// The counters from which the other side estimates the difference.
    #[must_use]
    pub const fn estimate(&self) -> &Estimate {
        &self.estimate
    }

    /// All short ids, ascending.
    pub fn shorts(&self) -> impl Iterator<Item = ShortId> + '_ {
        self.ids.iter().map(|(short, _)| *short)
    }

    /// All content ids, by ascending short id.
    pub fn contents(&self) -> impl Iterator<Item = ContentId> + '_ {
        self.ids.iter().map(|(_, content)| *content)
    }

    /// The content id behind a short id.
    #[must_use]
    pub fn resolve(&self, short: ShortId) -> Option<ContentId> {
        self.position(short).map(|at| self.ids[at].1)
    }

    pub(super) fn position(&self, short: ShortId) -> Option<usize> {
        self.ids.binary_search_by_key(&short, |(id, _)| *id).ok()
    }

    pub(super) fn short_at(&self, position: usize) -> Option<ShortId> {
        self.ids.get(position).map(|(short, _)| *short)
    }

    pub(super) fn content_at(&self, position: usize) -> ContentId {
        self.ids[position].1
    }
}

impl core::fmt::Debug for SessionSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SessionSet")
            .field("count", &self.ids.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(n: u8) -> ContentId {
        ContentId([n; 32])
    }

    #[test]
    fn a_set_is_sorted_unique_and_resolves_its_short_ids() {
        let key = SessionKey::new(&[9; 32]);
        let set = SessionSet::new(key, [3, 1, 2, 1, 3].map(content));
        assert_eq!(set.count(), 3);
        assert!(!set.is_empty());
        assert!(set.shorts().is_sorted());
        for n in 1..=3 {
            assert_eq!(set.resolve(key.short(&content(n))), Some(content(n)));
        }
        assert_eq!(set.resolve(key.short(&content(4))), None);
        assert_eq!(set.contents().count(), 3);
        let sum = (1..=3).fold(0u128, |sum, n| sum.wrapping_add(key.share(&content(n))));
        assert_eq!(set.fingerprint(), sum);
    }

    #[test]
    fn the_fingerprint_depends_on_the_set_and_not_on_its_order() {
        let key = SessionKey::new(&[9; 32]);
        let one = SessionSet::new(key, [1, 2, 3].map(content));
        let two = SessionSet::new(key, [3, 2, 1].map(content));
        assert_eq!(one.fingerprint(), two.fingerprint());
        let three = SessionSet::new(key, [1, 2, 4].map(content));
        assert_ne!(one.fingerprint(), three.fingerprint());
        assert!(SessionSet::new(key, []).is_empty());
    }

    #[test]
    fn a_set_takes_no_more_than_its_cap() {
        let key = SessionKey::new(&[9; 32]);
        let ids = (0..MAX_SET + 5).map(|n| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            ContentId(id)
        });
        assert_eq!(SessionSet::new(key, ids).count(), MAX_SET);
    }
}
