//! PURE. The rows of the list of alerts: at home what follows from a cause is folded beneath it, in the full view all stand.

use std::collections::HashMap;

use crate::alerts::{Alert, Cause, Phase, Severity, Subject};
use crate::app::screen::columns::by;
use crate::app::screen::filter::Matching;
use crate::app::{App, Item, Page};

/// The rows, and how many of the first of them want to be read now.
pub(crate) fn rows(app: &App) -> (Vec<Item>, usize) {
    let kept = kept(app);
    let state = &app.screen.alerts;
    if state.sort.is_some() || !state.filter.text.is_empty() || *app.screen.view() == Page::Alerts {
        let rows: Vec<Item> = kept.iter().map(|alert| Item::Alert(alert.id)).collect();
        let loud = kept.iter().rposition(|alert| is_loud(alert)).map_or(0, |last| last + 1);
        return (rows, loud);
    }
    let roots = Roots::of(kept.iter().copied());
    let mut below: HashMap<u64, Vec<&Alert>> = HashMap::new();
    for alert in &kept {
        below.entry(roots.root(alert)).or_default().push(alert);
    }
    let mut rows = Vec::with_capacity(kept.len());
    let mut loud = 0;
    for alert in &kept {
        let Some(family) = below.get(&alert.id) else { continue };
        rows.push(Item::Alert(alert.id));
        if family.len() > 1 {
            rows.push(Item::Follow(alert.id));
        }
        loud = if family.iter().any(|alert| is_loud(alert)) { rows.len() } else { loud };
    }
    (rows, loud)
}

/// What follows from an alert, in the order of the log.
pub fn following(app: &App, id: u64) -> Vec<&Alert> {
    let roots = Roots::of(app.monitor.log.alerts().iter());
    app.monitor.log.alerts().iter().filter(|alert| alert.id != id && roots.root(alert) == id).collect()
}

/// It counts, and is more than something to know.
fn is_loud(alert: &Alert) -> bool {
    alert.phase == Phase::Firing && alert.finding.severity > Severity::Info
}

/// The cause of causes of every alert that is not over.
struct Roots<'a> {
    live: HashMap<(&'static str, &'a Subject), &'a Alert>,
}

impl<'a> Roots<'a> {
    fn of(alerts: impl Iterator<Item = &'a Alert>) -> Self {
        let live = alerts.filter(|alert| alert.phase != Phase::Resolved);
        Self { live: live.map(|alert| ((alert.finding.rule, &alert.finding.subject), alert)).collect() }
    }

    fn above(&self, alert: &Alert) -> Option<&'a Alert> {
        let Cause { rule, subject, .. } = alert.finding.caused_by.as_ref().filter(|_| alert.phase != Phase::Resolved)?;
        self.live.get(&(*rule, subject)).copied()
    }

    /// The alert from which this one follows in the end; itself when it follows from none.
    fn root(&self, alert: &Alert) -> u64 {
        let mut top = alert.id;
        let mut above = self.above(alert);
        for _ in 0..self.live.len() {
            let Some(cause) = above else { break };
            if cause.id == alert.id {
                // Causes are no circle; should they be one, each stands for itself.
                return alert.id;
            }
            top = cause.id;
            above = self.above(cause);
        }
        top
    }
}

/// It stands under another one that has not ended.
pub fn is_caused(app: &App, alert: &Alert) -> bool {
    Roots::of(app.monitor.log.alerts().iter()).above(alert).is_some()
}

fn kept(app: &App) -> Vec<&Alert> {
    let state = &app.screen.alerts;
    let mut matching = Matching::new(&state.filter);
    let kept = app.monitor.log.alerts().iter().filter(|alert| !state.only_faults || alert.phase != Phase::Resolved);
    let mut kept: Vec<&Alert> = kept
        .filter(|alert| {
            let finding = &alert.finding;
            matching.is_match(&[finding.rule, &finding.label, &finding.message, finding.severity.word()])
        })
        .collect();
    match state.sort {
        Some(sort) => match sort.column {
            "severity" => by(&mut kept, sort, |alert| Some(alert.finding.severity)),
            "rule" => by(&mut kept, sort, |alert| Some(alert.finding.rule)),
            "subject" => by(&mut kept, sort, |alert| Some(alert.finding.label.clone())),
            "message" => by(&mut kept, sort, |alert| Some(alert.finding.message.clone())),
            "phase" => by(&mut kept, sort, |alert| Some(alert.phase as u8)),
            "for" => by(&mut kept, sort, |alert| Some(alert.resolved_at.map_or(i64::MAX, |at| (at - alert.since).num_seconds()))),
            _ => by(&mut kept, sort, |alert| Some(alert.since)),
        },
        None => matching.rank(&mut kept, |alert| alert.finding.label.clone()),
    }
    kept
}
