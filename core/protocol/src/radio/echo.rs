//! The echo test of an L2CAP channel (docs/protocol.md §12.5): a channel that looks open may not be.
//!
//! The side that opened the channel sends 1,024 random bytes, the other returns them; then the same
//! channel carries the stream's frames. GATT needs no test: discovery has used it already.

use core::time::Duration;

use bytes::Bytes;

use super::stream::{MAX_FRAME, MIN_FRAME};

/// Bytes of the test: several frames each way, so that a channel without flow control shows it (the amount
/// is Berty's).
pub const ECHO_LEN: usize = 1_024;
/// All of them must be back by then: a tenth of a second of transfer at 20 kB/s, and fifty times that for a
/// radio that is still busy connecting.
pub const ECHO_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a channel cannot be trusted; the link stays on GATT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EchoError {
    /// Other bytes than were sent, or more.
    #[error("byte {at} of the echo is not what was sent")]
    Different {
        /// The first byte that differs, from 0.
        at: usize,
    },
    /// A frame without bytes, or longer than a frame can be.
    #[error("a frame of {got} bytes")]
    Length {
        /// Bytes of the frame.
        got: usize,
    },
    /// Not all of them in time.
    #[error("{missing} bytes of the echo did not come")]
    Timeout {
        /// Bytes that were still to come.
        missing: usize,
    },
}

/// Where a test stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes are still to come.
    UnderWay,
    /// All bytes went through, both ways: the stream may begin.
    Passed,
}

/// The side that opened the channel.
#[derive(Debug)]
pub struct Echo {
    bytes: Bytes,
    max_frame: usize,
    sent: usize,
    back: usize,
    until: Duration,
}

impl Echo {
    /// A test with these random bytes, in frames of at most `max_frame` bytes (brought between
    /// [`MIN_FRAME`] and [`MAX_FRAME`]).
    #[must_use]
    pub fn new(random: &[u8; ECHO_LEN], max_frame: usize, now: Duration) -> Self {
        Self {
            bytes: Bytes::copy_from_slice(random),
            max_frame: max_frame.clamp(MIN_FRAME, MAX_FRAME),
            sent: 0,
            back: 0,
            until: now + ECHO_TIMEOUT,
        }
    }

    /// The next frame to send, if any is left.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        let end = ECHO_LEN.min(self.sent + self.max_frame);
        let frame = self.bytes.slice(self.sent..end);
        self.sent = end;
        (!frame.is_empty()).then_some(frame)
    }

    /// A frame came in. After an error the channel is to be closed.
    pub fn on_frame(&mut self, frame: &[u8]) -> Result<Progress, EchoError> {
        check(frame)?;
        let expected = &self.bytes[self.back..self.sent];
        let same = frame
            .iter()
            .zip(expected)
            .take_while(|(got, sent)| got == sent)
            .count();
        if same < frame.len() {
            return Err(EchoError::Different {
                at: self.back + same,
            });
        }
        self.back += same;
        Ok(progress(self.back))
    }

    /// When [`Self::on_timeout`] is to be called.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.until
    }

    /// Time has passed.
    pub fn on_timeout(&self, now: Duration) -> Result<(), EchoError> {
        overdue(self.back, self.until, now)
    }
}

/// The side that was connected to: returns what comes, up to [`ECHO_LEN`] bytes.
#[derive(Debug)]
pub struct Answerer {
    /// What has come so far; it grows to [`ECHO_LEN`] bytes and no further.
    bytes: Vec<u8>,
    max_frame: usize,
    returned: usize,
    until: Duration,
}

impl Answerer {
    /// For a channel that just came up; `max_frame` as in [`Echo::new`].
    #[must_use]
    pub fn new(max_frame: usize, now: Duration) -> Self {
        Self {
            bytes: Vec::new(),
            max_frame: max_frame.clamp(MIN_FRAME, MAX_FRAME),
            returned: 0,
            until: now + ECHO_TIMEOUT,
        }
    }

    /// The next frame to send back, if any is left.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        let end = self.bytes.len().min(self.returned + self.max_frame);
        let frame = Bytes::copy_from_slice(&self.bytes[self.returned..end]);
        self.returned = end;
        (!frame.is_empty()).then_some(frame)
    }

    /// A frame came in. After an error the channel is to be closed.
    pub fn on_frame(&mut self, frame: &[u8]) -> Result<(), EchoError> {
        check(frame)?;
        if frame.len() > ECHO_LEN - self.bytes.len() {
            return Err(EchoError::Different { at: ECHO_LEN });
        }
        self.bytes.extend_from_slice(frame);
        Ok(())
    }

    /// [`Progress::Passed`] once all bytes were returned: the next frame in is the stream's.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        progress(self.returned)
    }

    /// When [`Self::on_timeout`] is to be called.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.until
    }

    /// Time has passed.
    pub fn on_timeout(&self, now: Duration) -> Result<(), EchoError> {
        overdue(self.returned, self.until, now)
    }
}

