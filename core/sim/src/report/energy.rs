//! Joules from what phones did (SIM-5), by the figures in `data/energy.toml`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sovereign_protocol::policy::near::duty::{Calm, MEAN_ADV_DELAY, PACKET, Profile, Schedule};

use crate::record::Spent;

/// The figures that are shipped.
pub const SHIPPED: &str = include_str!("../../data/energy.toml");
/// Air time of a byte at 1 Mbit/s, in milliseconds.
const BYTE_MS: f64 = 0.008;
/// Packets of one advertising event: one on each channel.
const PACKETS: f64 = 3.0;
/// Bytes around each data packet: preamble, address, header, CRC and integrity check (Bluetooth Core 5.4, vol. 6, part B, 2.4).
const AROUND: f64 = 14.0;
/// Bytes of a data packet with the length extension.
const PACKET_BYTES: f64 = 251.0;

/// What a radio takes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Figures {
    /// What they are called.
    pub name: String,
    /// What they are.
    pub what: String,
    /// Where they are from.
    pub source: String,
    /// Milliwatts while it listens.
    pub listen_mw: f64,
    /// Milliwatts while it sends.
    pub send_mw: f64,
    /// How much of the time it listens while it waits for somebody whom it dials.
    pub dial_share: f64,
    /// Milliseconds that it is awake before and after, each time.
    pub ramp_ms: f64,
    /// Milliseconds of a connection event without data.
    pub event_ms: f64,
    /// Milliseconds from one connection event to the next.
    pub connection_interval_ms: f64,
    /// Millijoules of the rest of the phone for each frame.
    pub frame_mj: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    radio: Vec<Figures>,
}

/// Joules by what they were spent on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Joules {
    /// Listening for advertisements.
    pub scan: f64,
    /// Listening for those who are dialled.
    pub dial: f64,
    /// Advertising.
    pub advertise: f64,
    /// Keeping links.
    pub links: f64,
    /// Sending and receiving over them.
    pub data: f64,
}

impl Joules {
    /// All of it.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.scan + self.dial + self.advertise + self.links + self.data
    }
}

/// Reads figures.
///
/// # Errors
/// What is wrong with the text.
pub fn figures(text: &str) -> Result<Vec<Figures>, toml::de::Error> {
    Ok(toml::from_str::<File>(text)?.radio)
}

impl Figures {
    /// What a phone took.
    #[must_use]
    pub fn joules(&self, spent: &Spent) -> Joules {
        let listen_mj = |ms: f64| ms * self.listen_mw / 1_000.0;
        let send_mj = |ms: f64| ms * self.send_mw / 1_000.0;
        let events = spent.link_ms as f64 / self.connection_interval_ms;
        let air = |bytes: u64| {
            let bytes = bytes as f64;
            (bytes + (bytes / PACKET_BYTES) * AROUND) * BYTE_MS
        };
        let data = send_mj(air(spent.sent_bytes)) + listen_mj(air(spent.received_bytes));
        let frames = spent.sent as f64 * self.frame_mj;
        Joules {
            scan: listen_mj(spent.scan_ms as f64) / 1_000.0,
            dial: listen_mj(spent.dial_ms as f64 * self.dial_share) / 1_000.0,
            advertise: spent.adverts as f64 * self.advert_mj() / 1_000.0,
            links: events * listen_mj(self.event_ms + self.ramp_ms) / 1_000.0,
            data: (data + frames) / 1_000.0,
        }
    }

    /// Millijoules of an advertising event: on each channel a packet, and a wait for a request as long.
    fn advert_mj(&self) -> f64 {
        let packet_ms = PACKET.as_secs_f64() * 1_000.0;
        let wakes = self.ramp_ms * self.send_mw;
        PACKETS * (packet_ms * self.send_mw + packet_ms / 2.0 * self.listen_mw) / 1_000.0
            + wakes / 1_000.0
    }

