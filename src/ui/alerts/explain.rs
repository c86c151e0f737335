//! PURE. The alert under the cursor in full: what, why, what happens by itself, and what to do.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::super::doc::{self, Doc};
use super::super::{Ui, format, signs};
use crate::alerts::Alert;
use crate::theme::Role;

/// The alert under the cursor in full, where the list leaves room: what, why, and what to do.
pub(super) fn draw(ui: &Ui<'_>, alert: &Alert, free: Rect, buf: &mut Buffer) {
    let inside = Rect { x: free.x + 1, width: free.width.saturating_sub(2), ..free };
    let mut doc = Doc::new(ui, inside.width);
    let finding = &alert.finding;
    doc.line(vec![Span::styled(finding.rule, ui.style(Role::Title))]);
    doc.fact("whom", finding.label.clone(), Role::Text);
    doc.fact("what", finding.message.clone(), Role::Text);
    doc.known("by itself", finding.outlook.clone());
    let says = &finding.remedy.says;
    // What the top of the screen advises has a key.
    let leads = ui.app.monitor.headline.next.as_ref() == Some(says);
    let says = if leads { ui.app.advised(says) } else { ui.app.typed(says) };
    doc.fact("what to do", says, Role::Accent);
    for line in &finding.evidence {
        doc.fact("evidence", line.clone(), Role::Muted);
    }
    doc.fact("since", format!("{}Z, {}", format::clock(alert.since), signs::phase(alert.phase)), Role::Muted);
    let height = u16::try_from(doc.lines.len()).unwrap_or(u16::MAX);
    if free.height > height {
        let at = Rect { y: free.bottom() - height, height, ..inside };
        doc::show(ui, &doc.lines, 0, at, buf);
    }
}
