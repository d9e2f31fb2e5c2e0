//! Why nobody is seen, and what to do (APP-7), as far as a running node can tell.

use std::time::Duration;

use super::driver::Driver;
use crate::{
    api::DoctorCheck,
    ports::{lan::Lan, network::Network, radio::RadioState},
};

/// 2026-01-01: a clock before it is wrong.
const CLOCK_AT_LEAST_MS: u64 = 1_767_225_600_000;
/// 2056-01-01: a clock after it is most likely wrong.
const CLOCK_AT_MOST_MS: u64 = 2_713_910_400_000;
/// Nobody seen for so long deserves a word.
const LONELY_AFTER: Duration = Duration::from_secs(10);

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn doctor(&self) -> Vec<DoctorCheck> {
        vec![
            self.check_interfaces(),
            self.check_mdns(),
            self.check_ble(),
            self.check_listening(),
            self.check_peers(),
            self.check_store(),
            self.check_clock(),
        ]
    }

    fn check_interfaces(&self) -> DoctorCheck {
        match self.interfaces {
            Some(0) => problem(
                "interfaces",
                "no network interface is up",
                "switch on Wi-Fi or plug in a cable",
            ),
            Some(count) => ok(
                "interfaces",
                format!("{count} addresses on usable interfaces"),
            ),
            None => warning(
                "interfaces",
                "not known: local discovery does not run",
                "start the node without --no-mdns",
            ),
        }
    }

    fn check_mdns(&self) -> DoctorCheck {
        match (&self.lan, &self.lan_state) {
            (_, Err(reason)) => problem(
                "mdns",
                format!("local discovery does not work: {reason}"),
                "allow UDP port 5353 and multicast in the firewall and on the access point",
            ),
            (None, Ok(())) => warning(
                "mdns",
                "local discovery is switched off",
                "start the node without --no-mdns",
            ),
            (Some(_), Ok(())) => ok("mdns", "announced and searching"),
        }
    }

    fn check_ble(&self) -> DoctorCheck {
        match self.field.as_ref().map(|field| &field.state) {
            None => warning(
                "ble",
                "Bluetooth LE is switched off, or this build has no adapter for it",
                "start the node without --no-ble",
            ),
            // BlueZ lets nobody choose the address (docs/adapters-bluez.md), and §11.5 wants that said.
            Some(RadioState::On) if cfg!(target_os = "linux") => ok(
                "ble",
                "advertising and searching; the adapter's address can give this node away unless \
                 BlueZ is set to `Privacy = device`",
            ),
            Some(RadioState::On) => ok("ble", "advertising and searching"),
            Some(RadioState::Off(why)) => problem("ble", why, "switch Bluetooth on"),
            Some(RadioState::Forbidden(why)) => {
                problem("ble", why, "allow this user to use Bluetooth")
            }
            Some(RadioState::Absent(why)) => warning(
                "ble",
                why,
                "nothing need be done: the local network is used",
            ),
        }
    }

    fn check_listening(&self) -> DoctorCheck {
        let listen = self.listen_addresses();
        if listen.is_empty() {
            problem(
                "listening",
                "the node listens nowhere: nobody can reach it",
                "check --listen and the log",
            )
        } else {
            ok("listening", format!("on {} addresses", listen.len()))
        }
    }

    fn check_peers(&self) -> DoctorCheck {
        let now = self.now();
        let linked = self.engine.linked_peers();
        let seen = self.engine.peers(now).len();
        if linked > 0 {
            return ok("peers", format!("{linked} linked, {seen} seen"));
        }
        if seen > 0 {
            return problem(
                "peers",
                format!("{seen} seen, none linked"),
                "a firewall may block incoming connections to the port that `sovereign status` shows",
            );
        }
        if now.boot.saturating_sub(self.started) < LONELY_AFTER {
            return ok("peers", "nobody yet: the node has just started");
        }
        warning(
            "peers",
            "nobody is seen",
            "is another node on this network? Guest networks often keep devices apart; then use `sovereign export` and `import`",
        )
    }

    fn check_store(&self) -> DoctorCheck {
        match &self.read_only {
            Some(why) => problem(
                "store",
                format!("open read-only: {why}"),
                "export what you need, then restore a backup into an empty directory",
            ),
            None => ok(
                "store",
                format!("{} bytes on disk", self.store.stats().disk_bytes),
            ),
        }
    }

    fn check_clock(&self) -> DoctorCheck {
        let wall = self.now().wall_ms;
        if (CLOCK_AT_LEAST_MS..=CLOCK_AT_MOST_MS).contains(&wall) {
            ok("clock", "plausible")
        } else {
            warning(
                "clock",
                "the wall clock is most likely wrong",
                "messages arrive all the same, but their times look odd: set the clock",
            )
        }
    }
}

fn ok(check: &str, message: impl Into<String>) -> DoctorCheck {
    DoctorCheck {
        check: check.to_owned(),
        result: "ok".to_owned(),
        message: message.into(),
        hint: None,
    }
}

fn warning(check: &str, message: impl Into<String>, hint: &str) -> DoctorCheck {
    DoctorCheck {
        check: check.to_owned(),
        result: "warning".to_owned(),
        message: message.into(),
        hint: Some(hint.to_owned()),
    }
}

fn problem(check: &str, message: impl Into<String>, hint: &str) -> DoctorCheck {
    DoctorCheck {
        check: check.to_owned(),
        result: "problem".to_owned(),
        message: message.into(),
        hint: Some(hint.to_owned()),
    }
}
