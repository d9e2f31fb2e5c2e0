//! Links: frames as GATT operations, closing, supervision.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use rand_core::Rng;
use sovereign_node::ports::radio::{RADIO_FRAMES, RadioAddress, RadioError, RadioEvent};
use sovereign_protocol::id::LinkId;

use super::{
    chance,
    physics::Span,
    world::{Due, RadioId, World},
};

/// How often in a supervision time-out a link is looked at where shadows move by themselves.
const LOOKS: u32 = 8;

/// A link of the world; each end has a number of its own for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LinkKey(pub(super) u64);

/// One of a link's ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Dialler,
    Listener,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Dialler => Self::Listener,
            Self::Listener => Self::Dialler,
        }
    }
}

#[derive(Debug)]
pub(super) struct End {
    pub(super) radio: RadioId,
    pub(super) link: LinkId,
    /// Its radio's, when the link came up.
    pub(super) address: RadioAddress,
    /// Its node has not been told Down.
    pub(super) open: bool,
    pub(super) waiting: VecDeque<Bytes>,
    /// A frame was refused since the last Ready.
    pub(super) refused: bool,
    /// The next operation is planned.
    pub(super) operating: bool,
}

#[derive(Debug)]
pub(super) struct Link {
    ends: [End; 2],
    max_frame: u16,
    /// From one operation to the next.
    interval: Duration,
    up_at: Duration,
    lost_since: Option<Duration>,
}

impl Link {
    pub(super) fn new(ends: [End; 2], max_frame: u16, interval: Duration, up_at: Duration) -> Self {
        Self {
            ends,
            max_frame,
            interval,
            up_at,
            lost_since: None,
        }
    }

    pub(super) fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    /// Dialler and listener, while both think that they have a link.
    pub(super) fn radios(&self) -> Option<(RadioId, RadioId)> {
        let [dialler, listener] = &self.ends;
        (dialler.open && listener.open).then_some((dialler.radio, listener.radio))
    }

    fn next_event(&self, after: Duration) -> Duration {
        next_event(self.up_at, self.interval, after)
    }
}

/// The first connection event after a time, of a link that came up at `up_at`: operations keep to its beat.
pub(crate) fn next_event(up_at: Duration, interval: Duration, after: Duration) -> Duration {
    if interval.is_zero() {
        return after;
    }
    let into = after.saturating_sub(up_at).as_nanos() % interval.as_nanos();
    // Below the interval, which a Duration holds in far fewer than 64 bits.
    let into = Duration::from_nanos(u64::try_from(into).unwrap_or(u64::MAX));
    after + (interval - into)
}

impl World {
    pub(super) fn send(
        &mut self,
        radio: RadioId,
        number: LinkId,
        frame: Bytes,
        now: Duration,
    ) -> Result<(), RadioError> {
        let (key, side) = self.find(radio, number)?;
        let link = self.links.get_mut(&key).ok_or(RadioError::Unknown)?;
        if frame.is_empty() || frame.len() > usize::from(link.max_frame) {
            return Err(RadioError::Length);
        }
        let end = link.end_mut(side);
        if end.waiting.len() >= RADIO_FRAMES {
            end.refused = true;
            return Err(RadioError::Busy);
        }
        end.waiting.push_back(frame);
        self.plan_operation(key, side, now);
        Ok(())
    }

