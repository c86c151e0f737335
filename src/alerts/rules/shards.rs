//! PURE. Rules about shards: is there a master, is there a replica that could take its place.

use std::time::Duration;

use super::super::look::{Look, clock};
use super::super::words::list;
use super::super::{Finding, Rule, Severity};
use crate::cluster::election::{CandidateObstacle, Hopeless, Outlook};
use crate::cluster::{Health, Node, PeerWord, Shard};
use crate::quantity::{age, count};

pub(super) const NO_MASTER: Rule = Rule {
    id: "shard.no_master",
    title: "nobody takes over",
    holds: "every shard has a master, or will have one by itself",
    says: "A shard's master does not serve and nothing will change that by itself: no replica can take over, or none has in time.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Bring the master back: its data is there. With a replica left: `rgc-tui failover REPLICA --mode force`, or takeover without quorum.",
    find: no_master,
};

/// After this long everybody has heard who has become master.
const SETTLED: Duration = Duration::from_secs(5);

fn no_master(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for shard in &look.model.topology().shards {
        let master = look.master(shard);
        if master.is_some_and(|master| !master.is_down() || shard.slot_count == 0) {
            continue;
        }
        let Some(master) = master else {
            // In the middle of a failover each may still say that it follows the other.
            let deposed = |node: &Node| node.demoted_at.is_some_and(|at| look.since(at) < SETTLED);
            if !look.replicas(shard).any(deposed) {
                found.push(masterless(rule, look, shard));
            }
            continue;
        };
        let election = look.election(shard);
        let message = match election.outlook(look.now) {
            // The election is under way: slots.unserved says what that costs.
            Some(Outlook::Expected { .. }) | None => continue,
            Some(Outlook::Overdue { winner, by }) => format!(
                "{} was expected to be elected by {} and was not: nothing that this console sees holds it up",
                winner.address,
                clock(by)
            ),
            Some(Outlook::Nobody(why)) => nobody(master, &why),
        };
        let finding = rule.on_shard(shard, Severity::Critical, message, look.relief(shard));
        let proof = election
            .candidates
            .iter()
            .filter_map(|candidate| candidate.obstacle.as_ref().map(|obstacle| format!("{} {obstacle}", candidate.address)));
        found.push(finding.proved_by(proof.collect::<Vec<_>>()));
    }
}

/// Why nobody takes this master's place.
fn nobody(master: &Node, why: &Hopeless<'_>) -> String {
    match why {
        Hopeless::NoMajority(votes) => {
            let masters = count(votes.voters, "master");
            format!("nobody can be elected: {} of {masters} can vote, {} must", votes.alive, votes.needed)
        }
        Hopeless::Barred(candidate)
            if !matches!(candidate.obstacle, Some(CandidateObstacle::Down { .. } | CandidateObstacle::Failed)) =>
        {
            format!("{} is {} and nobody takes over: {why}", master.address, master.health)
        }
        _ => format!("{} is {} and no replica is left to take over", master.address, master.health),
    }
}

fn masterless(rule: &Rule, look: &Look<'_>, shard: &Shard) -> Finding {
    let names: Vec<String> = look.replicas(shard).map(|node| node.address.to_string()).collect();
    let message = format!("{} of it point to a master that nobody knows: {}", count(names.len(), "replica"), list(&names));
    rule.on_shard(
        shard,
        Severity::Critical,
        message,
        format!("give it a master: `rgc-tui node replicate {} --master NODE`", list(&names)),
    )
}

pub(super) const NO_REPLICA: Rule = Rule {
    id: "shard.no_replica",
    title: "no replica",
    holds: "every shard has a replica that could take over",
    says: "A master with slots has no replica with a working link: the next failure stops its slots and may lose its data.",
    for_: Duration::from_secs(3),
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Start the replica that is down, or `rgc-tui node add HOST:PORT --replica-of MASTER`.",
    find: no_replica,
};

/// A link that has been down for less than this may be a replica that starts or follows a new master.
const RECONNECT: i64 = 10;

fn no_replica(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for shard in look.owning() {
        // Without its master a shard has worse troubles, and its replicas' links are down for that reason.
        let Some(master) = look.master(shard).filter(|master| !master.is_down()) else { continue };
        // A replica that keeps us out, is out of our reach or has not been heard yet may be a good one.
        let good = |node: &Node| {
            let linked = node.link_up().unwrap_or(true) && super::resync::copied_in_vain(look, node).is_none();
            !node.is_down() && (node.is_out_of_reach() || linked)
        };
        if look.replicas(shard).any(good) {
            continue;
        }
        let gone: Vec<&Node> = look.replicas(shard).chain(shard.former.iter().filter_map(|id| look.node(*id))).collect();
        // Seen for the first time after a failover: whose master it was is not written anywhere.
        let lost = look.nodes().find(|node| gone.is_empty() && is_deposed(node));
        let (why, certain) = match lost {
            Some(lost) => (format!("its former replica may be {}, which is {}", lost.address, lost.health), lost.flags.failed),
            None => reason(look, &gone),
        };
        let message = format!("{} has no replica to take over {}: {why}", master.address, count(shard.slot_count, "slot"));
        let remedy = match lost {
            Some(lost) => format!("start {} again: it comes back as a replica by itself", lost.address),
            None => way_out(shard, master, &gone),
        };
        let hold = if certain { Duration::ZERO } else { rule.for_ };
        found.push(rule.on_shard(shard, Severity::Warning, message, remedy).held_for(hold));
    }
}

/// A master that is down and owns nothing: another has taken over from it.
fn is_deposed(node: &Node) -> bool {
    node.is_master() && node.is_down() && node.slot_count == 0
}

/// Why there is none, and whether that has lasted by the servers' own word.
fn reason(look: &Look<'_>, gone: &[&Node]) -> (String, bool) {
    let Some(node) = gone.first() else { return ("it never had one".into(), true) };
    if let Some(down) = gone.iter().find(|node| node.is_down()) {
        let missed = down.peers == PeerWord::Gone && !matches!(down.health, Health::Frozen | Health::Silent);
        return (format!("{} is {}", down.address, down.health), missed || down.flags.failed);
    }
    let info = node.info.as_deref();
    if gone.iter().any(|node| super::resync::copied_in_vain(look, node).is_some()) {
        return (format!("{} is copied in full again and again", node.address), true);
    }
    if info.is_some_and(|info| info.master_sync_in_progress) {
        return (format!("{} is still copying", node.address), false);
    }
    match info.and_then(|info| info.master_link_down_seconds).filter(|seconds| *seconds >= RECONNECT) {
        Some(seconds) => {
            let down = Duration::from_secs(seconds.unsigned_abs());
            (format!("the link of {} is down for {}", node.address, age(down)), true)
        }
        None => (format!("{} is connecting", node.address), false),
    }
}

fn way_out(shard: &Shard, master: &Node, gone: &[&Node]) -> String {
    match gone.iter().find(|node| node.is_down()) {
        Some(down) if shard.former.contains(&down.id) => {
            format!("start {} again: it comes back as a replica by itself", down.address)
        }
        Some(down) => format!("start {} again, or `rgc-tui node add HOST:PORT --replica-of {}`", down.address, master.address),
        None if gone.is_empty() => format!("`rgc-tui node add HOST:PORT --replica-of {}`", master.address),
        None => "see replica.link_down: what keeps the two apart".to_string(),
    }
}
