use std::collections::BTreeSet;
use std::io;

use super::*;
use crate::record::{Header, Medium, Record, TraceHash, What, Writer};
use crate::report::{Both, Report, Tally};
use crate::world::World;

/// People around a place, who all talk in one channel for a while.
fn scenario(count: u32, radius: f64, more: &str) -> Scenario {
    let text = format!(
        r##"
name = "test"
shows = "x"
fidelity = "policy"
duration = "10 min"
[[group]]
name = "all"
count = {count}
place = {{ circle = {{ centre = [0, 0], radius = {radius} }} }}
[[channel]]
name = "#all"
groups = ["all"]
[[traffic]]
group = "all"
channel = "#all"
every = "1 min"
bytes = [5, 100]
when = {{ from = "1 min", for = "4 min" }}
[demand]
delivery = 0.99
{more}
"##
    );
    Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

fn on() -> impl FnMut(Progress) -> ControlFlow<()> {
    |_| ControlFlow::Continue(())
}

fn run_all(scenario: &Scenario, seed: u64) -> (Report, Vec<Record>) {
    let (mut tally, mut kept) = (Tally::new(scenario, seed), Vec::new());
    let mut sink = Both(&mut tally, &mut kept);
    let outcome = run(scenario, seed, &mut on(), &mut sink).unwrap();
    let end_ms = outcome.progress.at.as_millis() as u64;
    assert_eq!(outcome.progress.at, scenario.duration.get());
    (tally.report(end_ms), kept)
}

fn trace(scenario: &Scenario, seed: u64) -> TraceHash {
    let header = Header::of(scenario, &World::new(scenario, seed), seed);
    let mut writer = Writer::new(io::sink(), &header).unwrap();
    run(scenario, seed, &mut on(), &mut writer).unwrap();
    writer.finish(0).unwrap().1
}

#[test]
fn two_who_meet_deliver() {
    // SIM-1: the whole path, from the words to the report.
    let (report, records) = run_all(&scenario(2, 2.0, ""), 1);
    assert!(report.said > 0 && report.met(), "{}", report.table());
    assert_eq!(report.acknowledged, report.said);
    assert_eq!(report.copies, Some(1.0));
    let up = |record: &&Record| {
        matches!(
            record.what,
            What::LinkUp {
                medium: Medium::Ble,
                ..
            }
        )
    };
    assert_eq!(records.iter().filter(up).count(), 1);
    assert!(
        report
            .delay
            .median_ms
            .is_some_and(|ms| (30..1_000).contains(&ms))
    );
}

#[test]
fn a_seed_is_a_run() {
    // SIM-3.
    let walk = "[[power]]\ngroup = \"all\"\ncount = 3\nwhat = { crash = { every = \"3 min\", down = \"20 s\" } }";
    let scenario = scenario(8, 5.0, walk);
    let first = trace(&scenario, 1);
    assert_eq!(trace(&scenario, 1), first);
    assert_ne!(trace(&scenario, 2), first);
}

#[test]
fn out_of_reach_nothing_is_delivered_and_the_run_fails() {
    for more in [
        "[radio]\nhorizon = 20\n",
        "[[radio.wall]]\nfrom = [0, -90]\nto = [0, 90]\nloss = 120\n",
    ] {
        let radius = if more.contains("wall") { 3.0 } else { 11.0 };
        let (report, _) = run_all(&scenario(2, radius, more), 1);
        assert!(report.said > 0);
        assert_eq!((report.made, report.links_made), (0, [0; 3]), "{more}");
        assert!(!report.met());
    }
}

/// Two who know each other, and three strangers between them.
const LINE: &str = r##"
name = "line"
shows = "x"
fidelity = "policy"
duration = "15 min"
[radio]
shadowing = 0
horizon = 25
[[group]]
name = "ends"
count = 2
place = { at = [[0, 0], [80, 0]] }
[[group]]
name = "between"
count = 3
place = { at = [[20, 0], [40, 0], [60, 0]] }
[[channel]]
name = "us"
groups = ["ends"]
[[traffic]]
group = "ends"
channel = "us"
every = "1 min"
bytes = [5, 50]
[demand]
delivery = 1.0
settle = "5 min"
"##;

#[test]
fn without_carrying_for_strangers_delivery_falls() {
    // MSG-5: the scenario notices when the rule is broken.
    let scenario = Scenario::parse(LINE).unwrap();
    let delivery = |alter: fn(&mut EngineConfig)| {
        let mut tally = Tally::new(&scenario, 1);
        let outcome = run_altered(&scenario, 1, alter, &mut on(), &mut tally).unwrap();
        tally
            .report(outcome.progress.at.as_millis() as u64)
            .delivery
    };
    let carried = delivery(|_| {});
    let alone = delivery(|config| config.limits.stranger_share_percent = 0);
    assert!(carried == 1.0 && alone < carried - 0.2, "{carried} {alone}");
}

#[test]
fn many_hops_carry_it_through_strangers() {
    // MSG-5: the two at the ends are members, who is between them is not.
    let (report, records) = run_all(&Scenario::parse(LINE).unwrap(), 1);
    assert!(report.met(), "{}", report.table());
    let carriers: BTreeSet<u32> = records
        .iter()
        .filter(|record| matches!(record.what, What::Copy { .. }))
        .map(|record| record.who)
        .collect();
    assert_eq!(carriers, (0..5).collect());
    let read = |record: &&Record| matches!(record.what, What::Delivered { .. });
    assert!(records.iter().filter(read).all(|record| record.who < 2));
}

#[test]
fn a_local_network_carries_unless_it_has_no_multicast() {
    let lan = |multicast: bool| {
        let radio = "[radio]\nhorizon = 0.5\n";
        let lan = format!("[[lan]]\nname = \"home\"\ngroup = \"all\"\nmulticast = {multicast}\n");
        run_all(&scenario(4, 10.0, &format!("{radio}{lan}")), 1).0
    };
    let (with, without) = (lan(true), lan(false));
    assert!(with.met() && with.links_made[1] >= 3, "{}", with.table());
    assert_eq!((without.made, without.links_made), (0, [0; 3]));
}

#[test]
fn the_internet_joins_what_the_radio_does_not() {
    let radio = "[radio]\nhorizon = 0.5\n";
    let internet = "[[internet]]\ngroup = \"all\"\nwhen = { from = \"5 min\" }\n";
    let (report, records) = run_all(&scenario(3, 10.0, &format!("{radio}{internet}")), 1);
    assert!(
        report.met() && report.links_made[2] >= 2,
        "{}",
        report.table()
    );
    let read = |record: &&Record| matches!(record.what, What::Delivered { .. });
    assert!(
        records
            .iter()
            .filter(read)
            .all(|record| record.at_ms >= 300_000)
    );
}

#[test]
fn who_crashes_loses_nothing_that_the_others_have() {
    let crash =
        "[[power]]\ngroup = \"all\"\nwhat = { crash = { every = \"2 min\", down = \"10 s\" } }\n";
    let (report, records) = run_all(&scenario(5, 3.0, crash), 3);
    let off = |record: &&Record| matches!(record.what, What::Off { .. });
    assert!(records.iter().filter(off).count() >= 10);
    assert!(report.delivery > 0.95, "{}", report.table());
}

#[test]
fn hostile_ones_do_not_stop_the_others() {
    for does in [
        "\"silent\"",
        "\"lying\"",
        "\"deaf\"",
        "{ flooding = { per-second = 1 } }",
    ] {
        let hostile = format!("[[hostile]]\ngroup = \"all\"\ncount = 2\ndoes = {does}\n");
        let (report, records) = run_all(&scenario(8, 4.0, &hostile), 1);
        assert!(report.delivery >= 0.99, "{does}: {}", report.table());
        let hostile_said = |record: &&Record| {
            record.who < 2 && matches!(record.what, What::Said { .. } | What::Delivered { .. })
        };
        assert_eq!(records.iter().filter(hostile_said).count(), 0);
    }
}

#[test]
fn somebody_silent_hands_nothing_on() {
    let line = |does: &str| {
        let text = format!(
            r##"
name = "line"
shows = "x"
fidelity = "policy"
duration = "10 min"
[radio]
shadowing = 0
horizon = 25
[[group]]
name = "middle"
count = 1
place = {{ at = [[20, 0]] }}
[[group]]
name = "ends"
count = 2
place = {{ at = [[0, 0], [40, 0]] }}
{does}
[[channel]]
name = "us"
groups = ["ends"]
[[traffic]]
group = "ends"
channel = "us"
every = "1 min"
bytes = [5, 50]
[demand]
delivery = 1.0
settle = "3 min"
"##
        );
        run_all(&Scenario::parse(&text).unwrap(), 1).0.made
    };
    assert!(line("") > 0);
    assert_eq!(
        line("[[hostile]]\ngroup = \"middle\"\ndoes = \"silent\"\n"),
        0
    );
    assert_eq!(
        line("[[hostile]]\ngroup = \"middle\"\ndoes = \"lying\"\n"),
        0
    );
}

#[test]
fn who_hangs_is_dialled_and_takes_no_link() {
    // COORD-3.
    let deaf = "[[hostile]]\ngroup = \"all\"\ncount = 1\ndoes = \"deaf\"\n";
    let (report, _) = run_all(&scenario(2, 2.0, deaf), 1);
    assert_eq!(report.links_made, [0; 3]);
    assert!(report.dials_per_hour.is_some_and(|dials| dials > 10.0));
    // SIM-5: listening for it costs.
    assert!(report.modes[0].joules_per_hour.dial > 0.1);
}

#[test]
fn who_reseals_is_read_once_and_costs_copies() {
    // MSG-6: the same words in another bundle are the same message.
    let resealing = "[[hostile]]\ngroup = \"all\"\ncount = 2\ndoes = \"resealing\"\n";
    let honest = run_all(&scenario(8, 4.0, ""), 1).0;
    let (report, records) = run_all(&scenario(8, 4.0, resealing), 1);
    assert!(report.delivery >= 0.99, "{}", report.table());
    let said = |record: &&Record| record.who < 2 && matches!(record.what, What::Said { .. });
    assert_eq!(records.iter().filter(said).count(), 0);
    // Who reseals reads what it is given.
    let read = |record: &&Record| record.who < 2 && matches!(record.what, What::Delivered { .. });
    assert!(records.iter().filter(read).count() > 0);
    assert!(report.copies > honest.copies.map(|copies| copies + 0.5));
}

#[test]
fn an_interrupted_run_ends_where_it_was() {
    let scenario = scenario(3, 3.0, "");
    let mut tally = Tally::new(&scenario, 1);
    let mut count = 0;
    let mut told = |progress: Progress| {
        count += 1;
        assert!(progress.at >= Duration::from_secs(60) * count);
        if count == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let outcome = run(&scenario, 1, &mut told, &mut tally).unwrap();
    assert!(outcome.interrupted && outcome.progress.at < Duration::from_secs(300));
    let report = tally.report(outcome.progress.at.as_millis() as u64);
    assert!(!report.complete && report.modes[0].hours > 0.14);
}

#[test]
fn a_sink_that_fails_ends_the_run() {
    struct Full;
    impl Sink for Full {
        fn take(&mut self, _: &Record) -> io::Result<()> {
            Err(io::Error::other("full"))
        }
    }
    let error = run(&scenario(2, 2.0, ""), 1, &mut on(), &mut Full).unwrap_err();
    assert_eq!(error.to_string(), "full");
}
