//! PURE. What a plan touches: slots, keys, bytes, rooms, players.

use crate::cluster::{Model, NodeId, RoomTally, ShardName, SlotSet};

use crate::plan::{Impact, SlotFacts};

/// Everything in these slots. Keys and bytes come from the survey where there is one, else from what is known of rooms
/// and of the slots' counts.
pub(super) fn of_slots(model: &Model, slots: &SlotSet, facts: Option<&SlotFacts>) -> Impact {
    let parts = parts(model, slots, facts);
    let tally = parts.iter().fold(RoomTally::default(), |tally, part| RoomTally {
        rooms: tally.rooms + part.rooms.rooms,
        players: tally.players + part.rooms.players,
        keys: tally.keys + part.keys(),
        bytes: tally.bytes + part.estimate(model).map_or(part.bytes(), |bytes| bytes.max(part.bytes())),
    });
    let bytes_in_part = parts.iter().any(|part| !part.is_measured() && part.estimate(model).is_none());
    let owners = || parts.iter().filter_map(|part| part.owner);
    let rooms_in_part = !model.rooms().complete(owners().filter_map(|owner| Some(&model.node(owner)?.address)));
    let mut shards: Vec<ShardName> = owners().filter_map(|owner| model.node(owner)?.shard).collect();
    shards.sort();
    shards.dedup();
    Impact { shards, slots: slots.clone(), tally, rooms_in_part, bytes_in_part }
}

/// Whether the bytes of these slots are, for some owner at least, its average and not what was measured.
pub(super) fn is_estimated(model: &Model, slots: &SlotSet, facts: Option<&SlotFacts>) -> bool {
    let guessed = |part: &OwnerPart| part.estimate(model).is_some_and(|bytes| bytes > part.bytes());
    parts(model, slots, facts).iter().any(guessed)
}

/// What is known of the slots of one owner.
#[derive(Default)]
struct OwnerPart {
    owner: Option<NodeId>,
    rooms: RoomTally,
    counted: u64,
    surveyed_keys: u64,
    surveyed_bytes: u64,
}

/// The slots by owner. Owners come in long runs, and the console asks this for every frame: the part of a slot is sought
/// only where a run begins.
fn parts(model: &Model, slots: &SlotSet, facts: Option<&SlotFacts>) -> Vec<OwnerPart> {
    let mut parts: Vec<OwnerPart> = Vec::new();
    let mut at = 0;
    for slot in slots.iter() {
        let owner = model.topology().owner(slot);
        if parts.get(at).is_none_or(|part| part.owner != owner) {
            at = parts.iter().position(|part| part.owner == owner).unwrap_or(parts.len());
            if at == parts.len() {
                parts.push(OwnerPart { owner, ..OwnerPart::default() });
            }
        }
        let Some(part) = parts.get_mut(at) else { continue };
        let fact = facts.map(|facts| facts.slot(slot)).unwrap_or_default();
        part.rooms = part.rooms.sum(model.rooms().in_slot(slot));
        part.counted += model.slot_keys(slot).map_or(0, u64::from);
        part.surveyed_keys += fact.keys;
        part.surveyed_bytes += fact.bytes;
    }
    parts
}

impl OwnerPart {
    fn keys(&self) -> u64 {
        self.rooms.keys.max(self.counted).max(self.surveyed_keys)
    }

    /// What was measured.
    fn bytes(&self) -> u64 {
        self.rooms.bytes.max(self.surveyed_bytes)
    }

    /// The bytes of nearly all keys were measured.
    fn is_measured(&self) -> bool {
        let measured = if self.surveyed_bytes > 0 { self.rooms.keys.max(self.surveyed_keys) } else { self.rooms.keys };
        accounts_for(measured, self.keys())
    }

    /// Where nobody measured most of the keys: as many of the owner's average, if that is known.
    fn estimate(&self, model: &Model) -> Option<u64> {
        if self.is_measured() {
            return None;
        }
        let info = model.node(self.owner?)?.info.as_ref()?;
        let share = u128::from(info.used_memory_dataset?) * u128::from(self.keys().min(info.keys));
        u64::try_from(share.checked_div(info.keys.into())?).ok()
    }
}

/// So many measured keys are nearly all there are.
fn accounts_for(measured: u64, keys: u64) -> bool {
    measured.saturating_mul(20) >= keys.saturating_mul(19)
}

