//! Frames of the byte stream, bit by bit (docs/protocol.md §12.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::{FrameError, MAX_FRAME, Reason};

/// Frames that a receiver may hold, and so the numbers an acknowledgement can speak of: 1.1 s of frames of
/// 182 bytes at 20 kB/s, so that one can be lost twice. A fifth of a percent of all numbers: a late copy is
/// not mistaken for a new frame.
pub const WINDOW: u8 = 120;

/// The first byte and the number.
pub(super) const NUMBERED: usize = 3;
/// An acknowledgement without its bitmap.
pub(super) const ACK: usize = 3;

const KIND: u8 = 0b1100_0000;
const DATA: u8 = 0b0000_0000;
const LAST: u8 = 0b0100_0000;
const PURE_ACK: u8 = 0b1000_0000;
const RESET: u8 = 0b1100_0000;
const ACKS: u8 = 0b0010_0000;
const POLL: u8 = 0b0001_0000;
const BITMAP: u8 = 0b0000_1111;

/// What its sender has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Number of the first frame that has not come: all before it have.
    pub next: u16,
    /// Frames from `next` on that may be sent: 0 to [`WINDOW`].
    pub credit: u8,
    /// Bit i: frame `next + 1 + i` has come. Bits from 119 on lie outside every window.
    pub received: u128,
}

impl Ack {
    /// Bytes of the bitmap: without trailing zeros.
    const fn bitmap_len(&self) -> usize {
        (u128::BITS - self.received.leading_zeros()).div_ceil(8) as usize
    }

    /// Bytes on the wire.
    pub(super) const fn len(&self) -> usize {
        ACK + self.bitmap_len()
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Bytes of the stream.
    Data {
        /// Its number, modulo 65,536; the first frame is number 0.
        number: u16,
        /// Nothing comes after it.
        last: bool,
        /// An acknowledgement is asked for at once.
        poll: bool,
        /// What has come the other way, if there is something to say.
        ack: Option<Ack>,
        /// The bytes; only the last frame may have none.
        payload: Bytes,
    },
    /// An acknowledgement that no data could carry.
    Ack {
        /// An acknowledgement is asked for at once.
        poll: bool,
        /// What has come the other way.
        ack: Ack,
    },
    /// The stream is given up.
    Reset {
        /// Why.
        reason: Reason,
    },
}

impl Frame {
    /// The frame's bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Data {
                number,
                last,
                poll,
                ack,
                payload,
            } => {
                out.reserve(NUMBERED + ack.as_ref().map_or(0, Ack::len) + payload.len());
                out.put_u8(if *last { LAST } else { DATA } | flags(*poll, ack.as_ref()));
                out.put_u16(*number);
                put_ack(&mut out, ack.as_ref());
                out.put_slice(payload);
            }
            Self::Ack { poll, ack } => {
                out.put_u8(PURE_ACK | flags(*poll, Some(ack)));
                put_ack(&mut out, Some(ack));
            }
            Self::Reset { reason } => out.put_slice(&[RESET, reason.code()]),
        }
        out.freeze()
    }

    /// Reads a frame; only its payload is copied.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::TooLong { got: bytes.len() });
        }
        let (&first, mut rest) = bytes.split_first().ok_or(FrameError::Empty)?;
        let poll = first & POLL != 0;
        match first & KIND {
            RESET => {
                let ([code], 0) = (rest, first & !KIND) else {
                    return Err(FrameError::Malformed);
                };
                Ok(Self::Reset {
                    reason: Reason::from_code(*code),
                })
            }
            PURE_ACK => {
                let ack = take_ack(first, &mut rest)?.ok_or(FrameError::Malformed)?;
                if !rest.is_empty() {
                    return Err(FrameError::Malformed);
                }
                Ok(Self::Ack { poll, ack })
            }
            kind => {
                let last = kind == LAST;
                let number = take_u16(&mut rest)?;
                let ack = take_ack(first, &mut rest)?;
                if rest.is_empty() && !last {
                    return Err(FrameError::NoData);
                }
                Ok(Self::Data {
                    number,
                    last,
                    poll,
                    ack,
                    payload: Bytes::copy_from_slice(rest),
                })
            }
        }
    }
}

fn flags(poll: bool, ack: Option<&Ack>) -> u8 {
    let poll = if poll { POLL } else { 0 };
    // At most 15: four bits.
    poll | ack.map_or(0, |ack| ACKS | ack.bitmap_len() as u8)
}

fn put_ack(out: &mut BytesMut, ack: Option<&Ack>) {
    if let Some(ack) = ack {
        out.put_u16(ack.next);
        out.put_u8(ack.credit);
        out.put_slice(&ack.received.to_le_bytes()[..ack.bitmap_len()]);
    }
}

fn take_u16(rest: &mut &[u8]) -> Result<u16, FrameError> {
    let (number, after) = rest.split_first_chunk().ok_or(FrameError::Malformed)?;
    *rest = after;
    Ok(u16::from_be_bytes(*number))
}

