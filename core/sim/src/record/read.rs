//! Lines back to records: bounded, checked, and never trusted.

use std::io::{self, BufRead, Read as _};

use serde::Deserialize as _;
use sha2::{Digest as _, Sha256};

use super::{Footer, Header, Record, TraceHash, VERSION, What};
use crate::scenario::{MAX_CHANNELS, MAX_PEOPLE};

/// Longest line of a record, in bytes.
pub const MAX_LINE: u64 = 4 * 1024;
/// Longest header: each channel with its name.
const MAX_HEADER: u64 = 96 * (MAX_CHANNELS as u64) + 64 * 1024;
/// Longest scenario, in milliseconds.
const MAX_MS: u64 = crate::scenario::Period::MOST.as_millis() as u64;

/// Why a recording cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("the recording cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is none.
    #[error("that is no recording: its first line is no header")]
    Header,
    /// It was written by another version.
    #[error("the recording has format {0}: this program reads format {VERSION}")]
    Version(u32),
    /// A line is damaged.
    #[error("line {line} of the recording is damaged: {what}")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// How.
        what: String,
    },
    /// It ends without its last line: the run was killed, or the file cut.
    #[error("the recording ends after line {0}, before its end: what came until then can be used")]
    Truncated(u64),
    /// The hash in it is not its hash.
    #[error("the recording was altered: its trace hash is not that of its lines")]
    Altered,
    /// Something comes after its end.
    #[error("the recording goes on after its last line")]
    Trailing,
}

/// Reads a recording, record by record. After an error it ends.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    header: Header,
    footer: Option<Footer>,
    hash: Sha256,
    line: u64,
    offset: u64,
    records: u64,
    last_ms: u64,
    messages: u32,
    ended: bool,
    buffer: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`RecordingError`].
    pub fn new(mut from: R) -> Result<Self, RecordingError> {
        let mut buffer = Vec::new();
        let mut hash = Sha256::new();
        if !line(&mut from, MAX_HEADER, &mut buffer)? {
            return Err(RecordingError::Header);
        }
        hash.update(&buffer);
        let header: serde_json::Value =
            serde_json::from_slice(&buffer).map_err(|_| RecordingError::Header)?;
        let version = header.get("sovereign_recording");
        let version = version.and_then(serde_json::Value::as_u64);
        let version = version.and_then(|version| u32::try_from(version).ok());
        match version {
            None => return Err(RecordingError::Header),
            Some(VERSION) => {}
            Some(other) => return Err(RecordingError::Version(other)),
        }
        let header = Header::deserialize(header).map_err(|_| RecordingError::Header)?;
        let sizes = header.groups.iter().map(|(_, size)| u64::from(*size));
        let sane = header.people <= MAX_PEOPLE
            && header.duration_ms <= MAX_MS
            && header.channels.len() <= MAX_CHANNELS as usize
            && sizes.sum::<u64>() == u64::from(header.people);
        if !sane {
            return Err(RecordingError::Header);
        }
        Ok(Self {
            from,
            header,
            footer: None,
            hash,
            line: 1,
            offset: buffer.len() as u64,
            records: 0,
            last_ms: 0,
            messages: 0,
            ended: false,
            buffer,
        })
    }

    /// What the recording is of.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Bytes read so far: where the next line begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The end, once it was read.
    #[must_use]
    pub fn footer(&self) -> Option<&Footer> {
        self.footer.as_ref()
    }

    fn read(&mut self) -> Result<Option<Record>, RecordingError> {
        if !line(&mut self.from, MAX_LINE, &mut self.buffer)? {
            return Err(RecordingError::Truncated(self.line));
        }
        self.line += 1;
        self.offset += self.buffer.len() as u64;
        let number = self.line;
        let damaged = |what: &str| RecordingError::Line {
            line: number,
            what: what.to_owned(),
        };
        if self.buffer.last() != Some(&b'\n') {
            return Err(if self.buffer.len() as u64 == MAX_LINE {
                damaged("it is too long")
            } else {
                RecordingError::Truncated(number - 1)
            });
        }
        if self.buffer.starts_with(b"{\"end_ms\"") {
            let footer: Footer = serde_json::from_slice(&self.buffer)
                .map_err(|error| damaged(&error.to_string()))?;
            self.end(&footer)?;
            self.footer = Some(footer);
            return Ok(None);
        }
        let record: Record =
            serde_json::from_slice(&self.buffer).map_err(|error| damaged(&error.to_string()))?;
        self.check(&record).map_err(damaged)?;
        self.hash.update(&self.buffer);
        self.records += 1;
        Ok(Some(record))
    }

    fn check(&mut self, record: &Record) -> Result<(), &'static str> {
        if record.at_ms < self.last_ms {
            return Err("it is earlier than the line before");
        }
        if record.at_ms > MAX_MS {
            return Err("it is later than any scenario lasts");
        }
        self.last_ms = record.at_ms;
        let people = self.header.people;
        let channels = self.header.channels.len();
        let other = match &record.what {
            What::LinkUp { with, .. } | What::LinkDown { with, .. } => *with,
            What::Copy { from, .. } => *from,
            _ => record.who,
        };
        if record.who >= people || other >= people {
            return Err("it is about somebody who is not there");
        }
        match &record.what {
            What::Said {
                message, channel, ..
            } => {
                if *message != self.messages {
                    return Err("messages are not numbered in order");
                }
                self.messages += 1;
                if *channel as usize >= channels {
                    return Err("it names a channel that is not there");
                }
            }
            What::Refused { channel } if *channel as usize >= channels => {
                return Err("it names a channel that is not there");
            }
            What::Copy { message, .. }
            | What::Delivered { message }
            | What::Acknowledged { message }
                if *message >= self.messages =>
            {
                return Err("it names a message that nobody wrote");
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, footer: &Footer) -> Result<(), RecordingError> {
        let hash = TraceHash(self.hash.clone().finalize().into());
        if footer.trace != hash.to_string() || footer.records != self.records {
            return Err(RecordingError::Altered);
        }
        if !self.from.fill_buf()?.is_empty() {
            return Err(RecordingError::Trailing);
        }
        Ok(())
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Reads a line with its end, up to so many bytes; false where there is none.
fn line(from: &mut impl BufRead, most: u64, to: &mut Vec<u8>) -> io::Result<bool> {
    to.clear();
    from.take(most).read_until(b'\n', to)?;
    Ok(!to.is_empty())
}
