//! PURE. Going from view to view: drilling down, back, the last one, panes and scrolling.

use crate::alerts::Subject;
use crate::app::screen::layout;
use crate::app::{App, Item, ListKind, Page, Pane};

/// Breadcrumbs are not kept deeper than this.
const DEEPEST: usize = 16;

/// Shows a view as a command does: directly below home.
pub(crate) fn jump(app: &mut App, view: Page) {
    leave(app, &view);
    let stack = &mut app.screen.stack;
    stack.clear();
    stack.push(Page::Home);
    if view != Page::Home {
        stack.push(view);
    }
    arrive(app);
}

/// Looks into something: one more breadcrumb.
pub(crate) fn push(app: &mut App, view: Page) {
    if *app.screen.view() == view {
        return;
    }
    leave(app, &view);
    let stack = &mut app.screen.stack;
    if let Some(at) = stack.iter().position(|known| *known == view) {
        stack.truncate(at);
    }
    if stack.len() >= DEEPEST {
        stack.remove(1);
    }
    stack.push(view);
    arrive(app);
}

/// One breadcrumb back; false at home.
pub(crate) fn back(app: &mut App) -> bool {
    if app.screen.stack.len() < 2 {
        return false;
    }
    app.screen.previous = app.screen.stack.pop();
    arrive(app);
    true
}

/// The view before this one, and this one the next time.
pub(crate) fn last(app: &mut App) {
    if let Some(view) = app.screen.previous.take() {
        jump(app, view);
    }
}

fn leave(app: &mut App, next: &Page) {
    let now = app.screen.view().clone();
    if now != *next {
        app.screen.previous = Some(now);
    }
}

fn arrive(app: &mut App) {
    app.screen.scroll = 0;
    if let Some(pane) = layout::own_pane(app.screen.view()) {
        app.screen.focus = pane;
    }
}

/// Looks into what is selected.
pub(crate) fn enter(app: &mut App) {
    let view = match (app.screen.view().clone(), app.selected()) {
        (Page::Shard(name), _) => app.model.topology().shard(name).and_then(|shard| shard.master).map(Page::Node),
        (Page::Node(id), _) => app.model.node(id).and_then(|node| node.shard).map(Page::Shard),
        (Page::Slot(slot), _) => app.shard_name_of_slot(slot).map(Page::Shard),
        (Page::Room(code), _) => app.room(&code).map(|room| Page::Slot(room.slot)),
        (_, Some(Item::Shard(name))) => Some(Page::Shard(name)),
        (_, Some(Item::Node(id))) => Some(Page::Node(id)),
        (_, Some(Item::Room(code))) => Some(Page::Room(code)),
        (_, Some(Item::Operation(id))) => Some(Page::Operation(id)),
        (_, Some(Item::Follow(_))) => Some(Page::Alerts),
        (_, Some(Item::Alert(id))) => match crate::app::screen::rows::subject(app, id).cloned() {
            Some(Subject::Node(node)) => Some(Page::Node(node)),
            Some(Subject::Shard(name)) => Some(Page::Shard(name)),
            Some(Subject::Slots(slots)) => slots.iter().next().map(|slot| {
                app.screen.slots.cursor = slot;
                Page::Slots
            }),
            Some(Subject::Cluster) => Some(Page::Views),
            None => None,
        },
        (_, None) if app.on_slots() => Some(Page::Slot(app.screen.slots.cursor)),
        (_, None) => None,
    };
    if let Page::Room(code) = app.screen.view()
        && let Some(room) = app.room(code)
    {
        app.screen.slots.cursor = room.slot;
    }
    if let Some(view) = view {
        push(app, view);
    }
}

/// Another pane: a tile on home, its full view elsewhere. The same key again shows it in full.
pub(crate) fn pane(app: &mut App, pane: Pane) {
    let home = *app.screen.view() == Page::Home;
    if home && app.screen.focus == pane {
        push(app, full(pane));
    } else if home {
        app.screen.focus = pane;
    } else {
        jump(app, full(pane));
    }
}

pub(crate) fn next_pane(app: &mut App, by: usize) {
    let at = Pane::ALL.iter().position(|pane| *pane == app.screen.focus).unwrap_or(0);
    let next = Pane::ALL.iter().cycle().nth(at + by).copied().unwrap_or_default();
    match layout::own_pane(app.screen.view()) {
        Some(_) => jump(app, full(next)),
        None if *app.screen.view() == Page::Home => app.screen.focus = next,
        None => {}
    }
}

