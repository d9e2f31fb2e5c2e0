//! What a carrier keeps, for how long and for whom (MSG-5, MSG-13, decision 9).
//!
//! A carrier cannot check what it cannot read. It limits by total, by source and by age, never by
//! trust. [`Shelf`] is the index in memory; the bundles' bytes and its records are in the store.
//! All times are readings of the [`life::LifeClock`].

mod bundle;
mod index;
pub mod life;
mod limits;
mod rate;
mod record;
mod room;
mod seen;
mod store;

pub use bundle::{Arrival, Decision, DeclineReason, Kind, Meta};
pub use index::ShortIndex;
pub use limits::{
    CONTACT_RATE_FACTOR, HOLD, Limits, MAX_BUNDLE, MAX_BUNDLES, MAX_LIFETIME, MAX_RATED_SOURCES,
    MAX_SEEN, SEEN_FOR, SOURCE_RATE_PART, STRANGER_BYTES_PER_HOUR, STRANGER_SHARE_PERCENT,
    TOTAL_BYTES,
};
pub use record::{Recorded, ShelfRecordError};
pub use store::{Changes, Shelf, Stats};
