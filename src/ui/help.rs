//! PURE. Every key and command in groups; what cannot be used now says why. As many columns as fit.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{Ui, doc, pane};
use crate::app::layout;
use crate::keys::HelpLine;
use crate::theme::Role;

/// Longer chords and commands have a line of their own.
const CHORD: usize = 18;
/// A column is at least this wide.
const COLUMN: u16 = 56;

pub(super) fn draw(ui: &Ui<'_>, lines: &[HelpLine], area: Rect, buf: &mut Buffer) {
    let beside = vec![Span::styled("esc closes", ui.style(Role::Muted))];
    pane::frame(ui, true, "Help", beside, area, buf);
    let inside = layout::inner(area);
    let inside = Rect { x: inside.x.saturating_add(1), width: inside.width.saturating_sub(2), ..inside };
    let count = (inside.width / COLUMN).max(1);
    let width = inside.width.saturating_sub(2 * (count - 1)) / count;
    let entries = entries(ui, lines, usize::from(width));
    // Newspaper columns: each takes its share of the lines, so that all of it is seen at once when it fits.
    let total: usize = entries.iter().map(Vec::len).sum();
    let share = total.div_ceil(usize::from(count)).max(1);
    let mut columns: Vec<Vec<Line<'static>>> = vec![Vec::new()];
    for entry in entries {
        let full = columns.last().is_some_and(|column| column.len() >= share);
        if full && columns.len() < usize::from(count) {
            columns.push(Vec::new());
        }
        if let Some(column) = columns.last_mut() {
            let blank = entry.first().is_some_and(|line| line.spans.is_empty());
            let skip = usize::from(column.is_empty() && blank);
            column.extend(entry.into_iter().skip(skip));
        }
    }
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    for (number, mut column) in (0..).zip(columns) {
        column.resize(longest, Line::default());
        let at = Rect { x: inside.x.saturating_add(number * (width + 2)), width, ..inside };
        doc::show(ui, &column, ui.screen.scroll, at, buf);
    }
}

/// Each key or command with its sentence; the first of a group has the group's name above it.
fn entries(ui: &Ui<'_>, lines: &[HelpLine], width: usize) -> Vec<Vec<Line<'static>>> {
    let mut entries = Vec::new();
    let mut group = "";
    for line in lines {
        let mut entry = Vec::new();
        if line.group != group {
            group = line.group;
            entry.push(Line::default());
            entry.push(Line::from(Span::styled(group.to_string(), ui.style(Role::Title))));
        }
        let widest = lines.iter().filter(|other| other.group == group).map(|other| other.chord.width()).max().unwrap_or(0);
        let (chord, says) = match line.disabled {
            Some(_) => (Role::Disabled, Role::Disabled),
            None => (Role::Accent, Role::Text),
        };
        let indent = widest.clamp(8, CHORD) + 4;
        let sentence = match line.disabled {
            Some(why) => format!("{} ({why})", line.says),
            None => line.says.to_string(),
        };
        let long = line.chord.width() + 4 > indent;
        if long {
            for (at, part) in doc::wrap(&line.chord, width.saturating_sub(4).max(8)).into_iter().enumerate() {
                let lead = if at == 0 { "  " } else { "    " };
                entry.push(Line::from(Span::styled(format!("{lead}{part}"), ui.style(chord))));
            }
        }
        for (at, part) in doc::wrap(&sentence, width.saturating_sub(indent).max(8)).into_iter().enumerate() {
            let lead = if at == 0 && !long { format!("  {:<width$}", line.chord, width = indent - 2) } else { " ".repeat(indent) };
            entry.push(Line::from(vec![Span::styled(lead, ui.style(chord)), Span::styled(part, ui.style(says))]));
        }
        entries.push(entry);
    }
    entries
}
