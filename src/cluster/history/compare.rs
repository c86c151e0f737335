//! PURE. The last well picture beside the present one: what was lost, and what changed without a known cause.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::TimeDelta;

use super::evidence::{Commands, counts, has_counted_since, orders, was_flushed, was_given_slots};
use super::incident::TOGETHER;
use super::returned::restarted;
use super::{History, IncidentKind, JoinedNode, LostData, Owner, Picture, ShardPicture};
use crate::cluster::{Info, Model, Node, NodeId, SlotSet, Time};

/// A picture that is older than this says little about how much ought to be there now: rooms come and go.
pub(super) const RECENT: TimeDelta = TimeDelta::minutes(10);
/// Counts that have not come by then will not come; nothing is concluded from that.
const PATIENCE: TimeDelta = TimeDelta::seconds(40);
/// Epochs grow by one for a failover, and for a group of slots that is moved.
const JUMP: u64 = 5;

/// Changes of owners whose cause is not known yet: the servers have not told their counts since.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    since: Time,
    changes: BTreeMap<(NodeId, NodeId), SlotSet>,
    counted: BTreeMap<NodeId, Option<Commands>>,
}

impl History {
    pub(super) fn compare(&mut self, model: &Model, picture: &Picture, now: Time) {
        self.restarts(model, picture, now);
        self.returns(model, picture, now);
        self.joined(model, picture, now);
        let changes = self.changes(model, picture);
        for ((from, to), slots) in &changes {
            self.vanished(model, picture, *from, *to, slots, now);
        }
        self.suspect(model, picture, changes, now);
    }

    /// Masters that were started again without a failover: have they as many keys as they had? That is seen at once; of rooms
    /// it is asked when they have been looked for.
    fn restarts(&mut self, model: &Model, picture: &Picture, now: Time) {
        for shard in &picture.shards {
            let Some((node, info, run_id)) = restarted(model, shard, picture.at) else { continue };
            if was_flushed(info) {
                continue;
            }
            let restarted = info.uptime_seconds.and_then(|up| i64::try_from(up).ok()).map(|up| now - TimeDelta::seconds(up));
            let just_before = restarted.is_some_and(|at| at - picture.at <= RECENT);
            let little = info.keys * 10 <= shard.keys && just_before;
            let less = info.keys * 10 <= shard.keys * 9 && shard.keys - info.keys >= 10 && now - picture.at <= RECENT;
            let none = info.keys == 0 && (just_before || now - picture.at <= RECENT);
            if shard.keys == 0 || !(little || less || none) || over(shard, now) {
                continue;
            }
            let what = IncidentKind::CameBackEmpty {
                node: node.id,
                shard: shard.name,
                run_id: run_id.to_owned(),
                lost: lost(shard, picture.at),
                left: info.keys,
                gone: None,
            };
            // The figures of the first sight stay: what has come since is new.
            if !self.incidents.iter().any(|incident| incident.what.is(&what)) {
                self.add(what, now);
            }
        }
    }

    /// Nodes that were no part of the cluster and have slots that others had.
    fn joined(&mut self, model: &Model, picture: &Picture, now: Time) {
        let strangers = || model.nodes().filter(|node| node.id.is_member() && node.counted && !picture.nodes.contains(&node.id));
        if strangers().next().is_none() {
            self.undecided = None;
            return;
        }
        let mut undecided = false;
        let mut found: Vec<JoinedNode> = Vec::new();
        for node in strangers() {
            let had = self.tracks.get(&node.id).and_then(|track| track.brought.as_ref());
            let brought: SlotSet = had.into_iter().flatten().collect();
            let brought = if brought.is_empty() { node.slots.iter().collect() } else { brought };
            // Its name may have been heard before the picture was taken: it was no part of the cluster then.
            let alarming = if self.watched { self.came_with_slots(node) } else { None };
            if brought.is_empty() {
                // It may not have told of its slots yet.
                undecided |= had.is_none();
                continue;
            }
            let decided = alarming.is_some() || was_given_slots(node) == Some(true);
            if !alarming.unwrap_or_else(|| replaced(model, picture, node)) {
                undecided |= !decided;
            } else {
                found.push(JoinedNode { id: node.id, address: node.address.clone(), slots: brought, epoch: node.epoch });
            }
        }
        self.undecided = undecided.then(|| self.undecided.unwrap_or(now));
        if found.is_empty() {
            return;
        }
        let known = self.incidents.iter().find_map(|incident| match &incident.what {
            IncidentKind::Joined { joined, ours } if joined.iter().any(|node| found.iter().any(|other| other.id == node.id)) => {
                Some((joined.clone(), ours.clone()))
            }
            IncidentKind::Joined { joined, ours } if now - incident.at <= TOGETHER => Some((joined.clone(), ours.clone())),
            _ => None,
        });
        let (mut joined, ours) = known.unwrap_or_default();
        let fresh: Vec<JoinedNode> = found.into_iter().filter(|node| !joined.iter().any(|old| old.id == node.id)).collect();
        if fresh.is_empty() {
            return;
        }
        joined.extend(fresh);
        joined.sort_by(|a, b| a.address.cmp(&b.address));
        // All of them from the start: who loses is seen later, when the picture may be another one.
        let mut owners: Vec<Owner> = ours;
        for shard in &picture.shards {
            let is_known = owners.iter().any(|owner| owner.id == shard.owner);
            if !is_known && !joined.iter().any(|node| node.id == shard.owner) {
                owners.push(owner(shard, picture.at));
            }
        }
        let what = IncidentKind::Joined { joined, ours: owners };
        self.add(what, now);
    }

