//! Rateless invertible Bloom lookup table over short ids (docs/protocol.md §8.3).
//!
//! Yang, Gilad and Alizadeh, "Practical Rateless Set Reconciliation", SIGCOMM 2024: an endless
//! sequence of coded symbols, of which about 1.4 to 1.7 for each differing id suffice, whatever
//! the size of the sets.

mod decoder;
mod encoder;
mod mapping;
mod packed;

pub use decoder::{Decoder, Outcome, Recovered};
pub use encoder::Encoder;
pub use mapping::Mapping;
pub use packed::{MAX_PACKED, PackError, pack, unpack};

use super::key::{SessionKey, ShortId};

/// Symbols of one session, at most (docs/protocol.md §8.2): they tell about 11,000 differing ids
/// apart. Beyond them a plain list costs less.
pub const MAX_SYMBOLS: usize = 16_384;

/// One coded symbol: the ids that take part in its index, folded together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Symbol {
    /// Exclusive or of the ids.
    pub sum: u64,
    /// Exclusive or of the low 32 bits of their checks.
    pub check: u32,
    /// Number of ids; negative in a difference when the subtrahend has more.
    pub count: i64,
}

impl Symbol {
    /// Adds (`sign` 1) or removes (−1) an id with its check.
    fn apply(&mut self, id: ShortId, check: u64, sign: i64) {
        self.sum ^= id.0;
        self.check ^= check as u32;
        self.count += sign;
    }

    fn subtract(&mut self, other: &Self) {
        self.sum ^= other.sum;
        self.check ^= other.check;
        self.count -= other.count;
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The single id within, and whether the minuend has it.
    fn pure(&self, key: &SessionKey) -> Option<ShortId> {
        let id = ShortId(self.sum);
        (self.count.abs() == 1 && key.check(id) as u32 == self.check).then_some(id)
    }
}
