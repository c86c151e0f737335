//! PURE. Rebalance: equal shares of slots, keys, memory, commands or rooms, with the fewest moves.

use std::collections::BTreeMap;

use crate::cluster::{Node, NodeId, SlotSet};

use crate::plan::failover::succession::is_up;
use crate::plan::slots::balance::{Balance, Bearer, balance};
use crate::plan::slots::moves::{self, Targets};
use crate::plan::{Code, Facts, Intent, Load, Objective, Plan, Reason, Refusal, resolve};
use crate::quantity;

/// Below the threshold that starts it, so that a second run has nothing to do.
const AIM: f64 = 0.01;

pub(crate) fn plan(intent: &Intent, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let Field { by, threshold_percent, masters, bearers } = field(intent, facts)?;
    let result = balance(&bearers, threshold_percent / 100.0, AIM.min(threshold_percent / 200.0));
    let targets: Targets =
        result.transfers.iter().filter_map(|transfer| Some((transfer.slot, masters.get(transfer.to)?.id))).collect();
    let stuck = stuck(&result, &masters, &bearers);
    if targets.is_empty() {
        let word = by.word();
        let what = format!("by {word} every master is within {threshold_percent} % of its share, or cannot be brought nearer");
        return Err(Refusal::nothing(what, stuck));
    }
    let mut plan = draw_up(intent, facts, &masters, &bearers, &targets)?;
    plan.warnings.extend(stuck);
    Ok(plan)
}

/// The moves of a plan that was made earlier. What slots hold has changed since, and with it what would be chosen now;
/// where they go has been read and agreed to.
pub(crate) fn again(intent: &Intent, targets: &Targets, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let Field { masters, bearers, .. } = field(intent, facts)?;
    if targets.iter().all(|(&slot, &to)| facts.model.topology().owner(slot) == Some(to)) {
        return Err(Refusal::nothing("every slot of this plan is where it shall go", Vec::new()));
    }
    draw_up(intent, facts, &masters, &bearers, targets)
}

/// Who takes part, and with what.
struct Field<'a> {
    by: Objective,
    threshold_percent: f64,
    masters: Vec<&'a Node>,
    bearers: Vec<Bearer>,
}

fn field<'a>(intent: &Intent, facts: &Facts<'a>) -> Result<Field<'a>, Refusal> {
    let Intent::Rebalance { by, weights, use_empty, threshold_percent, .. } = intent else {
        return Err(Refusal::usage("this is no rebalance"));
    };
    let model = facts.model;
    if !threshold_percent.is_finite() || *threshold_percent < 0.0 {
        return Err(Refusal::usage(format!(
            "--threshold {threshold_percent} is not a percentage: expected 0 or more, for example 2"
        )));
    }
    let mut weighted: Vec<(NodeId, f64)> = Vec::new();
    for (name, weight) in weights {
        let node = resolve::master(model, name)?;
        if !weight.is_finite() || *weight < 0.0 {
            return Err(Refusal::usage(format!(
                "--weight {name}={weight} is not a weight: expected 0 or more, 1 is the others' weight"
            )));
        }
        if weighted.iter().any(|(id, _)| *id == node.id) {
            return Err(Refusal::usage(format!("{} is given two weights", node.address)));
        }
        weighted.push((node.id, *weight));
    }
    let weight_of = |node: &Node| weighted.iter().find(|(id, _)| *id == node.id).map(|(_, weight)| *weight);
    let takes_part = |node: &&Node| node.is_master() && (node.slot_count > 0 || *use_empty || weight_of(node).is_some());
    let masters: Vec<&Node> = model.nodes().filter(takes_part).filter(|node| is_up(node) || node.slot_count > 0).collect();
    if masters.len() < 2 {
        let empty = model.nodes().filter(|node| node.is_master() && node.slot_count == 0).count();
        let hint = if empty > 0 { ": --use-empty-masters would let empty masters take part" } else { "" };
        let says = format!("nothing to balance between {}{hint}", quantity::count(masters.len(), "master"));
        return Err(Refusal::because(Code::NoOtherMaster.because(says)));
    }
    let reasons = ground(facts, &masters, *by);
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let bearers: Vec<Bearer> = masters.iter().map(|node| bearer(facts, node, *by, weight_of(node).unwrap_or(1.0))).collect();
    if bearers.iter().all(|bearer| bearer.weight <= 0.0) {
        return Err(Refusal::usage("every master has weight 0: somebody has to keep the slots"));
    }
    Ok(Field { by: *by, threshold_percent: *threshold_percent, masters, bearers })
}

