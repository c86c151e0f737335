//! PURE. `check`: every rule, whether it holds, and what to do where it does not.

use serde_json::{Value as Json, json};

use super::paint::Paint;
use super::picture::{Picture, finding_json, glyph};
use super::status::verdict_line;
use super::table::csv;
use crate::alerts::{Finding, Need, RULES, Rule};

fn of<'a>(picture: &'a Picture, rule: &Rule) -> Vec<&'a Finding> {
    picture.findings.iter().filter(|finding| finding.rule == rule.id).collect()
}

/// How a rule stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Holds,
    Broken,
    /// Nobody knows; this flag measures it.
    NotMeasured(&'static str),
}

impl State {
    fn of(picture: &Picture, rule: &Rule, found: &[&Finding]) -> Self {
        match rule.needs() {
            _ if !found.is_empty() => Self::Broken,
            Some(need) if !picture.measured.covers(rule) => Self::NotMeasured(match need {
                Need::Rates => "--rates",
                Need::Rooms => "--rooms",
            }),
            _ => Self::Holds,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken => "broken",
            Self::NotMeasured(_) => "not measured",
        }
    }

    fn holds(self) -> Option<bool> {
        match self {
            Self::Holds => Some(true),
            Self::Broken => Some(false),
            Self::NotMeasured(_) => None,
        }
    }
}

pub(super) fn json(picture: &Picture) -> Json {
    let rules: Vec<Json> = RULES
        .iter()
        .map(|rule| {
            let found = of(picture, rule);
            let state = State::of(picture, rule, &found);
            json!({
                "rule": rule.id,
                "title": rule.title,
                "state": state.word(),
                "holds": state.holds(),
                "severity": found.iter().map(|finding| finding.severity).max().unwrap_or(rule.severity).word(),
                "says": rule.says,
                "remedy": rule.remedy,
                "findings": found.into_iter().map(finding_json).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({"cluster": picture.model.name, "verdict": picture.verdict.word(), "rules": rules})
}

pub(super) fn as_csv(picture: &Picture) -> String {
    let rows: Vec<Json> = picture.findings.iter().map(finding_json).collect();
    csv(&["rule", "severity", "subject", "message", "remedy"], &rows)
}

pub(super) fn text(picture: &Picture, paint: Paint) -> String {
    let mut text = format!("{}\n\n", verdict_line(picture, paint));
    let width = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
    for rule in RULES {
        let found = of(picture, rule);
        match State::of(picture, rule, &found) {
            State::Holds => {
                text.push_str(&format!("✓ {:width$}  {}\n", rule.id, paint.faint(&format!("ok: not \"{}\"", rule.title))));
            }
            State::NotMeasured(flag) => {
                let measures = paint.faint(&format!("not measured: {flag} does"));
                text.push_str(&format!("? {:width$}  {measures}\n", rule.id));
            }
            State::Broken => {}
        }
        for finding in found {
            let id = paint.severity(finding.severity, &format!("{} {:width$}", glyph(finding.severity), finding.rule));
            text.push_str(&format!("{id}  {}: {}\n", finding.label, finding.message));
            if !finding.remedy.is_empty() {
                text.push_str(&format!("  {:width$}  → {}\n", "", finding.remedy));
            }
        }
    }
    text
}
