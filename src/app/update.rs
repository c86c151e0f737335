//! PURE. The one function through which everything that happens reaches the console.

use std::sync::Arc;

use super::{App, Effect, Event, deeds, dialogs, press, prompt};
use crate::cluster::{Fact, Time};
use crate::keys::{Action, Chord};

/// Takes one event in and says what is to be done about it.
pub fn update(app: &mut App, event: Event, now: Time) -> Vec<Effect> {
    match event {
        Event::Observed(observation) => {
            app.model.apply(&observation);
            // A sweep brings many small pieces; they change no conclusion before it is through.
            app.facts |= !matches!(&observation.fact, Fact::Rooms(batch) if !batch.done);
            Vec::new()
        }
        Event::Key(key) => {
            let effects = key_press(app, Chord::from(key), now);
            app.refresh();
            effects
        }
        Event::Paste(text) => {
            shown(app, |app| if app.dialog.is_some() { dialogs::paste(app, &text) } else { prompt::paste(app, &text) });
            app.refresh();
            Vec::new()
        }
        Event::Resize(width, height) => {
            app.size = (width, height);
            shown(app, |app| {
                app.size = (width, height);
                app.refresh();
            });
            app.refresh();
            Vec::new()
        }
        Event::Tick => {
            app.tick(now);
            Vec::new()
        }
        Event::Progress(id, progress) => {
            deeds::progress(app, id, progress, now);
            app.facts = true;
            Vec::new()
        }
        Event::Told { text, bad } => {
            app.tell(text, bad, now);
            Vec::new()
        }
        Event::Planned(intent, result) => {
            deeds::planned(app, &intent, *result);
            Vec::new()
        }
        Event::Ledger(lines) => {
            app.screen.ledger = lines;
            Vec::new()
        }
    }
}

/// Runs this on what is on the screen: the frozen picture when there is one.
fn shown<T>(app: &mut App, run: impl FnOnce(&mut App) -> T) -> T {
    match app.frozen.as_mut() {
        Some(frozen) => run(Arc::make_mut(frozen)),
        None => run(app),
    }
}

fn key_press(app: &mut App, chord: Chord, now: Time) -> Vec<Effect> {
    if app.frozen.is_some() {
        return frozen_key(app, chord, now);
    }
    if app.dialog.is_some() {
        dialogs::press(app, chord, now)
    } else if app.screen.prompt.is_some() {
        prompt::press(app, chord, now)
    } else {
        press::press(app, chord, now)
    }
}

/// A frozen screen can be looked around in; what would change something is refused there, and the toast is shown here.
fn frozen_key(app: &mut App, chord: Chord, now: Time) -> Vec<Effect> {
    let Some(frozen) = app.frozen.as_mut() else { return Vec::new() };
    let picture = Arc::make_mut(frozen);
    let plain = picture.dialog.is_none() && picture.screen.prompt.is_none();
    let action = picture.keymap.action(&picture.scopes(), chord);
    let at_home = picture.screen.stack.len() < 2;
    let thaw = plain && (action == Some(Action::Freeze) || (action == Some(Action::Back) && at_home));
    if thaw {
        app.thaw();
        return Vec::new();
    }
    if plain && action == Some(Action::Quit) {
        return deeds::quit(app);
    }
    let mut effects = key_press(picture, chord, now);
    picture.refresh();
    // The gate in `deeds` has refused already; this only says so twice.
    effects.retain(|effect| {
        matches!(effect, Effect::Copy(_) | Effect::SaveScreen | Effect::Theme(_) | Effect::ReadLedger | Effect::Quit)
    });
    if let Some(Effect::Theme(name)) = effects.iter().find(|effect| matches!(effect, Effect::Theme(_))) {
        app.settings.theme.clone_from(name);
    }
    if let Some(toast) = app.frozen.as_mut().and_then(|frozen| Arc::make_mut(frozen).toast.take()) {
        app.toast = Some(toast);
    }
    effects
}
