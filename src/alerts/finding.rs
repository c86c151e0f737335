//! PURE. A finding: a rule that does not hold, about whom, why in a sentence, and what to do.

use std::fmt;
use std::time::Duration;

use crate::cluster::{NodeId, ShardName, SlotSet, Time};
use crate::plan::Intent;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    Info,
    /// The next fault will be felt.
    Warning,
    /// Players feel it, or data is going.
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
    /// Who says so, or which figures of whom: one short line each.
    pub evidence: Vec<String>,
    /// What happens by itself, and by when: "10.0.0.4:7003 is being elected, expected by 14:02:20".
    pub outlook: Option<String>,
    pub remedy: Remedy,
    /// Since when, where servers date it themselves; otherwise it counts from when it was first found.
    pub since: Option<Time>,
    /// How long it has to stand before it counts. Until then it is pending: shown, and no part of the verdict.
    pub hold: Duration,
    /// The finding that explains this one.
    pub caused_by: Option<Cause>,
}

/// Which finding explains another: its rule and its subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cause {
    pub rule: &'static str,
    pub subject: Subject,
    /// The subject in words.
    pub label: String,
}

impl Finding {
    /// Who says so.
    pub fn proved_by(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    pub fn expecting(mut self, outlook: Option<String>) -> Self {
        self.outlook = outlook;
        self
    }

    /// The servers themselves have dated it.
    pub fn dated(mut self, since: Option<Time>) -> Self {
        self.since = since.or(self.since);
        self
    }

    pub fn held_for(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// It is the finding that this names.
    pub fn is(&self, cause: &Cause) -> bool {
        self.rule == cause.rule && self.subject == cause.subject
    }

    pub fn as_cause(&self) -> Cause {
        Cause { rule: self.rule, subject: self.subject.clone(), label: self.label.clone() }
    }
}

/// What to do about a finding: in words that stand in a shell, and the operation of this program that does it, so that a
/// front end can name the key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remedy {
    /// Complete by itself, commands in backticks.
    pub says: String,
    pub intent: Option<Intent>,
}

impl Remedy {
    pub fn with(says: impl Into<String>, intent: Intent) -> Self {
        Self { says: says.into(), intent: Some(intent) }
    }

    pub fn is_empty(&self) -> bool {
        self.says.is_empty()
    }
}

/// Replaces the commands of this program in a sentence: `says` has them as `` `rgc-tui failover …` ``, `spell` is given what
/// stands behind the program's name, and answers with what stands there instead.
pub fn with_commands(says: &str, mut spell: impl FnMut(&str) -> String) -> String {
    const OPENS: &str = "`rgc-tui ";
    let mut text = String::new();
    let mut rest = says;
    while let Some((before, after)) = rest.split_once(OPENS)
        && let Some((command, after)) = after.split_once('`')
    {
        text.push_str(before);
        text.push_str(&spell(command));
        rest = after;
    }
    text.push_str(rest);
    text
}

impl From<String> for Remedy {
    fn from(says: String) -> Self {
        Self { says, intent: None }
    }
}

impl From<&str> for Remedy {
    fn from(says: &str) -> Self {
        says.to_string().into()
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
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
