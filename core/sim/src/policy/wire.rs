//! Virtual links: an ordered queue each way, with the medium's pace.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use sovereign_protocol::id::{ContentId, LinkId};
use sovereign_protocol::link::frame::LENGTH_PREFIX;
use sovereign_protocol::radio::stream::MAX_FRAME;

use crate::radio::next_event;
use crate::record::Medium;

/// What Noise (16 bytes of authentication, 2 of length), Yamux (12) and the framing of the radio stream
/// put around a frame, in bytes.
const AROUND: usize = 40;

/// A wire of the world. Its slot is used again, its generation is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WireId {
    slot: u32,
    generation: u32,
}

impl WireId {
    /// The link that one of its ends sees. Never [`LinkId`] 0, which is the node itself.
    pub(super) fn link(self, side: usize) -> LinkId {
        LinkId(u64::from(self.generation) << 33 | u64::from(self.slot) << 1 | side as u64)
    }

    /// The wire and the end behind a link.
    pub(super) fn of(link: LinkId) -> (Self, usize) {
        let slot = (link.0 >> 1) as u32;
        let generation = (link.0 >> 33) as u32;
        (Self { slot, generation }, (link.0 & 1) as usize)
    }
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Direction {
    pub(super) queue: VecDeque<Bytes>,
    /// Frames at the front of the queue that are in the air; none when nothing is.
    pub(super) flying: usize,
    /// The sender has closed: what is queued still leaves.
    pub(super) closing: bool,
    /// Bundles that the sender has begun to send here and the receiver does not have yet.
    pub(super) under_way: Vec<ContentId>,
}

/// What leaves at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flight {
    /// On the medium.
    pub(super) bytes: usize,
    /// GATT operations.
    pub(super) operations: u32,
    /// Bytes of the last operation.
    pub(super) last: usize,
}

impl Flight {
    fn of(bytes: usize) -> Self {
        let before = bytes.saturating_sub(1) / MAX_FRAME;
        Self {
            bytes,
            operations: before as u32 + 1,
            last: bytes - before * MAX_FRAME,
        }
    }
}

/// Bytes on the medium that a frame takes.
fn bytes_of(frame: &Bytes) -> usize {
    frame.len() + LENGTH_PREFIX + AROUND
}

/// A link between two nodes; end 0 dialled.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) ends: [u32; 2],
    pub(super) medium: Medium,
    /// Whether an end has forgotten it.
    pub(super) gone: [bool; 2],
    pub(super) directions: [Direction; 2],
    /// From one GATT operation to the next, or the latency of a wide link.
    pace: Duration,
    /// When it came up: operations keep to its beat.
    up_at: Duration,
    /// Recorded as up.
    pub(super) told: bool,
    /// Since when its ends do not hear each other.
    pub(super) lost: Option<Duration>,
}

impl Wire {
    pub(super) fn new(ends: [u32; 2], medium: Medium, pace: Duration, up_at: Duration) -> Self {
        Self {
            ends,
            medium,
            gone: [false; 2],
            directions: Default::default(),
            pace,
            up_at,
            told: false,
            lost: None,
        }
    }

    /// Puts what is next in a direction into the air; `None` when nothing waits.
    ///
    /// Small frames share an operation, as they do in the stream of a real link.
    pub(super) fn take_off(&mut self, side: usize) -> Option<Flight> {
        let mut waiting = self.directions[side].queue.iter().map(bytes_of);
        let mut bytes = waiting.next()?;
        let mut frames = 1;
        let full = match self.medium {
            Medium::Ble => bytes.next_multiple_of(MAX_FRAME),
            Medium::Lan | Medium::Internet => bytes,
        };
        for next in waiting {
            if bytes + next > full {
                break;
            }
            bytes += next;
            frames += 1;
        }
        self.directions[side].flying = frames;
        Some(Flight::of(bytes))
    }

    /// What was in the air is out of it.
    pub(super) fn land(&mut self, side: usize) -> (Vec<Bytes>, Flight) {
        let direction = &mut self.directions[side];
        let flying = std::mem::take(&mut direction.flying);
        let frames: Vec<Bytes> = direction.queue.drain(..flying).collect();
        let flight = Flight::of(frames.iter().map(bytes_of).sum());
        (frames, flight)
    }

    /// When an operation can begin, `from` on, and when the last of so many does.
    ///
    /// A wide link has no beat, but its latency.
    pub(super) fn beats(&self, from: Duration, operations: u32) -> Duration {
        if self.medium != Medium::Ble {
            return from + self.pace;
        }
        next_event(self.up_at, self.pace, from) + self.pace * operations.saturating_sub(1)
    }
}

