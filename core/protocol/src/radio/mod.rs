//! Bluetooth LE as far as it can be decided without a radio (LOC-4; decisions 2, 3, 5).

pub mod echo;
pub mod stream;
