//! PURE. `slots`: who owns which range, what lives there, and what is open, unowned or contested.

use serde_json::{Value as Json, json};

use crate::cli::context::picture::LookPicture;
use crate::cli::show::table::{Table, csv};
use crate::cluster::{NodeId, OpenDirection, RoomTally, SLOTS, SlotRange, SlotSet};
use crate::quantity::bytes;

/// Neighbouring slots with one owner.
struct Run {
    range: SlotRange,
    owner: Option<NodeId>,
}

fn runs(picture: &LookPicture) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for slot in 0..SLOTS {
        let owner = picture.model.topology().owner(slot);
        match runs.last_mut() {
            Some(run) if run.owner == owner => run.range.end = slot,
            _ => runs.push(Run { range: SlotRange::new(slot, slot), owner }),
        }
    }
    runs
}

const COLUMNS: [&str; 9] = ["slots", "count", "shard", "master", "health", "served", "keys", "rooms", "players"];

fn run_json(picture: &LookPicture, run: &Run) -> Json {
    let topology = picture.model.topology();
    let node = run.owner.and_then(|id| picture.model.node(id));
    let tally = tally(picture, run.range);
    json!({
        "slots": run.range.to_string(),
        "count": run.range.len(),
        "shard": node.and_then(|node| node.shard).map(|shard| shard.to_string()),
        "master": node.map(|node| node.address.to_string()),
        "health": node.map(|node| node.health.word()),
        "served": run.range.iter().all(|slot| topology.served.contains(slot)),
        "keys": keys(picture, run.range),
        "rooms": tally.map(|tally| tally.rooms),
        "players": tally.map(|tally| tally.players),
    })
}

/// None where rooms have not been counted.
fn tally(picture: &LookPicture, range: SlotRange) -> Option<RoomTally> {
    let set: SlotSet = range.iter().collect();
    picture.measured.rooms.then(|| picture.model.rooms().in_slots(&set))
}

/// Keys in a range, when every slot of it has been counted.
fn keys(picture: &LookPicture, range: SlotRange) -> Option<u64> {
    range.iter().map(|slot| picture.model.slot_keys(slot).map(u64::from)).sum()
}

fn rows(picture: &LookPicture) -> Vec<Json> {
    runs(picture).iter().map(|run| run_json(picture, run)).collect()
}

pub(crate) fn json(picture: &LookPicture) -> Json {
    let topology = picture.model.topology();
    let open: Vec<Json> = topology
        .open
        .iter()
        .map(|open| {
            let direction = match open.direction {
                OpenDirection::Migrating => "migrating",
                OpenDirection::Importing => "importing",
            };
            let (node, peer) = (picture.model.label(open.node), picture.model.label(open.peer));
            json!({"slot": open.slot, "node": node, "direction": direction, "peer": peer})
        })
        .collect();
    let contested: Vec<Json> = topology
        .conflicts
        .iter()
        .map(|conflict| {
            let nodes: Vec<String> = conflict.claimants.iter().map(|id| picture.model.label(*id)).collect();
            json!({"slot": conflict.slot, "claimed_by": nodes})
        })
        .collect();
    json!({
        "cluster": picture.model.name,
        "slots": picture.slots_json(),
        "ranges": rows(picture),
        "open": open,
        "contested": contested,
    })
}

pub(crate) fn as_csv(picture: &LookPicture) -> String {
    csv(&COLUMNS, &rows(picture))
}

pub(crate) fn text(picture: &LookPicture) -> String {
    let mut table = Table::new(&["slots", "count>", "shard", "master", "health", "rooms>", "players>", "room data>"]);
    for run in runs(picture) {
        let node = run.owner.and_then(|id| picture.model.node(id));
        let tally = tally(picture, run.range);
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        table.row([
            run.range.to_string(),
            run.range.len().to_string(),
            node.and_then(|node| node.shard).map_or_else(|| "-".into(), |shard| shard.to_string()),
            node.map_or_else(|| "nobody".into(), |node| node.address.to_string()),
            node.map_or_else(|| "unowned".into(), |node| node.health.word().to_owned()),
            or_dash(tally.map(|tally| tally.rooms.to_string())),
            or_dash(tally.map(|tally| tally.players.to_string())),
            or_dash(tally.map(|tally| bytes(tally.bytes))),
        ]);
    }
    let topology = picture.model.topology();
    let mut text = table.text();
    if !topology.open.is_empty() {
        text.push('\n');
    }
    for open in &topology.open {
        let (node, peer) = (picture.model.label(open.node), picture.model.label(open.peer));
        text.push_str(&match open.direction {
            OpenDirection::Migrating => format!("slot {} is open: {node} is giving it to {peer}\n", open.slot),
            OpenDirection::Importing => format!("slot {} is open: {node} is taking it from {peer}\n", open.slot),
        });
    }
    for conflict in &topology.conflicts {
        let nodes: Vec<String> = conflict.claimants.iter().map(|id| picture.model.label(*id)).collect();
        text.push_str(&format!("slot {} is contested: {} each call it their own\n", conflict.slot, nodes.join(" and ")));
    }
    text
}
