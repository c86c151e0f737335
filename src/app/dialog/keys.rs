//! PURE. Keys in dialogs. Cancel has the focus first, and only these keys reach a dialog: nothing falls through it.

use crossterm::event::{KeyCode, KeyModifiers};

use crate::app::command::names;
use crate::app::dialog;
use crate::app::dialog::leftover;
use crate::app::dialog::menu;
use crate::app::screen::copy;
use crate::app::{App, Button, Dialog, DialogKind, Effect, requests};
use crate::cluster::Time;
use crate::keys::Chord;
use crate::plan::{Intent, Mode, Objective, Pace};

impl Dialog {
    /// It has a Confirm button beside Cancel.
    pub fn has_buttons(&self) -> bool {
        matches!(self.kind, DialogKind::Confirm(_) | DialogKind::Fault { .. } | DialogKind::Unlock | DialogKind::Quit)
    }

    /// Confirm would do something: no other plan is awaited, and no name is wanted, or it has been typed.
    pub fn is_ready(&self, cluster: &str) -> bool {
        !self.replanning && self.wanted(cluster).is_none_or(|wanted| wanted == self.input)
    }
}

/// A key while a dialog is open.
pub(crate) fn press(app: &mut App, chord: Chord, now: Time) -> Vec<Effect> {
    let name = app.model.name.clone();
    let plain = chord.character();
    let Some(dialog) = app.dialog.as_mut() else { return Vec::new() };
    if chord.code == KeyCode::Esc {
        return cancel(app);
    }
    if chord.code == KeyCode::Char('c') && chord.modifiers == KeyModifiers::CONTROL {
        // Asked twice, it is meant.
        return if matches!(dialog.kind, DialogKind::Quit) { vec![Effect::Quit] } else { cancel(app) };
    }
    if dialog.replanning {
        scroll(dialog, chord);
        return Vec::new();
    }
    match &mut dialog.kind {
        DialogKind::NodeMenu { node, cursor } => {
            let node = *node;
            let at = *cursor;
            return node_menu(app, node, at, chord, now);
        }
        DialogKind::ChooseTarget { masters, cursor, .. } => {
            match chord.code {
                KeyCode::Up | KeyCode::Char('k') => *cursor = cursor.saturating_sub(1),
                KeyCode::Down | KeyCode::Char('j') => *cursor = (*cursor + 1).min(masters.len().saturating_sub(1)),
                KeyCode::Enter => return target(app, now),
                _ => {}
            }
            return Vec::new();
        }
        DialogKind::ChooseCandidate { replicas, cursor, .. } => {
            match chord.code {
                KeyCode::Up | KeyCode::Char('k') => *cursor = cursor.saturating_sub(1),
                KeyCode::Down | KeyCode::Char('j') => *cursor = (*cursor + 1).min(replicas.len().saturating_sub(1)),
                KeyCode::Enter => return candidate(app, now),
                _ => {}
            }
            return Vec::new();
        }
        DialogKind::Leftover { .. } => return leftover::press(app, chord, now),
        DialogKind::Planning { .. } => return Vec::new(),
        DialogKind::Refused { .. } => {
            scroll(dialog, chord);
            if let Some(key) = plain.filter(|key| !matches!(key, 'q' | ' ' | 'j' | 'k' | 'g')) {
                return variant(app, key, now);
            }
            return if matches!(chord.code, KeyCode::Enter | KeyCode::Char('q' | ' ')) { cancel(app) } else { Vec::new() };
        }
        _ => {}
    }
    let wants_name = dialog.wants_name();
    if let Some(key) = dialog.variant(chord, &name) {
        return variant(app, key, now);
    }
    match (chord.code, plain) {
        (KeyCode::Enter, _) => return enter(app, now),
        (KeyCode::Tab, _) | (KeyCode::Left | KeyCode::Right, _) => {
            dialog.focus = if dialog.focus == Button::Cancel { Button::Confirm } else { Button::Cancel };
        }
        (KeyCode::Backspace, _) if wants_name => {
            dialog.input.pop();
            follow(dialog, &name);
        }
        (_, Some(c)) if wants_name => type_in(dialog, c.encode_utf8(&mut [0; 4]), &name),
        (KeyCode::Char('y'), Some(_)) => {
            if let DialogKind::Confirm(plan) = &dialog.kind {
                let text = copy::shell(&app.settings.invocation, &plan.intent);
                app.tell(format!("copied: {text}"), false, now);
                return vec![Effect::Copy(text)];
            }
        }
        (KeyCode::Char('q' | 'n'), Some(_)) => return cancel(app),
        (_, Some(key)) => return variant(app, key, now),
        _ => scroll(dialog, chord),
    }
    Vec::new()
}

pub(crate) fn paste(app: &mut App, text: &str) {
    let name = app.model.name.clone();
    if let Some(dialog) = app.dialog.as_mut().filter(|dialog| dialog.wants_name()) {
        type_in(dialog, text, &name);
    }
}

fn type_in(dialog: &mut Dialog, text: &str, name: &str) {
    for c in text.chars().filter(|c| !c.is_control()) {
        if dialog.input.chars().count() < 200 {
            dialog.input.push(c);
        }
    }
    follow(dialog, name);
}

