//! One batch as bytes: a header and one sealed frame for each change.
//!
//! ```text
//! header  magic u32 ‖ body length u32 ‖ count u32 ‖ 0 u32 ‖ sequence u64 ‖ synced u64
//!         ‖ crc32 of the previous header u32 ‖ crc32 of the body u32 ‖ id 16 ‖ tag 16 ‖ crc32 u32
//! body    count × (length u32 ‖ sealed frame)
//! frame   table (bit 7: delete) u8 ‖ key length u8 ‖ key ‖ value ‖ tag 16
//! ```
//! All numbers are little-endian. `id` is random and starts every nonce of the record, the frame's
//! place in the record ends it; the header's tag binds it to its journal and its place there. `synced` is the length of the journal that was
//! durable before this record was written: it tells a torn tail from damage.

use super::index::{IndexKey, Span};
use super::key::{HEADER_PART, Keys, random};
use crate::ports::store::{MAX_BATCH, MAX_KEY, MAX_OPS, MAX_VALUE, Op, Table};

const MAGIC: u32 = u32::from_le_bytes(*b"SREC");
/// The first bytes of a record, for finding the next one behind a broken one.
pub(super) const MAGIC_BYTES: [u8; 4] = MAGIC.to_le_bytes();
/// Length of a header.
pub(super) const HEADER: usize = 76;
const AUTHENTIC: usize = 56;
/// Length of a tag.
pub(super) const TAG: usize = 16;
/// What a frame takes beside key and value, its length included.
pub(super) const FRAME_OVERHEAD: usize = 4 + 2 + TAG;
const MAX_FRAME: usize = 2 + MAX_KEY + MAX_VALUE + TAG;
/// Largest body: the largest batch, sealed.
pub(super) const MAX_BODY: usize = MAX_BATCH + MAX_OPS * FRAME_OVERHEAD;
const DELETE: u8 = 0x80;

/// A header as read, its lengths within their bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) body_len: u32,
    pub(super) count: u32,
    pub(super) seq: u64,
    pub(super) synced: u64,
    pub(super) prev: u32,
    pub(super) body_crc: u32,
    pub(super) id: [u8; 16],
    /// The header's own checksum, which the next one names.
    pub(super) crc: u32,
}

/// Where a header stands; part of what its tag covers.
pub(super) struct Place<'a> {
    pub(super) generation: &'a [u8; 16],
    pub(super) offset: u64,
}

impl Header {
    /// Writes the header of a record for its place; sets `crc`.
    pub(super) fn write(&mut self, keys: &Keys, place: &Place<'_>, out: &mut [u8]) {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&MAGIC_BYTES);
        put(&self.body_len.to_le_bytes());
        put(&self.count.to_le_bytes());
        put(&0u32.to_le_bytes());
        put(&self.seq.to_le_bytes());
        put(&self.synced.to_le_bytes());
        put(&self.prev.to_le_bytes());
        put(&self.body_crc.to_le_bytes());
        put(&self.id);
        let tag = keys.seal(
            &self.id,
            HEADER_PART,
            &covered(&out[..AUTHENTIC], place),
            &mut [],
        );
        out[AUTHENTIC..AUTHENTIC + TAG].copy_from_slice(&tag);
        self.crc = crc32fast::hash(&out[..HEADER - 4]);
        out[HEADER - 4..HEADER].copy_from_slice(&self.crc.to_le_bytes());
    }

    /// Reads a header; `None` when it is broken, out of bounds, of another journal or place.
    pub(super) fn read(keys: &Keys, place: &Place<'_>, bytes: &[u8; HEADER]) -> Option<Self> {
        let short = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four"));
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight"));
        let crc = short(HEADER - 4);
        if short(0) != MAGIC || crc != crc32fast::hash(&bytes[..HEADER - 4]) {
            return None;
        }
        let header = Self {
            body_len: short(4),
            count: short(8),
            seq: long(16),
            synced: long(24),
            prev: short(32),
            body_crc: short(36),
            id: bytes[40..56].try_into().expect("sixteen"),
            crc,
        };
        let bounded = header.body_len as usize <= MAX_BODY
            && header.count as usize <= MAX_OPS
            && short(12) == 0;
        let tag: [u8; TAG] = bytes[AUTHENTIC..AUTHENTIC + TAG]
            .try_into()
            .expect("sixteen");
        let covered = covered(&bytes[..AUTHENTIC], place);
        (bounded && keys.open(&header.id, HEADER_PART, &covered, &mut [], &tag)).then_some(header)
    }
}

fn covered(header: &[u8], place: &Place<'_>) -> [u8; AUTHENTIC + 24] {
    let mut out = [0; AUTHENTIC + 24];
    out[..AUTHENTIC].copy_from_slice(header);
    out[AUTHENTIC..AUTHENTIC + 16].copy_from_slice(place.generation);
    out[AUTHENTIC + 16..].copy_from_slice(&place.offset.to_le_bytes());
    out
}

