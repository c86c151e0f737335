//! PURE. Shards with their masters and replicas, one line each.
//!
//! ```text
//! A  0–5460       ● 10.0.0.1:7000    master
//!                 └ ● 10.0.0.4:7003  replica  0 B
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use unicode_width::UnicodeWidthStr;

use super::pen::Pen;
use super::{Ui, format, pane, signs};
use crate::app::layout;
use crate::app::{Item, Pane};
use crate::cluster::{Node, Shard, SlotRange};
use crate::plan;
use crate::quantity;
use crate::theme::Role;

/// Where the columns of wide screens begin.
const EXTRAS_AT: u16 = 62;
/// How wide what a replica is behind by can get.
const LAG: u16 = 6;
const NO_REPLICA: &str = "no replica";
/// Cells for a shard's slots.
const SLOTS_WIDTH: u16 = 11;

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let state = &ui.screen.topology;
    let focused = ui.has_focus(Pane::Topology);
    let total = ui.app.model.topology().shards.len();
    let shown = ui.app.rows.topology.iter().filter(|item| matches!(item, Item::Shard(_))).count();
    let nodes = quantity::count(ui.app.model.nodes().count(), "node");
    let nodes = format!("{nodes} {} {} if it died", ui.glyphs.dot, ui.glyphs.hint);
    let mut beside = pane::counts(ui, state, shown, total, &nodes);
    if let Some(first) = beside.first_mut() {
        first.content = format!("{} {}", first.content, quantity::plural(total, "shard")).into();
    }
    pane::named(ui, Pane::Topology, beside, area, buf);
    let (_, list) = layout::list(Pane::Topology, area);
    if ui.app.rows.topology.is_empty() {
        return pane::empty(ui, "no node is known yet", list, buf);
    }
    let width = widest(ui);
    for (item, row) in pane::rows(&ui.app.rows.topology, state.first, list) {
        let text = pane::gutter(ui, state, item, focused, row, buf);
        match item {
            Item::Shard(name) => {
                if let Some(shard) = ui.app.model.topology().shard(*name) {
                    self::shard(ui, shard, width, text, buf);
                }
            }
            Item::Node(id) => {
                if let Some(node) = ui.app.model.node(*id) {
                    below(ui, node, width, text, buf);
                }
            }
            _ => {}
        }
        pane::highlight(ui, state, item, focused, row, buf);
    }
}

/// Cells for the longest address; looking at the first hundred nodes is enough.
fn widest(ui: &Ui<'_>) -> u16 {
    let longest = ui.app.model.nodes().take(100).map(|node| node.address.to_string().len()).max().unwrap_or(0);
    u16::try_from(longest).unwrap_or(21).clamp(9, 30)
}

/// A shard with its master: `A  0–5460  ● 10.0.0.1:7000  master`.
fn shard(ui: &Ui<'_>, shard: &Shard, width: u16, area: Rect, buf: &mut Buffer) {
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.left(shard.name.to_string(), 2, ui.shard(shard.name).add_modifier(Modifier::BOLD)).gap(1);
    let slots = match shard.slots.len() {
        0 => "no slots".into(),
        1 => ranges(ui, &shard.slots),
        _ => quantity::count(shard.slot_count, "slot"),
    };
    pen.left(slots, SLOTS_WIDTH, ui.style(Role::Text)).gap(1);
    match shard.master.and_then(|id| ui.app.model.node(id)) {
        Some(master) => server(ui, master, Some(shard), width + 2, &mut pen),
        None => drop(pen.put(format!("{} no master is known", ui.glyphs.unknown), ui.style(Role::Critical))),
    }
}

/// `0–5460`, `0–5460 and 3 more` when there are several.
pub(super) fn ranges(ui: &Ui<'_>, ranges: &[SlotRange]) -> String {
    let one = |range: &SlotRange| match range.start == range.end {
        true => range.start.to_string(),
        false => format!("{}{}{}", range.start, ui.glyphs.dash, range.end),
    };
    match ranges {
        [] => "none".into(),
        [only] => one(only),
        [first, rest @ ..] => format!("{} and {} more", one(first), rest.len()),
    }
}

/// A replica or a former master, below its shard.
fn below(ui: &Ui<'_>, node: &Node, width: u16, area: Rect, buf: &mut Buffer) {
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.gap(3 + SLOTS_WIDTH + 1).put(ui.glyphs.branch_last, ui.style(Role::Border)).gap(1);
    server(ui, node, None, width, &mut pen);
}

