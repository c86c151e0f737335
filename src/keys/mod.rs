//! PURE. The one table of actions: chord, words, condition, danger; help, footer and README are derived from it.

mod action;
mod chord;
mod context;
mod keymap;

pub use action::{Action, Spec, TABLE};
pub use chord::Chord;
pub use context::{Context, KeyCondition, Scope};
pub use keymap::{KeyError, Keymap};

/// A hint of the footer: the chord, a word, and whether it can be used now (and if not, why).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    pub chord: String,
    pub word: &'static str,
    pub disabled: Option<&'static str>,
    /// Hints with a lower rank drop out last as the width shrinks.
    pub rank: u8,
}

/// A line of the help page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpLine {
    pub group: &'static str,
    pub chord: String,
    pub says: &'static str,
    pub disabled: Option<&'static str>,
}
