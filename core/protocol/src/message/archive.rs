//! Files of bundles (§10, MSG-12): written and read piece by piece, without I/O.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::bundle::{Bundle, BundleError, MAX_LIFETIME_S, SizeClass};

/// First line of every file.
pub const MAGIC: &[u8; 20] = b"SOVEREIGN-BUNDLES-1\n";

/// Length, age and lifetime before each bundle.
const PREFIX: usize = 12;
/// Length 0 and the hash.
const HASH: usize = 32;

/// Why a file, or a record for one, was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The first line is another one.
    #[error("not a file of bundles, or one of a later version")]
    Magic,
    /// The length before a record is not one of a bundle.
    #[error("a record of {0} bytes is no bundle")]
    Length(u32),
    /// A lifetime above seven days.
    #[error("a lifetime of {0} s is above 7 days")]
    Lifetime(u32),
    /// What should be a bundle is none.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The hash at the end does not fit: some record was changed.
    #[error("the file is damaged: its check does not fit")]
    Hash,
    /// The end is missing.
    #[error("the file was cut short after {0} records")]
    Truncated(u64),
    /// Something follows the end.
    #[error("something follows the end of the file")]
    Trailing,
}

/// A bundle with the numbers that travel beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The bundle.
    pub bundle: Bundle,
    /// Seconds since it was made, when the file was written.
    pub age_s: u32,
    /// Seconds that it lives in total.
    pub lifetime_s: u32,
}

/// Encodes a file.
#[derive(Debug)]
pub struct Writer {
    hasher: Sha256,
}

impl Writer {
    /// Begins a file: appends its first bytes to `out`.
    #[must_use]
    pub fn start(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(MAGIC);
        Self {
            hasher: Sha256::new_with_prefix(MAGIC),
        }
    }

    /// Appends one record to `out`.
    ///
    /// # Errors
    /// [`ArchiveError::Lifetime`], and then nothing is appended.
    ///
    /// # Panics
    /// Never: a bundle is far shorter than 4 GiB.
    pub fn record(&mut self, record: &Record, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        if record.lifetime_s > MAX_LIFETIME_S {
            return Err(ArchiveError::Lifetime(record.lifetime_s));
        }
        let start = out.len();
        let len = u32::try_from(record.bundle.size()).expect("at most 16 KiB");
        for number in [len, record.age_s, record.lifetime_s] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(record.bundle.as_bytes());
        self.hasher.update(&out[start..]);
        Ok(())
    }

    /// Appends the end of the file to `out`.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        let end = 0u32.to_be_bytes();
        self.hasher.update(end);
        out.extend_from_slice(&end);
        out.extend_from_slice(&self.hasher.finalize());
    }
}

/// What the reader waits for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Magic,
    Length,
    Record(usize),
    Hash,
    End,
    Failed(ArchiveError),
}

/// Decodes a file from pieces of any size. Holds at most one record.
#[derive(Debug)]
pub struct Reader {
    stage: Stage,
    /// The begun item, never longer than the stage needs.
    pending: Vec<u8>,
    hasher: Sha256,
    records: u64,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader at the start of a file.
    #[must_use]
    pub fn new() -> Self {
        Self {
            stage: Stage::Magic,
            pending: Vec::new(),
            hasher: Sha256::new(),
            records: 0,
        }
    }

