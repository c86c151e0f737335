//! PURE. Rules about shards: is there a master, is there a replica that could take its place.

use std::time::Duration;

use super::super::look::Look;
use super::super::words::list;
use super::super::{Finding, Rule, Severity};
use crate::cluster::{Node, Shard};
use crate::quantity::{age, count};

pub(super) const NO_MASTER: Rule = Rule {
    id: "shard.no_master",
    title: "nobody takes over",
    says: "A shard's master does not serve and nothing will change that by itself: no replica can take over, or none has in time.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Bring the master back: its data is there. With a replica left: `rgc-tui failover REPLICA --mode force`, or takeover without quorum.",
    find: no_master,
};

/// An election that has not been won by now is not under way: the default node timeout, the verdict and two attempts.
const ELECTION: Duration = Duration::from_secs(45);

/// After this long everybody has heard who has become master.
const SETTLED: Duration = Duration::from_secs(5);

fn no_master(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let (answering, voters) = look.quorum();
    for shard in &look.model.topology().shards {
        let master = look.master(shard);
        if master.is_some_and(|master| !master.is_down() || shard.slot_count == 0) {
            continue;
        }
        let heirs = look.heirs(shard);
        let downtime = master.map(|master| look.since(master.health_since));
        let deposed = |node: &Node| node.demoted_at.is_some_and(|at| look.since(at) < SETTLED);
        let (message, remedy) = match (master, heirs.first()) {
            // In the middle of a failover each may still say that it follows the other.
            (None, _) if look.replicas(shard).any(deposed) => continue,
            (None, _) => {
                let names: Vec<String> = look.replicas(shard).map(|node| node.address.to_string()).collect();
                let message =
                    format!("{} of it follow a master that nobody knows: {}", count(names.len(), "replica"), list(&names));
                (message, format!("give it a master: `rgc-tui node replicate {} --master NODE`", list(&names)))
            }
            (Some(master), None) => (
                format!("{} is {} and no replica is left to take over", master.address, master.health),
                format!("bring {} back: it has the only copy of {}", master.address, count(shard.slot_count, "slot")),
            ),
            (Some(_), Some(heir)) if !look.has_majority() => (
                format!("{} cannot be elected: {answering} of {} answer", heir.address, count(voters, "master")),
                format!("bring masters back; else `rgc-tui failover {} --mode takeover` [F]", heir.address),
            ),
            (Some(_), Some(heir)) if downtime.is_some_and(|downtime| downtime >= ELECTION) => (
                format!("{} has not been elected in {}", heir.address, age(downtime.unwrap_or_default())),
                format!("`rgc-tui failover {} --mode force` [F]; its log says why it was not elected", heir.address),
            ),
            // The election is under way: slots.unserved says what that costs.
            _ => continue,
        };
        found.push(rule.on_shard(shard, Severity::Critical, message, remedy));
    }
}

pub(super) const NO_REPLICA: Rule = Rule {
    id: "shard.no_replica",
    title: "no replica",
    says: "A master with slots has no replica with a working link: the next failure stops its slots and may lose its data.",
    for_: Duration::from_secs(3),
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Start the replica that is down, or `rgc-tui node add HOST:PORT --replica-of MASTER`.",
    find: no_replica,
};

/// A link that has been down for less than this may be a replica that starts or follows a new master.
const RECONNECT: i64 = 10;

fn no_replica(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for shard in look.owning() {
        // Without its master a shard has worse troubles, and its replicas' links are down for that reason.
        let Some(master) = look.master(shard).filter(|master| !master.is_down()) else { continue };
        // A replica that keeps us out, or has not been heard yet, may be a good one.
        if look.replicas(shard).any(|node| !node.is_down() && node.link_up().unwrap_or(true)) {
            continue;
        }
        let gone: Vec<&Node> = look.replicas(shard).chain(shard.former.iter().filter_map(|id| look.node(*id))).collect();
        let (severity, why) = match look.nodes().find(|node| gone.is_empty() && is_deposed(node)) {
            // Seen for the first time after a failover: whose master it was is not written anywhere.
            Some(lost) => (Severity::Critical, format!("{} is {} and may be it", lost.address, lost.health)),
            None => verdict_on(&gone),
        };
        let message = format!("{} has no replica to take over {}: {why}", master.address, count(shard.slot_count, "slot"));
        let remedy = match look.nodes().find(|node| gone.is_empty() && is_deposed(node)) {
            Some(lost) => format!("start {} again: it comes back as a replica by itself", lost.address),
            None => cure(shard, master, &gone),
        };
        found.push(rule.on_shard(shard, severity, message, remedy));
    }
}

/// A master that is down and owns nothing: another has taken over from it.
fn is_deposed(node: &Node) -> bool {
    node.is_master() && node.is_down() && node.slot_count == 0
}

/// How bad it is, and why: a shard that had a replica has lost something, one that never had is as somebody built it.
fn verdict_on(gone: &[&Node]) -> (Severity, String) {
    let Some(node) = gone.first() else { return (Severity::Warning, "it never had one".into()) };
    if let Some(down) = gone.iter().find(|node| node.is_down()) {
        return (Severity::Critical, format!("{} is {}", down.address, down.health));
    }
    let info = node.info.as_deref();
    if info.is_some_and(|info| info.master_sync_in_progress) {
        return (Severity::Warning, format!("{} is still copying", node.address));
    }
    match info.and_then(|info| info.master_link_down_seconds).filter(|seconds| *seconds >= RECONNECT) {
        Some(seconds) => {
            let down = Duration::from_secs(seconds.unsigned_abs());
            (Severity::Critical, format!("the link of {} is down for {}", node.address, age(down)))
        }
        None => (Severity::Warning, format!("{} is connecting", node.address)),
    }
}

fn cure(shard: &Shard, master: &Node, gone: &[&Node]) -> String {
    match gone.iter().find(|node| node.is_down()) {
        Some(down) if shard.former.contains(&down.id) => {
            format!("start {} again: it comes back as a replica by itself", down.address)
        }
        Some(down) => format!("start {} again, or `rgc-tui node add HOST:PORT --replica-of {}`", down.address, master.address),
        None if gone.is_empty() => format!("`rgc-tui node add HOST:PORT --replica-of {}`", master.address),
        None => "see replica.link_down: password, TLS or network between the two".to_string(),
    }
}
