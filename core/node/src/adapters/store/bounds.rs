//! The bounds of a batch, the same for every store.

use crate::ports::store::{Batch, MAX_BATCH, MAX_KEY, MAX_OPS, MAX_VALUE, Op, StoreError};

/// Checks a batch before anything is allocated for it.
///
/// # Errors
/// [`StoreError::TooLarge`].
pub(super) fn check(batch: &Batch) -> Result<(), StoreError> {
    check_ops(&batch.ops)
}

/// The same for changes that are no caller's batch.
pub(super) fn check_ops(ops: &[Op]) -> Result<(), StoreError> {
    if ops.len() > MAX_OPS {
        return Err(StoreError::TooLarge);
    }
    let mut sum = 0;
    for op in ops {
        let (key, value) = match op {
            Op::Put(_, key, value) => (key.len(), value.len()),
            Op::Delete(_, key) => (key.len(), 0),
        };
        if key > MAX_KEY || value > MAX_VALUE {
            return Err(StoreError::TooLarge);
        }
        sum += key + value;
    }
    if sum > MAX_BATCH {
        return Err(StoreError::TooLarge);
    }
    Ok(())
}
