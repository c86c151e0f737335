//! PURE. Alerts: findings over time, acknowledged or not.
//!
//! ```text
//!  found ──► Pending ──(stood for `hold`)──► Firing ──(gone for `clear`)──► Resolved
//!               │                               ▲ │
//!               └──(gone)──► forgotten          └─┘ found again within `clear`: the same alert
//! ```

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{Finding, Subject, rule};
use crate::cluster::{Time, age};

/// Resolved alerts kept; older ones are dropped.
const KEPT: usize = 500;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Seen, not yet for as long as its rule asks.
    Pending,
    Firing,
    Resolved,
}

impl Phase {
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
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
        age(self.resolved_at.unwrap_or(now), self.since)
    }
}

/// An alert has fired, got worse while firing, or is resolved: for `watch` and the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertEvent {
    pub at: Time,
    pub alert: Alert,
}

/// Every alert of this session: those that are, then those that were, newest first.
#[derive(Clone, Debug, Default)]
pub struct AlertLog {
    alerts: Vec<Alert>,
    /// Firing alerts that are not found any more, since when.
    clearing: BTreeMap<u64, Time>,
    last_id: u64,
}

impl AlertLog {
    /// Firing first, each cause before what follows from it, then pending, then resolved ones, newest first.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    pub fn get(&self, id: u64) -> Option<&Alert> {
        self.alerts.iter().find(|alert| alert.id == id)
    }

    pub fn firing(&self) -> usize {
        self.alerts.iter().filter(|alert| alert.phase == Phase::Firing).count()
    }

    /// The findings of firing alerts: what has stood for as long as it has to, and so counts.
    pub fn standing(&self) -> Vec<Finding> {
        self.alerts.iter().filter(|alert| alert.phase == Phase::Firing).map(|alert| alert.finding.clone()).collect()
    }

    /// The operator has seen it; it stays until it is resolved, or fires anew when it gets worse.
    pub fn acknowledge(&mut self, id: u64) {
        if let Some(alert) = self.alerts.iter_mut().find(|alert| alert.id == id && alert.phase != Phase::Resolved) {
            alert.acknowledged = true;
        }
    }

    /// Takes in what [`super::check`] found now. Returns what has fired, got worse or been resolved.
    pub fn update(&mut self, findings: &[Finding], now: Time) -> Vec<AlertEvent> {
        let mut events = Vec::new();
        let key = |finding: &Finding| (finding.rule, finding.subject.clone());
        let mut fresh: HashMap<(&'static str, Subject), &Finding> =
            findings.iter().map(|finding| (key(finding), finding)).collect();
        self.alerts.retain_mut(|alert| {
            if alert.phase == Phase::Resolved {
                return true;
            }
            match fresh.remove(&key(&alert.finding)) {
                Some(finding) => {
                    self.clearing.remove(&alert.id);
                    events.extend(seen(alert, finding, now));
                    true
                }
                None if alert.phase == Phase::Pending => false,
                None => {
                    let gone = *self.clearing.entry(alert.id).or_insert(now);
                    if age(now, gone) >= clear(alert.finding.rule) {
                        self.clearing.remove(&alert.id);
                        alert.phase = Phase::Resolved;
                        alert.resolved_at = Some(gone);
                        events.push(AlertEvent { at: now, alert: alert.clone() });
                    }
                    true
                }
            }
        });
        for finding in findings {
            if fresh.remove(&key(finding)).is_none() {
                continue;
            }
            self.last_id += 1;
            let mut alert = Alert {
                id: self.last_id,
                finding: finding.clone(),
                phase: Phase::Pending,
                since: now,
                fired_at: None,
                resolved_at: None,
                acknowledged: false,
            };
            events.extend(seen(&mut alert, finding, now));
            self.alerts.push(alert);
        }
        // As they were found: what follows from a cause stands beneath it. Those that are about to be resolved come after.
        let places: HashMap<_, usize> = findings.iter().enumerate().map(|(at, finding)| (key(finding), at)).collect();
        let place = |alert: &Alert| match alert.phase {
            Phase::Resolved => 0,
            _ => places.get(&key(&alert.finding)).copied().unwrap_or(usize::MAX),
        };
        self.alerts
            .sort_by_cached_key(|alert| (rank(alert), place(alert), Reverse(alert.resolved_at.unwrap_or(alert.since)), alert.id));
        let live = self.alerts.iter().filter(|alert| alert.phase != Phase::Resolved).count();
        self.alerts.truncate(live + KEPT);
        events
    }
}

