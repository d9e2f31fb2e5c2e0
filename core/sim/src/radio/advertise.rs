//! Advertising events, and who hears them.

use std::time::Duration;

use bytes::Bytes;
use rand_core::Rng;
use sovereign_node::ports::radio::{Advertising, RadioEvent, ScanDuty};

use super::{
    chance,
    physics::{
        CHANNELS, INTER_FRAME, MAX_ADVERTISING_INTERVAL, MIN_ADVERTISING_INTERVAL, SCAN_REQUEST,
        Span, airtime,
    },
    station::Scan,
    world::{Due, RadioId, World},
};

/// Length of an address in a packet.
const ADDRESS: usize = 6;
/// No advertising event lasts so long: what ended before cannot overlap with one that ends now.
const LONGEST_EVENT: Duration = Duration::from_millis(10);
/// How a radio listens that dials without scanning: all the time, 60 ms a channel (Linux's default).
const INITIATING: ScanDuty = ScanDuty {
    window: Duration::from_millis(60),
    interval: Duration::from_millis(60),
};

/// One advertising event: the same packet on three channels, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnAir {
    event: u64,
    radio: RadioId,
    generation: u64,
    starts: Duration,
    /// ω: how long the packet lasts.
    packet: Duration,
    /// How long the request and the response take that may follow it.
    exchange: Duration,
}

impl OnAir {
    fn new(event: u64, radio: RadioId, generation: u64, what: &Advertising, at: Duration) -> Self {
        let response = match what.scan_response.len() {
            0 => Duration::ZERO,
            length => INTER_FRAME + airtime(ADDRESS + length),
        };
        Self {
            event,
            radio,
            generation,
            starts: at,
            packet: airtime(ADDRESS + what.data.len()),
            // The advertiser listens for a request (SCAN_REQ or CONNECT_IND) on each channel.
            exchange: INTER_FRAME + SCAN_REQUEST + response,
        }
    }

    fn on_channel(&self, channel: usize) -> Duration {
        // At most 2: CHANNELS is 3.
        self.starts + (self.packet + self.exchange) * channel as u32
    }

    fn ends(&self) -> Duration {
        self.on_channel(CHANNELS)
    }

    /// Whether its packet on this channel falls into a time.
    fn disturbs(&self, channel: usize, from: Duration, lasts: Duration) -> bool {
        let starts = self.on_channel(channel);
        starts < from + lasts && from < starts + self.packet
    }

    /// Whether its sender is busy with it during a time.
    fn deafens(&self, from: Duration, lasts: Duration) -> bool {
        self.starts < from + lasts && from < self.ends()
    }
}

/// One who heard an advertisement.
#[derive(Debug, Clone, Copy)]
struct Listener {
    radio: RadioId,
    channel: usize,
    dbm: f64,
    scans: bool,
    dials: bool,
}

impl World {
    pub(super) fn plan_advertisement(
        &mut self,
        radio: RadioId,
        generation: u64,
        at: Duration,
        rng: &mut impl Rng,
    ) {
        let delay = Span {
            min: Duration::ZERO,
            max: self.physics.advertising_delay,
        };
        let at = at + chance::within(delay, rng);
        self.schedule.at(at, Due::Advertise { radio, generation });
    }

    pub(super) fn advertise(&mut self, radio: RadioId, generation: u64, at: Duration) {
        let event = self.number();
        let Some(station) = self.stations.get_mut(&radio) else {
            return;
        };
        let Some(what) = &station.advertising else {
            return;
        };
        if station.generation == generation {
            let on_air = OnAir::new(event, radio, generation, what, at);
            station.usage.adverts += 1;
            self.counters.advertised += 1;
            self.schedule.at(on_air.ends(), Due::Heard { event });
            self.on_air.push(on_air);
        }
    }

    /// An advertising event is over: all that could disturb it is known.
    pub(super) fn heard(&mut self, event: u64, at: Duration, rng: &mut impl Rng) {
        self.on_air
            .retain(|other| other.ends() + LONGEST_EVENT > at);
        let Some(on_air) = self.on_air.iter().find(|on| on.event == event).copied() else {
            return;
        };
        let Some(station) = self.stations.get(&on_air.radio) else {
            return;
        };
        let (address, generation) = (station.address, station.generation);
        let Some(what) = station.advertising.clone() else {
            return;
        };
        if generation != on_air.generation {
            return;
        }
        let interval = what
            .interval
            .clamp(MIN_ADVERTISING_INTERVAL, MAX_ADVERTISING_INTERVAL);
        self.plan_advertisement(on_air.radio, generation, on_air.starts + interval, rng);
        let rivals: Vec<OnAir> = self
            .on_air
            .iter()
            .filter(|other| other.event != event)
            .filter(|other| {
                self.physics.collisions && other.deafens(on_air.starts, at - on_air.starts)
            })
            .copied()
            .collect();
        let mut listeners = Vec::new();
        for radio in self.scene.near(on_air.radio) {
            let Some(station) = self.stations.get(&radio).filter(|at| at.is_on()) else {
                continue;
            };
            let dials = station.dials.get(&address).is_some_and(|dial| !dial.heard);
            let scanned = station.scan.and_then(|scan| self.channel_of(scan, &on_air));
            let initiating = Scan::new(INITIATING, Duration::ZERO, 0);
            let channel = scanned.or_else(|| {
                dials
                    .then(|| self.channel_of(initiating, &on_air))
                    .flatten()
            });
            if let Some(channel) = channel
                && let Some(dbm) = self.receives(radio, &on_air, channel, &rivals, at, rng)
            {
                listeners.push(Listener {
                    radio,
                    channel,
                    dbm,
                    scans: scanned.is_some(),
                    dials: dials && what.connectable,
                });
            }
        }
        let answered = self.answered(&on_air, &what, &listeners, &rivals, at, rng);
        let whole = Bytes::from([&what.data[..], &what.scan_response[..]].concat());
        for (listener, answered) in listeners.iter().zip(answered) {
            let Some(station) = self.stations.get_mut(&listener.radio) else {
                continue;
            };
            if listener.scans {
                station.known.add(address);
                let sighted = RadioEvent::Sighted {
                    address,
                    heard: if answered {
                        whole.clone()
                    } else {
                        what.data.clone()
                    },
                    rssi_dbm: station.report(listener.dbm),
                };
                self.tell(listener.radio, sighted);
            }
        }
        let mut diallers: Vec<RadioId> = listeners
            .iter()
            .filter(|listener| listener.dials)
            .map(|listener| listener.radio)
            .collect();
        if self.physics.contention && !diallers.is_empty() {
            let first = diallers[chance::index(diallers.len(), rng)];
            diallers = vec![first];
        }
        for dialler in diallers {
            if !chance::happens(self.physics.advertisement_loss, rng) {
                self.begin_set_up(dialler, address, on_air.radio, at, rng);
            }
        }
    }

