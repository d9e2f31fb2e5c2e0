//! A bundle as the shelf knows it: everything but its bytes.

use core::time::Duration;

use super::limits::HOLD;
use crate::{
    id::{ContentId, MessageId},
    link_kind::Source,
};

/// Whose bundle it is, in the order in which bundles give way: the last first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Written here.
    Own,
    /// Opened here: authenticated in a channel of one's own, whoever brought it.
    Member,
    /// Carried for others, brought by a contact.
    Contact,
    /// Carried for others, brought by anybody else.
    Stranger,
}

impl Kind {
    /// All kinds, in order.
    pub const ALL: [Self; 4] = [Self::Own, Self::Member, Self::Contact, Self::Stranger];

    /// Whether it is carried for others, unread.
    #[must_use]
    pub const fn is_carried(self) -> bool {
        matches!(self, Self::Contact | Self::Stranger)
    }
}

/// A bundle that has arrived, or whose first piece has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Hash of the bundle.
    pub content: ContentId,
    /// Bytes of the bundle.
    pub size: u32,
    /// Age when it was received, as the carriers before have counted.
    pub age: Duration,
    /// Age beyond which everybody drops it.
    pub lifetime: Duration,
    /// Whose it is.
    pub kind: Kind,
    /// Whom its transfer is charged to.
    pub source: Source,
}

/// A bundle on the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Bytes of the bundle.
    pub size: u32,
    /// Age when it was received.
    pub age: Duration,
    /// Age beyond which it is dropped; at most [`super::MAX_LIFETIME`].
    pub lifetime: Duration,
    /// Life clock when it was received.
    pub received: Duration,
    /// Who brought it.
    pub source: Source,
    /// Whose it is.
    pub kind: Kind,
    /// The message within, if it was opened here.
    pub message: Option<MessageId>,
}

impl Meta {
    /// Its age, the time it has been held included.
    #[must_use]
    pub fn age_now(&self, life: Duration) -> Duration {
        self.age.saturating_add(life.saturating_sub(self.received))
    }

    /// The life clock beyond which it is dropped: past its lifetime, and in any case [`HOLD`] after
    /// its receipt here.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.received
            .saturating_add(self.lifetime.saturating_sub(self.age).min(HOLD))
    }
}

/// What to do with an arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Keep it, after dropping these.
    Keep {
        /// Bundles that give way, in the order in which they were chosen.
        evict: Vec<ContentId>,
    },
    /// Do not.
    Decline(DeclineReason),
}

/// Why an arrival is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum DeclineReason {
    /// It is on the shelf.
    #[error("already held")]
    Duplicate,
    /// It was, or was declined for want of room.
    #[error("seen before")]
    Seen,
    /// Older than its lifetime.
    #[error("expired")]
    Expired,
    /// A lifetime above seven days.
    #[error("lifetime too long")]
    TooLong,
    /// Larger than any bundle, or empty.
    #[error("too large or empty")]
    TooLarge,
    /// This kind of peers has brought enough for now.
    #[error("rate limit of all sources")]
    RateTotal,
    /// This source has brought enough for now.
    #[error("rate limit of the source")]
    RateSource,
    /// Whatever could give way is worth more.
    #[error("no room")]
    NoRoom,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(age: u64, lifetime: u64, received: u64) -> Meta {
        Meta {
            size: 256,
            age: Duration::from_secs(age),
            lifetime: Duration::from_secs(lifetime),
            received: Duration::from_secs(received),
            source: Source(1),
            kind: Kind::Stranger,
            message: None,
        }
    }

    #[test]
    fn age_grows_by_the_time_held_and_a_deadline_is_what_is_left() {
        let meta = meta(10, 100, 1_000);
        assert_eq!(meta.age_now(Duration::from_secs(1_000)).as_secs(), 10);
        assert_eq!(meta.age_now(Duration::from_secs(1_030)).as_secs(), 40);
        // A clock record that was lost: not younger than when it came.
        assert_eq!(meta.age_now(Duration::from_secs(5)).as_secs(), 10);
        assert_eq!(meta.deadline().as_secs(), 1_090);
    }

    #[test]
    fn no_bundle_is_held_for_more_than_seven_days() {
        assert_eq!(meta(0, 604_799, 5).deadline().as_secs(), 5 + 604_799);
        assert_eq!(meta(0, 604_801, 5).deadline().as_secs(), 5 + 604_800);
        assert_eq!(meta(9, 5, 5).deadline().as_secs(), 5);
    }

    #[test]
    fn kinds_give_way_in_order() {
        assert!(Kind::ALL.is_sorted());
        let carried = Kind::ALL.map(Kind::is_carried);
        assert_eq!(carried, [false, false, true, true]);
    }
}