fn full(pane: Pane) -> Page {
    match pane {
        Pane::Topology => Page::Topology,
        Pane::Nodes => Page::Nodes,
        Pane::Slots => Page::Slots,
        Pane::Alerts => Page::Alerts,
        Pane::Rooms => Page::Rooms,
    }
}

/// Where the cursor of a list or a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Go {
    By(isize),
    Page(isize),
    Top,
    Bottom,
}

pub(crate) fn go(app: &mut App, to: Go) {
    let Some(kind) = app.list_kind() else { return scroll(app, to) };
    let page = isize::try_from(app.list_height(kind).saturating_sub(1).max(1)).unwrap_or(1);
    let count = app.rows.len(kind);
    let list = app.screen.list(kind);
    let at = target(list.at, count, page, to);
    let item = app.rows.item(kind, at);
    let list = app.screen.list_mut(kind);
    list.at = at;
    list.touched = at != 0;
    list.selected = item;
}

fn scroll(app: &mut App, to: Go) {
    let page = isize::try_from(app.areas().body.height.saturating_sub(2).max(1)).unwrap_or(1);
    let lines = text_lines(app).saturating_sub(usize::try_from(page).unwrap_or(1)) + 1;
    app.screen.scroll = target(app.screen.scroll, lines, page, to);
}

/// At most how many lines a text view has; `ui` shows its end when it has fewer.
fn text_lines(app: &App) -> usize {
    match app.screen.view() {
        Page::Help => app.help().len() + 16,
        Page::Ledger => app.screen.ledger.iter().flatten().map(Vec::len).sum(),
        Page::Log => 1000,
        Page::Operation(id) => app.operation(*id).map_or(0, |operation| {
            operation.sent.len() + operation.notes.len() + operation.plan.steps.len() * 3 + operation.plan.moves.len() + 40
        }),
        Page::Views => app.model.nodes().count() * 2 + 8,
        _ => 80 + app.model.nodes().count(),
    }
}

fn target(at: usize, count: usize, page: isize, to: Go) -> usize {
    let last = count.saturating_sub(1);
    match to {
        Go::Top => 0,
        Go::Bottom => last,
        Go::By(rows) => at.saturating_add_signed(rows).min(last),
        Go::Page(pages) => at.saturating_add_signed(pages * page).min(last),
    }
}

/// Marks or unmarks the selected row and goes on to the next.
pub(crate) fn mark(app: &mut App) {
    let Some((kind, item)) = app.list_kind().and_then(|kind| Some((kind, app.screen.list(kind).selected.clone()?))) else { return };
    let marks = &mut app.screen.list_mut(kind).marks;
    if !marks.remove(&item) {
        marks.insert(item);
    }
    go(app, Go::By(1));
}

/// Marks everything between the nearest mark and the selected row.
pub(crate) fn mark_range(app: &mut App) {
    let Some(kind) = app.list_kind() else { return };
    let at = app.screen.list(kind).at;
    let is_marked = |row: &usize| app.rows.item(kind, *row).is_some_and(|item| app.screen.list(kind).marks.contains(&item));
    let above = (0..at).rev().find(is_marked);
    let from = above.or_else(|| (at + 1..app.rows.len(kind)).find(is_marked)).unwrap_or(at);
    let items: Vec<Item> = (from.min(at)..=from.max(at)).filter_map(|row| app.rows.item(kind, row)).collect();
    app.screen.list_mut(kind).marks.extend(items);
}

/// Forgets marks of what is not there any more.
pub(crate) fn prune_marks(app: &mut App) {
    for kind in ListKind::ALL {
        if app.screen.list(kind).marks.is_empty() {
            continue;
        }
        let (model, alerts, operations) = (&app.model, &app.monitor.log, &app.operations);
        let there = |item: &Item| match item {
            Item::Shard(name) => model.topology().shard(*name).is_some(),
            Item::Node(id) => model.node(*id).is_some(),
            Item::Room(code) => model.rooms().get(code).is_some(),
            Item::Alert(id) | Item::Follow(id) => alerts.alerts().iter().any(|alert| alert.id == *id),
            Item::Operation(id) => operations.iter().any(|operation| operation.id == *id),
        };
        let screen = &mut app.screen;
        screen.list_mut(kind).marks.retain(there);
    }
}
