//! PURE. The mouse, when it is configured: the wheel scrolls, a click selects, a second one looks into it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use crate::app::screen::layout;
use crate::app::screen::navigation::{self, Go};
use crate::app::screen::slotmap;
use crate::app::{App, ListKind, Page, Pane};

const WHEEL: isize = 3;

pub(crate) fn mouse(app: &mut App, event: MouseEvent) {
    if app.dialog.is_some() || app.screen.prompt.is_some() {
        return;
    }
    let at = Position::new(event.column, event.row);
    match event.kind {
        MouseEventKind::ScrollUp => wheel(app, at, -WHEEL),
        MouseEventKind::ScrollDown => wheel(app, at, WHEEL),
        MouseEventKind::Down(MouseButton::Left) => click(app, at),
        _ => {}
    }
}

/// The pane under the mouse gets the focus.
fn focus(app: &mut App, at: Position) -> Option<(Pane, Rect)> {
    let areas = app.areas();
    let found = areas.panes.iter().copied().find(|(_, area)| area.contains(at))?;
    if *app.screen.view() == Page::Home {
        app.screen.focus = found.0;
    }
    Some(found)
}

fn wheel(app: &mut App, at: Position, rows: isize) {
    focus(app, at);
    if app.on_slots() {
        slotmap::go(app, Go::By(rows.signum()));
    } else {
        navigation::go(app, Go::By(rows));
    }
}

fn click(app: &mut App, at: Position) {
    let Some((pane, area)) = focus(app, at) else { return };
    match ListKind::of(pane) {
        None => {
            let map = layout::slot_parts(area).map;
            if !map.contains(at) {
                return;
            }
            let cell = app.slot_grid().cell(at.x - map.x, at.y - map.y);
            if let Some((slot, _)) = cell {
                app.screen.slots.cursor = slot;
            }
        }
        Some(kind) => {
            let (_, rows) = layout::list(pane, area);
            if !rows.contains(at) {
                return;
            }
            let row = app.screen.list(kind).first + usize::from(at.y - rows.y);
            let Some(item) = app.rows.item(kind, row) else { return };
            let list = app.screen.list_mut(kind);
            if list.selected.as_ref() == Some(&item) {
                navigation::enter(app);
            } else {
                list.at = row;
                list.touched = row != 0;
                list.selected = Some(item);
            }
        }
    }
}
