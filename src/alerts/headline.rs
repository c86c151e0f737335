//! PURE. The verdict line's sentence: the gist first, because a narrow screen cuts the rest off.

use super::words::{list, people};
use super::{Finding, Severity, Subject};
use crate::cluster::{Health, Model, SLOTS, Shard, Time};
use crate::quantity::count;

/// One line that says how the cluster is; never empty.
///
/// `shard C has no master · 5461 slots unserved · 61 rooms, 204 players`
pub fn headline(model: &Model, findings: &[Finding], _now: Time) -> String {
    if model.nodes().next().is_none() {
        return "no node has been asked yet".into();
    }
    let standing = |severity| findings.iter().filter(move |finding| finding.severity == severity);
    if standing(Severity::Critical).next().is_some() {
        let thin = || thin(model, findings, Severity::Critical);
        return outage(model, findings).or_else(thin).unwrap_or_else(|| gist(model, findings, Severity::Critical));
    }
    if standing(Severity::Warning).next().is_some() {
        return thin(model, findings, Severity::Warning).unwrap_or_else(|| gist(model, findings, Severity::Warning));
    }
    unknown(model).unwrap_or_else(|| healthy(model))
}

/// What players feel comes before everything else: slots that nobody serves.
fn outage(model: &Model, findings: &[Finding]) -> Option<String> {
    if model.nodes().all(|node| node.is_down()) {
        return None;
    }
    let (slots, tally) = model.unserved();
    if slots.is_empty() || model.topology().assigned.is_empty() && model.views().next().is_none() {
        return None;
    }
    let mut parts = Vec::new();
    // Who waits for an election then waits in vain.
    if findings.iter().any(|finding| finding.rule == "quorum.lost") {
        parts.push("no majority".to_string());
    }
    let headless =
        |shard: &&Shard| shard.slot_count > 0 && shard.master.and_then(|id| model.node(id)).is_none_or(|master| master.is_down());
    let names: Vec<String> = model.topology().shards.iter().filter(headless).map(|shard| shard.name.to_string()).collect();
    if !names.is_empty() {
        parts.push(lack(&names, "no master"));
    }
    match slots.len() {
        all if all == usize::from(SLOTS) => parts.push("no slot is served".to_string()),
        some => parts.push(format!("{} unserved", count(some, "slot"))),
    }
    parts.extend(people(&tally));
    Some(parts.join(" · "))
}

/// `shard C has no master`, `shards A B have no replica`, `12 shards have no replica`.
fn lack(shards: &[String], what: &str) -> String {
    match shards.len() {
        1 => format!("shard {} has {what}", shards.join(" ")),
        2..=6 => format!("shards {} have {what}", shards.join(" ")),
        many => format!("{many} shards have {what}"),
    }
}

/// Everything is served and redundancy is what is wrong: said as one thing, with the node behind it.
fn thin(model: &Model, findings: &[Finding], severity: Severity) -> Option<String> {
    let of = |rule: &'static str| findings.iter().filter(move |finding| finding.severity == severity && finding.rule == rule);
    let shards: Vec<String> = of("shard.no_replica")
        .filter_map(|finding| match finding.subject {
            Subject::Shard(name) => Some(name.to_string()),
            _ => None,
        })
        .collect();
    let consequences = ["node.down", "shard.no_replica", "replica.link_down"];
    let other = findings.iter().any(|finding| finding.severity == severity && !consequences.contains(&finding.rule));
    if shards.is_empty() || other || model.topology().served.len() < usize::from(SLOTS) {
        return None;
    }
    let mut parts = vec![lack(&shards, "no replica")];
    let mut down = of("node.down");
    match (down.next(), down.count()) {
        (Some(only), 0) => {
            let node = model.nodes().find(|node| only.subject == Subject::Node(node.id));
            parts.extend(node.map(|node| format!("{} is {}", node.address, node.health)));
        }
        (Some(_), more) => parts.push(format!("{} nodes are down", more + 1)),
        (None, _) => {}
    }
    parts.push(format!("all {SLOTS} slots served"));
    Some(parts.join(" · "))
}

/// The first finding of that severity in full, and how many more there are of it.
fn gist(model: &Model, findings: &[Finding], severity: Severity) -> String {
    let mut same = findings.iter().filter(|finding| finding.severity == severity);
    let Some(first) = same.next() else { return String::new() };
    let more = same.count();
    // A node and what it is are one sentence; the cluster's name stands before it all already.
    let sentence = match first.subject {
        Subject::Node(_) => format!("{} {}", first.label, first.message),
        _ if first.label == model.name => first.message.clone(),
        _ => format!("{}: {}", first.label, first.message),
    };
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
        let masters = owning.iter().filter_map(|shard| Some(&model.node(shard.master?)?.address));
        let about = if model.rooms().complete(masters) { "" } else { "at least " };
        text += &format!(" · {about}{people}");
    }
    text
}
