//! What a link has been through, for status, strikes and tests.

use std::collections::BTreeMap;

/// Broken or unknown frames by kind. The kinds are fixed words: a peer cannot grow the map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    by_kind: BTreeMap<&'static str, u64>,
}

impl Counters {
    pub(super) fn add(&mut self, kind: &'static str) {
        let count = self.by_kind.entry(kind).or_default();
        *count = count.saturating_add(1);
    }

    /// How many frames of this kind came in.
    #[must_use]
    pub fn get(&self, kind: &str) -> u64 {
        self.by_kind.get(kind).copied().unwrap_or(0)
    }

    /// Over all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_kind
            .values()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Kinds and counts, in the order of the words.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.by_kind.iter().map(|(kind, count)| (*kind, *count))
    }
}

/// Frames and bytes of a link; bytes include each frame's length of two bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames taken in.
    pub frames_in: u64,
    /// Bytes taken in.
    pub bytes_in: u64,
    /// Frames handed to the adapter.
    pub frames_out: u64,
    /// Bytes handed to the adapter.
    pub bytes_out: u64,
}
