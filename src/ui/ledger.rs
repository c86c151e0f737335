//! PURE. The ledger: every deed that was ever done here, newest last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{Ui, doc, pane};
use crate::app::layout;
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

/// An entry is a JSON object; what it has of time, person, deed and outcome comes first, the rest is left out.
fn entry(ui: &Ui<'_>, line: &str) -> Line<'static> {
    let Ok(serde_json::Value::Object(entry)) = serde_json::from_str::<serde_json::Value>(line) else {
        return Line::from(Span::styled(line.to_string(), ui.style(Role::Text)));
    };
    let text = |names: &[&str]| names.iter().find_map(|name| entry.get(*name)?.as_str().map(str::to_string)).unwrap_or_default();
    let outcome = text(&["outcome", "event", "phase"]);
    let role = match outcome.as_str() {
        "done" => Role::Ok,
        "failed" => Role::Critical,
        "refused" | "cancelled" => Role::Warning,
        _ => Role::Muted,
    };
    let time = text(&["at", "time", "when"]);
    let time: String = time.chars().take(19).map(|c| if c == 'T' { ' ' } else { c }).collect();
    let reasons = entry.get("reasons").and_then(|reasons| reasons.as_array());
    let reasons: Vec<&str> = reasons.into_iter().flatten().filter_map(|reason| reason.as_str()).collect();
    let seconds = entry.get("seconds").and_then(serde_json::Value::as_f64);
    let took = seconds.map_or(String::new(), |seconds| format!("{seconds:.1} s"));
    Line::from(vec![
        Span::styled(format!("{time}  "), ui.style(Role::Muted)),
        Span::styled(format!("{:<10}", text(&["who", "user"])), ui.style(Role::Replica)),
        Span::styled(format!("{outcome:<10}"), ui.style(role)),
        Span::styled(format!("{took:>8}  "), ui.style(Role::Muted)),
        Span::styled(text(&["intent", "command", "operation"]), ui.style(Role::Text)),
        Span::styled(format!("  {}", reasons.join("; ")), ui.style(role)),
    ])
}
