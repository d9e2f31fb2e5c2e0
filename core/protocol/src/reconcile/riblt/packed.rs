//! The packed form of symbols: sum u64 ‖ check u32, little-endian, ‖ zig-zag LEB128 of the count.

use bytes::Bytes;

use super::Symbol;
use crate::reconcile::{key::ShortId, set::MAX_SET, varint};

/// Packed bytes in one frame: with the frame's other fields at most 1,024.
pub const MAX_PACKED: usize = 1_000;

/// Why packed symbols were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// More than [`MAX_PACKED`] bytes, or none.
    #[error("{0} bytes of packed symbols")]
    Length(usize),
    /// Cut short, or a count that is no minimal LEB128 number.
    #[error("broken packed symbol")]
    Symbol,
    /// A count below 0 or beyond the greatest set.
    #[error("count of {0} ids in a symbol")]
    Count(i64),
}

/// Packs symbols of a set from the front, as many as one frame takes, and returns the rest.
#[must_use]
pub fn pack(symbols: &[Symbol]) -> (Bytes, &[Symbol]) {
    let mut out = Vec::with_capacity(MAX_PACKED);
    for (index, symbol) in symbols.iter().enumerate() {
        let before = out.len();
        out.extend_from_slice(&symbol.sum.to_le_bytes());
        out.extend_from_slice(&symbol.check.to_le_bytes());
        varint::put(&mut out, symbol.count);
        if out.len() > MAX_PACKED {
            out.truncate(before);
            return (out.into(), &symbols[index..]);
        }
    }
    (out.into(), &[])
}

/// Reads the symbols of one frame.
///
/// # Errors
/// [`PackError`]; nothing is allocated beyond the symbols that [`MAX_PACKED`] bytes can hold.
pub fn unpack(mut packed: &[u8]) -> Result<Vec<Symbol>, PackError> {
    if packed.is_empty() || packed.len() > MAX_PACKED {
        return Err(PackError::Length(packed.len()));
    }
    let mut symbols = Vec::new();
    while !packed.is_empty() {
        let ShortId(sum) = varint::take_id(&mut packed).ok_or(PackError::Symbol)?;
        let check = varint::take_u32(&mut packed).ok_or(PackError::Symbol)?;
        let count = varint::take(&mut packed).ok_or(PackError::Symbol)?;
        if !(0..=i64::from(MAX_SET)).contains(&count) {
            return Err(PackError::Count(count));
        }
        symbols.push(Symbol { sum, check, count });
    }
    Ok(symbols)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(count: i64) -> Symbol {
        Symbol {
            sum: 0x0807_0605_0403_0201,
            check: 0x0c0b_0a09,
            count,
        }
    }

    #[test]
    fn a_symbol_has_its_published_form() {
        let symbols = [symbol(10_000)];
        let (packed, rest) = pack(&symbols);
        assert_eq!(hex::encode(&packed), "0102030405060708090a0b0ca09c01");
        assert!(rest.is_empty());
        assert_eq!(unpack(&packed), Ok(vec![symbol(10_000)]));
    }

    #[test]
    fn a_frame_takes_as_many_symbols_as_fit_and_leaves_the_rest() {
        let symbols = vec![symbol(i64::from(MAX_SET)); 70];
        let (packed, rest) = pack(&symbols);
        assert_eq!((packed.len(), rest.len()), (990, 4));
        assert_eq!(unpack(&packed).map(|s| s.len()), Ok(66));
        let mut symbols = vec![symbol(1); 76];
        assert_eq!(pack(&symbols).0.len(), 988);
        symbols.push(symbol(1));
        assert_eq!(pack(&symbols).1.len(), 1);
        let mut symbols = vec![symbol(100); 50];
        symbols.extend(vec![symbol(10_000); 20]);
        assert_eq!(pack(&symbols).0.len(), 1_000);
        assert_eq!(unpack(&pack(&symbols).0).map(|s| s.len()), Ok(70));
        assert!(pack(&symbols).1.is_empty());
    }

    #[test]
    fn broken_symbols_are_refused() {
        let packed = pack(&[symbol(300), symbol(2)]).0;
        assert_eq!(unpack(&[]), Err(PackError::Length(0)));
        assert_eq!(unpack(&[0; 1_001]), Err(PackError::Length(1_001)));
        assert!(unpack(&[0; MAX_PACKED]).is_err());
        assert_eq!(unpack(&[0; 988]).map(|s| s.len()), Ok(76));
        for cut in 1..packed.len() {
            if cut != 14 {
                assert_eq!(unpack(&packed[..cut]), Err(PackError::Symbol), "{cut}");
            }
        }
        for (count, fits) in [(-1, false), (0, true), (262_144, true), (262_145, false)] {
            let mut packed = vec![0; 12];
            varint::put(&mut packed, count);
            assert_eq!(unpack(&packed).is_ok(), fits, "{count}");
        }
    }
}
