//! PURE. Columns of a list: which ones fit, where they stand, and the line of their titles.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::Ui;
use super::pen::Pen;
use crate::app::Sort;
use crate::theme::Role;

/// A column as it is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableColumn {
    pub title: &'static str,
    /// The least it needs.
    pub width: u16,
    /// What it should have before a less important column is shown.
    pub wish: u16,
    /// It may take cells that are left over, up to this width.
    pub most: u16,
    pub right: bool,
    /// Columns of a higher rank are left out first.
    pub rank: u8,
    /// Blanks before it.
    pub gap: u16,
    /// Cells for the number, in a column that shows a curve behind it.
    pub number: Option<u16>,
}

/// Columns up to this rank may make curves shorter than they should be.
const CORE: u8 = 4;

pub(super) const fn left(title: &'static str, width: u16, rank: u8) -> TableColumn {
    TableColumn { title, width, wish: width, most: width, right: false, rank, gap: 2, number: None }
}

pub(super) const fn right(title: &'static str, width: u16, rank: u8) -> TableColumn {
    TableColumn { title, width, wish: width, most: width, right: true, rank, gap: 2, number: None }
}

/// A number with a curve behind it, `least` to `most` cells long.
pub(super) const fn curve(title: &'static str, number: u16, least: u16, most: u16, rank: u8) -> TableColumn {
    let width = number + 1 + least;
    TableColumn { title, width, wish: width + 6, most: number + 1 + most, right: false, rank, gap: 2, number: Some(number) }
}

impl TableColumn {
    pub(super) const fn upto(self, most: u16) -> Self {
        Self { most, ..self }
    }
}

/// What stands in a column: a text, and behind it a curve when the column has room for one.
pub(super) struct Cell<'a> {
    pub text: Cow<'a, str>,
    pub style: Style,
    pub curve: Option<(String, Style)>,
}

impl<'a> Cell<'a> {
    pub(super) fn new(text: impl Into<Cow<'a, str>>, style: Style) -> Self {
        Self { text: text.into(), style, curve: None }
    }
}

/// A column that fits: its index, and how wide it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TablePlace {
    pub index: usize,
    pub gap: u16,
    pub width: u16,
}

/// The columns that fit into `width`, in their order. The first one always does.
pub(super) fn fit(columns: &[TableColumn], width: u16) -> Vec<TablePlace> {
    // Columns that are not of the first importance must leave the others their comfort.
    let total = |kept: &[(usize, &TableColumn)]| -> u16 {
        let comfort = kept.iter().any(|(_, column)| column.rank > CORE);
        let width = |column: &TableColumn| if comfort { column.wish } else { column.width };
        kept.iter().enumerate().map(|(at, (_, column))| width(column) + if at == 0 { 0 } else { column.gap }).sum()
    };
    let mut kept: Vec<(usize, &TableColumn)> = columns.iter().enumerate().collect();
    while kept.len() > 1 && total(&kept) > width {
        let Some(worst) = kept.iter().map(|(_, column)| column.rank).max() else { break };
        let Some(at) = kept.iter().rposition(|(_, column)| column.rank == worst) else { break };
        kept.remove(at);
    }
    let used: u16 = kept.iter().enumerate().map(|(at, (_, column))| column.width + if at == 0 { 0 } else { column.gap }).sum();
    let mut spare = width.saturating_sub(used);
    let mut places: Vec<(TablePlace, u16)> = kept
        .into_iter()
        .enumerate()
        .map(|(at, (index, column))| {
            (TablePlace { index, gap: if at == 0 { 0 } else { column.gap }, width: column.width }, column.most)
        })
        .collect();
    // What is left over goes round, a cell a turn, so that curves stay equally long.
    while spare > 0 && places.iter().any(|(place, most)| place.width < *most) {
        for (place, _) in places.iter_mut().filter(|(place, most)| place.width < *most) {
            if spare > 0 {
                place.width += 1;
                spare -= 1;
            }
        }
    }
    places.into_iter().map(|(place, _)| place).collect()
}

/// The line of titles, the sorted one with its arrow.
pub(super) fn titles(
    ui: &Ui<'_>,
    columns: &[TableColumn],
    places: &[TablePlace],
    sort: Option<Sort>,
    area: Rect,
    buf: &mut Buffer,
) {
    let mut pen = Pen::new(buf, area, 0, "");
    for place in places {
        let Some(column) = columns.get(place.index) else { continue };
        pen.gap(place.gap);
        let sorted = sort.filter(|sort| sort.column == column.title);
        let (text, role) = match sorted {
            Some(sort) => {
                let arrow = if sort.descending { ui.glyphs.descending } else { ui.glyphs.ascending };
                (Cow::Owned(format!("{}{arrow}", column.title)), Role::Accent)
            }
            None => (Cow::Borrowed(column.title), Role::Muted),
        };
        if column.right {
            pen.right(text, place.width, ui.style(role))
        } else {
            pen.left(text, place.width, ui.style(role))
        };
    }
}

/// One row.
pub(super) fn row<'a>(
    columns: &[TableColumn],
    places: &[TablePlace],
    area: Rect,
    buf: &mut Buffer,
    ellipsis: &'static str,
    cell: impl Fn(&'static str, u16) -> Cell<'a>,
) {
    let mut pen = Pen::new(buf, area, 0, ellipsis);
    for place in places {
        let Some(column) = columns.get(place.index) else { continue };
        pen.gap(place.gap);
        let cell = cell(column.title, place.width);
        match (column.number, cell.curve) {
            (Some(number), Some((curve, style))) => {
                let rest = place.width.saturating_sub(number + 1);
                pen.right(&cell.text, number, cell.style).gap(1).left(curve, rest, style);
            }
            (Some(number), None) => drop(pen.right(&cell.text, number, cell.style).gap(place.width.saturating_sub(number))),
            _ if column.right => drop(pen.right(&cell.text, place.width, cell.style)),
            _ => drop(pen.left(&cell.text, place.width, cell.style)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_important_columns_go_first() {
        let columns = [left("node", 10, 0).upto(20), right("ops", 5, 1), right("cpu", 4, 3), right("lag", 4, 2)];
        let indexes = |width| fit(&columns, width).iter().map(|place| place.index).collect::<Vec<_>>();
        assert_eq!(indexes(80), [0, 1, 2, 3]);
        assert_eq!(indexes(28), [0, 1, 3]);
        assert_eq!(indexes(4), [0]);
        let used = |width| fit(&columns, width).iter().map(|place| place.width + place.gap).sum::<u16>();
        assert_eq!((used(80), used(31)), (39, 31));
    }
}
