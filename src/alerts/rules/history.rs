//! PURE. Rules about what has happened: they stay until somebody acknowledges them, however well all looks since.

use std::time::Duration;

use chrono::SubsecRound;

use super::super::look::Look;
use super::super::words::{list, slots};
use super::super::{Finding, Rule, Severity, Subject};
use crate::cluster::{
    GoneRooms, Incident, IncidentKind, JoinedNode, LostData, Model, Node, NodeId, Owner, ShardName, SlotSet, Time,
};
use crate::quantity::count;

pub(super) const RECALLED: Rule = Rule {
    id: "cluster.recalled",
    title: "configured nodes do not answer",
    holds: "a configured node answers",
    says: "None of the configured nodes tells who is in the cluster: nodes that are remembered from before are asked.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Bring one of the configured nodes back, or name others with --node or [cluster] nodes.",
    find: recalled,
};

fn recalled(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let Some(recall) = look.model.history().recall() else { return };
    let nodes = count(recall.nodes, "node");
    let since = clock(recall.at, look.now);
    let message = if look.model.views().next().is_none() && recall.in_vain {
        format!("none of the configured nodes answers, nor does one of {nodes} remembered from {since}")
    } else {
        format!("none of the configured nodes answers; asking {nodes} remembered from {since}")
    };
    found.push(rule.on_cluster(look.model.name.clone(), Severity::Warning, message, rule.remedy.to_string()));
}

pub(super) const EMPTIED: Rule = Rule {
    id: "data.emptied",
    title: "a master came back without its data",
    holds: "no master came back without its data",
    says: "A master was started again before a replica took over, and has less than it had, or not every room that was known there: its replicas copy that. Stays until acknowledged.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Stop its replicas at once if they still have the data, then acknowledge it: `rgc-tui ack`.",
    find: emptied,
};

fn emptied(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for incident in look.model.history().open() {
        let IncidentKind::CameBackEmpty { node, shard, lost, left, gone, .. } = &incident.what else { continue };
        let at = clock(incident.at, look.now);
        let message = match gone {
            Some(gone) if *left > 0 => without(gone, lost, &at, *shard),
            _ => {
                let with = if *left == 0 { "empty".to_string() } else { format!("with {left} of {} keys", lost.keys) };
                format!("came back {with} at {at} as master of shard {shard}: {} had been there", what_was(lost))
            }
        };
        let maybe_ended = gone.as_ref().is_some_and(|gone| gone.maybe_ended);
        let severity = if maybe_ended { Severity::Warning } else { Severity::Critical };
        let replicas: Vec<&Node> = look
            .nodes()
            .filter(|other| other.master == Some(*node) || (other.shard == Some(*shard) && other.id != *node))
            .collect();
        // Once its link to the empty master is up it has copied that.
        let full = |other: &&&Node| {
            let has = |info: &crate::cluster::Info| info.keys > *left && info.keys * 2 >= lost.keys;
            other.info.as_ref().is_some_and(|info| info.master_link_up == Some(false) && has(info))
        };
        let full: Vec<&Node> = replicas.iter().filter(|other| other.health.is_alive()).filter(full).copied().collect();
        let remedy = match full.is_empty() {
            false => format!("{}; then `rgc-tui ack`", stop(&full)),
            true if replicas.iter().any(|other| other.is_down()) => format!(
                "do not start {} again: it may have the data in its files; then `rgc-tui ack`",
                names(replicas.iter().filter(|other| other.is_down()).copied())
            ),
            true => "its replicas have copied that: what is left is in files (dump.rdb, appendonlydir, backups), copy them away \
                     before they are written anew; then `rgc-tui ack`"
                .to_string(),
        };
        push(rule, look, *node, severity, message, remedy, found);
        if let (Some(finding), Some(gone)) = (found.last_mut(), gone) {
            let more = if gone.rooms > gone.codes.len() as u64 { " …" } else { "" };
            finding.evidence.push(format!("rooms gone: {}{more}", gone.codes.join(" ")));
        }
    }
}

