//! PURE. Which repair a slot needs: a table from what every master says of it.
//!
//! Keys decide. A node that loses a slot it holds keys of deletes them, so nobody is made an owner before the keys
//! have been brought to it, and no slot is closed while its keys are in two places.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Direction, Model, Node, NodeId, OpenSlot, Role, View};

use super::claims_quietly;
use super::preflight::is_up;
use super::protocol::{Act, Precondition, Purpose, Repair, SlotCommand, SlotStep, Surroundings, everybody_knows, repair_steps};
use crate::quantity;

/// Everything that is known of one slot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    pub slot: u16,
    /// Masters that answer and claim it on their own line.
    pub owners: Vec<NodeId>,
    /// A master that does not answer and is the last known owner.
    pub silent_owner: Option<NodeId>,
    /// Who gives it to whom.
    pub migrating: Vec<(NodeId, NodeId)>,
    /// Who takes it from whom.
    pub importing: Vec<(NodeId, NodeId)>,
    /// Keys of it on every master that holds any.
    pub holders: BTreeMap<NodeId, u64>,
    /// Masters that answer and do not know its one owner.
    pub unaware: Vec<NodeId>,
}

impl Evidence {
    /// What is true after this repair.
    fn becomes(&mut self, repair: &Repair) {
        let (owner, others) = match repair {
            // Keys and open ends are where they were.
            Repair::Adopt { owner, .. } => return self.owners = vec![*owner],
            Repair::Tell { .. } => return self.unaware.clear(),
            Repair::Finish { from, to, .. } => (*to, vec![*from]),
            Repair::FinishAndBack { from, to, .. } => (*from, vec![*to]),
            Repair::Return { at, owner } | Repair::Close { at, owner } => (*owner, at.clone()),
            Repair::Settle { owner, losers } => (*owner, losers.clone()),
        };
        for other in &others {
            let brought = self.holders.remove(other).unwrap_or(0);
            *self.holders.entry(owner).or_default() += brought;
        }
        let closed = |node: &NodeId| *node == owner || others.contains(node);
        self.migrating.retain(|(node, _)| !closed(node));
        self.importing.retain(|(node, _)| !closed(node));
        (self.owners, self.silent_owner) = (vec![owner], None);
    }
}

/// What becomes of a move that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    On,
    /// Undone without a moment in which players do not see their keys: by going on, and then coming back.
    Back,
    /// The target takes no more: what it has comes back at once, and for that moment its keys cannot be seen.
    BackAtOnce,
}

impl Way {
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