/// From its glyph on: address, role, what is the matter, how far behind, what is to be expected.
fn server(ui: &Ui<'_>, node: &Node, shard: Option<&Shard>, width: u16, pen: &mut Pen<'_>) {
    let muted = ui.style(Role::Muted);
    let sign = signs::node(ui, node);
    let down = node.health.is_down();
    let name = match (down, node.is_master()) {
        (true, _) => Role::Stale,
        (false, true) => Role::Master,
        (false, false) => Role::Replica,
    };
    pen.put(sign.glyph, ui.style(sign.role)).gap(1).left(node.address.to_string(), width, ui.style(name)).gap(2);
    let hope = match shard {
        None => hope(ui, node).map(|text| (text, Role::Accent)),
        Some(shard) if shard.slot_count > 0 && !shard.replicas.is_empty() && node.health.is_well() => short_foresight(ui, shard),
        Some(_) => None,
    };
    let alone = shard.is_some_and(|shard| shard.slot_count > 0 && shard.replicas.is_empty());
    let lag = node.lag_bytes.filter(|_| node.is_replica()).map(quantity::bytes);
    let former = node.is_master() && shard.is_none();
    let role = if former { "former" } else { node.role.word() };
    // What is the matter comes before the role where there is no room for both: the tree says the role too.
    let words = match (&hope, &lag) {
        _ if !sign.text.is_empty() => sign.text.width(),
        (Some((text, _)), _) => text.width() + ui.glyphs.hint.width() + 1,
        // Its column, so that the role does not come and go with a digit.
        (None, Some(_)) => usize::from(LAG),
        (None, None) if alone => NO_REPLICA.len() + 2,
        (None, None) => 0,
    };
    let spare = usize::from(pen.room()).checked_sub(7 + words);
    if let Some(gap @ 1..) = spare {
        pen.left(role, 7, muted).gap(if gap == 1 { 1 } else { 2 });
    }
    if !sign.text.is_empty() {
        pen.put(&sign.text, ui.style(sign.role)).gap(2);
    } else if let Some((text, role)) = hope {
        if usize::from(pen.room()) > text.width() + ui.glyphs.hint.width() {
            pen.put(ui.glyphs.hint, muted).gap(1).put(text, ui.style(role)).gap(2);
        }
    } else if let Some(lag) = lag {
        let role = if node.lag_bytes.is_some_and(|bytes| bytes > 1024 * 1024) { Role::Warning } else { Role::Muted };
        pen.left(lag, LAG, ui.style(role)).gap(2);
    }
    if let Some(age) = signs::stale(ui, node).filter(|_| !down) {
        pen.put(format!("{age} old"), ui.style(Role::Stale)).gap(2);
    }
    if alone {
        pen.put(format!("{} {NO_REPLICA}", ui.glyphs.warning), ui.style(Role::Warning)).gap(2);
    }
    extras(ui, node, pen);
    if let Some(shard) = shard.filter(|shard| shard.slot_count > 0) {
        foresight(ui, shard, pen);
    }
}

/// For a replica whose master is silent: when it is expected to take over.
fn hope(ui: &Ui<'_>, node: &Node) -> Option<String> {
    let master = ui.app.model.node(node.master?).filter(|master| master.health.is_down())?;
    let succession =
        plan::succession(&ui.app.model, master.shard?, ui.now).filter(|succession| succession.winner == Some(node.id))?;
    let (from, to) = succession.remaining()?;
    if to.is_zero() {
        return Some("should win now".into());
    }
    Some(format!("wins in {}", quantity::span((from + to) / 2)))
}

/// What the death of its master would mean, in the fewest words: how long nobody writes, and what may be lost.
fn short_foresight(ui: &Ui<'_>, shard: &Shard) -> Option<(String, Role)> {
    let succession = plan::succession(&ui.app.model, shard.name, ui.now)?;
    let Some((_, to)) = succession.gap else { return Some(("nobody".into(), Role::Warning)) };
    let lost = succession.bytes_at_risk.map_or("?".into(), |bytes| format::bytes(bytes as f64));
    Some((format!("{}, {lost}", quantity::span(to)), Role::Muted))
}

/// The same in a sentence, where there is room for one.
fn foresight(ui: &Ui<'_>, shard: &Shard, pen: &mut Pen<'_>) {
    if pen.room() < 44 {
        return;
    }
    if let Some(succession) = plan::succession(&ui.app.model, shard.name, ui.now) {
        let role = if succession.winner.is_some() { Role::Muted } else { Role::Warning };
        pen.gap(2).put(ui.glyphs.hint, ui.style(Role::Muted)).gap(1).put(succession.sentence(), ui.style(role));
    }
}

/// What there is room for on a wide screen: columns after a fixed place, so that they stand below each other.
fn extras(ui: &Ui<'_>, node: &Node, pen: &mut Pen<'_>) {
    const WIDTH: u16 = 32;
    let spent = pen.x.saturating_sub(pen.start());
    let place = EXTRAS_AT.max(spent);
    if pen.room() < WIDTH + place - spent {
        return;
    }
    let muted = ui.style(Role::Muted);
    let version = node.info.as_ref().and_then(|info| info.server.as_ref()).map(|server| server.version.to_string());
    pen.gap(place - spent);
    pen.put("epoch ", muted).left(node.epoch.to_string(), 6, ui.style(Role::Text));
    pen.left(version.unwrap_or_default(), 9, muted).gap(1).left(node.id.short(), 8, muted);
}
