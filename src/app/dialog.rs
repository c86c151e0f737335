//! PURE. Dialogs carry data, not closures; they start on Cancel and show the consequence.

use super::{Fault, Way};
use crate::cluster::NodeId;
use crate::plan::{Danger, Plan, Refusal, Unfinished};

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
    /// The same deed is being planned in another way: what is shown cannot be confirmed any more.
    pub replanning: bool,
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
        Self { kind, focus: Button::Cancel, input: String::new(), scroll: 0, replanning: false }
    }

    /// The cluster's name has to be typed before Confirm does anything.
    pub fn wants_name(&self) -> bool {
        match &self.kind {
            DialogKind::Confirm(plan) => plan.danger == Danger::Typed,
            DialogKind::Unlock => true,
            _ => false,
        }
    }
}
