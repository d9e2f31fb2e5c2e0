//! What goes wrong: batteries, sleep, crashes, clocks, hostile ones; and what people say.

use serde::Deserialize;
use toml::Spanned;

use super::air::Window;
use super::number::{
    Between, Copies, Every, Joules, Name, Offset, People, PerHour, PerSecond, Period, Share,
    TextBytes,
};

/// How phones end or pause.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Power {
    /// Whose.
    pub group: Spanned<Name>,
    /// The first so many of the group; all when not given.
    pub count: Option<People>,
    /// What happens.
    pub what: PowerCut,
}

/// What ends or pauses a phone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum PowerCut {
    /// The app is put to sleep in good order, again and again: nothing is lost.
    Sleep {
        /// From one awakening to the next, in the mean.
        every: Every,
        /// How long it sleeps of that.
        lasts: Every,
    },
    /// The battery is empty at a time in this span: like a crash.
    Empty {
        /// When.
        at: Between<Period>,
        /// Charged again after so long; never when not given.
        charged_after: Option<Every>,
    },
    /// The app crashes, and what was not yet durable is lost.
    Crash {
        /// From one crash to the next, in the mean; the times are memoryless.
        every: Every,
        /// How long it is down.
        down: Every,
    },
}

/// A clock that is wrong.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Clock {
    /// Whose.
    pub group: Spanned<Name>,
    /// The first so many of the group; all when not given.
    pub count: Option<People>,
    /// Ahead of the true time by so many seconds, or behind it when negative.
    pub seconds: Offset,
}

/// Hostile ones. They walk, link and say nothing of their own; only who reseals is in a channel.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hostile {
    /// Who.
    pub group: Spanned<Name>,
    /// The first so many of the group; all when not given.
    pub count: Option<People>,
    /// What they do.
    pub does: Malice,
}

/// What a hostile one does.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Malice {
    /// Links, takes what it is given and hands nothing on.
    Silent,
    /// Announces what it does not have and never gives it.
    Lying,
    /// Advertises and never answers: a phone whose Bluetooth hangs.
    Deaf,
    /// A member that writes nothing, and seals anew whatever it hands on: the same words, another bundle.
    Resealing,
    /// Pours bundles that nobody can read into the mesh.
    Flooding {
        /// How many.
        per_second: PerSecond,
    },
}

impl Malice {
    /// Whether it needs a channel's keys for what it does.
    #[must_use]
    pub const fn is_member(self) -> bool {
        matches!(self, Self::Resealing)
    }
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Channel {
    /// Its name; public with `#` before it, else private.
    pub name: Spanned<Name>,
    /// Whose members are its members.
    pub groups: Vec<Spanned<Name>>,
    /// The first so many of each group; all when not given.
    pub count: Option<People>,
    /// Splits them into channels of so many, numbered: families. One channel when not given.
    pub of: Option<People>,
}

/// Who says how often what.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Traffic {
    /// Who.
    pub group: Spanned<Name>,
    /// The first so many of the group; all when not given.
    pub count: Option<People>,
    /// Where.
    pub channel: Spanned<Name>,
    /// From one text of a person to its next, in the mean; the times are memoryless.
    pub every: Every,
    /// How long a text is.
    pub bytes: Between<TextBytes>,
    /// When they speak.
    #[serde(default)]
    pub when: Window,
}

/// What a run has to show. It fails when it does not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Demand {
    /// Of all deliveries that are due (each message to each other honest member of its channel), the
    /// share made by the end.
    pub delivery: Share,
    /// What is said in the last part of the run is not due.
    #[serde(default)]
    pub settle: Period,
    /// `median` and `p95` are of what people of this group say to each other; of everything when not given.
    pub among: Option<Spanned<Name>>,
    /// Half of the deliveries that are due are made within this.
    pub median: Option<Period>,
    /// Ninety-five in a hundred of the deliveries that are due are made within this.
    pub p95: Option<Period>,
    /// Copies of a message that come to a phone, for each phone that has it, in the mean.
    pub copies: Option<Copies>,
    /// Links that come up at a phone in an hour that it is on, in the mean.
    pub links_per_hour: Option<PerHour>,
    /// Tries of a phone to set one up over the radio in an hour that it is on, in the mean.
    pub dials_per_hour: Option<PerHour>,
    /// What the radio of a phone takes in an hour that it is on, in the mean.
    pub joules_per_hour: Option<Joules>,
}
