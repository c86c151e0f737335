//! PURE. Rules about the cluster as a whole: does anybody answer, is there a majority, does it serve.

use std::time::Duration;

use super::super::look::Look;
use super::super::words::list;
use super::super::{Finding, Rule, Severity};
use crate::cluster::Health;
use crate::quantity::count;

pub(super) const UNREACHABLE: Rule = Rule {
    id: "cluster.unreachable",
    title: "nobody answers",
    says: "None of the nodes that are known answers.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Check from this machine: `redis-cli -h HOST -p PORT PING`; give other nodes with --node or [cluster] nodes.",
    find: unreachable,
};

fn unreachable(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let words: Vec<String> = look.nodes().map(|node| format!("{} {}", node.address, node.health)).collect();
    if words.is_empty() || !look.all_down() {
        return;
    }
    let message = match words.len() {
        1 => format!("the only known node does not answer: {}", list(&words)),
        known => format!("none of {known} known nodes answers: {}", list(&words)),
    };
    let address = look.nodes().next().map(|node| node.address.clone());
    let remedy = address.map_or_else(
        || rule.remedy.to_string(),
        |address| {
            format!(
                "check from this machine: `redis-cli -h {} -p {} PING`; if it answers, compare [cluster] nodes, tls and address_map",
                address.host, address.port
            )
        },
    );
    found.push(rule.on_cluster(look.model.name.clone(), Severity::Critical, message, remedy));
}

pub(super) const QUORUM: Rule = Rule {
    id: "quorum.lost",
    title: "no majority of masters",
    says: "Fewer than a majority of the masters with slots answer: no failover can happen by itself.",
    for_: Duration::ZERO,
    clear: Duration::from_secs(2),
    severity: Severity::Critical,
    remedy: "Bring masters back; else `rgc-tui failover REPLICA --mode takeover` on the freshest replica of one shard, then look again.",
    find: quorum,
};

fn quorum(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let (answering, all) = look.quorum();
    let needed = all / 2 + 1;
    // With nobody left there is nothing to say about majorities.
    if all == 0 || look.has_majority() || look.all_down() {
        return;
    }
    let message = format!("{answering} of {} answer, {needed} are needed to elect a new one", count(all, "master"));
    let lost = look.owning().filter(|shard| look.master(shard).is_some_and(|master| master.is_down()));
    let heir = lost.flat_map(|shard| look.heirs(shard)).next();
    let remedy = match heir {
        Some(heir) => format!(
            "bring masters back, their data is the newest; else `rgc-tui failover {} --mode takeover`, one shard at a time",
            heir.address
        ),
        None => "bring masters back: no replica is left that could take over".to_string(),
    };
    found.push(rule.on_cluster(look.model.name.clone(), Severity::Critical, message, remedy));
}

pub(super) const THIN: Rule = Rule {
    id: "quorum.thin",
    title: "no death of a master can be survived",
    says: "One or two masters have slots: when one of them dies no majority is left, and nobody elects its replica.",
    for_: Duration::ZERO,
    clear: Duration::from_secs(2),
    severity: Severity::Info,
    remedy: "Give slots to a third master: `rgc-tui node add`, then `rgc-tui rebalance --use-empty-masters`.",
    find: thin,
};

fn thin(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let (answering, all) = look.quorum();
    // One that has died already is somebody else's finding.
    if !(1..=2).contains(&all) || answering < all {
        return;
    }
    let verb = if all == 1 { "has" } else { "have" };
    let message = format!("{} {verb} all slots: when one dies, no majority is left to elect its replica", count(all, "master"));
    found.push(rule.on_cluster(look.model.name.clone(), Severity::Info, message, "give slots to a third master".to_string()));
}

pub(super) const DOWN: Rule = Rule {
    id: "cluster.down",
    title: "masters refuse all commands",
    says: "A master says cluster_state:fail: it answers CLUSTERDOWN to every command on a key.",
    for_: Duration::ZERO,
    clear: Duration::from_secs(2),
    severity: Severity::Critical,
    remedy: "Find the cause: unserved slots or a lost majority. `cluster-require-full-coverage no` lets the other shards serve meanwhile.",
    find: down,
};

/// A master that has just started says `fail` for two seconds before it accepts writes.
const STARTING: u64 = 5;

fn down(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let masters = || look.nodes().filter(|node| node.is_master() && node.slot_count > 0 && node.serves());
    let failing: Vec<_> = masters()
        .filter(|node| node.health != Health::Unknown && node.cluster_info.as_ref().is_some_and(|info| !info.ok))
        .filter(|node| node.info.as_ref().and_then(|info| info.uptime_seconds).is_none_or(|up| up >= STARTING))
        .collect();
    if failing.is_empty() {
        return;
    }
    let names: Vec<String> = failing.iter().map(|node| node.address.to_string()).collect();
    let message =
        format!("{} of {} answer CLUSTERDOWN: {}", failing.len(), count(masters().count(), "living master"), list(&names));
    let remedy = "heals with its cause: see slots.unserved and quorum.lost; to serve the other shards meanwhile, on every node: \
                  `CONFIG SET cluster-require-full-coverage no`";
    found.push(rule.on_cluster(look.model.name.clone(), Severity::Critical, message, remedy.to_string()));
}
