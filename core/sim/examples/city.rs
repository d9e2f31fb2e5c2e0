//! Runs a scenario with policy nodes and prints what came of it: `city FILE [SEED]`.
#![allow(clippy::print_stdout, reason = "a tool for measuring")]

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use sovereign_sim::policy;
use sovereign_sim::record::{Header, Writer};
use sovereign_sim::report::{Both, Tally};
use sovereign_sim::scenario::Scenario;
use sovereign_sim::world::World;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("which scenario?")?;
    let seed = arguments.next().map_or(Ok(1), |seed| seed.parse())?;
    let scenario = Scenario::load(Path::new(&file))?;
    let header = Header::of(&scenario, &World::new(&scenario, seed), seed);
    let mut writer = Writer::new(std::io::sink(), &header)?;
    let mut tally = Tally::new(&scenario, seed);
    let begin = Instant::now();
    let mut minutes = 0_u64;
    let mut told = |progress: policy::Progress| {
        minutes += 1;
        if minutes.is_multiple_of(2) {
            println!("{:.1} s: {progress:?}", begin.elapsed().as_secs_f64());
        }
        ControlFlow::Continue(())
    };
    let mut sink = Both(&mut writer, &mut tally);
    let outcome = policy::run(&scenario, seed, &mut told, &mut sink)?;
    let records = writer.records();
    let (_, trace) = writer.finish(outcome.progress.at.as_millis() as u64)?;
    let report = tally.report(outcome.progress.at.as_millis() as u64);
    println!("{}", report.table());
    if let Ok(path) = std::env::var("CITY_HTML") {
        std::fs::write(path, report.html())?;
    }
    println!("{outcome:?}");
    println!(
        "{records} records, {trace}, {:.1} s",
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}
