//! PURE. What the operator looks at and does: `update(app, event, now)` gives the effects to carry out.

pub mod columns;
mod dialog;
mod event;
pub mod layout;
mod operation;
mod screen;

pub use dialog::{Button, Dialog, DialogKind};
pub use event::{Control, Effect, Event, Fault};
pub use operation::{Operation, OperationId};
pub use screen::{Filter, FilterKind, Item, Layer, ListState, Pane, Prompt, PromptKind, Screen, SlotScreen, Sort, View};

use std::sync::Arc;
use std::time::Duration;

use crate::alerts::{AlertLog, Finding, Thresholds, Verdict};
use crate::cluster::{Change, Model, NodeId, Room, ShardName, Time};

/// Settings that the console needs to know; everything here can be shown, nothing is secret.
#[derive(Clone, Debug)]
pub struct Settings {
    /// No deed of any kind until unlocked.
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

/// The rows that the lists show now: filtered, sorted, by id. Rebuilt in `update`, so that drawing only looks.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Topology lines: shards with their nodes, in shard order.
    pub topology: Vec<Item>,
    pub nodes: Vec<NodeId>,
    pub rooms: Vec<Arc<str>>,
    /// Alert ids.
    pub alerts: Vec<u64>,
    pub operations: Vec<OperationId>,
}

/// A sentence for the operator that goes away by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    pub text: String,
    pub bad: bool,
    pub until: Time,
}

/// Everything a frame is drawn from. Facts in `model`, conclusions beside it, and `screen`: what the operator looks at.
#[derive(Clone, Debug)]
pub struct App {
    pub model: Model,
    pub alerts: AlertLog,
    pub findings: Vec<Finding>,
    pub verdict: Verdict,
    /// The verdict line's sentence; never empty.
    pub headline: String,
    /// Newest last, bounded.
    pub changes: Vec<Change>,
    /// Running and past, newest first.
    pub operations: Vec<Operation>,
    pub settings: Settings,
    pub screen: Screen,
    pub rows: Rows,
    pub dialog: Option<Dialog>,
    pub toast: Option<Toast>,
    /// The frame as it was when the operator froze the screen: what is drawn instead of the living model.
    pub frozen: Option<Arc<App>>,
    pub size: (u16, u16),
    pub started: Time,
}

impl App {
    pub fn room(&self, code: &str) -> Option<&Room> {
        self.model.rooms().get(code)
    }

    pub fn shard_name_of_slot(&self, slot: u16) -> Option<ShardName> {
        let owner = self.model.topology().owner(slot)?;
        self.model.node(owner)?.shard
    }
}
