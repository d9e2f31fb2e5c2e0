//! Scenarios are files (SIM-3): TOML, the same for whole nodes and for policy nodes; `docs/scenarios.md`
//! describes them.
//!
//! Reading one allocates no more than the file's size asks for: numbers are bounded while they are
//! read, names are resolved before anything is made of them.

mod air;
mod check;
mod error;
mod life;
mod number;
mod people;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

pub use self::air::{HardwareName, Internet, Lan, PhysicsName, Radio, Wall, Window};
pub use self::error::ScenarioError;
pub use self::life::{Channel, Clock, Demand, Hostile, Malice, Power, PowerCut, Traffic};
pub use self::number::{
    Between, Copies, Decibels, Every, Exponent, Joules, Length, Metres, Name, Offset, People,
    PerHour, PerSecond, Period, Rate, Share, Speed, TextBytes,
};
pub use self::people::{Group, Mobility, Place, Placement, Profile};

/// Largest file, in bytes.
pub const MAX_BYTES: u64 = 256 * 1024;
/// Most people of whole nodes.
pub const MAX_FULL: u32 = 200;
/// Most people.
pub const MAX_PEOPLE: u32 = People::MOST;
/// Most channels that a split makes.
pub const MAX_CHANNELS: u32 = 200_000;

/// A world to imitate, and what it has to show.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// What it is called.
    pub name: Name,
    /// What it shows, in a sentence.
    pub shows: String,
    /// What the nodes are.
    pub fidelity: Fidelity,
    /// How long it lasts in virtual time.
    pub duration: Every,
    /// How much energy phones spend unless their group says otherwise.
    #[serde(default)]
    pub profile: Profile,
    /// Bluetooth LE.
    #[serde(default)]
    pub radio: Radio,
    /// People.
    pub group: Vec<Group>,
    /// Local networks.
    #[serde(default)]
    pub lan: Vec<Lan>,
    /// The Internet.
    #[serde(default)]
    pub internet: Vec<Internet>,
    /// Batteries, sleep and crashes.
    #[serde(default)]
    pub power: Vec<Power>,
    /// Wrong clocks.
    #[serde(default)]
    pub clock: Vec<Clock>,
    /// Hostile ones.
    #[serde(default)]
    pub hostile: Vec<Hostile>,
    /// Channels.
    #[serde(default)]
    pub channel: Vec<Channel>,
    /// Who says what.
    #[serde(default)]
    pub traffic: Vec<Traffic>,
    /// What the run has to show.
    pub demand: Demand,
}

/// What the nodes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fidelity {
    /// Whole nodes, sockets and radio frames included.
    Full,
    /// The shipped decisions alone, on virtual links.
    Policy,
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ScenarioError`] with file, line and column.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(path)?
                .take(MAX_BYTES + 1)
                .read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let parsed = match read() {
            Err(error) => Err(ScenarioError::new(format!("cannot be read: {error}"))),
            Ok(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => Self::parse(text),
                // A character that the limit cut in two is no fault of its own.
                Err(_) if bytes.len() as u64 > MAX_BYTES => Err(too_large()),
                Err(_) => Err(ScenarioError::new("is no UTF-8 text: save it as UTF-8")),
            },
        };
        parsed.map_err(|error| error.in_file(path))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`ScenarioError`] with line and column.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        if text.len() as u64 > MAX_BYTES {
            return Err(too_large());
        }
        let scenario: Self =
            toml::from_str(text).map_err(|error| ScenarioError::of_toml(text, &error))?;
        check::check(&scenario, text)?;
        Ok(scenario)
    }

    /// How many people there are.
    #[must_use]
    pub fn people(&self) -> u32 {
        let counts = self.group.iter().map(|group| group.count.get());
        counts.fold(0, u32::saturating_add)
    }
}

fn too_large() -> ScenarioError {
    ScenarioError::new(format!(
        "is larger than {MAX_BYTES} bytes: no scenario needs so much"
    ))
}

#[cfg(test)]
mod tests;
