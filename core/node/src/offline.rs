//! What is done to a data directory while no node runs on it.

use std::path::Path;

use crate::{
    adapters::{
        rng::OsRng,
        store::{DiskStore, Options},
    },
    api::{ApiError, ErrorKind},
    backup::Backup,
    runtime::home::store_error,
    wipe::{LOCK_FILE, is_remnant},
};

/// Restores a backup into a data directory that is empty or not there; it is made owner-only.
///
/// # Errors
/// [`ErrorKind::Exists`] when the directory holds anything, [`ErrorKind::Held`], or the store's.
pub fn restore(data: &Path, backup: &Backup) -> Result<(), ApiError> {
    if !is_free(data) {
        return Err(ApiError::new(
            ErrorKind::Exists,
            format!("{} is not an empty directory", data.display()),
            "give an empty or new --data DIR",
        ));
    }
    let opened = DiskStore::open(data, Options::default()).map_err(store_error)?;
    backup.put(&opened.store, &OsRng)
}

/// Whether a backup may be restored here: the directory is empty, not there, or holds no more than the
/// empty lock file of a node that has wiped itself.
#[must_use]
pub fn is_free(data: &Path) -> bool {
    match std::fs::read_dir(data) {
        Ok(entries) => {
            let remnant = is_remnant(data);
            entries
                .into_iter()
                .all(|entry| remnant && entry.is_ok_and(|entry| entry.file_name() == LOCK_FILE))
        }
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backup::sample, wipe};

    #[test]
    fn a_backup_is_restored_into_an_empty_directory_only() {
        // ID-1: out of a store, through a directory that was not there, into a store and out again.
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("data");
        restore(&data, &sample()).unwrap();
        assert!(wipe::is_data_dir(&data));
        let opened = DiskStore::open(&data, Options::default()).unwrap();
        assert_eq!(Backup::collect(&opened.store).unwrap(), sample());
        drop(opened);
        let again = restore(&data, &sample()).unwrap_err();
        assert_eq!(again.kind, ErrorKind::Exists);
        wipe::wipe(&data).unwrap();
        assert!(!data.exists(), "ID-8: nothing is left");
        restore(&data, &sample()).unwrap();
    }

    #[test]
    fn a_directory_with_anything_in_it_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("thesis.odt"), b"x").unwrap();
        assert_eq!(
            restore(root.path(), &sample()).unwrap_err().kind,
            ErrorKind::Exists
        );
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
        assert!(!is_free(root.path()) && !is_free(&root.path().join("thesis.odt")));
    }

    #[test]
    fn a_directory_that_was_wiped_is_free() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("lock"), b"").unwrap();
        assert!(is_free(root.path()));
        restore(root.path(), &sample()).unwrap();
        assert!(!is_free(root.path()));
    }
}
