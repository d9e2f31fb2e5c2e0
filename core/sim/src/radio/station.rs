//! One radio of the world.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use sovereign_node::ports::radio::{Advertising, RadioAddress, RadioEvent, RadioState, ScanDuty};
use sovereign_protocol::id::LinkId;

use super::{
    inbox::Inbox,
    link::{LinkKey, Side},
    physics::{CHANNELS, Hardware, MIN_SCAN_INTERVAL},
    usage::Usage,
};

/// Addresses that a radio remembers to have heard; the one known longest goes first.
const KNOWN: usize = 1_024;

#[derive(Debug)]
pub(super) struct Station {
    pub(super) hardware: Hardware,
    pub(super) state: RadioState,
    pub(super) inbox: Inbox,
    pub(super) address: RadioAddress,
    pub(super) epoch: Option<[u8; 6]>,
    pub(super) advertising: Option<Advertising>,
    /// Counts changes of the advertisement: what was planned for an older one is void.
    pub(super) generation: u64,
    pub(super) scan: Option<Scan>,
    pub(super) known: Known,
    pub(super) dials: BTreeMap<RadioAddress, Dial>,
    pub(super) links: BTreeMap<LinkId, (LinkKey, Side)>,
    next_link: u64,
    /// Its air is taken by frames until then.
    pub(super) free_at: Duration,
    pub(super) usage: Usage,
    /// Until when times are accounted for.
    accounted: Duration,
}

impl Station {
    pub(super) fn new(hardware: Hardware, address: RadioAddress, now: Duration) -> Self {
        let mut inbox = Inbox::default();
        inbox.push(RadioEvent::State(RadioState::On));
        Self {
            hardware,
            state: RadioState::On,
            inbox,
            address,
            epoch: None,
            advertising: None,
            generation: 0,
            scan: None,
            known: Known::default(),
            dials: BTreeMap::new(),
            links: BTreeMap::new(),
            next_link: 0,
            free_at: Duration::ZERO,
            usage: Usage::default(),
            accounted: now,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.state == RadioState::On
    }

    /// To be called before its state changes.
    pub(super) fn account(&mut self, now: Duration) {
        let time = now.saturating_sub(self.accounted);
        self.accounted = self.accounted.max(now);
        let scan = self.scan.map(Scan::share);
        let dials = self.dials.values().any(|dial| !dial.heard);
        self.usage
            .pass(time, self.is_on(), scan, dials, self.links.len());
    }

    pub(super) fn may_link(&self) -> bool {
        self.is_on() && self.links.len() < self.hardware.max_links
    }

    pub(super) fn number_link(&mut self) -> LinkId {
        self.next_link += 1;
        LinkId(self.next_link)
    }

    /// Strength as the controller reports it.
    pub(super) fn report(&self, dbm: f64) -> Option<i8> {
        // Clamped to what the field holds (vol. 4, part E, 7.7.65.2).
        let whole = libm::round(dbm).clamp(-127.0, 20.0);
        self.hardware.measures_rssi.then_some(whole as i8)
    }
}

/// A connection that is being tried.
#[derive(Debug)]
pub(super) struct Dial {
    /// Told apart from earlier ones to the same address.
    pub(super) number: u64,
    /// The other end was heard and the connection is being set up.
    pub(super) heard: bool,
}

/// When a scanner listens, and where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    window: Duration,
    interval: Duration,
    since: Duration,
    first_channel: usize,
}

impl Scan {
    pub(super) fn new(duty: ScanDuty, since: Duration, first_channel: usize) -> Self {
        let interval = duty.interval.max(MIN_SCAN_INTERVAL);
        Self {
            window: duty.window.min(interval),
            interval,
            since,
            first_channel,
        }
    }

    /// How much of the time it listens.
    pub(super) fn share(self) -> f64 {
        self.window.as_secs_f64() / self.interval.as_secs_f64()
    }

    /// Whether it listens to this channel all the while: one channel after the other, one in each
    /// interval (vol. 6, part B, 4.4.3).
    pub(super) fn hears(&self, channel: usize, from: Duration, lasts: Duration) -> bool {
        let Some(since) = from.checked_sub(self.since) else {
            return false;
        };
        let interval = self.interval.as_nanos();
        let (turn, offset) = (since.as_nanos() / interval, since.as_nanos() % interval);
        let turn = (turn % CHANNELS as u128) as usize;
        (turn + self.first_channel) % CHANNELS == channel
            && offset + lasts.as_nanos() <= self.window.as_nanos()
    }
}

/// Addresses that were heard.
#[derive(Debug, Default)]
pub(super) struct Known {
    set: BTreeSet<RadioAddress>,
    order: VecDeque<RadioAddress>,
}

impl Known {
    pub(super) fn add(&mut self, address: RadioAddress) {
        if !self.set.insert(address) {
            return;
        }
        self.order.push_back(address);
        if self.order.len() > KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, address: RadioAddress) -> bool {
        self.set.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_scanner_hears_within_its_window_on_the_channel_of_the_interval() {
        let duty = ScanDuty {
            window: 10 * MS,
            interval: 40 * MS,
        };
        let scan = Scan::new(duty, 100 * MS, 1);
        for (channel, from, hears) in [
            (1, 99, false),
            (1, 100, true),
            (0, 100, false),
            (1, 109, true),
            (1, 110, false),
            (2, 139, false),
            (2, 140, true),
            (0, 180, true),
            (1, 220, true),
        ] {
            assert_eq!(
                scan.hears(channel, from * MS, MS),
                hears,
                "{channel} {from}"
            );
        }
        assert!(
            !scan.hears(1, 109 * MS, MS + Duration::from_nanos(1)),
            "cut"
        );
    }

    #[test]
    fn a_window_is_no_longer_than_its_interval_and_no_interval_is_none() {
        let duty = ScanDuty {
            window: Duration::MAX,
            interval: Duration::ZERO,
        };
        let scan = Scan::new(duty, Duration::ZERO, 0);
        assert!(scan.hears(0, Duration::ZERO, MIN_SCAN_INTERVAL));
        assert!(!scan.hears(0, Duration::ZERO, MIN_SCAN_INTERVAL + MS));
        assert!(scan.hears(1, MIN_SCAN_INTERVAL, MS));
    }

    #[test]
    fn as_many_addresses_are_known_as_may_be() {
        let mut known = Known::default();
        for n in 0..=KNOWN as u64 {
            known.add(RadioAddress(n));
            known.add(RadioAddress(n));
        }
        assert!(!known.contains(RadioAddress(0)));
        assert!(known.contains(RadioAddress(1)) && known.contains(RadioAddress(KNOWN as u64)));
        assert_eq!((known.set.len(), known.order.len()), (KNOWN, KNOWN));
    }

    #[test]
    fn reported_strength_fits_its_field() {
        let mut station = Station::new(Hardware::phone(), RadioAddress(1), Duration::ZERO);
        for (dbm, said) in [(-65.4, -65), (-65.6, -66), (-500.0, -127), (90.0, 20)] {
            assert_eq!(station.report(dbm), Some(said));
        }
        assert_eq!(station.report(f64::NEG_INFINITY), Some(-127));
        station.hardware.measures_rssi = false;
        assert_eq!(station.report(-60.0), None);
    }
}
