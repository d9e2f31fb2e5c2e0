//! Draws. All logarithms are libm's, so that a seed gives the same run on every machine.

use std::time::Duration;

use rand_core::Rng;

use super::physics::Span;

/// Uniform in [0, 1), 53 bits.
pub(crate) fn unit(rng: &mut impl Rng) -> f64 {
    as_unit(rng.next_u64())
}

/// True with this probability; nothing is drawn where it is certain.
pub(crate) fn happens(probability: f64, rng: &mut impl Rng) -> bool {
    probability > 0.0 && (probability >= 1.0 || unit(rng) < probability)
}

/// Uniform in a span; nothing is drawn where it is a point.
pub(crate) fn within(span: Span, rng: &mut impl Rng) -> Duration {
    let width = span.max.saturating_sub(span.min);
    if width.is_zero() {
        return span.min;
    }
    span.min + width.mul_f64(unit(rng))
}

/// One of so many; 0 where there is none.
pub(crate) fn index(count: usize, rng: &mut impl Rng) -> usize {
    if count < 2 {
        return 0;
    }
    // The product lies below the count: unit is below 1.
    (unit(rng) * count as f64) as usize
}

/// Of the exponential distribution, in units of its mean.
pub(crate) fn exponential(rng: &mut impl Rng) -> f64 {
    -libm::log(1.0 - unit(rng))
}

/// Of the standard normal distribution (Box and Muller 1958).
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    bell(rng.next_u64(), rng.next_u64())
}

/// A standard normal value that belongs to two numbers under a seed, whoever asks, and when.
pub(crate) fn normal_of(seed: u64, low: u64, high: u64) -> f64 {
    let first = mix(mix(mix(seed) ^ low) ^ high);
    bell(first, mix(first))
}

fn bell(first: u64, second: u64) -> f64 {
    let radius = libm::sqrt(-2.0 * libm::log(1.0 - as_unit(first)));
    radius * libm::cos(2.0 * std::f64::consts::PI * as_unit(second))
}

fn as_unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) fn mix(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};

    use super::*;

    /// Mean and variance.
    fn moments(values: impl Iterator<Item = f64>) -> (f64, f64) {
        let values: Vec<f64> = values.collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count;
        (mean, variance)
    }

    #[test]
    fn split_mix_is_the_published_one() {
        // The first outputs of the reference implementation seeded with 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn normals_are_normal_and_belong_to_their_pair() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mean, variance) = moments((0..100_000).map(|_| normal(&mut rng)));
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02,
            "{mean} {variance}"
        );
        let (mean, variance) = moments((0..100_000).map(|n| normal_of(7, n, n + 1)));
        assert!(
            mean.abs() < 0.02 && (variance - 1.0).abs() < 0.02,
            "{mean} {variance}"
        );
        assert_eq!(normal_of(1, 2, 3).to_bits(), normal_of(1, 2, 3).to_bits());
        for other in [normal_of(1, 3, 2), normal_of(2, 2, 3), normal_of(1, 2, 4)] {
            assert_ne!(normal_of(1, 2, 3).to_bits(), other.to_bits());
        }
    }

    #[test]
    fn what_is_certain_draws_nothing() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let before = rng.clone().next_u64();
        assert!(!happens(0.0, &mut rng) && happens(1.0, &mut rng));
        assert_eq!(index(1, &mut rng), 0);
        let point = Span::of(Duration::from_millis(40));
        assert_eq!(within(point, &mut rng), Duration::from_millis(40));
        assert_eq!(rng.next_u64(), before);
    }

    #[test]
    fn draws_keep_to_their_bounds() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let span = Span {
            min: Duration::from_millis(30),
            max: Duration::from_millis(50),
        };
        let mut counts = [0; 3];
        for _ in 0..3_000 {
            assert!((span.min..=span.max).contains(&within(span, &mut rng)));
            counts[index(3, &mut rng)] += 1;
        }
        assert!(
            counts.iter().all(|count| (900..1_100).contains(count)),
            "{counts:?}"
        );
    }
}
