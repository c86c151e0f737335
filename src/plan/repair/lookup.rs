//! PURE. What is known of a slot in this cluster, the repair it needs by the protocol's table, and the operator's words for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Model, Node, NodeId, NodeRole};

use crate::plan::failover::succession::is_up;
use crate::plan::protocol::{
    Direction, MoveGroup, Repair, RepairObstacle, SendPurpose, SlotAct, SlotEvidence, SlotStep, Surroundings, move_group,
    repair_steps, turn,
};
use crate::plan::slots::moves::imports_from_itself;
use crate::plan::{Code, Reason, claims_quietly};
use crate::quantity;

/// What is true after this repair.
fn becomes(now: &mut SlotEvidence, repair: &Repair) {
    let owner = repair.owner_after();
    let (brought, closed): (Vec<NodeId>, Vec<NodeId>) = match repair {
        // Keys and open ends are where they were.
        Repair::Adopt { .. } | Repair::Tell { .. } => (Vec::new(), Vec::new()),
        Repair::Close { at, .. } => (Vec::new(), at.clone()),
        Repair::Return { at, .. } => (at.clone(), at.iter().copied().chain([owner]).collect()),
        Repair::Finish { from, to, .. } => (vec![*from], vec![*from, *to]),
        Repair::FinishAndBack { from, to, .. } => (vec![*to], vec![*from, *to]),
        Repair::Settle { losers, .. } => (losers.clone(), losers.iter().copied().chain([owner]).collect()),
    };
    for node in &brought {
        let keys = now.holders.remove(node).unwrap_or(0);
        *now.holders.entry(owner).or_default() += keys;
    }
    now.migrating.retain(|(node, _)| !closed.contains(node));
    now.importing.retain(|(node, _)| !closed.contains(node));
    now.open_on_replica.retain(|node| !closed.contains(node));
    let told = |node: &NodeId| !matches!(repair, Repair::Return { .. } | Repair::Close { .. }) || brought.contains(node);
    now.named.iter_mut().filter(|(node, _)| told(node)).for_each(|(_, named)| *named = Some(owner));
    let epoch = now.owners.get(&owner).copied().unwrap_or(0);
    (now.owners, now.silent_owner) = ([(owner, epoch)].into(), None);
}

impl Direction {
    pub fn asked(roll_back: bool) -> Self {
        if roll_back { Self::Back } else { Self::On }
    }
}

impl Repair {
    /// Who owns the slots afterwards.
    pub fn owner_after(&self) -> NodeId {
        match self {
            Self::Finish { to, .. } => *to,
            Self::FinishAndBack { from, .. } => *from,
            Self::Return { owner, .. }
            | Self::Close { owner, .. }
            | Self::Adopt { owner, .. }
            | Self::Tell { owner, .. }
            | Self::Settle { owner, .. } => *owner,
        }
    }

    /// In the operator's words, behind "slot 7: ". `holders`: keys of the slots on each node before it.
    pub fn says(&self, holders: &BTreeMap<NodeId, u64>, model: &Model) -> String {
        let keys = |id: &NodeId| holders.get(id).copied().unwrap_or(0);
        let at = |id: &NodeId| format!("{} ({})", model.label(*id), quantity::count(keys(id), "key"));
        let all = |ids: &[NodeId]| quantity::list(&ids.iter().map(at).collect::<Vec<_>>());
        match self {
            Self::Finish { from, to, .. } => format!("finish the move from {} to {}", at(from), at(to)),
            Self::FinishAndBack { from, to, .. } => {
                format!("finish the move from {} to {}, then move all of it back (keys stay readable throughout)", at(from), at(to))
            }
            Self::Return { at: strays, owner } => format!("bring the keys at {} to {} and close it", all(strays), at(owner)),
            Self::Close { at: open, owner } if !open.contains(owner) => {
                format!("close it on {}; {} owns it", all(open), at(owner))
            }
            Self::Close { at: open, owner } => format!("close it on {}; {} owns it and no key is elsewhere", all(open), at(owner)),
            Self::Adopt { owner, .. } => format!("nobody owns it: give it to {}", at(owner)),
            Self::Tell { owner, unaware } => format!("{} owns it, and {} has not learnt that", at(owner), all(unaware)),
            Self::Settle { owner, losers } => format!("{} keeps it, {} gives it up", at(owner), all(losers)),
        }
    }

    /// What has become of the slots when it is done.
    pub fn done(&self, model: &Model) -> String {
        let label = |id: &NodeId| model.label(*id);
        match self {
            Self::Finish { to, .. } => format!("the move to {} was finished", label(to)),
            Self::FinishAndBack { from, .. } => format!("rolled back, all keys are at {}", label(from)),
            Self::Return { owner, .. } => format!("all keys are at {}, which owns it", label(owner)),
            Self::Close { owner, .. } => format!("closed, at {}", label(owner)),
            Self::Adopt { owner, .. } => format!("given to {}", label(owner)),
            Self::Tell { owner, .. } => format!("everybody knows that {} owns it", label(owner)),
            Self::Settle { owner, .. } => format!("kept by {}", label(owner)),
        }
    }

