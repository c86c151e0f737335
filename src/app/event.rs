//! PURE. What comes into the console and what it asks to be done: the only two vocabularies of the loop.

use crossterm::event::{KeyEvent, MouseEvent};

use super::OperationId;
use crate::cluster::{Fault, NodeId, Observation};
use crate::plan::entry::Entry;
use crate::plan::{Control, Intent, Plan, Progress, Refusal, Unfinished};

/// Something happened.
#[derive(Debug)]
pub enum Event {
    Observed(Box<Observation>),
    Key(KeyEvent),
    /// Only when the mouse is configured.
    Mouse(MouseEvent),
    /// Text pasted by the terminal: only ever goes into an open text field.
    Paste(String),
    Resize(u16, u16),
    /// The clock moved: ages, toasts, samples.
    Tick,
    Progress(OperationId, Progress),
    /// An effect has something to tell the operator.
    Told {
        text: String,
        bad: bool,
    },
    /// The answer to `Effect::Plan`, with its intent.
    Planned(Intent, Box<Result<Plan, Refusal>>),
    /// Operations that did not come to their end, found at the start; some may be about another cluster of this name.
    Unfinished(Vec<Unfinished>),
    /// The entries of the ledger, newest first, that `Effect::ReadLedger` asked for; or why they cannot be read.
    Ledger(Result<Vec<Entry>, String>),
}

/// What the loop must do, since `update` does nothing itself. Keep it under ten variants.
#[derive(Debug, PartialEq)]
pub enum Effect {
    Quit,
    /// Carry a plan out, under this id; the answer comes as `Event::Progress`.
    Execute(OperationId, Box<Plan>),
    Control(OperationId, Control),
    /// Demo only.
    Inject(NodeId, Fault),
    /// To the terminal's clipboard (OSC 52).
    Copy(String),
    /// Write the screen as it is now to a file, and say where.
    SaveScreen,
    Theme(String),
    ReadLedger,
    /// Plans that need more facts than the model has (bytes of slots, keys of a room) are made by the session, which
    /// gathers them and answers with `Event::Planned`.
    Plan(Intent),
}
