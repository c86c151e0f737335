//! PURE. `status`: the verdict, one table, and the findings with what to do about them.

use serde_json::{Value as Json, json};

use crate::alerts::{Finding, Phase};
use crate::cli::context::paint::Paint;
use crate::cli::context::picture::{LookPicture, glyph, verdict_glyph};
use crate::cli::show::nodes;
use crate::quantity::age;

pub(crate) fn json(picture: &LookPicture) -> Json {
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

/// `prod  ✖ CRITICAL  shard C has no master · …`, and below it what happens by itself and what to do.
pub(crate) fn verdict_line(picture: &LookPicture, paint: Paint) -> String {
    let word = format!("{} {}", verdict_glyph(picture.verdict), picture.verdict.word().to_uppercase());
    let headline = &picture.monitor.headline;
    let mut text = format!("{}  {}  {}", picture.model.name, paint.verdict(picture.verdict, &word), headline.first());
    let others = (!headline.others.is_empty()).then(|| headline.others.join(" · "));
    let below = [("also", &others), ("happened", &headline.past), ("expected", &headline.outlook), ("next", &headline.next)];
    for (title, says) in below.into_iter().filter_map(|(title, says)| Some((title, says.as_ref()?))) {
        text.push_str(&format!("\n  {title}: {}", picture.pasted(says)));
    }
    text
}

pub(crate) fn text(picture: &LookPicture, paint: Paint) -> String {
    let mut text = format!("{}\n\n{}\n", verdict_line(picture, paint), nodes::text(picture));
    let topology = picture.model.topology();
    if picture.topology == "cluster" {
        let (assigned, served, open) = (topology.assigned.len(), topology.served.len(), topology.open_slots().len());
        text.push_str(&format!("slots {assigned} of 16384 assigned, {served} served, {open} open · "));
    }
    text.push_str(&picture.rooms_text());
    text.push('\n');
    if !picture.monitor.findings.is_empty() {
        text.push('\n');
        text.push_str(&findings(picture, paint));
    }
    text
}

/// One finding on two lines: what, and what to do. What follows from another stands beneath it.
pub(crate) fn findings(picture: &LookPicture, paint: Paint) -> String {
    picture.monitor.findings.iter().map(|finding| one(picture, finding, paint)).collect()
}

/// `✖ node.down  10.0.0.1:7000: refused …` and its remedy; one that does not count yet says so.
pub(crate) fn one(picture: &LookPicture, finding: &Finding, paint: Paint) -> String {
    let phase = picture.monitor.phase(finding);
    let indent = if finding.caused_by.is_some() { "  └ " } else { "" };
    let pending = if phase == Phase::Pending { format!("pending, counts after {} · ", age(finding.hold)) } else { String::new() };
    let sign = if phase == Phase::Pending { "·" } else { glyph(finding.severity) };
    let rule = paint.severity(finding.severity, &format!("{sign} {}", finding.rule));
    let mut text = format!("{indent}{rule}  {pending}{}: {}\n", finding.label, finding.message);
    // What to do about a consequence is what to do about its cause.
    if finding.caused_by.is_none() {
        if let Some(outlook) = &finding.outlook {
            text.push_str(&format!("    expected: {outlook}\n"));
        }
        if !finding.remedy.is_empty() {
            text.push_str(&format!("    → {}\n", picture.pasted(&finding.remedy.says)));
        }
    }
    text
}
