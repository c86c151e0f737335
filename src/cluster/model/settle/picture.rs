//! PURE. Owners and shards: who has which slots, who belongs together, under which name.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use super::Model;
use crate::cluster::topology::{Conflict, OpenSlot, Shard, Topology};
use crate::cluster::{Address, Node, NodeId, NodeRole, SLOTS, ShardName, SlotSet, Time};

pub(super) fn picture(model: &Model, now: Time) -> Topology {
    let mut topology = Topology::default();
    let mut owners = own(model, &mut topology);
    for node in model.nodes.values().filter(|node| owners.contains(&node.id) && node.takes_writes()) {
        if topology.conflicts.is_empty() {
            node.slots.iter().for_each(|range| topology.served.extend_range(*range));
        } else {
            let slots = node.slots.iter().flat_map(|range| range.iter());
            topology.served.extend(slots.filter(|slot| topology.owners.get(usize::from(*slot)) == Some(&Some(node.id))));
        }
    }
    topology.handed = handed_over(model, &topology);
    for (slot, (target, _)) in topology.handed.clone() {
        if let Some(owner) = topology.owners.get_mut(usize::from(slot)) {
            *owner = Some(target);
        }
        owners.insert(target);
        topology.assigned.insert(slot);
        if model.nodes.get(&target).is_some_and(Node::takes_writes) {
            topology.served.insert(slot);
        }
    }
    let me = |node: &'_ Node| node.view.as_deref().and_then(|view| view.myself()).map(|me| (me.role, me.open.clone()));
    for node in model.nodes.values().filter(|node| node.health.is_alive()) {
        let Some((role, open)) = me(node) else { continue };
        let marks = open.iter().map(|open| OpenSlot { slot: open.slot, node: node.id, direction: open.direction, peer: open.peer });
        if role == NodeRole::Master {
            topology.open.extend(marks);
            continue;
        }
        // Valkey's replicas repeat their master's open slots; what the master does not have open is the replica's alone.
        let above = node.master.and_then(|master| model.nodes.get(&master)).filter(|master| master.health.is_alive());
        let Some((NodeRole::Master, of_master)) = above.and_then(me) else { continue };
        let alone = |mark: &OpenSlot| !of_master.iter().any(|open| open.slot == mark.slot && open.direction == mark.direction);
        topology.open_on_replicas.extend(marks.filter(alone));
    }
    topology.open.sort_by_key(|open| (open.slot, open.node));
    topology.shards = shards(model, &owners, now);
    topology
}

/// Fills in the owners: living masters by their own word first, the higher epoch first among them, then the dead by the
/// others' word. Returns everybody who owns something.
fn own(model: &Model, topology: &mut Topology) -> HashSet<NodeId> {
    let mut claims: Vec<&Node> = model.nodes.values().filter(|node| node.is_master() && !node.slots.is_empty()).collect();
    claims.sort_by_key(|node| (!node.health.is_alive(), std::cmp::Reverse(node.epoch), node.id));
    let mut contested: BTreeMap<u16, Vec<NodeId>> = BTreeMap::new();
    let mut owners = HashSet::new();
    for node in claims {
        let by_its_word = node.health.is_alive() && node.view.is_some();
        for slot in node.slots.iter().flat_map(|range| range.iter()) {
            match topology.owners.get_mut(usize::from(slot)) {
                Some(owner @ None) => {
                    *owner = Some(node.id);
                    owners.insert(node.id);
                    if !by_its_word {
                        topology.reported.insert(slot);
                    }
                }
                Some(Some(first)) if node.health.is_alive() => {
                    contested.entry(slot).or_insert_with(|| vec![*first]).push(node.id);
                }
                _ => {}
            }
        }
        node.slots.iter().for_each(|range| topology.assigned.extend_range(*range));
    }
    topology.conflicts = contested.into_iter().map(|(slot, claimants)| Conflict { slot, claimants }).collect();
    owners
}

/// Slots that nobody claims because their target was heard before they came to it, and their source after: the source's word
/// counts until the target speaks. Whoever denies a slot later than it was given is no owner.
fn handed_over(model: &Model, topology: &Topology) -> BTreeMap<u16, (NodeId, Time)> {
    let before = &model.topology;
    let unheard = |target: NodeId, since: Time| {
        let target = model.nodes.get(&target).filter(|target| target.is_master());
        target.is_some_and(|target| target.view_at.is_none_or(|heard| heard < since))
    };
    let mut handed = BTreeMap::new();
    let mut given: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
    for slot in (0..SLOTS).filter(|&slot| topology.owner(slot).is_none()) {
        if let Some(&(target, since)) = before.handed.get(&slot) {
            if unheard(target, since) {
                handed.insert(slot, (target, since));
            }
        } else if let Some(source) = before.owner(slot).filter(|_| !before.reported.contains(slot)) {
            given.entry(source).or_default().insert(slot);
        }
    }
    for (source, slots) in given {
        let Some(source) = model.nodes.get(&source).filter(|source| source.health.is_alive()) else { continue };
        let (Some(view), Some(told)) = (&source.view, source.view_at) else { continue };
        for member in view.members.iter().filter(|member| member.role == NodeRole::Master && unheard(member.id, told)) {
            let taken = member.slots.iter().flat_map(|range| range.iter()).filter(|slot| slots.contains(*slot));
            handed.extend(taken.map(|slot| (slot, (member.id, told))));
        }
    }
    handed
}

