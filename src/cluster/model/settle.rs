//! PURE. From everybody's views to one picture: who is believed, who belongs, who owns what.
//!
//! ```text
//!  views ─► speakers (who says the same) ─► one line a node ─► members and changes ─► owners, shards, lag
//! ```

mod lag;
mod lines;
mod members;
mod picture;

use std::time::Duration;

use super::Model;
use crate::cluster::{NodeRole, Time, age, history};

pub(super) use lag::lags;

/// While everybody is asked for the first time nothing is news: nobody has joined, no view is an old one.
const DISCOVERY: Duration = Duration::from_secs(5);

pub(super) fn topology(model: &mut Model, now: Time) {
    let discovered = model.born.is_some_and(|born| age(now, born) > DISCOVERY);
    // Who is dropped has no say any more: the others are heard again without it.
    while members_change(model, discovered, now) {}
    history::recognise(model);
    let topology = picture::picture(model, now);
    if discovered && topology.owners != model.topology.owners {
        model.owners_since = Some(now);
    }
    for shard in &topology.shards {
        if shard.slot_count > 0 && shard.master.is_some_and(|id| id.is_member()) {
            model.letters.serves(shard.name, now);
        }
        for id in shard.nodes() {
            model.letters.set(id, shard.name);
            if let Some(node) = model.nodes.get_mut(&id) {
                node.shard = Some(shard.name);
            }
        }
    }
    model.topology = topology;
}

/// Takes in what is believed of everybody; true when somebody who had a say was dropped.
fn members_change(model: &mut Model, discovered: bool, now: Time) -> bool {
    model.doubtful = false;
    let speakers = lines::speakers(model);
    if speakers.is_empty() {
        by_their_own_word(model);
        return false;
    }
    let (lines, undecided) = lines::best(model, &speakers);
    model.doubtful = undecided;
    let alone = speakers.iter().map(|speaker| speaker.speakers.len()).sum::<usize>() == 1;
    members::take_in(model, &lines, alone, discovered, now);
    members::forget(model, &lines, alone, now)
}

/// Servers outside of a cluster have no views: INFO tells their roles, and their masters by address.
fn by_their_own_word(model: &mut Model) {
    let told: Vec<_> = model
        .nodes
        .values()
        .filter(|node| !node.id.is_member())
        .filter_map(|node| {
            let info = node.info.as_ref()?;
            let master = info.master_host.clone().zip(info.master_port);
            let master = master.and_then(|(host, port)| model.node_at(&crate::cluster::Address { host, port }));
            Some((node.id, info.role?, master.map(|master| master.id)))
        })
        .collect();
    for (id, role, master) in told {
        if let Some(node) = model.nodes.get_mut(&id) {
            node.role = role;
            node.master = master.filter(|_| role == NodeRole::Replica);
        }
    }
}
