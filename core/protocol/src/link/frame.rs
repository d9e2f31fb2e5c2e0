//! Frames of `/sovereign/link/1` (docs/protocol.md §7.1): decoded, encoded and held to their bounds.

use bytes::Bytes;
use prost::Message;

use super::bounds::{self, Bound};
use crate::wire::v1::Frame;
pub use crate::wire::v1::frame::Body;

/// Bytes of a frame at most, without its length (decision 3).
pub const MAX_FRAME: usize = 1_024;
/// Bytes of the length before each frame.
pub const LENGTH_PREFIX: usize = 2;

/// Why a frame was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Empty or above 1,024 bytes: the link is closed at once.
    #[error("a frame of {0} bytes; 1 to 1,024 are allowed")]
    Length(usize),
    /// Not the encoding of a `Frame`.
    #[error("not a Frame")]
    Malformed,
    /// A `Frame` without a body known to this version.
    #[error("a Frame without a known body")]
    Unknown,
    /// A field is out of bounds.
    #[error("{} out of bounds", .0.word())]
    Bound(Bound),
}

impl FrameError {
    /// Stable word, for counters and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Length(_) => "length",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Bound(bound) => bound.word(),
        }
    }
}

/// Reads one frame, given without its length.
///
/// # Errors
/// [`FrameError`]: whatever a peer sends, nothing larger than the frame is allocated.
pub fn decode(bytes: &[u8]) -> Result<Body, FrameError> {
    if bytes.is_empty() || bytes.len() > MAX_FRAME {
        return Err(FrameError::Length(bytes.len()));
    }
    let frame = Frame::decode(bytes).map_err(|_| FrameError::Malformed)?;
    let body = frame.body.ok_or(FrameError::Unknown)?;
    bounds::check(&body).map_err(FrameError::Bound)?;
    Ok(body)
}

/// Writes one frame, without its length. The result has 1 to 1,024 bytes.
///
/// # Errors
/// [`FrameError::Bound`] or [`FrameError::Length`] when `decode` would refuse the result.
pub fn encode(body: Body) -> Result<Bytes, FrameError> {
    bounds::check(&body).map_err(FrameError::Bound)?;
    let frame = Frame { body: Some(body) };
    let length = frame.encoded_len();
    if length > MAX_FRAME {
        return Err(FrameError::Length(length));
    }
    Ok(frame.encode_to_vec().into())
}

/// Short ids as they are written: 8 bytes each, little-endian (§8.1). At most [`super::MAX_IDS`] fit
/// in a frame.
#[must_use]
pub fn pack_ids(ids: &[u64]) -> Bytes {
    ids.iter()
        .flat_map(|id| id.to_le_bytes())
        .collect::<Vec<u8>>()
        .into()
}

