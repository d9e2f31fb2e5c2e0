//! `sweep`: seeds and values of a scenario, each run a process of its own (ADR 25), on all cores.

use std::{
    collections::VecDeque,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sovereign_sim::report::plot::{Chart, Series};

use super::{
    SweepArgs,
    failure::{DONE, FAILED, Failure, Outcome},
    interrupt::Interrupt,
    library, print,
    vary::{Variant, variants},
};

/// What is compared: its key in the report, its unit, and how it is read from there.
const FIGURES: [(&str, &str, &str); 5] = [
    ("delivery", "share", "/delivery"),
    ("p95 delay", "s", "/delay/p95_ms"),
    ("copies", "for each who has it", "/copies"),
    ("transmissions", "a message", "/transmissions"),
    ("energy", "J/h a phone", "/joules_per_hour"),
];

/// One process.
struct Job {
    variant: usize,
    seed: u64,
}

/// What came of one.
struct Done {
    variant: usize,
    seed: u64,
    report: Value,
    met: bool,
    trace: String,
}

pub(super) fn sweep(args: &SweepArgs, json: bool) -> Outcome {
    let text = library::text(&args.scenario)?;
    let variants = variants(&text, &args.vary)?;
    let interrupt = Interrupt::watch().map_err(|error| Failure::io("no signals", error))?;
    let directory = tempfile::tempdir().map_err(|error| Failure::io("no scratch space", error))?;
    let mut files = Vec::new();
    for (number, variant) in variants.iter().enumerate() {
        let file = directory.path().join(format!("{number}.toml"));
        std::fs::write(&file, &variant.text)
            .map_err(|error| Failure::io(&format!("{}", file.display()), error))?;
        // A value that cannot be is told before anything runs.
        library::scenario(&file)?;
        files.push(file);
    }
    let jobs: VecDeque<Job> = (0..variants.len())
        .flat_map(|variant| args.seeds.clone().map(move |seed| Job { variant, seed }))
        .collect();
    let mut done = run_all(jobs, &files, args, &interrupt)?;
    done.sort_by_key(|done| (done.variant, done.seed));
    if let Some(directory) = &args.report {
        write(directory, &variants, &done)?;
    }
    if json {
        let rows: Vec<Value> = done
            .iter()
            .map(|done| {
                json!({
                    "variant": variants[done.variant].name,
                    "seed": done.seed,
                    "met": done.met,
                    "trace": done.trace,
                    "report": done.report,
                })
            })
            .collect();
        print(&json!({"interrupted": interrupt.came(), "runs": rows}).to_string())?;
    } else {
        if interrupt.came() {
            print("interrupted: this is what has run")?;
        }
        print(&table(&variants, &done))?;
    }
    Ok(if done.iter().all(|done| done.met) {
        DONE
    } else {
        FAILED
    })
}

fn run_all(
    jobs: VecDeque<Job>,
    files: &[PathBuf],
    args: &SweepArgs,
    interrupt: &Interrupt,
) -> Result<Vec<Done>, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bar = ProgressBar::new(jobs.len() as u64);
    let style = ProgressStyle::with_template("sweep {bar:24} {pos} of {len} runs, {eta} left")
        .expect("the template is in order");
    bar.set_style(style);
    let jobs = Mutex::new(jobs);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.unwrap_or(cores) {
            scope.spawn(|| {
                while !interrupt.came() {
                    let Some(job) = lock(&jobs).pop_front() else {
                        break;
                    };
                    let result = run_one(&job, &files[job.variant], args);
                    let failed = result.is_err();
                    // Ended by the Ctrl-C that ends us: no result.
                    if !interrupt.came() || !failed {
                        lock(&results).push(result);
                    }
                    if failed {
                        lock(&jobs).clear();
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run_one(job: &Job, file: &Path, args: &SweepArgs) -> Result<Done, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::io("no program", error))?;
    let mut command = Command::new(program);
    command.args(["run", "--json", "--seed", &job.seed.to_string()]);
    if let Some(fidelity) = args.fidelity {
        command.args(["--fidelity", fidelity.word()]);
    }
    let mut child = command
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| Failure::io("a run cannot be started", error))?;
    let mut text = String::new();
    let stdout = child.stdout.take();
    let read = stdout.map(|mut stdout| stdout.read_to_string(&mut text));
    let ended = child.wait();
    let value: Option<Value> = serde_json::from_str(&text).ok();
    match (read, ended, value) {
        (Some(Ok(_)), Ok(_), Some(mut value)) => Ok(Done {
            variant: job.variant,
            seed: job.seed,
            met: value["met"].as_bool().unwrap_or(false),
            trace: value["trace"].as_str().unwrap_or_default().to_owned(),
            report: value["report"].take(),
        }),
        _ => Err(Failure::run(format!(
            "the run with seed {} failed",
            job.seed
        ))),
    }
}

fn figure(report: &Value, pointer: &str) -> Option<f64> {
    let value = report.pointer(pointer)?.as_f64()?;
    Some(if pointer.ends_with("_ms") {
        value / 1e3
    } else {
        value
    })
}

/// Mean of a figure over seeds, and half the width of its 95 % confidence interval (normal approximation).
fn summary(values: &[f64]) -> Option<(f64, f64)> {
    let count = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / count;
    let spread = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>();
    let half = if values.len() < 2 {
        0.0
    } else {
        1.96 * (spread / (count - 1.0) / count).sqrt()
    };
    Some((mean, half))
}

fn of(done: &[Done], variant: usize, pointer: &str) -> Vec<f64> {
    let its = done.iter().filter(|done| done.variant == variant);
    its.filter_map(|done| figure(&done.report, pointer))
        .collect()
}

fn table(variants: &[Variant], done: &[Done]) -> String {
    let width = variants.iter().map(|variant| variant.name.len()).max();
    let width = width.unwrap_or(0).max("variant".len());
    let mut text = format!("{:<width$} {:>7}", "variant", "met");
    for (name, ..) in FIGURES {
        text.push_str(&format!(" {name:>19}"));
    }
    for (number, variant) in variants.iter().enumerate() {
        let its = || done.iter().filter(|done| done.variant == number);
        let met = format!(
            "{}/{}",
            its().filter(|done| done.met).count(),
            its().count()
        );
        text.push_str(&format!("\n{:<width$} {met:>7}", variant.name));
        for (.., pointer) in FIGURES {
            let cell = match summary(&of(done, number, pointer)) {
                Some((mean, half)) => format!("{mean:.3} ± {half:.3}"),
                None => "–".to_owned(),
            };
            text.push_str(&format!(" {cell:>19}"));
        }
    }
    text
}

fn write(directory: &Path, variants: &[Variant], done: &[Done]) -> Result<(), Failure> {
    let failed = |path: &Path, error| Failure::io(&format!("{}", path.display()), error);
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut files = vec![("sweep.txt".to_owned(), table(variants, done))];
    for (name, unit, pointer) in FIGURES {
        let mut points = Vec::new();
        let mut band = Vec::new();
        for (number, variant) in variants.iter().enumerate() {
            if let Some((mean, half)) = summary(&of(done, number, pointer)) {
                points.push((variant.x.unwrap_or(number as f64 + 1.0), mean));
                band.push(((mean - half).max(0.0), mean + half));
            }
        }
        let chart = Chart {
            title: format!("{name}, mean and 95 % confidence"),
            x: variants[0].axis.clone(),
            y: unit.to_owned(),
            y_top: 0.0,
            series: vec![Series {
                name: String::new(),
                points,
                band,
            }],
        };
        files.push((format!("{}.svg", name.replace(' ', "-")), chart.svg()));
    }
    files.push((
        "delivery-by-minute.svg".to_owned(),
        over_time(variants, done).svg(),
    ));
    for (name, text) in files {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

/// Delivery over time of the first variants, with bands.
fn over_time(variants: &[Variant], done: &[Done]) -> Chart {
    let series = variants
        .iter()
        .enumerate()
        .take(4)
        .map(|(number, variant)| {
            let its = done.iter().filter(|done| done.variant == number);
            let curves: Vec<Vec<f64>> = its
                .filter_map(|done| {
                    let minutes = done.report["delivery_by_minute"].as_array()?;
                    Some(minutes.iter().filter_map(Value::as_f64).collect())
                })
                .collect();
            let minutes = curves.iter().map(Vec::len).max().unwrap_or(0);
            let (mut points, mut band) = (Vec::new(), Vec::new());
            for minute in 0..minutes {
                let at: Vec<f64> = curves
                    .iter()
                    .filter_map(|curve| curve.get(minute))
                    .copied()
                    .collect();
                if let Some((mean, half)) = summary(&at) {
                    points.push((minute as f64 + 1.0, mean));
                    band.push(((mean - half).max(0.0), mean + half));
                }
            }
            Series {
                name: variant.name.clone(),
                points,
                band,
            }
        });
    Chart {
        title: "Delivered of what was due, mean and 95 % confidence".to_owned(),
        x: "minutes".to_owned(),
        y: "share".to_owned(),
        y_top: 1.0,
        series: series.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_the_mean_and_its_confidence() {
        assert_eq!(summary(&[]), None);
        assert_eq!(summary(&[2.0]), Some((2.0, 0.0)));
        let (mean, half) = summary(&[1.0, 2.0, 3.0]).expect("there are values");
        assert!((mean - 2.0).abs() < 1e-12);
        // The standard deviation is 1.
        assert!((half - 1.96 / 3.0_f64.sqrt()).abs() < 1e-12);
    }
}
