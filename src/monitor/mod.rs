//! PURE. The one fold from a model to what is said of it: findings, the log of alerts, the verdict and its line, and what is
//! new. Console, `watch` and the commands that look once share it, so that the same fault has the same words everywhere.

mod sights;

use std::time::Duration;

use crate::alerts::{self, AlertEvent, AlertLog, Cause, Finding, Headline, Measurement, Phase, Rule, Thresholds, Verdict};
use crate::cluster::{Change, ChangeKind, Health, Model, SlotSet, Time, age};
use sights::Sights;

/// The conclusions drawn from a model so far.
#[derive(Clone, Debug, Default)]
pub struct Monitor {
    pub thresholds: Thresholds,
    /// Everything that does not hold now, pending or not; causes before what follows from them.
    pub findings: Vec<Finding>,
    pub log: AlertLog,
    pub verdict: Verdict,
    pub headline: Headline,
    /// Slots that a running operation of ours has open.
    pub moving: SlotSet,
    /// What was measured over a while for one look: what is found by it is no trouble of a moment.
    pub measured: Vec<Measurement>,
    /// What led the verdict line last.
    lead: Option<Cause>,
    /// The nodes' silences that may be no more than stalls.
    waiting: Vec<Change>,
    /// The verdict that was told last.
    told: Option<Verdict>,
    sights: Sights,
}

/// What is new since the last look.
#[derive(Clone, Debug, Default)]
pub struct News {
    pub changes: Vec<Change>,
    pub alerts: Vec<AlertEvent>,
    /// The verdict is another one than before.
    pub verdict: Option<Verdict>,
}

impl News {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.alerts.is_empty() && self.verdict.is_none()
    }
}

/// What has to stand no longer than this is looked at again by whoever looks once.
pub const LOOKED_AT_AGAIN: Duration = Duration::from_secs(2);

/// A silence shorter than this is a stall: the rule about stalls counts them.
const STALL: Duration = Duration::from_secs(1);

impl Monitor {
    pub fn new(thresholds: Thresholds) -> Self {
        Self { thresholds, headline: "nobody has answered yet".to_string().into(), ..Self::default() }
    }

    /// A model that is judged by this monitor's thresholds.
    pub fn model(&self, name: impl Into<String>) -> Model {
        let mut model = Model::new(name);
        model.slow = self.thresholds.latency;
        model
    }

    /// Draws the conclusions from what the model has taken in since the last call.
    pub fn conclude(&mut self, model: &mut Model, now: Time) -> News {
        let changes = model.settle(now);
        let changes = self.without_stalls(model, changes, now);
        self.findings = alerts::check_during(model, &self.thresholds, now, &self.moving);
        for finding in &mut self.findings {
            let need = alerts::rule(finding.rule).and_then(Rule::needs);
            if need.is_some_and(|need| self.measured.contains(&need)) {
                finding.hold = Duration::ZERO;
            }
        }
        self.sights.date(&mut self.findings, model, now);
        let alerts = self.log.update(&self.findings, now);
        self.sights.note(&self.log, model, now);
        // What has not stood for as long as it has to is no verdict yet: slots on their way, one slow answer.
        let standing = self.log.standing();
        self.verdict = alerts::verdict(model, &standing);
        self.lead = alerts::leading(&standing, self.lead.as_ref()).map(Finding::as_cause);
        self.headline = alerts::headline(model, &standing, self.lead.as_ref());
        // Until everybody has been asked once, the picture is being drawn and not yet changing.
        let asked = model.nodes().next().is_some() && model.nodes().all(|node| node.health != Health::Unknown);
        let verdict = (asked && self.told != Some(self.verdict)).then_some(self.verdict);
        self.told = verdict.or(self.told);
        News { changes, alerts, verdict }
    }

    /// Since when what leads the verdict line has been so.
    pub fn since(&self) -> Option<Time> {
        let lead = self.lead.as_ref()?;
        let alerts = self.log.alerts().iter().filter(|alert| alert.phase != Phase::Resolved);
        alerts.filter(|alert| alert.finding.is(lead)).map(|alert| alert.since).min()
    }

    /// The findings that count, and those that are pending.
    pub fn phase(&self, finding: &Finding) -> Phase {
        let alert = self.log.alerts().iter().find(|alert| {
            alert.phase != Phase::Resolved && alert.finding.rule == finding.rule && alert.finding.subject == finding.subject
        });
        alert.map_or(Phase::Pending, |alert| alert.phase)
    }

    /// A verdict has been told before: what changes now is news.
    pub fn has_told(&self) -> bool {
        self.told.is_some()
    }

    /// How long the pending findings still have to stand: the longest of those that are no longer than `within`.
    pub fn undecided(&self, within: Duration, now: Time) -> Option<Duration> {
        let pending = self.log.alerts().iter().filter(|alert| alert.phase == Phase::Pending);
        let left = pending.map(|alert| alert.finding.hold.saturating_sub(age(now, alert.since)));
        left.filter(|left| *left <= within).max()
    }

    /// A node that falls silent and answers again within a moment has not changed: only what lasts is told.
    fn without_stalls(&mut self, model: &Model, changes: Vec<Change>, now: Time) -> Vec<Change> {
        let stalls = |health: Health| matches!(health, Health::Frozen | Health::Silent);
        let mut told = Vec::new();
        for change in changes {
            let ended = match &change.kind {
                ChangeKind::Health { from, .. } if stalls(*from) => {
                    let before = self.waiting.len();
                    self.waiting.retain(|waiting| waiting.node != change.node);
                    before != self.waiting.len()
                }
                _ => false,
            };
            match &change.kind {
                ChangeKind::Health { to, .. } if stalls(*to) && !ended => self.waiting.push(change),
                ChangeKind::Health { to, .. } if ended && to.is_alive() => {}
                _ => told.push(change),
            }
        }
        let (due, waiting): (Vec<Change>, Vec<Change>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|change| age(now, change.at) >= STALL);
        self.waiting = waiting;
        told.extend(due.into_iter().filter(|change| model.node(change.node).is_some()));
        told.sort_by_key(|change| change.at);
        told
    }
}

#[cfg(test)]
mod tests;
