//! PURE. Rules about slots: served by somebody, owned by one, closed, and agreed upon.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::look::Look;
use super::super::words::{list, people, slots};
use super::super::{Finding, Remedy, Rule, Severity};
use crate::cluster::{
    NodeId, OpenDirection, Opinion, SLOTS, Shard, SlotSet, WriteRefusal, former_owners, from_outside, outside, outsider,
};
use crate::plan::Intent;
use crate::quantity::count;

pub(super) const UNSERVED: Rule = Rule {
    id: "slots.unserved",
    title: "slots unserved",
    holds: "every slot is served",
    says: "Slots have no owner, or one that would not take a write now: commands on their keys fail.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Wait for the shard's replica to take over, or bring its master back; slots without an owner: `rgc-tui fix`.",
    find: unserved,
};

fn unserved(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let topology = look.model.topology();
    // As long as nobody has told who owns what, nothing is known of slots.
    if topology.assigned.is_empty() && look.model.views().next().is_none() {
        return;
    }
    for shard in look.owning() {
        let missing = shard.slot_set().minus(&topology.served);
        let master = look.master(shard);
        // All that a master refuses because the cluster is down is told at once, by cluster.down.
        if missing.is_empty() || master.is_some_and(|master| !master.is_down() && master.refuses == Some(WriteRefusal::ClusterDown))
        {
            continue;
        }
        let reason = match master {
            None => "it has no master".to_string(),
            Some(master) => match master.refuses.filter(|_| !master.health.is_down()) {
                Some(refusal) => format!("{} answers {}", master.address, refusal.code()),
                None => format!("{} is {}", master.address, master.health),
            },
        };
        let message = format!("{}, {reason}", impact(look, &missing));
        let finding = rule.on_shard(shard, Severity::Critical, message, relief(look, shard));
        found.push(finding.expecting(look.outlook(shard)));
    }
    if let Some(node) = outsider(look.model) {
        let remedy = from_outside(look.model, node);
        found.push(rule.on_cluster(look.model.name.clone(), Severity::Critical, outside(look.model, node), remedy));
        return;
    }
    let orphaned = SlotSet::all().minus(&topology.assigned);
    if !orphaned.is_empty() {
        let mut message = format!("{}, nobody owns them", impact(look, &orphaned));
        let former: Vec<String> = former_owners(look.model).iter().map(|(_, address, _)| address.to_string()).collect();
        if !former.is_empty() {
            let verb = if former.len() == 1 { "which is" } else { "which are" };
            message += &format!("; they were owned by {}, {verb} not among the nodes any more", list(&former));
        }
        let remedy = fix("`rgc-tui fix` finds who has their keys, and gives them an owner");
        found.push(rule.on_slots(&orphaned, Severity::Critical, message, remedy));
    }
}

/// `5461 slots unserved (10923-16383): 61 rooms, 204 players`.
fn impact(look: &Look<'_>, missing: &SlotSet) -> String {
    let mut text = format!("{} unserved ({})", count(missing.len(), "slot"), slots(missing));
    if let Some(people) = people(&look.model.rooms().in_slots(missing)) {
        text += &format!(": {people}");
    }
    text
}

fn relief(look: &Look<'_>, shard: &Shard) -> Remedy {
    match look.master(shard) {
        Some(master) if !master.is_down() => format!("see what {} says of itself, its own finding", master.address).into(),
        _ => look.relief(shard),
    }
}

/// What `fix` does with all that needs it.
fn fix(says: &str) -> Remedy {
    Remedy::with(says, Intent::Fix { slots: None, roll_back: false })
}

pub(super) const CONFLICT: Rule = Rule {
    id: "slots.conflict",
    title: "slots with two owners",
    holds: "every slot has one owner",
    says: "Two masters that answer both call a slot their own: clients are sent back and forth.",
    for_: Duration::from_secs(10),
    clear: Duration::from_secs(2),
    severity: Severity::Critical,
    remedy: "`rgc-tui fix` shows who has the keys; no CLUSTER SETSLOT by hand, the losing node would delete its keys.",
    find: conflict,
};