/// A change as the index sees it: a put with its frame's place in the record, or a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: IndexKey,
    pub(super) span: Option<Span>,
}

/// A batch sealed by its caller, ready for any place in any journal.
pub(super) struct Sealed {
    /// Room for the header, then the body.
    pub(super) bytes: Vec<u8>,
    pub(super) header: Header,
    pub(super) entries: Vec<Entry>,
}

impl Sealed {
    /// Seals changes that are within the bounds of a batch.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub(super) fn new(keys: &Keys, ops: &[Op]) -> std::io::Result<Self> {
        let mut id = [0; 16];
        random(&mut id)?;
        let room: usize = ops.iter().map(|op| FRAME_OVERHEAD + size(op)).sum();
        let mut bytes = Vec::with_capacity(HEADER + room);
        bytes.resize(HEADER, 0);
        let mut entries = Vec::with_capacity(ops.len());
        for op in ops {
            let (kind, table, key, value): (u8, Table, &[u8], &[u8]) = match op {
                Op::Put(table, key, value) => (0, *table, key, value),
                Op::Delete(table, key) => (DELETE, *table, key, &[]),
            };
            let len = 2 + key.len() + value.len() + TAG;
            bytes.extend_from_slice(&bounded(len).to_le_bytes());
            let start = bytes.len();
            let key_len = u8::try_from(key.len()).expect("keys are bounded to 64 bytes");
            bytes.extend_from_slice(&[kind | table as u8, key_len]);
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(value);
            let tag = keys.seal(&id, start as u64, b"", &mut bytes[start..]);
            bytes.extend_from_slice(&tag);
            let span = Span {
                at: bounded(start),
                len: bounded(len),
            };
            entries.push(Entry {
                key: keys.blind(table, key),
                span: (kind == 0).then_some(span),
            });
        }
        let header = Header {
            body_len: bounded(bytes.len() - HEADER),
            count: bounded(ops.len()),
            seq: 0,
            synced: 0,
            prev: 0,
            body_crc: crc32fast::hash(&bytes[HEADER..]),
            id,
            crc: 0,
        };
        Ok(Self {
            bytes,
            header,
            entries,
        })
    }
}

fn bounded(number: usize) -> u32 {
    u32::try_from(number).expect("a record is at most 10 MiB")
}

fn size(op: &Op) -> usize {
    match op {
        Op::Put(_, key, value) => key.len() + value.len(),
        Op::Delete(_, key) => key.len(),
    }
}

/// An opened frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) table: Table,
    pub(super) key: &'a [u8],
    /// `None` for a delete.
    pub(super) value: Option<&'a [u8]>,
}

/// Opens a sealed frame in place; `None` when it is not what was written.
pub(super) fn open_frame<'a>(
    keys: &Keys,
    id: &[u8; 16],
    at: u32,
    bytes: &'a mut [u8],
) -> Option<Frame<'a>> {
    let text_len = bytes.len().checked_sub(TAG)?;
    let (text, tag) = bytes.split_at_mut(text_len);
    let tag: [u8; TAG] = (&*tag).try_into().ok()?;
    if !keys.open(id, at.into(), b"", text, &tag) {
        return None;
    }
    parse_frame(text)
}

/// Reads a frame that was opened, its tag left off.
pub(super) fn parse_frame(text: &[u8]) -> Option<Frame<'_>> {
    let kind = text.first()?;
    let table = table(kind & !DELETE)?;
    let value_at = 2 + usize::from(*text.get(1)?);
    let key = text.get(2..value_at)?;
    let value = (kind & DELETE == 0).then(|| &text[value_at..]);
    Some(Frame { table, key, value })
}

/// Splits a body into its frames' spans; `None` when lengths and count do not add up.
pub(super) fn spans(header: &Header, body: &[u8]) -> Option<Vec<Span>> {
    // The count was bounded with the header; it is not yet known to fit the body.
    let mut spans = Vec::with_capacity((header.count as usize).min(body.len() / FRAME_OVERHEAD));
    let mut at = 0;
    for _ in 0..header.count {
        let len = u32::from_le_bytes(body.get(at..at + 4)?.try_into().ok()?);
        let start = at + 4;
        at = start + len as usize;
        if !frame_len_ok(len) || at > body.len() {
            return None;
        }
        spans.push(Span {
            at: bounded(HEADER + start),
            len,
        });
    }
    (at == body.len()).then_some(spans)
}

/// Whether a frame's length is within its bounds: asked before anything is allocated for it.
pub(super) fn frame_len_ok(len: u32) -> bool {
    (2 + TAG..=MAX_FRAME).contains(&(len as usize))
}

fn table(number: u8) -> Option<Table> {
    Table::ALL.into_iter().find(|table| *table as u8 == number)
}