/// `came back at 12:00:31Z as master of shard C without 20 of 206 rooms, 71 players: KX9Q2, P3M7T and 18 more`
fn without(gone: &GoneRooms, lost: &LostData, at: &str, shard: ShardName) -> String {
    let rooms = match lost.rooms.filter(|all| *all > gone.rooms) {
        Some(all) => format!("{} of {}", gone.rooms, count(all, "room")),
        None if gone.rooms == 1 => "its one room".to_string(),
        None => format!("all its {}", count(gone.rooms, "room")),
    };
    let mut codes: Vec<String> = gone.codes.iter().take(if gone.rooms > 3 { 2 } else { 3 }).cloned().collect();
    if gone.rooms > codes.len() as u64 {
        let more = gone.rooms - codes.len() as u64;
        codes = vec![format!("{} and {more} more", codes.join(", "))];
    }
    let ended = if gone.maybe_ended { "; the game may have ended them itself" } else { "" };
    let players = count(gone.players, "player");
    format!("came back at {at} as master of shard {shard} without {rooms}, {players}: {}{ended}", list(&codes))
}

pub(super) const VANISHED: Rule = Rule {
    id: "data.vanished",
    title: "keys vanished with a failover",
    holds: "no keys vanished with a failover",
    says: "A replica that took over has less than half of its master's keys. Stays until acknowledged.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Keep the old master's files before it is started again: it would copy the new one. Then `rgc-tui ack`.",
    find: vanished,
};

fn vanished(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for incident in look.model.history().open() {
        let IncidentKind::Vanished { shard, from, to, lost, left, .. } = &incident.what else { continue };
        let message =
            format!("took shard {shard} over from {from} with {left} of {} keys: {} had been there", lost.keys, what_was(lost));
        let remedy = format!("keep the files of {from} before it is started again as a replica; then `rgc-tui ack`");
        push(rule, look, *to, Severity::Critical, message, remedy, found);
    }
}

pub(super) const JOINED: Rule = Rule {
    id: "cluster.joined",
    title: "another cluster joined",
    holds: "no other cluster joined",
    says: "Nodes joined that had slots of their own: whoever loses a slot deletes its keys. Stays until acknowledged.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Stop the nodes of the losing side that still have their data, at once; then `rgc-tui ack`.",
    find: joined,
};

fn joined(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for incident in look.model.history().open() {
        let IncidentKind::Joined { joined, ours } = &incident.what else { continue };
        let known: Vec<NodeId> = ours.iter().flat_map(|owner| owner.replicas.iter().copied().chain([owner.id])).collect();
        let all = look.nodes().filter(|node| node.id.is_member() && !known.contains(&node.id)).count().max(joined.len());
        let addresses: Vec<String> = joined.iter().map(|node| node.address.to_string()).collect();
        let losing: Vec<&Owner> = ours.iter().filter(|owner| loses(look.model, owner, joined)).collect();
        let mut message = format!(
            "{} joined at {}, {} of them brought slots of their own ({})",
            count(all, "node"),
            clock(incident.at, look.now),
            joined.len(),
            list(&addresses)
        );
        let (losers, still): (String, Vec<&Node>) = if losing.is_empty() {
            let theirs: Vec<NodeId> = joined.iter().map(|node| node.id).collect();
            (format!("{} lose theirs and what they held", list(&addresses)), intact(look, &theirs, &theirs))
        } else {
            let mut ids: Vec<NodeId> = losing.iter().flat_map(|owner| owner.replicas.iter().copied()).collect();
            ids.extend(losing.iter().map(|owner| owner.id));
            let names: Vec<String> = losing.iter().map(|owner| owner.address.to_string()).collect();
            let kept = losing.iter().map(|owner| owner.id).collect::<Vec<_>>();
            let verb = if losing.len() == 1 { "loses" } else { "lose" };
            (format!("{} {verb} theirs: {}", list(&names), together(&losing)), intact(look, &ids, &kept))
        };
        message += &format!("; {losers}");
        let remedy = if still.is_empty() {
            "what the losing side held has been replaced: what is left is in files and backups, copy them away; then `rgc-tui ack`"
                .to_string()
        } else {
            format!("{}; then `rgc-tui ack`", stop(&still))
        };
        found.push(rule.on_cluster(look.model.name.clone(), Severity::Critical, message, remedy));
    }
}

