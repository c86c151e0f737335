//! PURE. The slot map: every cell is a run of slots, coloured by shard, key count or openness; mixed cells look mixed.

mod cells;
mod side;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::Span;

use super::pen::Pen;
use super::{Ui, format, pane};
use crate::app::layout;
use crate::app::{Layer, Pane};
use crate::cluster::{SLOTS, SlotRange};
use crate::quantity;
use crate::theme::Role;

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let parts = layout::slot_parts(area);
    let grid = layout::grid(parts.map, &ui.screen.slots);
    pane::named(ui, Pane::Slots, title(ui, grid), area, buf);
    if parts.map.is_empty() {
        return;
    }
    let facts = cells::CellFacts::new(ui);
    let cursor = grid.place(ui.screen.slots.cursor);
    let focused = ui.has_focus(Pane::Slots);
    let marked = grid.marked(&ui.screen.slots);
    for row in 0..grid.rows {
        labels(ui, parts.labels, grid, row, buf);
        let mut before = None;
        for column in 0..grid.columns {
            let Some((first, last)) = grid.cell(column, row) else { break };
            let (glyph, mut style, what) = facts.cell(ui, first, last, before);
            before = Some(what);
            if marked.is_some_and(|range| range.start <= last && first <= range.end) {
                style = ui.style(Role::Mark).add_modifier(Modifier::REVERSED);
            }
            if focused && cursor == Some((column, row)) {
                style = ui.style(Role::Button);
            }
            if let Some(cell) = buf.cell_mut((parts.map.x + column, parts.map.y + row)) {
                cell.set_symbol(glyph).set_style(style);
            }
        }
    }
    let free = parts.map.width.saturating_sub(grid.columns + 3);
    let below = parts.map.height.saturating_sub(grid.rows + 1);
    if free >= side::WIDTH {
        let at = Rect { x: parts.map.x + grid.columns + 3, width: free, ..parts.map };
        side::draw(ui, at, buf);
    } else if parts.map.width > side::WIDTH && below >= side::lines(ui) {
        let at = Rect { x: parts.map.x + 1, y: parts.map.y + grid.rows + 1, width: parts.map.width - 2, height: below };
        side::draw(ui, at, buf);
    }
    describe(ui, &facts, marked, parts.cursor, buf);
}

/// `1 cell = 64 · owner · 12 open`
fn title(ui: &Ui<'_>, grid: layout::Grid) -> Vec<Span<'static>> {
    let (muted, accent) = (ui.style(Role::Muted), ui.style(Role::Accent));
    let topology = ui.app.model.topology();
    let dot = || Span::styled(format!(" {} ", ui.glyphs.dot), muted);
    let mut spans = vec![Span::styled(format!("1 cell = {}", grid.per_cell), muted), dot()];
    for (at, layer) in Layer::ALL.into_iter().enumerate() {
        if at > 0 {
            spans.push(Span::raw(" "));
        }
        spans.push(Span::styled(layer.word(), if ui.screen.slots.layer == layer { accent } else { muted }));
    }
    let unserved = usize::from(SLOTS).saturating_sub(topology.served.len());
    if unserved > 0 && !topology.shards.is_empty() {
        spans.push(dot());
        spans.push(Span::styled(format!("{} {unserved} unserved", ui.glyphs.unserved), ui.style(Role::Critical)));
    }
    if !topology.open.is_empty() {
        spans.push(dot());
        spans.push(Span::styled(format!("{} {} open", ui.glyphs.open, topology.open_slots().len()), ui.style(Role::Warning)));
    }
    spans
}

fn labels(ui: &Ui<'_>, area: Rect, grid: layout::Grid, row: u16, buf: &mut Buffer) {
    if let Some((first, _)) = grid.cell(0, row).filter(|_| area.width > 0) {
        let width = area.width.saturating_sub(1);
        Pen::new(buf, area, row, "").right(first.to_string(), width, ui.style(Role::Muted));
    }
}

/// The line below the map: what the cursor is on, or the range, or the legend.
fn describe(ui: &Ui<'_>, facts: &cells::CellFacts, marked: Option<SlotRange>, area: Rect, buf: &mut Buffer) {
    let model = &ui.app.model;
    let slot = ui.screen.slots.cursor;
    let (text, muted) = (ui.style(Role::Text), ui.style(Role::Muted));
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let mut pen = Pen::new(buf, inside, 0, ui.glyphs.ellipsis);
    if let Some(range) = marked {
        let set = [range].iter().collect();
        let tally = model.rooms().in_slots(&set);
        pen.put(format!("{} {}{}{}", ui.glyphs.mark, range.start, ui.glyphs.dash, range.end), ui.style(Role::Mark));
        let [slots, rooms, players] = [(u64::from(range.len()), "slot"), (tally.rooms, "room"), (tally.players, "player")]
            .map(|(n, noun)| quantity::count(n, noun));
        pen.put(format!("  {slots}  {rooms}  {players}"), text);
        pen.put(format!("  {}B", format::bytes(tally.bytes as f64).trim_end_matches('B')), muted);
        return;
    }
    if !ui.has_focus(Pane::Slots) {
        return legend(ui, facts, &mut pen);
    }
    pen.put("slot ", muted).left(slot.to_string(), 6, ui.style(Role::Accent));
    match super::rooms::owner(ui, slot) {
        Some((node, served)) => {
            if let Some(name) = node.shard {
                pen.put(format!("{name} "), ui.shard(name));
            }
            pen.put(node.address.to_string(), text);
            if !served {
                pen.put(format!("  {} not served: {}", ui.glyphs.down, node.health.word()), ui.style(Role::Critical));
            }
        }
        None => drop(pen.put(format!("{} nobody owns it", ui.glyphs.down), ui.style(Role::Critical))),
    }
    for open in model.topology().open.iter().filter(|open| open.slot == slot) {
        let way = match open.direction {
            crate::cluster::OpenDirection::Migrating => "migrating to",
            crate::cluster::OpenDirection::Importing => "importing from",
        };
        let peer = model.label(open.peer);
        pen.put(format!("  {} {way} {peer}", ui.glyphs.open), ui.style(Role::Warning));
    }
    if let Some(keys) = model.slot_keys(slot) {
        pen.put(format!("  {}", quantity::count(keys, "key")), muted);
    }
    let tally = model.rooms().in_slot(slot);
    if tally.rooms > 0 {
        pen.put(format!("  {}", quantity::count(tally.rooms, "room")), muted);
    }
}

fn legend(ui: &Ui<'_>, facts: &cells::CellFacts, pen: &mut Pen<'_>) {
    let muted = ui.style(Role::Muted);
    match ui.screen.slots.layer {
        Layer::Keys => {
            let [none, few, some, many, most] = ui.glyphs.shades;
            pen.put(format!("{none} none  "), muted);
            pen.put(format!("{few}{some}{many}{most}"), ui.style(Role::Gauge));
            pen.put(format!(" up to {} a slot", format::counted_short(u64::from(facts.most_keys()), "key")), muted);
        }
        Layer::Owner | Layer::Open => {
            for shard in ui.app.model.topology().shards.iter().filter(|shard| shard.slot_count > 0) {
                let text = format!("{} {}", shard.name, shard.slot_count);
                if !pen.whole(&text, ui.shard(shard.name)) {
                    pen.put(ui.glyphs.ellipsis, muted);
                    break;
                }
                pen.gap(2);
            }
        }
    }
}
