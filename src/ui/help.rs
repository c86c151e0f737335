//! PURE. Every key and command in groups; what cannot be used now says why. As many columns as fit.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use super::{Ui, doc, pane};
use crate::app::layout;
use crate::keys::HelpLine;
use crate::theme::Role;

/// A column is at least this wide.
const COLUMN: u16 = 76;

pub(super) fn draw(ui: &Ui<'_>, lines: &[HelpLine], area: Rect, buf: &mut Buffer) {
    let beside = vec![Span::styled("esc closes", ui.style(Role::Muted))];
    pane::frame(ui, true, "Help", beside, area, buf);
    let inside = layout::inner(area);
    let inside = Rect { x: inside.x.saturating_add(1), width: inside.width.saturating_sub(2), ..inside };
    let count = (inside.width / COLUMN).max(1);
    let width = inside.width.saturating_sub(2 * (count - 1)) / count;
    let text = text(ui, lines, usize::from(width));
    // Newspaper columns: each takes its share of the lines, so that all of it is seen at once when it fits.
    let share = text.len().div_ceil(usize::from(count)).max(1);
    for (column, part) in (0..count).zip(text.chunks(share)) {
        let at = Rect { x: inside.x + column * (width + 2), width, ..inside };
        let mut part = part.to_vec();
        part.resize(share, Line::default());
        doc::show(ui, &part, ui.screen.scroll, at, buf);
    }
}

fn text(ui: &Ui<'_>, lines: &[HelpLine], width: usize) -> Vec<Line<'static>> {
    let mut text: Vec<Line<'static>> = Vec::new();
    let mut group = "";
    for line in lines {
        if line.group != group {
            group = line.group;
            if !text.is_empty() {
                text.push(Line::default());
            }
            text.push(Line::from(Span::styled(group.to_string(), ui.style(Role::Title))));
        }
        let widest = lines.iter().filter(|other| other.group == group).map(|other| other.chord.width()).max().unwrap_or(0);
        let (chord, says) = match line.disabled {
            Some(_) => (Role::Disabled, Role::Disabled),
            None => (Role::Accent, Role::Text),
        };
        let indent = widest.clamp(8, width / 2) + 4;
        let sentence = match line.disabled {
            Some(why) => format!("{} ({why})", line.says),
            None => line.says.to_string(),
        };
        for (at, part) in doc::wrap(&sentence, width.saturating_sub(indent).max(8)).into_iter().enumerate() {
            let lead = if at == 0 { format!("  {:<width$}", line.chord, width = indent - 2) } else { " ".repeat(indent) };
            text.push(Line::from(vec![Span::styled(lead, ui.style(chord)), Span::styled(part, ui.style(says))]));
        }
    }
    text
}
