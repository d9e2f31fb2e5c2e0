//! The byte stream over a radio's frames, on links of virtual time (LOC-4; docs/protocol.md §12).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests that print their figures"
)]

mod air;
mod course;
mod ends;
mod figures;
mod hostile;
mod properties;
mod vectors;