/// Its slots are another's now, or will be: the higher epoch wins, and of equal ones the smaller id takes a new one.
fn loses(model: &Model, owner: &Owner, joined: &[JoinedNode]) -> bool {
    let is_new = |id: NodeId| joined.iter().any(|node| node.id == id);
    let mut taken = owner.slots.iter().filter_map(|slot| model.topology().owner(slot));
    let outranked = joined.iter().filter(|node| !node.slots.both(&owner.slots).is_empty());
    let mut outranked = outranked.map(|node| (node.epoch, std::cmp::Reverse(node.id)) > (owner.epoch, std::cmp::Reverse(owner.id)));
    taken.any(is_new) || (model.topology().conflicts.iter().any(|at| owner.slots.contains(at.slot)) && outranked.any(|above| above))
}

/// Of these nodes those that answer and do not copy another side's data yet.
fn intact<'a>(look: &Look<'a>, ids: &[NodeId], masters: &[NodeId]) -> Vec<&'a Node> {
    let alive = look.nodes().filter(|node| node.health.is_alive());
    let theirs = alive.filter(|node| ids.contains(&node.id) || node.master.is_some_and(|master| masters.contains(&master)));
    let has_data = |node: &&Node| {
        let Some(info) = node.info.as_deref() else { return false };
        // A replica of a replica copies what that one copies.
        let source = node.master.filter(|master| masters.contains(master)).and_then(|id| look.node(id));
        let copies = node.is_replica() && source.is_none_or(|source| source.is_replica());
        info.keys > 0 && !(copies && info.master_link_up != Some(false)) && !(node.is_master() && node.slot_count == 0)
    };
    theirs.filter(has_data).collect()
}

fn together(owners: &[&Owner]) -> String {
    let sum = |part: fn(&LostData) -> Option<u64>| owners.iter().map(|owner| part(&owner.lost)).sum::<Option<u64>>();
    let at = owners.iter().map(|owner| owner.lost.at).max().unwrap_or_default();
    let keys = owners.iter().map(|owner| owner.lost.keys).sum();
    what_was(&LostData { keys, rooms: sum(|lost| lost.rooms), players: sum(|lost| lost.players), at }) + " had been there"
}

pub(super) const MOVED: Rule = Rule {
    id: "slots.moved",
    title: "slots changed owner without a command",
    holds: "slots change owners by command only",
    says: "Slots have another owner, and neither side was told to move them, down, or started again. Stays until acknowledged.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Ask whether their keys are there: `rgc-tui fix --dry-run`; then `rgc-tui ack`.",
    find: moved,
};

fn moved(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for incident in look.model.history().open() {
        let IncidentKind::Moved { slots: set, from, to } = &incident.what else { continue };
        let (from, to) = (look.model.label(*from), look.model.label(*to));
        let message = format!(
            "{} went from {from} to {to} at {}: neither was told to move them, and both were well",
            count(set.len(), "slot"),
            clock(incident.at, look.now)
        );
        found.push(Finding { subject: Subject::Slots(set.clone()), label: label(set), ..on_cluster(rule, look, message) });
    }
}

fn label(set: &SlotSet) -> String {
    format!("slots {}", slots(set))
}

pub(super) const TURNED: Rule = Rule {
    id: "shard.turned",
    title: "a replica took over from a healthy master",
    holds: "roles change for a reason",
    says: "Master and replica changed roles although the master was well and nobody asked for it. Stays until acknowledged.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "See the logs of both for the reason: a partition, or a master that was frozen for a while; then `rgc-tui ack`.",
    find: turned,
};

fn turned(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for incident in look.model.history().open() {
        let IncidentKind::Turned { shard, from, to, .. } = &incident.what else { continue };
        let message = format!(
            "{} took over from {} at {}, which was well, and nobody asked for it",
            look.model.label(*to),
            look.model.label(*from),
            clock(incident.at, look.now)
        );
        let finding = on_cluster(rule, look, message);
        found.push(Finding { subject: Subject::Shard(*shard), label: format!("shard {shard}"), ..finding });
    }
}

