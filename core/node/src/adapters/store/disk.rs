//! The durable store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;

use super::files::{Files, refused};
use super::generation::Generation;
use super::group::Group;
use super::journal::Tail;
use super::key::Keys;
use super::lock::DirLock;
use super::open::{self, Opened, Options};
use super::record::{Entry, Sealed};
use super::{bounds, marker, rewrite, wipe};
use crate::ports::store::{Batch, Store, StoreError, StoreStats, Table};

/// A store in a directory. Dropping it is the orderly stop.
pub struct DiskStore {
    inner: Arc<Inner>,
    /// The compaction under way.
    compaction: Mutex<Option<JoinHandle<()>>>,
}

impl DiskStore {
    /// Opens or creates the store of a directory.
    ///
    /// A damaged or foreign store is opened read-only, with what can be read; commits on it answer
    /// [`StoreError::Damaged`].
    ///
    /// # Errors
    /// [`StoreError::Held`], [`StoreError::Newer`], [`StoreError::Full`] (only when it has to create
    /// or to migrate), [`StoreError::Io`].
    pub fn open(dir: &Path, options: Options) -> Result<Opened, StoreError> {
        open::open(dir, options)
    }

    /// Destroys the store key and then removes the store (ID-8). The first part takes a few small
    /// writes whatever the size of the store, and is done even if a node has the directory open. When
    /// interrupted, calling it again or opening the directory finishes it.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the key is gone unless it says so about the key file.
    pub fn wipe(dir: &Path) -> Result<(), StoreError> {
        Ok(wipe::wipe(&Files::default(), dir)?)
    }

    /// Gives garbage back to the disk now, whether it is worth it or not. The store does this by
    /// itself when more than half of it is garbage.
    ///
    /// # Errors
    /// [`StoreError::Full`] and the others; the store then stays as it is.
    pub fn compact(&self) -> Result<(), StoreError> {
        let mut compaction = lock(&self.compaction);
        if let Some(running) = compaction.take() {
            let _ = running.join();
        }
        rewrite::compact(&self.inner)
    }

    pub(super) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            compaction: Mutex::new(None),
        }
    }

    /// Starts a compaction when more than half of the journal is garbage.
    fn compact_if_due(&self) {
        if !self.inner.compaction_due() {
            return;
        }
        let Ok(mut compaction) = self.compaction.try_lock() else {
            return;
        };
        if compaction
            .as_ref()
            .is_some_and(|running| !running.is_finished())
        {
            return;
        }
        let inner = Arc::clone(&self.inner);
        let started = std::thread::Builder::new()
            .name("store-compact".to_owned())
            .spawn(move || {
                if let Err(error) = rewrite::compact(&inner) {
                    tracing::warn!(%error, "the journal could not be compacted, it stays as it is");
                }
            });
        match started {
            Ok(handle) => *compaction = Some(handle),
            Err(error) => tracing::warn!(%error, "no thread for compacting the journal"),
        }
    }
}

#[cfg(test)]
impl DiskStore {
    /// Waits for a compaction that is under way.
    pub(super) fn wait_for_compaction(&self) {
        if let Some(running) = lock(&self.compaction).take() {
            running.join().expect("compaction does not panic");
        }
    }

    /// Callers of `commit` who wait for a flush to begin.
    pub(super) fn waiting(&self) -> usize {
        self.inner.group.waiting()
    }
}

impl Store for DiskStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let generation = self.inner.readable()?;
        self.inner.noticing(generation.get(table, key))
    }

    fn scan(&self, table: Table, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StoreError> {
        let generation = self.inner.readable()?;
        self.inner.noticing(generation.scan(table, visit))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let keys = self.inner.writable()?;
        bounds::check(&batch)?;
        if batch.ops.is_empty() {
            return Ok(());
        }
        let sealed = Sealed::new(keys, &batch.ops)?;
        drop(batch);
        self.inner
            .group
            .commit(sealed, |group| self.inner.write(group))?;
        self.compact_if_due();
        Ok(())
    }

    fn scrub(&self) -> Result<(), StoreError> {
        self.compact()
    }

    fn stats(&self) -> StoreStats {
        self.inner
            .generation()
            .map(|generation| generation.stats())
            .unwrap_or_default()
    }
}

impl fmt::Debug for DiskStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStore")
            .field("dir", &self.inner.dir)
            .field("damage", &self.inner.damage)
            .finish_non_exhaustive()
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::Release);
        if let Some(running) = lock(&self.compaction).take() {
            let _ = running.join();
        }
        if let Err(error) = self.inner.close() {
            tracing::debug!(%error, "no clean marker: the next start checks the journal's tail");
        }
    }
}

/// What the store shares with its compaction.
pub(super) struct Inner {
    pub(super) dir: PathBuf,
    pub(super) files: Files,
    pub(super) options: Options,
    /// `None`: nothing can be read, and nothing is ever written.
    pub(super) open: Option<Open>,
    /// Set once, at the opening or by a read that found it out; the store is read-only from then on.
    pub(super) damage: OnceLock<String>,
    pub(super) group: Group,
    pub(super) stop: AtomicBool,
    /// Last, so that it is let go last.
    pub(super) _lock: DirLock,
}