    /// Its steps for these slots in this cluster: what the plan shows, and what is carried out.
    pub fn steps(&self, slots: &[u16], model: &Model) -> Vec<SlotStep> {
        let serving = |node: &&Node| node.health.serves();
        let masters: Vec<NodeId> = model.nodes().filter(|node| node.is_master()).filter(serving).map(|node| node.id).collect();
        let concerned = self.concerned();
        let of_them = |node: &&Node| node.master.is_some_and(|master| concerned.contains(&master));
        let replicas = model.nodes().filter(|node| node.is_replica()).filter(of_them).filter(serving).map(|node| node.id);
        let quiet = slots.len() > 2 && masters.iter().all(|&id| claims_quietly(model, id));
        let around = Surroundings { slots: slots.to_vec(), replicas: replicas.collect(), masters: masters.clone(), quiet };
        let steps = repair_steps(self, &around);
        match self {
            // It may have taken slots a moment ago.
            Self::Finish { from, to, .. } | Self::FinishAndBack { from, to, .. } => {
                let first = std::iter::once(everybody_knows(*from, masters)).chain(cleared(slots, *from, *to, model));
                first.chain(steps).collect()
            }
            _ => steps,
        }
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

/// Marks that are in the way of finishing a move: of a source or a target that has failed over since, and of third masters,
/// which take nothing any more.
fn cleared(slots: &[u16], from: NodeId, to: NodeId, model: &Model) -> Vec<SlotStep> {
    let (owner, all) = (Precondition::Owns { node: from, slots: slots.to_vec() }, || slots.to_vec());
    let marks = || model.topology().open.iter().filter(|open| slots.contains(&open.slot));
    let mut steps = Vec::new();
    let third: BTreeSet<NodeId> = marks().map(|open| open.node).filter(|&node| node != from && node != to).collect();
    for &node in &third {
        let stable = slots.iter().map(|&slot| SlotCommand::Stable { slot }).collect();
        let idle =
            vec![owner.clone(), Precondition::OwnsNot { node, slots: all() }, Precondition::HoldsNoKeys { node, slots: all() }];
        let closed = vec![Precondition::Closed { node, slots: all() }];
        steps.push(SlotStep::send(Purpose::Close, node, stable).requires(idle).confirms(closed));
    }
    // A claim of theirs that was checked before comes before the end of it, or not at all.
    steps.extend((!third.is_empty()).then(|| SlotStep::new(Purpose::Fence, Act::Fence)));
    // A target that has failed over: what it had is with whoever took its place.
    let gone = |open: &&OpenSlot| {
        let elsewhere = open.node == from && open.direction == Direction::Migrating && open.peer != to;
        elsewhere && model.node(open.peer).is_none_or(|node| !node.is_master() || !node.health.serves() || node.slot_count == 0)
    };
    if marks().any(|open| gone(&open)) {
        let migrating = slots.iter().map(|&slot| SlotCommand::Migrating { slot, to }).collect();
        let gives = vec![owner.clone(), Precondition::MigratesTo { node: from, slots: all(), to }];
        steps.push(SlotStep::send(Purpose::Open, from, migrating).requires(vec![owner.clone()]).confirms(gives));
    }
    let stale = |open: &&OpenSlot| open.node == to && open.direction == Direction::Importing && open.peer != from;
    if marks().any(|open| stale(&open)) {
        let importing = slots.iter().map(|&slot| SlotCommand::Importing { slot, from }).collect();
        let takes = vec![owner, Precondition::OwnsNot { node: to, slots: all() }];
        let step = SlotStep::send(Purpose::Announce, to, importing).requires(takes);
        steps.push(step.confirms(vec![Precondition::ImportsFrom { node: to, slots: all(), from }]));
    }
    steps
}

/// Gathers what is known of a slot.
pub fn evidence(model: &Model, holders: &BTreeMap<u16, BTreeMap<NodeId, u64>>, slot: u16) -> Evidence {
    let mut found = Evidence { slot, holders: holders.get(&slot).cloned().unwrap_or_default(), ..Evidence::default() };
    for node in model.nodes().filter(|node| node.is_master() && node.slots.iter().any(|range| range.contains(slot))) {
        if node.health.is_alive() {
            found.owners.push(node.id);
        } else {
            found.silent_owner = Some(node.id);
        }
    }
    if let [owner] = found.owners.as_slice() {
        let names_it =
            |view: &View| view.member(*owner).is_some_and(|member| member.slots.iter().any(|range| range.contains(slot)));
        let unaware = model.nodes().filter(|node| node.is_master() && node.health.is_alive());
        found.unaware = unaware.filter(|node| node.view.as_ref().is_some_and(|view| !names_it(view))).map(|node| node.id).collect();
    }
    for open in model.topology().open.iter().filter(|open| open.slot == slot) {
        match open.direction {
            Direction::Migrating => found.migrating.push((open.node, open.peer)),
            Direction::Importing => found.importing.push((open.node, open.peer)),
        }
    }
    found
}

/// Repairs that one slot may need, one after the other.
pub const LOOKS: usize = 4;

/// Repairs for this slot in order. Simulates the effect of each on the evidence, so that the plan lists what `exec` will do,
/// unless somebody else is at it. Nobody is told after another repair: gossip does that.
pub(super) fn course(model: &Model, evidence: Evidence, way: Way) -> Result<Vec<(Repair, Evidence)>, String> {
    let mut course = Vec::new();
    let mut now = evidence;
    while course.len() < LOOKS
        && let Some(next) = repair(model, &now, way)?
        && (course.is_empty() || !matches!(next, Repair::Tell { .. }))
    {
        let before = now.clone();
        now.becomes(&next);
        course.push((next, before));
    }
    Ok(course)
}

/// The repair for this slot; None when it needs none. The error says what has to come first.
pub fn repair(model: &Model, evidence: &Evidence, way: Way) -> Result<Option<Repair>, String> {
    let slot = evidence.slot;
    let keys = |id: NodeId| evidence.holders.get(&id).copied().unwrap_or(0);
    match evidence.owners.as_slice() {
        [] => match evidence.silent_owner {
            Some(silent) => Err(format!(
                "slot {slot} belongs to {}, which does not answer: bring it back or let its replica take over first",
                model.label(silent)
            )),
            None => adopt(model, evidence).map(Some),
        },
        [owner] => owned(model, evidence, *owner, way),
        several => {
            let best = several.iter().copied().max_by_key(|&id| (keys(id), model.node(id).map_or(0, |node| node.epoch)));
            let Some(owner) = best else { return Ok(None) };
            let losers = several.iter().copied().filter(|&id| id != owner).collect();
            Ok(Some(Repair::Settle { owner, losers }))
        }
    }
}

fn adopt(model: &Model, evidence: &Evidence) -> Result<Repair, String> {
    let slot = evidence.slot;
    let masters: Vec<&Node> = model.nodes().filter(|node| node.is_master()).collect();
    // Keys may be on a master that cannot be asked: giving the slot away now would orphan them.
    if let Some(silent) = masters.iter().find(|node| !node.health.serves() && (node.flags.failed || node.slot_count > 0)) {
        return Err(format!(
            "nobody owns slot {}, and {} cannot be asked whether it holds keys of it: bring it back first",
            evidence.slot, silent.address
        ));
    }
    let richest = evidence.holders.iter().filter(|(_, count)| **count > 0).max_by_key(|(_, count)| **count).map(|(id, _)| *id);
    let idle = masters
        .iter()
        .filter(|node| node.health.serves())
        .min_by_key(|node| (node.slot_count == 0, node.slot_count))
        .map(|node| node.id);
    let owner = richest.or(idle).ok_or_else(|| format!("nobody owns slot {}, and no master answers", evidence.slot))?;
    let holders = evidence.holders.iter().filter(|(_, count)| **count > 0).map(|(id, _)| *id);
    let open = evidence.migrating.iter().chain(&evidence.importing).map(|(id, _)| *id);
    let told: BTreeSet<NodeId> = holders.chain(open).filter(|id| *id != owner).collect();
    let view = model.node(owner).and_then(|node| node.view.as_ref());
    let believes = view.is_some_and(|view| view.members.iter().any(|member| member.slots.iter().any(|range| range.contains(slot))));
    Ok(Repair::Adopt { owner, told: told.into_iter().collect(), believes })
}

fn owned(model: &Model, evidence: &Evidence, owner: NodeId, way: Way) -> Result<Option<Repair>, String> {
    let keys = |id: NodeId| evidence.holders.get(&id).copied().unwrap_or(0);
    let strays: Vec<NodeId> =
        evidence.holders.iter().filter(|(id, count)| **id != owner && **count > 0).map(|(id, _)| *id).collect();
    let mut open: Vec<NodeId> = evidence.migrating.iter().chain(&evidence.importing).map(|(node, _)| *node).collect();
    open.sort_unstable();
    open.dedup();
    let giving = evidence.migrating.iter().find(|(node, _)| *node == owner).map(|(_, to)| *to);
    // Without a source, one who takes is told by nothing but that it is the only one.
    let taking = match evidence.importing.iter().filter(|(node, _)| *node != owner).collect::<Vec<_>>().as_slice() {
        [(node, _)] => Some(*node),
        _ => None,
    };
    // The target as it is now: after a failover its replica holds what had been moved.
    let target = match (giving, taking) {
        (Some(to), _) => successor(model, to).or(taking).or_else(|| unnamed_successor(model, to, &strays)),
        (None, taking) => taking,
    };
    if let Some(to) = giving
        && target.is_none()
    {
        let name = model.label(to);
        return match model.node(to) {
            // What it had taken is there, or nowhere else: closing the slot would hide it.
            Some(node) if !node.health.serves() => Err(format!(
                "slot {} was on its way to {name}, which does not answer, and no replica has taken over yet",
                evidence.slot
            )),
            _ => Ok(Some(close_or_return(open, strays, owner))),
        };
    }
    // Who takes from a former owner, and has nothing yet, takes no more.
    let asks = |target: NodeId| keys(owner) > 0 && evidence.importing.contains(&(target, owner));
    if open.is_empty() && strays.is_empty() {
        let unaware = evidence.unaware.clone();
        return Ok((!unaware.is_empty()).then_some(Repair::Tell { owner, unaware }));
    }
    match target {
        // A third node with keys: bring those home first, the next look shows the rest.
        Some(target) if strays.iter().any(|&stray| stray != target) => {
            let at = strays.into_iter().filter(|&stray| stray != target).collect();
            Ok(Some(Repair::Return { at, owner }))
        }
        Some(target) if way == Way::Back && target != owner && giving.is_some() && keys(target) > 0 => {
            Ok(Some(Repair::FinishAndBack { from: owner, to: target, unaware: unaware_of(model, target, owner, evidence.slot) }))
        }
        Some(target) if way == Way::On && target != owner && (giving.is_some() || keys(target) > 0 || asks(target)) => {
            Ok(Some(Repair::Finish { from: owner, to: target, unaware: unaware_of(model, target, owner, evidence.slot) }))
        }
        _ => Ok(Some(close_or_return(open, strays, owner))),
    }
}

fn close_or_return(open: Vec<NodeId>, strays: Vec<NodeId>, owner: NodeId) -> Repair {
    if strays.is_empty() { Repair::Close { at: open, owner } } else { Repair::Return { at: strays, owner } }
}

/// A dead target without slots has lost them to its replica; who came later does not know which one that was. But only one
/// other has keys of the slot.
fn unnamed_successor(model: &Model, dead: NodeId, strays: &[NodeId]) -> Option<NodeId> {
    let deposed = model.node(dead).is_some_and(|node| !node.health.serves() && node.slot_count == 0);
    match strays {
        [only] if deposed => successor(model, *only),
        _ => None,
    }
}

/// This node if it is a master that answers, else the master of its shard that does.
pub fn successor(model: &Model, id: NodeId) -> Option<NodeId> {
    let well = |id: NodeId| model.node(id).filter(|node| node.role == Role::Master && is_up(node) && node.health.serves());
    if well(id).is_some() {
        return Some(id);
    }
    // It may be known as a replica of whoever took its place, or as the former master of its shard.
    let node = model.node(id)?;
    let above = node.master.filter(|_| node.is_replica());
    above.or_else(|| model.topology().shard_of(id)?.master).filter(|&next| next != id && well(next).is_some())
}

/// Whether this target believes that another node owns the slot.
fn unaware_of(model: &Model, target: NodeId, owner: NodeId, slot: u16) -> bool {
    let believed = model.node(target).and_then(|node| node.view.as_ref()?.member(owner).map(|member| member.slots.clone()));
    !believed.is_some_and(|slots| slots.iter().any(|range| range.contains(slot)))
}
