//! The reliable byte stream over a radio's frames (docs/protocol.md §12; LOC-4, decisions 2, 3, 5).
//!
//! Below are GATT writes without response and notifications, or an L2CAP channel: frames of at most
//! 495 bytes that may be lost, doubled and put out of order. Above, Noise and `link/1` see a stream.
//!
//! [`Stream`] is pure. Its owner passes in frames and the time, asks for a frame with
//! [`Stream::poll_transmit`] whenever the radio can take one (the radio sets the pace), and calls
//! [`Stream::on_timeout`] at [`Stream::timeout`].

mod error;
mod frame;
mod receiver;
mod rtt;
mod sender;
mod stats;

use core::time::Duration;

use bytes::Bytes;

pub use error::{End, FrameError, Reason};
pub use frame::{Ack, Frame, WINDOW};
pub use receiver::{ACK_DELAY, ACK_EVERY, BEHIND, GAP_DELAY, GAP_EVERY};
pub use rtt::{FIRST_PROBE, LAST_PROBE};
pub use sender::{DEAD_AFTER, FIRST_SPREAD, FLUSH, LAST_SPREAD, MAX_FLIGHT, MAX_UNSENT, TAIL};
pub use stats::{Refused, Stats};

use receiver::{Place, Receiver};
use sender::Sender;

/// Bytes of a frame at least: an ATT MTU of 23, the least there is, leaves 20.
pub const MIN_FRAME: usize = 20;
/// Bytes of a frame at most: BlueZ 5.66 loses writes of 511 bytes without a word, and 495 is safe everywhere.
pub const MAX_FRAME: usize = 495;
/// The first valid frame of the other side must have come by then.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// A finished stream answers this long to a peer that missed its last acknowledgement: three probes.
pub const LINGER: Duration = Duration::from_secs(3);
/// Refused frames that are borne; the next one ends the stream.
pub const TOLERATED_FRAMES: u64 = 16;
/// The most that [`Stream::memory`] can be.
pub const MAX_MEMORY: usize = MAX_UNSENT + MAX_FLIGHT + WINDOW as usize * MAX_FRAME;

/// Both directions of one stream.
#[derive(Debug)]
pub struct Stream {
    sender: Sender,
    receiver: Receiver,
    stats: Stats,
    /// When the stream is freed if nothing valid comes; nothing once it did.
    open_by: Option<Duration>,
    /// When a stream that both sides finished is over.
    linger_until: Option<Duration>,
    /// A Reset that is still to be sent.
    farewell: Option<Reason>,
    end: Option<End>,
}

impl Stream {
    /// A stream on a link that just came up. `max_frame` is what one frame out may hold, in bytes; it is
    /// brought between [`MIN_FRAME`] and [`MAX_FRAME`].
    #[must_use]
    pub fn new(max_frame: usize, now: Duration) -> Self {
        Self {
            sender: Sender::new(max_frame.clamp(MIN_FRAME, MAX_FRAME)),
            receiver: Receiver::new(),
            stats: Stats::default(),
            open_by: Some(now + OPEN_TIMEOUT),
            linger_until: None,
            farewell: None,
            end: None,
        }
    }

    /// Takes as many bytes as there is [`Self::room`] for, and says how many.
    pub fn write(&mut self, bytes: &[u8], now: Duration) -> usize {
        if self.end.is_some() {
            return 0;
        }
        self.sender.write(bytes, now)
    }

    /// Bytes that [`Self::write`] takes now.
    #[must_use]
    pub fn room(&self) -> usize {
        if self.end.is_some() {
            0
        } else {
            self.sender.room()
        }
    }

    /// Reads what has come in order, and says how many bytes. Reading makes room for the sender.
    pub fn read(&mut self, buf: &mut [u8]) -> usize {
        self.receiver.read(buf)
    }

