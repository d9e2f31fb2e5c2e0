//! Opening a directory, whatever is in it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use super::disk::{DiskStore, Inner, Open, Writer};
use super::files::{Files, refused};
use super::generation::{Filling, Generation};
use super::group::Group;
use super::index::{Index, MEMORY_KEYS};
use super::journal::{FORMAT, JOURNAL_FILE, JOURNAL_NEW, Journal, Looked, Tail};
use super::key::{self, KeyState, Keys, random};
use super::lock::DirLock;
use super::walk::walk;
use super::{marker, rewrite, wipe};
use crate::ports::store::{Op, StoreError, Table};

/// How a store is opened.
#[derive(Clone)]
pub struct Options {
    pub(super) index: IndexKind,
    pub(super) compact_min: u64,
    /// Keys up to which [`IndexKind::Auto`] stays in memory.
    pub(super) memory_keys: usize,
    pub(super) format: u32,
    pub(super) migrations: &'static [Migration],
    pub(super) files: Files,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            index: IndexKind::Auto,
            // Rewriting less than this is not worth the wear.
            compact_min: 4 << 20,
            memory_keys: MEMORY_KEYS,
            format: FORMAT,
            migrations: &[],
            files: Files::default(),
        }
    }
}

impl Options {
    /// Where the index lives; by default [`IndexKind::Auto`].
    #[must_use]
    pub fn with_index(self, index: IndexKind) -> Self {
        Self { index, ..self }
    }

    /// Garbage in the journal, in bytes, below which it is never compacted; by default 4 MiB.
    #[must_use]
    pub fn with_compact_min(self, compact_min: u64) -> Self {
        Self {
            compact_min,
            ..self
        }
    }
}

/// Where the index of the journal lives. It is rebuilt at every open in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// In memory up to 131,072 keys (about 50 bytes each), beyond that in sled.
    Auto,
    /// In memory.
    Memory,
    /// In sled, from the first key.
    Sled,
}

/// Turns a live entry (table, key, value) into what takes its place.
pub type Convert = fn(Table, &[u8], &[u8]) -> Result<Vec<Op>, String>;

/// A step from one format to a later one. The journal is rewritten into a new generation, which then
/// takes the old one's name: a crash at any moment leaves one of the two, whole.
#[derive(Debug)]
pub struct Migration {
    /// The format it reads.
    pub from: u32,
    /// The format it writes.
    pub to: u32,
    /// What becomes of a live entry; `Err` says why it cannot be converted.
    pub apply: Convert,
}

/// An open store and what there is to say about it.
#[derive(Debug)]
pub struct Opened {
    /// The store; read-only if there is damage.
    pub store: DiskStore,
    /// Why the store is read-only.
    pub damage: Option<String>,
    /// Bytes of an interrupted write that were cut off. None of them was ever acknowledged.
    pub torn: u64,
    /// The format that was found, if it was an older one.
    pub migrated_from: Option<u32>,
}

pub(super) fn open(dir: &Path, options: Options) -> Result<Opened, StoreError> {
    create_dir(&options.files, dir).map_err(refused)?;
    let lock = DirLock::take(dir)?;
    let opening = Opening {
        files: options.files.clone(),
        dir: dir.to_owned(),
        options,
        lock,
    };
    opening.go()
}

/// Creates a directory for its owner only, with those above it, durably.
fn create_dir(files: &Files, dir: &Path) -> io::Result<()> {
    let above = match dir.parent() {
        _ if dir.is_dir() => return Ok(()),
        Some(above) if above.as_os_str().is_empty() => Path::new("."),
        Some(above) => above,
        None => return Err(io::ErrorKind::NotADirectory.into()),
    };
    create_dir(files, above)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    files.sync_dir(above)
}

struct Opening {
    files: Files,
    dir: PathBuf,
    options: Options,
    lock: DirLock,
}

