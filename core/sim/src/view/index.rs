//! A recording, read through once: what is wrong with it is found here, and where to look later.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use sovereign_dashboard::play::Written;

use super::{ViewError, state::State};
use crate::record::{Footer, Header, Reader, Record, Sink as _, What};
use crate::report::{Report, Tally};
use crate::scenario::Scenario;
use crate::world::World;

/// Records between two kept states at first.
const APART: u64 = 4_096;
/// Messages of a recording that can be shown at most; each takes some tens of bytes.
pub(super) const MOST_MESSAGES: usize = 1 << 20;

/// What an index may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Memory of all kept states together, in bytes: beyond, every other one is dropped.
    pub(super) states: usize,
    /// Messages; with more, the recording is refused.
    pub(super) messages: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            states: 64 << 20,
            messages: MOST_MESSAGES,
        }
    }
}

/// Where to begin reading for a time.
#[derive(Debug)]
pub(super) struct Mark {
    /// Of the last record that the state has seen.
    pub(super) at_ms: u64,
    /// Of the line after it.
    pub(super) offset: u64,
    pub(super) state: State,
}

/// A message, and where in the file it is spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) written: Written,
    /// From the line after the one that says it was written, …
    pub(super) from: u64,
    /// … up to here nothing else has to be read.
    pub(super) to: u64,
    pub(super) copies: u32,
}

/// What is known of a recording without reading it again.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) header: Header,
    pub(super) footer: Footer,
    pub(super) marks: Vec<Mark>,
    pub(super) messages: Vec<Message>,
    /// After each minute: links by medium, phones that are on, deliveries so far, messages so far.
    pub(super) minutes: Vec<Minute>,
    /// Offset of the line after the header, and of the footer.
    pub(super) body: (u64, u64),
    pub(super) report: Option<Report>,
}

/// Counts at the end of a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Minute {
    pub(super) links: [u32; 3],
    pub(super) on: u32,
    pub(super) delivered: u64,
}

/// Reads all of it. With the scenario that it was made from there is a report as well, and none with another one.
pub(super) fn index(
    file: impl Read + Seek,
    scenario: Option<&Scenario>,
    bounds: Bounds,
) -> Result<Index, ViewError> {
    let mut reader = Reader::new(BufReader::new(file))?;
    let header = reader.header().clone();
    let mut tally = scenario
        .filter(|scenario| {
            Header::of(scenario, &World::new(scenario, header.seed), header.seed) == header
        })
        .map(|scenario| Tally::new(scenario, header.seed));
    let body = reader.offset();
    let mut pass = Pass {
        bounds,
        apart: APART,
        since: 0,
        state: State::new(&header),
        marks: Vec::new(),
        messages: Vec::new(),
        minutes: Vec::new(),
        delivered: 0,
    };
    pass.keep(0, body);
    let mut end = body;
    while let Some(record) = reader.next() {
        let record = record?;
        if let Some(tally) = &mut tally {
            tally.take(&record)?;
        }
        end = reader.offset();
        pass.take(&record, end)?;
    }
    let footer = reader.footer().cloned().ok_or(ViewError::Changed)?;
    pass.until(footer.end_ms);
    Ok(Index {
        report: tally.map(|tally| tally.report(footer.end_ms)),
        header,
        footer,
        marks: pass.marks,
        messages: pass.messages,
        minutes: pass.minutes,
        body: (body, end),
    })
}

struct Pass {
    bounds: Bounds,
    apart: u64,
    since: u64,
    state: State,
    marks: Vec<Mark>,
    messages: Vec<Message>,
    minutes: Vec<Minute>,
    delivered: u64,
}

impl Pass {
    fn take(&mut self, record: &Record, offset: u64) -> Result<(), ViewError> {
        self.until(record.at_ms);
        let _ = self.state.take(record);
        self.count(record, offset)?;
        self.since += 1;
        if self.since >= self.apart {
            self.keep(record.at_ms, offset);
        }
        Ok(())
    }

