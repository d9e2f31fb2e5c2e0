//! Packing of short ids into frames, with their bounds.

use bytes::Bytes;

use super::{ReconcileError, key::ShortId};

/// Bytes of a short id on the wire.
pub const SHORT_ID_LEN: usize = 8;

/// Short ids in one frame: 960 bytes leave room for the rest of a 1,024-byte frame.
pub const MAX_IDS_PER_FRAME: usize = 120;

/// The short ids as one field: 8 little-endian bytes each. Callers split at
/// [`MAX_IDS_PER_FRAME`], or use [`pack_all`].
#[must_use]
pub fn pack(ids: &[ShortId]) -> Bytes {
    ids.iter().flat_map(|id| id.0.to_le_bytes()).collect()
}

/// As many fields as the ids need, none of them empty.
pub fn pack_all(ids: &[ShortId]) -> impl Iterator<Item = Bytes> + '_ {
    ids.chunks(MAX_IDS_PER_FRAME).map(pack)
}

/// Reads one field of short ids.
///
/// # Errors
/// [`ReconcileError::Length`] if it is no multiple of 8 bytes, or holds more than
/// [`MAX_IDS_PER_FRAME`] ids.
pub fn unpack(field: &[u8]) -> Result<Vec<ShortId>, ReconcileError> {
    let (ids, rest) = field.as_chunks::<SHORT_ID_LEN>();
    if !rest.is_empty() || ids.len() > MAX_IDS_PER_FRAME {
        return Err(ReconcileError::Length { got: field.len() });
    }
    Ok(ids
        .iter()
        .map(|bytes| ShortId(u64::from_le_bytes(*bytes)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: u64) -> Vec<ShortId> {
        (0..count).map(ShortId).collect()
    }

    #[test]
    fn fields_round_trip_up_to_120_ids() {
        for count in [0, 1, 119, 120] {
            let ids = ids(count);
            assert_eq!(unpack(&pack(&ids)), Ok(ids));
        }
        assert_eq!(pack(&[ShortId(0x0102)])[..3], [2, 1, 0]);
    }

    #[test]
    fn odd_and_long_fields_are_refused() {
        for length in [1, 7, 9, 961, 968] {
            assert_eq!(
                unpack(&vec![0; length]),
                Err(ReconcileError::Length { got: length })
            );
        }
    }

    #[test]
    fn lists_are_split_at_120() {
        let lengths = |count| pack_all(&ids(count)).map(|b| b.len()).collect::<Vec<_>>();
        assert!(lengths(0).is_empty());
        assert_eq!(lengths(120), [960]);
        assert_eq!(lengths(121), [960, 8]);
    }
}
