//! What can be played: a recorded run, looked at from outside. These are the page's questions and the answers it
//! can draw; how a recording is stored is its own affair. Every answer is bounded, whatever the recording holds.
//!
//! People, channels and messages are numbers from 0; places are whole decimetres, times milliseconds from the
//! beginning of the run.

use std::future::Future;

use serde::{Deserialize, Serialize};
use sovereign_node::api::ApiError;

/// People on the map at most. Of more, every n-th is drawn ([`About::drawn_every`]), and whoever is followed.
pub const MAX_DOTS: u32 = 3_000;
/// Links on the map at most.
pub const MAX_WIRES: usize = 9_000;
/// Changes in one answer at most.
pub const MAX_CHANGES: usize = 10_000;
/// Messages in one answer at most.
pub const MAX_MESSAGES: usize = 200;
/// People of a message's spread, and messages of a person, at most.
pub const MAX_ROWS: usize = 5_000;
/// Points of a curve at most.
pub const MAX_POINTS: usize = 240;
/// Groups, channels and walls that are told at most.
pub const MAX_NAMES: usize = 500;

/// A recording. It is asked by several pages at a time.
pub trait Playable: Clone + Send + Sync + 'static {
    /// Answers.
    fn look(&self, look: Look) -> impl Future<Output = Result<Seen, ApiError>> + Send;
}

/// What a page asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "look", rename_all = "snake_case", deny_unknown_fields)]
pub enum Look {
    /// What it is of.
    About {},
    /// Everything that is drawn, at a time.
    Frame {
        /// The time.
        at_ms: u64,
        /// Whoever is followed is drawn even where others are left out, with its neighbours.
        #[serde(default)]
        person: Option<u32>,
    },
    /// What happened after one time, up to and with another.
    Changes {
        /// The one.
        from_ms: u64,
        /// The other.
        to_ms: u64,
        /// As in [`Look::Frame`].
        #[serde(default)]
        person: Option<u32>,
    },
    /// The messages of a person, over the whole run.
    Person {
        /// Who.
        who: u32,
    },
    /// Messages in the order of writing.
    Messages {
        /// The first of them.
        from: u32,
    },
    /// Who had a message when, and from whom.
    Spread {
        /// Which.
        message: u32,
    },
    /// Figures and plots.
    Figures {},
}

/// What it is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "seen", content = "value", rename_all = "snake_case")]
pub enum Seen {
    /// To [`Look::About`].
    About(Box<About>),
    /// To [`Look::Frame`].
    Frame(Frame),
    /// To [`Look::Changes`].
    Changes(Changes),
    /// To [`Look::Person`].
    Person(Person),
    /// To [`Look::Messages`].
    Messages(Messages),
    /// To [`Look::Spread`].
    Spread(Spread),
    /// To [`Look::Figures`].
    Figures(Figures),
}

/// What a recording is of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct About {
    /// Its name.
    pub title: String,
    /// What it shows, where that is known.
    pub shows: Option<String>,
    /// What it was made with, in words: fidelity and seed.
    pub made: String,
    /// How long it was to last.
    pub duration_ms: u64,
    /// When it ended; earlier if it was interrupted.
    pub end_ms: u64,
    /// What happened, counted.
    pub records: u64,
    /// The hash of all of it.
    pub trace: String,
    /// Everybody.
    pub people: u32,
    /// On the map are those whose number is a multiple of this.
    pub drawn_every: u32,
    /// Names and sizes, in the order of numbers.
    pub groups: Vec<(String, u32)>,
    /// Names and numbers of members.
    pub channels: Vec<(String, u32)>,
    /// Messages that were written.
    pub messages: u32,
    /// Copies that came to somebody who had none.
    pub copies: u64,
    /// Messages read by a member for the first time.
    pub delivered: u64,
    /// Both ends, and the loss in decibels.
    pub walls: Vec<(i32, i32, i32, i32, f64)>,
}

/// Everything that is drawn, at a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frame {
    /// The time.
    pub at_ms: u64,
    /// Who is there.
    pub people: Vec<Dot>,
    /// Links between these.
    pub links: Vec<Wire>,
    /// Of all, drawn or not.
    pub totals: Totals,
}

/// Counts over everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// People who have come.
    pub here: u32,
    /// Phones that are on.
    pub on: u32,
    /// Links: radio, local network, Internet.
    pub links: [u32; 3],
    /// Messages written.
    pub said: u32,
}

/// A phone's state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phone {
    /// Not there yet.
    #[default]
    Away,
    /// On.
    On,
    /// Put to sleep.
    Asleep,
    /// Its battery is empty.
    Empty,
    /// It crashed.
    Crashed,
}

/// Somebody on a straight way, or standing where it ends. Sent as an array, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "(u32, i32, i32, u64, i32, i32, u64, Phone, bool)")]
pub struct Dot {
    /// Who.
    pub who: u32,
    /// Where the way began, eastward and northward.
    pub from: (i32, i32),
    /// When.
    pub departs_ms: u64,
    /// Where it ends.
    pub to: (i32, i32),
    /// When.
    pub arrives_ms: u64,
    /// Its phone.
    pub phone: Phone,
    /// Whether it has the Internet.
    pub internet: bool,
}

impl From<Dot> for (u32, i32, i32, u64, i32, i32, u64, Phone, bool) {
    fn from(dot: Dot) -> Self {
        let ((x, y), (to_x, to_y)) = (dot.from, dot.to);
        (
            dot.who,
            x,
            y,
            dot.departs_ms,
            to_x,
            to_y,
            dot.arrives_ms,
            dot.phone,
            dot.internet,
        )
    }
}

