//! PURE. What a key does where the operator is, when no dialog and no prompt is open.

use crate::alerts;
use crate::app::command::advice;
use crate::app::command::prompt;
use crate::app::command::run;
use crate::app::screen::navigation::{self, Go};
use crate::app::screen::slotmap;
use crate::app::{App, Dialog, DialogKind, Effect, Filter, ListKind, Page, Pane, Sort, requests};
use crate::cluster::{METRICS, Time};
use crate::keys::{Action, Chord, Context, Scope};
use crate::plan::Mode;

impl App {
    /// What the conditions of actions look at, now.
    pub fn context(&self) -> Context {
        let list = self.list();
        Context {
            selection: self.selected().is_some() || self.on_slots(),
            node: self.selected_node().is_some(),
            shard: self.selected_shard().is_some(),
            room: !self.chosen_rooms().is_empty(),
            slots: self.on_slots(),
            alert: matches!(self.selected(), Some(crate::app::Item::Alert(_) | crate::app::Item::Follow(_))),
            advice: self.advice().is_some(),
            list: list.is_some(),
            columns: list.is_some_and(|(kind, _)| !kind.columns().is_empty()),
            marks: list.is_some_and(|(_, list)| !list.marks.is_empty()),
            running: self.operations.iter().any(crate::app::Operation::is_running),
            paused: self.controlled().is_some_and(|operation| operation.paused),
            locked: self.locked(),
            snapshot: self.snapshot || self.frozen.is_some(),
            history: !self.screen.history.is_empty(),
        }
    }

    /// The operation that is paused, resumed or stopped: the one on the screen, else the newest that runs.
    fn controlled(&self) -> Option<&crate::app::Operation> {
        let shown = match self.selected() {
            Some(crate::app::Item::Operation(id)) => self.operation(id).filter(|operation| operation.is_running()),
            _ => None,
        };
        shown.or_else(|| self.operations.iter().find(|operation| operation.is_running()))
    }

    /// Where keys mean something now, narrow first.
    pub fn scopes(&self) -> Vec<Scope> {
        let narrow = if self.on_slots() { Some(Scope::Slots) } else { self.list_kind().map(|_| Scope::List) };
        narrow.into_iter().chain([Scope::Everywhere]).collect()
    }
}

pub(crate) fn press(app: &mut App, chord: Chord, now: Time) -> Vec<Effect> {
    let Some(action) = app.keymap.action(&app.scopes(), chord) else { return Vec::new() };
    if let Some(why) = action.spec().disabled(&app.context()) {
        app.refuse(why, now);
        return Vec::new();
    }
    act(app, action, now)
}

fn act(app: &mut App, action: Action, now: Time) -> Vec<Effect> {
    match action {
        Action::Remedy => return advice::begin(app, now),
        Action::Failover => return requests::failover(app, Mode::Graceful, now),
        Action::Rebalance => prompt::command(app, "rebalance --by "),
        Action::Migrate => return requests::migrate(app, now),
        Action::Fix => return requests::fix(app, now),
        Action::Acknowledge => acknowledge(app, now),
        Action::NodeMenu => {
            if let Some(node) = app.selected_node() {
                app.dialog = Some(Dialog::new(DialogKind::NodeMenu { node, cursor: 0 }));
            }
        }
        Action::Pause => return control(app, false),
        Action::Abort => return control(app, true),
        Action::Unlock => run::unlock(app, now),
        Action::Command => prompt::command(app, ""),
        Action::Filter => prompt::filter(app),
        Action::Help => help(app, 0),
        Action::Aliases => help(app, crate::keys::TABLE.len()),
        Action::Enter => navigation::enter(app),
        Action::Back => back(app),
        Action::LastView => navigation::last(app),
        Action::HistoryBack => return run::again(app, true, now),
        Action::HistoryForward => return run::again(app, false, now),
        Action::Quit => return requests::quit(app),
        Action::Freeze => app.freeze(),
        Action::Copy => return copy(app, now),
        Action::SaveScreen => return vec![Effect::SaveScreen],
        Action::Theme => return next_theme(app),
        Action::Layer => slotmap::next_layer(app),
        Action::ZoomIn => slotmap::zoom(app, true),
        Action::ZoomOut => slotmap::zoom(app, false),
        Action::Range => slotmap::toggle_range(app),
        Action::Metric => next_metric(app),
        Action::NextPane => navigation::next_pane(app, 1),
        Action::PreviousPane => navigation::next_pane(app, Pane::ALL.len() - 1),
        Action::Pane1 => navigation::pane(app, Pane::Topology),
        Action::Pane2 => navigation::pane(app, Pane::Nodes),
        Action::Pane3 => navigation::pane(app, Pane::Slots),
        Action::Pane4 => navigation::pane(app, Pane::Alerts),
        Action::Pane5 => navigation::pane(app, Pane::Rooms),
        Action::Mark => navigation::mark(app),
        Action::MarkRange => navigation::mark_range(app),
        Action::ClearMarks | Action::OnlyFaults | Action::Wide | Action::SortNext | Action::SortPrevious | Action::SortFlip => {
            list(app, action);
        }
        Action::Up => go(app, Go::By(-1)),
        Action::Down => go(app, Go::By(1)),
        Action::PageUp => go(app, Go::Page(-1)),
        Action::PageDown => go(app, Go::Page(1)),
        Action::Top => go(app, Go::Top),
        Action::Bottom => go(app, Go::Bottom),
        Action::Left if app.on_slots() => slotmap::step(app, -1, 0),
        Action::Right if app.on_slots() => slotmap::step(app, 1, 0),
        Action::Left | Action::Right => {}
    }
    Vec::new()
}