fn conflict(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let mut by_claimants: BTreeMap<&[NodeId], SlotSet> = BTreeMap::new();
    // Whoever was last heard before the slots changed hands may have given them up since.
    let current = |id: &NodeId| look.node(*id).is_some_and(|node| look.model.is_current(node));
    let conflicts: Vec<_> = look.model.topology().conflicts.iter().filter(|found| found.claimants.iter().all(current)).collect();
    for conflict in &conflicts {
        by_claimants.entry(&conflict.claimants).or_default().insert(conflict.slot);
    }
    if by_claimants.is_empty() {
        return;
    }
    let sentence = |(claimants, set): (&&[NodeId], &SlotSet)| {
        let verb = if set.len() == 1 { "is" } else { "are" };
        format!("{} {verb} claimed by {}", slots(set), list(&look.labels(claimants)))
    };
    let all: SlotSet = conflicts.iter().map(|conflict| conflict.slot).collect();
    let message = by_claimants.iter().take(3).map(sentence).collect::<Vec<_>>().join("; ");
    let remedy = fix("`rgc-tui fix`: it compares who has the keys before anything is given up");
    found.push(rule.on_slots(&all, Severity::Critical, message, remedy));
}

pub(super) const DIFFER: Rule = Rule {
    id: "views.differ",
    title: "nodes disagree",
    holds: "all nodes agree who owns which slots",
    says: "Nodes that answer do not agree who owns which slots, although each of them may say that all is well.",
    for_: Duration::from_secs(10),
    clear: Duration::from_secs(2),
    severity: Severity::Critical,
    remedy: "A partition heals by itself; a lasting difference needs `rgc-tui fix`.",
    find: differ,
};

fn differ(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    if look.model.agrees() {
        return;
    }
    let opinions = look.model.opinions();
    let [first, second, ..] = opinions.as_slice() else { return };
    let names = |opinion: &Opinion| list(&look.labels(&opinion.nodes));
    let owner = |id: Option<NodeId>| id.map_or_else(|| "nobody".to_string(), |id| look.model.label(id));
    let (set, ours, theirs) = difference(first, second);
    let verb = |opinion: &Opinion| if opinion.nodes.len() == 1 { "says" } else { "say" };
    let message = format!(
        "nodes disagree, {} views: {} {} {} belong{} to {}, {} {} to {}",
        opinions.len(),
        names(first),
        verb(first),
        slots(&set),
        if set.len() == 1 { "s" } else { "" },
        owner(ours),
        names(second),
        verb(second),
        owner(theirs)
    );
    let remedy = fix("a partition heals by itself; what lasts is for `rgc-tui fix`, which says who has the keys");
    found.push(rule.on_cluster(look.model.name.clone(), Severity::Critical, message, remedy));
}

/// The first slots that two views give to different owners, with both owners.
fn difference(first: &Opinion, second: &Opinion) -> (SlotSet, Option<NodeId>, Option<NodeId>) {
    let owners = |opinion: &Opinion| {
        let mut owners = vec![None; usize::from(SLOTS)];
        for (id, ranges) in &opinion.owners {
            for range in ranges {
                owners.iter_mut().take(usize::from(range.end) + 1).skip(range.start.into()).for_each(|owner| *owner = Some(*id));
            }
        }
        owners
    };
    let pairs: Vec<_> = owners(first).into_iter().zip(owners(second)).collect();
    let Some(&(ours, theirs)) = pairs.iter().find(|(ours, theirs)| ours != theirs) else {
        return (SlotSet::default(), None, None);
    };
    let same = (0..SLOTS).zip(&pairs).filter(|(_, pair)| **pair == (ours, theirs)).map(|(slot, _)| slot);
    (same.collect(), ours, theirs)
}

pub(super) const OPEN: Rule = Rule {
    id: "slots.open",
    title: "open slots",
    holds: "no slot is left open",
    says: "Slots are half-way between two masters, and no operation of this console is moving them.",
    for_: Duration::from_secs(30),
    clear: Duration::from_secs(2),
    severity: Severity::Warning,
    remedy: "If nobody is resharding: `rgc-tui fix` finishes or rolls back, slot by slot. Do not fail over these masters meanwhile.",
    find: open,
};

