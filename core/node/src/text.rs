//! Text forms for people and scripts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch as RFC 3339 UTC, e.g. `2026-11-21T08:00:00Z`. Values beyond the year 9999 are shown as its end.
#[must_use]
pub fn rfc3339(unix_s: u64) -> String {
    /// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
    const LAST: u64 = 253_402_300_799;
    let seconds = unix_s.min(LAST);
    i64::try_from(seconds)
        .ok()
        .and_then(|s| jiff::Timestamp::from_second(s).ok())
        .map_or_else(|| "9999-12-31T23:59:59Z".to_owned(), |t| t.to_string())
}

/// Now by the wall clock, to the millisecond.
#[must_use]
pub fn rfc3339_now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let ms = i64::try_from(since.as_millis()).unwrap_or(0);
    jiff::Timestamp::from_millisecond(ms)
        .map_or_else(|_| rfc3339(since.as_secs()), |t| format!("{t:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_time_are_written() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(4_291_747_200), "2106-01-01T00:00:00Z");
        assert_eq!(rfc3339(u64::MAX), "9999-12-31T23:59:59Z");
    }
}
