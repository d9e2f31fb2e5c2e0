//! One message through the people, and one person through the messages.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use sovereign_dashboard::play::{Had, MAX_POINTS, MAX_ROWS, Person, Reached, Spread};

use super::ViewError;
use super::figures::thinned;
use super::index::{Index, Lines, Message};
use crate::record::{Record, What};
use crate::report::energy;

/// What became of a message at somebody's.
struct Row {
    at_ms: u64,
    from: Option<u32>,
    /// From how many it can have come.
    among: u32,
    read_ms: Option<u64>,
}

/// Who had a message when.
pub(super) fn spread<R: Read + Seek>(
    file: R,
    index: &Index,
    message: &Message,
) -> Result<Spread, ViewError> {
    let number = message.written.message;
    // Whole nodes do not tell from whom a copy came: it was one of those linked who had it. So links are followed.
    let blind = index.header.fidelity == "full";
    let later = index
        .marks
        .partition_point(|mark| mark.offset <= message.from);
    let mark = &index.marks[later.max(1) - 1];
    let mut state = blind.then(|| mark.state.clone());
    let from = if blind { mark.offset } else { message.from };
    let mut lines = Lines::new(file, index, from, message.to.max(from))?;
    let digits = number.to_string();
    let mut rows: BTreeMap<u32, Row> = BTreeMap::new();
    let author = message.written.author;
    while let Some(record) = lines.next_where(|line| blind || mentions(line, digits.as_bytes()))? {
        if let Some(state) = &mut state {
            let _ = state.take(&record);
        }
        let Record { at_ms, who, what } = record;
        let (from, read) = match what {
            What::Copy {
                message,
                from,
                again: false,
            } if message == number => (Some(from), false),
            What::Delivered { message } if message == number => (None, true),
            _ => continue,
        };
        if who == author {
            continue;
        }
        let known = rows.contains_key(&who);
        let row = rows.entry(who).or_insert(Row {
            at_ms,
            from: from.filter(|from| *from != who),
            among: 1,
            read_ms: None,
        });
        if read {
            row.read_ms.get_or_insert(at_ms);
        }
        if !known && row.from.is_none() {
            let near = state.as_ref().map(|state| state.neighbours(who));
            let mut can = near.unwrap_or_default();
            can.retain(|other| *other == author || rows.contains_key(other));
            if let Some(row) = rows.get_mut(&who) {
                row.among = u32::try_from(can.len()).unwrap_or(u32::MAX);
                row.from = can.pop_first().filter(|_| can.is_empty());
            }
        }
    }
    Ok(told(index, message, rows))
}

fn told(index: &Index, message: &Message, rows: BTreeMap<u32, Row>) -> Spread {
    let mut written = message.written;
    let mut reads: Vec<u64> = rows.values().filter_map(|row| row.read_ms).collect();
    reads.sort_unstable();
    written.holders = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    written.delivered = u32::try_from(reads.len()).unwrap_or(u32::MAX);
    let within = |part: usize| {
        let place = (reads.len() * part).div_ceil(100);
        reads[place.max(1) - 1].saturating_sub(written.said_ms)
    };
    let mut reached: Vec<Reached> = rows
        .into_iter()
        .map(|(who, row)| Reached(who, row.at_ms, row.from, row.among, row.read_ms))
        .collect();
    reached.sort_by_key(|row| (row.1, row.0));
    let mut curve = vec![(written.said_ms, 0, 0)];
    let mut steps: Vec<(u64, bool)> = reached.iter().map(|row| (row.1, false)).collect();
    steps.extend(reads.iter().map(|at| (*at, true)));
    steps.sort_unstable();
    for (at_ms, read) in steps {
        let (_, had, has_read) = curve[curve.len() - 1];
        curve.push((at_ms, had + u32::from(!read), has_read + u32::from(read)));
    }
    let channel = index.header.channels.get(written.channel as usize);
    reached.truncate(MAX_ROWS);
    Spread {
        written,
        members: channel.map_or(0, |(_, members)| members.saturating_sub(1)),
        copies: message.copies,
        within_ms: (!reads.is_empty()).then(|| [within(50), within(90), within(100)]),
        reached,
        curve: thinned(&curve, MAX_POINTS),
    }
}

/// The messages of a person, over the whole run.
pub(super) fn person<R: Read + Seek>(
    file: R,
    index: &Index,
    who: u32,
) -> Result<Person, ViewError> {
    let mut lines = Lines::new(file, index, index.body.0, index.body.1)?;
    let digits = who.to_string();
    let figures = energy::figures(energy::SHIPPED).unwrap_or_default();
    let mut person = Person {
        who,
        messages: Vec::new(),
        had: 0,
        joules: vec![(0, 0.0)],
    };
    let mut places = BTreeMap::new();
    let mut has = |person: &mut Person, message, at_ms, from| {
        places
            .entry(message)
            .or_insert_with(|| {
                person.had += 1;
                if person.messages.len() < MAX_ROWS {
                    person.messages.push(Had(message, at_ms, from, None));
                }
                person.had as usize - 1
            })
            .to_owned()
    };
    while let Some(record) = lines.next_where(|line| mentions(line, digits.as_bytes()))? {
        if record.who != who {
            continue;
        }
        let at_ms = record.at_ms;
        match record.what {
            What::Said { message, .. } => {
                has(&mut person, message, at_ms, Some(who));
            }
            What::Copy {
                message,
                from,
                again: false,
            } => {
                let from = Some(from).filter(|from| *from != who);
                has(&mut person, message, at_ms, from);
            }
            What::Delivered { message } => {
                let place = has(&mut person, message, at_ms, None);
                if let Some(row) = person.messages.get_mut(place) {
                    row.3.get_or_insert(at_ms);
                }
            }
            What::Spent(spent) => {
                let so_far = person.joules.last().map_or(0.0, |(_, joules)| *joules);
                let more = figures.first().map_or(0.0, |it| it.joules(&spent).sum());
                person.joules.push((at_ms, so_far + more));
            }
            _ => {}
        }
    }
    person.joules = thinned(&person.joules, MAX_POINTS);
    Ok(person)
}

/// Whether a number is written in a line, as a number of its own: JSON has one way to write it.
fn mentions(line: &[u8], digits: &[u8]) -> bool {
    let is_digit = |at: Option<usize>| {
        at.and_then(|at| line.get(at))
            .is_some_and(u8::is_ascii_digit)
    };
    line.windows(digits.len()).enumerate().any(|(at, window)| {
        window == digits && !is_digit(at.checked_sub(1)) && !is_digit(Some(at + digits.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_not_found_in_a_longer_one() {
        let line = br#"{"t":112,"p":12,"e":"on"}"#;
        for (digits, found) in [("12", true), ("112", true), ("1", false), ("2", false)] {
            assert_eq!(mentions(line, digits.as_bytes()), found, "{digits}");
        }
        assert!(mentions(b"12", b"12") && !mentions(b"121", b"12") && !mentions(b"", b"1"));
    }
}
