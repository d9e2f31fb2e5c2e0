//! Wiping a node's data (ID-8): the store's key goes first, then everything else that is ours.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use crate::{
    adapters::store::DiskStore,
    api::{ApiError, ErrorKind},
    ports::store::StoreError,
};

/// Files that tell a node's data directory from any other; the store's own names.
const KEY_FILES: [&str; 3] = ["store.key", "journal", "wiped"];
/// The store's lock file says in its first bytes that a store was made here.
pub(crate) const LOCK_FILE: &str = "lock";
const LOCK_MARK: &[u8] = b"sovereign store\n";
/// What this program puts beside the store.
const OURS: [&str; 1] = ["control.sock"];

/// Whether a node has stored something here.
#[must_use]
pub fn is_data_dir(data: &Path) -> bool {
    let there = |name: &str| fs::symlink_metadata(data.join(name)).is_ok_and(|meta| meta.is_file());
    let marked = || {
        let mut bytes = Vec::new();
        let read = File::open(data.join(LOCK_FILE))
            .and_then(|file| file.take(LOCK_MARK.len() as u64).read_to_end(&mut bytes));
        read.is_ok() && bytes == LOCK_MARK
    };
    KEY_FILES.iter().any(|name| there(name)) || (there(LOCK_FILE) && marked())
}

/// Wipes a data directory, whether or not a node runs on it (its store notices and stops writing).
/// Files that are not ours stay; an empty directory is removed. To be called again after an error, and
/// once more when a node that was running has ended, for the lock file that it held.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is nothing of a node's there; [`ErrorKind::Io`] otherwise: the
/// key may be gone by then.
pub fn wipe(data: &Path) -> Result<(), ApiError> {
    wipe_with(data, DiskStore::wipe)
}

/// What is left where a node has wiped itself: its lock file, emptied, for it still held it.
pub(crate) fn is_remnant(data: &Path) -> bool {
    fs::symlink_metadata(data.join(LOCK_FILE)).is_ok_and(|meta| meta.is_file() && meta.len() == 0)
}

fn wipe_with(
    data: &Path,
    destroy: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(), ApiError> {
    if !is_data_dir(data) && !is_remnant(data) {
        return Err(ApiError::new(
            ErrorKind::NotFound,
            format!("there is no node's data in {}", data.display()),
            "check --data",
        ));
    }
    let failed = |error: &dyn std::fmt::Display| {
        ApiError::new(
            ErrorKind::Io,
            format!("the wipe of {} is not complete: {error}", data.display()),
            "run it again",
        )
    };
    destroy(data).map_err(|error| failed(&error))?;
    for name in OURS {
        match fs::remove_file(data.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(&error)),
            _ => {}
        }
    }
    match fs::remove_dir(data) {
        // Something of somebody else's is in it, or its parent is not ours to change.
        Ok(()) => Ok(()),
        Err(_) => File::open(data)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| failed(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destroy(data: &Path) -> Result<(), StoreError> {
        for name in [KEY_FILES[0], KEY_FILES[1], LOCK_FILE] {
            match fs::remove_file(data.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    #[test]
    fn only_a_nodes_data_is_wiped() {
        // ID-8.
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("thesis.odt"), b"x").unwrap();
        assert!(!is_data_dir(&data));
        let error = wipe_with(&data, |_| panic!("must not get here")).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        fs::write(data.join("store.key"), b"k").unwrap();
        fs::write(data.join("control.sock"), b"").unwrap();
        assert!(is_data_dir(&data));
        wipe_with(&data, destroy).unwrap();
        assert!(!is_data_dir(&data) && !data.join("control.sock").exists());
        assert!(data.join("thesis.odt").exists(), "what is not ours stays");
        fs::remove_file(data.join("thesis.odt")).unwrap();
        fs::write(data.join("journal"), b"j").unwrap();
        wipe_with(&data, destroy).unwrap();
        assert!(!data.exists());
    }

    #[test]
    fn what_a_running_node_left_is_tidied_up() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("lock"), b"").unwrap();
        assert!(!is_data_dir(&data) && is_remnant(&data));
        wipe(&data).unwrap();
        assert!(!data.exists());
    }

    #[test]
    fn a_lock_file_counts_when_a_store_was_made() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("lock"), b"").unwrap();
        assert!(!is_data_dir(root.path()));
        fs::write(root.path().join("lock"), LOCK_MARK).unwrap();
        assert!(is_data_dir(root.path()));
    }

    #[test]
    fn an_incomplete_wipe_says_so() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("store.key"), b"k").unwrap();
        let error = wipe_with(root.path(), |_| Err(StoreError::Full)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Io);
        assert!(error.hint.contains("again"));
    }
}
