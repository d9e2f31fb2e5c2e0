//! The limits of a shelf and the assumptions behind them.

use core::time::Duration;

/// Bytes on the shelf, own bundles included. 64 MiB are 65,536 text messages of a kilobyte: a
/// week of a busy town, and a hundredth of what the cheapest phone has.
pub const TOTAL_BYTES: u64 = 64 << 20;

/// Bundles on the shelf: [`TOTAL_BYTES`] in bundles of a kilobyte. Some 20 MiB of memory when
/// full.
pub const MAX_BUNDLES: u32 = 65_536;

/// What strangers' bundles may take of the shelf, in per cent (MSG-5).
pub const STRANGER_SHARE_PERCENT: u64 = 25;

/// What all strangers together may bring in an hour (MSG-5): enough for 1,024 messages of a
/// kilobyte; a flooder who gets all of it needs 16 hours to fill the strangers' share.
pub const STRANGER_BYTES_PER_HOUR: u64 = 1 << 20;

/// One source may use a fourth of what its kind may bring, so that no single one silences others.
pub const SOURCE_RATE_PART: u64 = 4;

/// Contacts may bring ten times what strangers may (MSG-5).
pub const CONTACT_RATE_FACTOR: u64 = 10;

/// Sources whose rate is remembered, of each kind. With bundles of at least 256 bytes no more than
/// 4,096 strangers can share a megabyte.
pub const MAX_RATED_SOURCES: usize = 8_192;

/// Ids remembered of bundles that are not held, and need not come again. Together with
/// [`MAX_BUNDLES`] this is the greatest set that is reconciled. Some 25 MiB of memory when full.
pub const MAX_SEEN: usize = 196_608;

/// How long they are remembered: the longest lifetime, and a day for carriers that were off.
pub const SEEN_FOR: Duration = Duration::from_secs(8 * 86_400);

/// Longest lifetime (docs/protocol.md §6).
pub const MAX_LIFETIME: Duration = Duration::from_secs(604_800);

/// How long a bundle is held, whatever is said of its age (docs/protocol.md §6).
pub const HOLD: Duration = MAX_LIFETIME;

/// Largest bundle (docs/protocol.md §6), in bytes.
pub const MAX_BUNDLE: u32 = 16_384;

/// The limits in force. The visible cap (MSG-13) is `total_bytes`; a smaller device has a
/// smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on the shelf.
    pub total_bytes: u64,
    /// Bundles on the shelf; at least 1.
    pub max_bundles: u32,
    /// What strangers' bundles may take of `total_bytes`, in per cent.
    pub stranger_share_percent: u64,
    /// What all strangers together may bring in an hour, in bytes.
    pub stranger_bytes_per_hour: u64,
    /// Ids remembered of bundles that are not held.
    pub max_seen: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_bytes: TOTAL_BYTES,
            max_bundles: MAX_BUNDLES,
            stranger_share_percent: STRANGER_SHARE_PERCENT,
            stranger_bytes_per_hour: STRANGER_BYTES_PER_HOUR,
            max_seen: MAX_SEEN,
        }
    }
}

impl Limits {
    /// What a bundle is charged for room: its size, and at least the part that `max_bundles` of
    /// them have. So one sum bounds bytes and number, and a flood of tiny bundles weighs what it
    /// costs.
    #[must_use]
    pub fn cost(&self, size: u32) -> u64 {
        let floor = self
            .total_bytes
            .div_ceil(u64::from(self.max_bundles.max(1)));
        u64::from(size).max(floor)
    }

    /// What strangers' bundles may be charged in all, rounded down.
    #[must_use]
    pub const fn stranger_bytes(&self) -> u64 {
        let (hundreds, rest) = (self.total_bytes / 100, self.total_bytes % 100);
        hundreds * self.stranger_share_percent + rest * self.stranger_share_percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::MAX_SET;

    #[test]
    fn defaults_are_those_of_the_requirements() {
        // MSG-5: strangers in total ≤ 25 % of store and ≤ 1 MiB an hour.
        let limits = Limits::default();
        assert_eq!(limits.total_bytes, 67_108_864);
        assert_eq!(limits.stranger_bytes(), 16_777_216);
        assert_eq!(limits.stranger_bytes_per_hour, 1_048_576);
        assert_eq!(MAX_BUNDLES as usize + MAX_SEEN, MAX_SET as usize);
    }

    #[test]
    fn small_bundles_cost_their_part_of_the_number() {
        let limits = Limits::default();
        assert_eq!(limits.cost(256), 1_024);
        assert_eq!(limits.cost(1_024), 1_024);
        assert_eq!(limits.cost(4_096), 4_096);
        let odd = Limits {
            total_bytes: 1_000,
            max_bundles: 3,
            ..limits
        };
        assert_eq!(odd.cost(1), 334);
        assert_eq!(odd.stranger_bytes(), 250);
        assert_eq!(
            Limits {
                total_bytes: 99,
                ..odd
            }
            .stranger_bytes(),
            24
        );
        assert_eq!(
            Limits {
                max_bundles: 0,
                ..odd
            }
            .cost(1),
            1_000
        );
    }
}
