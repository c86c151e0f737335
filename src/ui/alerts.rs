//! PURE. Alerts, worst first: since when, which rule, about whom, why, and how long.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

use super::doc::{self, Doc};
use super::pen::Pen;
use super::{Ui, format, pane, signs};
use crate::alerts::{Alert, Phase};
use crate::app::{Item, Pane, layout};
use crate::keys::Action;
use crate::plan::Intent;
use crate::theme::Role;

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let state = &ui.screen.alerts;
    let focused = ui.has_focus(Pane::Alerts);
    let rows = &ui.app.rows.alerts;
    let all = ui.app.monitor.log.alerts();
    let more = format!("{} firing", ui.app.monitor.log.firing());
    let beside = pane::counts(ui, state, rows.len(), all.len(), &more);
    pane::named(ui, Pane::Alerts, beside, area, buf);
    let (_, list) = layout::list(Pane::Alerts, area);
    if rows.is_empty() {
        let text = if all.is_empty() { "nothing has been wrong so far" } else { "no alert matches" };
        return pane::empty(ui, text, list, buf);
    }
    let chosen = match &state.selected {
        Some(Item::Alert(id)) if focused => all.iter().find(|alert| alert.id == *id),
        _ => None,
    };
    for (id, line) in pane::rows(rows, state.first, list) {
        let Some(alert) = all.iter().find(|alert| alert.id == *id) else { continue };
        let item = Item::Alert(*id);
        let text = pane::gutter(ui, state, &item, focused, line, buf);
        one(ui, alert, text, buf);
        pane::highlight(ui, state, &item, focused, line, buf);
    }
    if let Some(alert) = chosen {
        let used = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(list.height);
        let free = Rect { y: list.y + used, height: list.height - used, ..list };
        explain(ui, alert, free, buf);
    }
}

/// The alert under the cursor in full, where the list leaves room: what, why, and what to do.
fn explain(ui: &Ui<'_>, alert: &Alert, free: Rect, buf: &mut Buffer) {
    let inside = Rect { x: free.x + 1, width: free.width.saturating_sub(2), ..free };
    let mut doc = Doc::new(ui, inside.width);
    let finding = &alert.finding;
    doc.line(vec![Span::styled(finding.rule, ui.style(Role::Title))]);
    doc.fact("whom", finding.label.clone(), Role::Text);
    doc.fact("what", finding.message.clone(), Role::Text);
    let key = finding.remedy.intent.as_ref().and_then(action).map(|action| ui.app.keymap.chord(action));
    let key = key.filter(|key| !key.is_empty()).map_or_else(String::new, |key| format!(" [{key}]"));
    doc.fact("what to do", format!("{}{key}", finding.remedy), Role::Accent);
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

/// The key that starts this operation.
fn action(intent: &Intent) -> Option<Action> {
    match intent {
        Intent::Failover { .. } => Some(Action::Failover),
        Intent::Rebalance { .. } => Some(Action::Rebalance),
        Intent::Fix { .. } => Some(Action::Fix),
        _ => None,
    }
}

/// `✖ 14:02:08  node.down  10.0.0.3:7002 refused …  firing  3s`
fn one(ui: &Ui<'_>, alert: &Alert, area: Rect, buf: &mut Buffer) {
    let over = alert.phase == Phase::Resolved;
    let (glyph, role) = signs::severity(ui, alert.finding.severity);
    let muted = ui.style(Role::Muted);
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.put(if over { ui.glyphs.ok } else { glyph }, ui.style(if over { Role::Muted } else { role })).gap(1);
    let clock = format::clock(alert.since);
    let clock = if area.width >= 70 { clock.as_str() } else { clock.get(..5).unwrap_or_default() };
    pen.put(clock, muted).gap(2);
    let rule = if over { muted } else { ui.style(role) };
    // The rule's id is for looking things up; where it is narrow the sentence comes first.
    if area.width >= 84 {
        pen.left(alert.finding.rule, 16, rule).gap(1);
    }
    let word = if alert.acknowledged && !over { "acked" } else { signs::phase(alert.phase) };
    let tail = format!("{word:>8} {:>3}", format::span(alert.duration(ui.now)));
    let width = u16::try_from(tail.width()).unwrap_or(0);
    pen.reserve(width + 1);
    let text = if over { muted } else { ui.style(Role::Text) };
    pen.put(&alert.finding.label, if over { muted } else { ui.style(Role::Master) }).gap(1).put(&alert.finding.message, text);
    let at = Rect { x: area.right().saturating_sub(width), width: width.min(area.width), ..area };
    let phase = match (alert.phase, alert.acknowledged) {
        (Phase::Firing, false) => ui.style(role),
        _ => muted,
    };
    Pen::new(buf, at, 0, "").put(tail, phase);
}