/// A whole shard: its master counts its keys itself, and its bytes where rooms do not account for them. What a server uses
/// beside its keys is no part of what players have there.
pub(super) fn of_shard(model: &Model, name: ShardName) -> Impact {
    let Some(shard) = model.topology().shard(name) else { return Impact::default() };
    let mut impact = of_slots(model, &shard.slot_set(), None);
    impact.shards = vec![name];
    let mut infos = shard.nodes().filter_map(|id| model.node(id)?.info.as_ref());
    let Some(info) = infos.next() else { return Impact { bytes_in_part: true, ..impact } };
    let in_rooms = model.rooms().in_slots(&impact.slots).keys;
    impact.tally.keys = impact.tally.keys.max(info.keys);
    impact.bytes_in_part = false;
    if info.keys > 0 && (in_rooms == 0 || !accounts_for(in_rooms, info.keys)) {
        match info.used_memory_dataset {
            Some(bytes) => impact.tally.bytes = impact.tally.bytes.max(bytes),
            None => impact.bytes_in_part = true,
        }
    }
    impact
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::SlotRange;
    use crate::plan::testing::three_shards;
    use crate::plan::{Facts, Intent, SlotFact, plan};

    /// A survey of slots 0-9 of the first master and 6000-6009 of the second: 50 keys each.
    fn survey(bytes: u64) -> (SlotSet, SlotFacts) {
        let slots: SlotSet = [SlotRange::new(0, 9), SlotRange::new(6000, 6009)].iter().collect();
        let by_slot = slots.iter().map(|slot| (slot, SlotFact { keys: 50, bytes, ..SlotFact::default() })).collect();
        (slots, SlotFacts { by_slot, ..SlotFacts::default() })
    }

    #[test]
    fn bytes_that_nobody_measured_are_the_masters_average() {
        // Every master has 1000 keys in 800000 bytes.
        let model = three_shards();
        let (slots, facts) = survey(0);
        let impact = of_slots(&model, &slots, Some(&facts));
        assert_eq!((impact.tally.keys, impact.tally.bytes, impact.shards.len()), (1000, 800_000, 2));
        assert!(is_estimated(&model, &slots, Some(&facts)));
        let (slots, facts) = survey(7);
        assert_eq!(of_slots(&model, &slots, Some(&facts)).tally.bytes, 140, "what was measured is not guessed at");
        assert!(!is_estimated(&model, &slots, Some(&facts)));
        assert_eq!(of_slots(&model, &slots, None).tally, RoomTally::default(), "no key is known, and no byte");
        let shard = model.topology().shards.first().map(|shard| shard.name).unwrap();
        assert_eq!(of_shard(&model, shard).tally.bytes, 800_000);
    }

    #[test]
    fn a_plan_says_that_its_bytes_are_estimated() {
        let model = three_shards();
        let notes = |bytes| {
            let (slots, facts) = survey(bytes);
            let intent = Intent::MoveSlots { slots, to: "C".into() };
            let plan = plan(&intent, &Facts::with(&model, &facts), crate::plan::testing::at(0)).unwrap();
            assert_eq!(plan.moves.iter().map(|part| part.bytes).sum::<Option<u64>>(), Some(plan.impact.tally.bytes));
            plan.prediction.notes.join("\n")
        };
        assert!(notes(0).contains("bytes are estimated from the masters' averages"));
        assert!(!notes(7).contains("estimated"));
    }

    #[test]
    fn a_move_whose_size_nobody_knows_says_so() {
        use crate::plan::testing::{at, info_text, nodes_text, speak};
        // The masters do not tell what their data takes, and no key was measured.
        let mut unknown = three_shards();
        for n in 1..=6 {
            speak(&mut unknown, n, &nodes_text(n, ""), &info_text(n, "").replace("used_memory_dataset", "used_memory_other"), 1);
        }
        unknown.settle(at(1));
        let (slots, facts) = survey(0);
        let intent = Intent::MoveSlots { slots, to: "C".into() };
        let plan = plan(&intent, &Facts::with(&unknown, &facts), at(1)).unwrap();
        assert!(plan.moves.iter().all(|part| part.bytes.is_none() && part.size() == "size not known"), "{plan:#?}");
        assert_eq!((plan.impact.bytes().as_str(), plan.prediction.takes), ("size not known", None));
        let json = crate::plan::json::plan(&plan, &unknown);
        assert!(json["moves"][0]["bytes"].is_null() && json["impact"]["bytes"].is_null(), "{json:#}");
    }
}
