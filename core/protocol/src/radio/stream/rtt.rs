//! Round-trip times and what follows from them (RFC 9002 §5 and §6.2, with other constants).

use core::time::Duration;

use super::ACK_DELAY;

/// Before the first measurement: a round trip of a phone's link is below 200 ms, an answer is delayed by
/// 100 ms, and one Bluetooth operation takes up to 50 ms.
pub const FIRST_PROBE: Duration = Duration::from_millis(500);
/// However many were in vain, a probe goes out this often: twenty before the link is dead, which even with
/// a third of all frames lost each way leaves one in a hundred thousand such links given up too early.
pub const LAST_PROBE: Duration = Duration::from_secs(1);
/// The least variation that is reckoned with: a connection interval.
const GRANULARITY: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub(super) struct Rtt {
    estimate: Option<Estimate>,
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    smoothed: Duration,
    variation: Duration,
    latest: Duration,
    least: Duration,
}

impl Rtt {
    /// A frame that was sent once was acknowledged this long after.
    pub(super) fn sample(&mut self, latest: Duration) {
        let Some(rtt) = &mut self.estimate else {
            self.estimate = Some(Estimate {
                smoothed: latest,
                variation: latest / 2,
                latest,
                least: latest,
            });
            return;
        };
        rtt.variation = (rtt.variation * 3 + rtt.smoothed.abs_diff(latest)) / 4;
        rtt.smoothed = (rtt.smoothed * 7 + latest) / 8;
        rtt.latest = latest;
        rtt.least = rtt.least.min(latest);
    }

    /// Whether an acknowledgement came too soon after the sending to be its answer.
    pub(super) fn too_soon(&self, elapsed: Duration) -> bool {
        self.estimate.is_some_and(|rtt| elapsed < rtt.least * 3 / 4)
    }

    /// After this long without any acknowledgement a probe is sent, when `failed` have been in vain.
    pub(super) fn probe_after(&self, failed: u32) -> Duration {
        self.estimate
            .map_or(FIRST_PROBE, |rtt| {
                rtt.smoothed + (rtt.variation * 4).max(GRANULARITY) + ACK_DELAY
            })
            .saturating_mul(1 << failed.min(8))
            .min(LAST_PROBE)
    }

    /// A frame is lost when one sent after it was acknowledged and this long has passed.
    pub(super) fn lost_after(&self) -> Duration {
        self.estimate.map_or(FIRST_PROBE, |rtt| {
            rtt.smoothed.max(rtt.latest) * 9 / 8 + GRANULARITY
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_first_measurement_counts_whole_the_next_ones_an_eighth() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.probe_after(0), FIRST_PROBE);
        assert_eq!(rtt.lost_after(), FIRST_PROBE);
        rtt.sample(ms(80));
        assert_eq!(rtt.probe_after(0), ms(80 + 160) + ACK_DELAY);
        assert_eq!(rtt.lost_after(), ms(100));
        rtt.sample(ms(160));
        // Smoothed 90 ms, variation (3 · 40 + 80) / 4 = 50 ms.
        assert_eq!(rtt.probe_after(0), ms(90 + 200) + ACK_DELAY);
        assert_eq!(rtt.lost_after(), ms(190));
    }

    #[test]
    fn a_steady_link_still_leaves_some_room() {
        let mut rtt = Rtt::default();
        for _ in 0..64 {
            rtt.sample(ms(80));
        }
        assert_eq!(rtt.probe_after(0), ms(90) + ACK_DELAY);
    }

    #[test]
    fn probes_back_off_to_a_second() {
        let mut rtt = Rtt::default();
        let waits: Vec<_> = (0..3).map(|failed| rtt.probe_after(failed)).collect();
        assert_eq!(waits, [ms(500), ms(1_000), ms(1_000)]);
        assert_eq!(rtt.probe_after(u32::MAX), LAST_PROBE);
        rtt.sample(Duration::MAX / 64);
        assert_eq!(rtt.probe_after(0), LAST_PROBE);
    }

    #[test]
    fn an_answer_takes_three_quarters_of_the_least_round_trip() {
        let mut rtt = Rtt::default();
        assert!(!rtt.too_soon(Duration::ZERO));
        rtt.sample(ms(80));
        rtt.sample(ms(200));
        assert!(rtt.too_soon(ms(59)));
        assert!(!rtt.too_soon(ms(60)));
    }
}
