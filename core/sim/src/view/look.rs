//! The map: everything at a time, and what changes after it.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use sovereign_dashboard::play::{
    Change, Changes, Frame, MAX_CHANGES, MAX_DOTS, MAX_WIRES, What, Wire,
};

use super::ViewError;
use super::index::{Index, Lines, Mark};
use super::state::State;

/// Of so many people, every n-th is drawn.
pub(super) fn drawn_every(people: u32) -> u32 {
    people.div_ceil(MAX_DOTS).max(1)
}

/// Who is on the map: every n-th, whoever is followed, and those linked with it.
struct Drawn {
    every: u32,
    person: Option<u32>,
    near: BTreeSet<u32>,
}

impl Drawn {
    fn has(&self, who: u32) -> bool {
        who.is_multiple_of(self.every) || Some(who) == self.person || self.near.contains(&who)
    }

    /// Tells a change if it is on the map.
    fn tell(&mut self, told: &mut Changes, at_ms: u64, what: What, state: &State) {
        let mut say = |what| {
            if told.changes.len() < MAX_CHANGES {
                told.changes.push(Change { at_ms, what });
            } else {
                told.skipped = true;
            }
        };
        match what {
            What::Dot(dot) if !self.has(dot.who) => {}
            What::Said(who, _) if !self.has(who) => {}
            What::Up(wire) => {
                if let Some(dot) = self.meets(wire).and_then(|other| state.dot(other)) {
                    say(What::Dot(dot));
                }
                if self.has(wire.0) && self.has(wire.1) {
                    say(what);
                }
            }
            What::Down(wire) if !(self.has(wire.0) && self.has(wire.1)) => {}
            _ => say(what),
        }
    }

    /// Those linked with whoever is followed are drawn as well; the other end, if it is new.
    fn meets(&mut self, wire: Wire) -> Option<u32> {
        let other = match self.person? {
            person if person == wire.0 => wire.1,
            person if person == wire.1 => wire.0,
            _ => return None,
        };
        (!self.has(other) && self.near.insert(other)).then_some(other)
    }
}

/// Everybody at a time, with what was read last kept for the next question: pages ask onwards.
fn at<R: Read + Seek>(
    file: R,
    index: &Index,
    last: &mut Option<Mark>,
    at_ms: u64,
) -> Result<Mark, ViewError> {
    let mark = index.mark(at_ms);
    let from = match last.take() {
        Some(last) if last.at_ms <= at_ms && last.offset >= mark.offset => last,
        _ => Mark {
            at_ms: mark.at_ms,
            offset: mark.offset,
            state: mark.state.clone(),
        },
    };
    let Mark {
        offset, mut state, ..
    } = from;
    let mut lines = Lines::new(file, index, offset, index.body.1)?;
    let mut offset = offset;
    while let Some(record) = lines.next()? {
        if record.at_ms > at_ms {
            break;
        }
        let _ = state.take(&record);
        offset = lines.offset();
    }
    Ok(Mark {
        at_ms,
        offset,
        state,
    })
}

pub(super) fn frame<R: Read + Seek>(
    file: R,
    index: &Index,
    last: &mut Option<Mark>,
    at_ms: u64,
    person: Option<u32>,
) -> Result<Frame, ViewError> {
    let now = at(file, index, last, at_ms)?;
    let state = &now.state;
    let drawn = Drawn {
        every: drawn_every(index.header.people),
        person,
        near: person.map_or_else(BTreeSet::new, |person| state.neighbours(person)),
    };
    let people = (0..index.header.people)
        .filter(|who| drawn.has(*who))
        .filter_map(|who| state.dot(who))
        .collect();
    let own = |wire: &Wire| person == Some(wire.0) || person == Some(wire.1);
    let shown = |wire: &Wire| drawn.has(wire.0) && drawn.has(wire.1);
    let every = state.wires().filter(shown).count().div_ceil(MAX_WIRES);
    let mut number = 0;
    let mut links: Vec<Wire> = state
        .wires()
        .filter(shown)
        .filter(|wire| {
            number += 1;
            own(wire) || number % every.max(1) == 0
        })
        .collect();
    // The followed person's come besides, and somebody may have very many.
    links.truncate(2 * MAX_WIRES);
    let frame = Frame {
        at_ms,
        people,
        links,
        totals: state.totals(),
    };
    *last = Some(now);
    Ok(frame)
}

pub(super) fn changes<R: Read + Seek>(
    mut file: R,
    index: &Index,
    last: &mut Option<Mark>,
    (from_ms, to_ms): (u64, u64),
    person: Option<u32>,
) -> Result<Changes, ViewError> {
    let Mark {
        offset, mut state, ..
    } = at(&mut file, index, last, from_ms)?;
    let mut drawn = Drawn {
        every: drawn_every(index.header.people),
        person,
        near: person.map_or_else(BTreeSet::new, |person| state.neighbours(person)),
    };
    let mut lines = Lines::new(file, index, offset, index.body.1)?;
    let mut told = Changes {
        to_ms: to_ms.max(from_ms),
        changes: Vec::new(),
        totals: state.totals(),
        skipped: false,
    };
    let (mut offset, mut now_ms) = (offset, from_ms);
    while let Some(record) = lines.next()? {
        if record.at_ms > told.to_ms {
            break;
        }
        if record.at_ms > now_ms {
            // All of the instant before is told; half the room is left for what happens in the next one.
            if told.skipped || told.changes.len() >= MAX_CHANGES / 2 {
                told.to_ms = now_ms;
                break;
            }
            now_ms = record.at_ms;
        }
        if let Some(what) = state.take(&record) {
            drawn.tell(&mut told, record.at_ms, what, &state);
        }
        offset = lines.offset();
    }
    if told.skipped {
        told.changes.clear();
    }
    told.totals = state.totals();
    *last = Some(Mark {
        at_ms: told.to_ms,
        offset,
        state,
    });
    Ok(told)
}
