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

/// Milliseconds since the Unix epoch as RFC 3339 UTC with milliseconds.
#[must_use]
pub fn rfc3339_ms(unix_ms: u64) -> String {
    let whole = rfc3339(unix_ms / 1000);
    format!("{}.{:03}Z", whole.trim_end_matches('Z'), unix_ms % 1000)
}

/// Now by the wall clock.
#[must_use]
pub fn rfc3339_now() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    rfc3339_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
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
