//! PURE. Figures of the cluster as a whole, and of this program.

use std::collections::BTreeMap;

use super::{MetricSample, Reading};
use crate::alerts::{Phase, RULES, Verdict};
use crate::cluster::{Health, SLOTS, election};

fn number(count: usize) -> Option<f64> {
    Some(count as f64)
}

/// Somebody has told who owns what.
fn is_told(reading: &Reading<'_>) -> bool {
    reading.model.views().next().is_some() || !reading.model.topology().assigned.is_empty()
}

pub(super) fn verdict(reading: &Reading<'_>) -> Vec<MetricSample> {
    let all = [Verdict::Ok, Verdict::Warning, Verdict::Critical, Verdict::Unknown];
    let value = |verdict: Verdict| f64::from(u8::from(reading.monitor.verdict == verdict));
    all.into_iter()
        .map(|verdict| MetricSample { labels: vec![("verdict", verdict.word().to_owned())], value: value(verdict) })
        .collect()
}

pub(super) fn findings(reading: &Reading<'_>) -> Vec<MetricSample> {
    let counts = |rule: &str| {
        let found = reading.monitor.findings.iter().filter(|finding| finding.rule == rule);
        found.filter(|finding| reading.monitor.phase(finding) != Phase::Pending).count()
    };
    let rules = RULES.iter().filter(|rule| counts(rule.id) > 0 || reading.covers(rule));
    rules.map(|rule| MetricSample { labels: vec![("rule", rule.id.to_owned())], value: counts(rule.id) as f64 }).collect()
}

pub(super) fn each_finding(reading: &Reading<'_>) -> Vec<MetricSample> {
    let sample = |finding: &crate::alerts::Finding| MetricSample {
        labels: vec![
            ("rule", finding.rule.to_owned()),
            ("severity", finding.severity.word().to_owned()),
            ("phase", reading.monitor.phase(finding).word().to_owned()),
            ("subject", finding.label.clone()),
        ],
        value: 1.0,
    };
    let mut samples: Vec<MetricSample> = reading.monitor.findings.iter().map(sample).collect();
    samples.sort_by(|a, b| a.labels.cmp(&b.labels));
    samples.dedup_by(|a, b| a.labels == b.labels);
    samples
}

pub(super) fn healths(reading: &Reading<'_>) -> Vec<MetricSample> {
    let mut counts: BTreeMap<&str, u32> = Health::ALL.iter().map(|health| (health.word(), 0)).collect();
    for node in reading.model.nodes() {
        *counts.entry(node.health.word()).or_default() += 1;
    }
    let sample =
        |(health, count): (&str, u32)| MetricSample { labels: vec![("health", health.to_owned())], value: f64::from(count) };
    counts.into_iter().map(sample).collect()
}

pub(super) fn slots_assigned(reading: &Reading<'_>) -> Option<f64> {
    number(reading.model.topology().assigned.len()).filter(|_| is_told(reading))
}

pub(super) fn slots_served(reading: &Reading<'_>) -> Option<f64> {
    number(reading.model.topology().served.len()).filter(|_| is_told(reading))
}

pub(super) fn slots_refused(reading: &Reading<'_>) -> Option<f64> {
    slots_served(reading).map(|served| f64::from(SLOTS) - served)
}

pub(super) fn slots_open(reading: &Reading<'_>) -> Option<f64> {
    number(reading.model.topology().open_slots().len()).filter(|_| is_told(reading))
}

pub(super) fn rooms(reading: &Reading<'_>) -> Option<f64> {
    reading.counted().then(|| reading.model.rooms().total().rooms as f64)
}

pub(super) fn players(reading: &Reading<'_>) -> Option<f64> {
    reading.counted().then(|| reading.model.rooms().total().players as f64)
}

/// Rooms of a master that has fallen silent are those that were seen before: whoever has never been through them cannot tell.
pub(super) fn rooms_refused(reading: &Reading<'_>) -> Option<f64> {
    reading.counted().then(|| reading.model.unserved().1.rooms as f64)
}

pub(super) fn players_refused(reading: &Reading<'_>) -> Option<f64> {
    reading.counted().then(|| reading.model.unserved().1.players as f64)
}

pub(super) fn votes_alive(reading: &Reading<'_>) -> Option<f64> {
    is_told(reading).then(|| f64::from(election::votes(reading.model, &[]).alive))
}

pub(super) fn votes_needed(reading: &Reading<'_>) -> Option<f64> {
    is_told(reading).then(|| f64::from(election::votes(reading.model, &[]).needed))
}

pub(super) fn views_agree(reading: &Reading<'_>) -> Option<f64> {
    reading.model.views().next().map(|_| f64::from(u8::from(reading.model.agrees())))
}

pub(super) fn epoch(reading: &Reading<'_>) -> Option<f64> {
    is_told(reading).then(|| reading.model.current_epoch() as f64)
}

pub(super) fn observations(reading: &Reading<'_>) -> Option<f64> {
    Some(reading.cost.observations as f64)
}

pub(super) fn own_cpu(reading: &Reading<'_>) -> Option<f64> {
    reading.cost.cpu.map(|cpu| cpu.as_secs_f64())
}

pub(super) fn own_memory(reading: &Reading<'_>) -> Option<f64> {
    reading.cost.resident_bytes.map(|bytes| bytes as f64)
}
