//! PURE. Fix: every slot that is open, unowned, disputed, or has keys away from home, cured one at a time.

use std::collections::BTreeSet;

use crate::cluster::{Model, SlotSet};

use super::cure::{Cure, Way, course, evidence};
use super::fingerprint::Fingerprint;
use super::{Blast, Danger, Facts, Intent, Plan, Prediction, Refusal, Step, StepKind, blast};

/// Slots that need a look: open, without an owner, with two, with one that not every master knows, or with keys on a node
/// that does not own them.
pub fn ailing(facts: &Facts<'_>) -> SlotSet {
    let topology = facts.model.topology();
    let mut slots = topology.open_slots();
    for slot in (0..crate::cluster::SLOTS).filter(|&slot| topology.owner(slot).is_none()) {
        slots.insert(slot);
    }
    for conflict in &topology.conflicts {
        slots.insert(conflict.slot);
    }
    for view in facts.model.nodes().filter(|node| node.is_master() && node.health.is_alive()).filter_map(|node| node.view.as_ref())
    {
        let mut unknown = topology.assigned.clone();
        for member in view.members.iter().filter(|member| !member.slots.is_empty()) {
            let slots = member.slots.iter().flat_map(|range| range.iter());
            slots.filter(|slot| topology.owner(*slot) == Some(member.id)).for_each(|slot| unknown.remove(slot));
        }
        slots.extend(unknown.iter());
    }
    for (slot, holders) in facts.slots.iter().flat_map(|slots| &slots.holders) {
        if holders.iter().any(|(id, keys)| *keys > 0 && topology.owner(*slot) != Some(*id)) {
            slots.insert(*slot);
        }
    }
    slots
}

pub(super) fn plan(named: Option<&SlotSet>, roll_back: bool, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    if let Some(trouble) = facts.slots.and_then(|slots| slots.trouble.as_ref()) {
        return Err(Refusal::because(format!("{trouble}: a repair that overlooks keys loses them, so try again when it does")));
    }
    let ailing = ailing(facts);
    let slots: SlotSet = ailing.iter().filter(|slot| named.is_none_or(|named| named.contains(*slot))).collect();
    if slots.is_empty() {
        let what = match named {
            Some(named) if !ailing.is_empty() => format!("nothing ails {named}; {ailing} would need it"),
            Some(named) => format!("nothing ails {named}"),
            None => "no slot is open, unowned, disputed, unknown to a master or has keys away from home".into(),
        };
        return Err(Refusal::nothing(what, Vec::new()));
    }
    let (steps, cured, reasons) = steps(model, facts, &slots, roll_back);
    if steps.is_empty() {
        let nothing = || Refusal::nothing("no slot needs a cure", Vec::new());
        return Err(if reasons.is_empty() { nothing() } else { Refusal::all(reasons) });
    }
    let mut notes = vec![format!("one slot at a time; {}", direction(roll_back))];
    notes.extend(reasons);
    let cures: Vec<&Cure> = steps.iter().flat_map(|step| step.kind.cures()).collect();
    let adopts = cures.iter().any(|cure| matches!(cure, Cure::Adopt { .. } | Cure::Settle { .. }));
    let mut warnings = Vec::new();
    if adopts {
        warnings.push("who owns a slot is decided here, by where the keys are: read the steps before saying yes".into());
    }
    if cures.iter().any(|cure| matches!(cure, Cure::Return { .. })) {
        warnings.push("keys on their way home cannot be seen by players for a moment".into());
    }
    Ok(Plan {
        intent: Intent::Fix { slots: named.cloned(), roll_back },
        cluster: model.name.clone(),
        fingerprint: fingerprint(model, &cured),
        steps,
        moves: Vec::new(),
        engine: None,
        prediction: Prediction { bytes_at_risk: Some(0), notes, ..Prediction::default() },
        blast: touched(facts, &cured),
        before: Vec::new(),
        after: Vec::new(),
        warnings,
        danger: if adopts { Danger::Typed } else { Danger::Normal },
    })
}

/// Keys are counted wherever they are: those of a slot in need may be with nobody's owner.
fn touched(facts: &Facts<'_>, slots: &SlotSet) -> Blast {
    let mut blast = blast::of_slots(facts.model, slots, facts.slots);
    let holders = slots.iter().filter_map(|slot| facts.slots?.holders.get(&slot));
    blast.tally.keys = blast.tally.keys.max(holders.flat_map(|holders| holders.values()).sum());
    blast
}

fn direction(roll_back: bool) -> &'static str {
    if roll_back { "moves that were begun are rolled back" } else { "moves that were begun are finished (--roll-back undoes them)" }
}

/// A step for each slot that can be cured, and why the others cannot.
fn steps(model: &Model, facts: &Facts<'_>, slots: &SlotSet, roll_back: bool) -> (Vec<Step>, SlotSet, Vec<String>) {
    let nobody = std::collections::BTreeMap::new();
    let holders = facts.slots.map_or(&nobody, |slots| &slots.holders);
    let (mut steps, mut cured, mut reasons) = (Vec::new(), SlotSet::default(), Vec::new());
    for slot in slots.iter() {
        let course = match course(model, evidence(model, holders, slot), Way::asked(roll_back)) {
            Ok(course) => course,
            Err(reason) => {
                reasons.push(reason);
                continue;
            }
        };
        let adoptions = course.iter().take_while(|(cure, _)| matches!(cure, Cure::Adopt { .. })).count();
        let (adoption, rest) = course.split_at(adoptions);
        for cures in [adoption, rest] {
            let commands: Vec<_> = cures.iter().flat_map(|(cure, _)| cure.commands(slot, model)).collect();
            let Some(first) = commands.first().and_then(|(id, _)| model.node(*id)) else { continue };
            let says: Vec<String> = cures.iter().map(|(cure, before)| cure.says(before, model)).collect();
            cured.insert(slot);
            steps.push(Step {
                node: first.id,
                address: first.address.clone(),
                commands: commands.iter().map(|(id, command)| format!("{}: {command}", model.label(*id))).collect(),
                says: format!("slot {slot}: {}", says.join("; then ")),
                kind: StepKind::Cure { slot, cures: cures.iter().map(|(cure, _)| cure.clone()).collect() },
            });
        }
    }
    // While a slot has no owner a whole cluster may refuse every command, MIGRATE too: those first.
    steps.sort_by_key(|step| !matches!(step.kind.cures(), [Cure::Adopt { .. }, ..]));
    if let Some(last) = steps.last().cloned() {
        let says = "read back from every node that each slot has one owner and none is open".into();
        steps.push(Step { commands: Vec::new(), kind: StepKind::Verify, says, ..last });
    }
    (steps, cured, reasons)
}

/// Who is master, and what is open of these slots.
pub(super) fn fingerprint(model: &Model, slots: &SlotSet) -> u64 {
    let topology = model.topology();
    let masters: BTreeSet<_> = model.nodes().filter(|node| node.is_master()).map(|node| node.id).collect();
    let print = masters.into_iter().fold(Fingerprint::of("fix"), Fingerprint::and);
    let print = slots.iter().fold(print, |print, slot| {
        let owner = topology.owner(slot).map(|id| id.to_string()).unwrap_or_default();
        print.and(slot).and(owner)
    });
    let open = topology.open.iter().filter(|open| slots.contains(open.slot));
    open.fold(print, |print, open| print.and(open.slot).and(open.node).and(open.peer).and(format!("{:?}", open.direction))).value()
}
