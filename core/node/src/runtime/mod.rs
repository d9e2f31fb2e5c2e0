//! The event loop: one task owns the engine and connects it to the ports.

mod archive_file;
mod bodies;
mod channels;
mod commands;
mod doctor;
mod driver;
mod field;
mod hear;
pub(crate) mod home;
mod keeper;
mod nets;
mod panel;
mod randomness;
mod reading;
mod say;
mod start;
mod status;
mod tally;
mod tell;
mod transfer;
mod writes;

pub(crate) use start::start;
#[cfg(feature = "simulation")]
pub(crate) use {
    keeper::Keeper,
    start::{Ground, start_on},
};
