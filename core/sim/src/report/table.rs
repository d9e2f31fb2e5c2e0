//! A report as text.

use std::fmt::Write as _;

use super::{Report, Verdict};

pub(super) fn table(report: &Report) -> String {
    let mut text = String::new();
    let interrupted = if report.complete { "" } else { ", interrupted" };
    let _ = writeln!(
        text,
        "{} · seed {} · {} people · {}{interrupted}\n{}\n",
        report.scenario,
        report.seed,
        report.people,
        time(report.end_ms),
        report.shows,
    );
    for (name, value) in rows(report) {
        let _ = writeln!(text, "{name:<34} {value:>22}");
    }
    text.push('\n');
    for verdict in &report.verdicts {
        let _ = writeln!(text, "{}", line(verdict));
    }
    text
}

/// Names and values, in order.
pub(super) fn rows(report: &Report) -> Vec<(String, String)> {
    let none = || "–".to_owned();
    let ms = |value: Option<u64>| value.map_or_else(|| "never".to_owned(), time);
    let two = |value: Option<f64>| value.map_or_else(none, |value| format!("{value:.2}"));
    let mut rows = vec![
        ("messages written".to_owned(), report.said.to_string()),
        ("… refused".to_owned(), report.refused.to_string()),
        ("… acknowledged".to_owned(), report.acknowledged.to_string()),
        (
            "deliveries made of those due".to_owned(),
            format!("{} / {}", report.made, report.due),
        ),
        (
            "… share".to_owned(),
            format!("{:.2} %", report.delivery * 100.0),
        ),
        ("delay, median".to_owned(), ms(report.delay.median_ms)),
        ("delay, 95 %".to_owned(), ms(report.delay.p95_ms)),
        ("delay, 99 %".to_owned(), ms(report.delay.p99_ms)),
        ("copies for each who has it".to_owned(), two(report.copies)),
        (
            "transmissions a message".to_owned(),
            two(report.transmissions),
        ),
        (
            "links made: radio, LAN, Internet".to_owned(),
            format!(
                "{} {} {}",
                report.links_made[0], report.links_made[1], report.links_made[2]
            ),
        ),
        (
            "links, dials an hour a phone".to_owned(),
            format!(
                "{} {}",
                two(report.links_per_hour),
                two(report.dials_per_hour)
            ),
        ),
        ("radio, J/h a phone".to_owned(), two(report.joules_per_hour)),
    ];
    for mode in &report.modes {
        let joules = mode.joules_per_hour;
        let mut row = |what: &str, value: String| {
            rows.push((format!("{}: {what}", mode.profile), value));
        };
        row("hours", format!("{:.1}", mode.hours));
        row(
            "J/h scan, dials, adverts",
            format!(
                "{:.2} {:.2} {:.2}",
                joules.scan, joules.dial, joules.advertise
            ),
        );
        row(
            "J/h links, data",
            format!("{:.2} {:.2}", joules.links, joules.data),
        );
        row("scanning", format!("{:.1} %", mode.scan_share * 100.0));
        row("links", format!("{:.2}", mode.links));
        row("links made an hour", format!("{:.1}", mode.links_per_hour));
        row("kB/h sent, received", {
            let (sent, received) = (mode.sent_bytes_per_hour, mode.received_bytes_per_hour);
            format!("{:.1} {:.1}", sent / 1e3, received / 1e3)
        });
    }
    rows
}

/// A verdict in a line.
pub(super) fn line(verdict: &Verdict) -> String {
    let word = if verdict.met() { "met   " } else { "MISSED" };
    let bound = if verdict.least { "at least" } else { "at most" };
    let measured = verdict
        .measured
        .map_or_else(|| "never".to_owned(), |value| format!("{value:.3}"));
    format!(
        "{word} {}: {measured} {}, demanded {bound} {:.3}",
        verdict.what, verdict.unit, verdict.demanded
    )
    .replace(" ,", ",")
}

/// A time for people.
pub(super) fn time(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{:.2} s", ms as f64 / 1e3),
        10_000..120_000 => format!("{:.1} s", ms as f64 / 1e3),
        120_000..7_200_000 => format!("{:.1} min", ms as f64 / 6e4),
        _ => format!("{:.1} h", ms as f64 / 3.6e6),
    }
}
