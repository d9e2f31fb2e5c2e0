//! Everybody at a time: what records change, one after another.

use std::collections::BTreeMap;

use sovereign_dashboard::play::{self, Dot, Phone, Totals, Wire};

use crate::record::{Header, Medium, OffWhy, Record, What};

/// Two ends, the lesser one first, and over what.
type Ends = (u32, u32, Medium);

/// Somebody, on a way or where it ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Person {
    from: (i32, i32),
    departs_ms: u64,
    to: (i32, i32),
    arrives_ms: u64,
    /// Whether anything is known of its place.
    placed: bool,
    phone: Phone,
    internet: bool,
}

impl Person {
    fn position(&self, at_ms: u64) -> (i32, i32) {
        if at_ms >= self.arrives_ms || self.arrives_ms <= self.departs_ms {
            return self.to;
        }
        let whole = i64::try_from(self.arrives_ms - self.departs_ms).unwrap_or(i64::MAX);
        let gone = at_ms.saturating_sub(self.departs_ms);
        let gone = i64::try_from(gone).unwrap_or(i64::MAX).min(whole);
        // A month has fewer than 2^32 milliseconds, and a difference of places fewer than 2^33 decimetres.
        let along = |from: i32, to: i32| {
            let far = i128::from(i64::from(to) - i64::from(from)) * i128::from(gone);
            let at = i128::from(from) + far / i128::from(whole);
            i32::try_from(at).unwrap_or(to)
        };
        (along(self.from.0, self.to.0), along(self.from.1, self.to.1))
    }
}

/// Links of one kind between two: there may be more than one for a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    count: u16,
    dbm: Option<i16>,
}

/// Everybody, and the links between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    people: Vec<Person>,
    links: BTreeMap<Ends, Link>,
    totals: Totals,
}

impl State {
    /// Nobody has come yet.
    pub(super) fn new(header: &Header) -> Self {
        Self {
            people: vec![Person::default(); header.people as usize],
            links: BTreeMap::new(),
            totals: Totals::default(),
        }
    }

    /// About how much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        // A tree's nodes are two thirds full.
        let link = size_of::<(Ends, Link)>() * 3 / 2;
        self.people.len() * size_of::<Person>() + self.links.len() * link
    }

    /// Counts over everybody.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Takes a record; the reader has checked that it is about people of this run. What it changes on the map.
    pub(super) fn take(&mut self, record: &Record) -> Option<play::What> {
        let person = &mut self.people[record.who as usize];
        match &record.what {
            What::Placed { x, y } => {
                self.totals.here += u32::from(!person.placed);
                *person = Person {
                    from: (*x, *y),
                    departs_ms: record.at_ms,
                    to: (*x, *y),
                    arrives_ms: record.at_ms,
                    placed: true,
                    ..*person
                };
            }
            What::Walks { x, y, until } => {
                person.from = person.position(record.at_ms);
                person.departs_ms = record.at_ms;
                person.to = (*x, *y);
                person.arrives_ms = (*until).max(record.at_ms);
            }
            What::On => {
                self.totals.on += u32::from(person.phone != Phone::On);
                person.phone = Phone::On;
            }
            What::Off { why } => {
                self.totals.on -= u32::from(person.phone == Phone::On);
                person.phone = match why {
                    OffWhy::Sleep => Phone::Asleep,
                    OffWhy::Empty => Phone::Empty,
                    OffWhy::Crash => Phone::Crashed,
                };
            }
            What::Internet { on } => person.internet = *on,
            What::LinkUp { with, medium, dbm } => {
                return self.join(record.who, *with, *medium, *dbm);
            }
            What::LinkDown { with, medium } => return self.cut(record.who, *with, *medium),
            What::Said { message, .. } => {
                self.totals.said += 1;
                return Some(play::What::Said(record.who, *message));
            }
            What::Lan { .. }
            | What::Refused { .. }
            | What::Copy { .. }
            | What::Delivered { .. }
            | What::Acknowledged { .. }
            | What::Spent(_) => return None,
        }
        self.dot(record.who).map(play::What::Dot)
    }

    fn join(&mut self, one: u32, other: u32, over: Medium, dbm: Option<i16>) -> Option<play::What> {
        let ends = ends(one, other, over);
        let link = self.links.entry(ends).or_insert(Link { count: 0, dbm });
        link.count = link.count.saturating_add(1);
        link.dbm = dbm;
        self.totals.links[over as usize] += 1;
        let wire = Wire(ends.0, ends.1, medium(over), dbm);
        (link.count == 1).then_some(play::What::Up(wire))
    }

    fn cut(&mut self, one: u32, other: u32, over: Medium) -> Option<play::What> {
        let ends = ends(one, other, over);
        let link = self.links.get_mut(&ends)?;
        self.totals.links[over as usize] -= 1;
        link.count -= 1;
        if link.count > 0 {
            return None;
        }
        self.links.remove(&ends);
        let wire = Wire(ends.0, ends.1, medium(over), None);
        Some(play::What::Down(wire))
    }

    /// How somebody is drawn, once it has come.
    pub(super) fn dot(&self, who: u32) -> Option<Dot> {
        let person = self.people.get(who as usize)?;
        person.placed.then_some(Dot {
            who,
            from: person.from,
            departs_ms: person.departs_ms,
            to: person.to,
            arrives_ms: person.arrives_ms,
            phone: person.phone,
            internet: person.internet,
        })
    }

    /// All links.
    pub(super) fn wires(&self) -> impl Iterator<Item = Wire> {
        let wire =
            |(&(one, other, over), link): (&Ends, &Link)| Wire(one, other, medium(over), link.dbm);
        self.links.iter().map(wire)
    }

    /// Those linked with somebody, each once; it looks at all links.
    pub(super) fn neighbours(&self, who: u32) -> std::collections::BTreeSet<u32> {
        let links = self.links.keys();
        links
            .filter_map(|&(one, other, _)| match who {
                _ if who == one => Some(other),
                _ if who == other => Some(one),
                _ => None,
            })
            .collect()
    }
}

