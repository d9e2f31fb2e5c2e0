//! The scenarios of `tests/mutations` with all rules whole. That each fails without its rule is shown by
//! `tests/mutations/run`, in copies of the sources; and here where a value of the configuration breaks it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::{fs, ops::ControlFlow, path::Path};

use sovereign_protocol::engine::EngineConfig;
use sovereign_sim::{
    policy,
    report::{Report, Tally},
    scenario::Scenario,
};

fn run(name: &str, alter: fn(&mut EngineConfig)) -> Report {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mutations");
    let scenario = Scenario::load(&folder.join(name).with_extension("toml")).unwrap();
    assert_eq!(scenario.name.to_string(), name);
    let mut tally = Tally::new(&scenario, 1);
    let mut on = |_| ControlFlow::Continue(());
    let outcome = policy::run_altered(&scenario, 1, alter, &mut on, &mut tally).unwrap();
    tally.report(outcome.progress.at.as_millis() as u64)
}

/// MSG-5, LOC-5, COORD-3.
#[test]
fn with_all_rules_the_demands_are_met() {
    for name in ["carrying", "content", "resealing", "diversity", "backoff"] {
        let report = run(name, |_| {});
        assert!(report.said > 0 && report.met(), "{}", report.table());
    }
}

#[test]
fn without_carrying_for_strangers_the_scenario_fails() {
    // MSG-5: by 20 points at least.
    let whole = run("carrying", |_| {});
    let broken = run("carrying", |config| {
        config.limits.stranger_share_percent = 0
    });
    assert!(!broken.met() && broken.delivery <= whole.delivery - 0.2);
}

/// Each patch has its scenario, and each scenario its patch.
#[test]
fn every_rule_has_both() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/mutations");
    let names = |of: &str| {
        let entries = fs::read_dir(&folder).unwrap();
        let mut names: Vec<String> = entries
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                name.strip_suffix(of).map(str::to_owned)
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(".patch"), names(".toml"));
    assert_eq!(names(".toml").len(), 5);
}
