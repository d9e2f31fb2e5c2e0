//! The event log of a run (SIM-2, SIM-3): typed records as JSON lines, hashed on the way.
//!
//! The first line is the [`Header`], the last the [`Footer`] with the number of records and the
//! trace hash: SHA-256 over every line before it, line ends included. Both fidelities write the same
//! records; equal hashes mean equal runs. Ways are recorded by leg, so an hour of 1,000 people takes
//! some megabytes.

mod read;
mod write;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::read::{MAX_LINE, Reader, RecordingError};
pub use self::write::{TraceHash, Writer};

use crate::scenario::{Fidelity, Scenario};
use crate::world::World;

/// The format's version.
pub const VERSION: u32 = 1;

/// Where records go.
pub trait Sink {
    /// Takes one.
    ///
    /// # Errors
    /// When it cannot be written.
    fn take(&mut self, record: &Record) -> std::io::Result<()>;
}

impl Sink for Vec<Record> {
    fn take(&mut self, record: &Record) -> std::io::Result<()> {
        self.push(record.clone());
        Ok(())
    }
}

/// What a recording is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`VERSION`].
    pub sovereign_recording: u32,
    /// The scenario's name.
    pub scenario: String,
    /// `full` or `policy`.
    pub fidelity: String,
    /// The seed.
    pub seed: u64,
    /// How long the scenario lasts, in milliseconds.
    pub duration_ms: u64,
    /// People, numbered from 0 in the order of the groups.
    pub people: u32,
    /// Each group's name and size.
    pub groups: Vec<(String, u32)>,
    /// Each channel's name and number of members.
    pub channels: Vec<(String, u32)>,
}

impl Header {
    /// The header of a run.
    #[must_use]
    pub fn of(scenario: &Scenario, world: &World, seed: u64) -> Self {
        let groups = scenario.group.iter();
        let channels = world.channels().iter();
        Self {
            sovereign_recording: VERSION,
            scenario: scenario.name.to_string(),
            fidelity: match scenario.fidelity {
                Fidelity::Full => "full",
                Fidelity::Policy => "policy",
            }
            .to_owned(),
            seed,
            duration_ms: world.end().as_millis() as u64,
            people: world.people().len() as u32,
            groups: groups
                .map(|group| (group.name.to_string(), group.count.get()))
                .collect(),
            channels: channels
                .map(|channel| (channel.name.clone(), channel.members.len() as u32))
                .collect(),
        }
    }
}

/// The end of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footer {
    /// When the run ended, in milliseconds; before the scenario's end if it was interrupted.
    pub end_ms: u64,
    /// Records between header and footer.
    pub records: u64,
    /// SHA-256 over all lines before this one, in hexadecimal.
    pub trace: String,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When, in milliseconds from the beginning; never less than the record's before.
    #[serde(rename = "t")]
    pub at_ms: u64,
    /// To whom.
    #[serde(rename = "p")]
    pub who: u32,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

impl Record {
    /// A record.
    #[must_use]
    pub fn new(at: Duration, who: u32, what: What) -> Self {
        // Scenarios last a month at most.
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        Self { at_ms, who, what }
    }
}

/// What happened. Places are in whole decimetres, signals in dBm, times in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "e", rename_all = "kebab-case")]
pub enum What {
    /// A person is somewhere: the first record about it.
    Placed {
        /// Eastward.
        x: i32,
        /// Northward.
        y: i32,
    },
    /// It goes straight to a place.
    Walks {
        /// Eastward.
        x: i32,
        /// Northward.
        y: i32,
        /// When it is there.
        until: u64,
    },
    /// Its phone is on.
    On,
    /// Its phone is off.
    Off {
        /// Why.
        why: OffWhy,
    },
    /// It has the Internet, or not any more.
    Internet {
        /// Whether.
        on: bool,
    },
    /// It is in a local network, or not any more.
    Lan {
        /// Number of the network in the scenario.
        lan: u32,
        /// Whether.
        on: bool,
    },
    /// A link is ready: told once, by the end that dialled.
    LinkUp {
        /// To whom.
        with: u32,
        /// Over what.
        medium: Medium,
        /// Signal, over the radio.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dbm: Option<i16>,
    },
    /// That link is gone.
    LinkDown {
        /// To whom.
        with: u32,
        /// Over what.
        medium: Medium,
    },
    /// It wrote a message.
    Said {
        /// The message's number: 0, 1, 2 … over the run.
        message: u32,
        /// Place of the channel in the header.
        channel: u32,
        /// Length of the text.
        bytes: u32,
    },
    /// It wanted to say something and could not.
    Refused {
        /// Place of the channel in the header.
        channel: u32,
    },
    /// A copy of a message came to it.
    Copy {
        /// Which.
        message: u32,
        /// From whom; itself where the run cannot tell.
        from: u32,
        /// Whether it had one already.
        again: bool,
    },
    /// A member read a message for the first time.
    Delivered {
        /// Which.
        message: u32,
    },
    /// The author's phone knows that a member has it.
    Acknowledged {
        /// Which.
        message: u32,
    },
    /// What its phone did since the last such record.
    Spent(Box<Spent>),
}

/// What a phone did in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spent {
    /// How long its radio was on.
    pub on_ms: u64,
    /// Of that, how long in each profile: performance, balanced, low power.
    pub profile_ms: [u64; 3],
    /// How long it listened for advertisements.
    pub scan_ms: u64,
    /// How long it waited for an advertisement of somebody it dialled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dial_ms: u64,
    /// Advertising events.
    pub adverts: u64,
    /// Milliseconds that links were up, over all its links.
    pub link_ms: u64,
    /// Links that came up.
    pub links: u64,
    /// Tries to set one up over the radio, whatever came of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dials: u64,
    /// Frames sent over the radio.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Bytes received over the radio.
    pub received_bytes: u64,
    /// Bytes sent over local networks and the Internet.
    pub wide_sent_bytes: u64,
    /// Bytes received over them.
    pub wide_received_bytes: u64,
    /// Copies of bundles that came again, receipts among them, where the run cannot tell of which message.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub copies_again: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Why a phone is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OffWhy {
    /// Put to sleep in good order.
    Sleep,
    /// The battery is empty.
    Empty,
    /// The app crashed.
    Crash,
}

impl From<crate::world::Off> for OffWhy {
    fn from(off: crate::world::Off) -> Self {
        match off {
            crate::world::Off::Sleep => Self::Sleep,
            crate::world::Off::Empty => Self::Empty,
            crate::world::Off::Crash => Self::Crash,
        }
    }
}

/// Over what a link runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Medium {
    /// Bluetooth LE.
    Ble,
    /// A local network.
    Lan,
    /// The Internet.
    Internet,
}

/// Whole decimetres, as records have them.
#[must_use]
pub fn decimetres(metres: f64) -> i32 {
    // A cast saturates; what is no number is 0.
    libm::round(metres * 10.0) as i32
}

#[cfg(test)]
mod tests;
