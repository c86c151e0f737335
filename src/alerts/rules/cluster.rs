//! PURE. Rules about the cluster as a whole: does anybody answer, is there a majority, does it serve.

use std::time::Duration;

use super::super::look::{Look, no_majority};
use super::super::words::{list, people};
use super::super::{Finding, Rule, Severity};
use crate::cluster::election::Votes;
use crate::cluster::{SlotSet, WriteRefusal};
use crate::quantity::count;

pub(super) const UNREACHABLE: Rule = Rule {
    id: "cluster.unreachable",
    title: "nobody answers",
    holds: "the cluster answers",
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
    holds: "a majority of masters is there to elect and to condemn",
    says: "Fewer than a majority of the masters with slots answer: no failover can happen by itself.",
    for_: Duration::ZERO,
    clear: Duration::from_secs(2),
    severity: Severity::Critical,
    remedy: "Bring masters back. Only when they surely serve nowhere: `rgc-tui failover REPLICA --mode takeover`, one shard at a time.",
    find: quorum,
};

fn quorum(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let votes = look.votes();
    // With nobody left there is nothing to say about majorities.
    if votes.voters == 0 || votes.suffice() || look.all_down() {
        return;
    }
    let Votes { alive, needed, voters } = votes;
    let message = format!("{alive} of {} answer, {needed} are needed to elect a new one", count(voters, "master"));
    let lost = || look.owning().filter(|shard| look.master(shard).is_some_and(|master| master.is_down()));
    let shard = lost().find(|shard| look.election(shard).candidates.iter().any(|candidate| candidate.obstacle.is_none()));
    let remedy = match shard.or_else(|| lost().next()) {
        Some(shard) => look.without_majority(shard),
        None => "bring masters back".into(),
    };
    // Nobody counts as lost before each of them surely is.
    let masters = look.nodes().filter(|node| node.is_master() && node.slot_count > 0 && node.is_down());
    let hold = masters.map(|node| super::nodes::hold(look, node)).max().unwrap_or_default();
    let finding = rule.on_cluster(look.model.name.clone(), Severity::Critical, message, remedy).held_for(hold);
    found.push(finding.expecting(look.partition.is_none().then(|| no_majority(votes))));
}

pub(super) const MINORITY: Rule = Rule {
    id: "console.minority",
    title: "this console sees a minority",
    holds: "this console reaches a majority of masters",
    says: "Fewer than a majority of masters answer this console, and nothing says that the others' processes have ended.",
    for_: Duration::from_secs(1),
    clear: Duration::from_secs(2),
    severity: Severity::Warning,
    remedy: "Look from another host before anything is taken over: the other masters may be well and serve.",
    find: minority,
};

fn minority(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let masters: Vec<_> = look.nodes().filter(|node| node.is_master() && node.slot_count > 0).collect();
    let reached = masters.iter().filter(|node| !node.health.is_down()).count();
    if masters.is_empty() || reached * 2 > masters.len() || look.surely_gone() || look.all_down() {
        return;
    }
    let unreached = masters.iter().filter(|node| node.is_out_of_reach()).count();
    let others = match (reached, unreached) {
        (_, all) if all + reached == masters.len() => "the others are in touch with one another".to_string(),
        _ => "it may be in the minority of a partition".to_string(),
    };
    let message = format!("this console reaches {reached} of {}: {others}", count(masters.len(), "master"));
    let remedy = "look from another host before anything is taken over; no takeover from here";
    found.push(rule.on_cluster(look.model.name.clone(), Severity::Warning, message, remedy));
}

pub(super) const THIN: Rule = Rule {
    id: "quorum.thin",
    title: "too few masters for a failover",
    holds: "the death of any one master leaves a majority",
    says: "One or two masters have slots: when one of them dies no majority is left, and nobody elects its replica.",
    for_: Duration::ZERO,
    clear: Duration::from_secs(2),
    severity: Severity::Info,
    remedy: "Give slots to a third master: `rgc-tui node add`, then `rgc-tui rebalance --use-empty-masters`.",
    find: thin,
};

fn thin(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let Votes { alive, voters, .. } = look.votes();
    // One that has died already is somebody else's finding.
    if !(1..=2).contains(&voters) || alive < voters {
        return;
    }
    let verb = if voters == 1 { "has" } else { "have" };
    let message = format!("{} {verb} all slots: when one dies, no majority is left to elect its replica", count(voters, "master"));
    found.push(rule.on_cluster(look.model.name.clone(), Severity::Info, message, "give slots to a third master".to_string()));
}

pub(super) const DOWN: Rule = Rule {
    id: "cluster.down",
    title: "masters refuse all commands",
    holds: "no master with slots says CLUSTERDOWN",
    says: "A master says cluster_state:fail: it answers CLUSTERDOWN to every command on a key.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "It heals with its cause. With a majority left, `cluster-require-full-coverage no` lets the other shards serve meanwhile.",
    find: down,
};

/// A master that has just started says `fail` for two seconds before it accepts writes.
const STARTING: u64 = 5;

fn down(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let masters = || look.nodes().filter(|node| node.is_master() && node.slot_count > 0 && node.serves());
    let failing: Vec<_> = masters()
        .filter(|node| node.refuses == Some(WriteRefusal::ClusterDown))
        .filter(|node| node.info.as_ref().and_then(|info| info.uptime_seconds).is_none_or(|up| up >= STARTING))
        .collect();
    if failing.is_empty() {
        return;
    }
    let names: Vec<String> = failing.iter().map(|node| node.address.to_string()).collect();
    let slots: SlotSet = failing.iter().flat_map(|node| node.slots.iter()).collect();
    let mut message = format!(
        "{} of {} answer CLUSTERDOWN: {}; {} unserved",
        failing.len(),
        count(masters().count(), "living master"),
        list(&names),
        count(slots.len(), "slot")
    );
    if let Some(people) = people(&look.model.rooms().in_slots(&slots)) {
        message += &format!(": {people}");
    }
    // Coverage is what the masters miss only while they have a majority, and only where they insist on it.
    let insists = failing.iter().any(|node| node.settings.as_ref().is_none_or(|set| set.require_full_coverage != Some(false)));
    let uncovered = !SlotSet::all().minus(&look.model.topology().assigned).is_empty()
        || look.owning().any(|shard| look.master(shard).is_some_and(|master| master.is_down()));
    let remedy = if look.votes().suffice() && insists && uncovered {
        "heals with its cause; to serve the other shards meanwhile, on every node: `CONFIG SET cluster-require-full-coverage no`"
    } else {
        "heals with its cause"
    };
    // Every master is there, and all slots have owners: what they miss shows in their views a moment later.
    let puzzling = !uncovered && look.owning().all(|shard| look.master(shard).is_some_and(|master| master.health.is_alive()));
    let hold = if puzzling { UNTIL_TOLD } else { rule.for_ };
    found.push(rule.on_cluster(look.model.name.clone(), Severity::Critical, message, remedy).held_for(hold));
}

/// By then everybody has told a view again.
const UNTIL_TOLD: Duration = Duration::from_millis(1500);