    /// These slots, and who is around in this cluster.
    fn around(&self, slots: &[u16], model: &Model) -> Surroundings {
        let serving = |node: &&Node| node.health.serves();
        let masters: Vec<NodeId> = model.nodes().filter(|node| node.is_master()).filter(serving).map(|node| node.id).collect();
        let concerned = self.concerned();
        let of_them = |node: &&Node| node.master.is_some_and(|master| concerned.contains(&master));
        let replicas = model.nodes().filter(|node| node.is_replica()).filter(of_them).filter(serving).map(|node| node.id);
        let quiet = slots.len() > 2 && masters.iter().all(|&id| claims_quietly(model, id));
        let may_import_from_itself = masters.iter().all(|&id| imports_from_itself(model, id));
        let (slots, replicas) = (slots.to_vec(), replicas.collect());
        Surroundings { slots, replicas, masters, strict: false, quiet, may_import_from_itself, reopens: false }
    }

    /// Its steps for these slots in this cluster: what the plan shows, and what is carried out. `strict`: others may be at
    /// other slots now.
    pub fn steps(&self, slots: &[u16], model: &Model, strict: bool) -> Vec<SlotStep> {
        let reopens = match self {
            Self::Finish { from, to, .. } | Self::FinishAndBack { from, to, .. } => reopens(slots, *from, *to, model),
            _ => false,
        };
        repair_steps(self, &Surroundings { strict, reopens, ..self.around(slots, model) })
    }

    fn concerned(&self) -> BTreeSet<NodeId> {
        match self {
            Self::Finish { from, to, .. } | Self::FinishAndBack { from, to, .. } => [*from, *to].into(),
            Self::Return { at, owner } | Self::Close { at, owner } => at.iter().copied().chain([*owner]).collect(),
            Self::Adopt { owner, .. } | Self::Tell { owner, .. } => [*owner].into(),
            Self::Settle { owner, losers } => losers.iter().copied().chain([*owner]).collect(),
        }
    }
}

/// Slots that have gone whole from the first to the second, and are to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoneOver {
    pub from: NodeId,
    pub to: NodeId,
    pub slots: Vec<u16>,
}

/// The way back of all that have gone over: what comes before, with one wait for all of them, and then each group's own steps.
pub fn way_back(gone: &[GoneOver], model: &Model) -> (Vec<SlotStep>, Vec<Vec<SlotStep>>) {
    let group = |gone: &GoneOver| {
        let repair = Repair::FinishAndBack { from: gone.from, to: gone.to, unaware: false };
        repair.around(&gone.slots, model).group(gone.from, gone.to)
    };
    let groups: Vec<MoveGroup> = gone.iter().map(group).collect();
    let (waits, mut before): (Vec<SlotStep>, Vec<SlotStep>) =
        groups.iter().flat_map(turn).partition(|step| matches!(step.act, SlotAct::Drain { .. }));
    before.dedup();
    let (mut of, mut by) = (BTreeSet::new(), BTreeSet::new());
    for wait in &waits {
        if let SlotAct::Drain { of: some, by: others } = &wait.act {
            of.extend(some.iter().copied());
            by.extend(others.iter().copied());
        }
    }
    let drain = SlotAct::Drain { of: of.into_iter().collect(), by: by.into_iter().collect() };
    before.push(SlotStep::new(SendPurpose::Drain, drain).requires(waits.into_iter().flat_map(|wait| wait.requires).collect()));
    let back = |group: MoveGroup| move_group(&MoveGroup { source: group.target, target: group.source, ..group });
    (before, groups.into_iter().map(back).collect())
}

/// The source's mark names a target that has failed over since.
fn reopens(slots: &[u16], from: NodeId, to: NodeId, model: &Model) -> bool {
    let marks = model.topology().open.iter().filter(|open| open.node == from && slots.contains(&open.slot));
    let mut elsewhere = marks.filter(|open| open.direction == crate::cluster::OpenDirection::Migrating && open.peer != to);
    let deposed = |peer| model.node(peer).is_none_or(|node| !node.is_master() || !node.health.serves() || node.slot_count == 0);
    elsewhere.any(|open| deposed(open.peer))
}