/// A shard on its way to its name.
struct Draft {
    name: Option<ShardName>,
    shard: Shard,
}

impl Draft {
    fn new(name: Option<ShardName>, master: Option<&Node>) -> Self {
        let slots = master.map(|node| node.slots.clone()).unwrap_or_default();
        let slot_count = master.map_or(0, |node| node.slot_count);
        let master = master.map(|node| node.id);
        Self { name, shard: Shard { name: ShardName(0), master, replicas: Vec::new(), former: Vec::new(), slots, slot_count } }
    }
}

fn shards(model: &Model, owners: &HashSet<NodeId>, now: Time) -> Vec<Shard> {
    // Servers known by their place alone are no part of a cluster whose members are known.
    let members = model.nodes.values().any(|node| node.id.is_member());
    let nodes = || model.nodes.values().filter(|node| node.id.is_member() || !members);
    let name_of = |node: &Node| model.letters.get(node.id);

    // New names go by the smallest address of a shard: slots and roles move, and two programs must mean the same by a letter.
    let mut smallest = BTreeMap::new();
    for node in nodes() {
        let seat = seat(&node.address);
        let master = if node.is_master() { Some(node.id) } else { top_master(model, node) };
        if let Some(least) = master.map(|master| smallest.entry(master).or_insert(seat)) {
            *least = (*least).min(seat);
        }
    }
    let mut masters: Vec<&Node> = nodes().filter(|node| node.is_master()).collect();
    masters.sort_by_key(|node| smallest.get(&node.id).copied());
    let taken: BTreeSet<ShardName> =
        masters.iter().filter(|node| owners.contains(&node.id)).filter_map(|node| name_of(node)).collect();

    let mut drafts: Vec<Draft> = Vec::new();
    let mut place: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut former: Vec<(ShardName, NodeId)> = Vec::new();
    for node in masters {
        let name = name_of(node);
        // A master that owns nothing any more while another one has its shard: deposed, dead or about to follow.
        if let Some(name) = name.filter(|name| !owners.contains(&node.id) && taken.contains(name)) {
            former.push((name, node.id));
            continue;
        }
        place.insert(node.id, drafts.len());
        drafts.push(Draft::new(name, Some(node)));
    }
    let mut orphans: Vec<&Node> = Vec::new();
    for node in nodes().filter(|node| node.is_replica()) {
        match top_master(model, node).and_then(|master| place.get(&master)).and_then(|&at| drafts.get_mut(at)) {
            Some(draft) => {
                draft.shard.replicas.push(node.id);
                // After a failover the new master has the name it had as a replica; a new one inherits from its replicas.
                draft.name = draft.name.or_else(|| name_of(node).filter(|name| !taken.contains(name)));
            }
            None => orphans.push(node),
        }
    }
    for node in orphans {
        // Its master is deposed and it has not followed the new one yet: it stays in the shard it was in.
        let name = name_of(node);
        match drafts.iter_mut().find(|draft| name.is_some() && draft.name == name) {
            Some(draft) => draft.shard.replicas.push(node.id),
            None => {
                let mut draft = Draft::new(name, None);
                draft.shard.replicas.push(node.id);
                drafts.push(draft);
            }
        }
    }
    assign_names(model, drafts, &former, now)
}

/// Addresses in the order that people expect: `10.0.0.2` before `10.0.0.10`.
fn seat(address: &Address) -> (Option<IpAddr>, &str, u16) {
    (address.host.parse().ok(), &address.host, address.port)
}

/// Every shard gets its old name or the next free letter; the list is in order of names.
fn assign_names(model: &Model, mut drafts: Vec<Draft>, former: &[(ShardName, NodeId)], now: Time) -> Vec<Shard> {
    let mut used = BTreeSet::new();
    for draft in &mut drafts {
        draft.name = draft.name.filter(|name| used.insert(*name));
    }
    let reserved = model.letters.reserved(now);
    let mut free = (0..=u16::MAX).map(ShardName).filter(|name| !used.contains(name) && !reserved.contains(name));
    let mut shards: Vec<Shard> = drafts
        .into_iter()
        .map(|Draft { name, mut shard }| {
            shard.name = name.or_else(|| free.next()).unwrap_or(ShardName(u16::MAX));
            shard.former = former.iter().filter(|(of, _)| *of == shard.name).map(|(_, id)| *id).collect();
            shard.replicas.sort_by_cached_key(|id| model.nodes.get(id).map(|node| node.address.clone()));
            shard
        })
        .collect();
    shards.sort_by_key(|shard| shard.name);
    shards
}

/// Follows replicas of replicas up to a master; a loop ends where it began.
fn top_master(model: &Model, node: &Node) -> Option<NodeId> {
    let mut at = node.master?;
    for _ in 0..8 {
        match model.nodes.get(&at) {
            Some(above) if above.is_replica() => at = above.master?,
            _ => return Some(at),
        }
    }
    None
}
