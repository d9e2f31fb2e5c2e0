//! The event loop: one task owns the engine and connects it to the ports.

mod archive_file;
mod commands;
mod doctor;
mod driver;
pub(crate) mod home;
mod keeper;
mod nets;
mod say;
mod start;

pub(crate) use start::start;
