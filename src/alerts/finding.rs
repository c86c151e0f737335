//! PURE. A finding: a rule that does not hold, about whom, why in a sentence, and what to do.

use std::time::Duration;

use crate::cluster::{NodeId, ShardName, SlotSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Whom a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Cluster,
    Node(NodeId),
    Shard(ShardName),
    Slots(SlotSet),
}

/// A rule that does not hold right now.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The rule's stable id: `node.down`.
    pub rule: &'static str,
    pub severity: Severity,
    pub subject: Subject,
    /// The subject in words: an address, `shard C`, `slots 0-99`, the cluster's name.
    pub label: String,
    /// One sentence with the figures, without the subject: "refused for 3 s".
    pub message: String,
    /// What to do, with the command or key that does it.
    pub remedy: String,
}

/// One answer to "is it well?".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Nobody has answered yet.
    #[default]
    Unknown,
    Ok,
    Warning,
    Critical,
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// `[alerts]` of the configuration; the defaults are the guide's.
#[derive(Clone, Debug, PartialEq)]
pub struct Thresholds {
    pub latency: Duration,
    pub memory_percent: f64,
    pub cpu_percent: f64,
    pub error_rate_percent: f64,
    /// A node down for this long escalates; the first notice comes at once.
    pub node_down: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(100),
            memory_percent: 85.0,
            cpu_percent: 80.0,
            error_rate_percent: 5.0,
            node_down: Duration::from_secs(120),
        }
    }
}
