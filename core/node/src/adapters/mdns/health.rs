//! Whether the LAN layer works, judged by hearing our own announcement.

use std::time::Duration;

use tokio::time::Instant;

/// How long our own announcement may take to come back. It goes out at once and again after 1.1 s.
const ECHO_WITHIN: Duration = Duration::from_secs(3);

/// The state of the layer. The operating system loops multicast back to us, so hearing ourselves on
/// a real interface proves the way out as well as the way in; a socket call that succeeds proves
/// neither.
#[derive(Debug)]
pub(super) struct Health {
    /// Whether an interface other than loopback has an address; unknown at first.
    usable: Option<bool>,
    /// Whether our announcement was heard on such an interface.
    heard: bool,
    /// Since when it should come back.
    waiting_since: Option<Instant>,
    told: Option<Result<(), String>>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            usable: None,
            heard: false,
            waiting_since: None,
            told: None,
        }
    }

    pub(super) fn set_usable(&mut self, usable: bool) {
        self.usable = Some(usable);
    }

    /// An announcement went out that must now come back.
    pub(super) fn expect_echo(&mut self, now: Instant) {
        self.heard = false;
        self.waiting_since = Some(now);
    }

    /// Our own announcement was heard on an interface other than loopback, or its records expired.
    pub(super) fn set_heard(&mut self, heard: bool, now: Instant) {
        if self.heard && !heard {
            self.waiting_since = Some(now);
        }
        self.heard = heard;
    }

    /// When [`Health::verdict`] should be asked although nothing happened.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let undecided = self.usable == Some(true) && !self.heard;
        let due = self.waiting_since? + ECHO_WITHIN;
        (undecided && !matches!(self.told, Some(Err(_)))).then_some(due)
    }

    /// The state, if it differs from the last one that was returned.
    pub(super) fn verdict(&mut self, now: Instant) -> Option<Result<(), String>> {
        let verdict = match self.usable? {
            false => Err(String::from("no network interface has an address")),
            true if self.heard => Ok(()),
            true if self.waiting_since.is_some_and(|t| now >= t + ECHO_WITHIN) => {
                Err(String::from(
                    "our own announcement does not come back: a firewall or the network blocks \
                 multicast (UDP port 5353)",
                ))
            }
            true => return None,
        };
        if self.told.as_ref() == Some(&verdict) {
            return None;
        }
        self.told = Some(verdict.clone());
        Some(verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_once_and_recovery_too() {
        let start = Instant::now();
        let mut health = Health::new();
        assert_eq!(health.verdict(start), None, "nothing is known yet");
        health.set_usable(false);
        assert!(matches!(health.verdict(start), Some(Err(_))));
        assert_eq!(health.verdict(start), None);
        health.set_usable(true);
        health.expect_echo(start);
        assert_eq!(
            health.verdict(start),
            None,
            "undecided until the echo is due"
        );
        health.set_heard(true, start);
        assert_eq!(health.verdict(start), Some(Ok(())));
        assert_eq!(health.deadline(), None);
        health.expect_echo(start);
        assert_eq!(health.deadline(), Some(start + ECHO_WITHIN));
        assert_eq!(health.verdict(start), None);
        let due = start + ECHO_WITHIN;
        assert!(matches!(health.verdict(due), Some(Err(_))));
        assert_eq!(
            health.deadline(),
            None,
            "told, so there is no need to wake up"
        );
        health.set_heard(true, due);
        assert_eq!(health.verdict(due), Some(Ok(())));
        health.set_heard(false, due);
        assert_eq!(health.deadline(), Some(due + ECHO_WITHIN));
        health.set_usable(false);
        assert_eq!(health.deadline(), None);
        assert!(matches!(health.verdict(due), Some(Err(_))));
    }
}
