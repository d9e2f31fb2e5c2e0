//! The report's figures and plots, as the page draws them.

use sovereign_dashboard::play::{Figures, MAX_POINTS, Plot, Series};

use super::index::{Index, Minute};
use crate::report::Report;

pub(super) fn figures(index: &Index) -> Figures {
    let mut plots = Vec::new();
    if let Some(report) = &index.report {
        plots.push(line(
            "Delivered of what was due",
            None,
            "share",
            1.0,
            minutes(&report.delivery_by_minute, |share| *share),
        ));
    } else {
        let delivered = |minute: &Minute| minute.delivered as f64;
        let points = minutes(&index.minutes, delivered);
        plots.push(line("Delivered so far", None, "deliveries", 1.0, points));
    }
    plots.push(links(&index.minutes));
    if let Some(report) = &index.report {
        plots.extend(once(report));
    }
    let (met, rows, verdicts) = match &index.report {
        Some(report) => (
            Some(report.met()),
            report.rows(),
            report
                .verdicts()
                .iter()
                .map(|verdict| (verdict.line(), verdict.met()))
                .collect(),
        ),
        None => (None, Vec::new(), Vec::new()),
    };
    Figures {
        met,
        rows,
        verdicts,
        plots,
        lacks: index.report.is_none().then(|| {
            "The scenario of this recording is not beside it, so what was due and demanded is not known. \
             `sovereign sim run --report DIR` writes both into one directory."
                .to_owned()
        }),
    }
}

/// Over the whole run: delays, copies, energy.
fn once(report: &Report) -> [Plot; 3] {
    let energy = report.modes.iter().zip(1..);
    let energy = energy.map(|(mode, at)| (f64::from(at), mode.joules_per_hour.sum()));
    let mut joules = line("Radio's energy", Some(""), "J/h", 1.0, energy.collect());
    joules.columns = report
        .modes
        .iter()
        .map(|it| it.profile.to_owned())
        .collect();
    [
        line(
            "Delivered within",
            Some("seconds"),
            "share of what was due",
            1.0,
            report.delays(),
        ),
        line(
            "Copies for each who has it",
            Some("messages, sorted"),
            "copies",
            3.0,
            report.copies_sorted(),
        ),
        joules,
    ]
}

/// Links of a phone that is on, by medium; media that were never used are left out.
fn links(all: &[Minute]) -> Plot {
    let mut plot = line("Links of a phone", None, "links", 4.0, Vec::new());
    plot.series.clear();
    for (medium, name) in ["Bluetooth", "local network", "Internet"]
        .iter()
        .enumerate()
    {
        if all.iter().all(|minute| minute.links[medium] == 0) {
            continue;
        }
        let mean = |minute: &Minute| match minute.on {
            0 => 0.0,
            on => f64::from(2 * minute.links[medium]) / f64::from(on),
        };
        plot.series.push(Series {
            name: (*name).to_owned(),
            points: minutes(all, mean),
        });
    }
    plot
}

fn line(title: &str, x: Option<&str>, y: &str, y_top: f64, points: Vec<(f64, f64)>) -> Plot {
    let series = Series {
        name: String::new(),
        points: thinned(&points, MAX_POINTS),
    };
    Plot {
        title: title.to_owned(),
        x: x.map(str::to_owned),
        y: y.to_owned(),
        y_top,
        series: vec![series],
        columns: Vec::new(),
    }
}

/// Values after each minute, along the run's time.
fn minutes<T>(values: &[T], value: impl Fn(&T) -> f64) -> Vec<(f64, f64)> {
    let at = (1..).map(|minute| f64::from(minute) * 60_000.0);
    let points: Vec<(f64, f64)> = at.zip(values.iter().map(value)).collect();
    thinned(&points, MAX_POINTS)
}

/// At most so many of them, evenly, the first and the last among them.
pub(super) fn thinned<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    if all.len() <= most || most < 2 {
        return all.iter().take(most).copied().collect();
    }
    let at = |point: usize| all[point * (all.len() - 1) / (most - 1)];
    (0..most).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_curve_keeps_its_ends() {
        let all: Vec<u32> = (0..1_000).collect();
        let few = thinned(&all, 7);
        assert_eq!(few.len(), 7);
        assert_eq!((few[0], few[6]), (0, 999));
        assert_eq!(thinned(&all[..7], 7), all[..7]);
        assert!(thinned(&all[..0], 7).is_empty());
    }
}
