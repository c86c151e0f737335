//! PURE. `check`: every rule, whether it holds, and what to do where it does not.

use serde_json::{Value as Json, json};

use super::paint::Paint;
use super::picture::{Picture, finding_json, glyph};
use super::status::verdict_line;
use super::table::csv;
use crate::alerts::{Finding, RULES, Rule};

fn of<'a>(picture: &'a Picture, rule: &Rule) -> Vec<&'a Finding> {
    picture.findings.iter().filter(|finding| finding.rule == rule.id).collect()
}

pub(super) fn json(picture: &Picture) -> Json {
    let rules: Vec<Json> = RULES
        .iter()
        .map(|rule| {
            let found = of(picture, rule);
            json!({
                "rule": rule.id,
                "title": rule.title,
                "holds": found.is_empty(),
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
        if found.is_empty() {
            text.push_str(&format!("✓ {:width$}  {}\n", rule.id, paint.faint(&format!("ok: not \"{}\"", rule.title))));
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
