//! Virtual links: an ordered queue each way, with the medium's pace.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use sovereign_protocol::id::{ContentId, LinkId};
use sovereign_protocol::link::frame::LENGTH_PREFIX;

use crate::record::Medium;

/// What Noise (16 bytes of authentication, 2 of length), Yamux (12) and the framing of the radio stream
/// put around a frame, in bytes.
const AROUND: usize = 40;
/// Bytes of one GATT operation (docs/radio.md).
const OPERATION_BYTES: usize = 495;

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
    pub(super) sending: bool,
    /// The sender has closed: what is queued still leaves.
    pub(super) closing: bool,
    /// Bundles that the sender has begun to send here and the receiver does not have yet.
    pub(super) under_way: Vec<ContentId>,
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
    pub(super) pace: Duration,
    /// Recorded as up.
    pub(super) told: bool,
    /// Since when its ends do not hear each other.
    pub(super) lost: Option<Duration>,
}

impl Wire {
    pub(super) fn new(ends: [u32; 2], medium: Medium, pace: Duration) -> Self {
        Self {
            ends,
            medium,
            gone: [false; 2],
            directions: Default::default(),
            pace,
            told: false,
            lost: None,
        }
    }

    /// Bytes on the medium that a frame takes, and for how long it takes the link at least.
    pub(super) fn cost(&self, frame: &Bytes) -> (usize, Duration) {
        let bytes = frame.len() + LENGTH_PREFIX + AROUND;
        let operations = match self.medium {
            Medium::Ble => bytes.div_ceil(OPERATION_BYTES) as u32,
            Medium::Lan | Medium::Internet => 1,
        };
        (bytes, self.pace * operations)
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
        let wire = || {
            Wire::new(
                [1, 2],
                Medium::Ble,
                Duration::from_millis(40),
                Duration::ZERO,
            )
        };
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

    #[test]
    fn a_long_frame_takes_more_operations() {
        let pace = Duration::from_millis(40);
        let cost = |medium, length: usize| {
            let wire = Wire::new([1, 2], medium, pace);
            wire.cost(&Bytes::from(vec![0; length]))
        };
        assert_eq!(cost(Medium::Ble, 453), (495, pace));
        assert_eq!(cost(Medium::Ble, 454), (496, 2 * pace));
        assert_eq!(cost(Medium::Lan, 454), (496, pace));
    }
}
