//! PURE. Alerts, worst first: since when, for how long, about whom, why, and what to do. What follows from another is folded
//! beneath it at home. At rest it is one line; room that is left over tells what has changed lately.

mod explain;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::pen::Pen;
use super::{Ui, format, pane, signs};
use crate::alerts::{self, Alert, Phase, Severity};
use crate::app::layout;
use crate::app::{self, Item, Pane};
use crate::cluster::age;
use crate::theme::Role;

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let state = &ui.screen.alerts;
    let focused = ui.has_focus(Pane::Alerts);
    let rows = &ui.app.rows.alerts;
    let log = &ui.app.monitor.log;
    if area.height == 1 {
        return at_rest(ui, area, buf);
    }
    let before = log.alerts().iter().filter(|alert| alert.phase == Phase::Resolved).count();
    let words = match (log.firing(), before) {
        (0, _) => rest(ui),
        (firing, 0) => format!("{firing} firing"),
        (firing, before) => format!("{firing} firing {} {before} before", ui.glyphs.dot),
    };
    pane::named(ui, Pane::Alerts, pane::beside(ui, state, &[&words]), area, buf);
    let (_, list) = layout::list(Pane::Alerts, area);
    let shown: Vec<&Alert> = rows.iter().filter_map(|row| alert(ui, row)).collect();
    let label = shown.iter().map(|alert| alert.finding.label.width()).max().unwrap_or(0);
    let label = u16::try_from(label).unwrap_or(21).clamp(7, 21);
    for (item, line) in pane::rows(rows, state.first, list) {
        let Some(alert) = alert(ui, item) else { continue };
        let text = pane::gutter(ui, state, item, focused, line, buf);
        match item {
            Item::Follow(_) => folded(ui, alert, text, buf),
            _ => one(ui, alert, label, text, buf),
        }
        pane::highlight(ui, state, item, focused, line, buf);
    }
    let used = u16::try_from(rows.len()).unwrap_or(u16::MAX).min(list.height);
    let free = Rect { y: list.y + used, height: list.height - used, ..list };
    let chosen = state.selected.as_ref().filter(|_| focused).and_then(|item| alert(ui, item));
    match chosen {
        Some(alert) => explain::draw(ui, alert, free, buf),
        None if rows.is_empty() && !log.alerts().is_empty() => pane::empty(ui, "no alert matches", list, buf),
        None => changes(ui, free, buf),
    }
}

fn alert<'a>(ui: &Ui<'a>, item: &Item) -> Option<&'a Alert> {
    match item {
        Item::Alert(id) | Item::Follow(id) => ui.app.monitor.log.get(*id),
        _ => None,
    }
}

/// `no alerts since 21:04 · 3 before`, or what is pending or only to be known.
fn rest(ui: &Ui<'_>) -> String {
    let alerts = ui.app.monitor.log.alerts();
    let over = || alerts.iter().filter(|alert| alert.phase == Phase::Resolved);
    let dot = format!(" {} ", ui.glyphs.dot);
    let since = over().filter_map(|alert| alert.resolved_at).max().unwrap_or(ui.app.started);
    let mut parts = vec![format!("no alerts since {}", format::clock(since).get(..5).unwrap_or_default())];
    let pending = alerts.iter().find(|alert| alert.phase == Phase::Pending);
    let known = || alerts.iter().find(|alert| alert.phase == Phase::Firing && alert.finding.severity == Severity::Info);
    match (pending.or_else(known), over().count()) {
        (Some(alert), _) => {
            let word = if alert.phase == Phase::Pending { "pending: " } else { "to know: " };
            parts.push(format!("{word}{} {}", alert.finding.label, alert.finding.message));
        }
        (None, 0) => {}
        (None, count) => parts.push(format!("{count} before")),
    }
    parts.join(&dot)
}

