//! The contract of the [`Rng`] port.

use std::collections::BTreeSet;

use crate::ports::rng::Rng;

/// Every byte of the buffer is drawn, whatever its length.
pub fn whole_buffer_is_filled(rng: &impl Rng) {
    rng.fill(&mut []);
    for length in [1, 2, 7, 8, 31, 32, 33, 64, 1000, 4096] {
        let mut touched = vec![false; length];
        // A byte stays 0 in 64 draws with probability 2^-512.
        for _ in 0..64 {
            let mut buffer = vec![0; length];
            rng.fill(&mut buffer);
            for (mark, byte) in touched.iter_mut().zip(&buffer) {
                *mark |= *byte != 0;
            }
        }
        assert!(touched.iter().all(|t| *t), "length {length}");
    }
}

/// No two draws of 32 bytes are equal.
pub fn draws_differ(rng: &impl Rng) {
    let mut seen = BTreeSet::new();
    for _ in 0..1000 {
        let mut draw = [0; 32];
        rng.fill(&mut draw);
        assert!(seen.insert(draw));
    }
}

/// About half of all bits are set: a stuck or biased source is noticed.
pub fn bits_are_balanced(rng: &impl Rng) {
    let mut bytes = vec![0; 1 << 17];
    rng.fill(&mut bytes);
    let ones: u32 = bytes.iter().map(|b| b.count_ones()).sum();
    // 2^20 bits: the standard deviation is 512, so this is 16 of them.
    assert!(ones.abs_diff(1 << 19) < 16 * 512, "{ones} of 2^20");
}

/// Runs the contract of the randomness port on an expression that makes the adapter.
#[macro_export]
macro_rules! rng_contract {
    ($make:expr) => {
        $crate::rng_contract!(@ $make;
            whole_buffer_is_filled, draws_differ, bits_are_balanced);
    };
    (@ $make:expr; $($case:ident),+) => {
        $(
            #[test]
            fn $case() {
                $crate::contract::rng::$case(&$make);
            }
        )+
    };
}
