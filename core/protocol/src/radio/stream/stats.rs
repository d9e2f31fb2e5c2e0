//! What a stream has been through, for status, strikes and tests.

use super::FrameError;

/// Frames and bytes of a stream since it began. Bytes are those of whole frames, as a radio carries them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames handed to the radio: each is one write or notification.
    pub frames_out: u64,
    /// Bytes handed to the radio.
    pub bytes_out: u64,
    /// Of the frames out, those that repeat data.
    pub repeats_out: u64,
    /// Of the frames out, those that only acknowledge.
    pub acks_out: u64,
    /// Frames taken in, refused ones not counted.
    pub frames_in: u64,
    /// Bytes taken in, refused frames not counted.
    pub bytes_in: u64,
    /// Data frames that had come before.
    pub known_in: u64,
    /// Data frames that came before one with a lower number.
    pub early_in: u64,
    /// Frames refused, by kind.
    pub refused: Refused,
}

/// Refused frames by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Empty or longer than a frame can be.
    pub length: u64,
    /// They did not decode.
    pub malformed: u64,
    /// Numbers outside the window.
    pub window: u64,
    /// Acknowledgements of what was never sent.
    pub unsent: u64,
    /// They contradicted the end of the stream.
    pub after_last: u64,
    /// They came after the stream was over.
    pub over: u64,
}

impl Refused {
    pub(super) fn count(&mut self, error: FrameError) {
        let counter = match error {
            FrameError::Empty | FrameError::TooLong { .. } => &mut self.length,
            FrameError::Malformed | FrameError::NoData => &mut self.malformed,
            FrameError::OutOfWindow { .. } => &mut self.window,
            FrameError::Unsent => &mut self.unsent,
            FrameError::AfterLast { .. } => &mut self.after_last,
            FrameError::Over => &mut self.over,
        };
        *counter = counter.saturating_add(1);
    }

    /// Over all kinds but those that came after the end.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.length
            .saturating_add(self.malformed)
            .saturating_add(self.window)
            .saturating_add(self.unsent)
            .saturating_add(self.after_last)
    }
}
