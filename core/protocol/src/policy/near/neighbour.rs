//! One neighbour: what was heard of it, and what became of tries to meet it.

use core::time::Duration;

use super::{
    event::{Address, Relation, Sighting},
    rssi::{Signal, reading},
};
use crate::policy::backoff::Backoff;

/// Heard again after so long, a newcomer is established: an advertisement repeated at once is one.
pub const ESTABLISHED_AFTER: Duration = Duration::from_secs(1);
/// While an id has been heard from an address so recently, it is not believed to be at another.
pub const ADDRESS_HOLDS: Duration = Duration::from_secs(30);
/// Its signal is reported again when it differs by so much, in dB, …
pub const REPORT_STEP: u8 = 4;
/// … and at most so often.
pub const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Heard so much louder than when it did not answer, in dB, it has come nearer: to half the distance in the open.
pub const NEARER: i8 = 8;

/// How much a neighbour is believed. The order is that of the rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It did not answer when it was dialled, and nothing ever proved that it exists.
    Doubtful,
    /// Heard once, or for less than [`ESTABLISHED_AFTER`].
    Newcomer,
    /// Heard over some time.
    Established,
    /// It proved a key on a link.
    Proven,
}

#[derive(Debug)]
pub(super) struct Neighbour {
    pub(super) address: Address,
    pub(super) relation: Relation,
    pub(super) connectable: bool,
    pub(super) waits: bool,
    pub(super) standing: Standing,
    /// First heard.
    pub(super) first: Duration,
    /// Last heard, or last linked.
    pub(super) seen: Duration,
    pub(super) signal: Option<Signal>,
    pub(super) linked: bool,
    pub(super) tries: Tries,
    pub(super) lots: Lots,
    /// Since when it beats the one above it in the rank.
    pub(super) challenges: Option<Duration>,
    reported: Option<Reported>,
}

/// What decides where nothing else does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lots {
    /// Drawn by this node alone: nobody can arrange to be the first.
    pub(super) own: u64,
    /// The same at both ends, so that the choices of the two often agree.
    pub(super) pair: u64,
}

#[derive(Debug)]
pub(super) struct Tries {
    pub(super) backoff: Backoff,
    /// Not to be dialled before.
    pub(super) at: Duration,
    /// When a link to it was last proven.
    pub(super) met: Option<Duration>,
    /// When it did not answer, and how it was heard then, in dBm.
    pub(super) failed: Option<(Duration, Option<i8>)>,
}

#[derive(Debug, Clone, Copy)]
struct Reported {
    dbm: Option<i8>,
    at: Duration,
}

impl Neighbour {
    /// Heard for the first time; may be dialled from `at` on.
    pub(super) fn new(sighting: &Sighting, at: Duration, lots: Lots, now: Duration) -> Self {
        Self {
            address: sighting.address,
            relation: sighting.relation,
            connectable: sighting.connectable,
            waits: sighting.waits,
            standing: Standing::Newcomer,
            first: now,
            seen: now,
            signal: level(sighting).map(|dbm| Signal::new(dbm, now)),
            linked: false,
            tries: Tries {
                backoff: Backoff::default(),
                at,
                met: None,
                failed: None,
            },
            lots,
            challenges: None,
            reported: None,
        }
    }

    /// Heard again. `false` when it is not believed: the id was heard elsewhere a moment ago.
    pub(super) fn hear(&mut self, sighting: &Sighting, now: Duration) -> bool {
        if sighting.address != self.address {
            if now < self.seen + ADDRESS_HOLDS && self.standing != Standing::Doubtful {
                return false;
            }
            self.address = sighting.address;
            self.signal = None;
        }
        self.connectable = sighting.connectable;
        self.waits = sighting.waits;
        self.relation = self.relation.max(sighting.relation);
        self.seen = now;
        if let Some(dbm) = level(sighting) {
            match &mut self.signal {
                Some(signal) => signal.hear(dbm, now),
                None => self.signal = Some(Signal::new(dbm, now)),
            }
        }
        true
    }

    /// Whether it is so much nearer than when it did not answer that it is tried as if for the first time; told once.
    pub(super) fn came_nearer(&mut self) -> bool {
        let then = self.tries.failed.and_then(|(_, dbm)| dbm);
        let least = then.map(|then| then.saturating_add(NEARER));
        let nearer = least.is_some() && self.dbm() >= least;
        if nearer {
            self.tries.failed = None;
            self.tries.backoff.succeeded();
        }
        nearer
    }

    /// Whether it was not heard since it did not answer, and is nobody's contact.
    pub(super) fn is_silent(&self) -> bool {
        let silent = self.tries.failed.is_some_and(|(at, _)| self.seen <= at);
        silent && self.relation < Relation::Contact
    }

    /// Smoothed, in dBm.
    pub(super) fn dbm(&self) -> Option<i8> {
        self.signal.as_ref().map(Signal::dbm)
    }

    /// What the signal is at least, in dBm; nothing is weaker than unknown.
    pub(super) fn floor(&self, now: Duration) -> f64 {
        self.signal
            .as_ref()
            .map_or(f64::NEG_INFINITY, |signal| signal.floor(now))
    }

