//! Policies: one decision a file. Each takes events and times and says what to do.

pub mod backoff;
pub mod dial;
pub mod eager;
pub mod fetch;
pub mod near;
pub mod pace;
pub mod strikes;

use core::time::Duration;

use rand_core::CryptoRng;

/// A random duration from 0 to `most`, in whole microseconds. The bias of the remainder is below 2^-30.
pub(crate) fn jitter(rng: &mut impl CryptoRng, most: Duration) -> Duration {
    let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
    Duration::from_micros(rng.next_u64() % (micros + 1))
}
