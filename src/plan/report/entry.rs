//! PURE. One line of the ledger, written and read: the names of its fields are here and nowhere else.

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use crate::cluster::{Model, Time};

use crate::plan::report::json as plain;
use crate::plan::report::unfinished::Ended;
use crate::plan::{Code, Plan, Report, Unfinished};

/// What is beside the plan and its report.
#[derive(Clone, Debug)]
pub struct Circumstances {
    pub at: Time,
    pub who: String,
    /// Of an operation that wrote one; its file is gone when nothing is left of it.
    pub journal: Option<String>,
    /// Each with its node and its reply.
    pub commands: Vec<Value>,
    /// So many more were sent than are kept.
    pub not_kept: usize,
}

/// The entry of an operation that has ended.
pub fn write(plan: &Plan, report: &Report, model: &Model, beside: Circumstances) -> Value {
    let mut whole = plain::plan(plan, model);
    if let Some(fields) = whole.as_object_mut() {
        // What was sent is told in `commands`; what might have been sent is not needed twice.
        fields.shift_remove("commands");
    }
    json!({
        "at": beside.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "who": beside.who,
        "cluster": plan.cluster,
        "journal": beside.journal,
        "intent": plan.intent.to_string(),
        "outcome": report.outcome.word(),
        "code": report.outcome.code().word(),
        "reasons": plain::sentences(report.outcome.reasons()),
        "codes": plain::codes(report.outcome.reasons()),
        "seconds": report.elapsed.as_secs_f64(),
        "figures": plain::figures(report),
        "commands": beside.commands,
        "commands_not_kept": beside.not_kept,
        "plan": whole,
    })
}

/// The entry of an operation whose console died before it wrote one, written when nothing is left of it to be put right.
pub fn write_afterwards(unfinished: &Unfinished, cluster: &str, beside: Circumstances) -> Value {
    let broken_off = || {
        let reason = format!("begun {} and broken off: {}; put right since", unfinished.began, unfinished.progress());
        Ended { outcome: "failed".into(), code: Some(Code::BrokenOff.word().into()), reasons: vec![reason] }
    };
    let Ended { outcome, code, reasons } = unfinished.ended.clone().unwrap_or_else(broken_off);
    json!({
        "at": beside.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "who": beside.who,
        "cluster": cluster,
        "journal": beside.journal,
        "intent": unfinished.intent,
        "outcome": outcome,
        "code": code,
        "reasons": reasons,
        "seconds": 0.0,
        "figures": {},
        "commands": beside.commands,
        "commands_not_kept": beside.not_kept,
        "plan": null,
    })
}

/// What a list shows of an entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    pub at: String,
    pub who: String,
    pub cluster: String,
    pub intent: String,
    pub outcome: String,
    /// None in lines of before there were codes.
    pub code: Option<String>,
    pub reasons: Vec<String>,
    pub seconds: f64,
    /// Who a failover was to make master.
    pub winner: Option<String>,
}

impl Entry {
    /// None for a line that is no entry: torn, or from somebody else.
    pub fn read(line: &str) -> Option<Self> {
        let entry: Map<String, Value> = serde_json::from_str(line).ok()?;
        let text = |name: &str| entry.get(name)?.as_str().map(str::to_owned);
        let reasons = entry.get("reasons").and_then(Value::as_array);
        Some(Self {
            at: text("at")?,
            who: text("who")?,
            cluster: text("cluster")?,
            intent: text("intent")?,
            outcome: text("outcome")?,
            code: text("code"),
            reasons: reasons.into_iter().flatten().filter_map(|reason| reason.as_str().map(str::to_owned)).collect(),
            seconds: entry.get("seconds").and_then(Value::as_f64).unwrap_or(0.0),
            winner: entry.get("plan").and_then(|plan| plan.pointer("/predicted/winner")?.as_str().map(str::to_owned)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::{Sample, noon};
    use crate::plan::{Facts, Intent, Mode, Outcome, plan};

    #[test]
    fn what_is_written_is_read() {
        let model = Sample::new(3, 1).model;
        let intent = Intent::Failover { node: "B".into(), mode: Mode::Graceful };
        let plan = plan(&intent, &Facts::of(&model), noon()).unwrap();
        let outcome = Outcome::Failed(Code::NodesDisagree.each(["no".to_owned(), "not \"now\"".to_owned()]));
        let report = Report { outcome, elapsed: std::time::Duration::from_millis(1500), figures: Vec::new() };
        let beside = Circumstances { at: noon(), who: "ann".into(), journal: None, commands: Vec::new(), not_kept: 0 };
        let line = write(&plan, &report, &model, beside).to_string();
        let entry = Entry::read(&line).unwrap();
        assert_eq!((entry.who.as_str(), entry.outcome.as_str(), entry.seconds), ("ann", "failed", 1.5));
        assert_eq!((entry.reasons.len(), entry.intent), (2, plan.intent.to_string()));
        assert_eq!(entry.code.as_deref(), Some("nodes_disagree"));
        assert_eq!(Entry::read(line.get(..40).unwrap()), None);
    }
}
