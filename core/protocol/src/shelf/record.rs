//! The shelf's records in the node's own store.

use core::time::Duration;

use super::{
    bundle::{Kind, Meta},
    limits::{MAX_BUNDLE, MAX_LIFETIME},
};
use crate::{
    id::{IdError, MessageId},
    link_kind::Source,
    wire::local::ShelfRecord,
};

/// Greatest life clock that a record may have: 1,000 years, in seconds.
const MAX_LIFE_S: u64 = 31_557_600_000;

/// Why a record was refused: the store is damaged or foreign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShelfRecordError {
    /// No bundle has this size.
    #[error("bundle of {0} bytes")]
    Size(u32),
    /// A lifetime above seven days.
    #[error("lifetime of {0} s")]
    Lifetime(u32),
    /// Older at its receipt than its lifetime: it would not have been kept.
    #[error("age of {0} s at receipt")]
    Age(u32),
    /// A life clock that no node has lived to see.
    #[error("received at {0} s")]
    Received(u64),
    /// An unknown kind.
    #[error("kind {0}")]
    Kind(u32),
    /// A message id of another length.
    #[error("message id: {0}")]
    Message(#[from] IdError),
}

/// What a record says of its content id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is held.
    Held(Meta),
    /// It is not, and need not come again.
    Seen {
        /// Life clock since when.
        since: Duration,
    },
}

impl Recorded {
    /// The record; life clocks lose the fraction of their second.
    #[must_use]
    pub fn to_record(&self) -> ShelfRecord {
        match self {
            Self::Held(meta) => ShelfRecord {
                size: meta.size,
                age_s: seconds(meta.age),
                lifetime_s: seconds(meta.lifetime),
                received_life_s: meta.received.as_secs(),
                source: meta.source.0,
                kind: meta.kind as u32,
                message: meta
                    .message
                    .map(|id| id.0.to_vec().into())
                    .unwrap_or_default(),
                declined: false,
            },
            Self::Seen { since } => ShelfRecord {
                received_life_s: since.as_secs(),
                declined: true,
                ..ShelfRecord::default()
            },
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`ShelfRecordError`] for what [`Self::to_record`] never makes.
    pub fn from_record(record: &ShelfRecord) -> Result<Self, ShelfRecordError> {
        if record.received_life_s > MAX_LIFE_S {
            return Err(ShelfRecordError::Received(record.received_life_s));
        }
        let received = Duration::from_secs(record.received_life_s);
        if record.declined {
            return Ok(Self::Seen { since: received });
        }
        if !(1..=MAX_BUNDLE).contains(&record.size) {
            return Err(ShelfRecordError::Size(record.size));
        }
        let lifetime = Duration::from_secs(u64::from(record.lifetime_s));
        if lifetime > MAX_LIFETIME {
            return Err(ShelfRecordError::Lifetime(record.lifetime_s));
        }
        if record.age_s > record.lifetime_s {
            return Err(ShelfRecordError::Age(record.age_s));
        }
        let kind = *Kind::ALL
            .get(record.kind as usize)
            .ok_or(ShelfRecordError::Kind(record.kind))?;
        let message = match &record.message[..] {
            [] => None,
            id => Some(MessageId::try_from(id)?),
        };
        Ok(Self::Held(Meta {
            size: record.size,
            age: Duration::from_secs(u64::from(record.age_s)),
            lifetime,
            received,
            source: Source(record.source),
            kind,
            message,
        }))
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> ShelfRecord {
        ShelfRecord {
            size: 256,
            age_s: 10,
            lifetime_s: 604_800,
            received_life_s: 77,
            source: 5,
            kind: 3,
            message: vec![1; 32].into(),
            declined: false,
        }
    }

    #[test]
    fn records_round_trip() {
        for kind in 0..4 {
            for message in [vec![], vec![1; 32]] {
                let record = ShelfRecord {
                    kind,
                    message: message.into(),
                    ..held()
                };
                let recorded = Recorded::from_record(&record).unwrap();
                assert_eq!(recorded.to_record(), record);
                let Recorded::Held(meta) = recorded else {
                    panic!("held")
                };
                assert_eq!(meta.kind, Kind::ALL[kind as usize]);
                assert_eq!(meta.lifetime, MAX_LIFETIME);
            }
        }
        let seen = Recorded::Seen {
            since: Duration::from_secs(9),
        };
        assert_eq!(Recorded::from_record(&seen.to_record()), Ok(seen));
    }

    #[test]
    fn damaged_records_are_refused_and_the_last_good_values_are_not() {
        use ShelfRecordError as E;
        type Case = (fn(&mut ShelfRecord), Option<E>);
        let cases: [Case; 13] = [
            (|r| r.size = 0, Some(E::Size(0))),
            (|r| r.size = 1, None),
            (|r| r.size = 16_384, None),
            (|r| r.size = 16_385, Some(E::Size(16_385))),
            (|r| r.lifetime_s = 604_801, Some(E::Lifetime(604_801))),
            (|r| r.age_s = 604_800, None),
            (|r| r.age_s = 604_801, Some(E::Age(604_801))),
            (|r| r.received_life_s = MAX_LIFE_S, None),
            (
                |r| r.received_life_s = MAX_LIFE_S + 1,
                Some(E::Received(MAX_LIFE_S + 1)),
            ),
            (|r| r.kind = 4, Some(E::Kind(4))),
            (|r| r.kind = u32::MAX, Some(E::Kind(u32::MAX))),
            (
                |r| r.message = vec![1; 31].into(),
                Some(E::Message(IdError::Length {
                    expected: 32,
                    got: 31,
                })),
            ),
            (
                |r| {
                    r.declined = true;
                    r.received_life_s = u64::MAX;
                },
                Some(E::Received(u64::MAX)),
            ),
        ];
        for (change, error) in cases {
            let mut record = held();
            change(&mut record);
            assert_eq!(Recorded::from_record(&record).err(), error, "{record:?}");
        }
    }
}