    pub(super) const fn is_reported(&self) -> bool {
        self.reported.is_some()
    }

    /// Notes that it is reported now.
    pub(super) fn report(&mut self, now: Duration) {
        self.reported = Some(Reported {
            dbm: self.dbm(),
            at: now,
        });
    }

    /// Whether there is news of it.
    pub(super) fn has_news(&self, now: Duration) -> bool {
        self.reported.is_some_and(|reported| {
            let moved = match (reported.dbm, self.dbm()) {
                (Some(before), Some(after)) => before.abs_diff(after) >= REPORT_STEP,
                (before, after) => before != after,
            };
            moved && now >= reported.at + REPORT_EVERY
        })
    }
}

fn level(sighting: &Sighting) -> Option<i8> {
    sighting.rssi.and_then(reading)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::id::DiscoveryId;

    const T: Duration = Duration::from_secs(100);
    const S: Duration = Duration::from_secs(1);
    const MS: Duration = Duration::from_millis(1);

    pub(in super::super) fn sighting(id: u64, dbm: i8) -> Sighting {
        Sighting {
            neighbour: DiscoveryId(id.to_be_bytes()),
            address: Address(id),
            rssi: Some(dbm),
            connectable: true,
            waits: false,
            relation: Relation::Stranger,
        }
    }

    #[test]
    fn an_id_is_not_believed_to_move_at_once() {
        // LOC-8: who repeats another's advertisement neither moves nor strengthens it.
        let mut neighbour = Neighbour::new(&sighting(1, -60), T, Lots::default(), T);
        let elsewhere = Sighting {
            address: Address(9),
            ..sighting(1, -20)
        };
        assert!(!neighbour.hear(&elsewhere, T + ADDRESS_HOLDS - MS));
        assert_eq!(
            (neighbour.address, neighbour.dbm(), neighbour.seen),
            (Address(1), Some(-60), T)
        );
        assert!(neighbour.hear(&elsewhere, T + ADDRESS_HOLDS));
        assert_eq!(
            (neighbour.address, neighbour.dbm()),
            (Address(9), Some(-20))
        );
        neighbour.standing = Standing::Doubtful;
        assert!(neighbour.hear(&sighting(1, -60), T + ADDRESS_HOLDS));
        assert_eq!(neighbour.address, Address(1));
    }

    #[test]
    fn an_unknown_level_changes_nothing_but_the_time() {
        // LOC-5: 127 and reserved values.
        let mut neighbour = Neighbour::new(&sighting(1, 127), T, Lots::default(), T);
        assert_eq!(neighbour.dbm(), None);
        assert!(neighbour.floor(T) < -1e9);
        neighbour.hear(&sighting(1, -60), T + S);
        assert_eq!(neighbour.dbm(), Some(-60));
        for raw in [127, 21, -128] {
            neighbour.hear(&sighting(1, raw), T + 2 * S);
        }
        neighbour.hear(
            &Sighting {
                rssi: None,
                ..sighting(1, 0)
            },
            T + 3 * S,
        );
        assert_eq!((neighbour.dbm(), neighbour.seen), (Some(-60), T + 3 * S));
    }

    #[test]
    fn what_is_known_of_a_contact_is_kept() {
        let contact = Sighting {
            relation: Relation::Contact,
            connectable: false,
            ..sighting(1, -60)
        };
        let mut neighbour = Neighbour::new(&sighting(1, -60), T, Lots::default(), T);
        neighbour.hear(&contact, T + S);
        assert!(!neighbour.connectable);
        neighbour.hear(&sighting(1, -60), T + S);
        assert_eq!(
            (neighbour.relation, neighbour.connectable),
            (Relation::Contact, true)
        );
    }

    #[test]
    fn news_is_a_step_and_not_too_often() {
        // LOC-6.
        let mut neighbour = Neighbour::new(&sighting(1, -60), T, Lots::default(), T);
        assert!(!neighbour.has_news(T + 9 * S));
        neighbour.report(T);
        for second in 1..=4 {
            neighbour.hear(&sighting(1, -70), T + second * S);
        }
        assert!(neighbour.dbm() <= Some(-64));
        assert!(!neighbour.has_news(T + REPORT_EVERY - MS));
        assert!(neighbour.has_news(T + REPORT_EVERY));
        neighbour.report(T + REPORT_EVERY);
        assert!(!neighbour.has_news(T + 60 * S));
        let step = |dbm: i8| {
            let mut other = Neighbour::new(&sighting(1, -60), T, Lots::default(), T);
            other.report(T);
            other.signal = Some(Signal::new(dbm, T));
            other.has_news(T + REPORT_EVERY)
        };
        assert!(step(-64) && !step(-63) && step(-56));
        let mut unknown = Neighbour::new(&sighting(1, 127), T, Lots::default(), T);
        unknown.report(T);
        assert!(!unknown.has_news(T + 9 * S));
        unknown.hear(&sighting(1, -60), T + S);
        assert!(unknown.has_news(T + 9 * S));
    }
}
