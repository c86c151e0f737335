//! PURE. One operation: where it is, what has been sent and answered, how it ended.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::doc::{self, Doc};
use super::{Ui, dialog, format, operations, pane, spark};
use crate::app::layout;
use crate::app::{Operation, OperationId, StepStage};
use crate::cluster::age;
use crate::plan::Progress;
use crate::quantity;
use crate::theme::Role;

pub(super) fn draw(ui: &Ui<'_>, id: OperationId, area: Rect, buf: &mut Buffer) {
    let inside = layout::inner(area);
    let inside = Rect { x: inside.x.saturating_add(1), width: inside.width.saturating_sub(2), ..inside };
    let Some(operation) = ui.app.operations.iter().find(|operation| operation.id == id) else {
        pane::frame(ui, true, &format!("Operation {}", id.0), Vec::new(), area, buf);
        return pane::empty(ui, "this operation is not known", inside, buf);
    };
    let (glyph, word, role) = operations::outcome(ui, operation);
    let beside = vec![Span::styled(format!("{glyph} {word}"), ui.style(role))];
    pane::frame(ui, true, &operation.plan.intent.to_string(), beside, area, buf);
    let mut doc = Doc::new(ui, inside.width);
    state(ui, operation, &mut doc);
    dialog::plan::loads(ui, &operation.plan, "Planned before and after", &mut doc);
    steps(ui, operation, &mut doc);
    sent(ui, operation, &mut doc);
    doc::show(ui, &doc.lines, ui.screen.scroll, inside, buf);
}

fn state(ui: &Ui<'_>, operation: &Operation, doc: &mut Doc<'_, '_>) {
    let (glyph, word, role) = operations::outcome(ui, operation);
    doc.heading("State");
    doc.fact("outcome", format!("{glyph} {word}"), role);
    for reason in operation.report.iter().flat_map(|report| report.outcome.reasons()) {
        doc.point(ui.glyphs.down, reason, role);
    }
    doc.fact("started", format!("{}Z", format::clock(operation.started)), Role::Text);
    let took = operation.report.as_ref().map_or_else(|| age(ui.now, operation.started), |report| report.elapsed);
    doc.fact(if operation.is_running() { "for" } else { "took" }, quantity::span(took), Role::Text);
    bar(ui, operation, doc);
    match &operation.report {
        Some(report) => report.told().for_each(|(label, value)| doc.fact(label, value, Role::Text)),
        None => progress(operation, doc),
    }
    doc.fact("same as", format!("{} {}", ui.app.settings.invocation, operation.plan.intent), Role::Muted);
    // What the steps say stands below.
    let notes = operation.notes.iter().filter(|note| !operation.plan.steps.iter().any(|step| step.says == **note));
    for note in notes.rev().take(5).collect::<Vec<_>>().into_iter().rev() {
        doc.point(ui.glyphs.hint, note, Role::Muted);
    }
}

/// How far the slots are.
fn bar(ui: &Ui<'_>, operation: &Operation, doc: &mut Doc<'_, '_>) {
    let Some(Progress::Moved { slots_done, slots_total, .. }) = &operation.moved else { return };
    let share = operations::share(operation).unwrap_or(0.0);
    let (full, empty) = spark::bar(ui.glyphs, share, 32);
    doc.blank();
    doc.line(vec![
        Span::raw("  "),
        Span::styled(full, ui.style(Role::Gauge)),
        Span::styled(empty, ui.style(Role::Track)),
        Span::styled(format!("  {:>3.0}%", share * 100.0), ui.style(Role::Text)),
        Span::styled(format!("  {slots_done} of {}", quantity::count(*slots_total, "slot")), ui.style(Role::Muted)),
    ]);
}

/// What has moved so far, how fast, and what is felt of it.
fn progress(operation: &Operation, doc: &mut Doc<'_, '_>) {
    let Some(Progress::Moved { keys, bytes, keys_per_sec, eta, p99_ms, .. }) = &operation.moved else { return };
    doc.fact("moved", format!("{}, {}", format::counted_short(*keys, "key"), quantity::bytes(*bytes)), Role::Text);
    doc.fact("speed", format!("{} keys/s", quantity::short(*keys_per_sec)), Role::Text);
    doc.known("left", eta.map(quantity::span));
    doc.known("servers' p99", p99_ms.map(|ms| format!("{ms:.1} ms")));
}

fn steps(ui: &Ui<'_>, operation: &Operation, doc: &mut Doc<'_, '_>) {
    doc.heading("Steps");
    for (at, step) in operation.plan.steps.iter().enumerate() {
        let (sign, role) = match operation.stage(at) {
            StepStage::Done => (ui.glyphs.ok, Role::Ok),
            StepStage::Running => (ui.glyphs.up, Role::Accent),
            StepStage::Stopped => (ui.glyphs.down, Role::Critical),
            StepStage::Halfway => (ui.glyphs.unwell, Role::Warning),
            StepStage::Later => (ui.glyphs.dot, Role::Muted),
        };
        doc.point(sign, &step.says, role);
        for (node, command) in step.sent() {
            doc.indented(6, &format!("{node}> {command}"), Role::Muted);
        }
    }
}

fn sent(ui: &Ui<'_>, operation: &Operation, doc: &mut Doc<'_, '_>) {
    doc.heading("Commands and replies");
    if operation.sent.is_empty() {
        return doc.text("nothing has been sent yet", Role::Muted);
    }
    for (address, command, reply) in &operation.sent {
        doc.text(&format!("{address}> {command}"), Role::Text);
        let bad = reply.starts_with('-') || reply.starts_with("ERR") || reply.to_ascii_lowercase().contains("error");
        doc.point(ui.glyphs.hint, reply, if bad { Role::Critical } else { Role::Muted });
    }
}