/// Gathers what is known of a slot.
pub fn evidence(model: &Model, holders: &BTreeMap<u16, BTreeMap<NodeId, u64>>, slot: u16) -> SlotEvidence {
    let mut found = SlotEvidence { holders: holders.get(&slot).cloned().unwrap_or_default(), ..SlotEvidence::default() };
    for node in model.nodes().filter(|node| node.is_master()) {
        let serves = node.health.serves();
        if node.slots.iter().any(|range| range.contains(slot)) {
            if node.health.is_alive() {
                found.owners.insert(node.id, node.epoch);
            } else {
                found.silent_owner = Some(node.id);
            }
        }
        if let Some(view) = node.view.as_ref().filter(|_| node.health.is_alive()) {
            let owner = view.members.iter().find(|member| member.slots.iter().any(|range| range.contains(slot)));
            found.named.insert(node.id, owner.map(|member| member.id));
        }
        if serves && is_up(node) {
            found.serving.insert(node.id, u64::from(node.slot_count));
        } else if !serves && (node.flags.failed || node.slot_count > 0) {
            found.silent.insert(node.id);
        }
    }
    let alone = model.topology().open_on_replicas.iter().filter(|open| open.slot == slot);
    let masters: BTreeSet<NodeId> = alone.filter_map(|open| model.node(open.node)?.master).collect();
    found.open_on_replica = masters.into_iter().collect();
    for open in model.topology().open.iter().filter(|open| open.slot == slot) {
        match open.direction {
            crate::cluster::OpenDirection::Migrating => found.migrating.push((open.node, open.peer)),
            crate::cluster::OpenDirection::Importing => found.importing.push((open.node, open.peer)),
        }
    }
    for &(_, to) in &found.migrating {
        match successor(model, to) {
            Some(next) => drop(found.successors.insert(to, next)),
            None if model.node(to).is_some_and(|node| !node.health.serves()) => drop(found.silent.insert(to)),
            None => {}
        }
    }
    found
}

/// Repairs that one slot may need, one after the other.
pub const LOOKS: usize = 4;

/// Repairs for this slot in order. Simulates the effect of each on the evidence, so that the plan lists what `exec` will do,
/// unless somebody else is at it. Nobody is told after another repair: gossip does that.
pub(crate) fn course(
    model: &Model,
    slot: u16,
    evidence: SlotEvidence,
    way: Direction,
) -> Result<Vec<(Repair, SlotEvidence)>, Reason> {
    let mut course = Vec::new();
    let mut now = evidence;
    while course.len() < LOOKS
        && let Some(next) = repair(model, slot, &now, way)?
        && (course.is_empty() || !matches!(next, Repair::Tell { .. }))
    {
        let before = now.clone();
        becomes(&mut now, &next);
        course.push((next, before));
    }
    Ok(course)
}

/// The repair for this slot; None when it needs none. The error says what has to come first.
pub fn repair(model: &Model, slot: u16, evidence: &SlotEvidence, way: Direction) -> Result<Option<Repair>, Reason> {
    let name = |node| model.label(node);
    evidence.repair(way).map_err(|obstacle| match obstacle {
        RepairObstacle::OwnerSilent(node) => Code::MasterDown.because(format!(
            "slot {slot} belongs to {}, which does not answer or serves no keys: bring it back or let its replica take over first",
            name(node)
        )),
        RepairObstacle::HolderSilent(node) => {
            let says = format!(
                "nobody owns slot {slot}, and {} cannot be asked whether it holds keys of it: bring it back first",
                name(node)
            );
            Code::NodeDown.because(says)
        }
        RepairObstacle::TargetSilent(node) => {
            let says =
                format!("slot {slot} was on its way to {}, which does not answer, and no replica has taken over yet", name(node));
            Code::MasterDown.because(says)
        }
        RepairObstacle::OpenSilent(node) => {
            let says = format!(
                "slot {slot} is open on {}, which cannot be asked whether it holds keys of it: bring it back first",
                name(node)
            );
            Code::NodeDown.because(says)
        }
        RepairObstacle::NobodyServes => Code::NoOtherMaster.because(format!("nobody owns slot {slot}, and no master answers")),
    })
}

/// Whether somebody can be asked what this node has open: it answers, or another has its place.
pub fn is_heard(model: &Model, id: NodeId) -> bool {
    successor(model, id).is_some()
}

/// This node if it is a master that answers, else the master of its shard that does.
fn successor(model: &Model, id: NodeId) -> Option<NodeId> {
    let well = |id: NodeId| model.node(id).filter(|node| node.role == NodeRole::Master && is_up(node) && node.health.serves());
    if well(id).is_some() {
        return Some(id);
    }
    // It may be known as a replica of whoever took its place, or as the former master of its shard.
    let node = model.node(id)?;
    let above = node.master.filter(|_| node.is_replica());
    above.or_else(|| model.topology().shard_of(id)?.master).filter(|&next| next != id && well(next).is_some())
}