impl Opening {
    fn go(self) -> Result<Opened, StoreError> {
        if wipe::is_pending(&self.dir)? {
            wipe::resume(&self.files, &self.dir, &self.lock)?;
        }
        if let Err(error) = wipe::remove_indexes(&self.dir) {
            tracing::debug!(%error, "an old index stays");
        }
        let marked = self.lock.is_marked()?;
        let journal = match fs::symlink_metadata(self.dir.join(JOURNAL_FILE)) {
            Ok(there) => Some(there.is_file()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        match (key::read(&self.dir)?, journal) {
            (KeyState::Newer(found), _) => Err(StoreError::Newer {
                found,
                supported: 1,
            }),
            (KeyState::Missing, None) if !marked => self.create(),
            // A first start that was interrupted: the mark comes last, nothing was ever stored.
            (KeyState::Plain(_), None) if !marked && !self.lock.new => self.create(),
            (KeyState::Missing, None) => self.damaged("its key and its journal are gone"),
            (KeyState::Missing, Some(_)) => self.damaged("its key is gone"),
            (KeyState::Damaged | KeyState::Wiped, _) => self.damaged("its key file is damaged"),
            (KeyState::Plain(_), None) => self.damaged("its journal is gone"),
            (KeyState::Plain(_), Some(false)) => self.damaged("its journal is not a file"),
            (KeyState::Plain(key), Some(true)) => {
                let keys = Arc::new(Keys::new(&key)?);
                self.existing(keys)
            }
        }
    }

    fn create(self) -> Result<Opened, StoreError> {
        let new = self.dir.join(JOURNAL_NEW);
        let created = (|| {
            self.files.sync_dir(&self.dir)?;
            let keys = Arc::new(Keys::new(&*key::create(&self.files, &self.dir)?)?);
            let journal = Journal::create(&self.files, &keys, &new, self.options.format)?;
            self.files.sync(&journal.file)?;
            self.files.rename(&new, &self.dir.join(JOURNAL_FILE))?;
            self.files.sync_dir(&self.dir)?;
            self.lock.mark(&self.files)?;
            Ok((keys, journal))
        })();
        let (keys, journal) = created.map_err(refused)?;
        let index = self.empty_index()?;
        let generation = Generation::new(journal, Arc::clone(&keys), index, Tail::EMPTY.end);
        Ok(self.opened(Some((keys, generation, Tail::EMPTY)), None))
    }

    fn existing(self, keys: Arc<Keys>) -> Result<Opened, StoreError> {
        let path = self.dir.join(JOURNAL_FILE);
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let (journal, format) = match Journal::look(&keys, file, self.options.format)? {
            Looked::Ours { journal, format } => (journal, format),
            Looked::Newer { format } => {
                return Err(StoreError::Newer {
                    found: format,
                    supported: self.options.format,
                });
            }
            Looked::Foreign(what) => return self.damaged(what),
        };
        let len = journal.file.metadata()?.len();
        let clean = marker::read(&keys, &self.dir, &journal.generation)?;
        let mut filling = Filling::new(self.empty_index()?);
        let walked = walk(&journal, &keys, Tail::EMPTY, len, &mut filling)?;
        let tail = walked.tail;
        let damage = match (walked.damaged_at, &clean) {
            (Some(at), _) => Some(format!(
                "record at byte {at} of the journal is not readable"
            )),
            (None, Some(clean)) if tail.end < clean.end => Some(format!(
                "the journal ends at byte {}, it ended at {}",
                tail.end, clean.end
            )),
            _ => None,
        };
        let generation = Generation::new(journal, Arc::clone(&keys), filling.index, tail.end);
        if damage.is_some() {
            generation.set_damaged();
            return Ok(self.opened(Some((keys, generation, tail)), damage));
        }
        self.tidy(generation.file(), &tail, walked.torn, clean.is_some())
            .map_err(refused)?;
        let opened = if format == self.options.format {
            self.opened(Some((keys, generation, tail)), None)
        } else {
            self.migrate(keys, generation, tail, format)?
        };
        Ok(Opened {
            torn: walked.torn,
            ..opened
        })
    }

    /// Makes what was found durable before anyone builds on it.
    fn tidy(&self, journal: &File, tail: &Tail, torn: u64, clean: bool) -> io::Result<()> {
        if torn > 0 {
            self.files.truncate(journal, tail.end)?;
        }
        // After a kill, whole records may be in the page cache only.
        if torn > 0 || !clean {
            self.files.sync(journal)?;
        }
        self.files.remove(&self.dir.join(JOURNAL_NEW))?;
        // Before the first write, so that after a kill the journal counts as unclean. That the removal itself
        // is durable does not matter: a marker that a power cut brings back names a length that the journal
        // has had, and what it would spare, the flush above, has nothing left to flush then.
        self.files.remove(&self.dir.join(marker::MARKER_FILE))?;
        if !self.lock.is_marked()? {
            self.lock.mark(&self.files)?;
        }
        Ok(())
    }

    fn migrate(
        self,
        keys: Arc<Keys>,
        mut generation: Generation,
        mut tail: Tail,
        found: u32,
    ) -> Result<Opened, StoreError> {
        let mut format = found;
        while format != self.options.format {
            let step = self
                .options
                .migrations
                .iter()
                .find(|step| step.from == format);
            let Some(step) = step.filter(|step| step.to > format) else {
                let damage = Some(format!("no way from its format {format} to this program's"));
                return Ok(self.opened(Some((keys, generation, tail)), damage));
            };
            let index = self.empty_index()?;
            match rewrite::migrate(
                &self.files,
                &self.dir,
                &keys,
                &generation,
                tail,
                index,
                step,
            ) {
                Ok((next, end)) => (generation, tail) = (next, end),
                Err(StoreError::Damaged { what }) => {
                    return Ok(self.opened(Some((keys, generation, tail)), Some(what)));
                }
                Err(error) => return Err(error),
            }
            format = step.to;
        }
        let opened = self.opened(Some((keys, generation, tail)), None);
        Ok(Opened {
            migrated_from: Some(found),
            ..opened
        })
    }

    /// Nothing can be read, and nothing must be written.
    fn damaged(self, what: &str) -> Result<Opened, StoreError> {
        // So that the next open does not take our own new lock file for that of a first start.
        if self.lock.new {
            self.lock.mark(&self.files).map_err(refused)?;
        }
        Ok(self.opened(None, Some(what.to_owned())))
    }

    fn opened(self, open: Option<(Arc<Keys>, Generation, Tail)>, damage: Option<String>) -> Opened {
        let open = open.map(|(keys, generation, tail)| Open {
            keys,
            current: RwLock::new(Arc::new(generation)),
            writer: Mutex::new(Writer {
                tail,
                untidy: false,
                failed: false,
                compact_from: 0,
            }),
        });
        let store = DiskStore::new(Inner {
            dir: self.dir,
            files: self.files,
            options: self.options,
            open,
            damage: damage.clone().map_or_else(OnceLock::new, OnceLock::from),
            group: Group::default(),
            stop: AtomicBool::new(false),
            _lock: self.lock,
        });
        Opened {
            store,
            damage,
            torn: 0,
            migrated_from: None,
        }
    }

    fn empty_index(&self) -> io::Result<Index> {
        empty_index(&self.dir, &self.options)
    }
}

/// An index for a new generation, with a directory of its own to spill to.
pub(super) fn empty_index(dir: &Path, options: &Options) -> io::Result<Index> {
    let limit = match options.index {
        IndexKind::Memory => return Ok(Index::new(None)),
        IndexKind::Auto => options.memory_keys,
        IndexKind::Sled => 0,
    };
    let mut id = [0; 8];
    random(&mut id)?;
    let name = format!("{}{}", wipe::INDEX_PREFIX, hex::encode(id));
    Ok(Index::new(Some((limit, dir.join(name)))))
}