    /// Takes bytes off the front of `input` until a record is complete; `None` when all have been
    /// taken and none is. Whether the records are those that were written is known only after
    /// [`Self::finish`]; each is authenticated by itself when it is opened.
    ///
    /// # Errors
    /// [`ArchiveError`]; every further call returns the same.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Record>, ArchiveError> {
        let result = self.advance(input);
        if let Err(error) = result {
            self.stage = Stage::Failed(error);
        }
        result
    }

    /// Ends the file and returns the number of its records.
    ///
    /// # Errors
    /// [`ArchiveError::Truncated`] unless the end with its hash has been read; the error of
    /// [`Self::read`] if there was one.
    pub fn finish(self) -> Result<u64, ArchiveError> {
        match self.stage {
            Stage::End => Ok(self.records),
            Stage::Failed(error) => Err(error),
            _ => Err(ArchiveError::Truncated(self.records)),
        }
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Record>, ArchiveError> {
        loop {
            let needed = match self.stage {
                Stage::Magic => MAGIC.len(),
                Stage::Length => 4,
                Stage::Record(len) => PREFIX - 4 + len,
                Stage::Hash => HASH,
                Stage::End if input.is_empty() => return Ok(None),
                Stage::End => return Err(ArchiveError::Trailing),
                Stage::Failed(error) => return Err(error),
            };
            let missing = needed - self.pending.len();
            let (taken, rest) = input.split_at(missing.min(input.len()));
            self.pending.extend_from_slice(taken);
            *input = rest;
            if self.pending.len() < needed {
                return Ok(None);
            }
            let item = core::mem::take(&mut self.pending);
            if let Some(record) = self.item(item)? {
                return Ok(Some(record));
            }
        }
    }

    /// Handles one complete item.
    fn item(&mut self, item: Vec<u8>) -> Result<Option<Record>, ArchiveError> {
        if self.stage == Stage::Hash {
            if self.hasher.clone().finalize()[..] != item[..] {
                return Err(ArchiveError::Hash);
            }
            self.stage = Stage::End;
            return Ok(None);
        }
        self.hasher.update(&item);
        match self.stage {
            Stage::Magic => {
                if item != MAGIC {
                    return Err(ArchiveError::Magic);
                }
                self.stage = Stage::Length;
                Ok(None)
            }
            Stage::Length => {
                let len = number(&item, 0);
                self.stage = match usize::try_from(len) {
                    Ok(0) => Stage::Hash,
                    Ok(size) if SizeClass::of_size(size).is_some() => Stage::Record(size),
                    _ => return Err(ArchiveError::Length(len)),
                };
                Ok(None)
            }
            _ => {
                let (age_s, lifetime_s) = (number(&item, 0), number(&item, 4));
                if lifetime_s > MAX_LIFETIME_S {
                    return Err(ArchiveError::Lifetime(lifetime_s));
                }
                let bundle = Bundle::parse(Bytes::from(item).slice(PREFIX - 4..))?;
                self.stage = Stage::Length;
                self.records += 1;
                Ok(Some(Record {
                    bundle,
                    age_s,
                    lifetime_s,
                }))
            }
        }
    }
}

