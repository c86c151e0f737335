//! PURE. Running and past operations, newest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::table::{Cell, TableColumn, fit, left, right, row, titles};
use super::{Ui, doc, format, ledger, pane};
use crate::app::layout;
use crate::app::{Item, Operation};
use crate::cluster::age;
use crate::keys::Action;
use crate::plan::entry::Entry;
use crate::plan::{Outcome, Progress};
use crate::quantity;
use crate::theme::Role;

const COLUMNS: [TableColumn; 5] = [
    right("id", 4, 4),
    left("operation", 24, 0).upto(80),
    left("outcome", 12, 1).upto(16),
    left("started", 9, 3),
    right("took", 9, 2),
];

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let state = &ui.screen.operations;
    let rows = &ui.app.rows.operations;
    let running = ui.app.operations.iter().filter(|operation| operation.is_running()).count();
    let more = if running > 0 { format!("{running} running") } else { String::new() };
    let beside: Vec<Span<'static>> = pane::counts(ui, state, rows.len(), ui.app.operations.len(), &more);
    pane::frame(ui, true, "Operations", beside, area, buf);
    let (head, list) = layout::operations(area);
    let earlier = earlier(ui);
    if rows.is_empty() && earlier.is_empty() {
        let chord = |action| ui.app.keymap.chord(action);
        let (failover, migrate, rebalance) = (chord(Action::Failover), chord(Action::Migrate), chord(Action::Rebalance));
        let says = format!("no operation so far: {failover} fails over, {migrate} moves rooms, {rebalance} rebalances");
        return pane::empty(ui, &says, list, buf);
    }
    let inside = |area: Rect| Rect { x: area.x.saturating_add(1), width: area.width.saturating_sub(2), ..area };
    let places = fit(&COLUMNS, inside(list).width);
    titles(ui, &COLUMNS, &places, state.sort, inside(head), buf);
    for (id, line) in pane::rows(rows, state.first, list) {
        let Some(operation) = ui.app.operations.iter().find(|operation| operation.id == *id) else { continue };
        let item = Item::Operation(*id);
        let text = pane::gutter(ui, state, &item, true, line, buf);
        row(&COLUMNS, &places, text, buf, ui.glyphs.ellipsis, |title, _| cell(ui, operation, title));
        pane::highlight(ui, state, &item, true, line, buf);
    }
    let used = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_add(u16::from(!rows.is_empty()));
    let below = Rect { y: list.y.saturating_add(used), height: list.height.saturating_sub(used), ..inside(list) };
    let title = Line::from(Span::styled("before this console, and beside it (:ledger has all)", ui.style(Role::Muted)));
    let lines: Vec<Line<'static>> =
        std::iter::once(title).chain(earlier.into_iter().map(|entry| ledger::line(ui, entry))).collect();
    if lines.len() > 1 {
        doc::show(ui, &lines, 0, below, buf);
    }
}

/// Entries of the ledger that are none of the operations above.
fn earlier<'a>(ui: &Ui<'a>) -> Vec<&'a Entry> {
    let entries = ui.screen.ledger.iter().flatten().flatten();
    let ours = |entry: &Entry| {
        let at = chrono::DateTime::parse_from_rfc3339(&entry.at);
        let since = |start| at.is_ok_and(|at| at >= start);
        ui.app.operations.iter().any(|one| since(one.started) && one.plan.intent.to_string() == entry.intent)
    };
    entries.filter(|entry| !ours(entry)).collect()
}

fn cell(ui: &Ui<'_>, operation: &Operation, title: &str) -> Cell<'static> {
    let (text, muted) = (ui.style(Role::Text), ui.style(Role::Muted));
    match title {
        "id" => Cell::new(operation.id.0.to_string(), muted),
        "operation" => Cell::new(operation.plan.intent.to_string(), text),
        "outcome" => {
            let (glyph, word, role) = outcome(ui, operation);
            let share = if operation.is_running() { share(operation) } else { None };
            let share = share.map_or(String::new(), |share| format!(" {:.0}%", share * 100.0));
            Cell::new(format!("{glyph} {word}{share}"), ui.style(role))
        }
        "started" => Cell::new(format::clock(operation.started), muted),
        "took" => {
            let took = operation.report.as_ref().map_or_else(|| age(ui.now, operation.started), |report| report.elapsed);
            Cell::new(quantity::span(took), text)
        }
        _ => Cell::new("", text),
    }
}

/// How it stands: glyph, word, role.
pub(super) fn outcome(ui: &Ui<'_>, operation: &Operation) -> (&'static str, &'static str, Role) {
    match operation.report.as_ref().map(|report| &report.outcome) {
        None if operation.paused => (ui.glyphs.unwell, "paused", Role::Warning),
        None => (ui.glyphs.up, "running", Role::Accent),
        Some(outcome) => {
            let (glyph, role) = match outcome {
                Outcome::Done => (ui.glyphs.ok, Role::Ok),
                Outcome::Refused(_) | Outcome::Cancelled(_) => (ui.glyphs.warning, Role::Warning),
                Outcome::Failed(_) => (ui.glyphs.down, Role::Critical),
            };
            (glyph, outcome.word(), role)
        }
    }
}

/// How much of the slots has moved, from 0 to 1.
pub(super) fn share(operation: &Operation) -> Option<f64> {
    match operation.moved {
        Some(Progress::Moved { slots_done, slots_total, .. }) if slots_total > 0 => {
            Some(f64::from(slots_done) / f64::from(slots_total))
        }
        _ => None,
    }
}