fn take_ack(first: u8, rest: &mut &[u8]) -> Result<Option<Ack>, FrameError> {
    let len = usize::from(first & BITMAP);
    if first & ACKS == 0 {
        return if len == 0 {
            Ok(None)
        } else {
            Err(FrameError::Malformed)
        };
    }
    let next = take_u16(rest)?;
    let (&credit, after) = rest.split_first().ok_or(FrameError::Malformed)?;
    let (bitmap, after) = after.split_at_checked(len).ok_or(FrameError::Malformed)?;
    *rest = after;
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(bitmap) {
        *to = *from;
    }
    let ack = Ack {
        next,
        credit,
        received: u128::from_le_bytes(bytes),
    };
    let minimal = ack.bitmap_len() == len;
    if credit > WINDOW || !minimal || ack.received >> (WINDOW - 1) != 0 {
        return Err(FrameError::Malformed);
    }
    Ok(Some(ack))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(received: u128) -> Ack {
        Ack {
            next: 0x0102,
            credit: 120,
            received,
        }
    }

    fn data(payload: &'static [u8]) -> Frame {
        Frame::Data {
            number: 0xFFFE,
            last: false,
            poll: false,
            ack: None,
            payload: payload.into(),
        }
    }

    #[test]
    fn frames_are_what_they_were() {
        let frames: [(Frame, &[u8]); 5] = [
            (data(b"ab"), &[0x00, 0xFF, 0xFE, b'a', b'b']),
            (
                Frame::Data {
                    number: 1,
                    last: true,
                    poll: true,
                    ack: Some(ack(0b1_0000_0001)),
                    payload: Bytes::new(),
                },
                &[0x72, 0, 1, 1, 2, 120, 1, 1],
            ),
            (
                Frame::Ack {
                    poll: false,
                    ack: ack(0),
                },
                &[0xA0, 1, 2, 120],
            ),
            (
                Frame::Ack {
                    poll: true,
                    ack: ack(1 << 118),
                },
                &[
                    0xBF, 1, 2, 120, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40,
                ],
            ),
            (
                Frame::Reset {
                    reason: Reason::Protocol,
                },
                &[0xC0, 1],
            ),
        ];
        for (frame, bytes) in frames {
            assert_eq!(frame.encode(), bytes, "{frame:?}");
            assert_eq!(Frame::decode(bytes), Ok(frame));
        }
    }

    #[test]
    fn what_is_not_exactly_a_frame_is_refused() {
        let cases: [(&[u8], FrameError); 17] = [
            (&[], FrameError::Empty),
            (&[0x00], FrameError::Malformed),
            (&[0x00, 0], FrameError::Malformed),
            (&[0x00, 0, 0], FrameError::NoData),
            (&[0x20, 0, 0, 1, 2, 3], FrameError::NoData),
            // A bitmap without the acknowledgement it belongs to.
            (&[0x01, 0, 0, 1, 2], FrameError::Malformed),
            (&[0x20, 0, 0, 1, 2], FrameError::Malformed),
            (&[0xA0, 1, 2], FrameError::Malformed),
            (&[0xA0, 1, 2, 121], FrameError::Malformed),
            (&[0xA0, 1, 2, 64, 0], FrameError::Malformed),
            (&[0xA1, 1, 2, 64], FrameError::Malformed),
            (&[0xA1, 1, 2, 64, 0], FrameError::Malformed),
            (&[0xA3, 1, 2, 64, 1, 0, 0], FrameError::Malformed),
            // The bit above the window.
            (
                &[
                    0xAF, 1, 2, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80,
                ],
                FrameError::Malformed,
            ),
            (&[0x80], FrameError::Malformed),
            (&[0xC0], FrameError::Malformed),
            (&[0xD0, 1], FrameError::Malformed),
        ];
        for (bytes, error) in cases {
            assert_eq!(Frame::decode(bytes), Err(error), "{bytes:?}");
        }
        assert_eq!(Frame::decode(&[0xC0, 1, 0]), Err(FrameError::Malformed));
    }

    #[test]
    fn the_longest_frame_is_495_bytes() {
        let mut bytes = vec![0; MAX_FRAME];
        assert!(Frame::decode(&bytes).is_ok());
        bytes.push(0);
        assert_eq!(Frame::decode(&bytes), Err(FrameError::TooLong { got: 496 }));
    }

    #[test]
    fn an_acknowledgement_is_as_long_as_its_bitmap_needs() {
        for (received, len) in [(0, 3), (1, 4), (1 << 7, 4), (1 << 8, 5), (1 << 118, 18)] {
            assert_eq!(ack(received).len(), len);
            let frame = Frame::Ack {
                poll: false,
                ack: ack(received),
            };
            assert_eq!(frame.encode().len(), 1 + len);
        }
    }
}
