//! Zig-zag LEB128 of the counts and counters of §8.

use super::key::ShortId;

/// Bytes of the longest accepted number: 21 bits hold magnitudes up to 2^20, four times the
/// greatest set.
const MAX_BYTES: usize = 3;

/// Appends a number, which is at most 2^20 − 1 in magnitude.
pub(super) fn put(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Takes a number off the front. `None` if it is cut short, longer than 3 bytes or not minimal.
pub(super) fn take(input: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    for index in 0..MAX_BYTES {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return None;
            }
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}

/// Takes 8 little-endian bytes off the front.
pub(super) fn take_id(input: &mut &[u8]) -> Option<ShortId> {
    let (bytes, rest) = input.split_first_chunk::<8>()?;
    *input = rest;
    Some(ShortId(u64::from_le_bytes(*bytes)))
}

/// Takes 4 little-endian bytes off the front.
pub(super) fn take_u32(input: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = input.split_first_chunk::<4>()?;
    *input = rest;
    Some(u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, value);
        out
    }

    #[test]
    fn numbers_have_their_published_form() {
        for (value, expected) in [
            (0, "00"),
            (-1, "01"),
            (1, "02"),
            (63, "7e"),
            (-64, "7f"),
            (64, "8001"),
            (10_000, "a09c01"),
            (262_144, "808020"),
            (-262_144, "ffff1f"),
        ] {
            assert_eq!(hex::encode(bytes(value)), expected);
        }
    }

    #[test]
    fn numbers_round_trip_and_leave_the_rest() {
        for value in
            (-1_000..1_000).chain([-(1 << 20), (1 << 20) - 1, 8_191, 8_192, -8_192, -8_193])
        {
            let mut out = bytes(value);
            out.push(0xee);
            let mut input = &out[..];
            assert_eq!(take(&mut input), Some(value));
            assert_eq!(input, [0xee]);
        }
    }

    #[test]
    fn cut_long_and_padded_numbers_are_refused() {
        for broken in [
            &[][..],
            &[0x80],
            &[0x80, 0x00],
            &[0x81, 0x80, 0x00],
            &[0x80, 0x80, 0x80, 0x01],
        ] {
            assert_eq!(take(&mut { broken }), None, "{broken:02x?}");
        }
        assert_eq!(take(&mut &bytes(1 << 20)[..]), None);
    }

    #[test]
    fn fixed_fields_are_little_endian_and_need_all_their_bytes() {
        let mut input = &[1, 0, 0, 0, 0, 0, 0, 2, 3, 0, 0, 4, 9][..];
        assert_eq!(take_id(&mut input), Some(ShortId(0x0200_0000_0000_0001)));
        assert_eq!(take_u32(&mut input), Some(0x0400_0003));
        assert_eq!(take_u32(&mut input), None);
        assert_eq!(take_id(&mut &[0; 7][..]), None);
    }
}
