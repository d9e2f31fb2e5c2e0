//! Writing a new generation of the journal: compaction, while the store works, and migration.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::disk::{Inner, lock};
use super::files::{Files, refused};
use super::generation::Generation;
use super::index::Index;
use super::journal::{JOURNAL_FILE, JOURNAL_NEW, Journal, START, Tail};
use super::key::Keys;
use super::open::{Convert, Migration, empty_index};
use super::record::{Entry, Frame, Sealed};
use super::walk::{Visit, walk};
use super::wipe;
use crate::ports::store::{Op, StoreError};

/// Bytes and changes that a rewrite puts into one record.
const RECORD_BYTES: usize = 256 * 1024;
const RECORD_OPS: usize = 1024;
/// What a compaction copies at most while writers wait, in bytes of the journal.
const PAUSE_BYTES: u64 = 1 << 20;
/// Rounds of catching up with writers before they have to wait for a longer copy.
const ROUNDS: usize = 16;

/// Rewrites the live entries into a new generation and puts it in the place of the old one. Writers
/// wait only for the copy of what came in last, and for the rename.
pub(super) fn compact(inner: &Inner) -> Result<(), StoreError> {
    let result = inner.noticing(try_compact(inner));
    if let (Err(_), Some(open)) = (&result, &inner.open) {
        let _ = inner.files.remove(&inner.dir.join(JOURNAL_NEW));
        let mut writer = lock(&open.writer);
        writer.compact_from = writer.tail.end + inner.options.compact_min;
    }
    result
}

fn try_compact(inner: &Inner) -> Result<(), StoreError> {
    let keys = inner.writable()?;
    let (Some(open), Some(source)) = (&inner.open, inner.generation()) else {
        return Ok(());
    };
    let index = empty_index(&inner.dir, &inner.options)?;
    let mut output = Output::create(&inner.files, &inner.dir, keys, inner.options.format, index)?;
    let copy = |output: &mut Output<'_>, only_live, from: Tail, end: u64| {
        let stop = &inner.stop;
        let mut copy = Copy {
            source: &source,
            output,
            only_live,
            stop,
            convert: None,
        };
        copy_range(&source, keys, from, end, &mut copy)
    };

    let end = lock(&open.writer).tail.end;
    let mut at = copy(&mut output, true, Tail::EMPTY, end)?;
    for _ in 0..ROUNDS {
        let end = lock(&open.writer).tail.end;
        if end - at.end <= PAUSE_BYTES {
            break;
        }
        at = copy(&mut output, false, at, end)?;
    }
    output.flush()?;
    output.sync()?;

    let mut writer = lock(&open.writer);
    writer.ready(&inner.files, &source)?;
    copy(&mut output, false, at, writer.tail.end)?;
    output.finish()?;
    if wipe::was_wiped(&inner.dir)? {
        return Err(stopped());
    }
    output.rename()?;
    if let Err(error) = inner.files.sync_dir(&inner.dir) {
        // Which of the two a crash would leave is unknown, so neither may grow.
        writer.failed = true;
        return Err(error.into());
    }
    let (generation, tail) = output.into_generation();
    *open.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(generation);
    writer.tail = tail;
    Ok(())
}

/// Converts a generation to a later format; the old one is untouched until the new one is durable.
pub(super) fn migrate(
    files: &Files,
    dir: &Path,
    keys: &Arc<Keys>,
    source: &Generation,
    end: Tail,
    index: Index,
    step: &Migration,
) -> Result<(Generation, Tail), StoreError> {
    let mut output = Output::create(files, dir, keys, step.to, index)?;
    let never = AtomicBool::new(false);
    let convert = Some(step.apply);
    let mut copy = Copy {
        source,
        output: &mut output,
        only_live: true,
        stop: &never,
        convert,
    };
    copy_range(source, keys, Tail::EMPTY, end.end, &mut copy)?;
    output.finish()?;
    output.rename()?;
    files.sync_dir(dir).map_err(refused)?;
    Ok(output.into_generation())
}

fn copy_range(
    source: &Generation,
    keys: &Keys,
    from: Tail,
    end: u64,
    copy: &mut Copy<'_, '_>,
) -> Result<Tail, StoreError> {
    let walked = walk(&source.journal, keys, from, end, copy)?;
    if walked.torn > 0 || walked.damaged_at.is_some() {
        let what = "a record that was readable before is not any more".to_owned();
        return Err(StoreError::Damaged { what });
    }
    Ok(walked.tail)
}