    /// The channel on which a scanner listens to an event.
    fn channel_of(&self, scan: Scan, on_air: &OnAir) -> Option<usize> {
        if !self.physics.duty {
            return Some(0);
        }
        (0..CHANNELS)
            .find(|channel| scan.hears(*channel, on_air.on_channel(*channel), on_air.packet))
    }

    /// Strength at which a radio that listens receives an event.
    fn receives(
        &mut self,
        radio: RadioId,
        on_air: &OnAir,
        channel: usize,
        rivals: &[OnAir],
        now: Duration,
        rng: &mut impl Rng,
    ) -> Option<f64> {
        let mean = self.strength(on_air.radio, radio, now, rng)?;
        let sigma = self.physics.fading_sigma_db;
        let dbm = if sigma > 0.0 {
            mean + sigma * chance::normal(rng)
        } else {
            mean
        };
        if dbm < self.stations.get(&radio)?.hardware.sensitivity_dbm {
            self.counters.weak += 1;
            return None;
        }
        let time = (on_air.on_channel(channel), on_air.packet);
        if self.drowned(radio, dbm, channel, time, rivals, now, rng) {
            self.counters.collided += 1;
            return None;
        }
        if chance::happens(self.physics.advertisement_loss, rng) {
            self.counters.lost += 1;
            return None;
        }
        self.counters.heard += 1;
        Some(dbm)
    }

    /// Whether another event drowns a packet, or the receiver's own one does.
    #[expect(clippy::too_many_arguments, reason = "a packet and its surroundings")]
    fn drowned(
        &mut self,
        radio: RadioId,
        dbm: f64,
        channel: usize,
        (from, lasts): (Duration, Duration),
        rivals: &[OnAir],
        now: Duration,
        rng: &mut impl Rng,
    ) -> bool {
        rivals.iter().any(|rival| {
            if rival.radio == radio {
                return rival.deafens(from, lasts);
            }
            rival.disturbs(channel, from, lasts)
                && self
                    .strength(rival.radio, radio, now, rng)
                    .is_some_and(|other| dbm < other + self.physics.capture_db)
        })
    }

    /// Which of the listeners got the scan response as well.
    fn answered(
        &mut self,
        on_air: &OnAir,
        what: &Advertising,
        listeners: &[Listener],
        rivals: &[OnAir],
        now: Duration,
        rng: &mut impl Rng,
    ) -> Vec<bool> {
        let mut answered = vec![false; listeners.len()];
        if what.scan_response.is_empty() {
            return answered;
        }
        for channel in 0..CHANNELS {
            let mut asking: Vec<usize> = (0..listeners.len())
                .filter(|at| listeners[*at].scans && listeners[*at].channel == channel)
                .collect();
            if self.physics.contention && !asking.is_empty() {
                asking = vec![asking[chance::index(asking.len(), rng)]];
            }
            let time = (on_air.on_channel(channel) + on_air.packet, on_air.exchange);
            for at in asking {
                let Listener { radio, dbm, .. } = listeners[at];
                let loss = self.physics.advertisement_loss;
                answered[at] = !self.drowned(radio, dbm, channel, time, rivals, now, rng)
                    && !chance::happens(loss, rng)
                    && !chance::happens(loss, rng);
            }
        }
        answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_last_as_long_as_the_specification_says() {
        let advertising = Advertising {
            data: Bytes::from_static(&[0; 31]),
            scan_response: Bytes::from_static(&[0; 31]),
            hello: Bytes::new(),
            interval: Duration::ZERO,
            connectable: true,
            address: [0; 6],
        };
        let on_air = OnAir::new(1, RadioId(1), 1, &advertising, Duration::ZERO);
        assert_eq!(on_air.packet, Duration::from_micros(376));
        // 150, SCAN_REQ 176, 150, SCAN_RSP 376.
        assert_eq!(on_air.exchange, Duration::from_micros(852));
        assert!(on_air.ends() < LONGEST_EVENT);
        let us = Duration::from_micros;
        assert_eq!(on_air.on_channel(2), us(2 * (376 + 852)));
        for (from, lasts, disturbs) in [(0, 1, true), (375, 9, true), (376, 9, false)] {
            assert_eq!(on_air.disturbs(0, us(from), us(lasts)), disturbs, "{from}");
        }
        assert!(!on_air.disturbs(1, us(376), us(1_228 - 376)), "before it");
        assert!(on_air.disturbs(1, us(376), us(1_229 - 376)));
        assert!(on_air.deafens(us(400), us(1)) && !on_air.deafens(on_air.ends(), us(1)));
    }
}
