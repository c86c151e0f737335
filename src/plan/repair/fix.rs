//! PURE. Fix: every slot that is open, unowned, disputed, or has keys away from home, repaired in groups.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Health, Model, Node, NodeId, SlotSet, former_owners};

use crate::plan::fingerprint::Fingerprint;
use crate::plan::protocol::{Direction, Repair, SlotEvidence};
use crate::plan::repair::lookup::{course, evidence};
use crate::plan::repair::meet;
use crate::plan::report::shown;
use crate::plan::{
    Code, Danger, Facts, Impact, Intent, OPEN, Pace, Plan, Prediction, Reason, Refusal, Step, StepKind, impact, migrate_patience,
};

/// Slots that need a look: open, without an owner, with two, with one that not every master knows, or with keys on a node
/// that does not own them.
pub fn in_need(facts: &Facts<'_>) -> SlotSet {
    let topology = facts.model.topology();
    let mut slots = topology.open_slots();
    for slot in (0..crate::cluster::SLOTS).filter(|&slot| topology.owner(slot).is_none()) {
        slots.insert(slot);
    }
    slots.extend(topology.open_on_replicas.iter().map(|open| open.slot));
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

pub(crate) fn plan(named: Option<&SlotSet>, roll_back: bool, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    if let Some(trouble) = facts.slots.and_then(|slots| slots.trouble.as_ref()) {
        let says = format!("{trouble}: a repair that overlooks keys loses them, so try again when it does");
        return Err(Refusal::because(Code::NotCounted.because(says)));
    }
    let untold = untold(model);
    if !untold.is_empty() {
        return Err(Refusal::all(untold));
    }
    if let Some(first) = meet::plan(named, roll_back, facts)? {
        return Ok(first);
    }
    let needy = in_need(facts);
    let slots: SlotSet = needy.iter().filter(|slot| named.is_none_or(|named| named.contains(*slot))).collect();
    if slots.is_empty() {
        let unheard = unheard(model);
        if !unheard.is_empty() {
            let why = format!(
                "no open slot is seen, but {}: what is open there is not known; ask again when it answers",
                unheard.join(", ")
            );
            return Err(Refusal::because(Code::NodeDown.because(why)));
        }
        let what = match named {
            Some(named) if !needy.is_empty() => format!("{} no repair; {needy} would", needs(named)),
            Some(named) => format!("{} no repair", needs(named)),
            None => "no slot is open, unowned, disputed, unknown to a master or has keys away from home".into(),
        };
        return Err(Refusal::nothing(what, Vec::new()));
    }
    let (steps, repaired, reasons) = steps(model, facts, &slots, roll_back);
    if steps.is_empty() {
        let nothing = || Refusal::nothing("no slot needs a repair", Vec::new());
        return Err(if reasons.is_empty() { nothing() } else { Refusal::all(reasons) });
    }
    let mut notes = vec![format!("up to {OPEN} slots that need the same at a time; {}", direction(roll_back))];
    notes.extend(reasons.into_iter().map(String::from));
    notes.extend(unheard(model).iter().map(|node| format!("{node}: what is open there is not known")));
    let repairs: Vec<&Repair> = steps.iter().flat_map(|step| step.kind.repairs()).collect();
    let adopts = repairs.iter().any(|repair| matches!(repair, Repair::Adopt { .. } | Repair::Settle { .. }));
    let mut warnings = Vec::new();
    let alone: SlotSet =
        model.topology().open_on_replicas.iter().map(|open| open.slot).filter(|&slot| repaired.contains(slot)).collect();
    if !alone.is_empty() {
        notes.push(format!("{alone} open on a replica alone: that would come alive with its next failover"));
    }
    if adopts {
        warnings.push("who owns a slot is decided here, by where the keys are: read the steps before saying yes".into());
    }
    for (_, address, left) in former_owners(model).iter().filter(|(_, _, left)| left.iter().any(|slot| repaired.contains(slot))) {
        warnings.push(format!(
            "{left} were {address}'s when all was well, which is no member any more and does not answer: what keys it has of them is not \
             counted"
        ));
    }
    if repairs.iter().any(|repair| matches!(repair, Repair::Return { .. })) {
        warnings.push("keys that are brought to their owner cannot be seen by players for a moment".into());
    }
    let carries = repairs.iter().any(|repair| !matches!(repair, Repair::Adopt { .. } | Repair::Close { .. } | Repair::Tell { .. }));
    let bytes_at_risk = if carries { None } else { Some(0) };
    if carries {
        notes.push(crate::plan::slots::moves::UNREPLICATED.into());
    }
    Ok(Plan {
        intent: Intent::Fix { slots: named.cloned(), roll_back },
        cluster: model.name.clone(),
        fingerprint: fingerprint(model, &repaired),
        steps,
        moves: Vec::new(),
        engine: None,
        prediction: Prediction { bytes_at_risk, notes, ..Prediction::default() },
        impact: touched(facts, &repaired),
        before: Vec::new(),
        after: Vec::new(),
        warnings,
        danger: if adopts { Danger::Typed } else { Danger::Normal },
    })
}

/// Nodes that may have slots open, and do not answer: nobody else tells.
fn unheard(model: &Model) -> Vec<String> {
    let silent = |node: &&Node| match node.is_master() {
        true => node.slot_count > 0 && !node.health.serves(),
        false => node.id.is_member() && !node.health.is_alive() && may_hold_marks(model, node),
    };
    model.nodes().filter(silent).map(|node| format!("{} {}", model.label(node.id), node.health.says())).collect()
}

/// Valkey 8 and later tell their replicas of open slots, and one that missed a word of that has other marks than its master.
/// Which server it is, its master tells as well; where neither did, it may be such a one.
fn may_hold_marks(model: &Model, replica: &Node) -> bool {
    let master = replica.master.and_then(|id| model.node(id));
    let servers: Vec<_> =
        [Some(replica), master].into_iter().flatten().filter_map(|node| node.info.as_ref()?.server.as_ref()).collect();
    servers.is_empty() || servers.iter().any(|server| server.is_valkey() && server.release() >= (8, 0))
}

/// Nodes that answer, and do not tell who owns which slots: what they own is not known, and not nobody's.
fn untold(model: &Model) -> Vec<Reason> {
    let silent = model.nodes().filter(|node| node.view.is_none() && node.health.is_alive());
    let asked = silent.filter(|node| node.is_master() || !node.id.is_member());
    let says = |node: &Node| {
        let why =
            node.trouble.as_ref().map(|trouble| format!(" ({})", trouble.detail)).filter(|why| why.len() > 3).unwrap_or_default();
        let what = format!("{} answers and does not tell who owns which slots: CLUSTER NODES{why}", node.address);
        match node.health {
            Health::NoPerm => Code::NotAllowed.because(format!("{what}; this user needs +cluster|nodes there")),
            _ => Code::ClusterUnknown.because(format!("{what}; what it owns is not known, and not nobody's")),
        }
    };
    asked.map(says).collect()
}

/// Keys are counted wherever they are: those of a slot in need may be with nobody's owner.
fn touched(facts: &Facts<'_>, slots: &SlotSet) -> Impact {
    let mut impact = impact::of_slots(facts.model, slots, facts.slots);
    let holders = slots.iter().filter_map(|slot| facts.slots?.holders.get(&slot));
    let counted = holders.flat_map(|holders| holders.values()).sum();
    // Keys are counted for a repair, and not measured.
    impact.bytes_in_part |= impact.tally.keys < counted;
    impact.tally.keys = impact.tally.keys.max(counted);
    impact
}

fn needs(slots: &SlotSet) -> String {
    if slots.len() == 1 { format!("slot {slots} needs") } else { format!("slots {slots} need") }
}

fn direction(roll_back: bool) -> &'static str {
    if roll_back { "moves that were begun are rolled back" } else { "moves that were begun are finished (--roll-back undoes them)" }
}

