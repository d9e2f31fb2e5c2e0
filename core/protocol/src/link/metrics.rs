//! What is known of a link's quality, and what it makes of a bundle's delay.

use core::time::Duration;

use crate::link_kind::Medium;

/// Nothing heard for this long while bytes wait: the link is probably dead.
pub const SUSPECT_AFTER: Duration = Duration::from_secs(10);
/// Throughput is sampled over at least this long, with bytes waiting all the while.
const SAMPLE: Duration = Duration::from_millis(100);

/// One link's measurements.
#[derive(Debug, Clone, Copy)]
pub struct Metrics {
    medium: Medium,
    rtt: Duration,
    /// Bytes a second, never 0.
    throughput: u64,
    queued: u64,
    heard: Duration,
    sample: Option<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    began: Duration,
    bytes: u64,
}

impl Metrics {
    /// A link that has just come up, with what its medium promises.
    #[must_use]
    pub const fn new(medium: Medium, now: Duration) -> Self {
        // Assumptions until measured: Wi-Fi; a home connection; a community relay; BLE at a 30 ms interval.
        let (rtt_ms, throughput) = match medium {
            Medium::Lan => (5, 2_000_000),
            Medium::Direct => (60, 200_000),
            Medium::Relay => (120, 50_000),
            Medium::Ble => (100, 10_000),
        };
        Self {
            medium,
            rtt: Duration::from_millis(rtt_ms),
            throughput,
            queued: 0,
            heard: now,
            sample: None,
        }
    }

    /// Something came in.
    pub fn heard(&mut self, now: Duration) {
        self.heard = self.heard.max(now);
    }

    /// A round trip was measured: smoothed as in RFC 6298, by an eighth.
    pub fn rtt_measured(&mut self, rtt: Duration, now: Duration) {
        self.rtt = (self.rtt * 7 + rtt) / 8;
        self.heard(now);
    }

    /// How many bytes wait, in the session and in the adapter.
    pub fn queue_is(&mut self, bytes: u64, now: Duration) {
        self.queued = bytes;
        match (bytes, self.sample) {
            (0, _) => self.sample = None,
            (_, None) => {
                self.sample = Some(Sample {
                    began: now,
                    bytes: 0,
                })
            }
            _ => {}
        }
    }

    /// Bytes left the adapter's queue.
    pub fn sent(&mut self, bytes: u64, now: Duration) {
        let Some(sample) = &mut self.sample else {
            return;
        };
        sample.bytes = sample.bytes.saturating_add(bytes);
        let elapsed = now.saturating_sub(sample.began);
        if elapsed < SAMPLE {
            return;
        }
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let rate = sample.bytes.saturating_mul(1_000_000) / micros;
        self.throughput = ((self.throughput.saturating_mul(3).saturating_add(rate)) / 4).max(1);
        self.sample = Some(Sample {
            began: now,
            bytes: 0,
        });
    }

    /// When a bundle of this size, queued now, would be there.
    #[must_use]
    pub fn delay(&self, size: u64) -> Duration {
        let micros = self.queued.saturating_add(size).saturating_mul(1_000_000) / self.throughput;
        self.rtt / 2 + Duration::from_micros(micros)
    }

    /// Whether bytes wait although nothing has been heard for [`SUSPECT_AFTER`].
    #[must_use]
    pub fn is_suspect(&self, now: Duration) -> bool {
        self.queued > 0 && now.saturating_sub(self.heard) >= SUSPECT_AFTER
    }

    /// The medium.
    #[must_use]
    pub const fn medium(&self) -> Medium {
        self.medium
    }

    /// Smoothed round-trip time; the medium's promise until measured.
    #[must_use]
    pub const fn rtt(&self) -> Duration {
        self.rtt
    }

    /// Estimate in bytes a second; the medium's promise until measured.
    #[must_use]
    pub const fn throughput(&self) -> u64 {
        self.throughput
    }

    /// When something was last heard.
    #[must_use]
    pub const fn last_heard(&self) -> Duration {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(50);
    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn media_promise_in_their_order() {
        let delay = |medium| Metrics::new(medium, T).delay(1_024);
        assert!(delay(Medium::Lan) < delay(Medium::Direct));
        assert!(delay(Medium::Direct) < delay(Medium::Relay));
        assert!(delay(Medium::Relay) < delay(Medium::Ble));
        assert_eq!(delay(Medium::Ble), 50 * MS + Duration::from_micros(102_400));
    }

    #[test]
    fn throughput_is_sampled_while_bytes_wait() {
        let mut metrics = Metrics::new(Medium::Ble, T);
        metrics.sent(1_000_000, T + SAMPLE);
        assert_eq!(metrics.throughput(), 10_000);
        metrics.queue_is(5_000, T);
        metrics.sent(1_000, T + 99 * MS);
        assert_eq!(metrics.throughput(), 10_000);
        metrics.sent(1_000, T + 100 * MS);
        assert_eq!(metrics.throughput(), (3 * 10_000 + 20_000) / 4);
        // The next sample begins there; an empty queue ends it.
        metrics.queue_is(1, T + 150 * MS);
        metrics.queue_is(0, T + 160 * MS);
        metrics.sent(1_000_000, T + 300 * MS);
        assert_eq!(metrics.throughput(), 12_500);
    }

    #[test]
    fn a_standstill_never_divides_by_zero() {
        let mut metrics = Metrics::new(Medium::Ble, T);
        metrics.queue_is(10, T);
        for second in 1..200 {
            metrics.sent(0, T + 1_000 * second * MS);
        }
        assert_eq!(metrics.throughput(), 1);
        assert_eq!(
            metrics.delay(2),
            metrics.rtt() / 2 + Duration::from_secs(12)
        );
    }

    #[test]
    fn silence_matters_only_with_bytes_waiting() {
        let mut metrics = Metrics::new(Medium::Lan, T);
        assert!(!metrics.is_suspect(T + SUSPECT_AFTER));
        metrics.queue_is(1, T);
        assert!(!metrics.is_suspect(T + SUSPECT_AFTER - MS));
        assert!(metrics.is_suspect(T + SUSPECT_AFTER));
        metrics.heard(T + MS);
        assert!(!metrics.is_suspect(T + SUSPECT_AFTER));
        metrics.heard(T);
        assert_eq!(metrics.last_heard(), T + MS);
    }

    #[test]
    fn round_trips_are_smoothed() {
        let mut metrics = Metrics::new(Medium::Ble, T);
        metrics.rtt_measured(900 * MS, T + MS);
        assert_eq!(metrics.rtt(), 200 * MS);
        assert_eq!(metrics.last_heard(), T + MS);
    }
}
