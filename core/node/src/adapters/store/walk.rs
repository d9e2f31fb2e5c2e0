//! Reads a journal from its start and tells a torn tail from damage.
//!
//! A record that is broken may be the rest of a write that a power cut interrupted: then nothing at or
//! behind it was ever synced, nor acknowledged, and it is cut off. Every record says how much of the
//! journal was durable when it was written; one behind the broken place that says "beyond it" proves
//! that the broken bytes were durable once. That is damage, and damage is never cut off.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use super::index::Span;
use super::journal::{Journal, START, Tail};
use super::key::Keys;
use super::record::{self, Entry, Frame, HEADER, Header, MAGIC_BYTES, Place, TAG};
use crate::ports::store::StoreError;

/// What a walk found.
#[derive(Debug)]
pub(super) struct Walked {
    /// Behind the last good record (of the undamaged beginning).
    pub(super) tail: Tail,
    /// Bytes behind the tail that were never acknowledged.
    pub(super) torn: u64,
    /// Offset of the first record that was durable once and is not readable.
    pub(super) damaged_at: Option<u64>,
}

/// A record's changes in order, each with its opened frame.
pub(super) trait Visit {
    /// One change.
    fn change(&mut self, record: u64, entry: Entry, frame: &Frame<'_>) -> Result<(), StoreError>;
    /// The end of a record: what was seen since the last one belongs together.
    fn end(&mut self, record: u64) -> Result<(), StoreError>;
}

/// Walks `journal` from `from` to `len`. Behind damage it goes on with the next readable record.
pub(super) fn walk(
    journal: &Journal,
    keys: &Keys,
    from: Tail,
    len: u64,
    visit: &mut dyn Visit,
) -> Result<Walked, StoreError> {
    let mut walked = Walked {
        tail: from,
        torn: 0,
        damaged_at: None,
    };
    let mut at = from;
    let mut body = Vec::new();
    let mut input = buffered(journal, at.end, len);
    while at.end < len {
        if let Some(header) = next_record(journal, keys, &mut input, &at, len, &mut body)?
            && let Some(changes) = opened(keys, &header, &mut body)
        {
            let record = at.end;
            for (span, range) in changes {
                let frame = record::parse_frame(&body[range]).expect("parsed just before");
                let key = keys.blind(frame.table, frame.key);
                let span = frame.value.is_some().then_some(span);
                visit.change(record, Entry { key, span }, &frame)?;
            }
            visit.end(record)?;
            let end = record + HEADER as u64 + u64::from(header.body_len);
            at = Tail {
                end,
                seq: header.seq + 1,
                prev: header.crc,
            };
            if walked.damaged_at.is_none() {
                walked.tail = at;
            }
            continue;
        }
        let broken = at.end;
        let mut next = None;
        let mut durable = walked.damaged_at.is_some();
        let mut from = broken + 1;
        while let Some((offset, header)) = find_header(journal, keys, from, len)? {
            next = next.or(Some((offset, header)));
            durable |= header.synced > broken;
            if durable {
                break;
            }
            from = offset + HEADER as u64 + u64::from(header.body_len);
        }
        if !durable {
            walked.torn = len - broken;
            break;
        }
        walked.damaged_at = walked.damaged_at.or(Some(broken));
        let Some((offset, header)) = next else { break };
        at = Tail {
            end: offset,
            seq: header.seq,
            prev: header.prev,
        };
        input = buffered(journal, offset, len);
    }
    Ok(walked)
}

/// Reads the record at the tail; `None` when it is not what follows there.
fn next_record(
    journal: &Journal,
    keys: &Keys,
    input: &mut impl BufRead,
    at: &Tail,
    len: u64,
    body: &mut Vec<u8>,
) -> io::Result<Option<Header>> {
    if len - at.end < HEADER as u64 {
        return Ok(None);
    }
    let mut bytes = [0; HEADER];
    input.read_exact(&mut bytes)?;
    let place = Place {
        generation: &journal.generation,
        offset: at.end,
    };
    let Some(header) = Header::read(keys, &place, &bytes) else {
        return Ok(None);
    };
    let rest = len - at.end - HEADER as u64;
    if header.seq != at.seq || header.prev != at.prev || u64::from(header.body_len) > rest {
        return Ok(None);
    }
    body.resize(header.body_len as usize, 0);
    input.read_exact(body)?;
    Ok((crc32fast::hash(body) == header.body_crc).then_some(header))
}

/// A change's place and where its opened text lies in the body.
type Change = (Span, std::ops::Range<usize>);

/// Opens every frame in place before the first is looked at: a batch is seen whole or not at all.
fn opened(keys: &Keys, header: &Header, body: &mut [u8]) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    for span in record::spans(header, body)? {
        let start = span.at as usize - HEADER;
        let sealed = start..start + span.len as usize;
        changes.push((span, sealed.start..sealed.end - TAG));
        record::open_frame(keys, &header.id, span.at, &mut body[sealed])?;
    }
    Some(changes)
}

/// The next header that is authentic for its place, from `from` on.
fn find_header(
    journal: &Journal,
    keys: &Keys,
    from: u64,
    len: u64,
) -> io::Result<Option<(u64, Header)>> {
    // The next header is usually right here: look near first, then in larger strides.
    let mut window = vec![0; 1 << 12];
    let mut start = from;
    while start + HEADER as u64 <= len {
        let take = usize::try_from(len - start)
            .unwrap_or(usize::MAX)
            .min(window.len());
        journal.file.read_exact_at(&mut window[..take], start)?;
        for at in 0..=take - HEADER {
            if window[at..at + 4] != MAGIC_BYTES {
                continue;
            }
            let bytes: &[u8; HEADER] = window[at..at + HEADER]
                .try_into()
                .expect("a header's length");
            let offset = start + at as u64;
            let place = Place {
                generation: &journal.generation,
                offset,
            };
            if let Some(header) = Header::read(keys, &place, bytes) {
                return Ok(Some((offset, header)));
            }
        }
        start += (take - HEADER + 1) as u64;
        window.resize((window.len() * 4).min(1 << 20), 0);
    }
    Ok(None)
}

/// Reads a file from an offset without moving anyone's cursor.
struct At<'a> {
    journal: &'a Journal,
    at: u64,
    len: u64,
}

impl Read for At<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let take = out.len().min(rest);
        let got = self.journal.file.read_at(&mut out[..take], self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}

fn buffered(journal: &Journal, at: u64, len: u64) -> BufReader<At<'_>> {
    BufReader::with_capacity(
        256 * 1024,
        At {
            journal,
            at: at.max(START),
            len,
        },
    )
}
