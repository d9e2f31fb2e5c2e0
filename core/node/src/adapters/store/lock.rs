//! One node a directory.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::files::Files;
use crate::ports::store::StoreError;

/// Name of the lock file.
pub(super) const LOCK_FILE: &str = "lock";
/// Written into the lock file once a store was created: from then on a missing key or journal is
/// damage, not a first start.
const MARK: &[u8] = b"sovereign store\n";

/// The held lock; let go when dropped.
#[derive(Debug)]
pub(super) struct DirLock {
    file: File,
    /// The file was not there before.
    pub(super) new: bool,
}

impl DirLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`StoreError::Held`], or what the operating system says.
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(LOCK_FILE);
        loop {
            let new = !path.try_exists()?;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(StoreError::Held),
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
            // A wipe may have removed the file between open and lock: then this lock guards nothing.
            let mine = file.metadata()?;
            match std::fs::metadata(&path) {
                Ok(there) if there.ino() == mine.ino() && there.dev() == mine.dev() => {
                    return Ok(Self { file, new });
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a store was once created here.
    pub(super) fn is_marked(&self) -> io::Result<bool> {
        let mut bytes = [0; MARK.len()];
        match self.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => Ok(bytes == MARK),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says durably that a store is here now.
    pub(super) fn mark(&self, files: &Files) -> io::Result<()> {
        files.write_at(&self.file, MARK, 0)?;
        files.sync(&self.file)
    }

    /// Takes the mark back, durably.
    pub(super) fn unmark(&self, files: &Files) -> io::Result<()> {
        files.truncate(&self.file, 0)?;
        files.sync(&self.file)
    }
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a child that another thread is just starting: it
        // shares the open file until it runs its program.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}
