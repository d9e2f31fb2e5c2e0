//! Where the journal ended at the last orderly stop. With it, a journal that is shorter, or whose last
//! record is broken, is known to be damaged; without it (after a crash) it may be a torn tail.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::files::Files;
use super::journal::Tail;
use super::key::{Keys, random};

/// Name of the marker file.
pub(super) const MARKER_FILE: &str = "clean";
const AAD: &[u8] = b"sovereign/store/1/clean";
const TEXT: usize = 16 + 8 + 8 + 4;
const LEN: usize = 16 + TEXT + 16;

/// Writes the marker durably.
pub(super) fn write(
    files: &Files,
    keys: &Keys,
    dir: &Path,
    generation: &[u8; 16],
    tail: &Tail,
) -> io::Result<()> {
    let mut id = [0; 16];
    random(&mut id)?;
    let mut text = [0; TEXT];
    text[..16].copy_from_slice(generation);
    text[16..24].copy_from_slice(&tail.end.to_le_bytes());
    text[24..32].copy_from_slice(&tail.seq.to_le_bytes());
    text[32..].copy_from_slice(&tail.prev.to_le_bytes());
    let tag = keys.seal(&id, 0, AAD, &mut text);
    files.write_whole(dir, MARKER_FILE, &[&id[..], &text, &tag].concat())
}

/// Reads the marker; `None` when there is none for this generation.
pub(super) fn read(keys: &Keys, dir: &Path, generation: &[u8; 16]) -> io::Result<Option<Tail>> {
    let file = match File::open(dir.join(MARKER_FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::with_capacity(LEN + 1);
    file.take(LEN as u64 + 1).read_to_end(&mut bytes)?;
    let Ok(mut bytes) = <[u8; LEN]>::try_from(bytes) else {
        return Ok(None);
    };
    let id: [u8; 16] = bytes[..16].try_into().expect("sixteen");
    let tag: [u8; 16] = bytes[LEN - 16..].try_into().expect("sixteen");
    let text = &mut bytes[16..LEN - 16];
    if !keys.open(&id, 0, AAD, text, &tag) || text[..16] != generation[..] {
        return Ok(None);
    }
    let long = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().expect("eight"));
    let prev = u32::from_le_bytes(text[32..36].try_into().expect("four"));
    Ok(Some(Tail {
        end: long(16),
        seq: long(24),
        prev,
    }))
}
