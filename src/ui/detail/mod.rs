//! PURE. Everything about one thing: a node, a shard, a slot, a room. Two columns where there is room.

mod metrics;
mod node;
mod room;
mod shard;
mod slot;

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::doc::{self, Doc};
use super::{Ui, header, pane};
use crate::app::Page;
use crate::app::layout;
use crate::cluster::{Node, NodeId, ShardName};
use crate::theme::Role;

/// From this width on there are two columns.
const WIDE: u16 = 100;

pub(super) fn node(ui: &Ui<'_>, id: NodeId, area: Rect, buf: &mut Buffer) {
    let Some(found) = ui.app.model.node(id) else { return gone(ui, &Page::Node(id), "this node has left the cluster", area, buf) };
    let inside = page(ui, &Page::Node(id), area, buf);
    columns(
        ui,
        inside,
        buf,
        |doc| node::left(ui, found, doc),
        |doc, width| {
            metrics::all(ui, found, width, doc);
            node::right(ui, found, doc);
        },
    );
}

pub(super) fn shard(ui: &Ui<'_>, name: ShardName, area: Rect, buf: &mut Buffer) {
    let Some(found) = ui.app.model.topology().shard(name) else {
        return gone(ui, &Page::Shard(name), "this shard is not there any more", area, buf);
    };
    let inside = page(ui, &Page::Shard(name), area, buf);
    columns(ui, inside, buf, |doc| shard::left(ui, found, doc), |doc, _| shard::right(ui, found, doc));
}

pub(super) fn slot(ui: &Ui<'_>, slot: u16, area: Rect, buf: &mut Buffer) {
    let inside = page(ui, &Page::Slot(slot), area, buf);
    columns(ui, inside, buf, |doc| slot::left(ui, slot, doc), |doc, _| slot::right(ui, slot, doc));
}

pub(super) fn room(ui: &Ui<'_>, code: &Arc<str>, area: Rect, buf: &mut Buffer) {
    let view = Page::Room(code.clone());
    let Some(found) = ui.app.model.rooms().get(code) else { return gone(ui, &view, "this room is not there any more", area, buf) };
    let inside = page(ui, &view, area, buf);
    columns(ui, inside, buf, |doc| room::left(ui, found, doc), |doc, _| room::right(ui, found, doc));
}

fn page(ui: &Ui<'_>, view: &Page, area: Rect, buf: &mut Buffer) -> Rect {
    pane::frame(ui, true, &header::crumb(ui, view), Vec::new(), area, buf);
    let inside = layout::inner(area);
    Rect { x: inside.x.saturating_add(1), width: inside.width.saturating_sub(2), ..inside }
}

fn gone(ui: &Ui<'_>, view: &Page, says: &str, area: Rect, buf: &mut Buffer) {
    let inside = page(ui, view, area, buf);
    pane::empty(ui, says, inside, buf);
}

/// Two texts side by side, or one below the other. They scroll together.
fn columns<'a>(
    ui: &Ui<'a>,
    area: Rect,
    buf: &mut Buffer,
    left: impl FnOnce(&mut Doc<'_, 'a>),
    right: impl FnOnce(&mut Doc<'_, 'a>, u16),
) {
    let scroll = ui.screen.scroll;
    if area.width < WIDE {
        let mut doc = Doc::new(ui, area.width);
        left(&mut doc);
        right(&mut doc, area.width);
        doc::show(ui, &doc.lines, scroll, area, buf);
        return;
    }
    let half = (area.width - 3) / 2;
    let (a, b) = (Rect { width: half, ..area }, Rect { x: area.x + half + 3, width: area.width - half - 3, ..area });
    let mut first = Doc::new(ui, a.width);
    left(&mut first);
    let mut second = Doc::new(ui, b.width);
    right(&mut second, b.width);
    let longest = first.lines.len().max(second.lines.len());
    let pad = |mut lines: Vec<Line<'static>>| {
        lines.resize(longest, Line::default());
        lines
    };
    doc::show(ui, &pad(first.lines), scroll, a, buf);
    doc::show(ui, &pad(second.lines), scroll, b, buf);
}

/// A node in one line of a text: glyph, address, role, what is the matter.
fn mention(ui: &Ui<'_>, doc: &mut Doc<'_, '_>, label: &str, node: &Node, more: &str) {
    let sign = super::signs::node(ui, node);
    let mut text = format!("{} {}", sign.glyph, node.address);
    for part in [sign.text.as_str(), more] {
        if !part.is_empty() {
            text.push_str("  ");
            text.push_str(part);
        }
    }
    let role = if sign.role == Role::Ok { Role::Text } else { sign.role };
    doc.fact(label, text, role);
}
