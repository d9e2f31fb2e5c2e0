//! The bounds of every frame's fields (docs/protocol.md §7.6): one check for both directions.

use crate::{
    message::SizeClass,
    reconcile::{
        COUNTERS,
        frames::MAX_IDS_PER_FRAME,
        riblt::{MAX_PACKED, MAX_SYMBOLS},
    },
    shelf::MAX_LIFETIME,
    wire::v1::{Credit, Extension, Hello, Membership, More, Part, Summary, Symbols, frame::Body},
};

/// Bytes of a Hello's nonce.
pub const NONCE_LEN: usize = 16;
/// Extensions in one Hello at most.
pub const MAX_EXTENSIONS: usize = 8;
/// Short ids in one frame at most; 960 bytes.
pub const MAX_IDS: usize = MAX_IDS_PER_FRAME;
/// Bytes of a Summary's estimate at most: 64 counters of three bytes (§8.1).
pub const MAX_ESTIMATE: usize = 3 * COUNTERS;
/// Bytes of data in one Part at most: with the longest header the frame has 1,020 bytes.
pub const MAX_PART_DATA: usize = 1_000;
/// Credit outstanding at most, bytes (§7.3).
pub const MAX_CREDIT: u32 = 262_144;
/// Credit of a Hello at least, bytes: with less than two full Parts, sender and receiver could wait
/// for each other (§7.3).
pub const MIN_CREDIT: u32 = 2_048;
/// Lifetime of a bundle at most, seconds: seven days (§6).
pub const MAX_LIFETIME_S: u32 = MAX_LIFETIME.as_secs() as u32;
/// Part stream of bundles of class 0 to 2.
pub(super) const TEXT: u32 = 0;
/// Part stream of bundles of classes 3 and 4.
pub(super) const BULK: u32 = 1;

const FINGERPRINT_LEN: usize = 16;
const ID_LEN: usize = 8;

/// Which bound a frame broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// Hello: versions 0, or the least above the greatest.
    Versions,
    /// Hello: nonce of another length than 16.
    Nonce,
    /// Hello or Credit: too little or too much.
    Credit,
    /// Hello: more than 8 extensions.
    Extensions,
    /// Ids that are no multiple of 8 bytes, none where some are needed, or more than 120.
    Ids,
    /// Summary: a fingerprint of neither 0 nor 16 bytes.
    Fingerprint,
    /// Summary: an estimate of more than 192 bytes.
    Estimate,
    /// Symbols: none, too many bytes, or a start beyond the cap.
    Symbols,
    /// More: beyond the cap of symbols.
    More,
    /// Part: neither stream 0 nor 1.
    Stream,
    /// Part: a total that is no bundle size of its stream.
    Total,
    /// Part: age or lifetime in a piece that is not the first.
    Continuation,
    /// Part: no data, or more than 1,000 bytes.
    Data,
    /// Membership: another number of tags than 4, 8, 16, 32 or 64.
    Tags,
}

impl Bound {
    /// Stable word, for counters and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Versions => "hello.versions",
            Self::Nonce => "hello.nonce",
            Self::Credit => "credit",
            Self::Extensions => "hello.extensions",
            Self::Ids => "ids",
            Self::Fingerprint => "summary.fingerprint",
            Self::Estimate => "summary.estimate",
            Self::Symbols => "symbols",
            Self::More => "more",
            Self::Stream => "part.stream",
            Self::Total => "part.total",
            Self::Continuation => "part.continuation",
            Self::Data => "part.data",
            Self::Tags => "membership.tags",
        }
    }
}

/// The stream that a bundle of this many bytes goes over; `None` when it is no size of a bundle (§6).
pub(super) fn stream_of(size: u32) -> Option<u32> {
    match SizeClass::of_size(size as usize)? {
        SizeClass::B256 | SizeClass::B512 | SizeClass::K1 => Some(TEXT),
        SizeClass::K4 | SizeClass::K16 => Some(BULK),
    }
}

pub(super) fn check(body: &Body) -> Result<(), Bound> {
    match body {
        Body::Hello(hello) => check_hello(hello),
        Body::Summary(summary) => check_summary(summary),
        Body::Symbols(symbols) => check_symbols(symbols),
        Body::More(More { count }) => within(*count as usize <= MAX_SYMBOLS, Bound::More),
        Body::Want(want) => check_ids(&want.ids, 1),
        Body::Gone(gone) => check_ids(&gone.ids, 1),
        Body::Have(have) => check_ids(&have.ids, 1),
        Body::Delivered(delivered) => check_ids(&delivered.ids, 1),
        Body::Part(part) => check_part(part),
        Body::Credit(Credit { bytes }) => within((1..=MAX_CREDIT).contains(bytes), Bound::Credit),
        Body::Ping(_) | Body::Pong(_) => Ok(()),
        Body::Membership(Membership { tags }) => within(
            [4, 8, 16, 32, 64]
                .map(|count| count * ID_LEN)
                .contains(&tags.len()),
            Bound::Tags,
        ),
        // Their content is bounded by the frame's length; an unknown reason reads as unspecified.
        Body::Done(_) | Body::Close(_) | Body::Extension(Extension { .. }) => Ok(()),
    }
}

