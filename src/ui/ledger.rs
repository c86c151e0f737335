//! PURE. The ledger: every operation that was ever done here, newest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ui, doc, pane};
use crate::app::layout;
use crate::plan::entry::Entry;
use crate::quantity;
use crate::theme::Role;

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let read = ui.screen.ledger.as_ref();
    let entries = read.and_then(|read| read.as_deref().ok()).unwrap_or_default();
    let beside = vec![Span::styled(format!("{}, newest first", quantity::count(entries.len(), "entry")), ui.style(Role::Muted))];
    pane::frame(ui, true, "Ledger", beside, area, buf);
    let inside = layout::inner(area);
    let inside = Rect { x: inside.x.saturating_add(1), width: inside.width.saturating_sub(2), ..inside };
    if entries.is_empty() {
        let says = match read {
            Some(Ok(_)) => "no operation has been done on this cluster from here",
            Some(Err(why)) => why,
            None => "reading it",
        };
        return pane::empty(ui, says, inside, buf);
    }
    let text: Vec<Line<'static>> = entries.iter().map(|one| line(ui, one)).collect();
    doc::show(ui, &text, ui.screen.scroll, inside, buf);
}

/// Time, person, outcome and operation come first; what was sent and planned is for whoever reads the file.
pub(super) fn line(ui: &Ui<'_>, entry: &Entry) -> Line<'static> {
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
        Span::styled(entry.intent.clone(), ui.style(Role::Text)),
        Span::styled(format!("  {}", entry.reasons.join("; ")), ui.style(role)),
    ])
}
