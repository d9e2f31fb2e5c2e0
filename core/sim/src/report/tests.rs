use super::*;
use crate::record::{Medium, Spent, What};

const SCENARIO: &str = r##"
name = "small"
shows = "<b>x</b>"
fidelity = "policy"
duration = "10 min"
[[group]]
name = "a"
count = 3
place = { at = [[0, 0]] }
[[group]]
name = "b"
count = 1
place = { at = [[0, 0]] }
from = "3 min"
[[channel]]
name = "#all"
groups = ["a", "b"]
[demand]
delivery = 0.75
settle = "5 min"
median = "10 s"
p95 = "1 min"
copies = 1.5
links-per-hour = 18
dials-per-hour = 30
joules-per-hour = 50
"##;

fn scenario() -> Scenario {
    Scenario::parse(SCENARIO).unwrap()
}

fn at(at_ms: u64, who: u32, what: What) -> Record {
    Record { at_ms, who, what }
}

fn records() -> Vec<Record> {
    let said = |message| What::Said {
        message,
        channel: 0,
        bytes: 5,
    };
    let copy = |from, again| What::Copy {
        message: 0,
        from,
        again,
    };
    let spent = |scan_ms| {
        What::Spent(Box::new(Spent {
            on_ms: 600_000,
            scan_ms,
            link_ms: 1_200_000,
            links: 3,
            dials: 5,
            ..Spent::default()
        }))
    };
    vec![
        at(0, 0, What::On),
        at(0, 1, What::On),
        at(0, 2, What::On),
        at(
            1_000,
            0,
            What::LinkUp {
                with: 1,
                medium: Medium::Ble,
                dbm: None,
            },
        ),
        at(60_000, 0, said(0)),
        at(62_000, 1, copy(0, false)),
        at(62_000, 1, What::Delivered { message: 0 }),
        at(63_000, 1, copy(2, true)),
        at(65_000, 2, copy(1, false)),
        at(65_000, 2, What::Delivered { message: 0 }),
        at(66_000, 0, What::Acknowledged { message: 0 }),
        at(180_000, 3, What::On),
        at(181_000, 3, copy(1, false)),
        at(181_000, 3, What::Delivered { message: 0 }),
        at(
            240_000,
            2,
            What::Off {
                why: crate::record::OffWhy::Empty,
            },
        ),
        at(250_000, 1, said(1)),
        at(
            260_000,
            0,
            What::LinkDown {
                with: 1,
                medium: Medium::Ble,
            },
        ),
        // Said in the part that settles: not due.
        at(400_000, 1, said(2)),
        at(600_000, 0, spent(360_000)),
    ]
}

fn report() -> Report {
    Report::of(&scenario(), 7, &records(), 600_000).unwrap()
}

#[test]
fn figures_are_those_of_the_records() {
    // SIM-2.
    let report = report();
    assert_eq!(
        (report.said, report.acknowledged, report.refused),
        (3, 1, 0)
    );
    // The first message to three; the second to all but its author and the phone that was off for good.
    assert_eq!((report.due, report.made), (5, 3));
    assert_eq!(report.delivery, 0.6);
    // 1, 2 and 5 s, of five; who came late is counted from then on.
    assert_eq!(report.delay.median_ms, Some(5_000));
    assert_eq!(report.delay.p95_ms, None);
    assert_eq!(report.delays_ms, [1_000, 2_000, 5_000]);
    assert_eq!(report.copies, Some(4.0 / 3.0));
    assert_eq!(report.transmissions, Some(4.0 / 3.0));
    assert_eq!(report.links_made, [1, 0, 0]);
    // Two ends among three phones, then among four and three, then none.
    assert_eq!(report.links_by_minute[0], 2.0 / 3.0);
    assert_eq!(report.links_by_minute[9], 0.0);
    assert_eq!(report.delivery_by_minute.last(), Some(&0.6));
    // In ten minutes.
    assert_eq!(report.links_per_hour, Some(18.0));
    assert_eq!(report.dials_per_hour, Some(30.0));
    let mode = &report.modes[0];
    assert_eq!(
        (mode.profile, mode.links, mode.scan_share),
        ("balanced", 2.0, 0.6)
    );
    // 0.6 h of 13.8 mW in an hour of being on, and two links.
    assert!((mode.joules_per_hour.scan - 0.6 * 49.68).abs() < 1e-9);
    assert_eq!(report.joules_per_hour, Some(mode.joules_per_hour.sum()));
}

