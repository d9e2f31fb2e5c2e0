//! What can be wrong with a frame, and how a stream ends.

/// Why a frame was refused. The stream is as it was, one refused frame nearer to its end
/// ([`super::TOLERATED_FRAMES`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// No byte at all.
    #[error("an empty frame")]
    Empty,
    /// Longer than any radio's frame.
    #[error("a frame of {got} bytes")]
    TooLong {
        /// Bytes of the frame.
        got: usize,
    },
    /// Cut short, with bits or bytes that mean nothing, or with a credit above the window.
    #[error("a frame that does not decode")]
    Malformed,
    /// Data without data.
    #[error("a data frame without data")]
    NoData,
    /// A number that was never allowed, or one of long ago.
    #[error("frame {number} is outside the window")]
    OutOfWindow {
        /// Number of the frame.
        number: u16,
    },
    /// An acknowledgement of frames that were not sent.
    #[error("frames acknowledged that were never sent")]
    Unsent,
    /// Something behind the last frame, or a second last one.
    #[error("frame {number} contradicts the end of the stream")]
    AfterLast {
        /// Number of the frame.
        number: u16,
    },
    /// The stream is over; the frame is not looked at.
    #[error("the stream is over")]
    Over,
}

/// Why a stream is given up, as a Reset says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// None given, or one that is not known here.
    Unspecified,
    /// Too many frames that were refused.
    Protocol,
    /// Nothing came, or nothing was acknowledged, for too long.
    Timeout,
    /// There is no room for this link.
    Busy,
}

impl Reason {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::Protocol => 1,
            Self::Timeout => 2,
            Self::Busy => 3,
        }
    }

    pub(super) const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Protocol,
            2 => Self::Timeout,
            3 => Self::Busy,
            _ => Self::Unspecified,
        }
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides have said and received everything.
    Finished,
    /// The other side gave it up.
    Reset(Reason),
    /// This side gave it up.
    Abandoned(Reason),
    /// No valid frame ever came ([`super::OPEN_TIMEOUT`]).
    NeverOpened,
    /// What was sent has not been acknowledged for [`super::DEAD_AFTER`].
    Silent,
    /// More than [`super::TOLERATED_FRAMES`] frames had to be refused.
    Misbehaved,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_what_they_were_and_unknown_ones_are_unspecified() {
        for reason in [
            Reason::Unspecified,
            Reason::Protocol,
            Reason::Timeout,
            Reason::Busy,
        ] {
            assert_eq!(Reason::from_code(reason.code()), reason);
        }
        let codes: Vec<u8> = (0..=255)
            .filter(|code| Reason::from_code(*code) != Reason::Unspecified)
            .collect();
        assert_eq!(codes, [1, 2, 3]);
    }
}
