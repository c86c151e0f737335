//! PURE. Once a frame: conclusions from the facts that came in, and rows that follow them.

use std::time::Duration;

use super::{App, ListKind, leftover, rows, views};
use crate::alerts;
use crate::cluster::Time;

/// Changes kept for the timeline.
const CHANGES: usize = 500;

impl App {
    /// Draws the conclusions from everything that came in since the last call. Call it once before each frame.
    /// True when there is news that should be shown at once: the picture changed, or an alert did.
    pub fn settle(&mut self, now: Time) -> bool {
        let mut news = false;
        if std::mem::take(&mut self.facts) {
            let changes = self.model.settle(now);
            if !changes.is_empty() {
                self.picture += 1;
                news = true;
                self.changes.extend(changes);
                let surplus = self.changes.len().saturating_sub(CHANGES);
                self.changes.drain(..surplus);
            }
            self.findings = alerts::check(&self.model, &self.settings.thresholds, now);
            news |= !self.alerts.update(&self.findings, now).is_empty();
            // What has not held for as long as its rule asks is no verdict yet: slots on their way, one slow answer.
            let standing = self.alerts.standing();
            self.verdict = alerts::verdict(&self.model, &standing);
            self.headline = alerts::headline(&self.model, &standing, now);
            views::prune_marks(self);
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

    /// Brings every list in line with what it is made from.
    pub(super) fn refresh(&mut self) {
        if self.with_picture(App::refresh).is_some() {
            return;
        }
        for kind in ListKind::ALL {
            rows::rebuild(self, kind);
            let height = self.list_height(kind);
            rows::keep(&self.rows, kind, self.screen.list_mut(kind), height);
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
