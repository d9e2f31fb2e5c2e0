//! The randomness port.

/// Fills buffers with randomness fit for keys.
pub trait Rng: Send + Sync + 'static {
    /// Fills the whole buffer.
    fn fill(&self, buffer: &mut [u8]);
}
