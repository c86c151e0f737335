//! PURE. What a plan touches: slots, keys, bytes, rooms, players.

use crate::cluster::{Model, ShardName, SlotSet};

use super::{Blast, SlotFacts};

/// Everything in these slots. Keys and bytes come from the survey where there is one, else from what is known of rooms
/// and of the slots' counts.
pub(super) fn of_slots(model: &Model, slots: &SlotSet, facts: Option<&SlotFacts>) -> Blast {
    let mut tally = model.rooms().in_slots(slots);
    let counted: u64 = slots.iter().filter_map(|slot| model.slot_keys(slot)).map(u64::from).sum();
    tally.keys = tally.keys.max(counted);
    if let Some(facts) = facts {
        let (keys, bytes) = slots.iter().map(|slot| facts.slot(slot)).fold((0, 0), |(k, b), fact| (k + fact.keys, b + fact.bytes));
        tally.keys = tally.keys.max(keys);
        tally.bytes = tally.bytes.max(bytes);
    }
    // Owners come in long runs: look each run up once, since the console asks this for every frame.
    let mut owners: Vec<_> = slots.iter().filter_map(|slot| model.topology().owner(slot)).collect();
    owners.dedup();
    let rooms_in_part = !model.rooms().complete(owners.iter().filter_map(|owner| Some(&model.node(*owner)?.address)));
    let mut shards: Vec<ShardName> = owners.into_iter().filter_map(|owner| model.node(owner)?.shard).collect();
    shards.sort();
    shards.dedup();
    Blast { shards, slots: slots.clone(), tally, rooms_in_part }
}

/// A whole shard: its master counts its keys itself, and its bytes where rooms do not account for them. What a server uses
/// beside its keys is no part of what players have there.
pub(super) fn of_shard(model: &Model, name: ShardName) -> Blast {
    let Some(shard) = model.topology().shard(name) else { return Blast::default() };
    let mut blast = of_slots(model, &shard.slot_set(), None);
    blast.shards = vec![name];
    let infos = shard.nodes().filter_map(|id| model.node(id)?.info.as_ref());
    for info in infos.take(1) {
        let in_rooms = model.rooms().in_slots(&blast.slots).keys;
        blast.tally.keys = blast.tally.keys.max(info.keys);
        if in_rooms == 0 || in_rooms < info.keys / 20 * 19 {
            blast.tally.bytes = blast.tally.bytes.max(info.used_memory_dataset.unwrap_or(0));
        }
    }
    blast
}