    /// What an hour in one phase of a profile takes, with so many links that stand idle.
    #[must_use]
    pub fn hour(&self, schedule: &Schedule, links: u32) -> Joules {
        let hour = Duration::from_secs(3_600);
        let every = schedule.advertise + MEAN_ADV_DELAY;
        self.joules(&Spent {
            scan_ms: (hour.as_millis() as f64 * schedule.listening()) as u64,
            adverts: (hour.as_millis() / every.as_millis()) as u64,
            link_ms: hour.as_millis() as u64 * u64::from(links),
            ..Spent::default()
        })
    }
}

/// The budget as Markdown: `docs/energy.md` (SIM-5).
#[must_use]
pub fn budget(figures: &[Figures]) -> String {
    let mut text = String::from(
        "# Energy\n\n\
         Generated from `core/sim/data/energy.toml` and the profiles' schedules; replace a figure there and run \
         `UPDATE_DOCS=1 cargo test -p sovereign-sim --lib energy`.\n\n\
         A profile looks hard for a minute after every change, then backs off twice (docs/radio.md). The duty \
         cycle is the share of time spent listening and sending. Joules are for an hour in that phase, with \
         four links that stand idle; a phone's battery holds 50,000 to 70,000 J (13 to 19 Wh).\n",
    );
    for figures in figures {
        text += &format!(
            "\n## {}\n\n{} Source: {}. What is an estimate is marked in the file.\n\n\
             | Profile | Phase | Duty cycle | Scanning, J/h | Advertising, J/h | Links, J/h | Sum, J/h |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
            figures.name, figures.what, figures.source
        );
        for (profile, name) in [
            (Profile::Performance, "performance"),
            (Profile::Balanced, "balanced"),
            (Profile::LowPower, "low power"),
        ] {
            for (calm, phase) in [
                (Calm::Looking, "looking"),
                (Calm::Quiet, "quiet"),
                (Calm::Still, "still"),
            ] {
                let schedule = profile.schedule(calm);
                let hour = figures.hour(&schedule, 4);
                text += &format!(
                    "| {name} | {phase} | {:.1} % | {:.2} | {:.2} | {:.2} | {:.2} |\n",
                    schedule.duty_cycle() * 100.0,
                    hour.scan,
                    hour.advertise,
                    hour.links,
                    hour.sum(),
                );
            }
        }
        let attempt = figures.joules(&Spent {
            dial_ms: 8_000,
            ..Spent::default()
        });
        let kilobyte = figures.joules(&Spent {
            sent: 3,
            sent_bytes: 1_024,
            ..Spent::default()
        });
        text += &format!(
            "\nA kilobyte sent takes {:.2} mJ besides, an attempt to connect to somebody who does not answer (8 s) \
             {:.0} mJ.\n",
            kilobyte.data * 1_000.0,
            attempt.dial * 1_000.0
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joules_follow_the_figures() {
        // SIM-5.
        let figures = &figures(SHIPPED).unwrap()[0];
        let spent = Spent {
            scan_ms: 3_600_000,
            ..Spent::default()
        };
        assert!((figures.joules(&spent).sum() - 49.68).abs() < 1e-9);
        let spent = Spent {
            dial_ms: 8_000,
            ..Spent::default()
        };
        assert!((figures.joules(&spent).sum() - 0.0552).abs() < 1e-9);
        let spent = Spent {
            sent_bytes: 251,
            received_bytes: 251,
            sent: 1,
            ..Spent::default()
        };
        let expected = 265.0 * 0.008 * (14.4 + 13.8) / 1e6;
        assert!((figures.joules(&spent).data - expected).abs() < 1e-12);
        let spent = Spent {
            link_ms: 40,
            ..Spent::default()
        };
        assert!((figures.joules(&spent).links - 0.61 * 13.8 / 1e6).abs() < 1e-12);
        let spent = Spent {
            adverts: 1,
            ..Spent::default()
        };
        let expected = (3.0 * 0.376 * (14.4 + 6.9) + 0.3 * 14.4) / 1e6;
        assert!((figures.joules(&spent).advertise - expected).abs() < 1e-12);
    }

    #[test]
    fn the_document_is_current() {
        // SIM-5.
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/energy.md");
        let text = budget(&figures(SHIPPED).unwrap());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }
}