fn open(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let topology = look.model.topology();
    let set = topology.open_slots().minus(look.moving);
    if set.is_empty() {
        return;
    }
    let mut sides: Vec<String> = Vec::new();
    for open in topology.open.iter().filter(|open| set.contains(open.slot)) {
        let (node, peer) = (look.model.label(open.node), look.model.label(open.peer));
        let side = match open.direction {
            OpenDirection::Migrating => format!("{node} is migrating to {peer}"),
            OpenDirection::Importing => format!("{node} is importing from {peer}"),
        };
        if !sides.contains(&side) {
            sides.push(side);
        }
    }
    let (verb, pronoun) = if set.len() == 1 { ("is", "it") } else { ("are", "them") };
    let mut message = format!("{} {verb} open: {}", count(set.len(), "slot"), list(&sides));
    if let Some(people) = people(&look.model.rooms().in_slots(&set)) {
        message += &format!("; {people} in {pronoun}");
    }
    let remedy = fix("if nobody is resharding: `rgc-tui fix` finishes or rolls back; no failover of these masters meanwhile");
    found.push(rule.on_slots(&set, Severity::Warning, message, remedy));
}

pub(super) const OPEN_ON_REPLICA: Rule = Rule {
    id: "slots.open_on_replica",
    title: "slots open on a replica alone",
    holds: "no replica has a slot open that its master has not",
    says: "A replica has slots marked as on their way that its master has closed: they come alive with its next failover.",
    for_: Duration::from_secs(5),
    clear: Duration::from_secs(2),
    severity: Severity::Warning,
    remedy: "`rgc-tui fix` closes them; no failover to that replica before.",
    find: open_on_replica,
};

fn open_on_replica(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let mut by_replica: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
    for mark in look.model.topology().open_on_replicas.iter().filter(|mark| !look.moving.contains(mark.slot)) {
        by_replica.entry(mark.node).or_default().insert(mark.slot);
    }
    for (id, set) in by_replica {
        let Some(node) = look.node(id) else { continue };
        let (has, them) = if set.len() == 1 { ("is", "it") } else { ("are", "them") };
        let message = format!(
            "{} ({}) {has} open on it and not on its master: a failover to it would open {them}",
            count(set.len(), "slot"),
            slots(&set)
        );
        let remedy = fix("`rgc-tui fix` closes what only a replica has open; no failover to it before");
        found.push(rule.on_node(node, Severity::Warning, message, remedy));
    }
}

pub(super) const ASTRAY: Rule = Rule {
    id: "slots.astray",
    title: "keys away from home",
    holds: "every key lies where clients look for it",
    says: "A master holds keys of slots that others own: no client finds them there. Found by the scan for rooms.",
    for_: Duration::from_secs(10),
    clear: Duration::from_secs(2),
    severity: Severity::Warning,
    remedy: "`rgc-tui fix` counts every key, brings strays home, and names those of which both sides have a different copy.",
    find: astray,
};

fn astray(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let topology = look.model.topology();
    let open = topology.open_slots();
    for node in look.nodes().filter(|node| node.is_master() && node.health.is_alive()) {
        let others = |slot: u16| topology.owner(slot).is_some_and(|owner| owner != node.id);
        let strays = node.strays.iter().filter(|(slot, _)| others(*slot) && !open.contains(*slot) && !look.moving.contains(*slot));
        let (set, keys) = strays.fold((SlotSet::default(), 0), |(mut set, keys), (slot, more)| {
            set.insert(*slot);
            (set, keys + usize::try_from(*more).unwrap_or(usize::MAX))
        });
        let owner = set.iter().next().and_then(|slot| topology.owner(slot));
        let Some(owner) = owner else { continue };
        let belongs = match set.len() {
            1 => format!("slot {}, which {} owns", slots(&set), look.model.label(owner)),
            _ => format!("slots {}, which others own", slots(&set)),
        };
        let message = format!("{} of {belongs}: no client finds {}", count(keys, "key"), if keys == 1 { "it" } else { "them" });
        let remedy = fix("`rgc-tui fix` brings home what it can, and names what differs on both sides");
        // Right after slots have changed hands a scan may have seen what has left since.
        let lately = look.model.owners_changed().is_some_and(|at| look.since(at) < rule.for_);
        let hold = if lately { rule.for_ } else { Duration::ZERO };
        found.push(rule.on_node(node, Severity::Warning, message, remedy).held_for(hold));
    }
}