fn go(app: &mut App, to: Go) {
    if app.on_slots() { slotmap::go(app, to) } else { navigation::go(app, to) }
}

/// `esc`: lets the range go, then clears the filter, then goes back one view.
fn back(app: &mut App) {
    if app.on_slots() && app.screen.slots.anchor.is_some() {
        app.screen.slots.anchor = None;
    } else if app.list().is_some_and(|(_, list)| !list.filter.text.is_empty()) {
        prompt::set_filter(app, Filter::default());
    } else {
        navigation::back(app);
    }
}

fn help(app: &mut App, scroll: usize) {
    navigation::push(app, Page::Help);
    app.screen.scroll = scroll;
}

fn list(app: &mut App, action: Action) {
    let Some(kind) = app.list_kind() else { return };
    let list = app.screen.list_mut(kind);
    match action {
        Action::ClearMarks => list.marks.clear(),
        Action::OnlyFaults => list.only_faults = !list.only_faults,
        Action::Wide => list.wide = !list.wide,
        Action::SortFlip => match &mut list.sort {
            Some(sort) => sort.descending = !sort.descending,
            None => list.sort = kind.columns().first().map(|column| Sort { column: column.title, descending: true }),
        },
        _ => list.sort = next_sort(kind, list, action == Action::SortNext),
    }
}

/// The next or previous of the columns that are shown; beyond either end: unsorted.
fn next_sort(kind: ListKind, list: &crate::app::ListState, forward: bool) -> Option<Sort> {
    let columns: Vec<_> = kind.columns().iter().filter(|column| list.wide || !column.wide).collect();
    let at = list.sort.and_then(|sort| columns.iter().position(|column| column.title == sort.column));
    let next = match (at, forward) {
        (None, true) => Some(0),
        (None, false) => columns.len().checked_sub(1),
        (Some(at), true) => Some(at + 1),
        (Some(at), false) => at.checked_sub(1),
    };
    next.and_then(|next| columns.get(next)).map(|column| Sort { column: column.title, descending: column.number })
}

fn acknowledge(app: &mut App, now: Time) {
    let marked: Vec<u64> = app.screen.alerts.marks.iter().flat_map(|item| alert_ids(app, item)).collect();
    let chosen = if marked.is_empty() { app.selected().map(|item| alert_ids(app, &item)).unwrap_or_default() } else { marked };
    for id in &chosen {
        app.monitor.log.acknowledge(*id);
        if let Some(finding) = app.monitor.log.get(*id).map(|alert| alert.finding.clone()) {
            app.facts |= app.model.acknowledge(|incident| alerts::tells_of(&finding, incident), now) > 0;
        }
    }
    app.tell(if chosen.len() == 1 { "acknowledged".into() } else { format!("{} acknowledged", chosen.len()) }, false, now);
}

/// The alert of a row; of a folded one all that are in it.
fn alert_ids(app: &App, item: &crate::app::Item) -> Vec<u64> {
    match item {
        crate::app::Item::Alert(id) => vec![*id],
        crate::app::Item::Follow(id) => crate::app::following(app, *id).iter().map(|alert| alert.id).collect(),
        _ => Vec::new(),
    }
}

/// Pauses, resumes or stops an operation.
fn control(app: &App, abort: bool) -> Vec<Effect> {
    let Some(operation) = app.controlled() else { return Vec::new() };
    let control = match (abort, operation.paused) {
        (true, _) => crate::app::Control::Abort,
        (false, true) => crate::app::Control::Run,
        (false, false) => crate::app::Control::Pause,
    };
    vec![Effect::Control(operation.id, control)]
}

fn copy(app: &mut App, now: Time) -> Vec<Effect> {
    let Some(text) = crate::app::screen::copy::text(app) else { return Vec::new() };
    app.tell(format!("copied: {text}"), false, now);
    vec![Effect::Copy(text)]
}

fn next_theme(app: &mut App) -> Vec<Effect> {
    let themes = &app.settings.themes;
    let at = themes.iter().position(|name| *name == app.settings.theme).unwrap_or(0);
    let Some(next) = themes.iter().cycle().nth(at + 1).cloned() else { return Vec::new() };
    app.settings.theme.clone_from(&next);
    vec![Effect::Theme(next)]
}

fn next_metric(app: &mut App) {
    let next = METRICS.iter().cycle().nth(app.screen.metric.index() + 1);
    if let Some(spec) = next {
        app.screen.metric = spec.metric;
    }
}
