//! stdout: JSON documents for programs, lines for people, never both.

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;

use crate::{
    failure::{Failure, Outcome, invalid},
    text,
};

/// Where a command's result goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// JSON only.
    pub json: bool,
    /// Whether stdout is a terminal that can be drawn on.
    pub terminal: bool,
    /// Whether colours may be used.
    pub colour: bool,
}

impl Output {
    /// For stdout. Colours only on a terminal, and not with `NO_COLOR` set to anything but nothing
    /// (no-color.org).
    #[must_use]
    pub(crate) fn new(json: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let terminal = !json
            && io::stdout().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            json,
            terminal,
            colour: wanted && terminal,
        }
    }

    /// One JSON document on one line.
    ///
    /// # Errors
    /// [`Failure`] when stdout does not take it.
    pub(crate) fn document<T: Serialize + ?Sized>(self, value: &T) -> Outcome {
        let line = text::json(value)
            .map_err(|error| invalid(format!("cannot be written as JSON: {error}"), ""))?;
        self.lines(&line)
    }

    /// Text for people; a line break is added.
    ///
    /// # Errors
    /// [`Failure`] when stdout does not take it.
    pub(crate) fn lines(self, lines: &str) -> Outcome {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{lines}")
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::from_output(&error))
    }

    /// Bytes as they are.
    ///
    /// # Errors
    /// [`Failure`] when stdout does not take it.
    pub(crate) fn raw(self, bytes: &[u8]) -> Outcome {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::from_output(&error))
    }

    /// JSON for programs or text for people.
    ///
    /// # Errors
    /// [`Failure`] when stdout does not take it.
    pub(crate) fn either<T: Serialize + ?Sized>(
        self,
        value: &T,
        people: impl FnOnce(Paint) -> String,
    ) -> Outcome {
        if self.json {
            self.document(value)
        } else {
            self.lines(&people(self.paint()))
        }
    }

    /// The pens to write with.
    #[must_use]
    pub(crate) fn paint(self) -> Paint {
        Paint { on: self.colour }
    }
}

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    /// Whether to colour at all.
    pub on: bool,
}

impl Paint {
    /// Less important.
    #[must_use]
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }
    /// Headings.
    #[must_use]
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
    /// All is well.
    #[must_use]
    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }
    /// Worth a look.
    #[must_use]
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }
    /// Not well.
    #[must_use]
    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }
    /// Names.
    #[must_use]
    pub(crate) fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.on {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
