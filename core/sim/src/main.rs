//! The `sovereign-sim` command: the simulator, as `sovereign sim` starts it.

mod cli;
mod entropy;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
