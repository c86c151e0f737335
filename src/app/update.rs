//! PURE. The one function through which everything that happens reaches the console.

use crate::app::command::prompt;
use crate::app::dialog::keys;
use crate::app::input::mouse;
use crate::app::input::press;
use crate::app::{App, Effect, Event, Shown, requests};
use crate::cluster::{Fact, Time};
use crate::keys::{Action, Chord};

/// Takes one event in and says what is to be done about it.
pub fn update(app: &mut App, event: Event, now: Time) -> Vec<Effect> {
    match event {
        Event::Observed(observation) => {
            app.model.apply(&observation);
            // A scan brings many small pieces; they change no conclusion before it is through.
            app.facts |= !matches!(&observation.fact, Fact::Rooms(batch) if !batch.done);
            Vec::new()
        }
        Event::Key(key) => {
            let effects = key_press(app, Chord::from(key), now);
            app.refresh();
            effects
        }
        Event::Mouse(event) => {
            if app.with_picture(|picture| mouse::mouse(picture, event)).is_none() {
                mouse::mouse(app, event);
            }
            app.refresh();
            Vec::new()
        }
        Event::Paste(text) => {
            if app.dialog.is_some() {
                keys::paste(app, &text);
            } else {
                prompt::paste(app, &text);
            }
            app.refresh();
            Vec::new()
        }
        Event::Resize(width, height) => {
            app.size = (width, height);
            // What the last frame showed was on another screen.
            app.saw(Shown::default());
            app.refresh();
            Vec::new()
        }
        Event::Tick => {
            app.tick(now);
            Vec::new()
        }
        Event::Progress(id, progress) => {
            requests::progress(app, id, progress, now);
            app.facts = true;
            Vec::new()
        }
        Event::Told { text, bad } => {
            app.tell(text, bad, now);
            Vec::new()
        }
        Event::Planned(intent, result) => {
            requests::planned(app, &intent, *result);
            Vec::new()
        }
        Event::Unfinished(found) => {
            app.unfinished = found;
            Vec::new()
        }
        Event::Ledger(read) => {
            app.screen.ledger = Some(read);
            Vec::new()
        }
    }
}

fn key_press(app: &mut App, chord: Chord, now: Time) -> Vec<Effect> {
    if app.frozen.is_some() {
        return frozen_key(app, chord, now);
    }
    if app.dialog.is_some() {
        keys::press(app, chord, now)
    } else if app.screen.prompt.is_some() {
        prompt::press(app, chord, now)
    } else {
        press::press(app, chord, now)
    }
}

/// A frozen screen can be looked around in. The picture is asked, so that what is under the cursor is what is shown;
/// it refuses operations by itself.
fn frozen_key(app: &mut App, chord: Chord, now: Time) -> Vec<Effect> {
    if app.dialog.is_none() && app.screen.prompt.is_none() {
        match app.keymap.action(&app.scopes(), chord) {
            Some(Action::Freeze) => return thaw(app),
            Some(Action::Back) if app.screen.stack.len() < 2 => return thaw(app),
            Some(Action::Quit) => return requests::quit(app),
            _ => {}
        }
    }
    let (mut effects, toast, unlocked) =
        app.with_picture(|picture| (key_press(picture, chord, now), picture.toast.take(), picture.unlocked)).unwrap_or_default();
    app.unlocked |= unlocked;
    effects.retain(|effect| {
        matches!(effect, Effect::Copy(_) | Effect::SaveScreen | Effect::Theme(_) | Effect::ReadLedger | Effect::Quit)
    });
    if let Some(Effect::Theme(name)) = effects.iter().find(|effect| matches!(effect, Effect::Theme(_))) {
        app.settings.theme.clone_from(name);
    }
    app.toast = toast.or(app.toast.take());
    effects
}

fn thaw(app: &mut App) -> Vec<Effect> {
    app.frozen = None;
    Vec::new()
}
