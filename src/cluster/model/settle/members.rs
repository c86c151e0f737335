//! PURE. The lines that are believed become the model's nodes; what differs from before becomes a change.

use std::collections::HashMap;
use std::time::Duration;

use super::Model;
use super::lines::NodesLine;
use crate::cluster::{Change, ChangeKind, Health, Letters, Node, NodeId, NodeRole, SlotSet, Time, age};

/// A node that nobody else knows is dropped once it has been silent for this long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3);
/// Until then everybody has been asked once more whether a node that another has taken the place of is still counted on.
const HEARD_ALL_AFTER: Duration = Duration::from_millis(1500);

/// `alone`: only one node speaks, and is believed whatever it names; `discovered`: who is new is news.
pub(super) fn take_in(model: &mut Model, lines: &HashMap<NodeId, NodesLine<'_>>, alone: bool, discovered: bool, now: Time) {
    let mut ids: Vec<NodeId> = lines.keys().copied().collect();
    ids.sort_unstable();
    for id in ids {
        let Some(line) = lines.get(&id) else { continue };
        let address = line.address.unwrap_or(&line.member.address);
        let node = model.nodes.entry(id).or_insert_with(|| Node::new(id, address.clone(), now));
        // A node that only knows itself, as after a reset, is nobody's news.
        let counted = line.known || alone;
        let changes = if node.counted {
            differences(node, line, &model.letters)
        } else if counted && discovered {
            vec![ChangeKind::Joined(line.member.role)]
        } else {
            Vec::new()
        };
        if !line.member.flags.noaddr && node.address != *address {
            node.address = address.clone();
            model.by_address.insert(address.clone(), id);
        } else if !node.placed {
            model.by_address.entry(address.clone()).or_insert(id);
        }
        if changes.iter().any(|kind| matches!(kind, ChangeKind::Role { from: NodeRole::Master, .. })) && node.slot_count > 0 {
            node.demoted_at = Some(now);
        }
        node.counted |= counted;
        place(node, line);
        let address = node.address.clone();
        model.changes.extend(changes.into_iter().map(|kind| Change { at: now, node: id, address: address.clone(), kind }));
    }
    adopt_seeds(model);
}

fn differences(node: &Node, line: &NodesLine<'_>, letters: &Letters) -> Vec<ChangeKind> {
    let member = line.member;
    let mut changes = Vec::new();
    let address = line.address.unwrap_or(&member.address);
    if node.address != *address && !member.flags.noaddr {
        changes.push(ChangeKind::Moved { from: node.address.clone() });
    }
    if node.role != member.role {
        changes.push(ChangeKind::Role { from: node.role, to: member.role });
    } else if node.master != member.master && node.role == NodeRole::Replica {
        // After a failover everybody follows the new master of the same shard: that is no news of its own.
        let shard = member.master.and_then(|master| letters.get(master));
        if shard.is_none() || shard != node.shard {
            changes.push(ChangeKind::Reparented { shard });
        }
    }
    if node.slots != member.slots {
        let (old, new): (SlotSet, SlotSet) = (node.slots.iter().collect(), member.slots.iter().collect());
        changes.push(ChangeKind::Slots { gained: new.minus(&old).ranges(), lost: old.minus(&new).ranges() });
    } else if node.role == NodeRole::Master && member.role == NodeRole::Master && node.epoch != member.epoch {
        // An epoch that rises with new slots goes without saying.
        changes.push(ChangeKind::Epoch { from: node.epoch, to: member.epoch });
    }
    changes
}

fn place(node: &mut Node, line: &NodesLine<'_>) {
    let member = line.member;
    node.placed = true;
    node.role = member.role;
    node.master = member.master;
    node.epoch = member.epoch;
    node.hostname.clone_from(&member.hostname);
    node.flags = member.flags;
    node.flags.myself = false;
    node.flags.suspected = line.suspected;
    node.flags.failed = line.failed;
    node.slots.clone_from(&member.slots);
    node.slot_count = member.slot_count();
}

/// A seed that has not told its id is a member when a member is announced at the very same address.
fn adopt_seeds(model: &mut Model) {
    let seeds: Vec<NodeId> = model.nodes.keys().filter(|id| !id.is_member()).copied().collect();
    for seed in seeds {
        let Some(address) = model.nodes.get(&seed).map(|node| node.address.clone()) else { continue };
        let Some(member) = model.nodes.values().find(|node| node.id.is_member() && node.address == address).map(|node| node.id)
        else {
            continue;
        };
        model.by_address.insert(address, member);
        model.letters.drop_place(seed);
        if let (Some(seed), Some(node)) = (model.nodes.remove(&seed), model.nodes.get_mut(&member))
            && node.health == Health::Unknown
        {
            node.learn_from(seed);
        }
    }
}

/// Drops nodes that no other speaker knows, once they do not speak themselves; seeds that nobody speaks for, likewise.
/// True when one of them had a say until now.
pub(super) fn forget(model: &mut Model, lines: &HashMap<NodeId, NodesLine<'_>>, alone: bool, now: Time) -> bool {
    let mut gone = Vec::new();
    let mut missed = Vec::new();
    for node in model.nodes.values() {
        let line = lines.get(&node.id);
        let stays = match node.id.is_member() {
            true => line.is_some_and(|line| line.known || alone),
            false => node.heard.is_some_and(|at| age(now, at) <= FORGOTTEN_AFTER),
        };
        if stays {
            let waited = node.displaced.map(|since| age(now, since));
            if waited.is_some_and(|waited| waited > HEARD_ALL_AFTER) {
                missed.push(node.id);
            }
            model.doubtful |= !node.id.is_member() || waited.is_some_and(|waited| waited <= HEARD_ALL_AFTER);
        } else if node.id.is_member()
            && node.displaced.is_none()
            && node.silence(now).is_some_and(|silence| silence <= FORGOTTEN_AFTER)
        {
            // Looked at again at the next settle: only time has to pass.
            model.doubtful = true;
        } else {
            gone.push(node.id);
        }
    }
    for id in missed {
        model.refuse_displaced(id, now);
    }
    let mut heard = false;
    for id in gone {
        let Some(node) = model.nodes.remove(&id) else { continue };
        heard |= node.view.is_some();
        model.letters.drop_place(id);
        model.by_address.retain(|_, known| *known != id);
        if node.counted {
            model.changes.push(Change { at: now, node: id, address: node.address, kind: ChangeKind::Left });
        }
    }
    heard
}
