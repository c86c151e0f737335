//! PURE. The verdict line's sentence: the gist first, because a narrow screen cuts the rest off.

use super::words::{count, list, people};
use super::{Finding, Severity};
use crate::cluster::{Health, Model, SLOTS, Shard, Time};

/// One line that says how the cluster is; never empty.
///
/// `shard C has no master · 5461 slots unserved · 61 rooms, 204 players`
pub fn headline(model: &Model, findings: &[Finding], _now: Time) -> String {
    if model.nodes().next().is_none() {
        return "no node has been asked yet".into();
    }
    let standing = |severity| findings.iter().filter(move |finding| finding.severity == severity);
    if standing(Severity::Critical).next().is_some() {
        return outage(model).unwrap_or_else(|| gist(findings, Severity::Critical));
    }
    if standing(Severity::Warning).next().is_some() {
        return gist(findings, Severity::Warning);
    }
    unknown(model).unwrap_or_else(|| healthy(model))
}

/// What players feel comes before everything else: slots that nobody serves.
fn outage(model: &Model) -> Option<String> {
    if model.nodes().all(|node| node.is_down()) {
        return None;
    }
    let (slots, tally) = model.unserved();
    if slots.is_empty() || model.topology().assigned.is_empty() && model.views().next().is_none() {
        return None;
    }
    let mut parts = Vec::new();
    let headless =
        |shard: &&Shard| shard.slot_count > 0 && shard.master.and_then(|id| model.node(id)).is_none_or(|master| master.is_down());
    let names: Vec<String> = model.topology().shards.iter().filter(headless).map(|shard| shard.name.to_string()).collect();
    match names.len() {
        0 => {}
        1 => parts.push(format!("shard {} has no master", list(&names))),
        2..=6 => parts.push(format!("shards {} have no master", names.join(" "))),
        many => parts.push(format!("{many} shards have no master")),
    }
    match slots.len() {
        all if all == usize::from(SLOTS) => parts.push("no slot is served".to_string()),
        some => parts.push(format!("{} unserved", count(some, "slot"))),
    }
    parts.extend(people(&tally));
    Some(parts.join(" · "))
}

/// The first finding of that severity in full, and how many more there are of it.
fn gist(findings: &[Finding], severity: Severity) -> String {
    let mut same = findings.iter().filter(|finding| finding.severity == severity);
    let Some(first) = same.next() else { return String::new() };
    let more = same.count();
    let sentence = format!("{} {}", first.label, first.message);
    if more == 0 || first.rule == "cluster.unreachable" { sentence } else { format!("{sentence} · {more} more") }
}

/// Somebody has not been heard yet.
fn unknown(model: &Model) -> Option<String> {
    let mut waiting: Vec<String> = model
        .nodes()
        .filter(|node| node.health == Health::Unknown && !node.flags.noaddr)
        .map(|node| node.address.to_string())
        .collect();
    waiting.sort();
    (!waiting.is_empty()).then(|| format!("asking {} …", list(&waiting)))
}

fn healthy(model: &Model) -> String {
    let nodes = model.nodes().count();
    let topology = model.topology();
    if topology.assigned.is_empty() {
        return format!("{} answer{}", count(nodes, "node"), if nodes == 1 { "s" } else { "" });
    }
    let owning: Vec<&Shard> = topology.shards.iter().filter(|shard| shard.slot_count > 0).collect();
    let backed = owning.iter().all(|shard| !shard.replicas.is_empty());
    let mut text = format!("all {SLOTS} slots served · {}", count(owning.len(), "shard"));
    if backed {
        text += if owning.len() == 1 { ", it has a replica" } else { ", every one with a replica" };
    }
    let total = model.rooms().total();
    if let Some(people) = people(&total) {
        text += &format!(" · {people}");
    }
    text
}
