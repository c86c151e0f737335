//! PURE. The frame of a pane, its title, and the gutter of its rows.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect};
use ratatui::symbols::merge::MergeStrategy;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};

use super::Ui;
use crate::app::{FilterKind, Item, ListState, Pane};
use crate::theme::Role;

/// Draws the frame with its title, and what stands beside the title.
pub(super) fn frame(ui: &Ui<'_>, focused: bool, title: &str, beside: Vec<Span<'_>>, area: Rect, buf: &mut Buffer) {
    let border = match (ui.app.settings.protected, focused) {
        (true, _) => Role::Protected,
        (false, true) => Role::Focus,
        (false, false) => Role::Border,
    };
    let name = if focused { Role::Focus } else { Role::Title };
    let mut line = vec![Span::styled(format!(" {} ", crate::escape::line(title)), ui.style(name))];
    if !beside.is_empty() {
        line.push(Span::raw(" "));
        line.extend(beside);
        line.push(Span::raw(" "));
    }
    // The border's weight is the pane's, not its colour's: a bold line of one pane would not meet its neighbour's.
    let border = ui.style(border).remove_modifier(ratatui::style::Modifier::BOLD);
    let border = if focused { border.add_modifier(ratatui::style::Modifier::BOLD) } else { border };
    // The title of the pane below stands on this one's lower border, and keeps its colours.
    let lower = Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area }.intersection(buf.area);
    let letter = |cell: &Cell| !matches!(cell.symbol().chars().next(), None | Some(' ' | '\u{2500}'..='\u{257f}'));
    let title: Vec<(Position, Cell)> = lower
        .positions()
        .filter_map(|at| Some((at, buf.cell(at)?.clone())))
        .filter(|(_, cell)| focused && area.height > 1 && letter(cell))
        .collect();
    Block::bordered()
        .border_set(ui.glyphs.border)
        .border_style(border)
        .merge_borders(MergeStrategy::Exact)
        .title_top(Line::from(line))
        .render(area, buf);
    for (at, cell) in title {
        if let Some(place) = buf.cell_mut(at) {
            *place = cell;
        }
    }
}

/// The frame of one of the five panes.
pub(super) fn named(ui: &Ui<'_>, pane: Pane, beside: Vec<Span<'_>>, area: Rect, buf: &mut Buffer) {
    frame(ui, ui.has_focus(pane), title(pane), beside, area, buf);
}

pub(super) fn title(pane: Pane) -> &'static str {
    match pane {
        Pane::Topology => "Topology",
        Pane::Nodes => "Nodes",
        Pane::Slots => "Slots",
        Pane::Alerts => "Alerts",
        Pane::Rooms => "Rooms",
    }
}

/// What stands beside a list's title: how many rows, and what keeps others out.
pub(super) fn counts(ui: &Ui<'_>, list: &ListState, shown: usize, total: usize, more: &str) -> Vec<Span<'static>> {
    let rows = if shown == total { total.to_string() } else { format!("{shown} of {total}") };
    beside(ui, list, &[&rows, more])
}

/// These words, and what keeps rows out.
pub(super) fn beside(ui: &Ui<'_>, list: &ListState, words: &[&str]) -> Vec<Span<'static>> {
    let muted = ui.style(Role::Muted);
    let accent = ui.style(Role::Accent);
    let mut spans = Vec::new();
    let mut push = |text: String, style| {
        if !spans.is_empty() {
            spans.push(Span::styled(format!(" {} ", ui.glyphs.dot), muted));
        }
        spans.push(Span::styled(text, style));
    };
    for word in words.iter().filter(|word| !word.is_empty()) {
        push((*word).to_string(), muted);
    }
    if !list.filter.text.is_empty() {
        let sign = match list.filter.kind {
            FilterKind::Contains => "/",
            FilterKind::Inverse => "/!",
            FilterKind::Fuzzy => "/-f ",
        };
        push(format!("{sign}{}", list.filter.text), accent);
    }
    if list.only_faults {
        push("only faults".into(), accent);
    }
    if !list.marks.is_empty() {
        push(format!("{} marked", list.marks.len()), ui.style(Role::Mark));
    }
    spans
}

/// Draws the gutter of a row and gives the area that is left for its text.
pub(super) fn gutter(ui: &Ui<'_>, list: &ListState, item: &Item, focused: bool, area: Rect, buf: &mut Buffer) -> Rect {
    let selected = list.selected.as_ref() == Some(item);
    let marked = list.marks.contains(item);
    let (glyph, role) = match (marked, selected) {
        (true, _) => (ui.glyphs.mark, Role::Mark),
        (false, true) => (ui.glyphs.cursor, if focused { Role::Focus } else { Role::Muted }),
        (false, false) => (" ", Role::Text),
    };
    buf.set_stringn(area.x, area.y, glyph, usize::from(area.width), ui.style(role));
    Rect { x: area.x.saturating_add(1), width: area.width.saturating_sub(2), ..area }
}

/// Shows that a row is selected, after everything on it has been drawn.
pub(super) fn highlight(ui: &Ui<'_>, list: &ListState, item: &Item, focused: bool, area: Rect, buf: &mut Buffer) {
    if focused && list.selected.as_ref() == Some(item) {
        buf.set_style(area.intersection(buf.area), ui.style(Role::Selection));
    }
}

/// The visible rows: each with its area of one line.
pub(super) fn rows<T>(all: &[T], first: usize, area: Rect) -> impl Iterator<Item = (&T, Rect)> {
    let first = first.min(all.len().saturating_sub(usize::from(area.height)));
    all.iter().skip(first).zip(area.rows())
}

/// One sentence in the middle of an empty pane.
pub(super) fn empty(ui: &Ui<'_>, text: &str, area: Rect, buf: &mut Buffer) {
    let line = area.height / 2;
    if area.height > 0 {
        let width = u16::try_from(text.chars().count()).unwrap_or(area.width).min(area.width);
        let x = area.x + (area.width - width) / 2;
        super::pen::Pen::new(buf, Rect { x, width, ..area }, line, ui.glyphs.ellipsis).put(text, ui.style(Role::Muted));
    }
}
