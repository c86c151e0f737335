//! PURE. The lines at the top: the verdict, what players feel, and tabs or breadcrumbs.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::pen::Pen;
use super::{Ui, format, is_home, pane, signs};
use crate::alerts::Verdict;
use crate::app::layout;
use crate::app::{Badge, Heading, HeadingPart, Page, Pane};
use crate::cluster::age;
use crate::quantity;
use crate::theme::Role;

/// The heading, line by line; the clock, the badges and who is watched at the right of the first.
pub(super) fn verdict(ui: &Ui<'_>, heading: &Heading, area: Rect, buf: &mut Buffer) {
    let app = ui.app;
    let (glyph, role) = signs::verdict(ui, app.monitor.verdict);
    let word = app.monitor.verdict.word().to_uppercase();
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.gap(1);
    let name = if app.settings.protected { Role::Protected } else { Role::Title };
    pen.put(&app.model.name, ui.style(name)).gap(2);
    let strong = ui.style(role).add_modifier(Modifier::BOLD);
    let seal = if app.monitor.verdict == Verdict::Critical { strong.add_modifier(Modifier::REVERSED) } else { strong };
    pen.put(format!(" {glyph} {word} "), seal).gap(1);
    let mut after = pen.x;

    let first = if app.monitor.verdict == Verdict::Critical { ui.style(role) } else { ui.style(Role::Text) };
    for (number, line) in (0..).zip(&heading.lines) {
        let from = if number == 0 { heading.start } else { heading.indent };
        let at = Rect { x: area.x.saturating_add(from), width: area.width.saturating_sub(from), ..area };
        let mut pen = Pen::new(buf, at, number, ui.glyphs.ellipsis);
        for (part, text) in line {
            let style = match part {
                HeadingPart::First => first,
                HeadingPart::Also | HeadingPart::Past | HeadingPart::Outlook => ui.style(Role::Text),
                HeadingPart::Next => ui.style(Role::Accent),
                HeadingPart::Cut => ui.style(Role::Muted),
            };
            pen.put(text, style);
        }
        after = if number == 0 { pen.x } else { after };
    }
    beside(ui, heading, after, area, buf);
}

/// At the right end of the first line.
fn beside(ui: &Ui<'_>, heading: &Heading, after: u16, area: Rect, buf: &mut Buffer) {
    let width = |text: &str| u16::try_from(text.width()).unwrap_or(u16::MAX);
    let home = layout::is_tiled((buf.area.width, buf.area.height)) && is_home(ui);
    // From right to left, each with a gap behind it.
    let mut put = |end: &mut u16, text: &str, style, gap: u16| {
        let Some(x) = end.checked_sub(width(text) + gap).filter(|x| *x >= area.x) else { return };
        Pen::new(buf, Rect { x, width: width(text), ..area }, 0, "").put(text, style);
        *end = x;
    };
    let mut end = area.right();
    if heading.clock {
        put(&mut end, &format!("{}Z", format::clock(ui.now)), ui.style(Role::Muted), 0);
        end = end.saturating_sub(2);
    }
    for badge in heading.badges.iter().rev() {
        let style = match badge {
            Badge::Protected => ui.style(Role::Protected).add_modifier(Modifier::REVERSED),
            _ => ui.style(Role::Badge),
        };
        put(&mut end, badge.text(), style, 1);
    }
    // Who is watched, and for how long it has been so, where that does not cost the sentence a letter.
    let left = end.saturating_sub(after);
    if let Some(since) = ui.app.monitor.since().filter(|_| ui.app.monitor.verdict >= Verdict::Warning) {
        let text = format!("for {}", format::span(age(ui.now, since)));
        if left >= width(&text) + 4 {
            put(&mut end, &text, ui.style(Role::Text), 2);
        }
    }
    let facts = facts(ui);
    let left = end.saturating_sub(after);
    if home && left >= width(&facts) + 3 {
        put(&mut end, &facts, ui.style(Role::Muted), 3);
    }
}

/// `cluster · redis 7.0.15 · 6 nodes`
fn facts(ui: &Ui<'_>) -> String {
    let model = &ui.app.model;
    let info = model.nodes().find_map(|node| node.info.as_ref());
    let mode = info.and_then(|info| info.mode.clone()).unwrap_or_else(|| "cluster".into());
    let server = info.and_then(|info| info.server.as_ref()).map(|server| format!("{} {}", server.name, server.version));
    let nodes = quantity::count(model.nodes().count(), "node");
    let parts: Vec<String> = [Some(mode.to_string()), server, Some(nodes)].into_iter().flatten().collect();
    parts.join(&format!(" {} ", ui.glyphs.dot))
}