fn within(holds: bool, bound: Bound) -> Result<(), Bound> {
    if holds { Ok(()) } else { Err(bound) }
}

fn check_hello(hello: &Hello) -> Result<(), Bound> {
    within(
        hello.min_version >= 1 && hello.min_version <= hello.max_version,
        Bound::Versions,
    )?;
    within(hello.nonce.len() == NONCE_LEN, Bound::Nonce)?;
    within(
        (MIN_CREDIT..=MAX_CREDIT).contains(&hello.credit),
        Bound::Credit,
    )?;
    within(hello.extensions.len() <= MAX_EXTENSIONS, Bound::Extensions)
}

fn check_summary(summary: &Summary) -> Result<(), Bound> {
    within(
        [0, FINGERPRINT_LEN].contains(&summary.fingerprint.len()),
        Bound::Fingerprint,
    )?;
    within(summary.estimate.len() <= MAX_ESTIMATE, Bound::Estimate)?;
    check_ids(&summary.ids, 0)
}

fn check_symbols(symbols: &Symbols) -> Result<(), Bound> {
    within(
        (symbols.start as usize) < MAX_SYMBOLS && (1..=MAX_PACKED).contains(&symbols.packed.len()),
        Bound::Symbols,
    )
}

fn check_ids(ids: &[u8], least: usize) -> Result<(), Bound> {
    let whole = ids.len().is_multiple_of(ID_LEN);
    within(
        whole && (least..=MAX_IDS).contains(&(ids.len() / ID_LEN)),
        Bound::Ids,
    )
}

