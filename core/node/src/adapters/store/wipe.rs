//! Wiping (ID-8): the key goes first, the rest is only tidying up.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use super::files::Files;
use super::journal::{JOURNAL_FILE, JOURNAL_NEW};
use super::key::{self, KEY_FILE, KeyState, TOMBSTONE};
use super::lock::{DirLock, LOCK_FILE};
use super::marker::MARKER_FILE;
use crate::ports::store::StoreError;

/// What is left of the key file until everything else is gone.
pub(super) const WIPED_FILE: &str = "wiped";
/// Beginning of the names of index directories.
pub(super) const INDEX_PREFIX: &str = "index-";

/// Destroys the key, then removes what the store has written. Held by another node or not: the key
/// goes in any case. What was interrupted is finished by calling it again, or by the next open.
pub(super) fn wipe(files: &Files, dir: &Path) -> io::Result<()> {
    destroy_key(files, dir)?;
    remove_contents(files, dir)?;
    match DirLock::take(dir) {
        Ok(lock) => {
            files.remove(&dir.join(LOCK_FILE))?;
            files.sync_dir(dir)?;
            drop(lock);
        }
        // A node has it open: the file stays, but says no more that there is a store.
        Err(StoreError::Held) => {
            let lock = OpenOptions::new().write(true).open(dir.join(LOCK_FILE))?;
            files.truncate(&lock, 0)?;
            files.sync(&lock)?;
        }
        Err(StoreError::Io(error)) => return Err(error),
        Err(other) => return Err(io::Error::other(other)),
    }
    finish(files, dir)
}

/// Finishes a wipe that was interrupted, for a node that holds the lock and starts anew.
pub(super) fn resume(files: &Files, dir: &Path, lock: &DirLock) -> io::Result<()> {
    destroy_key(files, dir)?;
    remove_contents(files, dir)?;
    lock.unmark(files)?;
    finish(files, dir)
}

/// Whether a wipe was interrupted here.
pub(super) fn is_pending(dir: &Path) -> io::Result<bool> {
    Ok(dir.join(WIPED_FILE).try_exists()? || matches!(key::read(dir)?, KeyState::Wiped))
}

/// The bounded part: four small steps, whatever the size of the store.
fn destroy_key(files: &Files, dir: &Path) -> io::Result<()> {
    for name in [KEY_FILE.to_owned(), format!("{KEY_FILE}.new")] {
        let path = dir.join(&name);
        let file = match OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        // In place: this works on a full disk. Flash may keep the old block until
        // it is collected; platforms with a keystore destroy the wrapping key there.
        let overwritten = files
            .write_at(&file, &TOMBSTONE, 0)
            .and_then(|()| files.sync(&file));
        files.rename(&path, &dir.join(WIPED_FILE))?;
        files.sync_dir(dir)?;
        overwritten?;
    }
    Ok(())
}

/// Removes everything but the lock and the sign that a wipe is going on.
fn remove_contents(files: &Files, dir: &Path) -> io::Result<()> {
    let marker_new = format!("{MARKER_FILE}.new");
    for name in [JOURNAL_FILE, JOURNAL_NEW, MARKER_FILE, &marker_new] {
        files.remove(&dir.join(name))?;
    }
    remove_indexes(dir)?;
    files.sync_dir(dir)
}

/// Removes the sign that a wipe is going on.
fn finish(files: &Files, dir: &Path) -> io::Result<()> {
    files.remove(&dir.join(WIPED_FILE))?;
    files.sync_dir(dir)
}

/// Removes what earlier runs left of their indexes.
pub(super) fn remove_indexes(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(INDEX_PREFIX));
        if ours && entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Whether the key of an open store was destroyed under it: then it must not write any more.
pub(super) fn was_wiped(dir: &Path) -> io::Result<bool> {
    Ok(!dir.join(KEY_FILE).try_exists()?)
}
