//! Set reconciliation: what one side of a link has and the other lacks (MSG-6, decision 9;
//! docs/protocol.md §8).
//!
//! [`Reconciliation`] is one session's course; [`riblt`] codes sets whose difference is small
//! beside them. Nothing here moves bundles: that is the link's affair.

mod course;
mod error;
mod estimate;
pub mod frames;
mod key;
mod list;
pub mod riblt;
mod set;
mod varint;

pub use course::{
    FIRST_SYMBOLS_MAX, LIST_MAX, MORE_MIN, Reconciliation, SYMBOLS_BEFORE_LIST, Step,
};
pub use error::ReconcileError;
pub use estimate::{COUNTERS, Estimate};
pub use key::{SessionKey, ShortId};
pub use list::MAX_LACK;
pub use set::{MAX_SET, SessionSet};
