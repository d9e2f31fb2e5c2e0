//! Comparing a plain, ascending list with the own set, frame by frame.

use std::sync::Arc;

use super::{MAX_SET, ReconcileError, Step, frames, key::ShortId, set::SessionSet};
use crate::wire::v1::Summary;

/// Ids that one session asks for after a list, at most: 256 KiB of memory. What is beyond waits
/// for the next session. (Coded symbols never tell more than 16,384 apart.)
pub const MAX_LACK: usize = 32_768;

/// A list under way. Memory: [`MAX_LACK`] short ids and the ids on offer, whatever is sent.
pub(super) struct ListDiff {
    set: Arc<SessionSet>,
    expected: u32,
    received: u32,
    last: Option<ShortId>,
    /// Own ids before this position have been compared.
    cursor: usize,
    lack: Vec<ShortId>,
    offer: Vec<usize>,
}

impl ListDiff {
    /// Opens the list with its first frame, which has passed [`head`].
    pub(super) fn open(set: &Arc<SessionSet>, expected: u32) -> Self {
        Self {
            set: Arc::clone(set),
            expected,
            received: 0,
            last: None,
            cursor: 0,
            lack: Vec::new(),
            offer: Vec::new(),
        }
    }

    /// Takes a frame of ids; the difference comes with the last one.
    pub(super) fn take(
        &mut self,
        field: &[u8],
        more: bool,
    ) -> Result<Option<Step>, ReconcileError> {
        let ids = frames::unpack(field)?;
        let total = self.received + u32::try_from(ids.len()).expect("at most 120 ids in a frame");
        // A frame that carries nothing would let a list go on for ever.
        let complete = if more {
            total < self.expected && !ids.is_empty()
        } else {
            total == self.expected
        };
        if !complete {
            return Err(ReconcileError::Count(total));
        }
        if !self.last.iter().chain(&ids).is_sorted_by(|a, b| a < b) {
            return Err(ReconcileError::Order);
        }
        self.received = total;
        self.last = ids.last().copied().or(self.last);
        self.compare(&ids);
        Ok((!more).then(|| self.finish()))
    }

    fn compare(&mut self, ids: &[ShortId]) {
        for id in ids {
            while let Some(own) = self.set.short_at(self.cursor).filter(|own| own <= id) {
                if own < *id {
                    self.offer.push(self.cursor);
                }
                self.cursor += 1;
            }
            let had = self.cursor.checked_sub(1);
            if had.and_then(|at| self.set.short_at(at)) != Some(*id) && self.lack.len() < MAX_LACK {
                self.lack.push(*id);
            }
        }
    }

    fn finish(&mut self) -> Step {
        self.offer.extend(self.cursor..self.set.count() as usize);
        Step::Difference {
            lack: core::mem::take(&mut self.lack),
            offer: self
                .offer
                .drain(..)
                .map(|at| self.set.content_at(at))
                .collect(),
        }
    }
}

/// Checks what opens a summary or a list: a count within [`MAX_SET`] and 16 bytes of fingerprint.
pub(super) fn head(summary: &Summary) -> Result<u128, ReconcileError> {
    if summary.count > MAX_SET {
        return Err(ReconcileError::Count(summary.count));
    }
    <[u8; 16]>::try_from(&summary.fingerprint[..])
        .map(u128::from_le_bytes)
        .map_err(|_| ReconcileError::Fingerprint)
}

/// Checks that a continuation carries ids and nothing else.
pub(super) fn continuation(summary: &Summary) -> Result<(), ReconcileError> {
    if summary.count != 0 {
        return Err(ReconcileError::Count(summary.count));
    }
    if !summary.fingerprint.is_empty() {
        return Err(ReconcileError::Fingerprint);
    }
    no_estimate(summary)
}

/// Checks that a frame with ids brings no estimate.
pub(super) fn no_estimate(summary: &Summary) -> Result<(), ReconcileError> {
    if summary.estimate.is_empty() {
        Ok(())
    } else {
        Err(ReconcileError::Estimate)
    }
}

/// The own set as Summary frames, `more` set on all but the last.
pub(super) fn frames_of(set: &SessionSet) -> Vec<Summary> {
    let ids: Vec<ShortId> = set.shorts().collect();
    let mut fields: Vec<_> = frames::pack_all(&ids).collect();
    if fields.is_empty() {
        fields.push(frames::pack(&[]));
    }
    let last = fields.len() - 1;
    fields
        .into_iter()
        .enumerate()
        .map(|(index, ids)| Summary {
            count: if index == 0 { set.count() } else { 0 },
            fingerprint: if index == 0 {
                set.fingerprint().to_le_bytes().to_vec().into()
            } else {
                bytes::Bytes::new()
            },
            ids,
            more: index < last,
            estimate: bytes::Bytes::new(),
        })
        .collect()
}
