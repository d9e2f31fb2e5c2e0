//! Export and import files (MSG-12): `docs/protocol.md` §10 on a disk.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use sovereign_protocol::{
    id::ContentId,
    message::{
        archive::{Reader, Record, Writer},
        bundle::Bundle,
    },
};
use tokio::sync::mpsc;

use crate::api::{ApiError, ErrorKind, Exported};

/// Records that wait for the event loop at most while a file is read.
pub(super) const IMPORT_QUEUE: usize = 64;
/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// A bundle to be exported, with its numbers in seconds.
pub(super) struct Item {
    pub(super) content: ContentId,
    pub(super) age_s: u32,
    pub(super) lifetime_s: u32,
}

/// What comes out of a file that is read.
pub(super) enum Imported {
    Record(Record),
    /// The end: whether the file is whole.
    End(Result<(), ApiError>),
}

/// Writes the bundles to a new file, durable on return.
pub(super) fn write(
    path: &Path,
    items: &[Item],
    body: impl Fn(&ContentId) -> Option<Vec<u8>>,
) -> Result<Exported, ApiError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                ApiError::new(
                    ErrorKind::Exists,
                    format!("{} exists", path.display()),
                    "choose another file",
                )
            } else {
                io_error(path, &error)
            }
        })?;
    write_records(&file, items, body)
        .inspect_err(|_| {
            // Half a file helps nobody.
            let _ = std::fs::remove_file(path);
        })
        .map_err(|error| io_error(path, &error))
}

fn write_records(
    file: &File,
    items: &[Item],
    body: impl Fn(&ContentId) -> Option<Vec<u8>>,
) -> std::io::Result<Exported> {
    let mut out = BufWriter::new(file);
    let mut buffer = Vec::new();
    let mut writer = Writer::start(&mut buffer);
    let (mut bundles, mut bytes) = (0, 0);
    for item in items {
        // Evicted while the file was being written: it is not in it.
        let Some(bundle) = body(&item.content).and_then(|body| Bundle::parse(body.into()).ok())
        else {
            continue;
        };
        let record = Record {
            age_s: item.age_s,
            lifetime_s: item.lifetime_s,
            bundle,
        };
        if writer.record(&record, &mut buffer).is_ok() {
            bundles += 1;
        }
        bytes += buffer.len() as u64;
        out.write_all(&buffer)?;
        buffer.clear();
    }
    writer.finish(&mut buffer);
    bytes += buffer.len() as u64;
    out.write_all(&buffer)?;
    out.flush()?;
    file.sync_all()?;
    Ok(Exported { bundles, bytes })
}

/// Reads a file record by record into a bounded queue; runs on a blocking thread.
pub(super) fn read(path: &Path, out: &mpsc::Sender<Imported>) {
    let end = read_records(path, out);
    // Nobody waits for the end any more: the node is shutting down.
    let _ = out.blocking_send(Imported::End(end));
}

fn read_records(path: &Path, out: &mpsc::Sender<Imported>) -> Result<(), ApiError> {
    let mut file = File::open(path).map_err(|error| io_error(path, &error))?;
    let bad = |error: &dyn std::fmt::Display| {
        ApiError::new(
            ErrorKind::BadFile,
            format!("{} is no whole export: {error}", path.display()),
            "what came before the damage was imported; export it again for the rest",
        )
    };
    let mut reader = Reader::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let got = file
            .read(&mut chunk)
            .map_err(|error| io_error(path, &error))?;
        if got == 0 {
            return reader.finish().map(|_| ()).map_err(|error| bad(&error));
        }
        let mut input = &chunk[..got];
        while let Some(record) = reader.read(&mut input).map_err(|error| bad(&error))? {
            if out.blocking_send(Imported::Record(record)).is_err() {
                return Ok(());
            }
        }
    }
}

fn io_error(path: &Path, error: &std::io::Error) -> ApiError {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::DiskFull,
        _ => ErrorKind::Io,
    };
    ApiError::new(
        kind,
        format!("{}: {error}", path.display()),
        "check the path and its permissions",
    )
}
