//! PURE. The cursor on the slot map: it moves by cells, zooms, and marks ranges.

use crate::app::screen::layout::{self, Grid};
use crate::app::screen::navigation::Go;
use crate::app::{App, Layer, Pane};
use crate::cluster::{SLOTS, SlotRange, SlotSet};

impl App {
    /// The grid of the slot map as it is on the screen now.
    pub fn slot_grid(&self) -> Grid {
        let areas = self.areas();
        let area = areas.pane(Pane::Slots).unwrap_or(areas.body);
        layout::grid(layout::slot_parts(area).map, &self.screen.slots)
    }

    /// The slots that an operation on the slot map is about: the marked range, else the slot under the cursor.
    pub fn chosen_slots(&self) -> SlotSet {
        let cursor = self.screen.slots.cursor;
        let range = self.slot_grid().marked(&self.screen.slots).unwrap_or(SlotRange::new(cursor, cursor));
        [range].iter().collect()
    }
}

/// Moves by cells: columns and rows.
pub(crate) fn step(app: &mut App, columns: i32, rows: i32) {
    let grid = app.slot_grid();
    let by = (columns + rows * i32::from(grid.columns)) * i32::from(grid.per_cell);
    shift(app, by);
}

pub(crate) fn go(app: &mut App, to: Go) {
    let grid = app.slot_grid();
    match to {
        Go::By(rows) => step(app, 0, i32::try_from(rows).unwrap_or(0)),
        Go::Page(pages) => shift(app, i32::try_from(pages).unwrap_or(0) * i32::from(grid.span)),
        Go::Top => app.screen.slots.cursor = grid.first,
        Go::Bottom => app.screen.slots.cursor = grid.first + grid.span - 1,
    }
}

fn shift(app: &mut App, by: i32) {
    let cursor = i32::from(app.screen.slots.cursor) + by;
    // Past an edge the cursor stays where it is rather than losing its column.
    if let Some(cursor) = u16::try_from(cursor).ok().filter(|&slot| slot < SLOTS) {
        app.screen.slots.cursor = cursor;
    } else if by.unsigned_abs() <= u32::from(app.slot_grid().per_cell) {
        app.screen.slots.cursor = if by < 0 { 0 } else { SLOTS - 1 };
    }
}

pub(crate) fn zoom(app: &mut App, closer: bool) {
    let slots = &mut app.screen.slots;
    slots.zoom = if closer { (slots.zoom + 1).min(layout::MAX_ZOOM) } else { slots.zoom.saturating_sub(1) };
}

pub(crate) fn next_layer(app: &mut App) {
    let slots = &mut app.screen.slots;
    let at = Layer::ALL.iter().position(|layer| *layer == slots.layer).unwrap_or(0);
    slots.layer = Layer::ALL.iter().cycle().nth(at + 1).copied().unwrap_or_default();
}

pub(crate) fn toggle_range(app: &mut App) {
    let slots = &mut app.screen.slots;
    slots.anchor = if slots.anchor.is_some() { None } else { Some(slots.cursor) };
}
