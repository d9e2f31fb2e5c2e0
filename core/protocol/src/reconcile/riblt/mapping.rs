//! Which symbols an id takes part in.

/// The ascending sequence of indices of one id; the first is 0.
///
/// The gaps are drawn so that index i is hit with probability 1 / (1 + i/2). Only IEEE 754
/// double-precision addition, multiplication, division and square root take part, each of which
/// is correctly rounded: the sequence is the same on every platform.
#[derive(Debug, Clone)]
pub struct Mapping {
    index: u64,
    state: u64,
}

impl Mapping {
    /// The sequence of the id with this check (the full 64 bits).
    #[must_use]
    pub const fn new(check: u64) -> Self {
        Self {
            index: 0,
            state: check,
        }
    }

    /// The index reached.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Steps to the next index, at least 1 further on.
    pub fn advance(&mut self) {
        let random = split_mix_64(&mut self.state) as f64;
        let gap = (self.index as f64 + 1.5) * (4_294_967_296.0 / (random + 1.0).sqrt() - 1.0);
        // A float-to-integer cast saturates; past 2^53 no index is ever asked for.
        self.index = self.index.saturating_add((gap.ceil() as u64).max(1));
    }
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
fn split_mix_64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_64_follows_its_reference_output() {
        // Seed 1234567, as published with the reference implementation's tests.
        let mut state = 1_234_567;
        assert_eq!(split_mix_64(&mut state), 6_457_827_717_110_365_317);
        assert_eq!(split_mix_64(&mut state), 3_203_168_211_198_807_973);
    }

    #[test]
    fn indices_ascend_from_zero_and_thin_out_as_one_over_half_the_index() {
        let (mut early, mut late) = (0, 0);
        for seed in 0..2_000 {
            let mut mapping = Mapping::new(seed);
            assert_eq!(mapping.index(), 0);
            while mapping.index() < 1_000 {
                let index = mapping.index();
                early += usize::from((10..20).contains(&index));
                late += usize::from((500..600).contains(&index));
                mapping.advance();
                assert!(mapping.index() > index);
            }
        }
        // Sums of 1 / (1 + i/2): 1.24 an id in 10..20, 0.36 in 500..600.
        assert!((2_200..2_750).contains(&early), "{early}");
        assert!((600..850).contains(&late), "{late}");
    }

    #[test]
    fn an_index_moves_on_though_chance_says_not() {
        // The state after which SplitMix64 draws 2^64 − 1: a gap of nothing.
        let mut mapping = Mapping::new(0x3162_8af6_7b21_31ab);
        mapping.advance();
        assert_eq!(mapping.index(), 1);
    }

    #[test]
    fn an_index_saturates_rather_than_wraps() {
        let mut mapping = Mapping {
            index: u64::MAX - 1,
            state: 7,
        };
        mapping.advance();
        mapping.advance();
        assert_eq!(mapping.index(), u64::MAX);
    }
}
