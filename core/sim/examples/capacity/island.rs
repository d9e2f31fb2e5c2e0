//! The island, and who was told in time.

use std::io;

use sovereign_sim::{
    record::{Record, Sink, What},
    scenario::Scenario,
};

/// Square metres a person.
const ROOM: f64 = 20.0;
/// Until then links have found their places.
const BEFORE_MINUTES: u32 = 5;

/// People on a disc.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Island {
    pub(crate) people: u32,
    /// Channels that they are split into.
    pub(crate) channels: u32,
    /// Texts of one person in an hour, in the mean.
    pub(crate) rate: f64,
    /// For how long they talk.
    pub(crate) talk_minutes: u32,
    /// And are silent afterwards.
    pub(crate) settle_s: u64,
}

impl Island {
    /// # Panics
    /// When it cannot be: nobody, or a rate that no scenario takes.
    pub(crate) fn scenario(&self) -> Scenario {
        let radius = (f64::from(self.people) * ROOM / std::f64::consts::PI).sqrt();
        let every_ms = (3_600_000.0 / self.rate).round().max(1.0) as u64;
        let of = self.people.div_ceil(self.channels.max(1));
        let talk = u64::from(self.talk_minutes);
        // What is said last has so long, and what comes too late is seen to come.
        let duration = (u64::from(BEFORE_MINUTES) + talk) * 60 + 2 * self.settle_s;
        let text = format!(
            r##"
name = "island"
shows = "People on an island talk."
fidelity = "policy"
duration = "{duration} s"
[[group]]
name = "all"
count = {people}
place = {{ disc = {{ centre = [0, 0], radius = {radius:.1} }} }}
over = "1 min"
[[channel]]
name = "talk"
groups = ["all"]
of = {of}
[[traffic]]
group = "all"
channel = "talk"
every = "{every_ms} ms"
bytes = [5, 200]
when = {{ from = "{BEFORE_MINUTES} min", for = "{talk} min" }}
[demand]
delivery = 0.99
settle = "{settle} s"
"##,
            people = self.people,
            settle = self.settle_s,
        );
        Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Counts deliveries made within a limit.
#[derive(Debug)]
pub(crate) struct Punctual {
    within_ms: u64,
    said: Vec<u64>,
    pub(crate) made: u64,
}

impl Punctual {
    pub(crate) fn new(within_ms: u64) -> Self {
        Self {
            within_ms,
            said: Vec::new(),
            made: 0,
        }
    }
}

impl Sink for Punctual {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        match &record.what {
            What::Said { .. } => self.said.push(record.at_ms),
            What::Delivered { message } => {
                let said = self.said.get(*message as usize).copied();
                let in_time = said.is_some_and(|said| record.at_ms <= said + self.within_ms);
                self.made += u64::from(in_time);
            }
            _ => {}
        }
        Ok(())
    }
}