/// The focus goes to Confirm when the name is right, and back when it is not: having typed it is the yes.
fn follow(dialog: &mut Dialog, name: &str) {
    dialog.focus = if dialog.wanted(name).as_deref() == Some(&dialog.input) { Button::Confirm } else { Button::Cancel };
}

fn scroll(dialog: &mut Dialog, chord: Chord) {
    let by: i32 = match chord.code {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -10,
        KeyCode::PageDown => 10,
        KeyCode::Home | KeyCode::Char('g') => i32::MIN,
        _ => 0,
    };
    // `ui` shows the end when this goes past it.
    dialog.scroll = u16::try_from(i32::from(dialog.scroll).saturating_add(by).clamp(0, 2000)).unwrap_or(0);
}

impl Dialog {
    /// The chords that ask for the same operation in another way, with the key that stands for each, and their words. Where a name
    /// is typed they are letters as long as it cannot begin with them, else the same with ctrl.
    pub(crate) fn ways(&self, cluster: &str) -> impl Iterator<Item = (Chord, char, &'static str)> {
        let known = match &self.kind {
            DialogKind::Confirm(plan) => variants(&plan.intent),
            _ => &[],
        };
        let letters = |key: char| !self.wants_name() || self.input.is_empty() && !cluster.starts_with(key);
        known.iter().map(move |&(key, word)| match key {
            _ if letters(key) => (Chord::new(KeyCode::Char(key), KeyModifiers::NONE), key, word),
            // To a terminal ctrl-m is enter.
            'm' => (Chord::new(KeyCode::Char('o'), KeyModifiers::CONTROL), key, word),
            _ => (Chord::new(KeyCode::Char(key), KeyModifiers::CONTROL), key, word),
        })
    }

    fn variant(&self, chord: Chord, cluster: &str) -> Option<char> {
        self.ways(cluster).find(|(known, ..)| *known == chord).map(|(_, key, _)| key)
    }
}

/// Keys that ask for the same operation in another way, with their words.
fn variants(intent: &Intent) -> &'static [(char, &'static str)] {
    match intent {
        Intent::Failover { .. } => &[('m', "other mode"), ('r', "other replica")],
        Intent::Fix { roll_back: false, .. } => &[('r', "roll back instead")],
        Intent::Fix { roll_back: true, .. } => &[('r', "resume instead")],
        Intent::Rebalance { .. } => &[('o', "other objective"), ('p', "other pace"), ('e', "use empty masters")],
        _ => &[],
    }
}

/// Plans the operation of this dialog anew, in another way; it stays on the screen until the answer is there. Keys without such
/// a meaning scroll.
fn variant(app: &mut App, key: char, now: Time) -> Vec<Effect> {
    let Some(mut intent) = app.planning.clone().filter(|intent| variants(intent).iter().any(|(known, _)| *known == key)) else {
        if let Some(dialog) = app.dialog.as_mut() {
            scroll(dialog, Chord::new(KeyCode::Char(key), KeyModifiers::NONE));
        }
        return Vec::new();
    };
    match &mut intent {
        Intent::Failover { node, mode, .. } if key == 'm' => {
            *mode = after(*mode, &Mode::ALL);
            // The replica that was shown, whichever would be the best one now.
            if let Some(shown) = planned_winner(app) {
                *node = shown;
            }
        }
        Intent::Failover { node, .. } => *node = other_replica(app, node),
        Intent::Fix { roll_back, .. } => *roll_back = !*roll_back,
        Intent::Rebalance { by, .. } if key == 'o' => *by = after(*by, &Objective::ALL),
        Intent::Rebalance { pace, .. } if key == 'p' => *pace = after(*pace, &[Pace::Calm, Pace::Fast]),
        Intent::Rebalance { use_empty, .. } => *use_empty = !*use_empty,
        _ => {}
    }
    let shown = app.dialog.take();
    let effects = requests::intend(app, intent, now);
    app.dialog = shown.map(|shown| Dialog { replanning: !effects.is_empty(), focus: Button::Cancel, ..shown });
    effects
}

fn after<T: Copy + PartialEq>(now: T, all: &[T]) -> T {
    let at = all.iter().position(|one| *one == now).unwrap_or(0);
    all.get((at + 1) % all.len().max(1)).copied().unwrap_or(now)
}

/// The replica that the plan on the screen promotes.
fn planned_winner(app: &App) -> Option<String> {
    match &app.dialog.as_ref()?.kind {
        DialogKind::Confirm(plan) => Some(app.model.label(plan.prediction.winner?)),
        _ => None,
    }
}

/// The next replica of the shard that this name stands for.
fn other_replica(app: &App, name: &str) -> String {
    let shard = names::shard(app, name).ok().or_else(|| app.model.node(names::node(app, name).ok()?)?.shard);
    let Some(shard) = shard.and_then(|shard| app.model.topology().shard(shard)) else { return name.to_string() };
    let replicas: Vec<String> = shard.replicas.iter().map(|id| app.model.label(*id)).collect();
    let at = replicas.iter().position(|replica| replica == name).map_or(0, |at| at + 1);
    replicas.get(at % replicas.len().max(1)).cloned().unwrap_or_else(|| name.to_string())
}