    /// Seen to join, and it had slots when it first spoke for itself; None while it has not.
    fn came_with_slots(&self, node: &Node) -> Option<bool> {
        let brought = self.tracks.get(&node.id)?.brought.as_ref()?;
        // A few slots may have been given to it by command between joining and speaking; so many have not.
        let many = brought.iter().map(|range| usize::from(range.len())).sum::<usize>() > 100;
        Some(!brought.is_empty() && (many || was_given_slots(node) == Some(false)))
    }

    /// Slots whose owner is another one than in the picture, from whom to whom.
    fn changes(&self, model: &Model, picture: &Picture) -> BTreeMap<(NodeId, NodeId), SlotSet> {
        let mut changes: BTreeMap<(NodeId, NodeId), SlotSet> = BTreeMap::new();
        for shard in &picture.shards {
            for slot in shard.slots.iter() {
                match model.topology().owner(slot) {
                    Some(now) if now != shard.owner => {
                        changes.entry((shard.owner, now)).or_default().insert(slot);
                    }
                    _ => {}
                }
            }
        }
        changes
    }

    /// A replica has taken a whole shard over: has it what its master had?
    fn vanished(&mut self, model: &Model, picture: &Picture, from: NodeId, to: NodeId, slots: &SlotSet, now: Time) {
        let Some(shard) = picture.shards.iter().find(|shard| shard.owner == from && shard.replicas.contains(&to)) else { return };
        if !slots.contains_all(&shard.slots) || now - picture.at > RECENT || over(shard, now) {
            return;
        }
        let Some((node, info)) =
            fresh(model, to, picture.at).filter(|(_, info)| info.role == Some(crate::cluster::NodeRole::Master))
        else {
            return;
        };
        let half = info.keys * 2 <= shard.keys && shard.keys >= 10;
        if !half || was_flushed(info) || info.loading {
            return;
        }
        let lost = lost(shard, picture.at);
        let what =
            IncidentKind::Vanished { shard: shard.name, from: shard.address.clone(), to, epoch: node.epoch, lost, left: info.keys };
        if !self.incidents.iter().any(|incident| incident.what.is(&what)) {
            self.add(what, now);
        }
    }

    /// Every change of owners has a cause: a node that was down, a command, nodes that joined with slots. Where none is
    /// seen it is waited until the servers have told their counts; only then it is called one without a cause.
    fn suspect(&mut self, model: &Model, picture: &Picture, changes: BTreeMap<(NodeId, NodeId), SlotSet>, now: Time) {
        let mut fresh: BTreeMap<(NodeId, NodeId), SlotSet> = BTreeMap::new();
        for ((from, to), slots) in changes {
            if self.handled.contains(&(from, to)) {
                continue;
            }
            if !self.watched || self.has_cause(model, picture, from, to) {
                self.handled.insert((from, to));
            } else {
                fresh.insert((from, to), slots);
            }
        }
        if fresh.is_empty() {
            self.suspicion = self.suspicion.take().filter(|suspicion| suspicion.changes.is_empty());
            return self.epochs(model, picture, now);
        }
        let suspicion =
            self.suspicion.get_or_insert_with(|| Suspicion { since: now, changes: BTreeMap::new(), counted: BTreeMap::new() });
        suspicion.changes = fresh;
        let nodes: BTreeSet<NodeId> = suspicion.changes.keys().flat_map(|(from, to)| [*from, *to]).collect();
        for (id, commands) in counts(model, nodes.iter().copied()) {
            suspicion.counted.entry(id).or_insert(commands);
        }
        let then = |id: &NodeId| suspicion.counted.get(id).and_then(Option::as_ref);
        let told = nodes.iter().all(|id| has_counted_since(model, *id, then(id)));
        let (since, changes) = (suspicion.since, suspicion.changes.clone());
        if !told && now - since <= PATIENCE {
            return;
        }
        self.suspicion = None;
        for ((from, to), slots) in changes {
            self.handled.insert((from, to));
            if told {
                self.call_without_cause(model, picture, from, to, slots, now);
            }
        }
    }

