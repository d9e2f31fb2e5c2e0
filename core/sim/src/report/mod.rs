//! What a run has shown (SIM-2, SIM-5): figures, verdicts, and how they are written down.

pub mod energy;
mod figures;
mod page;
pub mod plot;
mod table;
mod tally;

use serde::Serialize;

pub use self::tally::{Both, Tally};
use crate::record::Record;
use crate::scenario::Scenario;

/// Figures of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The scenario's name.
    pub scenario: String,
    /// What it shows.
    pub shows: String,
    /// The seed.
    pub seed: u64,
    /// People.
    pub people: u64,
    /// When the run ended, in milliseconds.
    pub end_ms: u64,
    /// Whether it ran to the end.
    pub complete: bool,
    /// Messages written.
    pub said: u64,
    /// Messages that could not be written.
    pub refused: u64,
    /// Messages whose author learned that a member has them.
    pub acknowledged: u64,
    /// Deliveries that are due (docs/scenarios.md).
    pub due: u64,
    /// Of these, made.
    pub made: u64,
    /// The share.
    pub delivery: f64,
    /// How long the due deliveries took.
    pub delay: Delay,
    /// Copies of a message that came to a phone that has it, in the mean.
    pub copies: Option<f64>,
    /// Copies sent of a message, in the mean: transmissions.
    pub transmissions: Option<f64>,
    /// Links that came up: radio, local network, Internet.
    pub links_made: [u64; 3],
    /// Links that came up at a phone in an hour that it was on, over any medium, in the mean.
    pub links_per_hour: Option<f64>,
    /// Tries of a phone to set one up over the radio in an hour that it was on, in the mean.
    pub dials_per_hour: Option<f64>,
    /// Joules that a phone's radio took in an hour that it was on, in the mean.
    pub joules_per_hour: Option<f64>,
    /// By the profile of the phones.
    pub modes: Vec<Mode>,
    /// Delays of the deliveries made, ascending, thinned evenly.
    pub delays_ms: Vec<u64>,
    /// After each minute: of what was due by then, the share made.
    pub delivery_by_minute: Vec<f64>,
    /// For each message: copies for each phone that has it.
    pub copies_by_message: Vec<f64>,
    /// After each minute: links of a phone that is on, in the mean.
    pub links_by_minute: Vec<f64>,
    /// What was demanded, and whether it was met.
    pub verdicts: Vec<Verdict>,
}

/// Quantiles over all due deliveries; `None` where it is one that was never made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Delay {
    /// Half of them.
    pub median_ms: Option<u64>,
    /// 95 in a hundred.
    pub p95_ms: Option<u64>,
    /// 99 in a hundred.
    pub p99_ms: Option<u64>,
}

/// Phones of one profile, in the mean, while they are on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mode {
    /// The profile.
    pub profile: &'static str,
    /// Hours of all of them together.
    pub hours: f64,
    /// By what they are spent on, with the first figures of `data/energy.toml`.
    pub joules_per_hour: energy::Joules,
    /// Share of time spent scanning.
    pub scan_share: f64,
    /// Links.
    pub links: f64,
    /// Links that came up in an hour.
    pub links_per_hour: f64,
    /// Frames sent over the radio in an hour.
    pub frames_per_hour: f64,
    /// Bytes sent over the radio in an hour.
    pub sent_bytes_per_hour: f64,
    /// Bytes received over it.
    pub received_bytes_per_hour: f64,
    /// Bytes over local networks and the Internet, both ways.
    pub wide_bytes_per_hour: f64,
}

/// One demand of the scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Of what.
    pub what: &'static str,
    /// In what.
    pub unit: &'static str,
    /// Whether at least so much is demanded, or at most.
    pub least: bool,
    /// How much.
    pub demanded: f64,
    /// What it was; `None`: for ever, or nothing to measure.
    pub measured: Option<f64>,
}

impl Verdict {
    /// In a line of text.
    #[must_use]
    pub fn line(&self) -> String {
        table::line(self)
    }

    /// Whether it is met.
    #[must_use]
    pub fn met(&self) -> bool {
        match self.measured {
            Some(measured) if self.least => measured >= self.demanded,
            Some(measured) => measured <= self.demanded,
            None => false,
        }
    }
}

impl Report {
    /// The curve of delays: seconds, and the share of what was due that was made by then.
    pub(crate) fn delays(&self) -> Vec<(f64, f64)> {
        let count = self.delays_ms.len().max(2) - 1;
        let delays = (0..).map(f64::from).zip(&self.delays_ms);
        let delays = delays.map(|(at, ms)| (*ms as f64 / 1e3, self.delivery * at / count as f64));
        delays.collect()
    }

    /// The curve of copies: messages, those of fewest first, and the copies of each.
    pub(crate) fn copies_sorted(&self) -> Vec<(f64, f64)> {
        let mut copies = self.copies_by_message.clone();
        copies.sort_by(f64::total_cmp);
        (1..).map(f64::from).zip(copies).collect()
    }

    /// The report of a run that was kept, ended at this time in milliseconds.
    ///
    /// # Errors
    /// When a record is of another scenario.
    pub fn of<'a>(
        scenario: &Scenario,
        seed: u64,
        records: impl IntoIterator<Item = &'a Record>,
        end_ms: u64,
    ) -> std::io::Result<Self> {
        use crate::record::Sink as _;
        let mut tally = Tally::new(scenario, seed);
        for record in records {
            tally.take(record)?;
        }
        Ok(tally.report(end_ms))
    }

    /// What was demanded, and whether it was met.
    #[must_use]
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// Whether the run has shown all it had to.
    #[must_use]
    pub fn met(&self) -> bool {
        self.complete && self.verdicts.iter().all(Verdict::met)
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("figures are finite, and keys are text")
    }

    /// Names and values, in words.
    #[must_use]
    pub fn rows(&self) -> Vec<(String, String)> {
        table::rows(self)
    }

    /// As text, in columns.
    #[must_use]
    pub fn table(&self) -> String {
        table::table(self)
    }

    /// The plots as SVG: a file's name and its text.
    #[must_use]
    pub fn plots(&self) -> Vec<(&'static str, String)> {
        page::plots(self)
    }

    /// As one page that needs nothing else.
    #[must_use]
    pub fn html(&self) -> String {
        page::html(self)
    }
}

#[cfg(test)]
mod tests;