/// All wires.
#[derive(Debug, Default)]
pub(super) struct Wires {
    slots: Vec<(u32, Option<Wire>)>,
    free: Vec<u32>,
}

impl Wires {
    pub(super) fn add(&mut self, wire: Wire) -> WireId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let place = &mut self.slots[slot as usize];
        place.0 += 1;
        place.1 = Some(wire);
        WireId {
            slot,
            generation: place.0,
        }
    }

    pub(super) fn get(&self, id: WireId) -> Option<&Wire> {
        let (generation, wire) = self.slots.get(id.slot as usize)?;
        wire.as_ref().filter(|_| *generation == id.generation)
    }

    pub(super) fn get_mut(&mut self, id: WireId) -> Option<&mut Wire> {
        let (generation, wire) = self.slots.get_mut(id.slot as usize)?;
        wire.as_mut().filter(|_| *generation == id.generation)
    }

    pub(super) fn remove(&mut self, id: WireId) -> Option<Wire> {
        self.get(id)?;
        self.free.push(id.slot);
        self.slots[id.slot as usize].1.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_again_under_another_name() {
        let mut wires = Wires::default();
        let wire = || with(Medium::Ble, &[]);
        let first = wires.add(wire());
        assert!(wires.remove(first).is_some() && wires.remove(first).is_none());
        let second = wires.add(wire());
        assert!(wires.get(first).is_none() && wires.get_mut(first).is_none());
        assert!(wires.get(second).is_some());
        for side in 0..2 {
            assert_eq!(WireId::of(second.link(side)), (second, side));
            assert_ne!(second.link(side), LinkId(0));
        }
        assert_eq!(first.slot, second.slot);
    }

    const BEAT: Duration = Duration::from_millis(40);

    fn with(medium: Medium, lengths: &[usize]) -> Wire {
        let mut wire = Wire::new([1, 2], medium, BEAT, Duration::from_secs(1));
        let frames = lengths.iter().map(|length| Bytes::from(vec![0; *length]));
        wire.directions[0].queue.extend(frames);
        wire
    }

    #[test]
    fn a_long_frame_takes_more_operations_and_short_ones_share_one() {
        let flights = |medium, lengths: &[usize]| {
            let mut wire = with(medium, lengths);
            let mut flights = Vec::new();
            while let Some(flight) = wire.take_off(0) {
                let (frames, landed) = wire.land(0);
                assert_eq!(landed, flight);
                let Flight {
                    bytes,
                    operations,
                    last,
                } = flight;
                flights.push((frames.len(), bytes, operations, last));
            }
            flights
        };
        let around = LENGTH_PREFIX + AROUND;
        assert_eq!(flights(Medium::Ble, &[453]), [(1, 495, 1, 495)]);
        assert_eq!(flights(Medium::Ble, &[454]), [(1, 496, 2, 1)]);
        assert_eq!(
            flights(Medium::Ble, &[411 - around, 0, 0]),
            [(3, 495, 1, 495)]
        );
        assert_eq!(
            flights(Medium::Ble, &[412 - around, 0, 0]),
            [(2, 454, 1, 454), (1, 42, 1, 42)]
        );
        // The rest of a long frame's last operation is not wasted either.
        assert_eq!(
            flights(Medium::Ble, &[496, 10]),
            [(2, 506 + 2 * around, 2, 11 + 2 * around)]
        );
        assert_eq!(
            flights(Medium::Lan, &[1, 1]),
            [(1, 43, 1, 43), (1, 43, 1, 43)]
        );
        assert_eq!(flights(Medium::Ble, &[]), []);
    }

    #[test]
    fn operations_keep_to_the_beat_of_their_link() {
        let ms = Duration::from_millis;
        let wire = with(Medium::Ble, &[]);
        for (from, operations, last) in [(1_000, 1, 1_040), (1_039, 1, 1_040), (1_040, 3, 1_160)] {
            assert_eq!(wire.beats(ms(from), operations), ms(last), "{from}");
        }
        assert_eq!(with(Medium::Lan, &[]).beats(ms(1_001), 1), ms(1_041));
        let instant = Wire::new([1, 2], Medium::Ble, Duration::ZERO, ms(1_000));
        assert_eq!(instant.beats(ms(1_001), 9), ms(1_001));
    }
}