/// Age and lifetime of a first piece are judged by the reassembly: such a bundle is dropped, but its
/// pieces still count against the credit.
fn check_part(part: &Part) -> Result<(), Bound> {
    within(part.stream == TEXT || part.stream == BULK, Bound::Stream)?;
    within((1..=MAX_PART_DATA).contains(&part.data.len()), Bound::Data)?;
    if part.total == 0 {
        return within(part.age_s == 0 && part.lifetime_s == 0, Bound::Continuation);
    }
    within(stream_of(part.total) == Some(part.stream), Bound::Total)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prost::Message;

    use super::*;
    use crate::{
        link::frame::{FrameError, decode, encode},
        wire::v1::{Close, Delivered, Done, Frame, Gone, Have, Want},
    };

    fn hello() -> Hello {
        Hello {
            min_version: 1,
            max_version: 1,
            nonce: vec![1; 16].into(),
            capabilities: 3,
            credit: 4_096,
            extensions: Vec::new(),
        }
    }

    fn part(stream: u32, total: u32, len: usize) -> Part {
        Part {
            stream,
            total,
            age_s: 0,
            lifetime_s: 0,
            data: vec![0; len].into(),
        }
    }

    fn check(body: Body, expected: Result<(), Bound>) {
        let encoded = encode(body.clone());
        assert_eq!(
            encoded.clone().map(|_| ()),
            expected.map_err(FrameError::Bound),
            "{body:?}"
        );
        // What this side refuses to write it also refuses to read.
        let raw = Frame {
            body: Some(body.clone()),
        }
        .encode_to_vec();
        assert_eq!(
            decode(&raw),
            expected.map(|()| body).map_err(FrameError::Bound)
        );
    }

    #[test]
    fn hello_is_bounded() {
        // MSG-9.
        check(Body::Hello(hello()), Ok(()));
        for (min_version, max_version, good) in
            [(0, 1, false), (1, 1, true), (2, 1, false), (1, 2, true)]
        {
            let expected = if good { Ok(()) } else { Err(Bound::Versions) };
            check(
                Body::Hello(Hello {
                    min_version,
                    max_version,
                    ..hello()
                }),
                expected,
            );
        }
        for len in [0, 15, 17] {
            check(
                Body::Hello(Hello {
                    nonce: vec![0; len].into(),
                    ..hello()
                }),
                Err(Bound::Nonce),
            );
        }
        for (credit, good) in [
            (2_047, false),
            (2_048, true),
            (262_144, true),
            (262_145, false),
        ] {
            let expected = if good { Ok(()) } else { Err(Bound::Credit) };
            check(Body::Hello(Hello { credit, ..hello() }), expected);
        }
        for (count, good) in [(8, true), (9, false)] {
            let extensions = vec![Extension::default(); count];
            let expected = if good { Ok(()) } else { Err(Bound::Extensions) };
            check(
                Body::Hello(Hello {
                    extensions,
                    ..hello()
                }),
                expected,
            );
        }
    }

    #[test]
    fn ids_are_bounded() {
        let frames: [fn(Bytes) -> Body; 4] = [
            |ids| Body::Want(Want { ids }),
            |ids| Body::Gone(Gone { ids }),
            |ids| Body::Have(Have { ids }),
            |ids| Body::Delivered(Delivered { ids }),
        ];
        let bound = |good| if good { Ok(()) } else { Err(Bound::Ids) };
        for frame in frames {
            for (len, good) in [
                (0, false),
                (7, false),
                (8, true),
                (12, false),
                (960, true),
                (968, false),
            ] {
                check(frame(vec![1; len].into()), bound(good));
            }
        }
        for (len, good) in [(0, true), (4, false), (960, true), (968, false)] {
            check(
                Body::Summary(Summary {
                    ids: vec![1; len].into(),
                    ..Summary::default()
                }),
                bound(good),
            );
        }
        for (len, good) in [
            (0, true),
            (8, false),
            (15, false),
            (16, true),
            (17, false),
            (32, false),
        ] {
            let summary = Summary {
                fingerprint: vec![1; len].into(),
                ..Summary::default()
            };
            check(
                Body::Summary(summary),
                if good {
                    Ok(())
                } else {
                    Err(Bound::Fingerprint)
                },
            );
        }
    }

    #[test]
    fn estimates_are_bounded() {
        for (len, good) in [(0, true), (192, true), (193, false)] {
            let summary = Summary {
                estimate: vec![1; len].into(),
                ..Summary::default()
            };
            let expected = if good { Ok(()) } else { Err(Bound::Estimate) };
            check(Body::Summary(summary), expected);
        }
    }

    #[test]
    fn symbols_are_bounded() {
        let cases = [
            (0, 0, false),
            (0, 1, true),
            (0, 1_000, true),
            (0, 1_001, false),
            (16_383, 1, true),
            (16_384, 1, false),
        ];
        for (start, len, good) in cases {
            let symbols = Symbols {
                start,
                packed: vec![1; len].into(),
                more: false,
            };
            check(
                Body::Symbols(symbols),
                if good { Ok(()) } else { Err(Bound::Symbols) },
            );
        }
        for (count, good) in [(0, true), (16_384, true), (16_385, false)] {
            check(
                Body::More(More { count }),
                if good { Ok(()) } else { Err(Bound::More) },
            );
        }
    }

    #[test]
    fn parts_are_bounded() {
        for (size, stream) in [(256, 0), (512, 0), (1_024, 0), (4_096, 1), (16_384, 1)] {
            check(Body::Part(part(stream, size, 1)), Ok(()));
            check(Body::Part(part(1 - stream, size, 1)), Err(Bound::Total));
            check(Body::Part(part(stream, size + 1, 1)), Err(Bound::Total));
            check(Body::Part(part(stream, size - 1, 1)), Err(Bound::Total));
        }
        for (stream, len, expected) in [
            (0, 0, Err(Bound::Data)),
            (0, 1, Ok(())),
            (1, 1_000, Ok(())),
            (1, 1_001, Err(Bound::Data)),
            (2, 1, Err(Bound::Stream)),
        ] {
            check(Body::Part(part(stream, 0, len)), expected);
        }
        check(
            Body::Part(Part {
                age_s: 1,
                ..part(0, 0, 1)
            }),
            Err(Bound::Continuation),
        );
        check(
            Body::Part(Part {
                lifetime_s: 1,
                ..part(0, 0, 1)
            }),
            Err(Bound::Continuation),
        );
    }

    #[test]
    fn the_rest_is_bounded() {
        for (bytes, good) in [(0, false), (1, true), (262_144, true), (262_145, false)] {
            check(
                Body::Credit(Credit { bytes }),
                if good { Ok(()) } else { Err(Bound::Credit) },
            );
        }
        for count in 0..=65 {
            let good = [4, 8, 16, 32, 64].contains(&count);
            let tags = Membership {
                tags: vec![1; 8 * count].into(),
            };
            check(
                Body::Membership(tags),
                if good { Ok(()) } else { Err(Bound::Tags) },
            );
        }
        check(
            Body::Membership(Membership {
                tags: vec![1; 33].into(),
            }),
            Err(Bound::Tags),
        );
        check(Body::Done(Done {}), Ok(()));
        check(Body::Close(Close { reason: 5 }), Ok(()));
        check(Body::Close(Close { reason: 99 }), Ok(()));
        check(Body::Extension(Extension::default()), Ok(()));
    }
}
