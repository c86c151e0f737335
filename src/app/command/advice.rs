//! PURE. What the top of the screen advises, in this console's words: the key that begins it, and what is typed after `:`.

use crate::alerts::with_commands;
use crate::app::command::{prompt, run};
use crate::app::{App, Effect};
use crate::cluster::Time;
use crate::keys::Action;

impl App {
    /// A sentence whose commands are a shell's, with what is typed here in their place.
    pub fn typed(&self, says: &str) -> String {
        with_commands(says, |command| format!("`{}`", self.line(command)))
    }

    /// The same of the sentence at the top: its first command has a key.
    pub fn advised(&self, says: &str) -> String {
        let mut key = Some(self.keymap.chord(Action::Remedy)).filter(|key| !key.is_empty());
        with_commands(says, |command| match key.take_if(|_| can_be_typed(command)) {
            Some(key) => format!("`{key}` (`{}`)", self.line(command)),
            None => format!("`{}`", self.line(command)),
        })
    }

    /// As it is typed; what has no line of its own here has a key, or else is for a shell.
    fn line(&self, command: &str) -> String {
        let (open, ack) = (self.keymap.chord(Action::Command), self.keymap.chord(Action::Acknowledge));
        match (command.split(' ').next(), open.chars().count()) {
            (Some("ack"), _) if !ack.is_empty() => ack,
            (_, 0) | (Some("ack"), _) => format!("{} {command}", self.settings.invocation),
            (_, 1) => format!("{open}{}", here(command)),
            _ => format!("{open} {}", here(command)),
        }
    }

    /// The first command of what is advised that can be typed here.
    pub(crate) fn advice(&self) -> Option<String> {
        let mut first = None;
        with_commands(self.monitor.headline.next.as_deref()?, |command| {
            if first.is_none() && can_be_typed(command) {
                first = Some(here(command));
            }
            String::new()
        });
        first
    }
}

fn can_be_typed(command: &str) -> bool {
    !command.starts_with("ack")
}

/// A plan is always shown first here.
fn here(command: &str) -> String {
    command.replace(" --dry-run", "")
}

/// Asks for the plan of what is advised; where a word is missing the line waits for it.
pub(crate) fn begin(app: &mut App, now: Time) -> Vec<Effect> {
    let Some(command) = app.advice() else { return Vec::new() };
    let (open, known): (Vec<&str>, Vec<&str>) = command.split(' ').partition(|word| is_open(word));
    if !open.is_empty() {
        prompt::command(app, &format!("{} ", known.join(" ")));
        return Vec::new();
    }
    match run::line(app, &command, now) {
        Ok(effects) => effects,
        Err(why) => {
            app.refuse(why, now);
            Vec::new()
        }
    }
}

/// `HOST:PORT`, `NODE`: whoever reads it knows what stands there.
fn is_open(word: &str) -> bool {
    word.len() >= 4 && word.chars().all(|letter| letter.is_ascii_uppercase() || letter == ':')
}
