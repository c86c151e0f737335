//! PURE. What the operator looks at and does: `update(app, event, now)` gives the effects to carry out.

mod command;
mod dialog;
mod event;
mod input;
mod operation;
mod requests;
mod screen;
mod settle;
mod update;

pub use crate::cluster::Fault;
pub use crate::plan::Control;
pub use command::commands;
pub use dialog::leftover::{Way, in_flight};
pub use dialog::menu::MenuItem;
pub use dialog::{Button, Dialog, DialogKind, Shown};
pub use event::{Effect, Event};
pub use operation::{Operation, OperationId, StepStage};
pub use screen::alert_rows::{following, is_caused};
pub use screen::heading::{Badge, Heading, HeadingPart};
pub use screen::rows::Rows;
pub use screen::select::ListKind;
pub use screen::{Filter, FilterKind, Item, Layer, ListState, Page, Pane, Prompt, PromptKind, Screen, SlotScreen, Sort};
pub use screen::{columns, layout};
pub use update::update;

use std::sync::Arc;
use std::time::Duration;

use crate::alerts::Thresholds;
use crate::cluster::{Change, Model, Room, ShardName, Time};
use crate::keys::{HelpLine, Hint, Keymap};
use crate::monitor::Monitor;
use crate::plan::{Intent, Unfinished};

/// Settings that the console needs to know; everything here can be shown, nothing is secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// No operation of any kind until unlocked.
    pub read_only: bool,
    /// The cluster is marked `protected`: a red frame, and unlocking asks for its name.
    pub protected: bool,
    /// This is the demo: nodes can be killed, frozen, thawed and restarted.
    pub demo: bool,
    pub ascii: bool,
    pub interval: Duration,
    pub thresholds: Thresholds,
    pub theme: String,
    pub themes: Vec<String>,
    /// How a room's keys are spelled, for details: `room:{CODE}:state`.
    pub room_key: String,
    /// The program's arguments before the subcommand, for "same as" lines: `rgc-tui --config prod.toml`.
    pub invocation: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            read_only: false,
            protected: false,
            demo: false,
            ascii: false,
            interval: Duration::from_secs(1),
            thresholds: Thresholds::default(),
            theme: "dusk".into(),
            themes: vec!["dusk".into()],
            room_key: "room:{CODE}:state".into(),
            invocation: "rgc-tui".into(),
        }
    }
}

/// A sentence for the operator that goes away by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    pub text: String,
    pub tone: Tone,
    pub until: Time,
}

/// How a sentence for the operator is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    /// What was asked for is not done, and nothing is wrong.
    Refused,
    Bad,
}

/// Everything a frame is drawn from. Facts in `model`, conclusions beside it, and `screen`: what the operator looks at.
#[derive(Clone, Debug)]
pub struct App {
    pub model: Model,
    /// What is concluded from it: findings, alerts, the verdict and its line.
    pub monitor: Monitor,
    /// Newest last, bounded.
    pub changes: Vec<Change>,
    /// Running and past, newest first.
    pub operations: Vec<Operation>,
    pub settings: Settings,
    pub screen: Screen,
    pub rows: Rows,
    pub dialog: Option<Dialog>,
    pub toast: Option<Toast>,
    /// The console as it was when the operator froze the screen: its facts and rows are drawn instead of the living ones,
    /// with the present `screen` and `dialog`.
    pub frozen: Option<Arc<App>>,
    pub size: (u16, u16),
    pub started: Time,
    pub keymap: Keymap,
    /// A read-only or protected cluster has been unlocked by typing its name.
    pub unlocked: bool,
    /// This is a frozen picture of the console, not the console.
    pub snapshot: bool,
    /// Counts settled pictures that differ.
    picture: u64,
    /// Facts came in that no conclusion has been drawn from.
    facts: bool,
    sampled: Option<Time>,
    /// The list of rooms may be built anew even when there are very many.
    rooms_due: bool,
    rooms_listed: Option<Time>,
    /// The intent whose plan is awaited, or shown.
    planning: Option<Intent>,
    /// Not told yet: whether they are about this cluster is known when its nodes are.
    unfinished: Vec<Unfinished>,
}

impl App {
    pub fn new(model: Model, settings: Settings, keymap: Keymap, now: Time) -> Self {
        Self {
            model,
            monitor: Monitor::new(settings.thresholds.clone()),
            changes: Vec::new(),
            operations: Vec::new(),
            settings,
            screen: Screen::default(),
            rows: Rows::default(),
            dialog: None,
            toast: None,
            frozen: None,
            size: (80, 24),
            started: now,
            keymap,
            unlocked: false,
            snapshot: false,
            picture: 0,
            facts: true,
            sampled: None,
            rooms_due: true,
            rooms_listed: None,
            planning: None,
            unfinished: Vec::new(),
        }
    }

    pub fn room(&self, code: &str) -> Option<&Room> {
        self.model.rooms().get(code)
    }

