//! What is done to a data directory while no node runs on it.

use std::path::Path;

use crate::{
    api::{ApiError, ErrorKind},
    backup::Backup,
    ports::{
        rng::Rng,
        store::{Store, StoreError},
    },
};

/// Restores a backup into a data directory that is empty or not there; it is made owner-only.
///
/// # Errors
/// [`ErrorKind::Exists`] when the directory holds anything, [`ErrorKind::Held`], or the store's.
pub fn restore(data: &Path, backup: &Backup) -> Result<(), ApiError> {
    let empty = match std::fs::read_dir(data) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if !empty {
        return Err(ApiError::new(
            ErrorKind::Exists,
            format!("{} is not an empty directory", data.display()),
            "give an empty or new --data DIR",
        ));
    }
    let (store, rng) = open_parts(data)?;
    backup.put(&*store, &*rng)
}

/// Destroys the store of a data directory: its key first.
pub(crate) fn destroy_store(_data: &Path) -> Result<(), StoreError> {
    Err(StoreError::Io(std::io::Error::other(
        "the store is not in this build",
    )))
}

/// What a restore needs of this platform.
type Parts = (Box<dyn Store>, Box<dyn Rng>);

fn open_parts(_data: &Path) -> Result<Parts, ApiError> {
    Err(ApiError::new(
        ErrorKind::Internal,
        "the store is not in this build",
        "wait for the next commit",
    ))
}
