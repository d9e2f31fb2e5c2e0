//! What is wrong with a scenario, where, and what to do.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A scenario that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    /// The file, when it came from one.
    pub file: Option<PathBuf>,
    /// Line and column, from 1, when the fault has a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong and what to do about it.
    pub what: String,
}

impl ScenarioError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            file: None,
            place: None,
            what: what.into(),
        }
    }

    pub(super) fn at(text: &str, span: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            place: Some(place(text, span.start)),
            ..Self::new(what)
        }
    }

    pub(super) fn of_toml(text: &str, error: &toml::de::Error) -> Self {
        Self {
            place: error.span().map(|span| place(text, span.start)),
            ..Self::new(error.message())
        }
    }

    pub(super) fn in_file(self, file: &Path) -> Self {
        Self {
            file: Some(file.to_owned()),
            ..self
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(to, "{}", file.display())?,
            None => write!(to, "scenario")?,
        }
        if let Some((line, column)) = self.place {
            write!(to, ":{line}:{column}")?;
        }
        write!(to, ": {}", self.what)
    }
}

impl std::error::Error for ScenarioError {}

/// Line and column in characters, from 1, of a byte of a text.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (line, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_one_in_characters() {
        let text = "a = 1\nü = 2\n";
        for (at, expected) in [
            (0, (1, 1)),
            (4, (1, 5)),
            (6, (2, 1)),
            (8, (2, 2)),
            (99, (3, 1)),
        ] {
            assert_eq!(place(text, at), expected, "{at}");
        }
    }

    #[test]
    fn an_error_names_file_line_and_column() {
        let error = ScenarioError::at("x\ny", 2..3, "no").in_file(Path::new("a.toml"));
        assert_eq!(error.to_string(), "a.toml:2:1: no");
        assert_eq!(ScenarioError::new("no").to_string(), "scenario: no");
    }
}
