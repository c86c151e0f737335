//! PURE. The cluster when all is well, taken every few seconds, and the nodes that are in it.

use std::sync::Arc;

use chrono::TimeDelta;

use super::evidence;
use super::memory::{NODES, RoomsPicture, ShardPicture};
use super::{History, KnownNode, KnownRoom, Picture, Track};
use crate::cluster::{Model, Node, Room, SLOTS, Shard, Time, age};

/// Between two pictures.
const EVERY: TimeDelta = TimeDelta::seconds(5);
/// So many rooms are kept by name, with when each of them ends.
const ROOMS: usize = 20_000;
/// How nodes that joined came by their slots is told within so long, or not at all.
const UNDECIDED: TimeDelta = TimeDelta::seconds(30);
/// A node that has gone is remembered for this long.
const GONE: TimeDelta = TimeDelta::hours(1);

impl History {
    /// Notes who is in the cluster and who was not well.
    pub(super) fn know(&mut self, model: &Model) {
        // What a node says of its own slots at first is kept also while the others do not know it yet.
        for (node, view) in model.nodes().filter(|node| node.id.is_member()).filter_map(|node| Some((node, node.view.as_ref()?))) {
            let track = self.tracks.entry(node.id).or_default();
            if track.brought.is_none() {
                track.brought = Some(view.myself().map(|me| me.slots.clone()).unwrap_or_default());
            }
        }
        for node in model.nodes().filter(|node| node.id.is_member() && node.counted) {
            let track = self.tracks.entry(node.id).or_default();
            if node.health.is_down() || node.flags.failed || node.flags.suspected {
                track.down_at = node.heard.max(track.down_at);
            }
            let Some(seen) = node.last_answer.or(self.known.get(&node.id).map(|known| known.seen)) else { continue };
            match self.known.get_mut(&node.id) {
                Some(known) if known.address == node.address && known.role == node.role.word() => known.seen = seen,
                _ => {
                    let asked = node.reached.clone().filter(|reached| *reached != node.address);
                    self.known.insert(node.id, KnownNode::new(node.id, node.address.clone(), asked, node.role, seen));
                    self.revision += 1;
                }
            }
        }
        let newest = self.known.values().map(|known| known.seen).max().unwrap_or_default();
        let crowded = self.known.len() > NODES;
        self.known.retain(|id, known| model.node(*id).is_some() || (!crowded && newest - known.seen < GONE));
        self.tracks.retain(|id, _| model.node(*id).is_some());
    }

    /// Takes a picture; the one before it stands when every owner has told since that it is still the same process.
    pub(super) fn picture_when_well(&mut self, model: &Model, now: Time) {
        let undecided = self.undecided.is_some_and(|since| now - since <= UNDECIDED);
        if self.suspicion.is_some() || undecided || self.awaits_rooms() || !is_well(model) {
            self.candidate = None;
            return;
        }
        if let Some(candidate) = &self.candidate {
            if !candidate.shards.iter().all(|shard| is_confirmed(model, shard, candidate.at)) {
                if candidate.shards.iter().any(|shard| !still_owns(model, shard)) || now - candidate.at > EVERY * 6 {
                    self.candidate = None;
                }
                return;
            }
            let rooms = |picture: &Picture| picture.shards.iter().filter(|shard| shard.rooms.is_some()).count();
            let due = self.picture.as_ref().is_none_or(|picture| {
                // Rooms have been counted since: what is not in the picture cannot be missed.
                !self.watched || now - picture.at >= EVERY || rooms(picture) < rooms(candidate)
            });
            if !due && self.handled.is_empty() {
                return;
            }
            let mut picture = Picture::clone(candidate);
            self.picture.iter().for_each(|before| picture.complete(before));
            self.picture = Some(Arc::new(picture));
            self.watched = true;
            self.handled.clear();
            for node in model.nodes() {
                if let Some(track) = self.tracks.get_mut(&node.id) {
                    track.orders = evidence::orders(node);
                }
            }
        }
        self.candidate = take(model, self.picture.as_deref(), now).map(Arc::new);
    }
}