/// Decodes a whole file that is in memory: its records, and at the end an error unless the file is
/// complete and unchanged.
pub fn records(mut file: &[u8]) -> impl Iterator<Item = Result<Record, ArchiveError>> {
    let mut reader = Some(Reader::new());
    core::iter::from_fn(move || match reader.as_mut()?.read(&mut file) {
        Ok(Some(record)) => Some(Ok(record)),
        Ok(None) => reader.take()?.finish().err().map(Err),
        Err(error) => {
            reader = None;
            Some(Err(error))
        }
    })
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let mut out = [0; 4];
    out.copy_from_slice(&bytes[at..at + 4]);
    u32::from_be_bytes(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::bundle::seal;
    use proptest::prelude::*;

    fn record(len: usize, age_s: u32) -> Record {
        let bundle = seal(&vec![7; len], &[1; 32], &[2; 32], [3; 16]).expect("sealed");
        Record {
            bundle,
            age_s,
            lifetime_s: MAX_LIFETIME_S,
        }
    }

    fn file(records: &[Record]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = Writer::start(&mut out);
        for record in records {
            writer.record(record, &mut out).expect("written");
        }
        writer.finish(&mut out);
        out
    }

    /// The records before the first error, and that error or the count.
    fn read(file: &[u8], piece: usize) -> (Vec<Record>, Result<u64, ArchiveError>) {
        let mut reader = Reader::new();
        let mut found = Vec::new();
        for mut input in file.chunks(piece) {
            loop {
                match reader.read(&mut input) {
                    Ok(Some(record)) => found.push(record),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(reader.read(&mut &[0u8; 99][..]), Err(error), "it stays");
                        assert_eq!(reader.finish(), Err(error));
                        return (found, Err(error));
                    }
                }
            }
            assert!(reader.pending.len() < 16_384 + 8, "one record at most");
        }
        (found, reader.finish())
    }

    #[test]
    fn round_trip_in_pieces_of_any_size() {
        // MSG-12.
        let all = vec![record(5, 0), record(900, 7), record(16_000, u32::MAX)];
        let bytes = file(&all);
        for piece in [1, 3, 20, 1_000, bytes.len()] {
            assert_eq!(read(&bytes, piece), (all.clone(), Ok(3)));
        }
        let listed: Result<Vec<_>, _> = records(&bytes).collect();
        assert_eq!(listed, Ok(all));
        assert_eq!(read(&file(&[]), 1), (vec![], Ok(0)));
    }

    #[test]
    fn the_layout_is_the_one_of_the_protocol() {
        let one = record(5, 9);
        let head = [
            &MAGIC[..],
            &256u32.to_be_bytes(),
            &9u32.to_be_bytes(),
            &604_800u32.to_be_bytes(),
        ];
        let before = [&head.concat()[..], one.bundle.as_bytes(), &[0; 4]].concat();
        assert_eq!(
            file(&[one]),
            [&before[..], &Sha256::digest(&before)].concat()
        );
    }

    #[test]
    fn a_file_cut_short_gives_what_it_holds() {
        let all = vec![record(5, 0), record(5, 1)];
        let bytes = file(&all);
        let ends = [20 + 268, 20 + 2 * 268];
        for cut in 0..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            let (found, end) = read(&bytes[..cut], 64);
            assert_eq!(found, all[..whole]);
            assert_eq!(
                end,
                Err(ArchiveError::Truncated(whole as u64)),
                "cut at {cut}"
            );
            assert_eq!(records(&bytes[..cut]).count(), whole + 1);
        }
    }

    #[test]
    fn each_part_is_checked() {
        let good = file(&[record(5, 0)]);
        let with = |at: usize, bytes: &[u8]| {
            let mut changed = good.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            read(&changed, 100).1
        };
        assert_eq!(with(18, b"2"), Err(ArchiveError::Magic));
        for len in [1u32, 255, 257, 16_385, u32::MAX] {
            assert_eq!(with(20, &len.to_be_bytes()), Err(ArchiveError::Length(len)));
        }
        assert_eq!(with(28, &604_800u32.to_be_bytes()), Ok(1));
        assert_eq!(
            with(28, &604_801u32.to_be_bytes()),
            Err(ArchiveError::Lifetime(604_801))
        );
        assert_eq!(
            with(32, &[9]),
            Err(ArchiveError::Bundle(BundleError::Version(9)))
        );
        assert_eq!(with(24, &[1]), Err(ArchiveError::Hash), "a changed age");
        assert_eq!(
            with(good.len() - 1, &[!good[good.len() - 1]]),
            Err(ArchiveError::Hash)
        );
        let trailing = [&good[..], &[0]].concat();
        assert_eq!(read(&trailing, 1).1, Err(ArchiveError::Trailing));
        assert_eq!(read(&trailing, 9_999).1, Err(ArchiveError::Trailing));
        let last = records(&trailing).last();
        assert_eq!(last, Some(Err(ArchiveError::Trailing)));
    }

    #[test]
    fn an_impossible_lifetime_is_not_written() {
        let mut out = Vec::new();
        let mut writer = Writer::start(&mut out);
        let mut wrong = record(5, 0);
        wrong.lifetime_s = 604_801;
        let before = out.clone();
        assert_eq!(
            writer.record(&wrong, &mut out),
            Err(ArchiveError::Lifetime(604_801))
        );
        assert_eq!(out, before);
        writer.finish(&mut out);
        assert_eq!(read(&out, 99).1, Ok(0), "the file goes on without it");
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(at in any::<proptest::sample::Index>(), piece in 1usize..600) {
            let mut bytes = file(&[record(5, 0), record(300, 1)]);
            let bit = at.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(read(&bytes, piece).1.is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), piece in 1usize..99) {
            prop_assert!(read(&bytes, piece).1.is_err());
            let after_magic = [&MAGIC[..], &bytes].concat();
            prop_assert!(read(&after_magic, piece).1.is_err());
        }
    }
}
