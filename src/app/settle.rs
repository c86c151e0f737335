//! PURE. Once a frame: conclusions from the facts that came in, and rows that follow them.

use std::time::Duration;

use crate::app::dialog::leftover;
use crate::app::screen::navigation;
use crate::app::screen::rows;
use crate::app::{App, ListKind};
use crate::cluster::{SlotSet, Time};

/// Changes kept for the timeline.
const CHANGES: usize = 500;

impl App {
    /// Draws the conclusions from everything that came in since the last call. Call it once before each frame.
    /// True when there is news that should be shown at once: the picture changed, or an alert did.
    pub fn settle(&mut self, now: Time) -> bool {
        let mut news = false;
        if std::mem::take(&mut self.facts) {
            self.monitor.moving = self.moving();
            let found = self.monitor.conclude(&mut self.model, now);
            news |= !found.is_empty();
            if !found.changes.is_empty() {
                self.picture += 1;
                self.changes.extend(found.changes);
                let surplus = self.changes.len().saturating_sub(CHANGES);
                self.changes.drain(..surplus);
            }
            navigation::prune_marks(self);
            news |= leftover::tell(self);
        }
        if self.toast.as_ref().is_some_and(|toast| toast.until <= now) {
            self.toast = None;
            news = true;
        }
        self.rooms_due = self.rooms_listed.is_none_or(|last| crate::cluster::age(now, last) >= Duration::from_secs(1));
        if self.rooms_due {
            self.rooms_listed = Some(now);
        }
        self.refresh();
        self.rooms_due = false;
        news
    }

    /// Slots that running operations of this console have open: their work, not a finding.
    fn moving(&self) -> SlotSet {
        let running = self.operations.iter().filter(|operation| operation.is_running());
        let parts = running.flat_map(|operation| &operation.plan.moves).map(|part| &part.slots);
        parts.fold(SlotSet::default(), |all, slots| all.plus(slots))
    }

    /// Brings every list in line with what it is made from.
    pub(super) fn refresh(&mut self) {
        if self.with_picture(App::refresh).is_some() {
            return;
        }
        for kind in ListKind::ALL {
            rows::rebuild(self, kind);
        }
        // How many rows are seen depends on how many others there are.
        for kind in ListKind::ALL {
            let (height, focused) = (self.list_height(kind), self.list_kind() == Some(kind));
            rows::keep(&self.rows, kind, self.screen.list_mut(kind), focused, height);
        }
    }

    /// The clock moved: one sample of every metric a poll interval.
    pub(super) fn tick(&mut self, now: Time) {
        let due = self.sampled.is_none_or(|last| crate::cluster::age(now, last) >= self.settings.interval);
        if due {
            self.sampled = Some(now);
            self.model.sample(now, self.settings.interval * 5 / 2);
        }
        self.facts = true;
    }
}
