//! From Connect to Up.

use std::{collections::VecDeque, time::Duration};

use rand_core::Rng;
use sovereign_node::ports::radio::{Bearer, RadioAddress, RadioError, RadioEvent};
use sovereign_protocol::link_kind::Role;

use super::{
    chance,
    link::{End, Link, LinkKey, Side},
    physics::Dialling,
    station::Dial,
    world::{Due, RadioId, World},
};

impl World {
    pub(super) fn dial(
        &mut self,
        radio: RadioId,
        address: RadioAddress,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Result<(), RadioError> {
        let dial = self.number();
        let Some(station) = self.stations.get_mut(&radio) else {
            return Err(RadioError::Unavailable);
        };
        if !station.known.contains(address) {
            return Err(RadioError::Unknown);
        }
        if station.dials.contains_key(&address) {
            // It is being tried, and will be answered once.
            return Ok(());
        }
        station.usage.dials += 1;
        match self.physics.dialling {
            Dialling::Instant => {
                let target = self.by_address.get(&address).copied();
                let target = target.filter(|to| self.is_connectable(*to));
                if let Err(why) = target
                    .ok_or("nobody answers")
                    .and_then(|to| self.connect(radio, address, to, now, rng))
                {
                    self.connect_failed(radio, address, why);
                }
            }
            Dialling::Heard { give_up, .. } => {
                let attempt = Dial {
                    number: dial,
                    heard: false,
                };
                station.account(now);
                station.dials.insert(address, attempt);
                let due = Due::GiveUp {
                    radio,
                    address,
                    dial,
                };
                self.schedule.at(now + give_up, due);
            }
        }
        Ok(())
    }

    /// Nothing was heard of the other end in time.
    pub(super) fn give_up(&mut self, radio: RadioId, address: RadioAddress, dial: u64) {
        let waits = |attempt: &Dial| attempt.number == dial && !attempt.heard;
        if let Some(station) = self.stations.get_mut(&radio)
            && station.dials.get(&address).is_some_and(waits)
        {
            station.account(self.now);
            station.dials.remove(&address);
            self.connect_failed(radio, address, "nobody answers");
        }
    }

    /// A dialler has heard the one it waits for.
    pub(super) fn begin_set_up(
        &mut self,
        radio: RadioId,
        address: RadioAddress,
        to: RadioId,
        now: Duration,
        rng: &mut impl Rng,
    ) {
        let Dialling::Heard { set_up, .. } = self.physics.dialling else {
            return;
        };
        let Some(station) = self.stations.get_mut(&radio) else {
            return;
        };
        station.account(now);
        let Some(attempt) = station.dials.get_mut(&address) else {
            return;
        };
        attempt.heard = true;
        let dial = attempt.number;
        let at = now + chance::within(set_up, rng);
        let due = Due::SetUp {
            radio,
            address,
            dial,
            to,
        };
        self.schedule.at(at, due);
    }

    pub(super) fn set_up(
        &mut self,
        radio: RadioId,
        address: RadioAddress,
        dial: u64,
        to: RadioId,
        now: Duration,
        rng: &mut impl Rng,
    ) {
        let is_it = |attempt: &Dial| attempt.number == dial;
        let Some(station) = self.stations.get_mut(&radio) else {
            return;
        };
        if !station.dials.get(&address).is_some_and(is_it) {
            return;
        }
        station.dials.remove(&address);
        if let Err(why) = self.connect(radio, address, to, now, rng) {
            self.connect_failed(radio, address, why);
        }
    }

    /// Ends what is being tried by a radio that is switched off.
    pub(super) fn abandon_dials(&mut self, radio: RadioId) {
        let Some(station) = self.stations.get_mut(&radio) else {
            return;
        };
        station.account(self.now);
        for address in std::mem::take(&mut station.dials).into_keys() {
            self.connect_failed(radio, address, "switched off");
        }
    }

    /// Who is off advertises nothing.
    fn is_connectable(&self, radio: RadioId) -> bool {
        let station = self.stations.get(&radio);
        let what = station.and_then(|station| station.advertising.as_ref());
        what.is_some_and(|what| what.connectable)
    }

    fn connect(
        &mut self,
        dialler: RadioId,
        address: RadioAddress,
        listener: RadioId,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Result<(), &'static str> {
        if !self.in_reach(dialler, listener, now, rng) {
            return Err("out of reach");
        }
        let (Some(here), Some(there)) = (self.stations.get(&dialler), self.stations.get(&listener))
        else {
            return Err("nobody answers");
        };
        // One connection between two addresses (vol. 4, part D, 2.11: error 0x0b).
        let linked = here.links.values().any(|(key, side)| {
            let link = self.links.get(key);
            link.is_some_and(|link| link.end(side.other()).address == address)
        });
        if linked {
            return Err("already connected");
        }
        if !here.may_link() {
            return Err("too many links");
        }
        // A node that reads nothing is connected to nobody: its inbox has to end somewhere.
        if !there.may_link() || there.inbox.is_full() {
            return Err("the other end takes no more links");
        }
        let max_frame = here.hardware.max_frame(&there.hardware);
        let key = LinkKey(self.number());
        let [here, there] = [(dialler, Side::Dialler), (listener, Side::Listener)]
            .map(|(radio, side)| self.open_end(radio, key, side));
        let (Some(here), Some(there)) = (here, there) else {
            return Err("nobody answers");
        };
        let addresses = [there.address, here.address];
        let numbers = [here.link, there.link];
        let interval = chance::within(self.physics.operation, rng);
        let link = Link::new([here, there], max_frame, interval, now);
        self.links.insert(key, link);
        self.watch(key, now);
        for (at, (radio, role)) in [(dialler, Role::Dialer), (listener, Role::Listener)]
            .into_iter()
            .enumerate()
        {
            if let Some(station) = self.stations.get_mut(&radio) {
                station.known.add(addresses[at]);
            }
            let up = RadioEvent::Up {
                link: numbers[at],
                address: addresses[at],
                max_frame,
                role,
                bearer: Bearer::Gatt,
            };
            self.tell(radio, up);
        }
        Ok(())
    }

    fn open_end(&mut self, radio: RadioId, key: LinkKey, side: Side) -> Option<End> {
        let station = self.stations.get_mut(&radio)?;
        station.account(self.now);
        station.usage.links += 1;
        let link = station.number_link();
        station.links.insert(link, (key, side));
        Some(End {
            radio,
            link,
            address: station.address,
            open: true,
            waiting: VecDeque::new(),
            refused: false,
            operating: false,
        })
    }

    fn connect_failed(&mut self, radio: RadioId, address: RadioAddress, why: &str) {
        let why = String::from(why);
        self.tell(radio, RadioEvent::ConnectFailed { address, why });
    }
}