    fn count(&mut self, record: &Record, offset: u64) -> Result<(), ViewError> {
        match record.what {
            What::Said {
                message,
                channel,
                bytes,
            } => {
                if self.messages.len() >= self.bounds.messages {
                    return Err(ViewError::Messages);
                }
                let written = Written {
                    message,
                    author: record.who,
                    channel,
                    said_ms: record.at_ms,
                    bytes,
                    holders: 0,
                    delivered: 0,
                };
                self.messages.push(Message {
                    written,
                    from: offset,
                    to: offset,
                    copies: 0,
                });
            }
            What::Copy { message, again, .. } => {
                let message = &mut self.messages[message as usize];
                message.copies += 1;
                message.to = offset;
                // Whoever wrote it has had it all along.
                let first = !again && record.who != message.written.author;
                message.written.holders += u32::from(first);
            }
            What::Delivered { message } => {
                self.delivered += 1;
                let message = &mut self.messages[message as usize];
                message.to = offset;
                message.written.delivered += 1;
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes the counts after each minute that is over.
    fn until(&mut self, at_ms: u64) {
        // The reader lets no time pass that is later than any scenario lasts; a footer's is not checked.
        let most = 60 * 24 * 31;
        while (self.minutes.len() as u64 + 1) * 60_000 <= at_ms && self.minutes.len() < most {
            let totals = self.state.totals();
            self.minutes.push(Minute {
                links: totals.links,
                on: totals.on,
                delivered: self.delivered,
            });
        }
    }

    /// Keeps the state; when there is no room, every other one goes, and from now on they are twice as far apart.
    fn keep(&mut self, at_ms: u64, offset: u64) {
        self.since = 0;
        self.marks.push(Mark {
            at_ms,
            offset,
            state: self.state.clone(),
        });
        let size = |marks: &[Mark]| marks.iter().map(|mark| mark.state.size()).sum::<usize>();
        while self.marks.len() > 1 && size(&self.marks) > self.bounds.states {
            let mut number = 0;
            self.marks.retain(|_| {
                number += 1;
                number % 2 == 1
            });
            self.apart = self.apart.saturating_mul(2);
        }
    }
}

impl Index {
    /// Where to begin for a time: every record of it and before that is not in the state comes after the offset.
    pub(super) fn mark(&self, at_ms: u64) -> &Mark {
        let later = self.marks.partition_point(|mark| mark.at_ms <= at_ms);
        // The first is of time 0.
        &self.marks[later.max(1) - 1]
    }
}

/// Records from one offset up to another, of a file that was indexed.
pub(super) struct Lines<R> {
    from: BufReader<R>,
    to: u64,
    left: u64,
    people: u32,
    messages: usize,
    buffer: Vec<u8>,
}

impl<R: Read + Seek> Lines<R> {
    pub(super) fn new(mut file: R, index: &Index, from: u64, to: u64) -> Result<Self, ViewError> {
        file.seek(SeekFrom::Start(from))?;
        Ok(Self {
            from: BufReader::with_capacity(256 << 10, file),
            to,
            left: to.saturating_sub(from),
            people: index.header.people,
            messages: index.messages.len(),
            buffer: Vec::new(),
        })
    }

    /// The next one whose line may be about what is wanted; lines are looked at as they are written before they are
    /// understood, as that is ten times as fast.
    pub(super) fn next_where(
        &mut self,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Record>, ViewError> {
        while self.left > 0 {
            self.buffer.clear();
            let most = self.left.min(crate::record::MAX_LINE);
            let read = self.from.by_ref().take(most);
            let length = { read }.read_until(b'\n', &mut self.buffer)? as u64;
            if length == 0 || self.buffer.last() != Some(&b'\n') {
                return Err(ViewError::Changed);
            }
            self.left -= length;
            if wanted(&self.buffer) {
                return self.understood().map(Some);
            }
        }
        Ok(None)
    }

    /// Where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.to - self.left
    }

    pub(super) fn next(&mut self) -> Result<Option<Record>, ViewError> {
        self.next_where(|_| true)
    }

    /// The file was in order when it was indexed; it may have been written to since.
    fn understood(&self) -> Result<Record, ViewError> {
        let record: Record =
            serde_json::from_slice(&self.buffer).map_err(|_| ViewError::Changed)?;
        let (other, message) = match &record.what {
            What::LinkUp { with, .. } | What::LinkDown { with, .. } => (*with, None),
            What::Copy { from, message, .. } => (*from, Some(*message)),
            What::Said { message, .. } | What::Delivered { message } => (0, Some(*message)),
            _ => (0, None),
        };
        let known = record.who < self.people
            && other < self.people
            && message.is_none_or(|message| (message as usize) < self.messages);
        known.then_some(record).ok_or(ViewError::Changed)
    }
}