/// Reads what [`pack_ids`] wrote; a rest of less than 8 bytes, which `decode` refuses, is left out.
#[must_use]
pub fn unpack_ids(bytes: &[u8]) -> Vec<u64> {
    let (ids, _) = bytes.as_chunks::<8>();
    ids.iter().map(|id| u64::from_le_bytes(*id)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::wire::v1::{
        Close, Credit, Delivered, Done, Extension, Gone, Have, Hello, Membership, More, Part, Ping,
        Pong, Summary, Symbols, Want,
    };

    #[test]
    fn frames_have_one_to_1024_bytes() {
        assert_eq!(decode(&[]), Err(FrameError::Length(0)));
        assert_eq!(decode(&[0; 1_025]), Err(FrameError::Length(1_025)));
        assert_eq!(decode(&[0; 1_024]), Err(FrameError::Malformed));
        let extension = |len| {
            Body::Extension(Extension {
                id: 1,
                critical: false,
                data: vec![0; len].into(),
            })
        };
        let whole = encode(extension(1_016)).unwrap();
        assert_eq!(whole.len(), MAX_FRAME);
        assert_eq!(decode(&whole), Ok(extension(1_016)));
        assert_eq!(encode(extension(1_017)), Err(FrameError::Length(1_025)));
    }

    #[test]
    fn bodies_of_later_versions_are_unknown_and_unknown_fields_are_passed_over() {
        // MSG-9. Field 17 and field 100 are no body of version 1.
        assert_eq!(decode(&[0x8a, 0x01, 0]), Err(FrameError::Unknown));
        assert_eq!(decode(&[0xa0, 0x06, 1]), Err(FrameError::Unknown));
        let mut frame = encode(Body::Done(Done {})).unwrap().to_vec();
        frame.extend([0xa0, 0x06, 1]);
        assert_eq!(decode(&frame), Ok(Body::Done(Done {})));
    }

    #[test]
    fn the_longest_part_fits() {
        let longest = Part {
            stream: 1,
            total: 16_384,
            age_s: u32::MAX,
            lifetime_s: u32::MAX,
            data: vec![9; bounds::MAX_PART_DATA].into(),
        };
        assert!(encode(Body::Part(longest)).is_ok());
    }

    fn any_ids(least: usize) -> impl Strategy<Value = Bytes> {
        vec(any::<u64>(), least..=bounds::MAX_IDS).prop_map(|ids| pack_ids(&ids))
    }

    fn any_extension() -> impl Strategy<Value = Extension> {
        (any::<u32>(), any::<bool>(), vec(any::<u8>(), 0..40)).prop_map(|(id, critical, data)| {
            Extension {
                id,
                critical,
                data: data.into(),
            }
        })
    }

    fn any_body() -> impl Strategy<Value = Body> {
        let hello = (
            1..9_u32,
            0..9_u32,
            any::<[u8; 16]>(),
            any::<u32>(),
            2_048..=262_144_u32,
            vec(any_extension(), 0..=8),
        );
        let hello = hello.prop_map(
            |(min_version, more, nonce, capabilities, credit, extensions)| {
                let nonce = nonce.to_vec().into();
                Body::Hello(Hello {
                    min_version,
                    max_version: min_version + more,
                    nonce,
                    capabilities,
                    credit,
                    extensions,
                })
            },
        );
        let summary = (
            any::<u32>(),
            any::<Option<[u8; 16]>>(),
            any_ids(0),
            any::<bool>(),
            vec(any::<u8>(), 0..30),
        );
        let summary = summary.prop_map(|(count, fingerprint, ids, more, estimate)| {
            let fingerprint = fingerprint.map_or(Bytes::new(), |f| f.to_vec().into());
            Body::Summary(Summary {
                count,
                fingerprint,
                ids,
                more,
                estimate: estimate.into(),
            })
        });
        let part = (
            prop::sample::select(vec![
                (0, 0),
                (1, 0),
                (0, 256),
                (0, 512),
                (0, 1_024),
                (1, 4_096),
                (1, 16_384),
            ]),
            any::<[u32; 2]>(),
            vec(any::<u8>(), 1..=1_000),
        );
        let part = part.prop_map(|((stream, total), ages, data)| {
            let [age_s, lifetime_s] = if total == 0 { [0, 0] } else { ages };
            Body::Part(Part {
                stream,
                total,
                age_s,
                lifetime_s,
                data: data.into(),
            })
        });
        let symbols = (0..16_384_u32, vec(any::<u8>(), 1..=1_000), any::<bool>());
        let symbols = symbols.prop_map(|(start, packed, more)| {
            let packed = packed.into();
            Body::Symbols(Symbols {
                start,
                packed,
                more,
            })
        });
        let tags = prop::sample::select(vec![4_usize, 8, 16, 32, 64])
            .prop_flat_map(|count| vec(any::<u8>(), 8 * count))
            .prop_map(|tags| Body::Membership(Membership { tags: tags.into() }));
        prop_oneof![
            hello,
            summary,
            part,
            symbols,
            tags,
            (0..=16_384_u32).prop_map(|count| Body::More(More { count })),
            any_ids(1).prop_map(|ids| Body::Want(Want { ids })),
            any_ids(1).prop_map(|ids| Body::Gone(Gone { ids })),
            any_ids(1).prop_map(|ids| Body::Have(Have { ids })),
            any_ids(1).prop_map(|ids| Body::Delivered(Delivered { ids })),
            (1..=262_144_u32).prop_map(|bytes| Body::Credit(Credit { bytes })),
            Just(Body::Done(Done {})),
            any::<i32>().prop_map(|reason| Body::Close(Close { reason })),
            any::<u32>().prop_map(|number| Body::Ping(Ping { number })),
            any::<u32>().prop_map(|number| Body::Pong(Pong { number })),
            any_extension().prop_map(Body::Extension),
        ]
    }

    proptest! {
        #[test]
        fn every_kind_round_trips(body in any_body()) {
            let frame = encode(body.clone()).unwrap();
            prop_assert!((1..=MAX_FRAME).contains(&frame.len()));
            prop_assert_eq!(decode(&frame), Ok(body));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..1_100)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn mutated_frames_never_panic_and_what_passes_is_within_bounds(
            body in any_body(), at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()
        ) {
            let mut frame = encode(body).unwrap().to_vec();
            let at = at.index(frame.len());
            frame[at] = byte;
            if let Ok(read) = decode(&frame) {
                prop_assert!(encode(read).is_ok());
            }
            let _ = decode(&frame[..cut.index(frame.len())]);
        }

        #[test]
        fn ids_round_trip(ids in vec(any::<u64>(), 0..=bounds::MAX_IDS)) {
            prop_assert_eq!(unpack_ids(&pack_ids(&ids)), ids);
        }
    }
}
