//! A report as plots and as one page that asks nobody for anything.

use std::fmt::Write as _;

use super::plot::{Chart, Series, escape};
use super::{Report, table};

pub(super) fn plots(report: &Report) -> Vec<(&'static str, String)> {
    let minutes = |values: &[f64]| -> Vec<(f64, f64)> {
        let minutes = (1..).map(f64::from);
        minutes.zip(values.iter().copied()).collect()
    };
    let chart = |title: &str, x: &str, y: &str, y_top, points| {
        let series = Series {
            name: String::new(),
            points,
            band: Vec::new(),
        };
        Chart {
            title: title.to_owned(),
            x: x.to_owned(),
            y: y.to_owned(),
            y_top,
            series: vec![series],
        }
        .svg()
    };
    let energy = report.modes.iter().zip(1..).flat_map(|(mode, at)| {
        let (at, joules) = (f64::from(at), mode.joules_per_hour.sum());
        [
            (at - 0.4, 0.0),
            (at - 0.4, joules),
            (at + 0.4, joules),
            (at + 0.4, 0.0),
        ]
    });
    let modes: Vec<&str> = report.modes.iter().map(|mode| mode.profile).collect();
    vec![
        (
            "delivery.svg",
            chart(
                "Delivered of what was due",
                "minutes",
                "share",
                1.0,
                minutes(&report.delivery_by_minute),
            ),
        ),
        (
            "delay.svg",
            chart(
                "Delivered within",
                "seconds",
                "share of what was due",
                1.0,
                report.delays(),
            ),
        ),
        (
            "copies.svg",
            chart(
                "Copies for each who has it",
                "messages, sorted",
                "copies",
                3.0,
                report.copies_sorted(),
            ),
        ),
        (
            "links.svg",
            chart(
                "Links of a phone",
                "minutes",
                "links",
                4.0,
                minutes(&report.links_by_minute),
            ),
        ),
        (
            "energy.svg",
            chart(
                "Radio's energy",
                &modes.join(" · "),
                "J/h",
                1.0,
                energy.collect(),
            ),
        ),
    ]
}

pub(super) fn html(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';style-src 'unsafe-inline'\">\
         <title>{name}, seed {seed}</title><style>\
         :root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:72rem;\
         margin:2rem auto;padding:0 1rem}}table{{border-collapse:collapse}}td,th{{text-align:left;\
         padding:.2rem 1rem .2rem 0;border-bottom:1px solid #8884}}td:last-child{{text-align:right}}\
         .p{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));gap:2rem}}\
         figure{{margin:0}}svg{{width:100%;height:auto}}th{{font-weight:normal}}\
         .no{{color:#c22;font-weight:bold}}</style></head><body><h1>{name}</h1><p>{shows}</p>\
         <p>Seed {seed}, {people} people, {time}{interrupted}.</p><h2>Demands</h2><ul>",
        name = escape(&report.scenario),
        shows = escape(&report.shows),
        seed = report.seed,
        people = report.people,
        time = table::time(report.end_ms),
        interrupted = if report.complete { "" } else { ", interrupted" },
    );
    for verdict in &report.verdicts {
        let class = if verdict.met() { "yes" } else { "no" };
        let line = escape(&table::line(verdict));
        let _ = write!(page, "<li class=\"{class}\">{line}</li>");
    }
    page.push_str("</ul><h2>Figures</h2><table><tbody>");
    for (name, value) in table::rows(report) {
        let (name, value) = (escape(&name), escape(&value));
        let _ = write!(
            page,
            "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>"
        );
    }
    page.push_str("</tbody></table><h2>Plots</h2><div class=\"p\">");
    for (_, svg) in plots(report) {
        let _ = write!(page, "<figure>{svg}</figure>");
    }
    page.push_str("</div></body></html>\n");
    page
}
