//! `sovereign sim …`: starts the simulator, a program of its own beside this one. Its randomness is seeded, which
//! no program that runs a node may know how to do (ADR 0025).

use std::{ffi::OsString, io, os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use sovereign_node::api::{ApiError, ErrorKind};

use crate::{
    failure::{Outcome, io_error},
    output::Output,
};

const PROGRAM: &str = "sovereign-sim";

/// Becomes the simulator.
///
/// # Errors
/// When there is none, or it cannot be started.
pub(crate) fn run(arguments: Vec<OsString>, output: Output) -> Outcome<u8> {
    // Beside this program first: another version on the path would be another simulator.
    let beside = std::env::current_exe()
        .ok()
        .map(|program| program.with_file_name(PROGRAM))
        .filter(|program| program.is_file());
    let program = beside.unwrap_or_else(|| PathBuf::from(PROGRAM));
    let json = output.json && !arguments.iter().any(|argument| argument == "--json");
    let mut command = Command::new(program);
    command.args(json.then_some("--json")).args(arguments);
    let error = command.exec();
    if error.kind() != io::ErrorKind::NotFound {
        return Err(io_error("the simulator cannot be started", &error).into());
    }
    Err(ApiError::new(
        ErrorKind::NotFound,
        "there is no simulator beside this program",
        "build it: cargo build --release --package sovereign-sim",
    )
    .into())
}
