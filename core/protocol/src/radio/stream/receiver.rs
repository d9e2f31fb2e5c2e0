//! What comes in: frames put in order, and when to acknowledge them (docs/protocol.md §12.2).

use core::time::Duration;
use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use super::{
    FrameError,
    frame::{Ack, WINDOW},
};

/// An acknowledgement waits this long for data that could carry it.
pub const ACK_DELAY: Duration = Duration::from_millis(100);
/// And this long when frames are missing, or one came twice.
pub const GAP_DELAY: Duration = Duration::from_millis(40);
/// It waits for no more frames than this,
pub const ACK_EVERY: u32 = 16;
/// and for no more than this when frames are missing.
pub const GAP_EVERY: u32 = 8;
/// Copies of frames this far back are borne; what is older is refused as absurd.
pub const BEHIND: i16 = 1_024;

/// Where a frame belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It came before.
    Known,
    /// So many frames after the first missing one.
    Ahead(usize),
}

#[derive(Debug)]
pub(super) struct Receiver {
    /// Number of the first frame that has not come. Numbers here never wrap.
    next: u64,
    /// The frames after it, as far as any came; the first is number `next + 1`.
    early: VecDeque<Option<Bytes>>,
    /// In order and not read yet, none of them empty.
    ready: VecDeque<Bytes>,
    last: Option<u64>,
    /// The first number that no acknowledgement has allowed yet.
    promised: u64,
    /// Frames since the last acknowledgement.
    unanswered: u32,
    ack_at: Option<Duration>,
    ack_due: bool,
}

impl Receiver {
    pub(super) const fn new() -> Self {
        Self {
            next: 0,
            early: VecDeque::new(),
            ready: VecDeque::new(),
            last: None,
            promised: WINDOW as u64,
            unanswered: 0,
            ack_at: None,
            ack_due: false,
        }
    }

    /// Where a frame belongs; changes nothing.
    pub(super) fn place(&self, number: u16, last: bool) -> Result<Place, FrameError> {
        // Both are meant: the lower half of the number, and its distance either way.
        let ahead = number.wrapping_sub(self.next as u16) as i16;
        let absolute = self.next.checked_add_signed(i64::from(ahead));
        let Some(absolute) = absolute.filter(|_| ahead >= -BEHIND) else {
            return Err(FrameError::OutOfWindow { number });
        };
        let contradicts = match self.last {
            Some(end) => absolute > end || (last && absolute != end),
            None => last && absolute < self.next + self.reach(),
        };
        if contradicts {
            return Err(FrameError::AfterLast { number });
        }
        let Ok(ahead) = usize::try_from(ahead) else {
            return Ok(Place::Known);
        };
        if ahead >= usize::from(self.credit()) {
            return Err(FrameError::OutOfWindow { number });
        }
        let known = ahead > 0 && self.early.get(ahead - 1).is_some_and(Option::is_some);
        Ok(if known {
            Place::Known
        } else {
            Place::Ahead(ahead)
        })
    }

    /// Takes a frame where [`Self::place`] said it belongs.
    pub(super) fn take(&mut self, place: Place, payload: Bytes, last: bool, now: Duration) {
        let Place::Ahead(ahead) = place else {
            self.acknowledge_by(now + GAP_DELAY);
            self.unanswered = self.unanswered.saturating_add(1);
            return;
        };
        if last {
            self.last = Some(self.next + ahead as u64);
            self.ack_due = true;
        }
        match ahead.checked_sub(1) {
            Some(slot) => {
                if self.early.len() <= slot {
                    self.early.resize(slot + 1, None);
                }
                if let Some(slot) = self.early.get_mut(slot) {
                    *slot = Some(payload);
                }
            }
            None => {
                self.deliver(payload);
                // The first empty slot goes too: its number is the new `next`.
                while let Some(Some(payload)) = self.early.pop_front() {
                    self.deliver(payload);
                }
            }
        }
        self.unanswered = self.unanswered.saturating_add(1);
        let (delay, every) = if self.early.is_empty() {
            (ACK_DELAY, ACK_EVERY)
        } else {
            (GAP_DELAY, GAP_EVERY)
        };
        self.acknowledge_by(now + delay);
        self.ack_due |= self.unanswered >= every;
    }

    /// The other side wants to know.
    pub(super) fn asked(&mut self) {
        self.ack_due = true;
    }

    pub(super) fn read(&mut self, buf: &mut [u8]) -> usize {
        let mut read = 0;
        while let Some(front) = self.ready.front_mut() {
            let rest = &mut buf[read..];
            let len = front.len().min(rest.len());
            rest[..len].copy_from_slice(&front[..len]);
            front.advance(len);
            read += len;
            if !front.is_empty() {
                break;
            }
            self.ready.pop_front();
        }
        // A sender that may be waiting hears of half a window.
        let edge = self.next + u64::from(self.credit());
        self.ack_due |= edge >= self.promised + u64::from(WINDOW / 2);
        read
    }

    /// Bytes that can be read.
    pub(super) fn readable(&self) -> usize {
        self.ready.iter().map(Bytes::len).sum()
    }

    /// Bytes held, in order or not.
    pub(super) fn held(&self) -> usize {
        self.readable() + self.early.iter().flatten().map(Bytes::len).sum::<usize>()
    }

    /// Everything has come.
    pub(super) fn complete(&self) -> bool {
        self.last.is_some_and(|last| last < self.next)
    }

    pub(super) fn on_timeout(&mut self, now: Duration) {
        if self.ack_at.is_some_and(|at| at <= now) {
            self.ack_at = None;
            self.ack_due = true;
        }
    }

    pub(super) const fn timeout(&self) -> Option<Duration> {
        if self.ack_due { None } else { self.ack_at }
    }

    /// An acknowledgement must go out now, on its own if need be.
    pub(super) const fn ack_due(&self) -> bool {
        self.ack_due
    }

    /// There is something new to say.
    pub(super) const fn has_news(&self) -> bool {
        self.unanswered > 0 || self.ack_due
    }

    /// What there is to say.
    pub(super) fn ack(&self) -> Ack {
        let received = self
            .early
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.is_some())
            .fold(0, |bits, (at, _)| bits | 1_u128 << at);
        Ack {
            next: self.next as u16,
            credit: self.credit(),
            received,
        }
    }

    /// It was said.
    pub(super) fn acknowledged(&mut self) {
        self.promised = self.next + u64::from(self.credit());
        self.unanswered = 0;
        self.ack_at = None;
        self.ack_due = false;
    }

    /// Frees what cannot be read any more.
    pub(super) fn clear(&mut self) {
        self.early = VecDeque::new();
    }

    fn deliver(&mut self, payload: Bytes) {
        self.next += 1;
        if !payload.is_empty() {
            self.ready.push_back(payload);
        }
    }

    fn acknowledge_by(&mut self, at: Duration) {
        self.ack_at = Some(self.ack_at.map_or(at, |already| already.min(at)));
    }

    /// Frames that may still come before any is read. What was promised is never taken back: each frame
    /// in order takes one and moves `next` on by one.
    fn credit(&self) -> u8 {
        WINDOW.saturating_sub(u8::try_from(self.ready.len()).unwrap_or(WINDOW))
    }

    /// Numbers from `next` on of which some frame is known.
    fn reach(&self) -> u64 {
        match self.early.len() {
            0 => 0,
            len => 1 + len as u64,
        }
    }
}
