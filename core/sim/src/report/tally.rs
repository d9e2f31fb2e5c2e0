//! Counts while records pass by, so that a run need not be kept.

use std::collections::BTreeMap;
use std::io;

use super::{Report, figures};
use crate::record::{Medium, Record, Sink, Spent, What};
use crate::scenario::Scenario;
use crate::world::{Channel, Person, World};

/// A message and what became of it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) channel: u32,
    pub(super) author: u32,
    pub(super) said_ms: u64,
    /// Who read it and when.
    pub(super) read: Vec<(u32, u64)>,
    /// Copies that came to somebody, and to how many different ones.
    pub(super) copies: u64,
    pub(super) holders: u64,
}

/// A [`Sink`] that makes a [`Report`].
#[derive(Debug)]
pub struct Tally {
    pub(super) scenario: Scenario,
    pub(super) seed: u64,
    pub(super) people: Vec<Person>,
    pub(super) channels: Vec<Channel>,
    pub(super) messages: Vec<Message>,
    pub(super) refused: u64,
    pub(super) acknowledged: u64,
    /// When each phone went off for the last time, while it is.
    pub(super) off_ms: Vec<Option<u64>>,
    /// Links that stand, by medium, and how many there were after each minute.
    standing: [u64; 3],
    pub(super) links_made: [u64; 3],
    pub(super) links_by_minute: Vec<[u64; 3]>,
    on: u64,
    pub(super) on_by_minute: Vec<u64>,
    pub(super) spent: BTreeMap<usize, Spent>,
    pub(super) end_ms: u64,
}

impl Tally {
    /// For a run of this scenario with this seed.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let world = World::new(scenario, seed);
        Self {
            scenario: scenario.clone(),
            seed,
            people: world.people().to_vec(),
            channels: world.channels().to_vec(),
            messages: Vec::new(),
            refused: 0,
            acknowledged: 0,
            off_ms: vec![None; world.people().len()],
            standing: [0; 3],
            links_made: [0; 3],
            links_by_minute: Vec::new(),
            on: 0,
            on_by_minute: Vec::new(),
            spent: BTreeMap::new(),
            end_ms: 0,
        }
    }

    /// The report of what has passed, ended at this time.
    #[must_use]
    pub fn report(mut self, end_ms: u64) -> Report {
        self.until(end_ms);
        self.end_ms = end_ms;
        figures::report(&self)
    }

    /// Notes the state after each minute that is over.
    fn until(&mut self, at_ms: u64) {
        while (self.links_by_minute.len() as u64 + 1) * 60_000 <= at_ms {
            self.links_by_minute.push(self.standing);
            self.on_by_minute.push(self.on);
        }
    }

    fn count(&mut self, record: &Record) {
        self.until(record.at_ms);
        let who = record.who;
        match &record.what {
            What::On => {
                self.on += 1;
                self.off_ms[who as usize] = None;
            }
            What::Off { .. } => {
                self.on = self.on.saturating_sub(1);
                self.off_ms[who as usize] = Some(record.at_ms);
            }
            What::LinkUp { medium, .. } => {
                self.standing[place(*medium)] += 1;
                self.links_made[place(*medium)] += 1;
            }
            What::LinkDown { medium, .. } => {
                let standing = &mut self.standing[place(*medium)];
                *standing = standing.saturating_sub(1);
            }
            What::Said { channel, .. } => self.messages.push(Message {
                channel: *channel,
                author: who,
                said_ms: record.at_ms,
                read: Vec::new(),
                copies: 0,
                holders: 0,
            }),
            What::Refused { .. } => self.refused += 1,
            What::Copy { message, again, .. } => {
                if let Some(message) = self.messages.get_mut(*message as usize) {
                    message.copies += 1;
                    message.holders += u64::from(!again);
                }
            }
            What::Delivered { message } => {
                if let Some(message) = self.messages.get_mut(*message as usize) {
                    message.read.push((who, record.at_ms));
                }
            }
            What::Acknowledged { .. } => self.acknowledged += 1,
            What::Spent(spent) => {
                let profile = self.people[who as usize].profile as usize;
                add(self.spent.entry(profile).or_default(), spent);
            }
            What::Placed { .. } | What::Walks { .. } | What::Internet { .. } | What::Lan { .. } => {
            }
        }
    }
}

impl Sink for Tally {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        if record.who as usize >= self.people.len() {
            return Err(io::Error::other("the record is of another scenario"));
        }
        self.count(record);
        Ok(())
    }
}

/// Both take each record.
#[derive(Debug)]
pub struct Both<'a, A, B>(pub &'a mut A, pub &'a mut B);

impl<A: Sink, B: Sink> Sink for Both<'_, A, B> {
    fn take(&mut self, record: &Record) -> io::Result<()> {
        self.0.take(record)?;
        self.1.take(record)
    }
}

fn place(medium: Medium) -> usize {
    match medium {
        Medium::Ble => 0,
        Medium::Lan => 1,
        Medium::Internet => 2,
    }
}

fn add(to: &mut Spent, spent: &Spent) {
    to.on_ms += spent.on_ms;
    for (to, more) in to.profile_ms.iter_mut().zip(spent.profile_ms) {
        *to += more;
    }
    to.scan_ms += spent.scan_ms;
    to.dial_ms += spent.dial_ms;
    to.adverts += spent.adverts;
    to.link_ms += spent.link_ms;
    to.links += spent.links;
    to.dials += spent.dials;
    to.sent += spent.sent;
    to.sent_bytes += spent.sent_bytes;
    to.received_bytes += spent.received_bytes;
    to.wide_sent_bytes += spent.wide_sent_bytes;
    to.wide_received_bytes += spent.wide_received_bytes;
    to.copies_again += spent.copies_again;
}