fn cancel(app: &mut App) -> Vec<Effect> {
    app.dialog = None;
    app.planning = None;
    Vec::new()
}

fn enter(app: &mut App, now: Time) -> Vec<Effect> {
    let ready = app.dialog.as_ref().is_some_and(|dialog| dialog.is_ready(&app.model.name));
    let Some(mut dialog) = app.dialog.take() else { return Vec::new() };
    if dialog.focus == Button::Cancel {
        // Whoever has typed something did not mean Cancel; pressed again, it is meant.
        if dialog.wants_name() && !ready && !dialog.input.is_empty() {
            let typed = std::mem::take(&mut dialog.input);
            let still = if matches!(dialog.kind, DialogKind::Unlock) { "still locked" } else { "nothing was done" };
            let what = match dialog.wanted(&app.model.name).filter(|wanted| *wanted != app.model.name) {
                Some(wanted) => format!("`{wanted}`"),
                None => format!("the cluster's name, {}", app.model.name),
            };
            app.refuse(format!("`{typed}` is not {what}: {still}"), now);
            app.dialog = Some(dialog);
        }
        return Vec::new();
    }
    if !ready {
        let wanted = dialog.wanted(&app.model.name).unwrap_or_else(|| app.model.name.clone());
        app.refuse(format!("type `{wanted}` to confirm"), now);
        app.dialog = Some(dialog);
        return Vec::new();
    }
    if !dialog.shown.buttons {
        app.refuse(dialog::UNSEEN, now);
        app.dialog = Some(dialog);
        return Vec::new();
    }
    match dialog.kind {
        DialogKind::Confirm(plan) => requests::execute(app, *plan, now),
        DialogKind::Fault { node, fault } => requests::inject(app, node, fault, now),
        DialogKind::Unlock => {
            app.unlocked = true;
            app.tell("unlocked: operations are possible until you quit", false, now);
            Vec::new()
        }
        DialogKind::Quit => vec![Effect::Quit],
        _ => Vec::new(),
    }
}

fn node_menu(app: &mut App, node: crate::cluster::NodeId, at: usize, chord: Chord, now: Time) -> Vec<Effect> {
    let items = app.node_menu(node);
    let by_key = items.iter().find(|item| chord.character() == Some(item.key));
    let chosen = match chord.code {
        KeyCode::Enter => items.get(at),
        KeyCode::Char('q') => return cancel(app),
        _ => by_key,
    };
    if let Some(item) = chosen {
        let place = items.iter().position(|one| one == item);
        if dialog::seen(app, place, now) {
            return menu::choose(app, node, item, now);
        }
        // Its letter brings an entry that was not on the screen there; the next press chooses it.
        if let (Some(place), Some(Dialog { kind: DialogKind::NodeMenu { cursor, .. }, .. })) = (place, &mut app.dialog) {
            *cursor = place;
            app.refuse(format!("{} was not on the screen: the same key again chooses it", item.word), now);
        }
        return Vec::new();
    }
    let next = match chord.code {
        KeyCode::Up => at.saturating_sub(1),
        KeyCode::Down | KeyCode::Tab | KeyCode::Char('j') => (at + 1).min(items.len().saturating_sub(1)),
        _ => at,
    };
    if let Some(Dialog { kind: DialogKind::NodeMenu { cursor, .. }, .. }) = &mut app.dialog {
        *cursor = next;
    }
    Vec::new()
}

fn candidate(app: &mut App, now: Time) -> Vec<Effect> {
    let Some(Dialog { kind: DialogKind::ChooseCandidate { mode, replicas, cursor, .. }, .. }) = &app.dialog else {
        return Vec::new();
    };
    let (mode, place, chosen) = (*mode, *cursor, replicas.get(*cursor).copied());
    if !dialog::seen(app, Some(place), now) {
        return Vec::new();
    }
    let Some(node) = chosen.map(|id| app.model.label(id)) else { return Vec::new() };
    requests::intend(app, Intent::Failover { node, mode }, now)
}

fn target(app: &mut App, now: Time) -> Vec<Effect> {
    let place = match app.dialog.as_ref().map(|dialog| &dialog.kind) {
        Some(DialogKind::ChooseTarget { cursor, .. }) => Some(*cursor),
        _ => None,
    };
    if !dialog::seen(app, place, now) {
        return Vec::new();
    }
    let Some(Dialog { kind: DialogKind::ChooseTarget { codes, slots, masters, cursor, .. }, .. }) = app.dialog.take() else {
        return Vec::new();
    };
    let Some(to) = masters.get(cursor).map(|id| app.model.label(*id)) else { return Vec::new() };
    let intent = if codes.is_empty() {
        Intent::MoveSlots { slots, to }
    } else {
        Intent::MigrateRooms { codes: codes.iter().map(|code| code.to_string()).collect(), to }
    };
    requests::intend(app, intent, now)
}
