//! Whole nodes, as they ship, on virtual radios and networks and in virtual time.

mod account;
mod clock;
mod hear;
mod links;
mod phone;
mod run;
mod watched;

pub use clock::PhoneClock;
pub use phone::{Model, Phone};
pub use run::{Abort, Ended, Progress, run};
pub use watched::Held;