    fn has_cause(&self, model: &Model, picture: &Picture, from: NodeId, to: NodeId) -> bool {
        let joined = self.incidents.iter().any(|incident| match &incident.what {
            IncidentKind::Joined { joined, .. } => joined.iter().any(|node| node.id == to || node.id == from),
            _ => false,
        });
        let down = self.tracks.get(&from).is_none_or(|track| track.was_down_since(picture.at));
        let was = picture.shards.iter().find(|shard| shard.owner == from);
        let node = model.node(from).filter(|node| node.health.is_alive());
        // A new process counts from zero: what it was told before is not known any more.
        let restarted =
            node.and_then(|node| node.info.as_ref()).is_none_or(|info| info.run_id.as_deref() != was.map(|was| &*was.run_id));
        let ordered = [from, to].iter().any(|id| {
            let before = self.tracks.get(id).and_then(|track| track.orders);
            let after = model.node(*id).and_then(orders);
            // Not told is not none.
            before.zip(after).is_none_or(|(before, after)| after != before)
        });
        joined || down || restarted || ordered
    }

    fn call_without_cause(&mut self, model: &Model, picture: &Picture, from: NodeId, to: NodeId, slots: SlotSet, now: Time) {
        let shard = picture.shards.iter().find(|shard| shard.owner == from);
        match shard.filter(|shard| shard.replicas.contains(&to)) {
            Some(shard) => {
                let epoch = model.node(to).map_or(0, |node| node.epoch);
                self.add(IncidentKind::Turned { shard: shard.name, from, to, epoch }, now);
            }
            None => self.add(IncidentKind::Moved { slots, from, to }, now),
        }
    }

    /// Owners are as they were: then epochs have no reason to grow by much.
    fn epochs(&mut self, model: &Model, picture: &Picture, now: Time) {
        let epoch = model.current_epoch();
        let all_there = model.nodes().all(|node| picture.nodes.contains(&node.id));
        if !self.watched || !self.handled.is_empty() || !all_there || epoch < picture.epoch + JUMP {
            self.suspicion = None;
            return;
        }
        let masters = || model.nodes().filter(|node| node.is_master()).map(|node| node.id);
        let counted = || counts(model, masters());
        let suspicion =
            self.suspicion.get_or_insert_with(|| Suspicion { since: now, changes: BTreeMap::new(), counted: counted() });
        let told = suspicion.counted.iter().all(|(id, then)| has_counted_since(model, *id, then.as_ref()));
        if !told && now - suspicion.since <= PATIENCE {
            return;
        }
        self.suspicion = None;
        let ordered = masters().any(|id| {
            let before = self.tracks.get(&id).and_then(|track| track.orders);
            before.zip(model.node(id).and_then(orders)).is_none_or(|(before, after)| after != before)
        });
        let down = self.tracks.values().any(|track| track.was_down_since(picture.at));
        if told && !ordered && !down {
            self.add(IncidentKind::Epochs { from: picture.epoch, to: epoch }, now);
        }
        // The next picture has these epochs.
        let mut accepted = picture.clone();
        accepted.epoch = epoch;
        self.picture = Some(Arc::new(accepted));
    }
}

/// The node and what it says of itself, when that is newer than the picture and it has all its data.
pub(super) fn fresh(model: &Model, id: NodeId, since: Time) -> Option<(&Node, &Info)> {
    let node = model.node(id).filter(|node| node.health.is_alive() && node.info_at.is_some_and(|at| at > since))?;
    let info = node.info.as_deref().filter(|info| !info.loading)?;
    Some((node, info))
}

/// All that was there would have ended by itself by now.
fn over(shard: &ShardPicture, now: Time) -> bool {
    shard.rooms.as_ref().is_some_and(|rooms| rooms.rooms > 0 && rooms.gone_by.is_some_and(|at| at <= now))
}

pub(super) fn lost(shard: &ShardPicture, at: Time) -> LostData {
    let rooms = shard.rooms.as_ref();
    LostData { keys: shard.keys, rooms: rooms.map(|rooms| rooms.rooms), players: rooms.map(|rooms| rooms.players), at }
}

fn owner(shard: &ShardPicture, at: Time) -> Owner {
    Owner {
        id: shard.owner,
        address: shard.address.clone(),
        shard: shard.name,
        slots: shard.slots.clone(),
        epoch: shard.epoch,
        replicas: shard.replicas.clone(),
        lost: lost(shard, at),
    }
}

/// Nobody has watched it come. It has slots that a node of the picture had, which is still there as the same process, has
/// nothing left, and was never told to give anything away.
fn replaced(model: &Model, picture: &Picture, joining: &Node) -> bool {
    let theirs: SlotSet = joining.slots.iter().collect();
    picture.shards.iter().filter(|shard| !shard.slots.both(&theirs).is_empty()).any(|shard| {
        fresh(model, shard.owner, picture.at).is_some_and(|(node, info)| {
            let same = info.run_id.as_deref() == Some(&shard.run_id);
            same && node.slot_count == 0 && shard.orders.is_some() && orders(node) == shard.orders
        })
    })
}
