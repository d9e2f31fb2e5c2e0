//! Framing of `/sovereign/link/1`: a two-byte big-endian length, 1 to 1024, and the frame.

use bytes::{BufMut, Bytes, BytesMut};

/// Longest frame, in bytes (decision 3).
pub(super) const MAX_FRAME: usize = 1024;
/// Bytes of the length prefix.
const PREFIX: usize = 2;
/// Read buffer of one link: two whole frames, so that one read can fetch the end of one frame and
/// all of the next.
const READ_BUFFER: usize = 2 * (PREFIX + MAX_FRAME);

/// A length prefix of 0 or above [`MAX_FRAME`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadLength;

/// Appends a frame with its prefix. The frame's length is the caller's promise.
pub(super) fn encode(frame: &[u8], out: &mut BytesMut) {
    let length = u16::try_from(frame.len()).expect("frames are at most 1 KiB");
    out.put_u16(length);
    out.put_slice(frame);
}

/// Cuts a byte stream into frames, in a buffer of fixed size.
pub(super) struct Decoder {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; READ_BUFFER].into(),
            start: 0,
            end: 0,
        }
    }

    /// Room for the next read; never empty after [`Decoder::next_frame`] returned `Ok(None)`.
    pub(super) fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// Says that `count` bytes of [`Decoder::space`] were filled.
    pub(super) fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.buffer.len());
    }

    /// Whether part of a frame is waiting for the rest.
    pub(super) fn has_partial(&self) -> bool {
        self.start < self.end
    }

    /// The next whole frame, if it is there.
    pub(super) fn next_frame(&mut self) -> Result<Option<Bytes>, BadLength> {
        let unread = &self.buffer[self.start..self.end];
        let [high, low, rest @ ..] = unread else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if !(1..=MAX_FRAME).contains(&length) {
            return Err(BadLength);
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = Bytes::copy_from_slice(frame);
        self.start += PREFIX + length;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(
        decoder: &mut Decoder,
        mut input: &[u8],
        step: usize,
    ) -> Result<Vec<Bytes>, BadLength> {
        let mut frames = Vec::new();
        loop {
            while let Some(frame) = decoder.next_frame()? {
                frames.push(frame);
            }
            if input.is_empty() {
                return Ok(frames);
            }
            let space = decoder.space();
            assert!(
                !space.is_empty(),
                "the buffer always has room for the rest of a frame"
            );
            let count = step.clamp(1, space.len()).min(input.len());
            space[..count].copy_from_slice(&input[..count]);
            decoder.filled(count);
            input = &input[count..];
        }
    }

    #[test]
    fn lengths_outside_1_to_1024_are_refused() {
        for prefix in [[0, 0], [4, 1], [255, 255]] {
            assert_eq!(read_all(&mut Decoder::new(), &prefix, 2), Err(BadLength));
        }
        let mut largest = BytesMut::new();
        encode(&[7; MAX_FRAME], &mut largest);
        assert_eq!(largest.len(), 1026);
        assert_eq!(
            read_all(&mut Decoder::new(), &largest, 9999).unwrap()[0].len(),
            1024
        );
    }

    proptest! {
        #[test]
        fn any_split_of_the_stream_gives_the_same_frames(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=MAX_FRAME), 0..8),
            step in 1usize..3000,
        ) {
            let mut wire = BytesMut::new();
            for frame in &frames {
                encode(frame, &mut wire);
            }
            let mut decoder = Decoder::new();
            let read = read_all(&mut decoder, &wire, step).unwrap();
            prop_assert_eq!(read, frames.into_iter().map(Bytes::from).collect::<Vec<_>>());
            prop_assert!(!decoder.has_partial());
        }

        #[test]
        fn random_bytes_never_panic(input in prop::collection::vec(any::<u8>(), 0..5000), step in 1usize..100) {
            let _ = read_all(&mut Decoder::new(), &input, step);
        }
    }
}
