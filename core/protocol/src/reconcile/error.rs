//! Protocol violations of a reconciliation.

use super::riblt::PackError;

/// Why a frame was refused. The state is as it was before; the caller counts the violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReconcileError {
    /// The frame has no place here: repeated, of the other role, or of another exchange.
    #[error("unexpected at this point of the reconciliation")]
    Unexpected,
    /// A field of short ids is no multiple of 8 bytes, or longer than a frame may carry.
    #[error("{got} bytes of short ids")]
    Length {
        /// Bytes of the field.
        got: usize,
    },
    /// A set larger than anyone may have, or not the number of ids that was announced.
    #[error("count of {0} does not hold")]
    Count(u32),
    /// A fingerprint that is missing, misplaced or not 16 bytes long.
    #[error("broken fingerprint")]
    Fingerprint,
    /// An estimate that is missing, misplaced or does not decode.
    #[error("broken estimate")]
    Estimate,
    /// Short ids of a list that do not ascend.
    #[error("short ids out of order")]
    Order,
    /// Symbols that do not follow on those before.
    #[error("symbols from {start} instead of {expected}")]
    Sequence {
        /// Index in the frame.
        start: u32,
        /// Index that was due.
        expected: u32,
    },
    /// Another number of symbols than was asked for.
    #[error("another number of symbols than was asked for")]
    Symbols,
    /// Symbols that do not unpack.
    #[error(transparent)]
    Packed(#[from] PackError),
    /// A request for fewer symbols than 32, or for more than a session codes.
    #[error("asked for {0} symbols")]
    More(u32),
}
