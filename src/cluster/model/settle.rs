//! PURE. From everybody's views to one picture: roles, owners, shards, and what changed since the last one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::{Change, ChangeKind, Model};
use crate::cluster::topology::{Conflict, OpenSlot, Shard, Topology};
use crate::cluster::{Address, Health, Member, Node, NodeId, Role, SLOTS, ShardName, SlotSet, Time, View, age};

/// A node that nobody else knows is dropped once it has been silent for this long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3);

/// While everybody is asked for the first time, differing views are no old news.
const DISCOVERY: Duration = Duration::from_secs(5);

pub(super) fn topology(model: &mut Model, now: Time) {
    let views: Vec<(NodeId, Arc<View>)> =
        model.nodes.values().filter(|node| node.health.is_alive()).filter_map(|node| Some((node.id, node.view.clone()?))).collect();
    if !views.is_empty() {
        let lines = best_lines(&views);
        members(model, &lines, now);
        forget(model, &views, now);
    }
    let topology = picture(model, &views);
    let discovered = model.born.is_some_and(|born| age(now, born) > DISCOVERY);
    if discovered && topology.owners != model.topology.owners {
        model.owners_since = Some(now);
    }
    model.topology = topology;
    for shard in &model.topology.shards {
        for id in shard.nodes() {
            model.names.insert(id, shard.name);
            if let Some(node) = model.nodes.get_mut(&id) {
                node.shard = Some(shard.name);
            }
        }
    }
}

/// What is believed of a node: its own line when it speaks, else the line with the highest epoch; plus the doubts of all.
struct Line<'a> {
    member: &'a Member,
    own: bool,
    suspected: bool,
    failed: bool,
    /// Whether the others are connected to it: None while no other node speaks.
    linked: Option<bool>,
}

fn best_lines(views: &[(NodeId, Arc<View>)]) -> HashMap<NodeId, Line<'_>> {
    let mut lines: HashMap<NodeId, Line<'_>> = HashMap::new();
    for (speaker, view) in views {
        for member in view.members.iter().filter(|member| !member.flags.handshake) {
            let own = member.id == *speaker;
            let line = lines.entry(member.id).or_insert(Line { member, own, suspected: false, failed: false, linked: None });
            if own || (!line.own && member.epoch > line.member.epoch) {
                line.member = member;
                line.own = own;
            }
            line.suspected |= member.flags.suspected;
            line.failed |= member.flags.failed;
            if !own {
                let linked = member.link_up && !member.flags.suspected && !member.flags.failed;
                line.linked = Some(line.linked.unwrap_or(true) && linked);
            }
        }
    }
    lines
}

fn members(model: &mut Model, lines: &HashMap<NodeId, Line<'_>>, now: Time) {
    let mut ids: Vec<&NodeId> = lines.keys().collect();
    ids.sort();
    for (id, line) in ids.into_iter().filter_map(|id| Some((*id, lines.get(id)?))) {
        let member = line.member;
        let place = NodeId::place(&member.address);
        let node = model.nodes.entry(id).or_insert_with(|| {
            let joined = Change { at: now, node: id, address: member.address.clone(), kind: ChangeKind::Joined(member.role) };
            model.changes.push(joined);
            let mut node = Node::new(id, member.address.clone(), now);
            node.role = member.role;
            node.master = member.master;
            node.epoch = member.epoch;
            node.slots = member.slots.clone();
            node
        });
        let mut note = |kind| model.changes.push(Change { at: now, node: id, address: member.address.clone(), kind });
        if node.address != member.address && !member.flags.noaddr {
            note(ChangeKind::Moved { from: std::mem::replace(&mut node.address, member.address.clone()) });
        }
        if node.role != member.role {
            note(ChangeKind::Role { from: node.role, to: member.role });
            if node.role == Role::Master && node.slot_count > 0 {
                node.demoted_at = Some(now);
            }
        } else if node.master != member.master && node.view.is_some() {
            note(ChangeKind::Reparented { shard: member.master.and_then(|master| model.names.get(&master).copied()) });
        }
        if node.slots != member.slots {
            let (old, new): (SlotSet, SlotSet) = (node.slots.iter().collect(), member.slots.iter().collect());
            let only = |a: &SlotSet, b: &SlotSet| a.iter().filter(|&slot| !b.contains(slot)).collect::<SlotSet>().ranges();
            note(ChangeKind::Slots { gained: only(&new, &old), lost: only(&old, &new) });
        }
        if member.role == Role::Master && node.epoch != member.epoch && node.role == Role::Master {
            note(ChangeKind::Epoch { from: node.epoch, to: member.epoch });
        }
        node.role = member.role;
        node.master = member.master;
        node.epoch = member.epoch;
        node.hostname = member.hostname.clone();
        node.flags = member.flags;
        node.flags.myself = false;
        node.flags.suspected = line.suspected;
        node.flags.failed = line.failed;
        node.linked = line.linked == Some(true);
        node.slots.clone_from(&member.slots);
        node.slot_count = member.slot_count();
        // A refused seed that the others know by id: what its link said belongs to the member.
        if let Some(seed) = model.nodes.remove(&place)
            && let Some(node) = model.nodes.get_mut(&id)
            && node.health == Health::Unknown
        {
            *node = Node { health: seed.health, health_since: seed.health_since, trouble: seed.trouble, ..node.clone() };
            model.by_address.insert(seed.address, id);
        }
    }
}

