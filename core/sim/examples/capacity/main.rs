//! Capacity (issue 5, f2): at which rate of texts a person an island of phones still delivers, over Bluetooth LE
//! alone, with policy nodes. `docs/capacity.md` has the answer, and the commands that made it.
//!
//! An island: people who stand still on a disc, one on every twenty square metres, their phones' radios as
//! the preset `phones` says. They come, talk for a while, are silent for a while. A delivery counts when it
//! is made within the limit.

#![allow(clippy::print_stdout, reason = "an experiment prints")]

mod island;

use std::{ops::ControlFlow, path::PathBuf, process::ExitCode, sync::Mutex};

use clap::Parser;
use serde_json::json;
use sovereign_protocol::engine::EngineConfig;
use sovereign_sim::{
    policy,
    report::{
        Both, Tally,
        plot::{Chart, Series},
    },
};

use island::{Island, Punctual};

/// Finds the rate of texts that an island of phones still delivers.
#[derive(Debug, Parser)]
struct Args {
    /// People of an island.
    #[arg(long, value_delimiter = ',', default_values_t = [50, 200])]
    people: Vec<u32>,
    /// Texts of one person in an hour.
    #[arg(long, value_delimiter = ',', default_values_t = [1.0, 5.0, 20.0, 60.0])]
    rates: Vec<f64>,
    /// Texts of all together in an hour, instead of `rates`.
    #[arg(long, value_delimiter = ',')]
    totals: Vec<f64>,
    /// Channels that they are split into; everybody carries what the others say.
    #[arg(long, default_value_t = 1)]
    channels: u32,
    /// For how many minutes they talk.
    #[arg(long, default_value_t = 10)]
    talk: u32,
    /// Within how many seconds a delivery counts.
    #[arg(long, default_value_t = 120)]
    within: u64,
    /// Seeds; the figures are means.
    #[arg(long, value_delimiter = ',', default_values_t = [1])]
    seeds: Vec<u64>,
    /// Without the pacing of own texts.
    #[arg(long)]
    unpaced: bool,
    /// Runs at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Writes the plot here.
    #[arg(long)]
    svg: Option<PathBuf>,
    /// One JSON document instead of the table.
    #[arg(long)]
    json: bool,
}

