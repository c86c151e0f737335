//! PURE. Tables: aligned columns for people, CSV for spreadsheets.

use comfy_table::{CellAlignment, Table as Grid, presets};

use crate::escape;

/// Titles and rows; columns of numbers are aligned to the right.
#[derive(Debug, Default)]
pub(crate) struct Table {
    titles: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Titles; one that ends in `>` is a column of numbers.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        let right = titles.iter().map(|title| title.ends_with('>')).collect();
        Self { titles: titles.iter().map(|title| title.trim_end_matches('>')).collect(), right, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| escape::line(&cell).into_owned()).collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Aligned, titles in capitals, no borders, no trailing blanks.
    pub(crate) fn text(&self) -> String {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING).force_no_tty();
        grid.set_header(self.titles.iter().map(|title| title.to_uppercase()));
        for row in &self.rows {
            grid.add_row(row);
        }
        for (i, column) in grid.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if self.right.get(i).copied().unwrap_or(false) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        grid.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

/// Rows of one shape as CSV: the names of the JSON keys, then one line an object; what is unknown is empty.
pub(crate) fn csv(columns: &[&str], rows: &[serde_json::Value]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let cell = |value: &serde_json::Value| match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => escape::cell(text).into_owned(),
        serde_json::Value::Array(items) => {
            let items = items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            escape::cell(&items.collect::<Vec<_>>().join(" ")).into_owned()
        }
        other => other.to_string(),
    };
    // A Vec takes everything, so that these cannot fail.
    let _ = writer.write_record(columns);
    for row in rows {
        let _ = writer.write_record(columns.iter().map(|column| row.get(*column).map(cell).unwrap_or_default()));
    }
    writer.into_inner().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_trails() {
        let mut table = Table::new(&["node", "ops/s>", "health"]);
        table.row(["10.0.0.1:7000".into(), "5".into(), "up".into()]);
        table.row(["a:1".into(), "12400".into(), String::new()]);
        assert_eq!(table.text(), "NODE           OPS/S  HEALTH\n10.0.0.1:7000      5  up\na:1            12400\n");
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let rows = [serde_json::json!({"a": "x,y", "b": null, "c": -1.5, "d": ["p", "q"]})];
        assert_eq!(csv(&["a", "b", "c", "d"], &rows), "a,b,c,d\n\"x,y\",,-1.5,p q\n");
        let hostile = [serde_json::json!({"a": "=HYPERLINK(1)", "b": "-x\u{1b}[2J\n", "c": ["@x"]})];
        assert_eq!(csv(&["a", "b", "c"], &hostile), "a,b,c\n'=HYPERLINK(1),'-x\\x1b[2J\\x0a,'@x\n");
    }
}
