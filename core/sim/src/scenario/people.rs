//! Who is there, where, and how they move.

use serde::{Deserialize, Deserializer};

use super::number::{Between, Every, Length, Metres, Name, People, Period, Speed, pair};

/// A place, written `[x, y]` in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place(pub Metres, pub Metres);

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        pair(from).map(|[x, y]| Self(x, y))
    }
}

/// People who are alike.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Group {
    /// What others call it.
    pub name: Name,
    /// How many they are.
    pub count: People,
    /// Where they begin.
    pub place: Placement,
    /// How they move.
    #[serde(default, rename = "move")]
    pub mobility: Mobility,
    /// How much energy their phones spend; the scenario's when not given.
    pub profile: Option<Profile>,
    /// Since when they are there.
    #[serde(default)]
    pub from: Period,
    /// They come one after another over so long from then on.
    #[serde(default)]
    pub over: Period,
}

/// Where a group begins.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Placement {
    /// At these places, in turn.
    At(Vec<Place>),
    /// Anywhere in a rectangle.
    Rectangle {
        /// Its corner with the least coordinates.
        corner: Place,
        /// Eastward.
        width: Length,
        /// Northward.
        height: Length,
    },
    /// Anywhere in a disc.
    Disc {
        /// Its centre.
        centre: Place,
        /// Its radius.
        radius: Length,
    },
    /// On a circle, evenly: around a fire.
    Circle {
        /// Its centre.
        centre: Place,
        /// Its radius.
        radius: Length,
    },
    /// In a block of rows, evenly: a march.
    Rows {
        /// Its corner with the least coordinates.
        corner: Place,
        /// How many stand in a row.
        abreast: People,
        /// From one to the next, both ways.
        step: Length,
    },
}

/// How a group moves.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Mobility {
    /// Not at all.
    #[default]
    Still,
    /// Each to a random place within a distance of where it began, a pause, and on to the next.
    Waypoint {
        /// How far from where it began it goes at most, on each axis.
        within: Length,
        /// How fast.
        speed: Between<Speed>,
        /// How long it stays.
        #[serde(default)]
        pause: Period,
    },
    /// Along streets: from crossing to crossing, mostly straight on.
    Streets {
        /// From one crossing to the next.
        block: Length,
        /// How far from where it began it goes at most, on each axis.
        within: Length,
        /// How fast.
        speed: Between<Speed>,
        /// How long it stays at a crossing.
        #[serde(default)]
        pause: Period,
    },
    /// To another place and back, every day.
    Commute {
        /// Where the way leads to: anywhere in this rectangle.
        corner: Place,
        /// Eastward.
        width: Length,
        /// Northward.
        height: Length,
        /// When they go, on the first day.
        go: Period,
        /// When they go back.
        back: Period,
        /// They do not go together: each so much later at most.
        #[serde(default)]
        spread: Period,
        /// How fast.
        speed: Between<Speed>,
        /// How long a day is.
        day: Every,
    },
    /// All together along a line, with stops: a train, a march.
    Ride {
        /// From place to place; whoever begins beside the first stays as far beside the line.
        stops: Vec<Place>,
        /// How fast.
        speed: Speed,
        /// How long at each stop.
        #[serde(default)]
        stop: Period,
        /// When they start.
        #[serde(default)]
        start: Period,
        /// Whether they come back, again and again.
        #[serde(default)]
        and_back: bool,
    },
    /// Away from a place, each in its own direction, and never back.
    Leave {
        /// The place.
        from: Place,
        /// When the first goes.
        at: Period,
        /// The last goes so much later.
        #[serde(default)]
        spread: Period,
        /// How far.
        distance: Length,
        /// How fast.
        speed: Between<Speed>,
    },
}

/// How much energy phones spend (docs/radio.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The app is open, or the phone is on a charger.
    Performance,
    /// The default.
    #[default]
    Balanced,
    /// The battery is low or the screen is off.
    LowPower,
}

impl From<Profile> for sovereign_protocol::policy::near::duty::Profile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Performance => Self::Performance,
            Profile::Balanced => Self::Balanced,
            Profile::LowPower => Self::LowPower,
        }
    }
}
