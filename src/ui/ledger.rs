//! PURE. The ledger: every deed that was ever done here, newest last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ui, doc, pane};
use crate::app::layout;
use crate::plan::entry::Entry;
use crate::theme::Role;

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let lines = &ui.screen.ledger;
    let beside = vec![Span::styled(format!("{} entries, newest last", lines.len()), ui.style(Role::Muted))];
    pane::frame(ui, true, "Ledger", beside, area, buf);
    let inside = layout::inner(area);
    let inside = Rect { x: inside.x.saturating_add(1), width: inside.width.saturating_sub(2), ..inside };
    if lines.is_empty() {
        return pane::empty(ui, "no deed has been done on this cluster from here", inside, buf);
    }
    let text: Vec<Line<'static>> = lines.iter().map(|line| entry(ui, line)).collect();
    doc::show(ui, &text, ui.screen.scroll, inside, buf);
}

/// Time, person, outcome and deed come first; what was sent and planned is for whoever reads the file.
fn entry(ui: &Ui<'_>, line: &str) -> Line<'static> {
    let Some(entry) = Entry::read(line) else {
        return Line::from(Span::styled(line.to_string(), ui.style(Role::Text)));
    };
    let role = match entry.outcome.as_str() {
        "done" => Role::Ok,
        "failed" => Role::Critical,
        "refused" | "cancelled" => Role::Warning,
        _ => Role::Muted,
    };
    let time: String = entry.at.chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect();
    Line::from(vec![
        Span::styled(format!("{time}  "), ui.style(Role::Muted)),
        Span::styled(format!("{:<10}", entry.who), ui.style(Role::Replica)),
        Span::styled(format!("{:<10}", entry.outcome), ui.style(role)),
        Span::styled(format!("{:>8}  ", format!("{:.1} s", entry.seconds)), ui.style(Role::Muted)),
        Span::styled(entry.intent, ui.style(Role::Text)),
        Span::styled(format!("  {}", entry.reasons.join("; ")), ui.style(role)),
    ])
}
