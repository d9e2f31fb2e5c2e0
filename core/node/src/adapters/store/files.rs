//! Every change the store makes to the file system, in one place, so that tests can fail or kill at
//! each of them. Through `std` on purpose: the torture's power cut sits below libc.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::ports::store::StoreError;

/// What is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code))]
pub(super) enum Step {
    Create,
    Write(usize),
    Sync,
    Truncate,
    Rename,
    Remove,
    SyncDir,
}

/// What a test makes of a step.
#[cfg(test)]
#[derive(Debug)]
pub(super) enum Fault {
    Pass,
    Fail(io::ErrorKind),
    /// Writes only this many bytes, then fails.
    Short(usize, io::ErrorKind),
}

#[cfg(test)]
pub(super) type Hook = std::sync::Arc<dyn Fn(Step) -> Fault + Send + Sync>;

/// The file system as the store changes it.
#[derive(Clone, Default)]
pub(super) struct Files {
    #[cfg(test)]
    pub(super) hook: Option<Hook>,
}

impl Files {
    /// Creates or empties a file, readable and writable by its owner only.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.before(Step::Create)?;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
    }

    pub(super) fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        #[cfg(test)]
        if let Some(hook) = &self.hook {
            match hook(Step::Write(bytes.len())) {
                Fault::Pass => {}
                Fault::Fail(kind) => return Err(kind.into()),
                Fault::Short(kept, kind) => {
                    file.write_all_at(&bytes[..kept.min(bytes.len())], at)?;
                    return Err(kind.into());
                }
            }
        }
        file.write_all_at(bytes, at)
    }

    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        self.before(Step::Sync)?;
        file.sync_data()
    }

    pub(super) fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        self.before(Step::Truncate)?;
        file.set_len(len)
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Step::Rename)?;
        fs::rename(from, to)
    }

    /// Removes a file; one that is not there is no error.
    pub(super) fn remove(&self, path: &Path) -> io::Result<()> {
        self.before(Step::Remove)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.before(Step::SyncDir)?;
        File::open(dir)?.sync_all()
    }

    /// Writes a small file so that after a crash it is there whole or not at all.
    pub(super) fn write_whole(&self, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = dir.join(format!("{name}.new"));
        let file = self.create(&new)?;
        self.write_at(&file, bytes, 0)?;
        self.sync(&file)?;
        self.rename(&new, &dir.join(name))?;
        self.sync_dir(dir)
    }

    #[cfg_attr(not(test), allow(clippy::unused_self, clippy::unnecessary_wraps))]
    fn before(&self, step: Step) -> io::Result<()> {
        #[cfg(test)]
        if let Some(hook) = &self.hook {
            return match hook(step) {
                Fault::Pass => Ok(()),
                Fault::Fail(kind) | Fault::Short(_, kind) => Err(kind.into()),
            };
        }
        let _ = step;
        Ok(())
    }
}

/// An error of a write: a full disk or quota is told apart.
pub(super) fn refused(error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Io(error),
    }
}
