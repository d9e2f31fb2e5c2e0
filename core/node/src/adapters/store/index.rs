//! Where the live entries are. Derived from the journal at every open, never the truth.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;

use super::record::{Entry, FRAME_OVERHEAD};
use super::sled_index::{Broken, SledIndex};

/// A blinded key; what it blinds is in the frame that it leads to.
pub(super) type IndexKey = [u8; 16];

/// A frame's place in its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Bytes from the start of the record.
    pub(super) at: u32,
    /// Bytes of the sealed frame.
    pub(super) len: u32,
}

/// A frame's place in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) record: u64,
    pub(super) span: Span,
}

/// Up to this many keys the index is a map in memory, about 50 bytes each. Measured (ADR 0001): sled
/// takes 20 MB and 420 wake-ups a minute for 100,000 keys whatever its cache is set to.
pub(super) const MEMORY_KEYS: usize = 131_072;

/// The index of one generation of the journal.
pub(super) struct Index {
    map: Map,
    /// Where to spill to when the map gets large; `None`: stay in memory.
    spill: Option<(usize, PathBuf)>,
    keys: u64,
    live_bytes: u64,
}

enum Map {
    Memory(BTreeMap<IndexKey, Location>),
    Sled(SledIndex),
}

impl Index {
    /// An empty index in memory that spills into `spill.1` above `spill.0` keys.
    pub(super) fn new(spill: Option<(usize, PathBuf)>) -> Self {
        Self {
            map: Map::Memory(BTreeMap::new()),
            spill,
            keys: 0,
            live_bytes: 0,
        }
    }

    /// Applies the entries of a record that is durable.
    pub(super) fn apply(&mut self, record: u64, entries: &[Entry]) -> Result<(), Broken> {
        for entry in entries {
            let new = entry.span.map(|span| Location { record, span });
            let old = match (&mut self.map, new) {
                (Map::Memory(map), Some(new)) => map.insert(entry.key, new),
                (Map::Memory(map), None) => map.remove(&entry.key),
                (Map::Sled(sled), Some(new)) => sled.insert(&entry.key, new)?,
                (Map::Sled(sled), None) => sled.remove(&entry.key)?,
            };
            self.keys = self.keys + u64::from(new.is_some()) - u64::from(old.is_some());
            self.live_bytes = self.live_bytes + weight(new) - weight(old);
        }
        self.spill();
        Ok(())
    }

    pub(super) fn get(&self, key: &IndexKey) -> Result<Option<Location>, Broken> {
        match &self.map {
            Map::Memory(map) => Ok(map.get(key).copied()),
            Map::Sled(sled) => sled.get(key),
        }
    }

    /// The locations of a table, in no order that means anything.
    pub(super) fn of_table(&self, tag: [u8; 2]) -> Result<Vec<Location>, Broken> {
        match &self.map {
            Map::Memory(map) => {
                let (mut first, mut last) = ([0; 16], [0xff; 16]);
                first[..2].copy_from_slice(&tag);
                last[..2].copy_from_slice(&tag);
                let range = (Bound::Included(first), Bound::Included(last));
                Ok(map.range(range).map(|(_, location)| *location).collect())
            }
            Map::Sled(sled) => sled.prefix(tag),
        }
    }

    /// Live keys.
    pub(super) fn keys(&self) -> u64 {
        self.keys
    }

    /// Bytes of the journal that live entries take.
    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    /// Bytes on disk beside the journal.
    pub(super) fn disk_bytes(&self) -> u64 {
        match &self.map {
            Map::Memory(_) => 0,
            Map::Sled(sled) => sled.disk_bytes(),
        }
    }

    /// Moves to sled once memory would cost more. When sled refuses (a full disk), memory it stays.
    fn spill(&mut self) {
        let Map::Memory(map) = &self.map else { return };
        match &self.spill {
            Some((limit, _)) if map.len() > *limit => {}
            _ => return,
        }
        let Some((_, dir)) = self.spill.take() else {
            return;
        };
        let moved = SledIndex::create(dir).and_then(|sled| {
            for (key, location) in map {
                sled.insert(key, *location)?;
            }
            Ok(sled)
        });
        match moved {
            Ok(sled) => self.map = Map::Sled(sled),
            Err(broken) => tracing::warn!(%broken, "the index stays in memory"),
        }
    }
}

fn weight(location: Option<Location>) -> u64 {
    let overhead = (FRAME_OVERHEAD - 18) as u64;
    location.map_or(0, |location| u64::from(location.span.len) + overhead)
}
