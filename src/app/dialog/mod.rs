//! PURE. Dialogs carry data, not closures; they start on Cancel and show the consequence.

pub(crate) mod keys;
pub(crate) mod leftover;
pub(crate) mod menu;

use crate::app::{App, Fault, Way};
use crate::cluster::{NodeId, Time};
use crate::plan::{Plan, Refusal, Unfinished};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Button {
    #[default]
    Cancel,
    Confirm,
}

#[derive(Clone, Debug)]
pub struct Dialog {
    pub kind: DialogKind,
    pub focus: Button,
    /// What has been typed into its text field, when it has one.
    pub input: String,
    /// First line shown, when the text is longer than the screen.
    pub scroll: u16,
    /// The same operation is being planned in another way: what is shown cannot be confirmed any more.
    pub replanning: bool,
    /// What of it the last frame showed: a choice that nobody has seen is not made.
    pub shown: Shown,
}

/// The choices of a dialog that were on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Its buttons, and the field when something has to be typed.
    pub buttons: bool,
    /// Entries of its list, by their place.
    pub entries: Vec<usize>,
}

#[derive(Clone, Debug)]
pub enum DialogKind {
    /// A plan to read and confirm.
    Confirm(Box<Plan>),
    /// It cannot be done, and why.
    Refused {
        title: String,
        refusal: Refusal,
    },
    /// Facts for a plan are being gathered.
    Planning {
        title: String,
    },
    /// What can be done to this node; the index is of the entry under the cursor.
    NodeMenu {
        node: NodeId,
        cursor: usize,
    },
    /// Demo: really do this to the node?
    Fault {
        node: NodeId,
        fault: Fault,
    },
    /// Operations that were begun and did not end, oldest first, and the way under the cursor.
    Leftover {
        all: Vec<Unfinished>,
        way: Way,
    },
    /// Which replica shall be master? The candidates, and the entry under the cursor.
    ChooseCandidate {
        shard: crate::cluster::ShardName,
        mode: crate::plan::Mode,
        replicas: Vec<NodeId>,
        cursor: usize,
    },
    /// Where to? Candidate masters, and the entry under the cursor.
    ChooseTarget {
        title: String,
        codes: Vec<std::sync::Arc<str>>,
        slots: crate::cluster::SlotSet,
        masters: Vec<NodeId>,
        cursor: usize,
    },
    /// Type the cluster's name to unlock a read-only or protected cluster.
    Unlock,
    Quit,
}

impl Dialog {
    pub fn new(kind: DialogKind) -> Self {
        Self { kind, focus: Button::Cancel, input: String::new(), scroll: 0, replanning: false, shown: Shown::default() }
    }

    /// Something has to be typed before Confirm does anything.
    pub fn wants_name(&self) -> bool {
        match &self.kind {
            DialogKind::Confirm(plan) => plan.danger.is_typed(),
            DialogKind::Unlock => true,
            _ => false,
        }
    }

    /// What that is: the cluster's name, and against a reachable node's word the code that overrides it.
    pub fn wanted(&self, cluster: &str) -> Option<String> {
        match &self.kind {
            DialogKind::Confirm(plan) => plan.danger.words(cluster),
            DialogKind::Unlock => Some(cluster.to_owned()),
            _ => None,
        }
    }
}

/// Why Enter does nothing.
pub(crate) const UNSEEN: &str = "that choice is not on the screen: make the window larger, or leave with esc";

/// This entry of the list was on the screen; else that is said.
pub(crate) fn seen(app: &mut App, entry: Option<usize>, now: Time) -> bool {
    let shown = |dialog: &Dialog| entry.is_some_and(|entry| dialog.shown.entries.contains(&entry));
    let seen = app.dialog.as_ref().is_some_and(shown);
    if !seen {
        app.refuse(UNSEEN, now);
    }
    seen
}
