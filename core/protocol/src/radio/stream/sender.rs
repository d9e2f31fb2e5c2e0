//! What goes out: bytes cut into frames, kept until they are acknowledged, sent again when they were
//! lost (docs/protocol.md §12.2, §12.3).

use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    FrameError,
    frame::{Ack, Frame, NUMBERED, WINDOW},
    receiver::{ACK_EVERY, BEHIND},
    rtt::Rtt,
};

/// Bits of an acknowledgement that mean a frame.
const BITS: i64 = WINDOW as i64 - 1;

/// Bytes that wait to be sent for the first time, at most: a full frame, and what a text finds before it. The link
/// above queues a frame of its own, 1 KiB, so both together are 80 ms at 20 kB/s.
pub const MAX_UNSENT: usize = 512;
/// Bytes sent and not acknowledged, at most: six round trips of 200 ms at 20 kB/s, so that a frame can
/// be lost twice, found to be lost behind reordered ones, and not stop the others.
pub const MAX_FLIGHT: usize = 24 * 1_024;
/// Less than a full frame waits this long for more.
pub const FLUSH: Duration = Duration::from_millis(5);
/// When nothing was acknowledged for this long although something was sent, the link is dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(20);
/// A frame is lost when one sent this many after it was acknowledged: as long as no reordering was seen,
pub const FIRST_SPREAD: u64 = 4;
/// and whatever reordering was seen.
pub const LAST_SPREAD: u64 = 24;
/// The frame that empties the queue asks for an acknowledgement when this many are under way and none of
/// the last [`ACK_EVERY`] asked: nothing after it would show what was lost.
pub const TAIL: usize = 8;

#[derive(Debug)]
pub(super) struct Sender {
    max_frame: usize,
    unsent: VecDeque<u8>,
    flush_at: Option<Duration>,
    flush_due: bool,
    closing: bool,
    last_sent: bool,
    /// Number of the first frame in `sent`. Numbers here never wrap.
    base: u64,
    sent: VecDeque<Sent>,
    /// The first number that may not be sent yet.
    edge: u64,
    /// Bytes of `sent` not acknowledged.
    flight: usize,
    /// Transmissions so far, first ones and repeats.
    order: u64,
    /// The latest transmission that was acknowledged.
    newest: Option<u64>,
    /// A transmission is given up when one so many after it was acknowledged.
    spread: u64,
    /// The longest that an overtaken frame took until it was acknowledged after all.
    straggler: Duration,
    rtt: Rtt,
    last_sent_at: Duration,
    lost_at: Option<Duration>,
    probe_at: Option<Duration>,
    /// Probes in vain.
    failed: u32,
    /// The next frame asks for an acknowledgement at once.
    poll: bool,
    /// Transmissions since one asked.
    since_poll: u32,
    /// Blocked without credit: ask whether there is some.
    ask: bool,
    /// Since when something waits for an acknowledgement that did not come.
    quiet_since: Option<Duration>,
}

#[derive(Debug)]
struct Sent {
    payload: Bytes,
    last: bool,
    /// Which transmission this is,
    order: u64,
    sent_at: Duration,
    /// and which the first one was and when, if it was repeated.
    first: Option<(u64, Duration)>,
    acknowledged: bool,
    lost: bool,
}

/// What [`Sender::transmit`] did.
pub(super) struct Transmit {
    pub(super) frame: Frame,
    pub(super) again: bool,
}

impl Sender {
    pub(super) fn new(max_frame: usize) -> Self {
        Self {
            max_frame,
            unsent: VecDeque::new(),
            flush_at: None,
            flush_due: false,
            closing: false,
            last_sent: false,
            base: 0,
            sent: VecDeque::new(),
            edge: u64::from(WINDOW),
            flight: 0,
            order: 0,
            newest: None,
            spread: FIRST_SPREAD,
            straggler: Duration::ZERO,
            rtt: Rtt::default(),
            last_sent_at: Duration::ZERO,
            lost_at: None,
            probe_at: None,
            failed: 0,
            poll: false,
            since_poll: 0,
            ask: false,
            quiet_since: None,
        }
    }

    /// Bytes that can be written.
    pub(super) fn room(&self) -> usize {
        if self.closing {
            0
        } else {
            MAX_UNSENT - self.unsent.len()
        }
    }

    /// Takes as many bytes as there is room for.
    pub(super) fn write(&mut self, bytes: &[u8], now: Duration) -> usize {
        let len = bytes.len().min(self.room());
        if len > 0 && self.unsent.is_empty() {
            self.flush_at = Some(now + FLUSH);
        }
        self.unsent.extend(&bytes[..len]);
        self.watch(now);
        len
    }