/// Over what a link runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Bluetooth.
    Ble,
    /// A local network.
    Lan,
    /// The Internet.
    Internet,
}

/// A link: its ends, over what, and the signal in dBm where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Wire(pub u32, pub u32, pub Medium, pub Option<i16>);

/// What happened in a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changes {
    /// Up to when all of it is in `changes`; the rest is asked for from there.
    pub to_ms: u64,
    /// In order.
    pub changes: Vec<Change>,
    /// Counts at `to_ms`.
    pub totals: Totals,
    /// Too much happened at one instant to be told: look at the frame at `to_ms`.
    pub skipped: bool,
}

/// One thing that changes the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When.
    #[serde(rename = "t")]
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Somebody is now like this.
    Dot(Dot),
    /// A link is there.
    Up(Wire),
    /// It is gone.
    Down(Wire),
    /// Somebody wrote a message: who, and which.
    Said(u32, u32),
}

/// The messages of a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Person {
    /// Who.
    pub who: u32,
    /// Messages that it ever had, in the order in which it had them; the first [`MAX_ROWS`].
    pub messages: Vec<Had>,
    /// How many there are in all.
    pub had: u32,
    /// Joules that its radio had taken by then: points of a curve.
    pub joules: Vec<(u64, f64)>,
}

/// A message that somebody had: which, since when, from whom (itself: it wrote it; `None`: not known), and when it
/// read it, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Had(pub u32, pub u64, pub Option<u32>, pub Option<u64>);

/// Messages in the order of writing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Messages {
    /// Some of them.
    pub messages: Vec<Written>,
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Its number.
    pub message: u32,
    /// Who wrote it.
    pub author: u32,
    /// Where.
    pub channel: u32,
    /// When.
    pub said_ms: u64,
    /// Length of the text.
    pub bytes: u32,
    /// Others who ever had a copy, strangers included.
    pub holders: u32,
    /// Members who read it.
    pub delivered: u32,
}

/// Who had a message when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// The message.
    pub written: Written,
    /// Members of its channel beside the author.
    pub members: u32,
    /// Copies that came, those that came again included.
    pub copies: u32,
    /// Others in the order in which they had it; the first [`MAX_ROWS`].
    pub reached: Vec<Reached>,
    /// After each of some times: how many others had it, and how many members had read it.
    pub curve: Vec<(u64, u32, u32)>,
    /// After how long half, nine in ten, and all of the members who ever read it had read it.
    pub within_ms: Option<[u64; 3]>,
}

/// Somebody had a copy: who, when, from whom where that is known, from how many it can have come, and when it read
/// it, if it is a member and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reached(pub u32, pub u64, pub Option<u32>, pub u32, pub Option<u64>);

/// Figures of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Whether all that was demanded was met; `None` where that is not known.
    pub met: Option<bool>,
    /// Names and values, in words.
    pub rows: Vec<(String, String)>,
    /// What was demanded, in words, and whether it was met.
    pub verdicts: Vec<(String, bool)>,
    /// Curves.
    pub plots: Vec<Plot>,
    /// Why there are no more of these, where there could be.
    pub lacks: Option<String>,
}

/// One pair of axes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plot {
    /// What is shown.
    pub title: String,
    /// Along: in words, or nothing where it is the time of the run in milliseconds.
    pub x: Option<String>,
    /// Upwards.
    pub y: String,
    /// The least that the upper end is.
    pub y_top: f64,
    /// Its curves.
    pub series: Vec<Series>,
    /// Columns with these names, instead of curves: one for each point of the first series.
    pub columns: Vec<String>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// Its name; nothing for a single one.
    pub name: String,
    /// Its points, ascending along x; at most [`MAX_POINTS`].
    pub points: Vec<(f64, f64)>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn questions_are_typed_and_answers_are_short() {
        let look = |value| serde_json::from_value::<Look>(value);
        let frame = look(json!({ "look": "frame", "at_ms": 7 })).unwrap();
        assert_eq!(
            frame,
            Look::Frame {
                at_ms: 7,
                person: None
            }
        );
        assert_eq!(look(json!({ "look": "about" })).unwrap(), Look::About {});
        for wrong in [
            json!({ "look": "frame" }),
            json!({ "look": "frame", "at_ms": -1 }),
            json!({ "look": "frame", "at_ms": 1, "x": 1 }),
            json!({ "look": "about", "x": 1 }),
            json!({ "command": "status" }),
        ] {
            assert!(look(wrong.clone()).is_err(), "{wrong}");
        }
        let dot = Dot {
            who: 1,
            from: (2, 3),
            departs_ms: 4,
            to: (5, 6),
            arrives_ms: 7,
            phone: Phone::On,
            internet: false,
        };
        let change = Change {
            at_ms: 4,
            what: What::Dot(dot),
        };
        assert_eq!(
            serde_json::to_string(&change).unwrap(),
            r#"{"t":4,"dot":[1,2,3,4,5,6,7,"on",false]}"#
        );
        let change = Change {
            at_ms: 9,
            what: What::Up(Wire(1, 2, Medium::Ble, Some(-70))),
        };
        assert_eq!(
            serde_json::to_string(&change).unwrap(),
            r#"{"t":9,"up":[1,2,"ble",-70]}"#
        );
    }
}