    pub fn operation(&self, id: OperationId) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.id == id)
    }

    pub fn shard_name_of_slot(&self, slot: u16) -> Option<ShardName> {
        let owner = self.model.topology().owner(slot)?;
        self.model.node(owner)?.shard
    }

    /// The footer's hints, in the order in which they are shown: of the dialog or prompt that is open, else of where the operator is.
    pub fn hints(&self) -> Vec<Hint> {
        let fixed = |hints: &[(&str, &'static str)]| {
            let hint = |(rank, (chord, word)): (usize, &(&str, &'static str))| Hint {
                chord: (*chord).to_string(),
                word,
                disabled: None,
                rank: u8::try_from(rank).unwrap_or(u8::MAX),
            };
            hints.iter().enumerate().map(hint).collect()
        };
        // Nothing else on the screen tells of the other ways.
        let with_ways = |dialog: &Dialog, mut hints: Vec<Hint>| {
            let hint = |(chord, _, word): (crate::keys::Chord, char, &'static str)| Hint {
                chord: chord.to_string(),
                word,
                disabled: None,
                rank: 1,
            };
            hints.splice(2..2, dialog.ways(&self.model.name).map(hint));
            hints
        };
        match (&self.dialog, &self.screen.prompt) {
            (Some(Dialog { replanning: true, .. }), _) => fixed(&[("esc", "cancel"), ("↑↓", "scroll")]),
            (Some(dialog), _) if dialog.wants_name() => {
                with_ways(dialog, fixed(&[("esc", "cancel"), ("enter", "confirm once the name is typed")]))
            }
            (Some(dialog @ Dialog { kind: DialogKind::Confirm(_), .. }), _) => {
                with_ways(dialog, fixed(&[("esc", "cancel"), ("enter", "choose"), ("tab", "other button"), ("y", "copy")]))
            }
            (Some(dialog), _) if dialog.has_buttons() => {
                fixed(&[("esc", "cancel"), ("tab", "other button"), ("enter", "choose"), ("y", "copy"), ("↑↓", "scroll")])
            }
            (Some(Dialog { kind: DialogKind::Planning { .. } | DialogKind::Refused { .. }, .. }), _) => fixed(&[("esc", "close")]),
            (Some(_), _) => fixed(&[("esc", "cancel"), ("↑↓", "move"), ("enter", "choose")]),
            (None, Some(_)) => fixed(&[("esc", "cancel"), ("tab", "complete"), ("↑↓", "next"), ("enter", "run")]),
            (None, None) => self.keymap.hints(&self.scopes(), &self.context()),
        }
    }

    /// The help page: every key, then every command.
    pub fn help(&self) -> Vec<HelpLine> {
        let mut lines = self.keymap.help(&self.scopes(), &self.context());
        lines.extend(commands::COMMANDS.iter().map(|command| HelpLine {
            group: "Commands",
            chord: command_words(command),
            says: command.says,
            disabled: if command.verb == commands::CommandVerb::Operation { self.barred() } else { None },
        }));
        lines
    }

    /// A frame has been drawn, and of the dialog it showed this.
    pub fn saw(&mut self, shown: Shown) {
        let dialog = match self.frozen.as_mut() {
            Some(picture) if picture.dialog.is_some() => Arc::make_mut(picture).dialog.as_mut(),
            _ => self.dialog.as_mut(),
        };
        if let Some(dialog) = dialog {
            dialog.shown = shown;
        }
    }

    /// Shows a sentence for a while; a bad one longer.
    pub fn tell(&mut self, text: impl Into<String>, bad: bool, now: Time) {
        self.say(text.into(), if bad { Tone::Bad } else { Tone::Good }, now);
    }

    /// Says why what was asked for is not done.
    fn refuse(&mut self, why: impl Into<String>, now: Time) {
        self.say(why.into(), Tone::Refused, now);
    }

    fn say(&mut self, text: String, tone: Tone, now: Time) {
        let until = now + chrono::TimeDelta::seconds(if tone == Tone::Good { 5 } else { 12 });
        self.toast = Some(Toast { text, tone, until });
    }

    /// Keeps the screen as it is, to be read in peace; facts go on being taken in behind it.
    fn freeze(&mut self) {
        let picture = App { snapshot: true, frozen: None, toast: None, ..self.clone() };
        self.frozen = Some(Arc::new(picture));
    }

    /// Lends the operator's screen to the frozen picture, so that it is used on the facts that are shown.
    fn with_picture<T>(&mut self, run: impl FnOnce(&mut App) -> T) -> Option<T> {
        let mut picture = self.frozen.take()?;
        let shown = Arc::make_mut(&mut picture);
        let lend = |app: &mut App, shown: &mut App| {
            std::mem::swap(&mut app.screen, &mut shown.screen);
            std::mem::swap(&mut app.dialog, &mut shown.dialog);
        };
        shown.size = self.size;
        lend(self, shown);
        let result = run(shown);
        lend(self, shown);
        self.frozen = Some(picture);
        Some(result)
    }
}

fn command_words(command: &commands::TypedCommand) -> String {
    let mut words = format!(":{}", command.name);
    if !command.usage.is_empty() {
        words.push(' ');
        words.push_str(&command.usage);
    }
    if !command.aliases.is_empty() {
        words.push_str(&format!(" ({})", command.aliases.join(" ")));
    }
    words
}

#[cfg(test)]
mod tests;
