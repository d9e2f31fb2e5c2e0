//! The journal's file: its header, appending, and reading one frame.
//!
//! ```text
//! magic 8 ‖ format u32 ‖ crc32 of these u32 ‖ generation 16 ‖ tag 16 ‖ crc32 of all before u32 ‖ 0 × 12
//! ```
//! The first 16 bytes keep their meaning in every later format, so that a newer one is recognised.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::files::Files;
use super::index::Location;
use super::key::{FILE_PART, Keys, random};
use super::record::{self, Frame, HEADER, Header, Place, Sealed};

/// Name of the journal.
pub(super) const JOURNAL_FILE: &str = "journal";
/// Name of the journal that is going to replace it.
pub(super) const JOURNAL_NEW: &str = "journal.new";
/// Where the first record begins.
pub(super) const START: u64 = 64;
/// The format this program writes. Adding a table or changing a byte needs the next number and a
/// migration.
pub(super) const FORMAT: u32 = 1;

const MAGIC: [u8; 8] = *b"SVRNJRNL";

/// A generation of the journal, open.
pub(super) struct Journal {
    pub(super) file: File,
    pub(super) generation: [u8; 16],
}

/// Where and after what the next record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) end: u64,
    pub(super) seq: u64,
    /// Checksum of the last header.
    pub(super) prev: u32,
}

impl Tail {
    /// The tail of an empty journal.
    pub(super) const EMPTY: Self = Self {
        end: START,
        seq: 0,
        prev: 0,
    };
}

/// What a file turned out to be.
pub(super) enum Looked {
    Ours {
        journal: Journal,
        format: u32,
    },
    Newer {
        format: u32,
    },
    /// Not a journal, damaged in its first bytes, or sealed under another key.
    Foreign(&'static str),
}

/// Why a frame cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// Not what was written there.
    Broken,
    Io(io::Error),
}

impl Journal {
    /// Creates an empty generation. Not durable before the caller syncs it.
    pub(super) fn create(files: &Files, keys: &Keys, path: &Path, format: u32) -> io::Result<Self> {
        let mut generation = [0; 16];
        random(&mut generation)?;
        let mut bytes = [0; START as usize];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&format.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..12]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes[16..32].copy_from_slice(&generation);
        let tag = keys.seal(&generation, FILE_PART, &bytes[..32], &mut []);
        bytes[32..48].copy_from_slice(&tag);
        let crc = crc32fast::hash(&bytes[..48]);
        bytes[48..52].copy_from_slice(&crc.to_le_bytes());
        let file = files.create(path)?;
        files.write_at(&file, &bytes, 0)?;
        Ok(Self { file, generation })
    }

    /// Opens a file that may be anything.
    pub(super) fn look(keys: &Keys, file: File, supported: u32) -> io::Result<Looked> {
        let mut bytes = [0; START as usize];
        let mut got = 0;
        while got < bytes.len() {
            match file.read_at(&mut bytes[got..], got as u64)? {
                0 => break,
                n => got += n,
            }
        }
        let short = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        if got < 16 || bytes[..8] != MAGIC {
            return Ok(Looked::Foreign("the journal does not begin like one"));
        }
        if short(12) != crc32fast::hash(&bytes[..12]) {
            return Ok(Looked::Foreign("the journal's header is damaged"));
        }
        let format = short(8);
        if format > supported {
            return Ok(Looked::Newer { format });
        }
        if got < bytes.len() || short(48) != crc32fast::hash(&bytes[..48]) || bytes[52..] != [0; 12]
        {
            return Ok(Looked::Foreign("the journal's header is damaged"));
        }
        let generation: [u8; 16] = bytes[16..32].try_into().expect("sixteen");
        let tag: [u8; 16] = bytes[32..48].try_into().expect("sixteen");
        if !keys.open(&generation, FILE_PART, &bytes[..32], &mut [], &tag) {
            return Ok(Looked::Foreign("the journal was sealed under another key"));
        }
        Ok(Looked::Ours {
            journal: Self { file, generation },
            format,
        })
    }

    /// Writes a record behind the tail and moves the tail. Not durable before a sync; `synced` is
    /// the length that already is. On an error the tail stays and the file may hold half a record.
    pub(super) fn append(
        &self,
        files: &Files,
        keys: &Keys,
        tail: &mut Tail,
        sealed: &mut Sealed,
        synced: u64,
    ) -> io::Result<u64> {
        let record = tail.end;
        sealed.header.seq = tail.seq;
        sealed.header.prev = tail.prev;
        sealed.header.synced = synced;
        let place = Place {
            generation: &self.generation,
            offset: record,
        };
        sealed
            .header
            .write(keys, &place, &mut sealed.bytes[..HEADER]);
        files.write_at(&self.file, &sealed.bytes, record)?;
        let end = record + sealed.bytes.len() as u64;
        *tail = Tail {
            end,
            seq: tail.seq + 1,
            prev: sealed.header.crc,
        };
        Ok(record)
    }

    /// Reads frames, one after the other. Neighbours in a record share the work on its header.
    pub(super) fn reader<'a>(&'a self, keys: &'a Keys) -> Reader<'a> {
        Reader {
            journal: self,
            keys,
            last: None,
            buffer: Vec::new(),
        }
    }
}

/// Reads single frames.
pub(super) struct Reader<'a> {
    journal: &'a Journal,
    keys: &'a Keys,
    last: Option<(u64, Header)>,
    buffer: Vec<u8>,
}

impl Reader<'_> {
    /// The frame at a location, checked to be what was written there.
    pub(super) fn read(&mut self, location: Location) -> Result<Frame<'_>, Unreadable> {
        let header = match self.last {
            Some((record, header)) if record == location.record => header,
            _ => {
                let mut bytes = [0; HEADER];
                self.journal
                    .file
                    .read_exact_at(&mut bytes, location.record)
                    .map_err(unreadable)?;
                let generation = &self.journal.generation;
                let place = Place {
                    generation,
                    offset: location.record,
                };
                let header = Header::read(self.keys, &place, &bytes).ok_or(Unreadable::Broken)?;
                self.last = Some((location.record, header));
                header
            }
        };
        if !record::frame_len_ok(location.span.len) {
            return Err(Unreadable::Broken);
        }
        self.buffer.resize(location.span.len as usize, 0);
        let at = location.record + u64::from(location.span.at);
        self.journal
            .file
            .read_exact_at(&mut self.buffer, at)
            .map_err(unreadable)?;
        record::open_frame(self.keys, &header.id, location.span.at, &mut self.buffer)
            .ok_or(Unreadable::Broken)
    }
}

fn unreadable(error: io::Error) -> Unreadable {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Unreadable::Broken,
        _ => Unreadable::Io(error),
    }
}