/// The alert is found once more: it may be time to fire, or it got worse.
fn seen(alert: &mut Alert, finding: &Finding, now: Time) -> Option<AlertEvent> {
    let worse = finding.severity > alert.finding.severity;
    alert.finding = finding.clone();
    // What servers date themselves has stood for as long as they say.
    alert.since = finding.since.map_or(alert.since, |since| since.min(alert.since));
    if alert.phase == Phase::Pending && age(now, alert.since) >= finding.hold {
        alert.phase = Phase::Firing;
        alert.fired_at = Some(now);
    } else if !(alert.phase == Phase::Firing && worse) {
        return None;
    }
    alert.acknowledged &= !worse;
    Some(AlertEvent { at: now, alert: alert.clone() })
}

fn clear(id: &str) -> Duration {
    rule(id).map_or(Duration::ZERO, |rule| rule.clear)
}

fn rank(alert: &Alert) -> u8 {
    match alert.phase {
        Phase::Firing => 0,
        Phase::Pending => 1,
        Phase::Resolved => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::Severity;
    use crate::cluster::sample::noon;
    use chrono::TimeDelta;

    fn finding(rule: &'static str, severity: Severity) -> Finding {
        Finding {
            rule,
            severity,
            subject: Subject::Cluster,
            label: "prod".into(),
            message: "m".into(),
            evidence: Vec::new(),
            outlook: None,
            remedy: "r".into(),
            since: None,
            hold: if rule == "latency.high" { Duration::from_secs(5) } else { Duration::ZERO },
            caused_by: None,
        }
    }

    fn at(seconds: i64) -> Time {
        noon() + TimeDelta::seconds(seconds)
    }

    #[test]
    fn a_rule_that_waits_is_pending_then_fires_then_is_resolved_with_its_duration() {
        let mut log = AlertLog::default();
        let high = [finding("latency.high", Severity::Warning)];
        assert!(log.update(&high, at(0)).is_empty());
        assert_eq!((log.alerts()[0].phase, log.firing()), (Phase::Pending, 0));
        let events = log.update(&high, at(5));
        assert_eq!((events.len(), events[0].alert.phase, log.firing()), (1, Phase::Firing, 1));
        assert!(log.update(&[], at(7)).is_empty(), "what is gone for a moment may come back");
        assert!(log.update(&high, at(8)).is_empty(), "and is the same alert");
        assert!(log.update(&[], at(20)).is_empty());
        let events = log.update(&[], at(30));
        assert_eq!(events[0].alert.phase, Phase::Resolved);
        assert_eq!(events[0].alert.duration(at(99)), Duration::from_secs(20));
        assert_eq!((log.firing(), log.alerts().len()), (0, 1));
    }

    #[test]
    fn what_is_gone_before_it_fires_leaves_no_trace_and_no_id_is_used_twice() {
        let mut log = AlertLog::default();
        log.update(&[finding("latency.high", Severity::Warning)], at(0));
        log.update(&[], at(1));
        assert!(log.alerts().is_empty());
        log.update(&[finding("node.down", Severity::Critical)], at(2));
        assert_eq!(log.alerts()[0].id, 2);
    }

    #[test]
    fn an_acknowledged_alert_that_gets_worse_asks_for_attention_again() {
        let mut log = AlertLog::default();
        log.update(&[finding("node.down", Severity::Warning)], at(0));
        let id = log.alerts()[0].id;
        log.acknowledge(id);
        assert!(log.get(id).unwrap().acknowledged);
        assert!(log.update(&[finding("node.down", Severity::Warning)], at(1)).is_empty());
        assert!(log.get(id).unwrap().acknowledged);
        let events = log.update(&[finding("node.down", Severity::Critical)], at(2));
        assert_eq!((events.len(), log.get(id).unwrap().acknowledged), (1, false));
    }

    #[test]
    fn the_log_is_bounded_and_live_alerts_come_first() {
        let mut log = AlertLog::default();
        for second in 0..(KEPT as i64 + 50) {
            log.update(&[finding("node.down", Severity::Critical)], at(second * 2));
            log.update(&[], at(second * 2 + 1));
        }
        log.update(&[finding("latency.high", Severity::Warning), finding("node.loading", Severity::Warning)], at(5000));
        assert_eq!(log.alerts().len(), KEPT + 2);
        let phases: Vec<Phase> = log.alerts().iter().take(3).map(|alert| alert.phase).collect();
        assert_eq!(phases, [Phase::Firing, Phase::Pending, Phase::Resolved]);
    }
}
