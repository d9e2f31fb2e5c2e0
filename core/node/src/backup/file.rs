//! Backup files: new, owner-only and durable, or read within bounds.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::{MAX_FILE, too_large};
use crate::api::{ApiError, ErrorKind};

/// Writes a new file that only its owner can read; durable on return. On an error nothing is left.
///
/// # Errors
/// [`ErrorKind::Exists`] when there is something at the path, [`ErrorKind::DiskFull`], [`ErrorKind::Io`].
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ApiError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| failed("write", path, &error))?;
    let written = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
        });
    written.map_err(|error| {
        // Half a backup is worse than none.
        let _ = fs::remove_file(path);
        failed("write", path, &error)
    })
}

/// Reads a backup file.
///
/// # Errors
/// [`ErrorKind::NotFound`], [`ErrorKind::TooLarge`], [`ErrorKind::Io`].
pub fn read_file(path: &Path) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| failed("read", path, &error))?;
    if bytes.len() > MAX_FILE {
        return Err(too_large());
    }
    Ok(bytes)
}

fn failed(what: &str, path: &Path, error: &io::Error) -> ApiError {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "check the path"),
        io::ErrorKind::AlreadyExists => (ErrorKind::Exists, "choose a new file name"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::DiskFull, "make room and try again")
        }
        _ => (ErrorKind::Io, "check the path and who may use it"),
    };
    ApiError::new(
        kind,
        format!("cannot {what} {}: {error}", path.display()),
        hint,
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn files_are_new_and_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.age");
        write_file(&path, b"abc").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read_file(&path).unwrap(), b"abc");
        assert_eq!(write_file(&path, b"x").unwrap_err().kind, ErrorKind::Exists);
        assert_eq!(read_file(&path).unwrap(), b"abc");
        let none = dir.path().join("none");
        assert_eq!(read_file(&none).unwrap_err().kind, ErrorKind::NotFound);
    }

    #[test]
    fn reading_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b.age");
        fs::write(&path, vec![0; MAX_FILE]).unwrap();
        assert!(read_file(&path).is_ok());
        fs::write(&path, vec![0; MAX_FILE + 1]).unwrap();
        assert_eq!(read_file(&path).unwrap_err().kind, ErrorKind::TooLarge);
    }
}