/// What the players of the demo feel; every figure has its place, so that nothing jumps.
pub(super) fn play(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let Some(play) = ui.app.model.play() else { return };
    let (muted, text) = (ui.style(Role::Muted), ui.style(Role::Text));
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.gap(1).put("players", ui.style(Role::Title)).gap(2);
    match play.gap {
        Some(gap) => {
            let style = ui.style(Role::Critical);
            pen.left(format!("{} no writes for {}", ui.glyphs.down, quantity::span(gap)), 24, style);
        }
        None => {
            let rate = format!("{:>5}", quantity::short(play.writes_per_sec));
            pen.put(ui.glyphs.ok, ui.style(Role::Ok)).put(rate, text).left(" writes/s", 17, muted);
        }
    }
    // The headline figures first: a narrow screen has no room for all.
    let gap = |value: Option<Duration>| value.map_or_else(|| ui.glyphs.dash.to_string(), quantity::span);
    pen.gap(2).put("last gap ", muted).left(gap(play.last_gap), 7, text);
    let count = |pen: &mut Pen<'_>, value: u64, label: &str, bad: Role| {
        let role = if value == 0 { Role::Muted } else { bad };
        if usize::from(pen.room()) > 9 + label.len() {
            pen.gap(2).right(format::number(value), 5, ui.style(role)).gap(1).put(label, muted);
        }
    };
    count(&mut pen, play.lost, "lost", Role::Critical);
    count(&mut pen, play.refused + play.unknown, "failed", Role::Warning);
    count(&mut pen, play.acknowledged, "acked", Role::Text);
    if pen.room() > 16 {
        pen.gap(2).put("worst gap ", muted).left(gap(play.worst_gap), 7, text);
    }
}

/// Tabs on a small home screen, breadcrumbs everywhere else.
pub(super) fn bar(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let after = if is_home(ui) { tabs(ui, area, buf) } else { breadcrumbs(ui, area, buf) };
    let mut facts = facts(ui);
    let cells = |text: &str| u16::try_from(text.width()).unwrap_or(u16::MAX).saturating_add(1);
    if area.right().saturating_sub(after) <= cells(&facts).saturating_add(1) {
        facts = facts.rsplit(ui.glyphs.dot).next().unwrap_or_default().trim().to_string();
    }
    let width = cells(&facts);
    if area.right().saturating_sub(after) > width.saturating_add(1) {
        let at = Rect { x: area.right() - width, width, ..area };
        Pen::new(buf, at, 0, "").put(facts, ui.style(Role::Muted));
    }
}

fn tabs(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) -> u16 {
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    for (number, pane) in (1..).zip(Pane::ALL) {
        let focused = ui.screen.focus == pane;
        let style = if focused { ui.style(Role::Button) } else { ui.style(Role::Muted) };
        let chord = if focused { style } else { ui.style(Role::Accent) };
        pen.put(format!(" {number} "), chord).put(pane::title(pane), style);
        let firing = ui.app.monitor.log.firing();
        if pane == Pane::Alerts && firing > 0 {
            let role = if ui.app.monitor.verdict == Verdict::Critical { Role::Critical } else { Role::Warning };
            pen.put(format!(" {firing}"), if focused { style } else { ui.style(role) });
        }
        pen.put(" ", style);
    }
    pen.x
}

fn breadcrumbs(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) -> u16 {
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.gap(1);
    let stack = &ui.screen.stack;
    for (at, view) in stack.iter().enumerate() {
        let last = at + 1 == stack.len();
        if at > 0 {
            pen.put(format!(" {} ", ui.glyphs.crumb), ui.style(Role::Muted));
        }
        pen.put(crumb(ui, view), ui.style(if last { Role::Title } else { Role::Muted }));
    }
    pen.x
}

/// A view's name in the breadcrumbs.
pub(super) fn crumb(ui: &Ui<'_>, view: &Page) -> String {
    match view {
        Page::Home => "Home".into(),
        Page::Topology => "Topology".into(),
        Page::Nodes => "Nodes".into(),
        Page::Slots => "Slots".into(),
        Page::Rooms => "Rooms".into(),
        Page::Alerts => "Alerts".into(),
        Page::Node(id) => ui.app.model.label(*id),
        Page::Shard(name) => format!("Shard {name}"),
        Page::Slot(slot) => format!("Slot {slot}"),
        Page::Room(code) => format!("Room {code}"),
        Page::Operations => "Operations".into(),
        Page::Operation(id) => format!("Operation {}", id.0),
        Page::Ledger => "Ledger".into(),
        Page::Views => "Views".into(),
        Page::Log => "Log".into(),
        Page::Help => "Help".into(),
    }
}