/// The whole pane in one line.
fn at_rest(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let focused = ui.has_focus(Pane::Alerts);
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.put(if focused { ui.glyphs.cursor } else { " " }, ui.style(Role::Focus));
    pen.put(ui.glyphs.ok, ui.style(Role::Ok)).gap(1);
    pen.sentence(&rest(ui), ui.style(if focused { Role::Focus } else { Role::Muted }));
}

/// `✖ 14:02:08   3s  10.0.0.3:7002  refused: no process listens there …   → bring it back`
fn one(ui: &Ui<'_>, alert: &Alert, label: u16, area: Rect, buf: &mut Buffer) {
    let over = alert.phase == Phase::Resolved;
    let (glyph, role) = signs::severity(ui, alert.finding.severity);
    let muted = ui.style(Role::Muted);
    let style = |role| if over { muted } else { ui.style(role) };
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    if app::is_caused(ui.app, alert) {
        pen.put(ui.glyphs.branch_last, ui.style(Role::Border)).gap(1);
    }
    pen.put(if over { ui.glyphs.ok } else { glyph }, style(role)).gap(1);
    let clock = format::clock(alert.since);
    pen.put(if area.width >= 90 { &clock } else { clock.get(..5).unwrap_or_default() }, muted).gap(1);
    pen.right(format::span(alert.duration(ui.now)), 3, style(role)).gap(2);
    // The rule's id is for looking things up; where it is narrow the sentence comes first.
    if area.width >= 150 {
        pen.left(alert.finding.rule, 16, style(role)).gap(1);
    }
    let word = match (alert.phase, alert.acknowledged) {
        (Phase::Firing, false) => "",
        (Phase::Firing | Phase::Pending, true) => "acked",
        (phase, _) => signs::phase(phase),
    };
    pen.reserve(u16::try_from(word.len()).map_or(0, |width| width + u16::from(width > 0)));
    pen.left(&alert.finding.label, label, style(Role::Master)).gap(2);
    pen.clauses(&alert.finding.message, style(Role::Text));
    let remedy = &ui.app.typed(&alert.finding.remedy.says);
    let first = remedy.split("; ").next().unwrap_or_default();
    if !over && !remedy.is_empty() && usize::from(pen.room()) > first.width() + 7 {
        pen.gap(2).put(ui.glyphs.arrow, muted).gap(1).clauses(remedy, ui.style(Role::Accent));
    }
    let width = u16::try_from(word.len()).unwrap_or(0);
    let at = Rect { x: area.right().saturating_sub(width), width: width.min(area.width), ..area };
    Pen::new(buf, at, 0, "").put(word, muted);
}

/// `└ 2 more follow from it: slots unserved · masters refuse all commands`
fn folded(ui: &Ui<'_>, cause: &Alert, area: Rect, buf: &mut Buffer) {
    let following = app::following(ui.app, cause.id);
    let (verb, count) = (if following.len() == 1 { "follows" } else { "follow" }, following.len());
    let mut titles: Vec<&str> = Vec::new();
    for alert in &following {
        let title = alerts::rule(alert.finding.rule).map_or(alert.finding.rule, |rule| rule.title);
        if !titles.contains(&title) {
            titles.push(title);
        }
    }
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.gap(2).put(ui.glyphs.branch_last, ui.style(Role::Border)).gap(1);
    pen.put(format!("{count} more {verb} from it"), ui.style(Role::Text));
    pen.sentence(&format!(": {}", titles.join(&format!(" {} ", ui.glyphs.dot))), ui.style(Role::Muted));
}

/// What has changed lately, newest first.
fn changes(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let muted = ui.style(Role::Muted);
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    for (change, line) in ui.app.changes.iter().rev().zip(inside.rows()) {
        let clock = format::clock(change.at);
        let mut pen = Pen::new(buf, line, 0, ui.glyphs.ellipsis);
        pen.put(ui.glyphs.dot, muted).gap(1);
        pen.put(if area.width >= 90 { &clock } else { clock.get(..5).unwrap_or_default() }, muted).gap(1);
        pen.right(format::span(age(ui.now, change.at)), 3, muted).gap(2);
        pen.sentence(&change.to_string(), muted);
    }
}