    /// One GATT operation: one frame leaves, if it can.
    pub(super) fn operate(&mut self, key: LinkKey, side: Side, now: Duration, rng: &mut impl Rng) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        let stands = link.lost_since.is_some();
        let there = link.end(side.other()).radio;
        let end = link.end_mut(side);
        let here = end.radio;
        end.operating = false;
        if stands || end.waiting.is_empty() {
            return;
        }
        let free_at = [here, there]
            .iter()
            .filter_map(|radio| self.stations.get(radio))
            .map(|station| station.free_at)
            .fold(now, Duration::max);
        if free_at > now {
            end.operating = true;
            self.schedule.at(free_at, Due::Operate { link: key, side });
            return;
        }
        let Some(frame) = end.waiting.pop_front() else {
            return;
        };
        let ready = std::mem::take(&mut end.refused).then_some(end.link);
        let more = !end.waiting.is_empty();
        if let Some(number) = ready {
            self.tell(here, RadioEvent::Ready(number));
        }
        if more {
            self.plan_operation(key, side, now);
        }
        self.transmit(key, side, [here, there], frame, now, rng);
    }

    pub(super) fn deliver(&mut self, key: LinkKey, to: Side, frame: Bytes) {
        let Some(end) = self.links.get(&key).map(|link| link.end(to)) else {
            return;
        };
        if end.open {
            let (radio, link) = (end.radio, end.link);
            self.counters.frames_delivered += 1;
            if let Some(station) = self.stations.get_mut(&radio) {
                station.usage.received_bytes += frame.len() as u64;
            }
            self.tell(radio, RadioEvent::Frame { link, frame });
        }
    }

    pub(super) fn close(
        &mut self,
        radio: RadioId,
        number: LinkId,
        now: Duration,
        rng: &mut impl Rng,
    ) -> Result<(), RadioError> {
        let (key, side) = self.find(radio, number)?;
        self.part(key, side, "closed", now, rng);
        Ok(())
    }

    /// Ends all links of a radio that goes, with a goodbye.
    pub(super) fn part_all(&mut self, radio: RadioId, now: Duration, rng: &mut impl Rng) {
        for (key, side) in self.links_of(radio) {
            self.part(key, side, "the radio is off", now, rng);
        }
    }

    /// Leaves the other ends of a radio's links to their supervision.
    pub(super) fn abandon_links(&mut self, radio: RadioId, now: Duration) {
        for (key, side) in self.links_of(radio) {
            self.end_side(key, side, "dead");
            self.lose(key, now);
        }
    }

    /// Looks at a new link now and then, where it may be lost although nobody moves.
    pub(super) fn watch(&mut self, link: LinkKey, now: Duration) {
        let shadowing = self.physics.shadowing;
        if shadowing.sigma_db > 0.0 && shadowing.time.is_some() {
            let at = now + self.physics.supervision / LOOKS;
            self.schedule.at(at, Due::Look { link });
        }
    }

    pub(super) fn look_again(&mut self, key: LinkKey, now: Duration, rng: &mut impl Rng) {
        if self.links.contains_key(&key) {
            self.look(key, now, rng);
            self.watch(key, now);
        }
    }

    /// Notes whether a link's ends hear each other.
    pub(super) fn look(&mut self, key: LinkKey, now: Duration, rng: &mut impl Rng) {
        let Some((dialler, listener)) = self.links.get(&key).and_then(Link::radios) else {
            return;
        };
        if !self.in_reach(dialler, listener, now, rng) {
            self.lose(key, now);
        } else if let Some(link) = self.links.get_mut(&key)
            && link.lost_since.take().is_some()
        {
            for side in [Side::Dialler, Side::Listener] {
                self.plan_operation(key, side, now);
            }
        }
    }

    pub(super) fn supervise(
        &mut self,
        key: LinkKey,
        lost_since: Duration,
        now: Duration,
        rng: &mut impl Rng,
    ) {
        self.look(key, now, rng);
        let lost = self.links.get(&key).and_then(|link| link.lost_since);
        if lost == Some(lost_since) {
            for side in [Side::Dialler, Side::Listener] {
                self.end_side(key, side, "supervision time-out");
            }
        }
    }

    fn find(&self, radio: RadioId, number: LinkId) -> Result<(LinkKey, Side), RadioError> {
        let station = self.stations.get(&radio).ok_or(RadioError::Unavailable)?;
        let found = station.links.get(&number);
        found.copied().ok_or(RadioError::Unknown)
    }

    fn links_of(&self, radio: RadioId) -> Vec<(LinkKey, Side)> {
        let station = self.stations.get(&radio);
        station.map_or_else(Vec::new, |at| at.links.values().copied().collect())
    }

    fn plan_operation(&mut self, key: LinkKey, side: Side, now: Duration) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        let at = link.next_event(now);
        let end = link.end_mut(side);
        if end.open && !end.operating && !end.waiting.is_empty() {
            end.operating = true;
            self.schedule.at(at, Due::Operate { link: key, side });
        }
    }

    /// A frame is in the air.
    fn transmit(
        &mut self,
        key: LinkKey,
        from: Side,
        radios: [RadioId; 2],
        frame: Bytes,
        now: Duration,
        rng: &mut impl Rng,
    ) {
        self.counters.frames += 1;
        self.counters.frame_bytes += frame.len() as u64;
        if let Some(sender) = self.stations.get_mut(&radios[0]) {
            sender.usage.sent += 1;
            sender.usage.sent_bytes += frame.len() as u64;
        }
        let done = now
            + self
                .physics
                .bytes_per_second
                .map_or(Duration::ZERO, |rate| {
                    Duration::from_secs(1) * u32::try_from(frame.len()).unwrap_or(u32::MAX)
                        / rate.get()
                });
        for radio in radios {
            if let Some(station) = self.stations.get_mut(&radio) {
                station.free_at = done;
            }
        }
        if chance::happens(self.physics.frame_loss, rng) {
            self.counters.frames_lost += 1;
            return;
        }
        let held = match self.physics.reordering {
            // Notifications go to the dialler, writes to the listener.
            Some(law) if from == Side::Listener && chance::happens(law.chance, rng) => {
                let window = Span {
                    min: Duration::ZERO,
                    max: law.window,
                };
                chance::within(window, rng)
            }
            _ => Duration::ZERO,
        };
        let due = Due::Deliver {
            link: key,
            to: from.other(),
            frame,
        };
        self.schedule.at(done + held, due);
    }

    /// Ends a link at one end, and at the other if it hears the goodbye.
    fn part(&mut self, key: LinkKey, side: Side, why: &str, now: Duration, rng: &mut impl Rng) {
        let Some((dialler, listener)) = self.links.get(&key).and_then(Link::radios) else {
            self.end_side(key, side, why);
            return;
        };
        let hears = self.in_reach(dialler, listener, now, rng);
        self.end_side(key, side, why);
        if hears {
            self.end_side(key, side.other(), "closed by the other end");
        } else {
            self.lose(key, now);
        }
    }

    fn lose(&mut self, link: LinkKey, now: Duration) {
        let Some(lost) = self.links.get_mut(&link).map(|link| &mut link.lost_since) else {
            return;
        };
        if lost.is_none() {
            *lost = Some(now);
            let due = Due::Supervise {
                link,
                lost_since: now,
            };
            self.schedule.at(now + self.physics.supervision, due);
        }
    }

    /// Tells one end Down; the link is forgotten when both know.
    fn end_side(&mut self, key: LinkKey, side: Side, why: &str) {
        let Some(link) = self.links.get_mut(&key) else {
            return;
        };
        let end = link.end_mut(side);
        if end.open {
            end.open = false;
            end.waiting.clear();
            let (radio, number) = (end.radio, end.link);
            if let Some(station) = self.stations.get_mut(&radio) {
                station.account(self.now);
                station.links.remove(&number);
            }
            let why = String::from(why);
            self.tell(radio, RadioEvent::Down { link: number, why });
        }
        if self
            .links
            .get(&key)
            .is_some_and(|link| link.ends.iter().all(|end| !end.open))
        {
            self.links.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_keep_to_the_beat_of_their_link() {
        let end = || End {
            radio: RadioId(0),
            link: LinkId(1),
            address: RadioAddress(1),
            open: true,
            waiting: VecDeque::new(),
            refused: false,
            operating: false,
        };
        let ms = Duration::from_millis;
        let link = |interval| Link::new([end(), end()], 20, ms(interval), ms(7));
        for (after, event) in [(7, 47), (8, 47), (46, 47), (47, 87), (1_000, 1_007)] {
            assert_eq!(link(40).next_event(ms(after)), ms(event), "{after}");
        }
        assert_eq!(link(0).next_event(ms(9)), ms(9));
    }
}
