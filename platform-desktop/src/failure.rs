//! How a command ends: exit codes and the one form of an error (`{"error":{kind,message,hint}}`).

use std::{ffi::OsString, io, io::Write as _, process::ExitCode};

use serde::Serialize;
use sovereign_node::api::{ApiError, ErrorKind};

use crate::text;

/// Done.
pub(crate) const DONE: u8 = 0;
/// The command failed.
pub(crate) const FAILED: u8 = 1;
/// The command line, the environment or the configuration is wrong.
pub(crate) const USAGE: u8 = 2;
/// No node is running on the data directory.
pub(crate) const NOT_RUNNING: u8 = 3;
/// Another node holds the data directory.
pub(crate) const HELD: u8 = 4;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be shown, with the exit code of its kind.
    Api(ApiError),
    /// Whoever read our output has gone (`sovereign history | head`): nothing is wrong.
    OutputClosed,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl Failure {
    /// An error from writing to stdout.
    #[must_use]
    pub(crate) fn from_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::OutputClosed
        } else {
            Self::Api(io_error("cannot write the output", error))
        }
    }
}

/// What a command ends with.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// An [`ErrorKind::Invalid`] error.
pub(crate) fn invalid(message: impl Into<String>, hint: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::Invalid, message, hint)
}

/// What the operating system said, as an API error.
#[must_use]
pub(crate) fn io_error(what: &str, error: &io::Error) -> ApiError {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorKind::NotFound, "check the path"),
        io::ErrorKind::AlreadyExists => (ErrorKind::Exists, "choose another path, or move it away"),
        io::ErrorKind::PermissionDenied => (
            ErrorKind::Io,
            "check who owns it, or run as the user who does",
        ),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::DiskFull, "make room and try again")
        }
        _ => (ErrorKind::Io, "`sovereign doctor` may say more"),
    };
    ApiError::new(kind, format!("{what}: {error}"), hint)
}

/// The exit code of an error.
#[must_use]
pub(crate) fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Invalid => USAGE,
        ErrorKind::NotRunning => NOT_RUNNING,
        ErrorKind::Held => HELD,
        _ => FAILED,
    }
}

/// The form of an error for programs.
#[derive(Serialize)]
struct Shown<'a> {
    error: &'a ApiError,
}

/// Shows an error on stderr and gives its exit code.
#[must_use]
pub(crate) fn report(failure: &Failure, json: bool) -> ExitCode {
    let Failure::Api(error) = failure else {
        return ExitCode::from(DONE);
    };
    let shown = if json {
        text::json(&Shown { error }).unwrap_or_default()
    } else if error.hint.is_empty() {
        format!("sovereign: {}", text::block(&error.message))
    } else {
        format!(
            "sovereign: {}\n  hint: {}",
            text::block(&error.message),
            text::block(&error.hint)
        )
    };
    // With stderr gone, nobody can be told.
    let _ = writeln!(io::stderr(), "{shown}");
    ExitCode::from(code(error.kind))
}

/// Ends a run whose command line clap refused, or that asked for `--help` or `--version`.
#[must_use]
pub(crate) fn usage(error: &clap::Error, json: bool) -> ExitCode {
    if !error.use_stderr() {
        // Help and version go to stdout.
        let _ = error.print();
        return ExitCode::from(DONE);
    }
    if !json {
        let _ = error.print();
        return ExitCode::from(USAGE);
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let message = lines
        .next()
        .unwrap_or("wrong usage")
        .trim_start_matches("error: ")
        .to_owned();
    let rest: Vec<&str> = lines
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"))
        .collect();
    let message = if rest.is_empty() {
        message
    } else {
        format!("{message} {}", rest.join(" "))
    };
    report(&invalid(message, "see `sovereign --help`").into(), true)
}

/// Whether the raw arguments ask for JSON; needed before they are known to be valid.
#[must_use]
pub(crate) fn wants_json(arguments: &[OsString]) -> bool {
    arguments
        .iter()
        .skip(1)
        .take_while(|argument| *argument != "--")
        .any(|argument| argument == "--json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_contract() {
        assert_eq!(code(ErrorKind::Invalid), 2);
        assert_eq!(code(ErrorKind::NotRunning), 3);
        assert_eq!(code(ErrorKind::Held), 4);
        for kind in [ErrorKind::Io, ErrorKind::NotFound, ErrorKind::DiskFull] {
            assert_eq!(code(kind), 1);
        }
    }

    #[test]
    fn json_is_wanted_before_the_arguments_are_understood() {
        let args = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(&args(&["sovereign", "nonsense", "--json"])));
        assert!(!wants_json(&args(&["sovereign", "send", "--", "--json"])));
        assert!(!wants_json(&args(&["--json", "status"])));
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(matches!(Failure::from_output(&gone), Failure::OutputClosed));
    }
}
