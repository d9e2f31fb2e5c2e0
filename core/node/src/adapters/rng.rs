//! Randomness from the operating system.

use crate::ports::rng::Rng;

/// The operating system's generator, the only one in a node (`getrandom`).
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRng;

impl Rng for OsRng {
    /// # Panics
    /// When the operating system has no randomness to give. There is no way to go on without:
    /// every key and nonce would be guessable. No peer can cause it.
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system provides randomness");
    }
}

/// The in-memory twin: the same seed gives the same bytes. It exists in tests only: this crate's
/// own, and others' that ask for the feature `test-util`, so no build of a node can reach it.
#[cfg(any(test, feature = "test-util"))]
#[derive(Debug)]
pub struct SeededRng(std::sync::Mutex<rand_chacha::ChaCha20Rng>);

#[cfg(any(test, feature = "test-util"))]
impl SeededRng {
    /// A generator (ChaCha20) that gives the same bytes for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        use rand_chacha::rand_core::SeedableRng as _;
        Self(std::sync::Mutex::new(
            rand_chacha::ChaCha20Rng::seed_from_u64(seed),
        ))
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Rng for SeededRng {
    fn fill(&self, buffer: &mut [u8]) {
        use rand_chacha::rand_core::Rng as _;
        // The generator is never left half-way, so a poisoned lock is still good.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .fill_bytes(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod os {
        crate::rng_contract!(super::OsRng);
    }

    mod seeded {
        crate::rng_contract!(super::SeededRng::new(1));
    }

    #[test]
    fn the_seed_decides() {
        let draw = |seed| {
            let mut bytes = [0; 40];
            let rng = SeededRng::new(seed);
            rng.fill(&mut bytes[..3]);
            rng.fill(&mut bytes[3..]);
            bytes
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