pub(super) const EPOCHS: Rule = Rule {
    id: "epochs.jumped",
    title: "epochs jumped",
    holds: "epochs grow with changes only",
    says: "Epochs grew by many although no slot and no role changed. Stays until acknowledged.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Look for a node of another cluster that gossips with this one, or for somebody's script; then `rgc-tui ack`.",
    find: jumped,
};

fn jumped(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for incident in look.model.history().open() {
        let IncidentKind::Epochs { from, to } = &incident.what else { continue };
        let at = clock(incident.at, look.now);
        found.push(on_cluster(
            rule,
            look,
            format!("the highest epoch went from {from} to {to} by {at}: no slot and no role changed"),
        ));
    }
}

fn on_cluster(rule: &Rule, look: &Look<'_>, message: String) -> Finding {
    rule.on_cluster(look.model.name.clone(), rule.severity, message, rule.remedy.to_string())
}

/// On a node that may have left since.
fn push(rule: &Rule, look: &Look<'_>, id: NodeId, severity: Severity, message: String, remedy: String, found: &mut Vec<Finding>) {
    let label = look.model.label(id);
    found.push(Finding { subject: Subject::Node(id), ..rule.on_cluster(label, severity, message, remedy) });
}

/// `103 rooms, 412 players`, or keys where rooms had not been counted.
fn what_was(lost: &LostData) -> String {
    match (lost.rooms, lost.players) {
        (Some(rooms), Some(players)) if rooms > 0 => format!("{}, {}", count(rooms, "room"), count(players, "player")),
        _ => count(lost.keys, "key"),
    }
}

/// `stop 10.0.0.4:7003 now: it still has 618 keys (`redis-cli -h 10.0.0.4 -p 7003 SHUTDOWN SAVE`)`.
fn stop(nodes: &[&Node]) -> String {
    let keys: Vec<String> = nodes.iter().filter_map(|node| node.info.as_ref()).map(|info| count(info.keys, "key")).collect();
    let have = if nodes.len() == 1 { "it still has" } else { "they still have" };
    let command = nodes
        .first()
        .map_or_else(String::new, |node| format!(" (`redis-cli -h {} -p {} SHUTDOWN SAVE`)", node.address.host, node.address.port));
    format!("stop {} now: {have} {}{command}", names(nodes.iter().copied()), list(&keys))
}

fn names<'a>(nodes: impl Iterator<Item = &'a Node>) -> String {
    list(&nodes.map(|node| node.address.to_string()).collect::<Vec<_>>())
}

/// The time of day, with the day when that is another one.
fn clock(at: Time, now: Time) -> String {
    let at = at.trunc_subsecs(0);
    let form = if at.date_naive() == now.date_naive() { "%H:%M:%SZ" } else { "%Y-%m-%d %H:%MZ" };
    at.format(form).to_string()
}

/// What has happened stays found until somebody acknowledges it.
pub(in crate::alerts) fn is_latched(rule: &str) -> bool {
    [JOINED.id, EMPTIED.id, VANISHED.id, MOVED.id, TURNED.id, EPOCHS.id].contains(&rule)
}

/// The finding is about this incident.
pub(in crate::alerts) fn tells_of(finding: &Finding, incident: &Incident) -> bool {
    match (&incident.what, &finding.subject) {
        (IncidentKind::CameBackEmpty { node, .. }, Subject::Node(id)) => finding.rule == EMPTIED.id && node == id,
        (IncidentKind::Vanished { to, .. }, Subject::Node(id)) => finding.rule == VANISHED.id && to == id,
        (IncidentKind::Joined { .. }, _) => finding.rule == JOINED.id,
        (IncidentKind::Moved { slots, .. }, Subject::Slots(set)) => finding.rule == MOVED.id && slots == set,
        (IncidentKind::Turned { shard, .. }, Subject::Shard(name)) => finding.rule == TURNED.id && shard == name,
        (IncidentKind::Epochs { .. }, _) => finding.rule == EPOCHS.id,
        _ => false,
    }
}
