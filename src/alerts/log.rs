//! PURE. Alerts: findings over time, from pending through firing to resolved, acknowledged or not.

use std::time::Duration;

use super::Finding;
use crate::cluster::Time;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Seen, not yet for as long as its rule asks.
    Pending,
    Firing,
    Resolved,
}

/// A finding over time. The id is its place in the log's history and never reused.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub id: u64,
    /// As last seen; the message keeps its newest figures.
    pub finding: Finding,
    pub phase: Phase,
    pub since: Time,
    pub fired_at: Option<Time>,
    pub resolved_at: Option<Time>,
    pub acknowledged: bool,
}

impl Alert {
    /// How long it has been, or was, there.
    pub fn duration(&self, now: Time) -> Duration {
        crate::cluster::age(self.resolved_at.unwrap_or(now), self.since)
    }
}

/// A change of phase, for `watch` and the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertEvent {
    pub at: Time,
    pub alert: Alert,
}

/// Every alert of this session: those that are, then those that were, newest first.
#[derive(Clone, Debug, Default)]
pub struct AlertLog {
    alerts: Vec<Alert>,
}

impl AlertLog {
    /// Pending and firing first (worst, then newest), then resolved ones, newest first.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    pub fn firing(&self) -> usize {
        self.alerts.iter().filter(|alert| alert.phase == Phase::Firing).count()
    }
}
