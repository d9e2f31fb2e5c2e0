//! Records to lines, and their hash.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Footer, Header, Record, Sink};

/// Lines gathered before they are hashed and written together, in bytes.
const GATHERED: usize = 32 * 1024;

/// The hash of a run: equal for equal runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceHash(pub [u8; 32]);

impl std::fmt::Display for TraceHash {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(to, "{byte:02x}"))
    }
}

/// Writes a recording. Over [`io::sink`] it only hashes.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    gathered: Vec<u8>,
    hash: Sha256,
    records: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(to: W, header: &Header) -> io::Result<Self> {
        let mut writer = Self {
            to,
            gathered: Vec::with_capacity(2 * GATHERED),
            hash: Sha256::new(),
            records: 0,
        };
        writer.line(header)?;
        Ok(writer)
    }

    /// Records so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Ends the recording at a time of the run and gives its hash.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, end_ms: u64) -> io::Result<(W, TraceHash)> {
        self.write()?;
        let trace = TraceHash(self.hash.clone().finalize().into());
        let footer = Footer {
            end_ms,
            records: self.records,
            trace: trace.to_string(),
        };
        self.line(&footer)?;
        self.write()?;
        self.to.flush()?;
        Ok((self.to, trace))
    }

    fn line(&mut self, what: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.gathered, what)?;
        self.gathered.push(b'\n');
        if self.gathered.len() >= GATHERED {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        self.hash.update(&self.gathered);
        let written = self.to.write_all(&self.gathered);
        self.gathered.clear();
        written
    }
}

impl<W: Write> Sink for Writer<W> {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        self.records += 1;
        self.line(record)
    }
}
