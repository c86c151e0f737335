//! PURE. Shards with their masters and replicas, one line each.
//!
//! ```text
//! A  0–5460       ● 10.0.0.1:7000    master
//!                 └ ● 10.0.0.4:7003  replica  0 B
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::pen::Pen;
use super::{Ui, format, pane, signs};
use crate::app::{Item, Pane, layout};
use crate::cluster::{Node, Shard, SlotRange};
use crate::theme::Role;

/// Cells for a shard's slots.
const SLOTS_WIDTH: u16 = 11;

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let state = &ui.screen.topology;
    let focused = ui.has_focus(Pane::Topology);
    let shards = ui.app.model.topology().shards.len();
    let more = if shards == 1 { "1 shard".to_string() } else { format!("{shards} shards") };
    let total = ui.app.model.nodes().count();
    let nodes = ui.app.rows.topology.iter().filter(|item| matches!(item, Item::Node(_))).count();
    let mut beside = pane::counts(ui, state, nodes, total, &more);
    if let Some(first) = beside.first_mut() {
        first.content = format!("{} nodes", first.content).into();
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
    let slots = if shard.slot_count == 0 { "no slots".into() } else { ranges(ui, &shard.slots) };
    pen.left(slots, SLOTS_WIDTH, ui.style(Role::Text)).gap(2);
    match shard.master.and_then(|id| ui.app.model.node(id)) {
        Some(master) => server(ui, master, Some(shard), width + 2, &mut pen),
        None => drop(pen.put(format!("{} no master is known", ui.glyphs.unknown), ui.style(Role::Critical))),
    }
}

/// `0–5460`, and how many more when there are several.
pub(super) fn ranges(ui: &Ui<'_>, ranges: &[SlotRange]) -> String {
    let one = |range: &SlotRange| match range.start == range.end {
        true => range.start.to_string(),
        false => format!("{}{}{}", range.start, ui.glyphs.dash, range.end),
    };
    match ranges {
        [] => "none".into(),
        [only] => one(only),
        [first, rest @ ..] => format!("{} +{}", one(first), rest.len()),
    }
}

/// A replica or a former master, below its shard.
fn below(ui: &Ui<'_>, node: &Node, width: u16, area: Rect, buf: &mut Buffer) {
    let mut pen = Pen::new(buf, area, 0, ui.glyphs.ellipsis);
    pen.gap(3 + SLOTS_WIDTH + 2).put(ui.glyphs.branch_last, ui.style(Role::Border)).gap(1);
    server(ui, node, None, width, &mut pen);
}

/// From its glyph on: address, role, what is the matter or how far behind.
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
    let former = node.is_master() && shard.is_none();
    let role = if former { "former" } else { node.role.word() };
    // What is the matter comes before the role where there is no room for both: the tree says the role too.
    if usize::from(pen.room()) >= 9 + sign.text.chars().count() {
        pen.left(role, 7, muted).gap(2);
    }
    if !sign.text.is_empty() {
        pen.put(&sign.text, ui.style(sign.role)).gap(2);
    } else if let Some(lag) = node.lag_bytes.filter(|_| node.is_replica()) {
        let role = if lag > 1024 * 1024 { Role::Warning } else { Role::Muted };
        pen.left(format::bytes_long(lag), 6, ui.style(role)).gap(2);
    }
    if let Some(age) = signs::stale(ui, node).filter(|_| !down) {
        pen.put(format!("{age} old"), ui.style(Role::Stale)).gap(2);
    }
    if let Some(shard) = shard.filter(|shard| shard.replicas.is_empty() && shard.slot_count > 0) {
        let _ = shard;
        pen.put(format!("{} no replica", ui.glyphs.warning), ui.style(Role::Warning)).gap(2);
    }
    extras(ui, node, pen);
}

/// What there is room for on a wide screen: at the right, in columns.
fn extras(ui: &Ui<'_>, node: &Node, pen: &mut Pen<'_>) {
    const WIDTH: u16 = 32;
    if pen.room() < WIDTH {
        return;
    }
    let muted = ui.style(Role::Muted);
    let version = node.info.as_ref().and_then(|info| info.server.as_ref()).map(|server| server.version.to_string());
    let room = pen.room();
    pen.gap(room - WIDTH);
    pen.put("epoch ", muted).left(node.epoch.to_string(), 6, ui.style(Role::Text));
    pen.left(version.unwrap_or_default(), 9, muted).gap(1).left(node.id.short(), 8, muted);
}
