//! Plots as SVG, small enough to be read: lines, steps and bands in one pair of axes.

use std::fmt::Write as _;

/// As wide as a phone's screen, so that the letters stay readable there.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 32.0;
const BOTTOM: f64 = 44.0;
/// Lines of the grid on an axis, about.
const TICKS: f64 = 5.0;

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is; nothing for a single one.
    pub name: String,
    /// Its points, ascending along x.
    pub points: Vec<(f64, f64)>,
    /// For each point the least and the most: a band of confidence. Empty for none.
    pub band: Vec<(f64, f64)>,
}

/// One pair of axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below it.
    pub x: String,
    /// Beside it.
    pub y: String,
    /// The least that the upper end of y is.
    pub y_top: f64,
    /// Its curves; at most four have colours of their own.
    pub series: Vec<Series>,
}

impl Chart {
    /// Draws it. Colours follow the page: light or dark.
    #[must_use]
    pub fn svg(&self) -> String {
        let all = || self.series.iter().flat_map(|series| &series.points);
        let tops = self.series.iter().flat_map(|series| &series.band);
        let right = top(all().map(|(x, _)| *x), 1e-9);
        let above = top(
            all().map(|(_, y)| *y).chain(tops.map(|(_, y)| *y)),
            self.y_top,
        );
        let place = |x: f64, y: f64| {
            (
                LEFT + (WIDTH - LEFT - RIGHT) * (x / right).clamp(0.0, 1.0),
                HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y / above).clamp(0.0, 1.0),
            )
        };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{}\"><style>text{{font:12px sans-serif;fill:#555}}.g{{stroke:#8884}}\
             .l{{fill:none;stroke-width:2}}@media(prefers-color-scheme:dark){{text{{fill:#bbb}}}}</style>",
            escape(&self.title)
        );
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">{}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text x=\"{}\" y=\"18\" text-anchor=\"end\">{}</text>",
            escape(&self.title),
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 8.0,
            escape(&self.x),
            WIDTH - RIGHT,
            escape(&self.y),
        );
        for value in ticks(above) {
            let (_, y) = place(0.0, value);
            let _ = write!(
                svg,
                "<line class=\"g\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                number(value),
            );
        }
        for value in ticks(right) {
            let (x, _) = place(value, 0.0);
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                HEIGHT - BOTTOM + 16.0,
                number(value),
            );
        }
        for (series, colour) in self
            .series
            .iter()
            .zip(["#2b7de9", "#e2662b", "#2a9d57", "#9a4fd0"])
        {
            let line = |points: &mut dyn Iterator<Item = (f64, f64)>| {
                let places = points.map(|(x, y)| {
                    let (x, y) = place(x, y);
                    format!("{x:.1},{y:.1}")
                });
                places.collect::<Vec<String>>().join(" ")
            };
            if series.band.len() == series.points.len() && !series.band.is_empty() {
                let pairs = || series.points.iter().zip(&series.band);
                let mut low = pairs().map(|((x, _), (low, _))| (*x, *low));
                let mut high = pairs().rev().map(|((x, _), (_, high))| (*x, *high));
                let (low, high) = (line(&mut low), line(&mut high));
                let _ = write!(
                    svg,
                    "<polygon fill=\"{colour}\" opacity=\"0.2\" points=\"{low} {high}\"/>"
                );
            }
            let points = line(&mut series.points.iter().copied());
            let _ = write!(
                svg,
                "<polyline class=\"l\" stroke=\"{colour}\" points=\"{points}\"><title>{}</title></polyline>",
                escape(&series.name)
            );
        }
        if self.series.len() > 1 {
            for (row, (series, colour)) in self
                .series
                .iter()
                .zip(["#2b7de9", "#e2662b", "#2a9d57", "#9a4fd0"])
                .enumerate()
            {
                let y = TOP + 14.0 * (row + 1) as f64;
                let x = WIDTH - RIGHT - 150.0;
                let _ = write!(
                    svg,
                    "<rect x=\"{x}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
                     <text x=\"{}\" y=\"{y}\">{}</text>",
                    y - 9.0,
                    x + 16.0,
                    escape(&series.name),
                );
            }
        }
        svg.push_str("</svg>");
        svg
    }
}

/// The greatest, and at least this.
fn top(values: impl Iterator<Item = f64>, least: f64) -> f64 {
    values
        .filter(|value| value.is_finite())
        .fold(least, f64::max)
}

/// Round numbers from 0 up to the top.
fn ticks(top: f64) -> Vec<f64> {
    let raw = top / TICKS;
    let unit = libm::pow(10.0, libm::floor(libm::log10(raw)));
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|part| part * unit)
        .find(|step| *step >= raw)
        .unwrap_or(raw);
    // At most TICKS steps lie below the top.
    (0..=TICKS as u32)
        .map(|count| f64::from(count) * step)
        .filter(|value| *value <= top * 1.000_001)
        .collect()
}

fn number(value: f64) -> String {
    let text = if value.abs() >= 1e4 {
        format!("{:.0}k", value / 1e3)
    } else {
        format!("{value:.3}")
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Text that cannot become anything else.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(
            ticks(1.0),
            [0.0, 0.2, 0.4, 0.600_000_000_000_000_1, 0.8, 1.0]
        );
        assert_eq!(ticks(7.0), [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(ticks(1_440.0), [0.0, 500.0, 1_000.0]);
        assert_eq!(number(0.2), "0.2");
        assert_eq!(number(500.0), "500");
        assert_eq!(number(20_000.0), "20k");
    }

    #[test]
    fn text_stays_text() {
        let chart = Chart {
            title: "<script>\"&'\u{7}".to_owned(),
            x: "x".to_owned(),
            y: "y".to_owned(),
            y_top: 1.0,
            series: vec![Series {
                name: "</title>".to_owned(),
                points: vec![(0.0, 0.0), (10.0, f64::NAN), (20.0, 2.0)],
                band: Vec::new(),
            }],
        };
        let svg = chart.svg();
        assert!(!svg.contains("<script") && !svg.contains("</title></title>"));
        assert!(svg.contains("&lt;script&gt;&quot;&amp;&#39; "));
        // The last point lies in the upper right corner.
        assert!(
            svg.contains(&format!("{:.1},{TOP:.1}", WIDTH - RIGHT)),
            "{svg}"
        );
    }
}
