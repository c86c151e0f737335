//! PURE. What the operator looks at: views, panes, selections (by id, never by index), filters, sorting, the slot cursor.

pub(crate) mod alert_rows;
pub mod columns;
pub(crate) mod copy;
pub(crate) mod filter;
pub(crate) mod heading;
pub mod layout;
pub(crate) mod navigation;
pub(crate) mod rows;
pub(crate) mod select;
pub(crate) mod slotmap;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::app::OperationId;
use crate::cluster::{Metric, NodeId, ShardName};
use crate::plan::entry::Entry;

/// A full screen. Drill-down pushes one, `esc` goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    Home,
    Topology,
    Nodes,
    Slots,
    Rooms,
    Alerts,
    Node(NodeId),
    Shard(ShardName),
    Slot(u16),
    Room(Arc<str>),
    Operations,
    Operation(OperationId),
    Ledger,
    /// Which nodes disagree on the owners of slots.
    Views,
    Log,
    Help,
}

/// The five widgets of the home screen, in tab order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pane {
    #[default]
    Topology,
    Nodes,
    Slots,
    Alerts,
    Rooms,
}

impl Pane {
    pub const ALL: [Pane; 5] = [Self::Topology, Self::Nodes, Self::Slots, Self::Alerts, Self::Rooms];
}

/// Something that can be selected or marked, by what it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    Shard(ShardName),
    Node(NodeId),
    Room(Arc<str>),
    Alert(u64),
    /// What follows from this alert, folded.
    Follow(u64),
    Operation(OperationId),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterKind {
    /// `/text`: contains, without regard to case.
    #[default]
    Contains,
    /// `/!text`
    Inverse,
    /// `/-f text`
    Fuzzy,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub kind: FilterKind,
    pub text: String,
}

/// A column of a list to sort by, by its title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub column: &'static str,
    pub descending: bool,
}

/// One list's state.
#[derive(Clone, Debug, Default)]
pub struct ListState {
    pub selected: Option<Item>,
    /// The operator has moved away from the top.
    pub touched: bool,
    /// Where the selection is among the rows.
    pub at: usize,
    /// Index into the rows of the first visible one; kept by `update` so that the selection is on screen.
    pub first: usize,
    pub filter: Filter,
    pub sort: Option<Sort>,
    pub marks: BTreeSet<Item>,
    pub only_faults: bool,
    pub wide: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layer {
    #[default]
    Owner,
    Keys,
    Open,
}

impl Layer {
    pub const ALL: [Layer; 3] = [Self::Owner, Self::Keys, Self::Open];

    pub fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Keys => "keys",
            Self::Open => "open",
        }
    }
}

/// The slot map: where the cursor is, how far it is zoomed in, and the marked range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotScreen {
    pub layer: Layer,
    pub cursor: u16,
    /// 0 shows all slots; every further step halves the span around the cursor, down to one slot a cell.
    pub zoom: u8,
    /// Where a range was begun; it reaches to the cursor.
    pub anchor: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptKind {
    Command,
    Filter,
}

/// The one-line input at the bottom.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub kind: PromptKind,
    pub text: String,
    /// Characters before the cursor.
    pub cursor: usize,
    /// Completions of what has been typed, best first (commands only).
    pub completions: Vec<String>,
    /// The first of them has been chosen with the arrows: enter takes it.
    pub chosen: bool,
    /// Why the command was not understood.
    pub error: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Screen {
    /// Breadcrumbs; the last one is shown. Never empty.
    pub stack: Vec<Page>,
    /// The view before the newest change, for `-`.
    pub previous: Option<Page>,
    /// Commands typed, for `[` and `]`, and where in it we are.
    pub history: Vec<String>,
    pub history_at: usize,
    pub focus: Pane,
    pub topology: ListState,
    pub nodes: ListState,
    pub rooms: ListState,
    pub alerts: ListState,
    pub operations: ListState,
    pub slots: SlotScreen,
    pub prompt: Option<Prompt>,
    /// First line of text views (help, ledger, log, details).
    pub scroll: usize,
    /// The metric shown first in the nodes' full view.
    pub metric: Metric,
    /// Newest first; None until it has been read.
    pub ledger: Option<Result<Vec<Entry>, String>>,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            stack: vec![Page::Home],
            previous: None,
            history: Vec::new(),
            history_at: 0,
            focus: Pane::default(),
            topology: ListState::default(),
            nodes: ListState::default(),
            rooms: ListState::default(),
            alerts: ListState::default(),
            operations: ListState::default(),
            slots: SlotScreen::default(),
            prompt: None,
            scroll: 0,
            metric: Metric::Ops,
            ledger: None,
        }
    }
}

impl Screen {
    pub fn view(&self) -> &Page {
        self.stack.last().unwrap_or(&Page::Home)
    }
}
