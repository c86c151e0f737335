//! PURE. The one-line input: editing, and what happens while and after typing.

use crossterm::event::{KeyCode, KeyModifiers};

use crate::app::command::commands;
use crate::app::command::intents;
use crate::app::command::run;
use crate::app::{App, Effect, Filter, Prompt, PromptKind};
use crate::cluster::Time;
use crate::keys::Chord;

/// More than this is never typed by a person.
const LONGEST: usize = 4096;

impl Prompt {
    pub(crate) fn open(kind: PromptKind, text: String) -> Self {
        let cursor = text.chars().count();
        Self { kind, text, cursor, completions: Vec::new(), chosen: false, error: None }
    }

    fn byte(&self) -> usize {
        self.text.char_indices().nth(self.cursor).map_or(self.text.len(), |(at, _)| at)
    }

    pub(crate) fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text.len() < LONGEST {
                let at = self.byte();
                self.text.insert(at, c);
                self.cursor += 1;
            }
        }
    }

    fn set(&mut self, text: String) {
        self.cursor = text.chars().count();
        self.text = text;
    }

    fn delete(&mut self) {
        let at = self.byte();
        if at < self.text.len() {
            self.text.remove(at);
        }
    }

    fn delete_word(&mut self) {
        let before: String = self.text.chars().take(self.cursor).collect();
        let after: String = self.text.chars().skip(self.cursor).collect();
        let kept = before.trim_end().rsplit_once(' ').map_or(String::new(), |(kept, _)| format!("{kept} "));
        self.cursor = kept.chars().count();
        self.text = kept + &after;
    }

    /// Moves and deletes as shells do; true when the key was one of these.
    fn edit(&mut self, chord: Chord) -> bool {
        let length = self.text.chars().count();
        let ctrl = chord.modifiers.contains(KeyModifiers::CONTROL);
        match chord.code {
            KeyCode::Char('u') if ctrl => {
                self.text = self.text.chars().skip(self.cursor).collect();
                self.cursor = 0;
            }
            KeyCode::Char('w') if ctrl => self.delete_word(),
            KeyCode::Char('a') if ctrl => self.cursor = 0,
            KeyCode::Char('e') if ctrl => self.cursor = length,
            KeyCode::Char('h') if ctrl => return self.edit(Chord::new(KeyCode::Backspace, KeyModifiers::NONE)),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = length,
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(length),
            KeyCode::Delete => self.delete(),
            KeyCode::Backspace => {
                if self.cursor > 0 {
                    self.cursor -= 1;
                    self.delete();
                }
            }
            _ => return false,
        }
        true
    }
}

/// Opens the prompt for a command, with this much of it typed.
pub(crate) fn command(app: &mut App, typed: &str) {
    app.screen.prompt = Some(Prompt::open(PromptKind::Command, typed.to_string()));
    changed(app);
}

pub(crate) fn filter(app: &mut App) {
    let typed = app.list().map(|(_, list)| list.filter.typed()).unwrap_or_default();
    app.screen.prompt = Some(Prompt::open(PromptKind::Filter, typed));
}

/// A key while the prompt is open.
pub(crate) fn press(app: &mut App, chord: Chord, now: Time) -> Vec<Effect> {
    let Some(prompt) = app.screen.prompt.as_mut() else { return Vec::new() };
    match (chord.code, chord.character()) {
        (KeyCode::Enter, _) => return enter(app, now),
        (KeyCode::Esc, _) => {
            if prompt.kind == PromptKind::Filter {
                set_filter(app, Filter::default());
            }
            app.screen.prompt = None;
        }
        (KeyCode::Char('c'), None) => app.screen.prompt = None,
        (KeyCode::Backspace, _) if prompt.text.is_empty() => app.screen.prompt = None,
        (KeyCode::Tab, _) => {
            if let Some(best) = prompt.completions.first().cloned() {
                prompt.set(best);
                // What can follow is offered as soon as a word is whole.
                if prompt.completions.len() == 1 && !prompt.text.ends_with([' ', '=']) && !is_bare(&prompt.text) {
                    prompt.insert(" ");
                }
                changed(app);
            }
        }
        (KeyCode::Up | KeyCode::Down, _) => {
            // The list grows upwards from the line: the next one is above.
            match chord.code {
                _ if prompt.completions.is_empty() => {}
                KeyCode::Up => prompt.completions.rotate_left(1),
                _ => prompt.completions.rotate_right(1),
            }
            prompt.chosen = !prompt.completions.is_empty();
        }
        (_, Some(c)) => {
            prompt.insert(c.encode_utf8(&mut [0; 4]));
            changed(app);
        }
        _ => {
            if prompt.edit(chord) {
                changed(app);
            }
        }
    }
    Vec::new()
}

/// A whole command that takes nothing more.
fn is_bare(text: &str) -> bool {
    commands::find(text).is_ok_and(commands::TypedCommand::is_bare)
}

pub(crate) fn paste(app: &mut App, text: &str) {
    if let Some(prompt) = app.screen.prompt.as_mut() {
        prompt.insert(text);
        changed(app);
    }
}

/// The text is another one: the list follows the filter, completions follow the command.
fn changed(app: &mut App) {
    let Some(prompt) = app.screen.prompt.as_ref() else { return };
    match prompt.kind {
        PromptKind::Filter => {
            let filter = Filter::parse(&prompt.text);
            set_filter(app, filter);
        }
        PromptKind::Command => {
            let completions = commands::completions(app, &prompt.text);
            if let Some(prompt) = app.screen.prompt.as_mut() {
                prompt.completions = completions;
                prompt.chosen = false;
                prompt.error = None;
            }
        }
    }
}

pub(crate) fn set_filter(app: &mut App, filter: Filter) {
    if let Some(list) = app.list_mut() {
        list.filter = filter;
    }
}

fn enter(app: &mut App, now: Time) -> Vec<Effect> {
    let Some(mut prompt) = app.screen.prompt.take() else { return Vec::new() };
    // Nothing can be meant by an option without its value but the one that is offered.
    if (prompt.chosen || intents::wants_value(&prompt.text))
        && let Some(best) = prompt.completions.first().cloned()
    {
        prompt.set(best);
    }
    if prompt.kind == PromptKind::Filter || prompt.text.trim().is_empty() {
        return Vec::new();
    }
    match run::line(app, prompt.text.trim(), now) {
        Ok(effects) => effects,
        Err(error) => {
            app.screen.prompt = Some(Prompt { error: Some(error), ..prompt });
            Vec::new()
        }
    }
}
