//! How far a run is, on a terminal: virtual time, speed, what is left.

use std::{
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on stderr, where that is a terminal.
pub(super) struct Bar {
    bar: ProgressBar,
    began: Instant,
}

/// That a recording is being read, where stderr is a terminal: a long one takes some seconds.
pub(super) fn reading() -> ProgressBar {
    let spinner = ProgressBar::with_draw_target(None, target());
    spinner.set_message("reading the recording");
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

fn target() -> ProgressDrawTarget {
    if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    }
}

impl Bar {
    pub(super) fn new(name: &str, end: Duration) -> Self {
        let bar = ProgressBar::with_draw_target(Some(end.as_secs().max(1)), target());
        let style = ProgressStyle::with_template("{prefix} {bar:24} {msg}, {eta} left")
            .expect("the template is in order");
        bar.set_style(style);
        bar.set_prefix(name.to_owned());
        Self {
            bar,
            began: Instant::now(),
        }
    }

    pub(super) fn set(&self, at: Duration, end: Duration) {
        if self.bar.is_hidden() {
            return;
        }
        let speed = at.as_secs_f64() / self.began.elapsed().as_secs_f64().max(1e-3);
        let clock = |time: Duration| {
            let minutes = time.as_secs() / 60;
            format!("{}:{:02}", minutes / 60, minutes % 60)
        };
        self.bar.set_position(at.as_secs());
        self.bar.set_message(format!(
            "{} of {} h, {speed:.0}× real time",
            clock(at),
            clock(end)
        ));
    }

    /// Takes it away; how long it took.
    pub(super) fn finish(self) -> Duration {
        self.bar.finish_and_clear();
        self.began.elapsed()
    }
}