fn draw_up(intent: &Intent, facts: &Facts<'_>, masters: &[&Node], bearers: &[Bearer], targets: &Targets) -> Result<Plan, Refusal> {
    let Intent::Rebalance { pace, .. } = intent else { return Err(Refusal::usage("this is no rebalance")) };
    let reasons = moves::obstacles(facts, targets);
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let mut plan = moves::draw_up(intent.clone(), facts, moves::group(facts, targets), *pace)?;
    let loads = |owner: &dyn Fn(NodeId, u16) -> NodeId| -> Vec<Load> {
        let mut loads: BTreeMap<NodeId, (u16, f64)> = BTreeMap::new();
        for (node, bearer) in masters.iter().zip(bearers) {
            for (slot, cost) in &bearer.slots {
                let load = loads.entry(owner(node.id, *slot)).or_default();
                *load = (load.0 + 1, load.1 + cost);
            }
        }
        let of = |node: &&Node| {
            let (slots, value) = loads.get(&node.id).copied().unwrap_or_default();
            Load { node: node.id, address: node.address.clone(), slots, value }
        };
        masters.iter().map(of).collect()
    };
    plan.before = loads(&|owner, _| owner);
    plan.after = loads(&|owner, slot| targets.get(&slot).copied().unwrap_or(owner));
    Ok(plan)
}

/// Everything a master owns, shared out among the others so that they end as equal as that makes them.
pub(crate) fn shed(facts: &Facts<'_>, source: &Node) -> Result<Targets, Refusal> {
    let takes = |node: &&Node| node.is_master() && node.slot_count > 0 && (is_up(node) || node.id == source.id);
    let masters: Vec<&Node> = facts.model.nodes().filter(takes).collect();
    if masters.len() < 2 {
        let says = format!("{} is the only master with slots: nobody could take them", source.address);
        return Err(Refusal::because(Code::NoOtherMaster.because(says)));
    }
    let reasons = ground(facts, &masters, Objective::Slots);
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let weight = |node: &Node| if node.id == source.id { 0.0 } else { 1.0 };
    let bearers: Vec<Bearer> = masters.iter().map(|node| bearer(facts, node, Objective::Slots, weight(node))).collect();
    let given = balance(&bearers, 0.0, AIM).transfers;
    let of_source = given.iter().filter(|transfer| masters.get(transfer.from).is_some_and(|node| node.id == source.id));
    Ok(of_source.filter_map(|transfer| Some((transfer.slot, masters.get(transfer.to)?.id))).collect())
}

