//! Local networks and the Internet: who is seen, dialled and reached there.
//!
//! The shipped node finds others on a local network by multicast. Over the Internet it knows whom it was given;
//! here each who comes online is given some of those who are, as a bootstrap list would.

use std::time::Duration;

use sovereign_protocol::engine::Input;
use sovereign_protocol::link_kind::{self, Source};
use sovereign_protocol::policy::dial::Sighting;

use super::city::City;
use super::node::{WIDE, discovery, transport};
use super::queue::Event;
use super::wire::WireId;
use crate::radio::chance;
use crate::record::Medium;

/// An announcement takes so long to be seen, at most. mDNS answers within a second (RFC 6762, 6).
const SEEN_WITHIN: Duration = Duration::from_secs(1);
/// From dialling to the link, on a local network and over the Internet. Estimates.
const LAN_DIAL: Duration = Duration::from_millis(50);
/// Of those online, how many are given to one who comes.
const GIVEN: usize = 8;

impl City<'_> {
    /// What two have in common, the better first.
    fn shared(&self, one: u32, other: u32) -> Option<Medium> {
        let (one, other) = (&self.nodes[one as usize], &self.nodes[other as usize]);
        if !one.is_on() || !other.is_on() {
            return None;
        }
        let lan = |lan: &u32| other.lans.contains(lan);
        if one.lans.iter().any(lan) {
            Some(Medium::Lan)
        } else if one.internet && other.internet {
            Some(Medium::Internet)
        } else {
            None
        }
    }

    /// Somebody comes into a local network, or is on again in it.
    pub(super) fn enters_lan(&mut self, who: u32, lan: u32) {
        if !self.nodes[who as usize].is_on() {
            return;
        }
        self.announce_wide(who);
        if !self.multicast[lan as usize] {
            return;
        }
        for other in self.lans[lan as usize].clone() {
            if other != who && self.nodes[other as usize].is_on() {
                self.soon_see(who, other);
            }
        }
    }

    /// Somebody is online, or on again.
    pub(super) fn enters_internet(&mut self, who: u32) {
        if !self.nodes[who as usize].is_on() {
            return;
        }
        self.announce_wide(who);
        let mut others: Vec<u32> = self.online.clone();
        others.retain(|other| *other != who && self.nodes[*other as usize].is_on());
        for _ in 0..GIVEN.min(others.len()) {
            let place = chance::index(others.len(), &mut self.rng);
            let other = others.swap_remove(place);
            self.soon_see(who, other);
        }
    }

    fn announce_wide(&mut self, who: u32) {
        self.tell(
            who,
            Input::Announced {
                transport: transport(who, WIDE, self.seed),
                discovery: discovery(who, WIDE, self.seed),
            },
        );
    }

    fn soon_see(&mut self, one: u32, other: u32) {
        for (who, whom) in [(one, other), (other, one)] {
            let wait = SEEN_WITHIN.mul_f64(chance::unit(&mut self.rng));
            self.queue.plan(self.now + wait, Event::Seen(who, whom));
        }
    }

    pub(super) fn seen(&mut self, who: u32, other: u32) {
        let Some(medium) = self.shared(who, other) else {
            return;
        };
        let sighting = Sighting {
            transport: transport(other, WIDE, self.seed),
            discovery: discovery(other, WIDE, self.seed),
            source: Source(u64::from(other) + 1),
            endpoints: 1,
        };
        let medium = match medium {
            Medium::Internet => link_kind::Medium::Direct,
            Medium::Lan | Medium::Ble => link_kind::Medium::Lan,
        };
        self.tell(who, Input::Sighted { sighting, medium });
    }

    /// An engine dials over a wide medium.
    pub(super) fn dial_wide(&mut self, who: u32, other: u32) {
        self.queue
            .plan(self.now + LAN_DIAL, Event::Reached(who, other));
    }

    pub(super) fn reached(&mut self, who: u32, other: u32) {
        match self.shared(who, other) {
            Some(medium) => self.connect([who, other], medium),
            None => {
                let peer = transport(other, WIDE, self.seed);
                self.tell(who, Input::DialFailed { peer });
            }
        }
    }

    /// Somebody left a network or went offline: links that had nothing else break, and those who saw it
    /// lose sight of it.
    pub(super) fn leaves_wide(&mut self, who: u32, others: &[u32]) {
        for link in self.nodes[who as usize].links.clone() {
            let (id, side) = WireId::of(link);
            let Some(wire) = self.wires.get(id) else {
                continue;
            };
            let (medium, other) = (wire.medium, wire.ends[1 - side]);
            if medium != Medium::Ble && self.shared(who, other) != Some(medium) {
                self.cut(id);
            }
        }
        for other in others {
            if self.shared(who, *other).is_some() {
                continue;
            }
            for (one, whom) in [(who, *other), (*other, who)] {
                if self.nodes[one as usize].is_on() {
                    let discovery = discovery(whom, WIDE, self.seed);
                    self.tell(one, Input::SightingLost { discovery });
                }
            }
        }
    }
}