/// What one run gave.
#[derive(Debug, Clone, Copy)]
struct Point {
    people: u32,
    /// Texts of a person in an hour.
    rate: f64,
    seed: u64,
    said: u64,
    refused: u64,
    bundles: u64,
    /// Shares of what was due: made within the limit, made at all.
    punctual: f64,
    delivery: f64,
    median_ms: Option<u64>,
    p99_ms: Option<u64>,
    copies: Option<f64>,
    /// Bytes that a phone sent over the radio in a second, in the mean over the run.
    bytes_per_second: f64,
    took_s: f64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut jobs = Vec::new();
    for people in &args.people {
        let rates: Vec<f64> = if args.totals.is_empty() {
            args.rates.clone()
        } else {
            let of = |total: &f64| total / f64::from(*people);
            args.totals.iter().map(of).collect()
        };
        for rate in rates {
            jobs.extend(args.seeds.iter().map(|seed| (*people, rate, *seed)));
        }
    }
    jobs.reverse();
    let (jobs, done) = (Mutex::new(jobs), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().ok().and_then(|mut jobs| jobs.pop());
                    let Some((people, rate, seed)) = job else {
                        break;
                    };
                    let point = measure(&args, people, rate, seed);
                    if !args.json {
                        println!("{}", line(&point));
                    }
                    if let Ok(mut done) = done.lock() {
                        done.push(point);
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by(|one, other| {
        let key = |point: &Point| (point.people, point.seed);
        one.rate
            .total_cmp(&other.rate)
            .then(key(one).cmp(&key(other)))
    });
    if args.json {
        let rows: Vec<_> = done.iter().map(row).collect();
        println!("{}", json!({ "within_s": args.within, "points": rows }));
    }
    if let Some(path) = &args.svg
        && let Err(error) = std::fs::write(path, chart(&args, &done).svg())
    {
        eprintln!("{}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn measure(args: &Args, people: u32, rate: f64, seed: u64) -> Point {
    let island = Island {
        people,
        channels: args.channels,
        rate,
        talk_minutes: args.talk,
        settle_s: args.within,
    };
    let scenario = island.scenario();
    let begin = std::time::Instant::now();
    let mut tally = Tally::new(&scenario, seed);
    let mut punctual = Punctual::new(args.within * 1_000);
    let mut told = |_| ControlFlow::Continue(());
    let alter: fn(&mut EngineConfig) = if args.unpaced {
        |config| config.paced = false
    } else {
        |_| {}
    };
    let outcome = policy::run_altered(
        &scenario,
        seed,
        alter,
        &mut told,
        &mut Both(&mut tally, &mut punctual),
    )
    .expect("counting does not fail");
    let report = tally.report(outcome.progress.at.as_millis() as u64);
    let hours: f64 = report.modes.iter().map(|mode| mode.hours).sum();
    let bytes = report
        .modes
        .iter()
        .map(|mode| mode.sent_bytes_per_hour * mode.hours);
    Point {
        people,
        rate,
        seed,
        said: report.said,
        refused: report.refused,
        bundles: outcome.progress.bundles,
        punctual: punctual.made as f64 / report.due.max(1) as f64,
        delivery: report.delivery,
        median_ms: report.delay.median_ms,
        p99_ms: report.delay.p99_ms,
        copies: report.copies,
        bytes_per_second: bytes.sum::<f64>() / hours.max(1e-9) / 3_600.0,
        took_s: begin.elapsed().as_secs_f64(),
    }
}

fn line(point: &Point) -> String {
    let seconds = |ms: Option<u64>| {
        ms.map_or_else(
            || "never".to_owned(),
            |ms| format!("{:.1} s", ms as f64 / 1e3),
        )
    };
    format!(
        "{:>5} people  {:>7.2} texts/h each  seed {}  {:>5} said ({} refused, {} bundles)  {:>7.3} % in time  {:>7.3} % at all  \
         median {:>8}  99 % {:>8}  copies {:.2}  {:.0} B/s sent a phone  [{:.0} s]",
        point.people,
        point.rate,
        point.seed,
        point.said,
        point.refused,
        point.bundles,
        point.punctual * 100.0,
        point.delivery * 100.0,
        seconds(point.median_ms),
        seconds(point.p99_ms),
        point.copies.unwrap_or(0.0),
        point.bytes_per_second,
        point.took_s,
    )
}

fn row(point: &Point) -> serde_json::Value {
    json!({
        "people": point.people,
        "texts_per_hour_each": point.rate,
        "seed": point.seed,
        "said": point.said,
        "refused": point.refused,
        "bundles": point.bundles,
        "delivered_in_time": point.punctual,
        "delivered": point.delivery,
        "median_ms": point.median_ms,
        "p99_ms": point.p99_ms,
        "copies": point.copies,
        "bytes_per_second_sent": point.bytes_per_second,
    })
}

/// Share in time over the texts of all in a second; one curve for each size.
fn chart(args: &Args, done: &[Point]) -> Chart {
    let curve = |people: &u32| {
        let mut points: Vec<(f64, f64)> = Vec::new();
        for point in done.iter().filter(|point| point.people == *people) {
            let x = point.rate * f64::from(*people) / 3_600.0;
            let same: Vec<f64> = done
                .iter()
                .filter(|other| other.people == *people && other.rate == point.rate)
                .map(|other| other.punctual)
                .collect();
            if points.last().is_none_or(|(last, _)| *last < x) {
                points.push((x, same.iter().sum::<f64>() / same.len() as f64));
            }
        }
        Series {
            name: format!("{people} phones"),
            points,
            band: Vec::new(),
        }
    };
    Chart {
        title: format!("Delivered within {} s", args.within),
        x: "texts a second, of all together".to_owned(),
        y: "share".to_owned(),
        y_top: 1.0,
        series: args.people.iter().map(curve).collect(),
    }
}
