//! Where the socket is: `control.sock` in the data directory, or, where that path is longer than a
//! Unix socket's may be, in an owner-only directory that is found from it.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::{
        fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::SocketAddr,
    },
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use sovereign_node::api::{ApiError, ErrorKind};
use tracing::warn;

use crate::failure::{invalid, io_error};

/// File name of the socket.
pub const NAME: &str = "control.sock";

/// Makes the data directory, owner-only. One that is there already must be ours; if others can look
/// into it, it is closed to them, but only when it is empty or holds a node's data: a home directory
/// given by mistake stays as it is. Every file of a node is owner-only in any case; only where others
/// could replace them it is refused.
///
/// # Errors
/// [`ErrorKind::Invalid`] for a directory that cannot be a data directory; others from the system.
pub fn prepare_data_dir(data: &Path) -> Result<(), ApiError> {
    let shown = data.display();
    let mode = match fs::metadata(data) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(data)
                .map_err(|e| io_error(&format!("cannot make the data directory {shown}"), &e));
        }
        Err(error) => {
            return Err(io_error(
                &format!("cannot use the data directory {shown}"),
                &error,
            ));
        }
        Ok(meta) if !meta.is_dir() => {
            return Err(invalid(
                format!("{shown} is not a directory"),
                "give another --data DIR",
            ));
        }
        Ok(meta) if meta.uid() != own_uid() => {
            return Err(invalid(
                format!("the data directory {shown} belongs to another user"),
                "run as that user, or give another --data DIR",
            ));
        }
        Ok(meta) if meta.mode() & 0o077 == 0 => return Ok(()),
        Ok(meta) => meta.mode(),
    };
    let failed = |e: io::Error| io_error(&format!("cannot use the data directory {shown}"), &e);
    let empty = fs::read_dir(data).map_err(failed)?.next().is_none();
    if !empty && !sovereign_node::wipe::is_data_dir(data) {
        if mode & 0o022 == 0 {
            warn!("others can see the names of the files in {shown}");
            return Ok(());
        }
        return Err(invalid(
            format!("others can write to {shown}, and it holds something else than a node's data"),
            "give a --data DIR of its own",
        ));
    }
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// Where a server on this data directory listens; the directory of the socket exists afterwards.
pub(super) fn for_server(data: &Path) -> Result<PathBuf, ApiError> {
    let data = canonical(data)?;
    let inside = data.join(NAME);
    if fits(&inside) {
        return Ok(inside);
    }
    let directory = fallbacks(&data).into_iter().next().ok_or_else(|| {
        invalid(
            "there is no place for the control socket",
            "give a shorter --data DIR",
        )
    })?;
    match DirBuilder::new().mode(0o700).create(&directory) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => {
            let what = format!("cannot make {}", directory.display());
            return Err(io_error(&what, &error));
        }
    }
    if !is_private_dir(&directory) {
        return Err(ApiError::new(
            ErrorKind::Io,
            format!(
                "{} is not an owner-only directory of this user",
                directory.display()
            ),
            "remove it, or give a shorter --data DIR",
        ));
    }
    Ok(directory.join(NAME))
}

/// Where a client looks, in order. Only sockets of this user (or, for root, anybody's) count.
pub(super) fn for_client(data: &Path) -> Vec<PathBuf> {
    let Ok(data) = canonical(data) else {
        return Vec::new();
    };
    let inside = data.join(NAME);
    if fits(&inside) {
        return Some(inside)
            .filter(|path| is_trusted_socket(path))
            .into_iter()
            .collect();
    }
    fallbacks(&data)
        .into_iter()
        .filter(|directory| is_private_dir(directory))
        .map(|directory| directory.join(NAME))
        .filter(|path| is_trusted_socket(path))
        .collect()
}

/// Whether a Unix socket can have this path (`sun_path`: 108 bytes on Linux, 104 elsewhere).
pub(super) fn fits(path: &Path) -> bool {
    SocketAddr::from_pathname(path).is_ok()
}

/// The effective user.
pub(super) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this is a socket, not a link to one, that belongs to us.
pub(super) fn is_trusted_socket(path: &Path) -> bool {
    let own = own_uid();
    fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.file_type().is_socket() && (meta.uid() == own || own == 0))
}

fn canonical(data: &Path) -> Result<PathBuf, ApiError> {
    fs::canonicalize(data).map_err(|error| {
        let what = format!("cannot use the data directory {}", data.display());
        io_error(&what, &error)
    })
}

/// Directories outside the data directory, the preferred one first.
fn fallbacks(data: &Path) -> Vec<PathBuf> {
    let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
    let tag: String = digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute() && is_private_dir(path))
        .map(|path| path.join(format!("sovereign-{tag}")));
    let shared = Path::new("/tmp").join(format!("sovereign-{}-{tag}", own_uid()));
    runtime
        .into_iter()
        .chain([shared])
        .filter(|directory| fits(&directory.join(NAME)))
        .collect()
}

/// Whether it is a directory, not a link to one, of ours that nobody else can enter.
fn is_private_dir(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.is_dir() && meta.uid() == own_uid() && meta.mode() & 0o077 == 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_data_directory_is_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("a/b");
        prepare_data_dir(&data).unwrap();
        assert_eq!(mode(&data), 0o700);
        fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
        prepare_data_dir(&data).unwrap();
        assert_eq!(mode(&data), 0o700, "an empty directory is closed");
    }

    #[test]
    fn a_directory_with_other_things_in_it_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("thesis.odt"), b"x").unwrap();
        for (bits, fine) in [(0o755, true), (0o775, false), (0o757, false)] {
            fs::set_permissions(root.path(), fs::Permissions::from_mode(bits)).unwrap();
            assert_eq!(prepare_data_dir(root.path()).is_ok(), fine, "{bits:o}");
            assert_eq!(mode(root.path()), bits);
        }
        let file = root.path().join("thesis.odt");
        assert_eq!(
            prepare_data_dir(&file).unwrap_err().kind,
            ErrorKind::Invalid
        );
    }

    #[test]
    fn long_paths_get_a_private_place_that_the_client_finds() {
        let root = tempfile::tempdir().unwrap();
        let data = root.path().join("d".repeat(120));
        prepare_data_dir(&data).unwrap();
        let path = for_server(&data).unwrap();
        assert!(fits(&path) && !path.starts_with(&data));
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert!(for_client(&data).is_empty(), "nobody listens yet");
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(for_client(&data), std::slice::from_ref(&path));
        drop(listener);
        // A directory that others can enter is used by neither side.
        let parent = path.parent().unwrap();
        fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(for_client(&data).is_empty());
        assert!(for_server(&data).is_err());
        fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn links_and_files_are_no_sockets() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("real.sock");
        let _listener = UnixListener::bind(&real).unwrap();
        assert!(is_trusted_socket(&real));
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(!is_trusted_socket(&link));
        fs::write(root.path().join(NAME), b"").unwrap();
        assert!(for_client(root.path()).is_empty());
    }
}
