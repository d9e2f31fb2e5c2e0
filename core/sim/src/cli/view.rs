//! `view`.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;
use sovereign_dashboard::{BindError, BoundDashboard, Limits, Options, bind};
use sovereign_node::adapters::rng::OsRng;
use sovereign_sim::{
    record::Reader,
    scenario::Scenario,
    view::{Recording, ViewError},
};

use super::{
    Fidelity,
    failure::{DONE, Failure, Outcome},
    interrupt::Interrupt,
    library, print, progress, run,
};

pub(super) const TEACH: &str = "\
WHAT is one of
  a directory that `run --report DIR` has written
  a recording (recording.jsonl)
  a scenario: a file that ends in .toml, or a name that `sovereign sim list` shows; it is run first

Examples:
  sovereign sim view campfire                    run it, then look at it
  sovereign sim run village --report out
  sovereign sim view out                         look at a run that was kept
  sovereign sim view out --listen 127.0.0.1:8080

Open the address in a browser on this machine and type the code. Ctrl-C ends it.";

/// `view …`
#[derive(Debug, clap::Args)]
#[command(after_long_help = TEACH)]
pub(super) struct ViewArgs {
    /// A report's directory, a recording, or a scenario, which is run first
    what: PathBuf,
    /// Where to listen: a loopback address; port 0 for any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = sovereign_dashboard::parse_address)]
    listen: SocketAddr,
    /// Which of the worlds of its kind, for a scenario; default: 1
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Instead of what the scenario says: whole nodes, or their decisions alone
    #[arg(long, value_name = "full|policy")]
    fidelity: Option<Fidelity>,
}

/// What there is to look at.
enum What {
    /// To be run first.
    Scenario(Box<Scenario>),
    /// That was run.
    Recording(PathBuf),
}

pub(super) fn view(args: &ViewArgs, json: bool) -> Outcome {
    let what = what(args)?;
    let interrupt = Interrupt::watch().map_err(|error| Failure::io("no signals", error))?;
    // A run's own recording goes when the program does.
    let (recording, _kept) = match what {
        What::Recording(path) => {
            let scenario = beside(&path)?;
            (open(&path, scenario.as_ref())?, None)
        }
        What::Scenario(scenario) => {
            let directory = tempfile::tempdir()
                .map_err(|error| Failure::io("no room for a recording", error))?;
            let path = directory.path().join(run::RECORDING);
            let to: Box<dyn Write + Send> = Box::new(BufWriter::new(
                File::create_new(&path)
                    .map_err(|error| Failure::io(&format!("{}", path.display()), error))?,
            ));
            run::simulated(&scenario, args.seed.unwrap_or(1), to, &interrupt)?;
            // Ctrl-C ended the run early; from here on it ends the program.
            interrupt.forget();
            (open(&path, Some(&scenario))?, Some(directory))
        }
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("no runtime", error))?
        .block_on(serve(args.listen, recording, &interrupt, json))
}

fn what(args: &ViewArgs) -> Result<What, Failure> {
    let path = &args.what;
    let written = path
        .extension()
        .is_some_and(|extension| extension == "toml");
    if is_ours(path) || written || !path.exists() {
        let mut scenario = library::scenario(path)?;
        if let Some(fidelity) = args.fidelity {
            scenario.fidelity = fidelity.into();
        }
        return Ok(What::Scenario(Box::new(scenario)));
    }
    if args.seed.is_some() || args.fidelity.is_some() {
        return Err(Failure::invalid(
            "--seed and --fidelity are for scenarios: a recording has its own",
            "leave them out, or name a scenario",
        ));
    }
    let path = match path.is_dir() {
        true => path.join(run::RECORDING),
        false => path.clone(),
    };
    if path.is_file() {
        return Ok(What::Recording(path));
    }
    Err(Failure::not_found(
        format!("there is no recording `{}`", path.display()),
        "give a directory that `sovereign sim run … --report DIR` has written",
    ))
}

/// The scenario beside a recording, or the one of the library with the name that the recording has; whether it is the
/// one that was run is found out from the recording.
fn beside(recording: &Path) -> Result<Option<Scenario>, Failure> {
    let file = File::open(recording)
        .map_err(|error| Failure::io(&format!("{}", recording.display()), error))?;
    let header = Reader::new(BufReader::new(file))
        .map_err(|error| unreadable(recording, &error.into()))?
        .header()
        .clone();
    let name = Path::new(&header.scenario);
    let kept = recording.with_file_name(run::SCENARIO);
    let mut scenario = match kept.is_file() {
        true => library::scenario(&kept)?,
        false if is_ours(name) => library::scenario(name)?,
        false => return Ok(None),
    };
    // `run --fidelity` may have overridden it.
    scenario.fidelity = match &*header.fidelity {
        "full" => Fidelity::Full.into(),
        _ => Fidelity::Policy.into(),
    };
    Ok(Some(scenario))
}

fn is_ours(name: &Path) -> bool {
    library::ALL.iter().any(|(ours, _)| Path::new(ours) == name)
}

fn open(path: &Path, scenario: Option<&Scenario>) -> Result<Recording, Failure> {
    let spinner = progress::reading();
    let recording = Recording::open(path, scenario);
    spinner.finish_and_clear();
    recording.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &ViewError) -> Failure {
    let hint = match error {
        ViewError::Recording(_) => {
            "a run that was killed leaves a recording without an end: run the scenario again"
        }
        _ => "show a shorter run",
    };
    Failure::bad_file(format!("{}: {error}", path.display()), hint)
}

async fn serve(
    address: SocketAddr,
    recording: Recording,
    interrupt: &Interrupt,
    json: bool,
) -> Outcome {
    let bound = bind(Options {
        address,
        settings: Vec::new(),
        // This thread is not the run's, so this is the kernel's randomness: see `entropy`.
        rng: Arc::new(OsRng),
        limits: Limits::default(),
    })
    .await
    .map_err(|error| match error {
        BindError::Address(error) => Failure::invalid(error, "say --listen 127.0.0.1:0"),
        BindError::Io(..) => Failure::unbound(error),
    })?;
    let terminated = terminated();
    let told = tell(&bound, json);
    let stop = async {
        tokio::select! {
            () = interrupt.pressed() => {}
            () = terminated => {}
        }
    };
    tokio::select! {
        () = bound.play(recording, stop) => Ok(DONE),
        error = told => error,
    }
}

/// Tells the address and the code, and each later code; it ends only if nothing can be told.
fn tell(bound: &BoundDashboard, json: bool) -> impl Future<Output = Outcome> + use<> {
    let (url, mut code) = (bound.url(), bound.codes().watch());
    async move {
        loop {
            let shown = code.borrow_and_update().clone();
            print(&match json {
                true => json!({ "type": "dashboard", "url": url, "code": shown }).to_string(),
                false => format!(
                    "Dashboard: {url}  code {shown}  (works once, in a browser on this machine)"
                ),
            })?;
            if code.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// When the system asks the program to end; it is listened to from the call on.
fn terminated() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let mut signal = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::terminate()).ok()
    };
    async move {
        #[cfg(unix)]
        if let Some(signal) = &mut signal {
            signal.recv().await;
            return;
        }
        std::future::pending().await
    }
}
