//! The command line. Names, JSON keys and exit codes are a contract.

mod failure;
mod interrupt;
mod library;
mod list;
mod progress;
mod run;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use self::failure::{DONE, Outcome};

const TEACH: &str = "\
Examples:
  sovereign sim list                           the scenarios that come with it
  sovereign sim run campfire                   one of them
  sovereign sim run campfire --seed 7 --json   another world of the same kind, for a script
  sovereign sim run my-village.toml --report out

The same scenario and seed give the same run, byte for byte: compare the traces.

Exit codes: 0 done · 1 failed, or the scenario's quality was missed · 2 wrong usage.";

const ABOUT: &str =
    "A city on a laptop: the shipped node, unchanged, on virtual radios and in virtual time.";

#[derive(Debug, Parser)]
#[command(name = "sovereign-sim", bin_name = "sovereign sim", version, about = ABOUT, after_long_help = TEACH,
          after_help = "`sovereign sim --help` has examples.", propagate_version = true)]
struct Cli {
    /// JSON on stdout instead of text for people; errors as JSON on stderr
    #[arg(long, global = true)]
    json: bool,
    /// What to do
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a scenario; fails when it misses the quality that it demands
    Run(RunArgs),
    /// The scenarios that come with the simulator
    List,
}

/// `run …`
#[derive(Debug, clap::Args)]
struct RunArgs {
    /// A file, or the name of one that comes with the simulator
    scenario: PathBuf,
    /// Which of the worlds of its kind
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Write the recording and the report into this directory
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            return failure::usage(&error, std::env::args_os().any(|arg| arg == "--json"));
        }
    };
    let outcome = match &cli.action {
        Action::Run(args) => run::run(args, cli.json),
        Action::List => list::list(cli.json),
    };
    ExitCode::from(match outcome {
        Ok(code) => code,
        Err(error) => failure::show(&error, cli.json),
    })
}

/// A command's line of output.
fn print(line: &str) -> Outcome {
    use std::io::Write as _;
    match writeln!(std::io::stdout().lock(), "{line}") {
        // Whoever read it has gone: nothing is wrong.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(DONE),
        done => done.map(|()| DONE).map_err(failure::Failure::output),
    }
}
