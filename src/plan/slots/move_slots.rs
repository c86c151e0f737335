//! PURE. Moving named slots, and rooms: a room is its slot.

use std::sync::Arc;

use crate::cluster::{Node, SlotSet, key_slot};

use crate::plan::slots::moves::{self, Targets};
use crate::plan::{Facts, Intent, Pace, Plan, Refusal, resolve};
use crate::{escape, quantity};

pub(crate) fn plan(slots: &SlotSet, to: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let target = target(facts, to)?;
    if slots.is_empty() {
        return Err(Refusal::usage("no slots were named: expected N or N-M, for example 0-99"));
    }
    let intent = Intent::MoveSlots { slots: slots.clone(), to: target.address.to_string() };
    towards(slots, target, intent, facts)
}

/// The named node as a master that can take slots.
fn target<'a>(facts: &Facts<'a>, to: &str) -> Result<&'a Node, Refusal> {
    resolve::master(facts.model, to)
}

fn towards(slots: &SlotSet, target: &Node, intent: Intent, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let targets: Targets = slots.iter().map(|slot| (slot, target.id)).collect();
    let reasons = moves::obstacles(facts, &targets);
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let moves = moves::group(facts, &targets);
    if moves.is_empty() {
        let what = if slots.len() == 1 { format!("slot {slots} is") } else { format!("slots {slots} are all") };
        return Err(Refusal::nothing(format!("{what} on {} already", target.address), Vec::new()));
    }
    let moved: usize = moves.iter().map(|part| part.slots.len()).sum();
    let mut plan = moves::draw_up(intent, facts, moves, Pace::Calm)?;
    let there = slots.len() - moved;
    if there > 0 {
        plan.prediction.notes.push(format!("{} there already", are(there)));
    }
    Ok(plan)
}

fn are(count: usize) -> String {
    if count == 1 { "1 slot is".into() } else { format!("{count} slots are") }
}

pub(crate) fn rooms(codes: &[String], to: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let target = target(facts, to)?;
    let known = facts.model.rooms();
    if codes.is_empty() {
        return Err(Refusal::usage("no room was named: expected one or more codes"));
    }
    let mut slots = SlotSet::default();
    for code in codes {
        let slot = key_slot(&escape::bytes(code));
        let found = known.get(code).is_some()
            || facts.slots.is_some_and(|facts| facts.tags.get(&slot).is_some_and(|tags| tags.contains(code.as_str())));
        if !found && (!known.is_empty() || facts.slots.is_some()) {
            let near = resolve::nearest(code, known.iter().map(|room| room.code.to_string()));
            let hint = near.map(|near| format!(": did you mean {near}?")).unwrap_or_default();
            return Err(Refusal::misnamed(format!("no room {code}: slot {slot} holds no key of it{hint}")));
        }
        slots.insert(slot);
    }
    let intent = Intent::MigrateRooms { codes: codes.to_vec(), to: target.address.to_string() };
    let mut plan = towards(&slots, target, intent, facts)?;
    let moved: SlotSet = plan.moves.iter().flat_map(|part| part.slots.iter()).collect();
    let mut others: Vec<Arc<str>> = known.iter().filter(|room| moved.contains(room.slot)).map(|room| room.code.clone()).collect();
    if let Some(facts) = facts.slots {
        others.extend(facts.tags.iter().filter(|(slot, _)| moved.contains(**slot)).flat_map(|(_, tags)| tags.iter().cloned()));
    }
    others.sort();
    others.dedup();
    others.retain(|code| !codes.iter().any(|named| **named == **code));
    if !others.is_empty() {
        let mut names: Vec<String> = others.iter().take(8).map(ToString::to_string).collect();
        if others.len() > names.len() {
            names.push(format!("{} more", others.len() - names.len()));
        }
        let rooms = quantity::count(others.len(), "other room");
        plan.warnings.push(format!("{rooms} in the same slot {} along: {}", goes(others.len()), quantity::list(&names)));
    }
    Ok(plan)
}

fn goes(count: usize) -> &'static str {
    if count == 1 { "goes" } else { "go" }
}
