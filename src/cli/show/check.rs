//! PURE. `check`: every rule, whether it holds, and what to do where it does not.

use serde_json::{Value as Json, json};

use crate::alerts::{Finding, Measurement, RULES, Rule};
use crate::cli::context::paint::Paint;
use crate::cli::context::picture::LookPicture;
use crate::cli::show::status::{findings, verdict_line};
use crate::cli::show::table::csv;
use crate::quantity::count;

fn of<'a>(picture: &'a LookPicture, rule: &Rule) -> Vec<&'a Finding> {
    picture.monitor.findings.iter().filter(|finding| finding.rule == rule.id).collect()
}

/// How a rule stands.
#[derive(Clone, PartialEq, Eq)]
enum RuleState {
    Holds,
    Broken,
    /// Nobody knows, and why.
    NotMeasured(String),
}

impl RuleState {
    fn of(picture: &LookPicture, rule: &Rule, found: &[&Finding]) -> Self {
        match rule.needs() {
            _ if !found.is_empty() => Self::Broken,
            Some(need) if !picture.measured.covers(rule) => Self::NotMeasured(match need {
                Measurement::Rates => "not measured: --rates does".into(),
                Measurement::Rooms if picture.rooms_denied().is_some() => {
                    format!("not known: {}", picture.rooms_denied().unwrap_or_default())
                }
                Measurement::Rooms if picture.measured.rooms => "not known: not every master could be gone through".into(),
                Measurement::Rooms => "not measured: --rooms does".into(),
            }),
            _ => match rule.untold(&picture.model) {
                Some((command, node)) => Self::NotMeasured(format!("not known: {} does not tell {command}", node.address)),
                None => Self::Holds,
            },
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::NotMeasured(_) => "not measured",
        }
    }

    fn holds(&self) -> Option<bool> {
        match self {
            Self::Holds => Some(true),
            Self::Broken => Some(false),
            Self::NotMeasured(_) => None,
        }
    }
}

pub(crate) fn json(picture: &LookPicture) -> Json {
    let rules: Vec<Json> = RULES
        .iter()
        .map(|rule| {
            let found = of(picture, rule);
            let state = RuleState::of(picture, rule, &found);
            json!({
                "rule": rule.id,
                "title": rule.title,
                "state": state.word(),
                "holds": state.holds(),
                "severity": found.iter().map(|finding| finding.severity).max().unwrap_or(rule.severity).word(),
                "says": rule.says,
                "remedy": rule.remedy,
                "findings": found.into_iter().map(|finding| picture.finding_json(finding)).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"cluster": picture.model.name, "verdict": picture.verdict.word(), "rules": rules})
}

pub(crate) fn as_csv(picture: &LookPicture) -> String {
    let rows: Vec<Json> = picture.monitor.findings.iter().map(|finding| picture.finding_json(finding)).collect();
    csv(&["rule", "severity", "phase", "subject", "message", "remedy"], &rows)
}

/// What does not hold first, causes before what follows from them; then what holds, and how much that is.
pub(crate) fn text(picture: &LookPicture, paint: Paint) -> String {
    let mut text = format!("{}\n\n", verdict_line(picture, paint));
    if !picture.monitor.findings.is_empty() {
        text.push_str(&findings(picture, paint));
        text.push('\n');
    }
    let states: Vec<(&Rule, RuleState)> =
        RULES.iter().map(|rule| (rule, RuleState::of(picture, rule, &of(picture, rule)))).collect();
    let held = states.iter().filter(|(_, state)| *state == RuleState::Holds).count();
    text.push_str(&format!("{} hold{}\n", count(held, "rule"), if held == 1 { "s" } else { "" }));
    let width = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    for (rule, state) in states {
        match state {
            RuleState::Holds => text.push_str(&format!("✓ {:width$}  {}\n", rule.id, paint.faint(rule.holds))),
            RuleState::NotMeasured(why) => text.push_str(&format!("? {:width$}  {}\n", rule.id, paint.faint(&why))),
            RuleState::Broken => {}
        }
    }
    text
}
