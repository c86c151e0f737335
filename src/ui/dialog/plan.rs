//! PURE. A plan to read before saying yes: warnings, what it predicts and touches, its steps as literal commands.

use ratatui::text::Span;

use super::super::doc::Doc;
use super::super::{Ui, format, spark};
use crate::plan::{Intent, Mode, Plan, Succession};
use crate::quantity;
use crate::theme::Role;

/// Moves that are listed one by one.
const LISTED: usize = 12;

pub(super) fn text(ui: &Ui<'_>, plan: &Plan, doc: &mut Doc<'_, '_>) {
    doc.fact("cluster", plan.cluster.clone(), Role::Master);
    doc.fact("operation", plan.intent.to_string(), Role::Text);
    for warning in &plan.warnings {
        doc.point(ui.glyphs.warning, warning, Role::Warning);
    }
    prediction(ui, plan, doc);
    impact(ui, plan, doc);
    loads(ui, plan, "Before and after", doc);
    moves(ui, plan, doc);
    steps(plan, doc);
    doc.heading("Same as");
    doc.text(&format!("{} {}", ui.app.settings.invocation, plan.intent), Role::Muted);
    doc.blank();
}

fn prediction(ui: &Ui<'_>, plan: &Plan, doc: &mut Doc<'_, '_>) {
    let prediction = &plan.prediction;
    doc.heading("What it will do");
    if let Some(winner) = prediction.winner {
        doc.fact("new master", ui.app.model.label(winner), Role::Text);
    }
    if let Some((from, to)) = prediction.pause {
        doc.fact("writes stop", format::between(from, to, ui.glyphs.dash), Role::Text);
    }
    if let Intent::Failover { mode: Mode::Force | Mode::Takeover, .. } = plan.intent {
        // How far behind the replica was is all that is known: nobody makes writes wait for it.
        let text = match prediction.bytes_at_risk {
            Some(bytes) => format!("{} behind at the last look, and writes since then", quantity::bytes(bytes)),
            None => "nobody knows how far behind it is".into(),
        };
        doc.fact("may be lost", format!("{} {text}", ui.glyphs.warning), Role::Warning);
    } else if let Some(bytes) = prediction.bytes_at_risk {
        let role = if bytes > 0 { Role::Warning } else { Role::Ok };
        let text = if bytes == 0 {
            format!("{} nothing", ui.glyphs.ok)
        } else {
            format!("{} of acknowledged writes", quantity::bytes(bytes))
        };
        doc.fact("may be lost", text, role);
    }
    doc.known("takes about", prediction.takes.map(quantity::span));
    doc.known("moves slots", plan.engine.map(|engine| engine.word()));
    for note in &prediction.notes {
        doc.point(ui.glyphs.dot, note, Role::Text);
    }
}

fn impact(ui: &Ui<'_>, plan: &Plan, doc: &mut Doc<'_, '_>) {
    let impact = &plan.impact;
    doc.heading("What it touches");
    let shards: Vec<String> = impact.shards.iter().map(ToString::to_string).collect();
    let slots = impact.slots.len();
    let ranges = impact.slots.ranges();
    let listed =
        if ranges.is_empty() { "none".to_string() } else { format!("{slots}  ({})", super::super::topology::ranges(ui, &ranges)) };
    if !shards.is_empty() {
        doc.fact(if shards.len() == 1 { "shard" } else { "shards" }, shards.join(", "), Role::Text);
    }
    doc.fact("slots", listed, Role::Text);
    let tally = &impact.tally;
    let text = format!(
        "{} with {}, {}, {}",
        tally.rooms,
        quantity::count(tally.players, "player"),
        format::counted_short(tally.keys, "key"),
        impact.bytes()
    );
    doc.fact("rooms", text, Role::Text);
}

/// Masters before and after, with bars.
pub(in crate::ui) fn loads(ui: &Ui<'_>, plan: &Plan, heading: &str, doc: &mut Doc<'_, '_>) {
    if plan.before.is_empty() || plan.after.is_empty() {
        return;
    }
    doc.heading(&format!("{heading}, by {}", plan.objective().measure()));
    let amount = |value: f64| if plan.objective().is_bytes() { format::bytes(value) } else { quantity::short(value) };
    let top = plan.before.iter().chain(&plan.after).map(|load| load.value).fold(1.0, f64::max);
    for after in &plan.after {
        let before = plan.before.iter().find(|load| load.node == after.node).map_or(0.0, |load| load.value);
        let bar = |value: f64| spark::bar(ui.glyphs, value / top, 10);
        let ((b_full, b_empty), (a_full, a_empty)) = (bar(before), bar(after.value));
        doc.line(vec![
            Span::styled(format!("  {:<21}", after.address.to_string()), ui.style(Role::Text)),
            Span::styled(format!("{:>7} ", amount(before)), ui.style(Role::Muted)),
            Span::styled(b_full, ui.style(Role::Spark)),
            Span::styled(b_empty, ui.style(Role::Track)),
            Span::styled(format!(" {} {:>6} ", ui.glyphs.arrow, amount(after.value)), ui.style(Role::Text)),
            Span::styled(a_full, ui.style(Role::Gauge)),
            Span::styled(a_empty, ui.style(Role::Track)),
        ]);
    }
}

fn moves(ui: &Ui<'_>, plan: &Plan, doc: &mut Doc<'_, '_>) {
    if plan.moves.is_empty() {
        return;
    }
    doc.heading("Moves");
    for one in plan.moves.iter().take(LISTED) {
        let slots = super::super::topology::ranges(ui, &one.slots.ranges());
        let text = format!(
            "{:<16} {} {} {}  {}, {}",
            slots,
            one.from_address,
            ui.glyphs.arrow,
            one.to_address,
            format::counted_short(one.keys, "key"),
            one.size()
        );
        doc.text(&text, Role::Text);
    }
    let more = plan.moves.len().saturating_sub(LISTED);
    if more > 0 {
        doc.text(&format!("and {more} more"), Role::Muted);
    }
}

fn steps(plan: &Plan, doc: &mut Doc<'_, '_>) {
    doc.heading("Steps");
    for (number, step) in (1..).zip(plan.steps.iter().take(2 * LISTED)) {
        doc.point(&number.to_string(), &step.says, Role::Text);
        for (node, command) in step.sent() {
            doc.indented(6, &format!("{node}> {command}"), Role::Muted);
        }
    }
    let more = plan.steps.len().saturating_sub(2 * LISTED);
    if more > 0 {
        doc.text(&format!("and {more} more"), Role::Muted);
    }
}

/// What is expected when this master dies now.
pub(super) fn succession(ui: &Ui<'_>, succession: &Succession, doc: &mut Doc<'_, '_>) {
    doc.heading("What is expected then");
    match &succession.winner_address {
        Some(winner) => doc.fact("takes over", winner.to_string(), Role::Text),
        None => doc.point(ui.glyphs.warning, "nobody takes over: the shard's slots stay without a master", Role::Critical),
    }
    if let Some((from, to)) = succession.gap {
        doc.fact("writes stop", format::between(from, to, ui.glyphs.dash), Role::Text);
    }
    doc.known("may be lost", succession.bytes_at_risk.map(quantity::bytes));
    let tally = succession.impact.tally;
    doc.fact(
        "who notices",
        format!("{}, {}", quantity::count(tally.rooms, "room"), quantity::count(tally.players, "player")),
        Role::Text,
    );
}
