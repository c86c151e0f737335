//! PURE. Running a command line: views are shown, operations are planned, and what is wrong is said with the nearest right thing.

use crate::app::command::commands::{self, CommandVerb};
use crate::app::command::intents;
use crate::app::command::names;
use crate::app::screen::navigation;
use crate::app::{App, Dialog, DialogKind, Effect, Page, requests};
use crate::cluster::{SLOTS, Time};

/// Runs one line typed after `:`.
pub(crate) fn line(app: &mut App, text: &str, now: Time) -> Result<Vec<Effect>, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let (command, arguments) = commands::split(&words)?;
    if command.is_bare() && !arguments.is_empty() {
        return Err(format!("`{}` takes nothing after it", command.name));
    }
    if command.verb == CommandVerb::Operation {
        let intent = intents::parse(app, command, arguments)?;
        return Ok(requests::intend(app, intent, now));
    }
    let effects = look(app, command, arguments, now)?;
    remember(app, text);
    Ok(effects)
}

/// Commands that only look are run again by `[` and `]`.
fn remember(app: &mut App, text: &str) {
    const KEPT: usize = 100;
    let screen = &mut app.screen;
    if screen.history.get(screen.history_at).is_none_or(|last| last != text) {
        screen.history.retain(|old| old != text);
        screen.history.push(text.to_string());
        let surplus = screen.history.len().saturating_sub(KEPT);
        screen.history.drain(..surplus);
        screen.history_at = screen.history.len() - 1;
    }
}

/// The command before or after the present one, again.
pub(crate) fn again(app: &mut App, back: bool, now: Time) -> Vec<Effect> {
    let at = app.screen.history_at;
    let next = if back { at.checked_sub(1) } else { Some(at + 1) };
    let Some((next, text)) = next.and_then(|next| Some((next, app.screen.history.get(next)?.clone()))) else {
        app.refuse(if back { "no command before this one" } else { "no command after this one" }, now);
        return Vec::new();
    };
    app.screen.history_at = next;
    match line(app, &text, now) {
        Ok(effects) => effects,
        Err(error) => {
            app.tell(error, true, now);
            Vec::new()
        }
    }
}

fn look(app: &mut App, command: &commands::TypedCommand, arguments: &[&str], now: Time) -> Result<Vec<Effect>, String> {
    let one = || arguments.first().copied().ok_or_else(|| format!("usage: {} {}", command.name, command.usage));
    let view = match command.verb {
        CommandVerb::Home => Page::Home,
        CommandVerb::Topology => Page::Topology,
        CommandVerb::Nodes => Page::Nodes,
        CommandVerb::Slots => Page::Slots,
        CommandVerb::Rooms => Page::Rooms,
        CommandVerb::Alerts => Page::Alerts,
        CommandVerb::Node => Page::Node(names::node(app, one()?)?),
        CommandVerb::Shard => Page::Shard(names::shard(app, one()?)?),
        CommandVerb::Slot => {
            let text = one()?;
            let slot = text.parse::<u16>().ok().filter(|&slot| slot < SLOTS);
            let slot = slot.ok_or_else(|| format!("`{text}` is not a slot: expected a number from 0 to 16383"))?;
            app.screen.slots.cursor = slot;
            Page::Slot(slot)
        }
        CommandVerb::Room => {
            let text = one()?;
            let upper = text.to_uppercase();
            let room = app.model.rooms().get(text).or_else(|| app.model.rooms().get(&upper));
            let known = || app.model.rooms().iter().map(|room| room.code.to_string()).take(20_000).collect::<Vec<_>>();
            Page::Room(room.map(|room| room.code.clone()).ok_or_else(|| names::unknown("room", text, &known()))?)
        }
        CommandVerb::Operations => Page::Operations,
        CommandVerb::Ledger => Page::Ledger,
        CommandVerb::Views => Page::Views,
        CommandVerb::Log => Page::Log,
        CommandVerb::Help => Page::Help,
        CommandVerb::Theme => return theme(app, one()?),
        CommandVerb::Unlock => {
            unlock(app, now);
            return Ok(Vec::new());
        }
        CommandVerb::SaveScreen => return Ok(vec![Effect::SaveScreen]),
        CommandVerb::Quit => return Ok(requests::quit(app)),
        _ => return Err(format!("`{}` is not a view", command.name)),
    };
    let effects = if matches!(view, Page::Ledger | Page::Operations) { vec![Effect::ReadLedger] } else { Vec::new() };
    navigation::jump(app, view);
    Ok(effects)
}

pub(crate) fn unlock(app: &mut App, now: Time) {
    if app.locked() {
        app.dialog = Some(Dialog::new(DialogKind::Unlock));
    } else {
        app.refuse("the cluster is not locked", now);
    }
}

pub(crate) fn theme(app: &mut App, name: &str) -> Result<Vec<Effect>, String> {
    if !app.settings.themes.iter().any(|known| known == name) {
        return Err(names::unknown("theme", name, &app.settings.themes));
    }
    app.settings.theme = name.to_string();
    Ok(vec![Effect::Theme(name.to_string())])
}
