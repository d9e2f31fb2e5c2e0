//! How much two sets differ, guessed from 64 counters (docs/protocol.md §8.1).
//!
//! The tug-of-war sketch of Alon, Matias and Szegedy (STOC 1996): each id pulls each counter up or
//! down by one, as a keyed hash says. Shared ids pull both sides alike, so the mean square of the
//! counters' differences is the number of ids that differ, give or take 18 % (√(2/64)).

use bytes::Bytes;

use super::{set::MAX_SET, varint};

/// Counters of an estimate: one for each bit of a share's upper half.
pub const COUNTERS: usize = 64;

/// The 64 counters of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Estimate([i32; COUNTERS]);

impl Default for Estimate {
    fn default() -> Self {
        Self([0; COUNTERS])
    }
}

impl Estimate {
    /// Adds one id's share: bit 64 + j set pulls counter j up, clear pulls it down.
    pub fn add(&mut self, share: u128) {
        for (bit, counter) in self.0.iter_mut().enumerate() {
            *counter += if share >> (64 + bit) & 1 == 1 { 1 } else { -1 };
        }
    }

    /// Estimated number of ids that are in one set only.
    #[must_use]
    pub fn difference(&self, other: &Self) -> u64 {
        let squares: u64 = self
            .0
            .iter()
            .zip(&other.0)
            .map(|(a, b)| (i64::from(*a) - i64::from(*b)).unsigned_abs().pow(2))
            .sum();
        squares.div_ceil(COUNTERS as u64)
    }

    /// The counters as zig-zag LEB128, in order.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(COUNTERS);
        for counter in self.0 {
            varint::put(&mut out, i64::from(counter));
        }
        out.into()
    }

    /// Reads 64 counters and nothing else; `None` if one of them is beyond the greatest set.
    #[must_use]
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let mut counters = [0; COUNTERS];
        for counter in &mut counters {
            let value = varint::take(&mut bytes)?;
            if value.unsigned_abs() > u64::from(MAX_SET) {
                return None;
            }
            *counter = i32::try_from(value).ok()?;
        }
        bytes.is_empty().then_some(Self(counters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares as good as random: a multiplicative sequence of 128 bits.
    fn shares(from: u128, to: u128) -> impl Iterator<Item = u128> {
        (from..to).map(|n| {
            let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let mixed =
                (mixed ^ (mixed >> 67)).wrapping_mul(0xda94_2042_e4dd_58b5_94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 59)
        })
    }

    fn of(shares: impl Iterator<Item = u128>) -> Estimate {
        let mut estimate = Estimate::default();
        shares.for_each(|share| estimate.add(share));
        estimate
    }

    #[test]
    fn one_id_pulls_every_counter_as_its_bits_say() {
        let one = of([1u128 << 64 | 0xffff].into_iter());
        assert_eq!(one.0[0], 1);
        assert!(one.0[1..].iter().all(|counter| *counter == -1));
        assert_eq!(one.difference(&Estimate::default()), 1);
        assert_eq!(one.difference(&one), 0);
    }

    #[test]
    fn the_difference_is_estimated_within_a_factor_of_two() {
        for difference in [10u128, 100, 1_000] {
            let ours = of(shares(0, 10_000));
            let theirs = of(shares(difference, 10_000));
            let guess = u128::from(ours.difference(&theirs));
            assert!(
                guess * 2 >= difference && guess <= difference * 2,
                "{guess} for {difference}"
            );
            assert_eq!(ours.difference(&theirs), theirs.difference(&ours));
        }
    }

    #[test]
    fn bytes_round_trip_and_broken_ones_are_refused() {
        let estimate = of(shares(0, 1_000));
        let bytes = estimate.to_bytes();
        assert_eq!(Estimate::from_bytes(&bytes), Some(estimate));
        assert_eq!(Estimate::from_bytes(&bytes[..bytes.len() - 1]), None);
        let mut long = bytes.to_vec();
        long.push(0);
        assert_eq!(Estimate::from_bytes(&long), None);
        assert_eq!(Estimate::from_bytes(&[]), None);
    }

    #[test]
    fn counters_beyond_the_greatest_set_are_refused() {
        for (value, fits) in [
            (i64::from(MAX_SET), true),
            (-i64::from(MAX_SET), true),
            (i64::from(MAX_SET) + 1, false),
            (-i64::from(MAX_SET) - 1, false),
        ] {
            let mut bytes = Vec::new();
            varint::put(&mut bytes, value);
            bytes.resize(bytes.len() + COUNTERS - 1, 0);
            assert_eq!(Estimate::from_bytes(&bytes).is_some(), fits, "{value}");
        }
    }
}