fn stopped() -> StoreError {
    StoreError::Io(std::io::Error::new(
        std::io::ErrorKind::Interrupted,
        "the store was closed",
    ))
}

/// Copies changes from one generation to the other.
struct Copy<'a, 'b> {
    source: &'a Generation,
    output: &'a mut Output<'b>,
    /// Leave out what was replaced or deleted since. Otherwise every change is repeated in order.
    only_live: bool,
    stop: &'a AtomicBool,
    convert: Option<Convert>,
}

impl Visit for Copy<'_, '_> {
    fn change(&mut self, record: u64, entry: Entry, frame: &Frame<'_>) -> Result<(), StoreError> {
        if self.only_live && !self.source.is_live(record, &entry)? {
            return Ok(());
        }
        let (table, key) = (frame.table, frame.key);
        match (frame.value, self.convert) {
            (None, _) => self.output.push(Op::Delete(table, key.to_vec())),
            (Some(value), None) => self
                .output
                .push(Op::Put(table, key.to_vec(), value.to_vec())),
            (Some(value), Some(convert)) => {
                let converted = convert(table, key, value).map_err(|why| StoreError::Damaged {
                    what: format!("an entry cannot be converted: {why}"),
                })?;
                converted
                    .into_iter()
                    .try_for_each(|op| self.output.push(op))
            }
        }
    }

    fn end(&mut self, _record: u64) -> Result<(), StoreError> {
        if self.stop.load(Ordering::Acquire) {
            Err(stopped())
        } else {
            Ok(())
        }
    }
}

/// A generation being written.
struct Output<'a> {
    files: &'a Files,
    dir: &'a Path,
    keys: &'a Arc<Keys>,
    journal: Journal,
    tail: Tail,
    index: Index,
    pending: Vec<Op>,
    bytes: usize,
}

impl<'a> Output<'a> {
    fn create(
        files: &'a Files,
        dir: &'a Path,
        keys: &'a Arc<Keys>,
        format: u32,
        index: Index,
    ) -> Result<Self, StoreError> {
        let journal =
            Journal::create(files, keys, &dir.join(JOURNAL_NEW), format).map_err(refused)?;
        let pending = Vec::new();
        Ok(Self {
            files,
            dir,
            keys,
            journal,
            tail: Tail::EMPTY,
            index,
            pending,
            bytes: 0,
        })
    }

    fn push(&mut self, op: Op) -> Result<(), StoreError> {
        self.bytes += match &op {
            Op::Put(_, key, value) => key.len() + value.len(),
            Op::Delete(_, key) => key.len(),
        };
        self.pending.push(op);
        if self.bytes >= RECORD_BYTES || self.pending.len() >= RECORD_OPS {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        if !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            self.bytes = 0;
            super::bounds::check_ops(&pending)?;
            self.append(&pending, START)?;
        }
        Ok(())
    }

    fn append(&mut self, ops: &[Op], synced: u64) -> Result<(), StoreError> {
        let mut sealed = Sealed::new(self.keys, ops)?;
        let record = self
            .journal
            .append(self.files, self.keys, &mut self.tail, &mut sealed, synced)
            .map_err(refused)?;
        self.index
            .apply(record, &sealed.entries)
            .map_err(std::io::Error::other)?;
        Ok(())
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.files.sync(&self.journal.file).map_err(refused)
    }

    /// Makes everything durable, and adds an empty record that says so: from now on a broken record
    /// in here is damage.
    fn finish(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.sync()?;
        self.append(&[], self.tail.end)?;
        self.sync()
    }

    fn rename(&self) -> Result<(), StoreError> {
        let (from, to) = (self.dir.join(JOURNAL_NEW), self.dir.join(JOURNAL_FILE));
        Ok(self.files.rename(&from, &to)?)
    }

    fn into_generation(self) -> (Generation, Tail) {
        let Self {
            journal,
            keys,
            index,
            tail,
            ..
        } = self;
        (
            Generation::new(journal, Arc::clone(keys), index, tail.end),
            tail,
        )
    }
}
