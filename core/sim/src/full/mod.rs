//! Whole nodes, as they ship, on virtual radios and networks and in virtual time.

mod clock;
mod phone;

pub use phone::{Model, Phone};
