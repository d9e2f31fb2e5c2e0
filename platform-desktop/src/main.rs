//! The `sovereign` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    sovereign_desktop::run()
}
