//! PURE. Rules over the model: what does not hold (findings), and findings over time (alerts).
//!
//! [`check`] looks at the model as it is now; [`AlertLog`] remembers for how long a rule has not held and when that
//! becomes an alert; [`headline`] says the gist of it in one line.

mod finding;
mod headline;
mod log;
mod look;
mod rule;
mod rules;
mod words;

pub use finding::{Finding, Severity, Subject, Thresholds, Verdict};
pub use headline::headline;
pub use log::{Alert, AlertEvent, AlertLog, Phase};
pub use rule::Rule;
pub use rules::RULES;

use crate::cluster::{Health, Model, SlotSet, Time};
use look::Look;

/// Everything that does not hold right now, the worst first. Needs no history: a rule's `for_` is the log's business.
pub fn check(model: &Model, thresholds: &Thresholds, now: Time) -> Vec<Finding> {
    check_during(model, thresholds, now, &SlotSet::default())
}

/// The same while an operation of ours moves slots: open slots among `moving` are its work, not a finding.
pub fn check_during(model: &Model, thresholds: &Thresholds, now: Time, moving: &SlotSet) -> Vec<Finding> {
    let look = Look::new(model, thresholds, now, moving);
    let mut findings = Vec::new();
    for rule in RULES {
        (rule.find)(rule, &look, &mut findings);
    }
    // Stable: within one severity the table's order stays, causes before consequences.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The rule with this id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// One answer to "is it well?". A cluster of which something has not been heard yet is not well: it is unknown.
pub fn verdict(model: &Model, findings: &[Finding]) -> Verdict {
    match findings.iter().map(|finding| finding.severity).max() {
        Some(Severity::Critical) => Verdict::Critical,
        Some(Severity::Warning) => Verdict::Warning,
        _ if model.nodes().next().is_none() => Verdict::Unknown,
        _ if model.nodes().any(|node| node.health == Health::Unknown && !node.flags.noaddr) => Verdict::Unknown,
        _ => Verdict::Ok,
    }
}
