//! PURE. `status`: the verdict, one table, and the findings with what to do about them.

use serde_json::{Value as Json, json};

use super::nodes;
use super::paint::Paint;
use super::picture::{Picture, glyph, verdict_glyph};

pub(super) fn json(picture: &Picture) -> Json {
    let nodes: Vec<Json> = picture.nodes().into_iter().map(|node| nodes::node_json(node, picture.now)).collect();
    json!({
        "cluster": picture.model.name,
        "topology": picture.topology,
        "verdict": picture.verdict.word(),
        "nodes": nodes,
        "slots": picture.slots_json(),
        "rooms": picture.rooms_json(),
        "findings": picture.findings_json(),
    })
}

/// `prod  ✖ CRITICAL  shard C has no master · …`
pub(super) fn verdict_line(picture: &Picture, paint: Paint) -> String {
    let word = format!("{} {}", verdict_glyph(picture.verdict), picture.verdict.word().to_uppercase());
    format!("{}  {}  {}", picture.model.name, paint.verdict(picture.verdict, &word), picture.headline)
}

pub(super) fn text(picture: &Picture, paint: Paint) -> String {
    let mut text = format!("{}\n\n{}\n", verdict_line(picture, paint), nodes::text(picture));
    let topology = picture.model.topology();
    if picture.topology == "cluster" {
        let (assigned, served, open) = (topology.assigned.len(), topology.served.len(), topology.open_slots().len());
        text.push_str(&format!("slots {assigned} of 16384 assigned, {served} served, {open} open · "));
    }
    text.push_str(&picture.rooms_text());
    text.push('\n');
    if !picture.findings.is_empty() {
        text.push('\n');
        text.push_str(&findings(picture, paint));
    }
    text
}

/// One finding on two lines: what, and what to do.
pub(super) fn findings(picture: &Picture, paint: Paint) -> String {
    let mut text = String::new();
    for finding in &picture.findings {
        let rule = paint.severity(finding.severity, &format!("{} {}", glyph(finding.severity), finding.rule));
        text.push_str(&format!("{rule}  {}: {}\n", finding.label, finding.message));
        if !finding.remedy.is_empty() {
            text.push_str(&format!("    → {}\n", finding.remedy));
        }
    }
    text
}