    /// Nothing more will be written.
    pub(super) fn close(&mut self, now: Duration) {
        self.closing = true;
        self.watch(now);
    }

    /// Everything was acknowledged, the end included.
    pub(super) fn complete(&self) -> bool {
        self.last_sent && self.sent.is_empty()
    }

    /// Frees everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.max_frame);
    }

    /// Bytes held.
    pub(super) fn held(&self) -> usize {
        self.unsent.len() + self.flight
    }

    /// Takes an acknowledgement. One that was overtaken by a later one changes nothing.
    pub(super) fn on_ack(&mut self, ack: &Ack, now: Duration) -> Result<(), FrameError> {
        // Below zero when it was overtaken.
        let ahead = i64::from(ack.next.wrapping_sub(self.base as u16) as i16);
        let next = self.base.checked_add_signed(ahead);
        let Some(next) = next.filter(|_| ahead >= -i64::from(BEHIND)) else {
            return Err(FrameError::Unsent);
        };
        let bits = i64::from(u128::BITS - ack.received.leading_zeros());
        let reach = if bits == 0 { ahead } else { ahead + 1 + bits };
        if reach > self.sent.len() as i64 {
            return Err(FrameError::Unsent);
        }
        let edge = next + u64::from(ack.credit);
        let opened = edge > self.edge;
        self.edge = self.edge.max(edge);
        let progress = self.settle(ack, ahead, now);
        while self.sent.front().is_some_and(|sent| sent.acknowledged) {
            self.sent.pop_front();
            self.base += 1;
        }
        if progress || opened {
            self.failed = 0;
            self.ask = false;
            self.poll = false;
            self.probe_at = None;
        }
        if progress || self.sent.is_empty() {
            self.quiet_since = None;
        }
        self.find_lost(now);
        self.watch(now);
        Ok(())
    }

    /// The room that the next frame has for an acknowledgement; nothing when there is no next frame.
    pub(super) fn next_room(&self) -> Option<usize> {
        if let Some(lost) = self.sent.iter().find(|sent| sent.lost) {
            return Some(self.max_frame - NUMBERED - lost.payload.len());
        }
        // At least one byte of data goes with it.
        self.may_send_new().then(|| self.max_frame - NUMBERED - 1)
    }

    /// The next frame, with the acknowledgement; only when [`Self::next_room`] has room for it.
    pub(super) fn transmit(&mut self, ack: Option<Ack>, now: Duration) -> Option<Transmit> {
        let order = self.order;
        let at = self.sent.iter().position(|sent| sent.lost);
        let again = at.is_some();
        let at = match at {
            Some(at) => at,
            None if self.may_send_new() => {
                self.cut(ack.as_ref().map_or(0, Ack::len), now);
                self.sent.len() - 1
            }
            None => return None,
        };
        let sent = self.sent.get_mut(at)?;
        if again {
            sent.first.get_or_insert((sent.order, sent.sent_at));
        }
        (sent.order, sent.sent_at, sent.lost) = (order, now, false);
        let frame = Frame::Data {
            number: (self.base + at as u64) as u16,
            last: sent.last,
            poll: self.poll || sent.last,
            ack,
            payload: sent.payload.clone(),
        };
        self.order += 1;
        self.since_poll = if self.poll {
            0
        } else {
            self.since_poll.saturating_add(1)
        };
        self.poll = false;
        self.last_sent_at = now;
        self.probe_at = None;
        self.watch(now);
        Some(Transmit { frame, again })
    }

    pub(super) const fn ask(&mut self) {
        self.ask = true;
    }

    /// Whether credit must be asked for; answers once.
    pub(super) fn take_ask(&mut self, now: Duration) -> bool {
        let ask = core::mem::take(&mut self.ask);
        if ask {
            self.last_sent_at = now;
            self.watch(now);
        }
        ask
    }

    pub(super) const fn must_ask(&self) -> bool {
        self.ask
    }

    pub(super) fn on_timeout(&mut self, now: Duration) {
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_at = None;
            self.flush_due = true;
        }
        if self.lost_at.is_some_and(|at| at <= now) {
            self.find_lost(now);
        }
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe_at = None;
            self.failed = self.failed.saturating_add(1);
            match self.sent.iter_mut().find(|sent| !sent.acknowledged) {
                Some(oldest) => {
                    oldest.lost = true;
                    self.poll = true;
                }
                None => self.ask = true,
            }
        }
    }

    /// Nothing was acknowledged for too long.
    pub(super) fn is_dead(&self, now: Duration) -> bool {
        self.quiet_since
            .is_some_and(|since| now.saturating_sub(since) >= DEAD_AFTER)
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        let dead = self.quiet_since.map(|since| since + DEAD_AFTER);
        [self.flush_at, self.lost_at, self.probe_at, dead]
            .into_iter()
            .flatten()
            .min()
    }

    /// Marks what was acknowledged; whether anything was for the first time.
    fn settle(&mut self, ack: &Ack, ahead: i64, now: Duration) -> bool {
        let before = self.newest;
        let mut progress = false;
        let mut sample = None;
        for (at, sent) in (0_i64..).zip(&mut self.sent) {
            let bit = at - ahead - 1;
            let named = bit < -1 || ((0..BITS).contains(&bit) && ack.received >> bit & 1 != 0);
            if !named || sent.acknowledged {
                continue;
            }
            progress = true;
            sent.acknowledged = true;
            sent.lost = false;
            self.flight -= sent.payload.len();
            sent.payload = Bytes::new();
            let elapsed = now.saturating_sub(sent.sent_at);
            // Of a repeated frame it was the first copy that arrived, if the answer comes too soon.
            let original = match sent.first {
                None => Some((sent.order, sent.sent_at)),
                Some(first) => self.rtt.too_soon(elapsed).then_some(first),
            };
            if let (Some((order, sent_at)), Some(before)) = (original, before)
                && order < before
            {
                self.spread = self.spread.max((before - order + 1).min(LAST_SPREAD));
                self.straggler = self.straggler.max(now.saturating_sub(sent_at));
            }
            let order = original.map_or(sent.order, |(order, _)| order);
            self.newest = self.newest.max(Some(order));
            if sent.first.is_none() && sample.is_none_or(|(latest, _)| latest < order) {
                sample = Some((order, elapsed));
            }
        }
        if let Some((_, elapsed)) = sample {
            self.rtt.sample(elapsed);
        }
        progress
    }

    /// Marks as lost what was overtaken by too many frames, or for too long.
    fn find_lost(&mut self, now: Duration) {
        self.lost_at = None;
        let Some(newest) = self.newest else { return };
        // A repeat in vain costs a frame; with nothing else to send, that is no delay.
        let straggler = if self.unsent.is_empty() {
            Duration::ZERO
        } else {
            self.straggler
        };
        let patience = self.rtt.lost_after().max(straggler);
        let patience = patience.min(self.rtt.probe_after(0));
        for sent in &mut self.sent {
            if sent.acknowledged || sent.lost || sent.order > newest {
                continue;
            }
            let until = sent.sent_at + patience;
            if sent.order + self.spread <= newest || until <= now {
                sent.lost = true;
            } else {
                self.lost_at = Some(self.lost_at.map_or(until, |at| at.min(until)));
            }
        }
    }

    fn may_send_new(&self) -> bool {
        let ready = self.unsent.len() >= self.max_frame - NUMBERED
            || (self.flush_due && !self.unsent.is_empty())
            || (self.closing && !self.last_sent);
        let fits = self.flight + self.unsent.len().min(self.max_frame) <= MAX_FLIGHT;
        ready && fits && self.base + (self.sent.len() as u64) < self.edge
    }

    /// Cuts the next frame off what waits.
    fn cut(&mut self, ack_len: usize, now: Duration) {
        let len = self.unsent.len().min(self.max_frame - NUMBERED - ack_len);
        let payload: Bytes = self.unsent.drain(..len).collect();
        self.flight += payload.len();
        self.last_sent = self.closing && self.unsent.is_empty();
        self.poll |=
            self.unsent.is_empty() && self.sent.len() >= TAIL && self.since_poll >= ACK_EVERY;
        self.flush_due = false;
        self.flush_at = (!self.unsent.is_empty()).then_some(now + FLUSH);
        self.sent.push_back(Sent {
            payload,
            last: self.last_sent,
            order: self.order,
            sent_at: now,
            first: None,
            acknowledged: false,
            lost: false,
        });
    }

    /// Starts and stops the clocks of the probe and of the link's death.
    fn watch(&mut self, now: Duration) {
        let more = !self.unsent.is_empty() || (self.closing && !self.last_sent);
        let blocked = self.sent.is_empty() && more && self.base >= self.edge;
        if self.sent.is_empty() && !blocked {
            self.probe_at = None;
            self.quiet_since = None;
            return;
        }
        self.quiet_since.get_or_insert(now);
        let waiting = self.ask || self.poll;
        if self.probe_at.is_none() && !waiting {
            let from = if blocked { now } else { self.last_sent_at };
            self.probe_at = Some(from + self.rtt.probe_after(self.failed));
        }
    }
}