/// What the objective needs to be known.
fn ground(facts: &Facts<'_>, masters: &[&Node], by: Objective) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let unserved = facts.model.topology().unserved();
    if !unserved.is_empty() {
        let says = format!("{} not served: bring that in order first, see `check`", quantity::count(unserved.len(), "slot"));
        reasons.push(Code::SlotsUnserved.because(says));
    }
    let open = facts.model.topology().open_slots();
    if !open.is_empty() {
        reasons.push(Code::SlotsOpen.because(format!("open slots ({open}): `fix` finishes or undoes them first")));
    }
    let surveyed = facts.slots.is_some_and(|slots| !slots.by_slot.is_empty());
    if let Some(trouble) = facts.slots.and_then(|slots| slots.trouble.as_ref()) {
        // Shares of what is not known are no shares.
        reasons.push(Code::NotCounted.because(trouble.clone()));
        return reasons;
    }
    match by {
        Objective::Keys | Objective::Memory if !surveyed => {
            reasons.push(Code::NotCounted.because(format!("the slots' {} have not been surveyed", by.word())))
        }
        Objective::Ops => {
            let counted = facts.slots.is_some_and(|slots| slots.by_slot.values().any(|fact| fact.ops.is_some()));
            // One that does not count would seem to have nothing to do.
            let silent = |node: &&&Node| {
                let mut own = node.slots.iter().flat_map(|range| range.iter());
                own.any(|slot| facts.slots.is_some_and(|slots| slots.slot(slot).ops.is_none()))
            };
            let silent: Vec<String> = masters.iter().filter(silent).map(|node| node.address.to_string()).collect();
            if counted && !silent.is_empty() {
                reasons.push(Code::NotCounted.because(format!(
                    "{} did not tell how busy its slots are (CLUSTER SLOT-STATS): balance by keys or memory instead, or try again",
                    quantity::list(&silent)
                )));
            }
            if !counted {
                reasons.push(Code::NotCounted.because(
                    "these servers do not count commands by slot (CLUSTER SLOT-STATS: Valkey 8, Redis 8.2, with \
                     cluster-slot-stats-enabled yes): balance by keys or memory instead",
                ));
            }
        }
        Objective::Rooms => {
            let addresses = masters.iter().filter(|node| node.slot_count > 0).map(|node| &node.address);
            let denied: Vec<String> = facts.model.rooms().denied().map(ToString::to_string).collect();
            if !denied.is_empty() {
                let says =
                    format!("rooms are not known: this user may not go through the keys of {} (+scan)", quantity::list(&denied));
                reasons.push(Code::NotAllowed.because(says));
            } else if !facts.model.rooms().complete(addresses) {
                let says = "rooms have not been counted yet: wait for the first scan of every master";
                reasons.push(Code::NotCounted.because(says));
            }
        }
        _ => {}
    }
    if by == Objective::Memory {
        let untold = masters.iter().filter(|node| is_up(node) && room_left(node).is_none());
        let untold: Vec<String> = untold.map(|node| node.address.to_string()).collect();
        if !untold.is_empty() {
            let says = format!("how much memory {} has left is unknown (INFO memory): try again", quantity::list(&untold));
            reasons.push(Code::NotCounted.because(says));
        }
    }
    reasons
}

/// Bytes below its maxmemory, without an end where it has none; None where it has not told.
fn room_left(node: &Node) -> Option<f64> {
    let info = node.info.as_ref()?;
    match info.maxmemory? {
        0 => Some(f64::INFINITY),
        limit => Some(limit.saturating_sub(info.used_memory?) as f64),
    }
}

fn bearer(facts: &Facts<'_>, node: &Node, by: Objective, weight: f64) -> Bearer {
    let cost = |slot: u16| {
        let fact = facts.slots.map(|slots| slots.slot(slot)).unwrap_or_default();
        match by {
            Objective::Slots => 1.0,
            Objective::Keys => fact.keys as f64,
            Objective::Memory => fact.bytes as f64,
            Objective::Ops => fact.ops.unwrap_or(0.0),
            Objective::Rooms => facts.model.rooms().in_slot(slot).rooms as f64,
        }
    };
    let owned: SlotSet = node
        .slots
        .iter()
        .flat_map(|range| range.iter())
        .filter(|&slot| facts.model.topology().owner(slot) == Some(node.id))
        .collect();
    let room = room_left(node).filter(|room| by == Objective::Memory && room.is_finite());
    Bearer { weight, slots: owned.iter().map(|slot| (slot, cost(slot))).collect(), room }
}

/// What cannot be improved, by name.
fn stuck(result: &Balance, masters: &[&Node], bearers: &[Bearer]) -> Vec<String> {
    let Some((at, slot, cost)) = result.stuck else { return Vec::new() };
    let (Some(node), Some(load)) = (masters.get(at), result.after.get(at)) else { return Vec::new() };
    let several = bearers.get(at).is_some_and(|bearer| bearer.slots.len() > 1);
    let share = if *load > 0.0 { cost * 100.0 / load } else { 0.0 };
    if several && share < 50.0 {
        return Vec::new();
    }
    let times = match result.wanted.get(at) {
        Some(target) if *target > 0.0 => format!("keeps {:.1} times its share", load / target),
        _ => "keeps more than its share".into(),
    };
    vec![format!("{} {times}: slot {slot} alone holds {share:.0} % of what it has, and a slot cannot be split", node.address)]
}