/// Steps for slots that can be repaired, those together that need the same, and why the others cannot.
fn steps(model: &Model, facts: &Facts<'_>, slots: &SlotSet, roll_back: bool) -> (Vec<Step>, SlotSet, Vec<Reason>) {
    let nobody = BTreeMap::new();
    let holders = facts.slots.map_or(&nobody, |slots| &slots.holders);
    let (mut groups, mut repaired, mut reasons) = (Vec::<Group>::new(), SlotSet::default(), Vec::new());
    for slot in slots.iter() {
        let course = match course(model, slot, evidence(model, holders, slot), Direction::asked(roll_back)) {
            Ok(course) => course,
            Err(reason) => {
                reasons.push(reason);
                continue;
            }
        };
        let adoptions = course.iter().take_while(|(repair, _)| matches!(repair, Repair::Adopt { .. })).count();
        let (adoption, rest) = course.split_at(adoptions);
        for part in [adoption, rest].into_iter().filter(|part| !part.is_empty()) {
            repaired.insert(slot);
            let repairs: Vec<Repair> = part.iter().map(|(repair, _)| repair.clone()).collect();
            match groups.iter_mut().find(|group| group.slots.len() < OPEN && group.repairs == repairs) {
                Some(group) => group.add(slot, part),
                None => {
                    let mut group = Group { repairs, slots: Vec::new(), holders: vec![BTreeMap::new(); part.len()] };
                    group.add(slot, part);
                    groups.push(group);
                }
            }
        }
    }
    // While a slot has no owner a whole cluster may refuse every command, MIGRATE too: those first.
    groups.sort_by_key(|group| !matches!(group.repairs.as_slice(), [Repair::Adopt { .. }, ..]));
    let mut steps: Vec<Step> = groups.iter().filter_map(|group| group.step(model)).collect();
    if let Some(last) = steps.last().cloned() {
        let says = "read back from every node that each slot has one owner and none is open".into();
        steps.push(Step { commands: Vec::new(), kind: StepKind::Verify, says, ..last });
    }
    (steps, repaired, reasons)
}

