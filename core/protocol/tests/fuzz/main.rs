//! Every decoder of this crate under a committed corpus and mutations of it (hardening 5 and 6). The
//! targets themselves are in `fuzz/`, where `cargo fuzz` runs them too.
//!
//! `SOVEREIGN_FUZZ_RUNS=500000 cargo test --release -p sovereign-protocol --test fuzz` runs for longer;
//! `UPDATE_CORPUS=1 cargo test -p sovereign-protocol --test fuzz corpus` writes the corpus anew.

#[path = "../../../../fuzz/runner.rs"]
mod runner;
mod seeds;
mod seeds_state;
#[path = "../../../../fuzz/targets.rs"]
mod targets;

use runner::Runner;
use targets::TARGETS;

fn run(wanted: &str) {
    let (name, target, runs) = TARGETS
        .iter()
        .copied()
        .find(|(name, ..)| *name == wanted)
        .expect("a target of this name");
    Runner { name, target, runs }.run();
}

macro_rules! fuzz {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            run(stringify!($name));
        })*

        #[test]
        fn every_target_runs() {
            let run = [$(stringify!($name)),*];
            let all: Vec<&str> = TARGETS.iter().map(|(name, ..)| *name).collect();
            assert_eq!(run.as_slice(), all);
        }
    };
}
fuzz!(
    frame,
    session,
    parts,
    reconcile,
    reconcile_pair,
    riblt,
    estimate,
    bundle,
    envelope,
    envelope_signed,
    text,
    archive,
    name,
    invite,
    binding,
    ids,
    advert,
    records,
    restore,
    engine
);

#[test]
fn the_corpus_is_what_its_generator_makes() {
    for (name, ..) in TARGETS {
        let made = seeds::of(name);
        runner::check_corpus(name, &made);
    }
}

#[test]
#[should_panic(expected = "a finding")]
fn a_finding_fails_the_run() {
    let target = |data: &[u8]| assert!(data.len() < 16, "a finding");
    let name = "frame";
    Runner {
        name,
        target,
        runs: 0,
    }
    .run();
}
