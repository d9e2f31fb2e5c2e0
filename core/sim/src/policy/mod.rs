//! Policy nodes (SIM-1, SIM-4): the shipped [`Engine`](sovereign_protocol::engine::Engine), unchanged, once for
//! each person, over virtual links, in a loop of events. No sockets, no radio frames: the same decisions as in
//! phones, for cities.
//!
//! Idle nodes cost nothing: a node is woken when its engine asked to be, or when something happens
//! to it. One generator, one queue and one thread: a scenario and a seed make one run.

mod air;
mod book;
mod city;
mod effects;
mod hostile;
mod life;
mod links;
mod node;
mod queue;
mod radio;
mod store;
mod wide;
mod wire;

use std::ops::ControlFlow;
use std::time::Duration;

use sovereign_protocol::engine::EngineConfig;

use self::city::City;
use crate::record::Sink;
use crate::scenario::Scenario;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Virtual time.
    pub at: Duration,
    /// When it ends.
    pub end: Duration,
    /// Events of the loop so far.
    pub events: u64,
    /// Messages written.
    pub said: u64,
    /// Bundles made, receipts and what flooders pour in included.
    pub bundles: u64,
    /// Deliveries made.
    pub delivered: u64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The last progress; before the end when it was interrupted.
    pub progress: Progress,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// How often progress is told, in virtual time.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Runs a scenario with policy nodes, whatever fidelity it asks for. Records go to the sink; it begins with
/// [`Header::of`](crate::record::Header::of).
///
/// # Errors
/// What the sink says.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    told: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    sink: &mut dyn Sink,
) -> std::io::Result<Outcome> {
    run_altered(scenario, seed, |_| {}, told, sink)
}

/// The same with something altered in every engine: what a rule is worth shows when it is broken.
///
/// # Errors
/// What the sink says.
pub fn run_altered(
    scenario: &Scenario,
    seed: u64,
    alter: fn(&mut EngineConfig),
    told: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    sink: &mut dyn Sink,
) -> std::io::Result<Outcome> {
    let mut city = City::new(scenario, seed, alter, sink);
    let mut next = TOLD_EVERY;
    let mut interrupted = false;
    while city.step()? {
        if city.now() >= next {
            next = city.now() + TOLD_EVERY;
            if told(city.progress()).is_break() {
                interrupted = true;
                break;
            }
        }
    }
    city.finish(interrupted)?;
    Ok(Outcome {
        progress: city.progress(),
        interrupted,
    })
}

#[cfg(test)]
mod tests;