/// Slots that need the same.
struct Group {
    repairs: Vec<Repair>,
    slots: Vec<u16>,
    /// Keys of them on each node, before each repair.
    holders: Vec<BTreeMap<NodeId, u64>>,
}

impl Group {
    fn add(&mut self, slot: u16, course: &[(Repair, SlotEvidence)]) {
        self.slots.push(slot);
        for (all, (_, before)) in self.holders.iter_mut().zip(course) {
            before.holders.iter().for_each(|(node, keys)| *all.entry(*node).or_default() += keys);
        }
    }

    fn step(&self, model: &Model) -> Option<Step> {
        let steps: Vec<_> = self.repairs.iter().flat_map(|repair| repair.steps(&self.slots, model, false)).collect();
        let commands = shown::listed(&steps, model, migrate_patience(model, Pace::Calm));
        let first = commands.first().and_then(|(id, _)| model.node(*id))?;
        let says: Vec<String> =
            self.repairs.iter().zip(&self.holders).map(|(repair, holders)| repair.says(holders, model)).collect();
        let slots: SlotSet = self.slots.iter().copied().collect();
        Some(Step {
            node: first.id,
            address: first.address.clone(),
            commands: commands.iter().map(|(id, command)| format!("{}: {command}", model.label(*id))).collect(),
            says: format!("{} {slots}: {}", if slots.len() == 1 { "slot" } else { "slots" }, says.join("; then ")),
            kind: StepKind::Repair { slots, repairs: self.repairs.clone() },
        })
    }
}

/// Who is master, and what is open of these slots.
pub(crate) fn fingerprint(model: &Model, slots: &SlotSet) -> u64 {
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
