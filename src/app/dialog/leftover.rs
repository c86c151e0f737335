//! PURE. What an earlier console or command began and did not end: told in a dialog that offers the ways to put it right.

use crossterm::event::KeyCode;

use crate::app::dialog;
use crate::app::{App, Dialog, DialogKind, Effect, requests};
use crate::cluster::{SlotSet, Time};
use crate::keys::Chord;
use crate::plan::{Intent, Unfinished};

/// A way to go on. None of them changes anything by itself: the two last ones open a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    #[default]
    Later,
    Resume,
    RollBack,
}

impl Way {
    pub const ALL: [Way; 3] = [Self::Later, Self::Resume, Self::RollBack];

    pub fn key(self) -> char {
        match self {
            Self::Later => 'l',
            Self::Resume => 'r',
            Self::RollBack => 'b',
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Later => "Later",
            Self::Resume => "Resume",
            Self::RollBack => "Roll back",
        }
    }

    /// `open`: some slot is known to be open now.
    pub fn says(self, open: bool) -> &'static str {
        match (self, open) {
            (Self::Later, _) => "nothing is done now; :fix remains",
            (Self::Resume, true) => "shows the plan that finishes the open slots; then run it again",
            (Self::Resume, false) => "no slot is open: looks for what is left; then run it again",
            (Self::RollBack, true) => "shows the plan that brings them back to where they were",
            (Self::RollBack, false) => "no slot is open: the slots that have moved stay where they are",
        }
    }

    fn beside(self, step: usize) -> Self {
        let at = Self::ALL.iter().position(|way| *way == self).unwrap_or(0);
        Self::ALL.get((at + step) % Self::ALL.len()).copied().unwrap_or_default()
    }
}

/// Slots that any of these may have left open.
pub fn in_flight(all: &[Unfinished]) -> SlotSet {
    all.iter().flat_map(|one| one.in_flight.iter()).collect()
}

/// Opens the dialog once the cluster is known and nothing else is in the operator's hands. True when it did.
pub(crate) fn tell(app: &mut App) -> bool {
    let busy = app.dialog.is_some() || app.screen.prompt.is_some() || app.frozen.is_some();
    if app.unfinished.is_empty() || busy || !app.model.is_known() {
        return false;
    }
    let mut all = std::mem::take(&mut app.unfinished);
    all.retain(|one| one.concerns(&app.model));
    if all.is_empty() {
        return false;
    }
    app.dialog = Some(Dialog::new(DialogKind::Leftover { all, way: Way::Later }));
    true
}

/// A key while it is open.
pub(crate) fn press(app: &mut App, chord: Chord, now: Time) -> Vec<Effect> {
    let Some(Dialog { kind: DialogKind::Leftover { all, way }, .. }) = &mut app.dialog else { return Vec::new() };
    let by_key = Way::ALL.into_iter().find(|way| chord.character() == Some(way.key()));
    let chosen = match chord.code {
        KeyCode::Enter => Some(*way),
        KeyCode::Char('q' | 'n') => Some(Way::Later),
        _ => by_key,
    };
    let Some(chosen) = chosen else {
        match chord.code {
            KeyCode::Down | KeyCode::Right | KeyCode::Tab | KeyCode::Char('j') => *way = way.beside(1),
            KeyCode::Up | KeyCode::Left | KeyCode::Char('k') => *way = way.beside(Way::ALL.len() - 1),
            _ => {}
        }
        return Vec::new();
    };
    let slots = in_flight(all);
    let place = Way::ALL.iter().position(|way| *way == chosen);
    if chosen != Way::Later && !dialog::seen(app, place, now) {
        return Vec::new();
    }
    app.dialog = None;
    let slots = (!slots.is_empty()).then_some(slots);
    match chosen {
        Way::Later => Vec::new(),
        Way::Resume | Way::RollBack => requests::intend(app, Intent::Fix { slots, roll_back: chosen == Way::RollBack }, now),
    }
}