const fn progress(done: usize) -> Progress {
    if done < ECHO_LEN {
        Progress::UnderWay
    } else {
        Progress::Passed
    }
}

const fn check(frame: &[u8]) -> Result<(), EchoError> {
    if frame.is_empty() || frame.len() > MAX_FRAME {
        return Err(EchoError::Length { got: frame.len() });
    }
    Ok(())
}

fn overdue(done: usize, until: Duration, now: Duration) -> Result<(), EchoError> {
    if now >= until && done < ECHO_LEN {
        return Err(EchoError::Timeout {
            missing: ECHO_LEN - done,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Duration = Duration::from_secs(100);

    fn random() -> [u8; ECHO_LEN] {
        core::array::from_fn(|at| (at * 7 + at / 256) as u8)
    }

    #[test]
    fn what_comes_back_whole_passes() {
        for max_frame in [0, 20, 182, 495, 9_999] {
            let (mut echo, mut answerer) = (
                Echo::new(&random(), max_frame, T),
                Answerer::new(max_frame, T),
            );
            let (mut passed, mut frames) = (Progress::UnderWay, 0);
            while let Some(frame) = echo.poll_transmit() {
                assert_eq!(passed, Progress::UnderWay);
                assert_eq!(answerer.progress(), Progress::UnderWay);
                answerer.on_frame(&frame).unwrap();
                let back = answerer.poll_transmit().unwrap();
                passed = echo.on_frame(&back).unwrap();
                frames += 1;
            }
            assert_eq!(frames, ECHO_LEN.div_ceil(max_frame.clamp(20, 495)));
            assert_eq!(passed, Progress::Passed);
            assert_eq!(answerer.progress(), Progress::Passed);
            assert_eq!(answerer.poll_transmit(), None);
            let late = T + ECHO_TIMEOUT;
            assert_eq!(echo.on_timeout(late), Ok(()));
            assert_eq!(answerer.on_timeout(late), Ok(()));
        }
    }

    #[test]
    fn other_bytes_and_more_bytes_fail() {
        let mut echo = Echo::new(&random(), 495, T);
        // Nothing was sent yet.
        let early = echo.on_frame(&random()[..1]);
        assert_eq!(early, Err(EchoError::Different { at: 0 }));
        let mut frame = echo.poll_transmit().unwrap().to_vec();
        assert_eq!(echo.on_frame(&frame[..100]), Ok(Progress::UnderWay));
        frame[494] ^= 1;
        let different = echo.on_frame(&frame[100..]);
        assert_eq!(different, Err(EchoError::Different { at: 494 }));
        frame[494] ^= 1;
        frame.push(random()[495]);
        let more = echo.on_frame(&frame[100..=495]);
        assert_eq!(more, Err(EchoError::Different { at: 495 }));
    }

    #[test]
    fn an_answerer_holds_no_more_than_the_test() {
        let mut answerer = Answerer::new(495, T);
        for frame in [&random()[..495], &random()[495..990], &random()[990..1_023]] {
            assert_eq!(answerer.on_frame(frame), Ok(()));
        }
        let excess = answerer.on_frame(&[0, 0]);
        assert_eq!(excess, Err(EchoError::Different { at: ECHO_LEN }));
        assert_eq!(answerer.on_frame(&[0]), Ok(()));
        assert_eq!(answerer.bytes.len(), ECHO_LEN);
        assert_eq!(answerer.progress(), Progress::UnderWay);
    }

    #[test]
    fn frames_of_no_length_or_too_much_fail() {
        let (mut echo, mut answerer) = (Echo::new(&random(), 495, T), Answerer::new(495, T));
        for got in [0, 496] {
            let frame = vec![0; got];
            assert_eq!(echo.on_frame(&frame), Err(EchoError::Length { got }));
            assert_eq!(answerer.on_frame(&frame), Err(EchoError::Length { got }));
        }
    }

    #[test]
    fn a_channel_that_only_looks_open_is_given_up() {
        let (mut echo, mut answerer) = (Echo::new(&random(), 495, T), Answerer::new(495, T));
        let frame = echo.poll_transmit().unwrap();
        answerer.on_frame(&frame).unwrap();
        answerer.poll_transmit().unwrap();
        echo.on_frame(&frame).unwrap();
        assert_eq!([echo.timeout(), answerer.timeout()], [T + ECHO_TIMEOUT; 2]);
        let just_before = T + ECHO_TIMEOUT - Duration::from_nanos(1);
        assert_eq!(echo.on_timeout(just_before), Ok(()));
        assert_eq!(answerer.on_timeout(just_before), Ok(()));
        let missing = Err(EchoError::Timeout { missing: 529 });
        assert_eq!(echo.on_timeout(T + ECHO_TIMEOUT), missing);
        assert_eq!(answerer.on_timeout(T + ECHO_TIMEOUT), missing);
    }
}
