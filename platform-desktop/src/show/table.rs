//! A table of columns as wide as they need to be.

use unicode_width::UnicodeWidthStr as _;

use crate::{output::Paint, text};

/// Rows under a heading.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    heads: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Without rows.
    #[must_use]
    pub(crate) fn new(heads: &[&'static str; N]) -> Self {
        Self {
            heads: *heads,
            rows: Vec::new(),
        }
    }

    /// Adds a row; its cells are clean already.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// As text, the last line without a break.
    #[must_use]
    pub(crate) fn render(&self, paint: Paint) -> String {
        let mut widths = self.heads.map(str::len);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> = cells
                .zip(widths)
                .map(|(cell, width)| text::pad(cell, width))
                .collect();
            padded.join("  ").trim_end().to_owned()
        };
        let mut lines = vec![paint.dim(&line(&mut self.heads.iter().copied()))];
        for row in &self.rows {
            lines.push(line(&mut row.iter().map(String::as_str)));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_by_display_width() {
        let mut table = Table::new(&["A", "B"]);
        table.row(["日本".into(), "1".into()]);
        table.row(["x".into(), "2".into()]);
        assert_eq!(
            table.render(Paint { on: false }),
            "A     B\n日本  1\nx     2"
        );
    }
}
