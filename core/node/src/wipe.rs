//! The wipe (ID-8): the key first, then everything else.

use std::path::Path;

use crate::{adapters::store::DiskStore, api::ApiError, runtime::home::store_error};

/// Destroys the store's key, and with it all that the store holds, then the files. Works whether or
/// not a node has the directory open; interrupted, it is finished by the next call or start.
///
/// # Errors
/// [`crate::api::ErrorKind::Io`] with what could not be removed.
pub fn begin(data: &Path) -> Result<(), ApiError> {
    DiskStore::wipe(data).map_err(store_error)
}
