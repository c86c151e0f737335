//! PURE. Which finding explains which: a dead master explains unserved slots, and the console tells them as one thing.

use super::look::Look;
use super::{Finding, Severity, Subject};
use crate::cluster::{NodeId, ShardName};

/// Puts beside each finding the one that explains it, and orders them: the worst cause first, what follows from it beneath.
/// What follows from a finding that is still pending is pending, too.
pub(super) fn link(mut findings: Vec<Finding>, look: &Look<'_>) -> Vec<Finding> {
    let causes: Vec<Option<usize>> = (0..findings.len()).map(|at| cause(&findings, at, look)).collect();
    let root = |mut at: usize| {
        // Causes stand before consequences in the table of rules, but nothing hangs on it.
        for _ in 0..findings.len() {
            match causes.get(at).copied().flatten() {
                Some(above) => at = above,
                None => break,
            }
        }
        at
    };
    let roots: Vec<usize> = (0..findings.len()).map(root).collect();
    let severity_of = |at: usize| {
        let tree = roots.iter().zip(&findings).filter(|(root, _)| **root == at).map(|(_, finding)| finding.severity);
        tree.max().unwrap_or(Severity::Info)
    };
    let worst: Vec<Severity> = roots.iter().map(|root| severity_of(*root)).collect();
    let explained: Vec<Option<Finding>> = causes.iter().map(|cause| cause.and_then(|at| findings.get(at).cloned())).collect();
    for (finding, cause) in findings.iter_mut().zip(explained) {
        let Some(cause) = cause else { continue };
        finding.caused_by = Some(cause.as_cause());
        // Whatever is done about it on one side is undone by the other.
        if OF_A_PARTITION.contains(&finding.rule) && look.partition.is_some() {
            finding.remedy = "heals with the partition".into();
        }
        if cause.hold > finding.hold {
            finding.hold = cause.hold;
            finding.since = cause.since;
        }
    }
    let mut order: Vec<(usize, Finding)> = findings.into_iter().enumerate().collect();
    // Stable: within one cause the table's order stays.
    order.sort_by_key(|(at, _)| {
        let root = roots.get(*at).copied().unwrap_or(*at);
        (std::cmp::Reverse(worst.get(*at).copied()), root, *at != root)
    });
    order.into_iter().map(|(_, finding)| finding).collect()
}

/// What comes of a partition, where nothing nearer explains it.
const OF_A_PARTITION: [&str; 15] = [
    "cluster.down",
    "console.minority",
    "data.vanished",
    "epochs.jumped",
    "quorum.lost",
    "replica.lag",
    "replica.link_down",
    "shard.lost_writes",
    "shard.no_master",
    "shard.no_replica",
    "shard.turned",
    "slots.conflict",
    "slots.unserved",
    "views.differ",
    "writes.refused",
];

/// The finding that explains this one.
fn cause(findings: &[Finding], at: usize, look: &Look<'_>) -> Option<usize> {
    let of_a_partition = || {
        let rule = findings.get(at)?.rule;
        findings.iter().position(|other| other.rule == "cluster.partition").filter(|_| OF_A_PARTITION.contains(&rule))
    };
    nearest(findings, at, look).or_else(of_a_partition)
}

fn nearest(findings: &[Finding], at: usize, look: &Look<'_>) -> Option<usize> {
    let finding = findings.get(at)?;
    let find = |rule: &str, subject: &dyn Fn(&Subject) -> bool| {
        findings.iter().position(|other| other.rule == rule && subject(&other.subject)).filter(|found| *found != at)
    };
    let node = |rules: &[&str], id: NodeId| rules.iter().find_map(|rule| find(rule, &|subject| *subject == Subject::Node(id)));
    let any = |rules: &[&str]| rules.iter().find_map(|rule| find(rule, &|_| true));
    let shard = |name: ShardName| look.model.topology().shard(name);
    let deposed = || look.nodes().filter(|node| node.is_master() && node.is_down() && node.slot_count == 0);
    match (finding.rule, &finding.subject) {
        ("replica.link_down" | "replica.lag", Subject::Node(id)) => {
            node(&["node.announced", "replica.resync"], look.node(*id)?.master?)
        }
        ("slots.unserved" | "shard.no_master", Subject::Shard(name)) => {
            let master = shard(*name)?.master?;
            node(&["node.down", "node.busy", "node.loading", "node.misconf", "writes.refused", "node.full"], master)
        }
        // Nobody owns them by the word of who was reset; or the others do not know the owner.
        ("slots.unserved" | "views.differ", Subject::Cluster) if any(&["node.unknown"]).is_some() => any(&["node.unknown"]),
        // A master that is busy or loading does not answer the cluster's questions either.
        ("cluster.down", _) => {
            let dead = look.owning().filter_map(|shard| shard.master).find_map(|master| node(&["node.down"], master));
            let unserved = || find("slots.unserved", &|subject| *subject == Subject::Cluster);
            // Its replica has been elected, and not every master has heard of that yet: still the same incident.
            let succeeded = || deposed().find_map(|dead| node(&["node.down"], dead.id));
            any(&["quorum.lost"]).or_else(|| any(&["node.unknown"])).or(dead).or_else(unserved).or_else(succeeded)
        }
        ("shard.no_replica" | "shard.lost_writes", Subject::Shard(name)) => {
            let shard = shard(*name)?;
            let below = || shard.former.iter().chain(&shard.replicas).copied();
            let dead = below().find_map(|id| node(&["node.down"], id));
            let broken = || below().find_map(|id| node(&["replica.link_down"], id));
            let unknown = || deposed().filter(|_| below().next().is_none()).find_map(|dead| node(&["node.down"], dead.id));
            let copied = || shard.master.and_then(|master| node(&["replica.resync"], master));
            dead.or_else(broken).or_else(copied).or_else(unknown)
        }
        ("writes.refused", Subject::Node(master)) => {
            let shard = look.shard_led_by(look.node(*master)?)?;
            let below = || shard.replicas.iter().chain(&shard.former).copied();
            below().find_map(|id| node(&["node.down"], id)).or_else(|| below().find_map(|id| node(&["replica.link_down"], id)))
        }
        // Another cluster's nodes brought slots and epochs of their own: who owns what is no incident of its own.
        ("slots.conflict" | "views.differ" | "slots.moved" | "shard.turned" | "epochs.jumped" | "data.vanished", _) => {
            any(&["cluster.joined"])
        }
        ("console.minority", _) => any(&["node.unreached"]),
        ("latency.high", Subject::Node(id)) => node(&["node.stalled", "node.busy"], *id),
        ("memory.high", Subject::Node(id)) => node(&["writes.refused"], *id).filter(|_| look.is_out_of_memory(*id)),
        _ => None,
    }
}
