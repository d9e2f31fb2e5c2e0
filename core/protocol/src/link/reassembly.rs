//! Bundles put together from Parts, one under way in each stream (docs/protocol.md §7.3).

use core::time::Duration;

use bytes::Bytes;

use super::bounds::MAX_LIFETIME_S;
use crate::wire::v1::Part;

/// A bundle under way is given up when no good frame has come for this long: a higher priority may
/// hold it up, silence may not.
pub const REASSEMBLY_STALL: Duration = Duration::from_secs(30);
/// A bundle is given up when it is not whole this long after its first Part, whatever else comes:
/// 16 KiB at 28 bytes a second.
pub const REASSEMBLY_LIMIT: Duration = Duration::from_secs(600);

/// What a Part led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// More Parts are needed.
    UnderWay,
    /// The bundle is whole.
    Whole {
        bytes: Bytes,
        age_s: u32,
        lifetime_s: u32,
    },
    /// The first Part of a bundle that is past its lifetime, or whose lifetime is too long: its
    /// Parts are taken and thrown away.
    Refused,
}

/// A Part that does not fit what came before: the link cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OutOfStep;

#[derive(Debug, Default)]
pub(super) struct Reassembly {
    streams: [Option<UnderWay>; 2],
}

#[derive(Debug)]
struct UnderWay {
    total: usize,
    arrived: usize,
    /// Grows with what arrives, never ahead to the total that the peer claims; stays empty when refused.
    buffer: Vec<u8>,
    age_s: u32,
    lifetime_s: u32,
    refused: bool,
    began: Duration,
}

impl Reassembly {
    /// Takes a Part that is within its bounds.
    pub(super) fn take(&mut self, part: &Part, now: Duration) -> Result<Progress, OutOfStep> {
        let slot = self
            .streams
            .get_mut(part.stream as usize)
            .ok_or(OutOfStep)?;
        let first = part.total != 0;
        if first == slot.is_some() {
            return Err(OutOfStep);
        }
        let bundle = slot.get_or_insert_with(|| UnderWay {
            total: part.total as usize,
            arrived: 0,
            buffer: Vec::new(),
            age_s: part.age_s,
            lifetime_s: part.lifetime_s,
            refused: part.lifetime_s > MAX_LIFETIME_S || part.age_s > part.lifetime_s,
            began: now,
        });
        bundle.arrived += part.data.len();
        if bundle.arrived > bundle.total {
            return Err(OutOfStep);
        }
        let whole = bundle.arrived == bundle.total;
        if bundle.refused {
            if whole {
                *slot = None;
            }
            return Ok(if first {
                Progress::Refused
            } else {
                Progress::UnderWay
            });
        }
        bundle.buffer.extend_from_slice(&part.data);
        if !whole {
            return Ok(Progress::UnderWay);
        }
        let (age_s, lifetime_s) = (bundle.age_s, bundle.lifetime_s);
        let bytes = core::mem::take(&mut bundle.buffer).into();
        *slot = None;
        Ok(Progress::Whole {
            bytes,
            age_s,
            lifetime_s,
        })
    }

    /// When the first bundle under way is to be given up, if no good frame comes after `heard`.
    pub(super) fn deadline(&self, heard: Duration) -> Option<Duration> {
        let oldest = self
            .streams
            .iter()
            .flatten()
            .map(|bundle| bundle.began)
            .min()?;
        Some((oldest + REASSEMBLY_LIMIT).min(heard + REASSEMBLY_STALL))
    }

    /// Frees what is under way.
    pub(super) fn clear(&mut self) {
        self.streams = [None, None];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);

    fn part(stream: u32, total: u32, len: usize) -> Part {
        let lifetime_s = if total == 0 { 0 } else { 60 };
        Part {
            stream,
            total,
            age_s: 0,
            lifetime_s,
            data: vec![7; len].into(),
        }
    }

    #[test]
    fn parts_add_up_in_each_stream_for_itself() {
        let mut reassembly = Reassembly::default();
        assert_eq!(
            reassembly.take(&part(1, 4_096, 1_000), T),
            Ok(Progress::UnderWay)
        );
        let whole = |len| Progress::Whole {
            bytes: vec![7; len].into(),
            age_s: 0,
            lifetime_s: 60,
        };
        assert_eq!(reassembly.take(&part(0, 256, 256), T), Ok(whole(256)));
        for _ in 0..3 {
            assert_eq!(
                reassembly.take(&part(1, 0, 1_000), T),
                Ok(Progress::UnderWay)
            );
        }
        assert_eq!(reassembly.take(&part(1, 0, 96), T), Ok(whole(4_096)));
        assert_eq!(reassembly.deadline(T), None);
    }

    #[test]
    fn parts_out_of_step_are_refused() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.take(&part(0, 0, 1), T), Err(OutOfStep));
        assert_eq!(reassembly.take(&part(2, 256, 1), T), Err(OutOfStep));
        assert_eq!(
            reassembly.take(&part(0, 256, 255), T),
            Ok(Progress::UnderWay)
        );
        assert_eq!(reassembly.take(&part(0, 256, 1), T), Err(OutOfStep));
        assert_eq!(reassembly.take(&part(0, 0, 2), T), Err(OutOfStep));
    }

    #[test]
    fn age_and_lifetime_are_bounded_and_the_stream_goes_on() {
        let mut reassembly = Reassembly::default();
        let cases = [
            (0, MAX_LIFETIME_S, true),
            (0, MAX_LIFETIME_S + 1, false),
            (60, 60, true),
            (61, 60, false),
        ];
        for (age_s, lifetime_s, good) in cases {
            let mut first = part(0, 512, 500);
            (first.age_s, first.lifetime_s) = (age_s, lifetime_s);
            let expected = if good {
                Progress::UnderWay
            } else {
                Progress::Refused
            };
            assert_eq!(reassembly.take(&first, T), Ok(expected));
            let last = reassembly.take(&part(0, 0, 12), T);
            assert_eq!(matches!(last, Ok(Progress::Whole { .. })), good);
        }
    }

    #[test]
    fn memory_follows_what_arrived() {
        let mut reassembly = Reassembly::default();
        assert_eq!(
            reassembly.take(&part(1, 16_384, 10), T),
            Ok(Progress::UnderWay)
        );
        let held = reassembly.streams[1]
            .as_ref()
            .map(|bundle| bundle.buffer.capacity());
        assert!(held.is_some_and(|bytes| bytes <= 1_024));
    }

    #[test]
    fn a_bundle_under_way_has_two_deadlines() {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.deadline(T), None);
        assert_eq!(
            reassembly.take(&part(1, 4_096, 1), T),
            Ok(Progress::UnderWay)
        );
        assert_eq!(reassembly.deadline(T), Some(T + REASSEMBLY_STALL));
        let later = T + REASSEMBLY_LIMIT;
        assert_eq!(
            reassembly.take(&part(0, 256, 1), later),
            Ok(Progress::UnderWay)
        );
        assert_eq!(reassembly.deadline(later), Some(T + REASSEMBLY_LIMIT));
        reassembly.clear();
        assert_eq!(reassembly.deadline(later), None);
    }
}
