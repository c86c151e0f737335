//! PURE. What one look at the cluster came to: the model with the conclusions drawn from it, and the order of its nodes.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::alerts::{Finding, Measurement, Phase, Rule, Severity, Verdict, with_commands};
use crate::cluster::{Model, Node, NodeId, ShardName, Time};
use crate::monitor::Monitor;
use crate::quantity::{count, list};

/// What has been measured beside one sample of every node. What has not is null and no rule is said to hold for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// The rates of every node that answers.
    pub rates: bool,
    /// Keys have been gone through.
    pub rooms: bool,
    /// All of them; otherwise the counts are of the rooms found so far.
    pub rooms_complete: bool,
}

impl Measured {
    /// False: the rule may be broken without this look having seen it.
    pub(crate) fn covers(self, rule: &Rule) -> bool {
        match rule.needs() {
            None => true,
            Some(Measurement::Rates) => self.rates,
            Some(Measurement::Rooms) => self.rooms_complete,
        }
    }
}

/// Everything a one-shot command prints from.
#[derive(Debug)]
pub(crate) struct LookPicture {
    pub model: Model,
    /// What is concluded from it; a finding that has not stood for long enough is pending.
    pub monitor: Monitor,
    pub verdict: Verdict,
    /// `cluster` or `standalone`.
    pub topology: &'static str,
    pub measured: Measured,
    /// How this cluster is named on a command line.
    pub invocation: String,
    pub now: Time,
}

impl LookPicture {
    /// Shard by shard, each master before its replicas; then those that belong to none.
    pub(crate) fn nodes(&self) -> Vec<&Node> {
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
    pub(crate) fn shard_of_slot(&self, slot: u16) -> Option<ShardName> {
        self.model.node(self.model.topology().owner(slot)?)?.shard
    }

    /// Null: not counted.
    pub(crate) fn rooms_json(&self) -> Json {
        let counted = (self.measured.rooms && self.rooms_denied().is_none()).then(|| self.model.rooms().total());
        let complete = self.measured.rooms.then_some(self.measured.rooms_complete);
        json!({"total": counted.map(|total| total.rooms), "players": counted.map(|total| total.players), "complete": complete})
    }

    /// Why rooms are not known, where this user may not look for them.
    pub(crate) fn rooms_denied(&self) -> Option<String> {
        let at: Vec<String> = self.model.rooms().denied().map(ToString::to_string).collect();
        (!at.is_empty()).then(|| {
            let (verb, there) = if at.len() == 1 { ("does", "there") } else { ("do", "on each of them") };
            format!("{} {verb} not let this user go through keys: it needs +scan {there}", list(&at))
        })
    }

    /// `at least 12 rooms, 30 players`.
    pub(crate) fn rooms_text(&self) -> String {
        if !self.measured.rooms {
            return "rooms are not counted (--rooms counts them)".to_owned();
        }
        let total = self.model.rooms().total();
        if let Some(why) = self.rooms_denied().filter(|_| total.rooms == 0) {
            return format!("rooms are not known: {why}");
        }
        let about = if self.measured.rooms_complete { "" } else { "at least " };
        let why = self.rooms_denied().map(|why| format!(" ({why})")).unwrap_or_default();
        format!("{about}{}, {}{why}", count(total.rooms, "room"), count(total.players, "player"))
    }

    pub(crate) fn slots_json(&self) -> Json {
        let topology = self.model.topology();
        let known = self.model.nodes().any(|node| node.last_answer.is_some());
        json!({
            "assigned": known.then(|| topology.assigned.len()),
            "served": known.then(|| topology.served.len()),
            "open": known.then(|| topology.open_slots().len()),
        })
    }

    pub(crate) fn findings_json(&self) -> Json {
        self.monitor.findings.iter().map(|finding| self.finding_json(finding)).collect()
    }

    pub(crate) fn finding_json(&self, finding: &Finding) -> Json {
        let mut json = finding_json(finding, self.monitor.phase(finding));
        if let Some(remedy) = json.get_mut("remedy") {
            *remedy = self.pasted(&finding.remedy.says).into();
        }
        json
    }

    /// A sentence whose commands can be pasted into the shell that this one was given to.
    pub(crate) fn pasted(&self, says: &str) -> String {
        with_commands(says, |command| format!("`{} {command}`", self.invocation))
    }
}

/// A finding as every command's JSON shows it.
pub(crate) fn finding_json(finding: &Finding, phase: Phase) -> Json {
    json!({
        "rule": finding.rule,
        "severity": finding.severity.word(),
        "phase": phase.word(),
        "subject": finding.label,
        "message": finding.message,
        "evidence": finding.evidence,
        "outlook": finding.outlook,
        "remedy": finding.remedy.says,
        "caused_by": finding.caused_by.as_ref().map(|cause| json!({"rule": cause.rule, "subject": cause.label})),
    })
}

/// A glyph beside every severity, so that colour never carries the meaning alone.
pub(crate) fn glyph(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "i",
        Severity::Warning => "!",
        Severity::Critical => "✖",
    }
}

pub(crate) fn verdict_glyph(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "●",
        Verdict::Warning => "!",
        Verdict::Critical => "✖",
        Verdict::Unknown => "?",
    }
}
