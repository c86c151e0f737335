//! PURE. What one look at the cluster came to: the model with the conclusions drawn from it, and the order of its nodes.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::alerts::{Finding, Severity, Verdict};
use crate::cluster::{Model, Node, NodeId, ShardName, Time};

/// Everything a one-shot command prints from.
#[derive(Debug)]
pub(super) struct Picture {
    pub model: Model,
    pub findings: Vec<Finding>,
    pub verdict: Verdict,
    /// The verdict line's sentence.
    pub headline: String,
    /// `cluster` or `standalone`.
    pub topology: &'static str,
    /// Every room has been seen; otherwise the counts are of those found so far.
    pub rooms_complete: bool,
    pub now: Time,
}

impl Picture {
    /// Shard by shard, each master before its replicas; then those that belong to none.
    pub(super) fn nodes(&self) -> Vec<&Node> {
        let mut seen: BTreeSet<NodeId> = BTreeSet::new();
        let mut nodes: Vec<&Node> = Vec::new();
        let shards = self.model.topology().shards.iter().flat_map(|shard| shard.nodes().collect::<Vec<_>>());
        nodes.extend(shards.filter_map(|id| self.model.node(id)).filter(|node| seen.insert(node.id)));
        let mut others: Vec<&Node> = self.model.nodes().filter(|node| !seen.contains(&node.id)).collect();
        others.sort_by_key(|node| node.address.clone());
        nodes.extend(others);
        nodes
    }

    /// The shard that serves a slot.
    pub(super) fn shard_of_slot(&self, slot: u16) -> Option<ShardName> {
        self.model.node(self.model.topology().owner(slot)?)?.shard
    }

    pub(super) fn slots_json(&self) -> Json {
        let topology = self.model.topology();
        json!({
            "assigned": topology.assigned.len(),
            "served": topology.served.len(),
            "open": topology.open_slots().len(),
        })
    }

    pub(super) fn findings_json(&self) -> Json {
        self.findings.iter().map(finding_json).collect()
    }
}

pub(super) fn finding_json(finding: &Finding) -> Json {
    json!({
        "rule": finding.rule,
        "severity": finding.severity.word(),
        "subject": finding.label,
        "message": finding.message,
        "remedy": finding.remedy,
    })
}

/// A glyph beside every severity, so that colour never carries the meaning alone.
pub(super) fn glyph(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "i",
        Severity::Warning => "!",
        Severity::Critical => "✖",
    }
}

pub(super) fn verdict_glyph(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "●",
        Verdict::Warning => "!",
        Verdict::Critical => "✖",
        Verdict::Unknown => "?",
    }
}