#[test]
fn a_missed_demand_fails_the_run() {
    // SIM-3.
    let report = report();
    let missed = |report: &Report| -> Vec<&str> {
        let missed = report.verdicts().iter().filter(|verdict| !verdict.met());
        missed.map(|verdict| verdict.what).collect()
    };
    assert_eq!(missed(&report), ["delivery", "95 % delay"]);
    assert!(!report.met());
    assert!(
        report
            .table()
            .contains("MISSED delivery: 0.600, demanded at least 0.750")
    );
    let mild = SCENARIO
        .replace("0.75", "0.6")
        .replace("p95 = \"1 min\"", "");
    let mild = Scenario::parse(&mild).unwrap();
    assert!(Report::of(&mild, 7, &records(), 600_000).unwrap().met());
    // What did not run to its end has not shown it.
    let short = Report::of(&mild, 7, &records(), 599_999).unwrap();
    assert!(!short.complete && !short.met());
    for (from, to, what) in [
        ("\"10 s\"", "\"4999 ms\"", "median delay"),
        ("copies = 1.5", "copies = 1.3", "copies"),
        ("hour = 18", "hour = 17.9", "links"),
        ("hour = 30", "hour = 29.9", "dials"),
        ("= 50", "= 29", "energy"),
    ] {
        let text = SCENARIO
            .replace("0.75", "0.6")
            .replace("p95 = \"1 min\"", "");
        let strict = Scenario::parse(&text.replace(from, to)).unwrap();
        let report = Report::of(&strict, 7, &records(), 600_000).unwrap();
        assert_eq!(missed(&report), [what]);
    }
}

#[test]
fn delays_can_be_demanded_of_one_group() {
    let mut records = records();
    let place = records.iter().position(|it| it.at_ms > 250_010).unwrap();
    records.insert(place, at(250_010, 3, What::Delivered { message: 1 }));
    let missed = |median: &str| {
        let text = SCENARIO.replace("median = \"10 s\"", median);
        let scenario = Scenario::parse(&text.replace("p95 = \"1 min\"", "")).unwrap();
        let report = Report::of(&scenario, 7, &records, 600_000).unwrap();
        assert_eq!(report.delay.median_ms, Some(2_000));
        report.verdicts().iter().any(|verdict| !verdict.met())
    };
    assert!(!missed("median = \"2 s\""));
    // 2 and 5 s, of three.
    assert!(!missed("among = \"a\"\nmedian = \"5 s\""));
    assert!(missed("among = \"a\"\nmedian = \"4999 ms\""));
    // Nothing was due there, so nothing was shown.
    assert!(missed("among = \"b\"\nmedian = \"5 s\""));
}

#[test]
fn records_of_another_scenario_are_refused() {
    let stranger = [at(0, 4, What::On)];
    assert!(Report::of(&scenario(), 7, &stranger, 600_000).is_err());
}

#[test]
fn a_page_needs_nothing_and_runs_nothing() {
    let page = report().html();
    assert!(page.contains("&lt;b&gt;x&lt;/b&gt;") && !page.contains("<b>x"));
    assert!(!page.contains("<script") && !page.contains("src="));
    let links = page.matches("http").count() - page.matches("http://www.w3.org/2000/svg").count();
    // The policy that forbids all requests is the only other one.
    assert_eq!(links, page.matches("http-equiv").count());
    assert_eq!(page.matches("<svg").count(), 5);
    let json: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
    assert_eq!(json["due"], 5);
}

#[test]
fn a_run_in_which_nothing_was_said_is_reported() {
    let report = Report::of(&scenario(), 7, &[], 600_000).unwrap();
    assert_eq!((report.due, report.delivery), (0, 1.0));
    // Nothing was measured, so nothing was shown.
    assert!(!report.met());
    assert!(report.html().contains("<svg"));
}
