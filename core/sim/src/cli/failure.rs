//! How a command ends: exit codes and the one form of an error.

use std::{io, process::ExitCode};

use serde_json::json;

/// Done.
pub(super) const DONE: u8 = 0;
/// Failed, or a quality was missed.
pub(super) const FAILED: u8 = 1;
/// The command line or the scenario is wrong.
pub(super) const USAGE: u8 = 2;

/// The exit code of a command that did what it was told.
pub(super) type Outcome = Result<u8, Failure>;

/// Why a command did not.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    kind: &'static str,
    message: String,
    hint: String,
}

impl Failure {
    fn new(code: u8, kind: &'static str, message: impl ToString, hint: impl Into<String>) -> Self {
        Self {
            code,
            kind,
            message: message.to_string(),
            hint: hint.into(),
        }
    }

    /// What was asked for is wrong.
    pub(super) fn invalid(message: impl ToString, hint: impl Into<String>) -> Self {
        Self::new(USAGE, "invalid", message, hint)
    }

    /// There is no such scenario.
    pub(super) fn not_found(message: impl ToString, hint: impl Into<String>) -> Self {
        Self::new(USAGE, "not_found", message, hint)
    }

    /// Something is there already.
    pub(super) fn exists(message: impl ToString, hint: impl Into<String>) -> Self {
        Self::new(FAILED, "exists", message, hint)
    }

    /// A file is not what it has to be.
    pub(super) fn bad_file(message: impl ToString, hint: impl Into<String>) -> Self {
        Self::new(FAILED, "bad_file", message, hint)
    }

    /// The address is taken, or the system has none to give.
    pub(super) fn unbound(message: impl ToString) -> Self {
        let hint = "choose another port: --listen 127.0.0.1:0 takes any free one";
        Self::new(FAILED, "io", message, hint)
    }

    /// The run went wrong.
    pub(super) fn run(message: impl ToString) -> Self {
        Self::new(
            FAILED,
            "internal",
            message,
            "please report this, with the scenario and the seed",
        )
    }

    /// Files.
    pub(super) fn io(what: &str, error: io::Error) -> Self {
        let hint = "check the path, and that there is room";
        Self::new(FAILED, "io", format!("{what}: {error}"), hint)
    }

    /// stdout.
    pub(super) fn output(error: io::Error) -> Self {
        Self::io("the output cannot be written", error)
    }
}

/// Tells why, and gives the exit code.
pub(super) fn show(failure: &Failure, json: bool) -> u8 {
    let Failure {
        kind,
        message,
        hint,
        ..
    } = failure;
    if json {
        let error = json!({"error": {"kind": kind, "message": message, "hint": hint}});
        eprintln!("{error}");
    } else if hint.is_empty() {
        eprintln!("error: {message}");
    } else {
        eprintln!("error: {message}\nhint: {hint}");
    }
    failure.code
}

/// clap's errors, help among them.
pub(super) fn usage(error: &clap::Error, json: bool) -> ExitCode {
    if !error.use_stderr() || !json {
        // Nothing can be told where this cannot.
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { USAGE } else { DONE });
    }
    let message = error.render().to_string();
    let message = message.trim_start_matches("error: ").trim_end();
    let failure = Failure::invalid(message, "see `sovereign sim --help`");
    ExitCode::from(show(&failure, true))
}