/// Drops nodes that no other speaker knows, once they do not speak themselves.
fn forget(model: &mut Model, views: &[(NodeId, Arc<View>)], now: Time) {
    let known: BTreeSet<NodeId> = views
        .iter()
        .flat_map(|(speaker, view)| view.members.iter().filter(|m| m.id != *speaker && !m.flags.handshake).map(|m| m.id))
        .collect();
    let alone = views.len() == 1;
    let gone: Vec<(NodeId, Address, bool)> = model
        .nodes
        .values()
        .filter(|node| node.id.is_member() && !known.contains(&node.id))
        .filter(|node| !(alone && views.iter().any(|(speaker, _)| *speaker == node.id)))
        .map(|node| (node.id, node.address.clone(), node.silence(now).is_none_or(|silence| silence > FORGOTTEN_AFTER)))
        .collect();
    model.leaving = gone.iter().any(|(_, _, silent)| !silent);
    for (id, address, _) in gone.into_iter().filter(|(_, _, silent)| *silent) {
        model.nodes.remove(&id);
        model.names.remove(&id);
        model.by_address.retain(|_, known| *known != id);
        model.changes.push(Change { at: now, node: id, address, kind: ChangeKind::Left });
    }
}

fn picture(model: &Model, views: &[(NodeId, Arc<View>)]) -> Topology {
    let mut topology = Topology::default();
    own(model, &mut topology);
    for node in model.nodes.values().filter(|node| node.serves()) {
        for slot in node.slots.iter().flat_map(|range| range.iter()) {
            if topology.owner(slot) == Some(node.id) {
                topology.served.insert(slot);
            }
        }
    }
    for (speaker, view) in views {
        // Valkey's replicas repeat their master's open slots; a replica cannot have one of its own.
        let Some(me) = view.myself().filter(|me| me.role == Role::Master) else { continue };
        topology.open.extend(me.open.iter().map(|open| OpenSlot {
            slot: open.slot,
            node: *speaker,
            direction: open.direction,
            peer: open.peer,
        }));
    }
    topology.open.sort_by_key(|open| (open.slot, open.node));
    topology.shards = shards(model);
    topology
}

/// Fills in the owners: live masters by their own word first, then the dead by the others'.
fn own(model: &Model, topology: &mut Topology) {
    let mut claims: Vec<&Node> = model.nodes.values().filter(|node| node.is_master() && !node.slots.is_empty()).collect();
    claims.sort_by_key(|node| (!node.health.is_alive(), std::cmp::Reverse(node.epoch), node.id));
    let mut contested: BTreeMap<u16, Vec<NodeId>> = BTreeMap::new();
    for node in claims {
        for slot in node.slots.iter().flat_map(|range| range.iter()) {
            let Some(owner) = topology.owners.get_mut(usize::from(slot)) else { continue };
            match owner {
                None => *owner = Some(node.id),
                Some(first) if node.health.is_alive() => {
                    contested.entry(slot).or_insert_with(|| vec![*first]).push(node.id);
                }
                Some(_) => {}
            }
            topology.assigned.insert(slot);
        }
    }
    topology.conflicts = contested.into_iter().map(|(slot, claimants)| Conflict { slot, claimants }).collect();
}

