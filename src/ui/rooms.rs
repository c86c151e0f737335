//! PURE. Game rooms: where each is, how full, how long it will live. Only the visible ones are looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::table::{Cell, TableColumn, fit, left, right, row, titles};
use super::{Ui, format, pane};
use crate::app::layout;
use crate::app::{Item, Pane};
use crate::cluster::{Node, Room};
use crate::theme::Role;

const COLUMNS: [TableColumn; 9] = [
    left("room", 8, 0).upto(16),
    left("phase", 9, 4).upto(14),
    right("players", 7, 3),
    right("slot", 5, 2),
    left("shard", 5, 1),
    right("size", 5, 5),
    right("ttl", 4, 6),
    right("keys", 5, 7),
    left("node", 16, 8).upto(24),
];

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let state = &ui.screen.rooms;
    let focused = ui.has_focus(Pane::Rooms);
    let rows = &ui.app.rows.rooms;
    let total = ui.app.model.rooms().total();
    let hit = ui.app.model.unserved().1;
    let more = match (total.rooms, hit.rooms) {
        (0, _) => String::new(),
        (_, 0) => format::counted_short(total.players, "player"),
        _ => format!("{} of {}", format::number(hit.players), format::counted_short(total.players, "player")),
    };
    let mut beside = pane::counts(ui, state, rows.len(), ui.app.model.rooms().len(), &more);
    if hit.rooms > 0 {
        beside.insert(0, Span::styled(format!("hit {}", format::number(hit.rooms)), ui.style(Role::Critical)));
        beside.insert(1, Span::styled(" of ", ui.style(Role::Muted)));
    }
    if ui.app.model.rooms().is_partial() {
        beside.push(Span::styled(", more than fit in memory", ui.style(Role::Warning)));
    }
    pane::named(ui, Pane::Rooms, beside, area, buf);
    let (head, list) = layout::list(Pane::Rooms, area);
    if rows.is_empty() {
        let all_hidden = !ui.app.model.rooms().is_empty();
        return pane::empty(ui, if all_hidden { "no room matches" } else { "no rooms found yet" }, list, buf);
    }
    let inside = |area: Rect| Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let places = fit(&COLUMNS, inside(list).width);
    titles(ui, &COLUMNS, &places, state.sort, inside(head), buf);
    for (code, line) in pane::rows(rows, state.first, list) {
        let item = Item::Room(code.clone());
        let text = pane::gutter(ui, state, &item, focused, line, buf);
        match ui.app.model.rooms().get(code) {
            Some(room) => row(&COLUMNS, &places, text, buf, ui.glyphs.ellipsis, |title, _| cell(ui, room, title)),
            None => drop(super::pen::Pen::new(buf, text, 0, "").put(code, ui.style(Role::Stale))),
        }
        pane::highlight(ui, state, &item, focused, line, buf);
    }
}

/// The node that serves a room, and whether it does.
pub(super) fn owner<'a>(ui: &Ui<'a>, slot: u16) -> Option<(&'a Node, bool)> {
    let topology = ui.app.model.topology();
    let node = ui.app.model.node(topology.owner(slot)?)?;
    Some((node, topology.served.contains(slot)))
}

fn cell<'a>(ui: &Ui<'_>, room: &'a Room, title: &str) -> Cell<'a> {
    let (text, muted) = (ui.style(Role::Text), ui.style(Role::Muted));
    let owner = owner(ui, room.slot);
    let served = owner.is_some_and(|(_, served)| served);
    match title {
        "room" => Cell::new(&*room.code, ui.style(Role::Master)),
        "phase" => Cell::new(if room.phase.is_empty() { ui.glyphs.dash } else { &room.phase }, muted),
        "players" => Cell::new(room.players.to_string(), text),
        "slot" => Cell::new(room.slot.to_string(), text),
        "shard" => {
            let name = owner.and_then(|(node, _)| node.shard);
            match (name, served) {
                (Some(name), true) => Cell::new(name.to_string(), ui.shard(name)),
                (Some(name), false) => Cell::new(format!("{name}  {}", ui.glyphs.down), ui.style(Role::Critical)),
                (None, _) => Cell::new(ui.glyphs.down, ui.style(Role::Critical)),
            }
        }
        "size" => Cell::new(format::bytes(room.size_bytes as f64), text),
        "ttl" => Cell::new(room.ttl.map_or(ui.glyphs.dash.to_string(), format::span), muted),
        "keys" => Cell::new(room.keys.to_string(), text),
        "node" => Cell::new(owner.map(|(node, _)| node.address.to_string()).unwrap_or_default(), muted),
        _ => Cell::new("", text),
    }
}
