//! `run`.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::Path,
    time::Duration,
};

use serde_json::json;
use sovereign_sim::{
    full, policy,
    record::{Header, TraceHash, Writer},
    report::{Both, Report, Tally},
    scenario::{Fidelity, Scenario},
    world::World,
};

use super::{
    RunArgs,
    failure::{DONE, FAILED, Failure, Outcome},
    interrupt::Interrupt,
    library, print,
    progress::Bar,
};
use crate::entropy;

/// A whole node's handshakes run deep.
const STACK: usize = 16 << 20;

/// The files of a report's directory that `view` reads again.
pub(super) const RECORDING: &str = "recording.jsonl";
pub(super) const SCENARIO: &str = "scenario.toml";

/// What came of a run.
pub(super) struct Came {
    report: Report,
    records: u64,
    trace: TraceHash,
    took: Duration,
}

pub(super) fn run(args: &RunArgs, json: bool) -> Outcome {
    let mut scenario = library::scenario(&args.scenario)?;
    if let Some(fidelity) = args.fidelity {
        scenario.fidelity = fidelity.into();
    }
    let recording: Box<dyn Write + Send> = match &args.report {
        Some(directory) => {
            let recording = create(&directory.join(RECORDING))?;
            let path = directory.join(SCENARIO);
            create(&path)?
                .write_all(library::text(&args.scenario)?.as_bytes())
                .map_err(|error| Failure::io(&format!("{}", path.display()), error))?;
            Box::new(BufWriter::new(recording))
        }
        None => Box::new(io::sink()),
    };
    let interrupt = Interrupt::watch().map_err(|error| Failure::io("no signals", error))?;
    let came = simulated(&scenario, args.seed, recording, &interrupt)?;
    if let Some(directory) = &args.report {
        write(directory, &came.report)?;
    }
    show(&came, json)?;
    let missed = came.report.complete && !came.report.met();
    Ok(if missed { FAILED } else { DONE })
}

/// Runs it on a thread of its own: its hash seeds are drawn after its randomness is seeded, and no other thread's
/// randomness is.
pub(super) fn simulated(
    scenario: &Scenario,
    seed: u64,
    recording: Box<dyn Write + Send>,
    interrupt: &Interrupt,
) -> Result<Came, Failure> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("run".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, move || {
                simulate(scenario, seed, recording, interrupt)
            })
            .map_err(|error| Failure::io("no thread", error))?
            .join()
            .map_err(|_| Failure::run("the simulation panicked"))?
    })
}

fn show(came: &Came, json: bool) -> Outcome {
    let virtual_s = Duration::from_millis(came.report.end_ms).as_secs_f64();
    let took_s = came.took.as_secs_f64();
    if json {
        return print(
            &json!({
                "met": came.report.met(),
                "report": came.report,
                "records": came.records,
                "trace": came.trace.to_string(),
                "took_s": took_s,
            })
            .to_string(),
        );
    }
    print(came.report.table().trim_end())?;
    print(&format!(
        "\n{} records in {took_s:.1} s, {:.0}× real time\ntrace {}",
        came.records,
        virtual_s / took_s.max(1e-9),
        came.trace,
    ))
}

/// The report, in all its forms.
fn write(directory: &Path, report: &Report) -> Result<(), Failure> {
    let texts = [
        ("report.txt", report.table()),
        ("report.json", report.json()),
        ("report.html", report.html()),
    ];
    for (name, text) in texts.into_iter().chain(report.plots()) {
        let path = directory.join(name);
        create(&path)?
            .write_all(text.as_bytes())
            .map_err(|error| Failure::io(&format!("{}", path.display()), error))?;
    }
    Ok(())
}

fn create(path: &Path) -> Result<File, Failure> {
    let shown = path.display();
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|error| Failure::io(&format!("{}", directory.display()), error))?;
    }
    File::create_new(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::exists(
            format!("{shown} is there already"),
            "choose another directory for the report",
        ),
        _ => Failure::io(&format!("{shown}"), error),
    })
}

fn simulate(
    scenario: &Scenario,
    seed: u64,
    recording: Box<dyn Write + Send>,
    interrupt: &Interrupt,
) -> Result<Came, Failure> {
    entropy::seed(seed).map_err(Failure::run)?;
    let unwritten = |error| Failure::io("the recording cannot be written", error);
    let header = Header::of(scenario, &World::new(scenario, seed), seed);
    let mut writer = Writer::new(recording, &header).map_err(unwritten)?;
    let mut tally = Tally::new(scenario, seed);
    let mut sink = Both(&mut writer, &mut tally);
    let bar = Bar::new(&header.scenario, scenario.duration.get());
    let watch = |at| {
        bar.set(at, scenario.duration.get());
        if interrupt.came() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let at = match scenario.fidelity {
        Fidelity::Full => {
            let mut watch = |progress: full::Progress| watch(progress.at);
            let ended = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .map_err(|error| Failure::io("no runtime", error))?
                .block_on(full::run(scenario, seed, &mut watch, &mut sink))
                .map_err(Failure::run)?;
            ended.at
        }
        Fidelity::Policy => {
            let mut watch = |progress: policy::Progress| watch(progress.at);
            let ended = policy::run(scenario, seed, &mut watch, &mut sink).map_err(unwritten)?;
            ended.progress.at
        }
    };
    let took = bar.finish();
    let records = writer.records();
    let end_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    let (_, trace) = writer.finish(end_ms).map_err(unwritten)?;
    Ok(Came {
        report: tally.report(end_ms),
        records,
        trace,
        took,
    })
}