fn shards(model: &Model) -> Vec<Shard> {
    let mut shards: Vec<(Option<ShardName>, Shard)> = Vec::new();
    let blank =
        |master| Shard { name: ShardName(0), master, replicas: Vec::new(), former: Vec::new(), slots: Vec::new(), slot_count: 0 };
    let mut place: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut masters: Vec<&Node> = model.nodes.values().filter(|node| node.is_master()).collect();
    masters.sort_by_key(|node| (node.slots.first().map_or(SLOTS, |range| range.start), node.address.clone()));
    let taken: BTreeSet<ShardName> =
        masters.iter().filter(|node| !node.slots.is_empty()).filter_map(|node| model.names.get(&node.id).copied()).collect();
    let mut former: Vec<(ShardName, NodeId)> = Vec::new();
    for node in masters {
        let name = model.names.get(&node.id).copied();
        if let Some(name) = name.filter(|name| node.slots.is_empty() && taken.contains(name)) {
            former.push((name, node.id));
            continue;
        }
        place.insert(node.id, shards.len());
        let shard = Shard { slots: node.slots.clone(), slot_count: node.slot_count, ..blank(Some(node.id)) };
        shards.push((name, shard));
    }
    let mut orphans: Vec<NodeId> = Vec::new();
    for node in model.nodes.values().filter(|node| node.is_replica()) {
        match top_master(model, node).and_then(|master| place.get(&master)).and_then(|&at| shards.get_mut(at)) {
            Some((name, shard)) => {
                shard.replicas.push(node.id);
                // After a failover the new master is known by the name it had as a replica; a new one inherits likewise.
                *name = name.or_else(|| model.names.get(&node.id).copied().filter(|name| !taken.contains(name)));
            }
            None => orphans.push(node.id),
        }
    }
    shards.extend(orphans.into_iter().map(|id| (model.names.get(&id).copied(), Shard { replicas: vec![id], ..blank(None) })));

    let mut used = BTreeSet::new();
    for (name, _) in &mut shards {
        *name = name.filter(|name| used.insert(*name));
    }
    let mut free = (0..=u16::MAX).map(ShardName).filter(|name| !used.contains(name));
    let mut named: Vec<Shard> = shards
        .into_iter()
        .map(|(name, mut shard)| {
            shard.name = name.or_else(|| free.next()).unwrap_or(ShardName(u16::MAX));
            shard.former = former.iter().filter(|(of, _)| *of == shard.name).map(|(_, id)| *id).collect();
            shard.replicas.sort_by_key(|id| model.nodes.get(id).map(|node| node.address.clone()));
            shard
        })
        .collect();
    named.sort_by_key(|shard| shard.name);
    named
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

/// A master's place in its stream: bytes written, when it was read, bytes a second, and which stream.
type Offset = (u64, Time, f64, Option<Arc<str>>);

/// Replication lag of every replica: its master's offset less its own, the master's read brought to the time of the replica's.
pub(super) fn lags(model: &mut Model) {
    let offsets: BTreeMap<NodeId, Offset> = model
        .nodes
        .values()
        .filter(|node| node.is_master() && node.health.is_alive())
        .filter_map(|node| {
            let info = node.info.as_ref()?;
            Some((
                node.id,
                (info.master_offset?, node.info_at?, node.rates.replication_bytes_per_sec.unwrap_or(0.0), info.replid.clone()),
            ))
        })
        .collect();
    for node in model.nodes.values_mut().filter(|node| node.role == Role::Replica) {
        node.lag_bytes = lag(node, &offsets);
    }
}

fn lag(node: &Node, offsets: &BTreeMap<NodeId, Offset>) -> Option<u64> {
    let (written, at, rate, replid) = offsets.get(&node.master?)?;
    let info = node.info.as_ref()?;
    if info.replid != *replid || !node.health.is_alive() {
        return None;
    }
    let read = node.info_at?;
    let skew = age(*at, read).as_secs_f64() - age(read, *at).as_secs_f64();
    let written = *written as f64 - rate * skew;
    Some((written - info.replica_offset? as f64).max(0.0) as u64)
}