/// A store that has a key and a journal.
pub(super) struct Open {
    pub(super) keys: Arc<Keys>,
    /// What readers read. Replaced under the writer's lock.
    pub(super) current: RwLock<Arc<Generation>>,
    pub(super) writer: Mutex<Writer>,
}

/// Who holds this may append.
pub(super) struct Writer {
    pub(super) tail: Tail,
    /// A failed write may have left bytes behind the tail.
    pub(super) untidy: bool,
    /// A flush failed: what the device holds is unknown, and stays so until the next open.
    pub(super) failed: bool,
    /// No compaction before the journal has this length.
    pub(super) compact_from: u64,
}

impl Inner {
    pub(super) fn generation(&self) -> Option<Arc<Generation>> {
        let open = self.open.as_ref()?;
        Some(Arc::clone(
            &open.current.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    /// What readers read; a store of which nothing can be read says so, it does not look empty.
    fn readable(&self) -> Result<Arc<Generation>, StoreError> {
        self.generation().ok_or_else(|| self.damaged())
    }

    fn damaged(&self) -> StoreError {
        let what = self.damage.get().cloned();
        StoreError::Damaged {
            what: what.unwrap_or_else(|| "nothing can be read".to_owned()),
        }
    }

    /// The keys, unless the store is read-only.
    pub(super) fn writable(&self) -> Result<&Arc<Keys>, StoreError> {
        match (&self.open, self.damage.get()) {
            (Some(open), None) => Ok(&open.keys),
            _ => Err(self.damaged()),
        }
    }

    /// Writes a group, flushes once, and only then makes it visible.
    fn write(&self, group: &mut [Sealed]) -> Result<(), StoreError> {
        let keys = self.writable()?;
        let open = self.open.as_ref().expect("a writable store is open");
        let mut writer = lock(&open.writer);
        let Some(generation) = self.generation() else {
            return Ok(());
        };
        writer.ready(&self.files, &generation)?;
        let synced = writer.tail.end;
        let mut tail = writer.tail;
        let mut records = Vec::with_capacity(group.len());
        writer.untidy = true;
        for sealed in group.iter_mut() {
            let written = generation
                .journal
                .append(&self.files, keys, &mut tail, sealed, synced);
            match written {
                Ok(record) => records.push(record),
                Err(error) => {
                    // At once, so that a full disk gets its room back; else before the next write.
                    let _ = writer.ready(&self.files, &generation);
                    return Err(refused(error));
                }
            }
        }
        if let Err(error) = self.files.sync(generation.file()) {
            // The kernel may have dropped the pages and forgotten the error. Only a full disk is
            // recovered from: cutting the group off needs none of them.
            let error = refused(error);
            writer.failed = !matches!(error, StoreError::Full)
                || writer.ready(&self.files, &generation).is_err();
            return Err(error);
        }
        writer.untidy = false;
        writer.tail = tail;
        let published: Vec<(u64, &[Entry])> = records
            .into_iter()
            .zip(group.iter().map(|sealed| &sealed.entries[..]))
            .collect();
        let published = self.noticing(generation.publish(&published, tail.end));
        // Durable, but not to be found: no more until the journal was read again.
        writer.failed |= published.is_err();
        published
    }

    fn compaction_due(&self) -> bool {
        let (Some(open), Ok(_)) = (&self.open, self.writable()) else {
            return false;
        };
        let Some(generation) = self.generation() else {
            return false;
        };
        let end = generation.synced();
        let garbage = end.saturating_sub(generation.live_bytes());
        garbage > self.options.compact_min.max(end / 2) && end >= lock(&open.writer).compact_from
    }

    /// Passes a result on; damage makes the store read-only.
    pub(super) fn noticing<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Damaged { what }) = &result {
            let _ = self.damage.set(what.clone());
        }
        result
    }

    fn close(&self) -> std::io::Result<()> {
        let (Some(open), Ok(keys)) = (&self.open, self.writable()) else {
            return Ok(());
        };
        let writer = lock(&open.writer);
        if writer.failed || writer.untidy || wipe::was_wiped(&self.dir)? {
            return Ok(());
        }
        let Some(generation) = self.generation() else {
            return Ok(());
        };
        marker::write(
            &self.files,
            keys,
            &self.dir,
            &generation.journal.generation,
            &writer.tail,
        )
    }
}

impl Writer {
    /// Before an append: cuts off what a failed one left.
    pub(super) fn ready(
        &mut self,
        files: &Files,
        generation: &Generation,
    ) -> Result<(), StoreError> {
        if self.failed {
            let what = "an earlier flush failed: start the node again";
            return Err(StoreError::Io(std::io::Error::other(what)));
        }
        if self.untidy {
            files
                .truncate(generation.file(), self.tail.end)
                .map_err(refused)?;
            files.sync(generation.file()).map_err(refused)?;
            self.untidy = false;
        }
        Ok(())
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