/// As the page names it.
pub(super) fn medium(medium: Medium) -> sovereign_dashboard::play::Medium {
    use sovereign_dashboard::play::Medium as Shown;
    match medium {
        Medium::Ble => Shown::Ble,
        Medium::Lan => Shown::Lan,
        Medium::Internet => Shown::Internet,
    }
}

fn ends(one: u32, other: u32, medium: Medium) -> Ends {
    (one.min(other), one.max(other), medium)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(records: &[(u64, u32, What)]) -> State {
        let header = crate::view::tests::header();
        let mut state = State::new(&header);
        for (at_ms, who, what) in records.iter().cloned() {
            state.take(&Record { at_ms, who, what });
        }
        state
    }

    #[test]
    fn people_walk_and_turn_round_on_the_way() {
        let way = |x, until| What::Walks { x, y: 0, until };
        let placed = (0, 0, What::Placed { x: -100, y: 0 });
        let half = state(&[
            placed.clone(),
            (1_000, 0, way(100, 3_000)),
            (2_000, 0, way(-100, 2_000)),
        ]);
        let dot = half.dot(0).unwrap();
        assert_eq!((dot.from, dot.to), ((0, 0), (-100, 0)));
        // A way that takes no time, and one said to end before it began.
        assert_eq!((dot.departs_ms, dot.arrives_ms), (2_000, 2_000));
        let back = state(&[placed, (1_000, 0, way(i32::MAX, 3_000))]);
        assert_eq!(back.people[0].position(1_000), (-100, 0));
        assert_eq!(back.people[0].position(2_000).0, (i32::MAX - 100) / 2);
        assert_eq!(back.people[0].position(3_000).0, i32::MAX);
        assert_eq!(back.dot(1), None);
        assert_eq!(back.dot(9), None);
    }

    #[test]
    fn links_are_counted_from_whichever_end() {
        let up = |with, medium| What::LinkUp {
            with,
            medium,
            dbm: Some(-60),
        };
        let down = |with, medium| What::LinkDown { with, medium };
        let (ble, lan) = (Medium::Ble, Medium::Lan);
        let mut records = vec![
            (1, 0, up(1, ble)),
            (1, 1, up(0, ble)),
            (1, 2, up(0, lan)),
            (2, 0, down(1, ble)),
        ];
        let both = state(&records);
        assert_eq!(both.totals().links, [1, 1, 0]);
        assert_eq!(both.neighbours(0).into_iter().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(both.neighbours(1).into_iter().collect::<Vec<_>>(), [0]);
        records.push((3, 1, down(0, ble)));
        // What was not up cannot go.
        records.push((3, 1, down(0, ble)));
        let one = state(&records);
        assert_eq!(one.totals().links, [0, 1, 0]);
        assert_eq!(one.wires().count(), 1);
    }

    #[test]
    fn phones_that_are_on_are_counted_once() {
        let off = |why| What::Off { why };
        let state = state(&[
            (0, 0, What::On),
            (0, 0, What::On),
            (0, 1, What::On),
            (1, 1, off(OffWhy::Crash)),
            (1, 1, off(OffWhy::Empty)),
        ]);
        assert_eq!(state.totals().on, 1);
        assert_eq!(state.people[1].phone, Phone::Empty);
    }
}
