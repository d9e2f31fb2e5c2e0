//! Whole nodes, as they ship, on virtual radios and networks and in virtual time.

mod clock;
mod links;
mod phone;
mod run;

pub use phone::{Model, Phone};
pub use run::{Abort, Ended, Progress, run};
