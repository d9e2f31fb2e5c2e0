//! The command line. Names, JSON keys and exit codes are a contract.

mod failure;
mod interrupt;
mod library;
mod list;
mod progress;
mod run;
mod sweep;
mod vary;
mod view;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use self::failure::{DONE, Outcome};

const TEACH: &str = "\
Examples:
  sovereign sim list                           the scenarios that come with it
  sovereign sim run campfire                   one of them
  sovereign sim run campfire --seed 7 --json   another world of the same kind, for a script
  sovereign sim run my-village.toml --report out
  sovereign sim view campfire                  run it, then play it in a browser
  sovereign sim sweep march --seeds 1-20 --vary radio.frame-loss=0,0.1,0.2 --report out

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
    /// Run seeds and values of a scenario on all cores, and compare
    Sweep(SweepArgs),
    /// Play a recording in a browser: people on a map, messages on their way, plots
    View(view::ViewArgs),
    /// The scenarios that come with the simulator
    List,
}

/// `sweep …`
#[derive(Debug, clap::Args)]
struct SweepArgs {
    /// A file, or the name of one that comes with the simulator
    scenario: PathBuf,
    /// From which seed to which
    #[arg(long, value_name = "FROM-TO", default_value = "1-5", value_parser = seeds)]
    seeds: std::ops::RangeInclusive<u64>,
    /// Go through these values of the scenario; may be repeated: every combination is run
    #[arg(long, value_name = "PATH=V,V,…")]
    vary: Vec<String>,
    /// Write the table and the plots into this directory
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Runs at a time; default: one a core
    #[arg(long, value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
    /// Instead of what the scenario says: whole nodes, or their decisions alone
    #[arg(long, value_name = "full|policy")]
    fidelity: Option<Fidelity>,
}

/// Seeds of a sweep at most.
const MOST_SEEDS: u64 = 10_000;

fn seeds(text: &str) -> Result<std::ops::RangeInclusive<u64>, String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<u64>();
    match (number(from), number(to)) {
        (Ok(from), Ok(to)) if from <= to && to - from < MOST_SEEDS => Ok(from..=to),
        _ => Err(format!("write FROM-TO, at most {MOST_SEEDS} seeds")),
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=256) => Ok(jobs),
        _ => Err("write a number from 1 to 256".to_owned()),
    }
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
    /// Instead of what the scenario says: whole nodes, or their decisions alone
    #[arg(long, value_name = "full|policy")]
    fidelity: Option<Fidelity>,
}

/// What the nodes are.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Fidelity {
    /// Whole nodes, sockets and frames included
    Full,
    /// The shipped decisions alone, on virtual links
    Policy,
}

impl Fidelity {
    fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Policy => "policy",
        }
    }
}

impl From<Fidelity> for sovereign_sim::scenario::Fidelity {
    fn from(fidelity: Fidelity) -> Self {
        match fidelity {
            Fidelity::Full => Self::Full,
            Fidelity::Policy => Self::Policy,
        }
    }
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
        Action::Sweep(args) => sweep::sweep(args, cli.json),
        Action::View(args) => view::view(args, cli.json),
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
