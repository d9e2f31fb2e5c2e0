//! One generation of the journal with its index: what readers hold while they read.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use super::index::{Index, Location};
use super::journal::{Journal, Tail, Unreadable};
use super::key::Keys;
use super::record::{Entry, Frame};
use super::sled_index::Broken;
use super::walk::{Visit, walk};
use crate::ports::store::{StoreError, StoreStats, Table};

/// Values of a table up to this many bytes in total are read once in a scan, not twice.
const SCAN_AT_ONCE: u64 = 1 << 20;

pub(super) struct Generation {
    pub(super) journal: Journal,
    keys: Arc<Keys>,
    index: RwLock<Index>,
    /// Length of the journal that is durable and indexed.
    synced: AtomicU64,
    /// The journal itself is known to be damaged: rebuilding the index would not help.
    damaged: AtomicBool,
}

impl Generation {
    pub(super) fn new(journal: Journal, keys: Arc<Keys>, index: Index, synced: u64) -> Self {
        let (index, synced) = (RwLock::new(index), AtomicU64::new(synced));
        Self {
            journal,
            keys,
            index,
            synced,
            damaged: AtomicBool::new(false),
        }
    }

    /// From now on what cannot be read is reported and not searched for.
    pub(super) fn set_damaged(&self) {
        self.damaged.store(true, Ordering::Release);
    }

    /// The journal's file, for syncing and cutting.
    pub(super) fn file(&self) -> &File {
        &self.journal.file
    }

    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Makes records visible that are durable now, all at once.
    ///
    /// # Errors
    /// When the index broke and could not be rebuilt.
    pub(super) fn publish(&self, records: &[(u64, &[Entry])], end: u64) -> Result<(), StoreError> {
        let mut index = self.write();
        self.synced.store(end, Ordering::Release);
        for (record, entries) in records {
            if let Err(broken) = index.apply(*record, entries) {
                *index = self.rebuilt(&broken)?;
                break;
            }
        }
        Ok(())
    }

    /// The value of a key.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let blinded = self.keys.blind(table, key);
        self.retrying(|| {
            let Some(location) = self.locate(&blinded)? else {
                return Ok(None);
            };
            let mut reader = self.journal.reader(&self.keys);
            match reader.read(location)? {
                Frame {
                    table: t,
                    key: k,
                    value: Some(v),
                } if t == table && k == key => Ok(Some(v.to_vec())),
                _ => Err(Trouble::Wrong),
            }
        })
    }

    /// Whether this is where the index says that the entry lives.
    pub(super) fn is_live(&self, record: u64, entry: &Entry) -> Result<bool, StoreError> {
        let location = entry.span.map(|span| Location { record, span });
        self.retrying(|| Ok(location.is_some() && self.locate(&entry.key)? == location))
    }

    /// Every pair of a table in the order of its keys, as of one moment.
    pub(super) fn scan(
        &self,
        table: Table,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), StoreError> {
        let tag = self.keys.blind_table(table);
        let mut found = self.retrying(|| {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let mut locations = index.of_table(tag)?;
            drop(index);
            // In the order of the file, which is how it is read fastest.
            locations.sort_unstable_by_key(|location| (location.record, location.span.at));
            let at_once =
                locations.iter().map(|l| u64::from(l.span.len)).sum::<u64>() <= SCAN_AT_ONCE;
            let mut reader = self.journal.reader(&self.keys);
            let mut found: Vec<(Box<[u8]>, Found)> = Vec::with_capacity(locations.len());
            for location in locations {
                let frame = reader.read(location)?;
                let Some(value) = frame.value else {
                    return Err(Trouble::Wrong);
                };
                if frame.table == table {
                    let value = if at_once {
                        Found::Here(value.into())
                    } else {
                        Found::At(location)
                    };
                    found.push((frame.key.into(), value));
                }
            }
            Ok(found)
        })?;
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut reader = self.journal.reader(&self.keys);
        for (key, value) in &found {
            match value {
                Found::Here(value) => visit(key, value),
                Found::At(location) => match reader.read(*location).map_err(Trouble::from) {
                    Ok(Frame {
                        value: Some(value), ..
                    }) => visit(key, value),
                    Ok(_) => return Err(damaged("a record changed under our hands")),
                    Err(trouble) => return Err(trouble.into()),
                },
            }
        }
        Ok(())
    }

    /// Bytes of the journal that live entries take.
    pub(super) fn live_bytes(&self) -> u64 {
        self.index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .live_bytes()
    }

    /// Live keys, and all bytes on disk.
    pub(super) fn stats(&self) -> StoreStats {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        StoreStats {
            keys: index.keys(),
            disk_bytes: self.synced() + index.disk_bytes(),
        }
    }

    fn locate(&self, key: &super::index::IndexKey) -> Result<Option<Location>, Trouble> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        Ok(index.get(key)?)
    }

    /// Runs a read; when the index turns out to be wrong, once more with a rebuilt one.
    fn retrying<T>(&self, mut read: impl FnMut() -> Result<T, Trouble>) -> Result<T, StoreError> {
        let broken = match read() {
            Ok(found) => return Ok(found),
            Err(Trouble::Index(broken)) => broken,
            Err(Trouble::Wrong) if !self.damaged.load(Ordering::Acquire) => Broken::Entry,
            Err(trouble) => return Err(trouble.into()),
        };
        let mut index = self.write();
        *index = self.rebuilt(&broken)?;
        drop(index);
        read().map_err(StoreError::from)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The index anew, in memory, from the journal.
    fn rebuilt(&self, why: &Broken) -> Result<Index, StoreError> {
        tracing::warn!(%why, "the index is rebuilt in memory");
        let mut filling = Filling::new(Index::new(None));
        let walked = walk(
            &self.journal,
            &self.keys,
            Tail::EMPTY,
            self.synced(),
            &mut filling,
        )?;
        if walked.damaged_at.is_some() || walked.torn > 0 {
            self.set_damaged();
            return Err(damaged("a record that was readable before is not any more"));
        }
        Ok(filling.index)
    }
}

enum Found {
    Here(Box<[u8]>),
    At(Location),
}

enum Trouble {
    /// The index leads to something that is not there.
    Wrong,
    Index(Broken),
    Io(io::Error),
}

impl From<Broken> for Trouble {
    fn from(broken: Broken) -> Self {
        Self::Index(broken)
    }
}

impl From<Unreadable> for Trouble {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Broken => Self::Wrong,
            Unreadable::Io(error) => Self::Io(error),
        }
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Io(error) => Self::Io(error),
            Trouble::Wrong | Trouble::Index(_) => damaged("a record is not what was written"),
        }
    }
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged {
        what: what.to_owned(),
    }
}

/// Fills an index from a walk.
pub(super) struct Filling {
    pub(super) index: Index,
    entries: Vec<Entry>,
}

impl Filling {
    pub(super) fn new(index: Index) -> Self {
        Self {
            index,
            entries: Vec::new(),
        }
    }
}

impl Visit for Filling {
    fn change(&mut self, _record: u64, entry: Entry, _frame: &Frame<'_>) -> Result<(), StoreError> {
        self.entries.push(entry);
        Ok(())
    }

    fn end(&mut self, record: u64) -> Result<(), StoreError> {
        self.index
            .apply(record, &self.entries)
            .map_err(io::Error::other)?;
        self.entries.clear();
        Ok(())
    }
}
