//! A recording to be played in the dashboard (SIM-2): read through once, checked, and then answered from by place in
//! the file, so that a day of a city takes no more memory than an hour of a village.

mod figures;
mod follow;
mod index;
mod look;
mod state;

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sovereign_dashboard::play::{About, Look, MAX_MESSAGES, MAX_NAMES, Messages, Playable, Seen};
use sovereign_node::api::{ApiError, ErrorKind};

use self::index::{Bounds, Index, MOST_MESSAGES, Mark};
use crate::record::{RecordingError, decimetres};
use crate::scenario::Scenario;

/// Longest name that is told, in characters.
const MAX_NAME: usize = 100;

/// Why a recording cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// It cannot be read, or is not in order.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// It holds more messages than can be shown.
    #[error("the recording has more than {MOST_MESSAGES} messages: that is too many to show")]
    Messages,
    /// It is not what it was when it was opened.
    #[error("the recording was changed while it was being shown")]
    Changed,
}

impl From<std::io::Error> for ViewError {
    fn from(error: std::io::Error) -> Self {
        Self::Recording(error.into())
    }
}

/// A recording that is in order, cheap to clone.
#[derive(Debug, Clone)]
pub struct Recording(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    index: Index,
    about: About,
    reading: Mutex<Reading>,
}

/// Questions are answered one after another: they share the file's place.
#[derive(Debug)]
struct Reading {
    file: File,
    /// Where the last answer about the map ended.
    last: Option<Mark>,
}

impl Recording {
    /// Reads it through. With the scenario that it was made from, there are a report and walls to show.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn open(path: &Path, scenario: Option<&Scenario>) -> Result<Self, ViewError> {
        let mut file = File::open(path)?;
        let index = index::index(&mut file, scenario, Bounds::default())?;
        let scenario = scenario.filter(|_| index.report.is_some());
        Ok(Self(Arc::new(Inner {
            about: about(&index, scenario),
            index,
            reading: Mutex::new(Reading { file, last: None }),
        })))
    }

    /// What it is of.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.0.about
    }

    /// Answers; it reads the file and takes its time.
    ///
    /// # Errors
    /// [`ApiError`] for somebody or something that is not there, and when the file was changed.
    pub fn answer(&self, look: Look) -> Result<Seen, ApiError> {
        let Inner { index, about, .. } = &*self.0;
        let people = index.header.people;
        let there = |who: u32| match who {
            _ if who < people => Ok(who),
            _ => Err(missing("there is no such person")),
        };
        let followed = |person: Option<u32>| person.map(there).transpose();
        let mut reading = self.lock();
        let Reading { file, last } = &mut *reading;
        let seen = match look {
            Look::About {} => Ok(Seen::About(Box::new(about.clone()))),
            Look::Frame { at_ms, person } => {
                look::frame(file, index, last, at_ms, followed(person)?).map(Seen::Frame)
            }
            Look::Changes {
                from_ms,
                to_ms,
                person,
            } => {
                let times = (from_ms, to_ms);
                look::changes(file, index, last, times, followed(person)?).map(Seen::Changes)
            }
            Look::Person { who } => follow::person(file, index, there(who)?).map(Seen::Person),
            Look::Messages { from } => {
                let messages = index.messages.iter().skip(from as usize);
                let messages = messages.take(MAX_MESSAGES).map(|it| it.written);
                Ok(Seen::Messages(Messages {
                    messages: messages.collect(),
                }))
            }
            Look::Spread { message } => {
                let message = index.messages.get(message as usize);
                let message = message.ok_or_else(|| missing("there is no such message"))?;
                follow::spread(file, index, message).map(Seen::Spread)
            }
            Look::Figures {} => Ok(Seen::Figures(figures::figures(index))),
        };
        seen.map_err(|error| {
            let hint = "end this program and open the recording again";
            ApiError::new(ErrorKind::BadFile, error.to_string(), hint)
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Reading> {
        // Whatever was being read is begun anew with each question.
        self.0
            .reading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Playable for Recording {
    async fn look(&self, look: Look) -> Result<Seen, ApiError> {
        let recording = self.clone();
        // Reading a file must not hold up the pages of others.
        tokio::task::spawn_blocking(move || recording.answer(look))
            .await
            .unwrap_or_else(|_| {
                let message = "the recording could not be looked at";
                let hint = "please report this";
                Err(ApiError::new(ErrorKind::Internal, message, hint))
            })
    }
}

fn missing(message: &str) -> ApiError {
    ApiError::new(ErrorKind::NotFound, message, "reload the page")
}

fn about(index: &Index, scenario: Option<&Scenario>) -> About {
    let (header, footer) = (&index.header, &index.footer);
    let walls = scenario.map(|scenario| scenario.radio.walls());
    let wall = |wall: crate::radio::Wall| {
        let place = |metres| decimetres(metres);
        (
            place(wall.from.x),
            place(wall.from.y),
            place(wall.to.x),
            place(wall.to.y),
            wall.loss_db,
        )
    };
    let nodes = match &*header.fidelity {
        "full" => "whole nodes",
        _ => "policy nodes",
    };
    let few = |all: &[(String, u32)]| -> Vec<(String, u32)> {
        let all = all.iter().take(MAX_NAMES);
        all.map(|(name, size)| (short(name), *size)).collect()
    };
    About {
        title: short(&header.scenario),
        shows: scenario.map(|scenario| scenario.shows.clone()),
        made: format!("{nodes}, seed {}", header.seed),
        duration_ms: header.duration_ms,
        end_ms: footer.end_ms,
        records: footer.records,
        trace: footer.trace.clone(),
        people: header.people,
        drawn_every: look::drawn_every(header.people),
        groups: few(&header.groups),
        channels: few(&header.channels),
        messages: u32::try_from(index.messages.len()).unwrap_or(u32::MAX),
        copies: index
            .messages
            .iter()
            .map(|it| u64::from(it.written.holders))
            .sum(),
        delivered: index
            .messages
            .iter()
            .map(|it| u64::from(it.written.delivered))
            .sum(),
        walls: walls
            .into_iter()
            .flatten()
            .take(MAX_NAMES)
            .map(wall)
            .collect(),
    }
}

/// A name as it is told: nobody has checked how long a recording's are.
fn short(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests;