    /// Bytes that [`Self::read`] has.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.receiver.readable()
    }

    /// Whether the other side's end has been reached: nothing is left to read, and nothing will come.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.readable() == 0 && (self.receiver.complete() || self.end.is_some())
    }

    /// A frame came in.
    pub fn on_frame(&mut self, bytes: &[u8], now: Duration) -> Result<(), FrameError> {
        let result = if self.end.is_some() {
            Err(FrameError::Over)
        } else {
            self.take(bytes, now)
        };
        match result {
            Ok(()) => {
                self.stats.frames_in += 1;
                self.stats.bytes_in += bytes.len() as u64;
                self.open_by = None;
            }
            Err(error) => {
                self.stats.refused.count(error);
                if self.end.is_none() && self.stats.refused.total() > TOLERATED_FRAMES {
                    self.finish(End::Misbehaved, Some(Reason::Protocol));
                }
            }
        }
        result
    }

    /// The next frame, if there is one to send now. To be called while the radio has room.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Bytes> {
        self.on_timeout(now);
        let frame = self.next_frame(now)?.encode();
        self.stats.frames_out += 1;
        self.stats.bytes_out += frame.len() as u64;
        Some(frame)
    }

    /// When [`Self::on_timeout`] is to be called, if nothing else happens before. Nothing while idle.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        if self.end.is_some() {
            return None;
        }
        let timeouts = [
            self.sender.timeout(),
            self.receiver.timeout(),
            self.open_by,
            self.linger_until,
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Time has passed; [`Self::poll_transmit`] may have a frame now.
    pub fn on_timeout(&mut self, now: Duration) {
        let passed = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if self.end.is_some() {
        } else if passed(self.open_by) {
            self.finish(End::NeverOpened, Some(Reason::Timeout));
        } else if self.sender.is_dead(now) {
            self.finish(End::Silent, Some(Reason::Timeout));
        } else if passed(self.linger_until) {
            self.finish(End::Finished, None);
        } else {
            self.sender.on_timeout(now);
            self.receiver.on_timeout(now);
        }
    }

    /// Nothing more will be written. What was written is still delivered, and the other side may go on.
    pub fn close(&mut self, now: Duration) {
        if self.end.is_none() {
            self.sender.close(now);
        }
    }

    /// Gives the stream up: what was not delivered is lost, and the other side is told once.
    pub fn abandon(&mut self, reason: Reason) {
        if self.end.is_none() {
            self.finish(End::Abandoned(reason), Some(reason));
        }
    }

    /// Asks the other side for an acknowledgement, whatever there is to acknowledge: any frame that comes
    /// after it is a sign of life. One frame each way.
    pub fn probe(&mut self) {
        if self.end.is_none() {
            self.sender.ask();
        }
    }

    /// Whether everything was written that will be, and the other side has it.
    #[must_use]
    pub fn drained(&self) -> bool {
        self.end.is_some() || self.sender.complete()
    }

    /// How the stream ended, once it did. What had come in order can still be read.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    /// Frames, bytes and what was wrong with them.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Bytes of data held, in both directions; never above [`MAX_MEMORY`].
    #[must_use]
    pub fn memory(&self) -> usize {
        self.sender.held() + self.receiver.held()
    }

    /// Takes a frame, or refuses it and changes nothing.
    fn take(&mut self, bytes: &[u8], now: Duration) -> Result<(), FrameError> {
        let (poll, ack, data) = match Frame::decode(bytes)? {
            Frame::Reset { reason } => {
                self.finish(End::Reset(reason), None);
                return Ok(());
            }
            Frame::Ack { poll, ack } => (poll, Some(ack), None),
            Frame::Data {
                number,
                last,
                poll,
                ack,
                payload,
            } => {
                let place = self.receiver.place(number, last)?;
                (poll, ack, Some((place, payload, last)))
            }
        };
        if let Some(ack) = ack {
            self.sender.on_ack(&ack, now)?;
        }
        if let Some((place, payload, last)) = data {
            match place {
                Place::Known => self.stats.known_in += 1,
                Place::Ahead(0) => {}
                Place::Ahead(_) => self.stats.early_in += 1,
            }
            self.receiver.take(place, payload, last, now);
        }
        if poll {
            self.receiver.asked();
        }
        if self.linger_until.is_none() && self.sender.complete() && self.receiver.complete() {
            self.linger_until = Some(now + LINGER);
        }
        Ok(())
    }

    fn next_frame(&mut self, now: Duration) -> Option<Frame> {
        if let Some(reason) = self.farewell.take() {
            return Some(Frame::Reset { reason });
        }
        if self.end.is_some() {
            return None;
        }
        let ack = self.receiver.ack();
        let room = self.sender.next_room();
        let carried = self.receiver.has_news() && room.is_some_and(|room| ack.len() <= room);
        if (self.receiver.ack_due() || self.sender.must_ask()) && !carried {
            self.receiver.acknowledged();
            self.stats.acks_out += 1;
            let poll = self.sender.take_ask(now);
            return Some(Frame::Ack { poll, ack });
        }
        let transmit = self.sender.transmit(carried.then_some(ack), now)?;
        if carried {
            self.receiver.acknowledged();
        }
        self.stats.repeats_out += u64::from(transmit.again);
        Some(transmit.frame)
    }

    fn finish(&mut self, end: End, farewell: Option<Reason>) {
        self.end = Some(end);
        self.farewell = farewell;
        self.sender.clear();
        self.receiver.clear();
    }
}
