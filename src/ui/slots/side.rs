//! PURE. Beside the slot map or below it, where there is room: every shard's share, and what the signs mean.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::super::pen::Pen;
use super::super::{Ui, format, spark};
use crate::app::Layer;
use crate::cluster::SLOTS;
use crate::quantity;
use crate::theme::Role;

/// The least width that is worth it.
pub(super) const WIDTH: u16 = 38;

/// The lines of all shares.
pub(super) fn lines(ui: &Ui<'_>) -> u16 {
    let owning = ui.app.model.topology().shards.iter().filter(|shard| shard.slot_count > 0);
    u16::try_from(owning.count()).unwrap_or(u16::MAX)
}

pub(super) fn draw(ui: &Ui<'_>, area: Rect, buf: &mut Buffer) {
    let muted = ui.style(Role::Muted);
    let shards: Vec<_> = ui.app.model.topology().shards.iter().filter(|shard| shard.slot_count > 0).collect();
    // Shares before signs, where there is no room for both.
    let owners = u16::try_from(shards.len()).unwrap_or(u16::MAX);
    let mut legend = legend(ui);
    if area.height < owners.min(4).saturating_add(u16::try_from(legend.len()).unwrap_or(0) + 2) {
        legend.clear();
    }
    let signs = match u16::try_from(legend.len()) {
        Ok(0) => u16::from(owners > area.height),
        signs => signs.map_or(0, |signs| signs + 2),
    };
    let room = usize::from(area.height.saturating_sub(signs));
    let mut line = 0;
    for shard in shards.iter().take(room) {
        let slots = shard.slots.iter().flat_map(|range| range.iter());
        let rooms = slots.map(|slot| ui.app.model.rooms().in_slot(slot).rooms).sum();
        let (full, empty) = spark::bar(ui.glyphs, f64::from(shard.slot_count) / f64::from(SLOTS), 10);
        let mut pen = Pen::new(buf, area, line, ui.glyphs.ellipsis);
        pen.left(shard.name.to_string(), 3, ui.shard(shard.name).add_modifier(Modifier::BOLD));
        pen.right(shard.slot_count.to_string(), 5, ui.style(Role::Text)).gap(1);
        pen.left(quantity::plural(shard.slot_count, "slot"), 6, muted);
        pen.put(full, ui.shard(shard.name)).put(empty, ui.style(Role::Track)).gap(1);
        pen.right(format::number(rooms), 5, ui.style(Role::Text)).gap(1);
        pen.put(quantity::plural(rooms, "room"), muted);
        line += 1;
    }
    let more = shards.len().saturating_sub(room);
    if more > 0 {
        Pen::new(buf, area, line, "").put(format!("and {more} more"), muted);
    }
    line += 1;
    for (glyph, role, text) in legend {
        line += 1;
        Pen::new(buf, area, line, ui.glyphs.ellipsis).left(glyph, 3, ui.style(role)).put(text, muted);
    }
}

fn legend(ui: &Ui<'_>) -> Vec<(&'static str, Role, &'static str)> {
    let glyphs = ui.glyphs;
    match ui.screen.slots.layer {
        Layer::Owner => vec![
            (glyphs.unserved, Role::Unserved, "its owner does not serve it"),
            (glyphs.unowned, Role::Unserved, "nobody owns it"),
            (glyphs.mixed, Role::Muted, "slots of several shards"),
            (glyphs.open, Role::Warning, "a slot is open here"),
        ],
        Layer::Keys => vec![(glyphs.shades[0], Role::Muted, "no keys"), (glyphs.shades[4], Role::Gauge, "the most keys")],
        Layer::Open => vec![
            (glyphs.migrating, Role::Warning, "migrating: being given away"),
            (glyphs.importing, Role::Warning, "importing: being taken over"),
            (glyphs.open, Role::Warning, "both, by its two owners"),
        ],
    }
}
