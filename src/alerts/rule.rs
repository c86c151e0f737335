//! PURE. A rule: what must hold, for how long it may not, and what to do when it does not.

use std::time::Duration;

use super::look::Look;
use super::{Finding, Remedy, Severity, Subject};
use crate::cluster::{Model, Node, Shard, SlotSet};

/// One row of the table of rules.
#[derive(Debug)]
pub struct Rule {
    /// Stable, for JSON, configuration and conversation: `node.down`.
    pub id: &'static str,
    /// A few words for a heading.
    pub title: &'static str,
    /// What is so while it holds, in a few words: "every slot is served".
    pub holds: &'static str,
    /// When it does not hold, in a sentence.
    pub says: &'static str,
    /// How long it has to be found before it counts; a finding may be sure earlier.
    pub for_: Duration,
    /// How long it has to be gone before the alert is resolved: what flaps stays one alert.
    pub clear: Duration,
    /// The severity it usually has; a finding may be milder or worse.
    pub severity: Severity,
    /// What to do in general; a finding names the node and the command.
    pub remedy: &'static str,
    /// Adds what it finds.
    pub(super) find: fn(&Rule, &Look<'_>, &mut Vec<Finding>),
}

/// What has to be measured beside one sample of every node before a rule can be said to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measurement {
    /// Two INFO replies of a node.
    Rates,
    /// Every key gone through.
    Rooms,
}

impl Rule {
    /// None: one sample tells.
    pub fn needs(&self) -> Option<Measurement> {
        match self.id {
            "memory.evicting" | "cpu.high" | "errors.high" | "clients.redirected" => Some(Measurement::Rates),
            "slots.astray" => Some(Measurement::Rooms),
            _ => None,
        }
    }

    /// For how long its being broken at one look and again at the next says that it was broken in between. What a server is busy
    /// with changes by the minute; what is wrong with it stays until somebody does something.
    pub fn lasts(&self) -> Duration {
        const MINUTES: Duration = Duration::from_secs(10 * 60);
        // A look a day is enough, also when it comes late.
        const DAY: Duration = Duration::from_secs(25 * 60 * 60);
        match self.id {
            "latency.high" | "cpu.high" | "errors.high" | "clients.high" | "clients.redirected" | "memory.evicting"
            | "replica.lag" => MINUTES,
            _ => DAY,
        }
    }

    /// The command without whose reply from every node that answers this rule cannot be said to hold, if it rests on one,
    /// and a node that has not told it. A user may be forbidden to ask.
    pub fn untold<'a>(&self, model: &'a Model) -> Option<(&'static str, &'a Node)> {
        let mut answering = model.nodes().filter(|node| node.health.is_well() && node.id.is_member());
        match self.id {
            "memory.high" | "memory.evicting" | "cpu.high" | "errors.high" | "clients.high" | "clients.redirected"
            | "node.misconf" | "node.full" | "writes.refused" | "replica.lag" | "replica.link_down" | "replica.resync"
            | "shard.lost_writes" => answering.find(|node| node.info.is_none()).map(|node| ("INFO", node)),
            "cluster.down" => answering.find(|node| node.cluster_info.is_none()).map(|node| ("CLUSTER INFO", node)),
            _ => None,
        }
    }

    pub(super) fn on_node(&self, node: &Node, severity: Severity, message: String, remedy: impl Into<Remedy>) -> Finding {
        self.on(Subject::Node(node.id), node.address.to_string(), severity, message, remedy)
    }

    pub(super) fn on_shard(&self, shard: &Shard, severity: Severity, message: String, remedy: impl Into<Remedy>) -> Finding {
        self.on(Subject::Shard(shard.name), format!("shard {}", shard.name), severity, message, remedy)
    }

    pub(super) fn on_slots(&self, slots: &SlotSet, severity: Severity, message: String, remedy: impl Into<Remedy>) -> Finding {
        let label = format!("slots {}", super::words::slots(slots));
        self.on(Subject::Cluster, label, severity, message, remedy)
    }

    pub(super) fn on_cluster(&self, label: String, severity: Severity, message: String, remedy: impl Into<Remedy>) -> Finding {
        self.on(Subject::Cluster, label, severity, message, remedy)
    }

    fn on(&self, subject: Subject, label: String, severity: Severity, message: String, remedy: impl Into<Remedy>) -> Finding {
        Finding {
            rule: self.id,
            severity,
            subject,
            label,
            message,
            evidence: Vec::new(),
            outlook: None,
            remedy: remedy.into(),
            since: None,
            hold: self.for_,
            caused_by: None,
        }
    }
}
