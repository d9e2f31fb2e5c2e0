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
    scenario::{Fidelity, Scenario},
    world::World,
};

use super::{
    RunArgs,
    failure::{DONE, Failure, Outcome},
    interrupt::Interrupt,
    library, print,
    progress::Bar,
};
use crate::entropy;

/// A whole node's handshakes run deep.
const STACK: usize = 16 << 20;

/// What came of a run.
struct Came {
    records: u64,
    trace: TraceHash,
    end: Duration,
    complete: bool,
    took: Duration,
}

pub(super) fn run(args: &RunArgs, json: bool) -> Outcome {
    let scenario = library::scenario(&args.scenario)?;
    let recording: Box<dyn Write + Send> = match &args.report {
        Some(directory) => Box::new(BufWriter::new(create(&directory.join("recording.jsonl"))?)),
        None => Box::new(io::sink()),
    };
    let interrupt = Interrupt::watch().map_err(|error| Failure::io("no signals", error))?;
    let seed = args.seed;
    let header = Header::of(&scenario, &World::new(&scenario, seed), seed);
    let name = scenario.name.to_string();
    // A thread of its own: its hash seeds are drawn after its randomness is seeded.
    let came = std::thread::Builder::new()
        .name("run".to_owned())
        .stack_size(STACK)
        .spawn(move || simulate(&scenario, seed, &header, recording, &interrupt))
        .map_err(|error| Failure::io("no thread", error))?
        .join()
        .map_err(|_| Failure::run("the simulation panicked"))??;
    let Came {
        records,
        trace,
        end,
        complete,
        took,
    } = came;
    let speed = end.as_secs_f64() / took.as_secs_f64().max(1e-9);
    if json {
        return print(
            &json!({
                "scenario": name,
                "seed": seed,
                "complete": complete,
                "virtual_s": end.as_secs_f64(),
                "took_s": took.as_secs_f64(),
                "records": records,
                "trace": trace.to_string(),
            })
            .to_string(),
        );
    }
    if !complete {
        print("interrupted: this is what has run")?;
    }
    print(&format!(
        "{name}, seed {seed}: {:.0} s in {:.1} s ({speed:.0}× real time), {} records\ntrace {trace}",
        end.as_secs_f64(),
        took.as_secs_f64(),
        records,
    ))?;
    Ok(DONE)
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
    header: &Header,
    recording: Box<dyn Write + Send>,
    interrupt: &Interrupt,
) -> Result<Came, Failure> {
    entropy::seed(seed).map_err(Failure::run)?;
    let unwritten = |error| Failure::io("the recording cannot be written", error);
    let mut sink = Writer::new(recording, header).map_err(unwritten)?;
    let bar = Bar::new(&header.scenario, scenario.duration.get());
    let watch = |at| {
        bar.set(at, scenario.duration.get());
        if interrupt.came() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let (at, complete) = match scenario.fidelity {
        Fidelity::Full => {
            let mut watch = |progress: full::Progress| watch(progress.at);
            let ended = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .map_err(|error| Failure::io("no runtime", error))?
                .block_on(full::run(scenario, seed, &mut watch, &mut sink))
                .map_err(Failure::run)?;
            (ended.at, ended.complete)
        }
        Fidelity::Policy => {
            let mut watch = |progress: policy::Progress| watch(progress.at);
            let ended = policy::run(scenario, seed, &mut watch, &mut sink).map_err(unwritten)?;
            (ended.progress.at, !ended.interrupted)
        }
    };
    let took = bar.finish();
    let records = sink.records();
    let end_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    let (_, trace) = sink.finish(end_ms).map_err(unwritten)?;
    Ok(Came {
        records,
        trace,
        end: at,
        complete,
        took,
    })
}
