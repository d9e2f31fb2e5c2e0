//! The clock port (decision 12).

use sovereign_protocol::time::Now;

/// Identifies one boot of the machine, so that boot-time readings of different boots are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

/// Reads the clocks.
pub trait Clock: Send + Sync + 'static {
    /// Both clocks at once.
    fn now(&self) -> Now;
    /// Which boot `Now::boot` counts from.
    fn boot_id(&self) -> BootId;
}