/// Everything is served, nothing is on the move, nobody disagrees, and every owner has told of its data.
pub(super) fn is_well(model: &Model) -> bool {
    let topology = model.topology();
    topology.served.len() == usize::from(SLOTS)
        && topology.conflicts.is_empty()
        && topology.open.is_empty()
        && topology.shards.iter().filter(|shard| shard.slot_count > 0).all(|shard| {
            let master = shard.master.and_then(|id| model.node(id));
            master.is_some_and(|node| node.health.is_well() && node.info.as_ref().is_some_and(|info| !info.loading))
        })
        && model.agrees()
}

fn is_confirmed(model: &Model, shard: &ShardPicture, since: Time) -> bool {
    model.node(shard.owner).is_some_and(|node| {
        let same = node.info.as_ref().is_some_and(|info| info.run_id.as_deref() == Some(&shard.run_id) && !info.loading);
        same && node.info_at.is_some_and(|at| at > since)
    }) && still_owns(model, shard)
}

fn still_owns(model: &Model, shard: &ShardPicture) -> bool {
    let owner = model.node(shard.owner).filter(|node| node.is_master() && usize::from(node.slot_count) == shard.slots.len());
    owner.is_some_and(|node| node.slots == shard.slots.ranges())
}

pub(super) fn take(model: &Model, before: Option<&Picture>, now: Time) -> Option<Picture> {
    let owning = model.topology().shards.iter().filter(|shard| shard.slot_count > 0);
    let shards: Option<Vec<ShardPicture>> = owning.map(|shard| shard_picture(model, shard, before, now)).collect();
    // Whoever joins is one of us when it has told of its slots itself.
    let is_ours = |node: &&Node| {
        let was = before.is_none_or(|before| before.nodes.contains(&node.id));
        node.id.is_member() && node.counted && (was || node.view.is_some())
    };
    let nodes = model.nodes().filter(is_ours).map(|node| node.id).collect();
    Some(Picture { at: now, epoch: model.current_epoch(), nodes, shards: shards? })
}

fn shard_picture(model: &Model, shard: &Shard, before: Option<&Picture>, now: Time) -> Option<ShardPicture> {
    let owner = model.node(shard.master?)?;
    let info = owner.info.as_deref()?;
    let run_id = info.run_id.as_deref()?.to_owned();
    let slots = shard.slot_set();
    let rooms = rooms(model, owner, shard, now).or_else(|| {
        let same = before?.shards.iter().find(|old| old.owner == owner.id && old.run_id == run_id && old.slots == slots);
        same?.rooms.clone()
    });
    Some(ShardPicture {
        name: shard.name,
        owner: owner.id,
        address: owner.address.clone(),
        replicas: shard.replicas.clone(),
        slots,
        epoch: owner.epoch,
        run_id,
        replid: info.replid.as_deref().map(str::to_owned),
        offset: info.master_offset,
        keys: info.keys,
        rooms,
        orders: evidence::orders(owner),
        deletions: evidence::deletions(info),
    })
}

/// Rooms and players of a shard, when every key of its master has been looked at.
fn rooms(model: &Model, owner: &Node, shard: &Shard, now: Time) -> Option<RoomsPicture> {
    let rooms = model.rooms();
    if !rooms.complete([&owner.address]) {
        return None;
    }
    let slots = shard.slot_set();
    let tally = rooms.in_slots(&slots);
    let known = (rooms.len() <= ROOMS).then(|| {
        let known = |room: &Room| {
            // What it has left was said when it was last seen.
            let left = room.ttl.map(|ttl| ttl.saturating_sub(age(now, room.seen)));
            let gone_by = left.and_then(|left| TimeDelta::from_std(left).ok()).map(|left| now + left);
            KnownRoom { code: room.code.clone(), players: room.players, gone_by }
        };
        rooms.iter().filter(|room| slots.contains(room.slot)).map(known).collect::<Vec<_>>()
    });
    let mut ends = known.iter().flatten().map(|room| room.gone_by);
    let gone_by = ends.try_fold(None, |latest: Option<Time>, ends| ends.map(|ends| latest.max(Some(ends)))).flatten();
    Some(RoomsPicture { rooms: tally.rooms, players: tally.players, at: now, gone_by, known: known.map(Arc::new) })
}

impl Track {
    /// It was not well at some time since then.
    pub(super) fn was_down_since(&self, then: Time) -> bool {
        self.down_at.is_some_and(|at| at >= then - EVERY)
    }
}
