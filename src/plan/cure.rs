//! PURE. What ails a slot, and the cure: a table from what every master says of it to the steps that put it right.
//!
//! Keys decide. A node that loses a slot it holds keys of deletes them, so nobody is made an owner before the keys
//! have been brought to it, and no slot is closed while its keys are in two places.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Direction, Model, Node, NodeId, Role, View};

use super::preflight::is_up;
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
    pub deaf: Vec<NodeId>,
}

impl Evidence {
    /// What is true after this cure.
    fn undergo(&mut self, cure: &Cure) {
        let (owner, others) = match cure {
            // Keys and open ends are where they were.
            Cure::Adopt { owner, .. } => return self.owners = vec![*owner],
            Cure::Tell { .. } => return self.deaf.clear(),
            Cure::Finish { from, to } => (*to, vec![*from]),
            Cure::ThereAndBack { from, to } => (*from, vec![*to]),
            Cure::Return { at, owner } | Cure::Close { at, owner } => (*owner, at.clone()),
            Cure::Settle { owner, losers } => (*owner, losers.clone()),
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
    /// The taker takes no more: what it has comes back at once, and for that moment its keys cannot be seen.
    BackAtOnce,
}

impl Way {
    pub fn asked(roll_back: bool) -> Self {
        if roll_back { Self::Back } else { Self::On }
    }
}

/// The cure of one slot.
#[derive(Clone, Debug, PartialEq)]
pub enum Cure {
    /// Go on moving keys, then the taker owns the slot.
    Finish { from: NodeId, to: NodeId },
    /// The same, and then all the way back: while keys are split, only the one who has the slot open sees them all.
    ThereAndBack { from: NodeId, to: NodeId },
    /// Bring the keys that are at these nodes home to the owner, then nobody has it open.
    Return { at: Vec<NodeId>, owner: NodeId },
    /// No keys are split: these nodes forget that they have it open.
    Close { at: Vec<NodeId>, owner: NodeId },
    /// Nobody owns it: this node takes it, from whom it believes to be the owner if need be (`taken`). Who holds keys of
    /// it or has it open is told, for gossip may not get through.
    Adopt { owner: NodeId, told: Vec<NodeId>, taken: bool },
    /// One owns it, and these have not heard.
    Tell { owner: NodeId, deaf: Vec<NodeId> },
    /// Two own it: the losers give it up and their keys are brought to the owner.
    Settle { owner: NodeId, losers: Vec<NodeId> },
}

impl Cure {
    /// Who owns the slot afterwards.
    pub fn heir(&self) -> NodeId {
        match self {
            Self::Finish { to, .. } => *to,
            Self::ThereAndBack { from, .. } => *from,
            Self::Return { owner, .. }
            | Self::Close { owner, .. }
            | Self::Adopt { owner, .. }
            | Self::Tell { owner, .. }
            | Self::Settle { owner, .. } => *owner,
        }
    }

    /// In the operator's words, behind "slot 7: ".
    pub fn says(&self, evidence: &Evidence, model: &Model) -> String {
        let keys = |id: &NodeId| evidence.holders.get(id).copied().unwrap_or(0);
        let at = |id: &NodeId| format!("{} ({})", model.label(*id), quantity::count(keys(id), "key"));
        let all = |ids: &[NodeId]| quantity::list(&ids.iter().map(at).collect::<Vec<_>>());
        match self {
            Self::Finish { from, to } => format!("finish the move from {} to {}", at(from), at(to)),
            Self::ThereAndBack { from, to } => {
                format!("finish the move from {} to {}, then move it back: no key is out of sight", at(from), at(to))
            }
            Self::Return { at: strays, owner } => format!("bring the keys at {} home to {} and close it", all(strays), at(owner)),
            Self::Close { at: open, owner } => format!("close it on {}; {} owns it and no key is elsewhere", all(open), at(owner)),
            Self::Adopt { owner, .. } => format!("nobody owns it: give it to {}", at(owner)),
            Self::Tell { owner, deaf } => format!("{} owns it, and {} does not know", at(owner), all(deaf)),
            Self::Settle { owner, losers } => format!("{} keeps it, {} gives it up", at(owner), all(losers)),
        }
    }

    /// The literal commands, each with the node it goes to.
    pub fn commands(&self, slot: u16, model: &Model) -> Vec<(NodeId, String)> {
        let set = |node: NodeId, what: String| (node, format!("CLUSTER SETSLOT {slot} {what}"));
        let migrate = |from: NodeId, to: NodeId| {
            let target = model.node(to).map(|node| format!("{} {}", node.address.host, node.address.port)).unwrap_or_default();
            (from, format!("MIGRATE {target} \"\" 0 5000 KEYS …"))
        };
        let home = |stray: NodeId, owner: NodeId| {
            vec![
                set(owner, "STABLE".into()),
                set(stray, format!("NODE {owner}")),
                set(stray, format!("IMPORTING {owner}")),
                migrate(stray, owner),
                set(stray, "STABLE".into()),
            ]
        };
        let over = |from: NodeId, to: NodeId| {
            vec![
                set(to, format!("IMPORTING {from}")),
                set(from, format!("MIGRATING {to}")),
                migrate(from, to),
                set(to, format!("NODE {to}")),
                set(from, format!("NODE {to}")),
            ]
        };
        match self {
            Self::Finish { from, to } => over(*from, *to),
            Self::ThereAndBack { from, to } => [over(*from, *to), over(*to, *from)].concat(),
            Self::Return { at, owner } => at.iter().flat_map(|stray| home(*stray, *owner)).collect(),
            Self::Close { at, .. } => at.iter().map(|node| set(*node, "STABLE".into())).collect(),
            Self::Adopt { owner, told, taken } => {
                let free = taken.then(|| (*owner, format!("CLUSTER DELSLOTS {slot}")));
                let take = [(*owner, format!("CLUSTER ADDSLOTS {slot}")), (*owner, "CLUSTER BUMPEPOCH".into())];
                free.into_iter().chain(take).chain(told.iter().map(|other| set(*other, format!("NODE {owner}")))).collect()
            }
            Self::Tell { owner, deaf } => {
                let told = deaf.iter().map(|node| set(*node, format!("NODE {owner}")));
                [(*owner, "CLUSTER BUMPEPOCH".into())].into_iter().chain(told).collect()
            }
            Self::Settle { owner, losers } => losers
                .iter()
                .flat_map(|loser| {
                    let give_up = (*loser, format!("CLUSTER DELSLOTS {slot}"));
                    std::iter::once(give_up).chain(home(*loser, *owner))
                })
                .chain([(*owner, "CLUSTER BUMPEPOCH".into())])
                .collect(),
        }
    }
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
        let deaf = model.nodes().filter(|node| node.is_master() && node.health.is_alive());
        found.deaf = deaf.filter(|node| node.view.as_ref().is_some_and(|view| !names_it(view))).map(|node| node.id).collect();
    }
    for open in model.topology().open.iter().filter(|open| open.slot == slot) {
        match open.direction {
            Direction::Migrating => found.migrating.push((open.node, open.peer)),
            Direction::Importing => found.importing.push((open.node, open.peer)),
        }
    }
    found
}

/// Cures that one slot may need, one after the other.
pub const LOOKS: usize = 4;

/// All cures that this slot needs, each with what is true before it. After another cure nobody is told: gossip does that. Each is what a look after the one before would
/// prescribe, so what is planned is what is done, unless somebody else is at it.
pub(super) fn course(model: &Model, evidence: Evidence, way: Way) -> Result<Vec<(Cure, Evidence)>, String> {
    let mut course = Vec::new();
    let mut now = evidence;
    while course.len() < LOOKS
        && let Some(next) = cure(model, &now, way)?
        && (course.is_empty() || !matches!(next, Cure::Tell { .. }))
    {
        let before = now.clone();
        now.undergo(&next);
        course.push((next, before));
    }
    Ok(course)
}

/// The cure for this slot; None when nothing ails it. The error says what has to come first.
pub fn cure(model: &Model, evidence: &Evidence, way: Way) -> Result<Option<Cure>, String> {
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
            Ok(Some(Cure::Settle { owner, losers }))
        }
    }
}

fn adopt(model: &Model, evidence: &Evidence) -> Result<Cure, String> {
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
    let taken = view.is_some_and(|view| view.members.iter().any(|member| member.slots.iter().any(|range| range.contains(slot))));
    Ok(Cure::Adopt { owner, told: told.into_iter().collect(), taken })
}

fn owned(model: &Model, evidence: &Evidence, owner: NodeId, way: Way) -> Result<Option<Cure>, String> {
    let keys = |id: NodeId| evidence.holders.get(&id).copied().unwrap_or(0);
    let strays: Vec<NodeId> =
        evidence.holders.iter().filter(|(id, count)| **id != owner && **count > 0).map(|(id, _)| *id).collect();
    let mut open: Vec<NodeId> = evidence.migrating.iter().chain(&evidence.importing).map(|(node, _)| *node).collect();
    open.sort_unstable();
    open.dedup();
    let giving = evidence.migrating.iter().find(|(node, _)| *node == owner).map(|(_, to)| *to);
    // Without a giver, one who takes is told by nothing but that it is the only one.
    let taking = match evidence.importing.iter().filter(|(node, _)| *node != owner).collect::<Vec<_>>().as_slice() {
        [(node, _)] => Some(*node),
        _ => None,
    };
    // The taker as it is now: after a failover its replica holds what had been moved.
    let taker = match (giving, taking) {
        (Some(to), _) => heir(model, to).or(taking).or_else(|| unnamed_heir(model, to, &strays)),
        (None, taking) => taking,
    };
    if let Some(to) = giving
        && taker.is_none()
    {
        let name = model.label(to);
        return match model.node(to) {
            // What it had taken is there, or nowhere else: closing the slot would hide it.
            Some(node) if !node.health.serves() => {
                Err(format!("slot {} was on its way to {name}, which does not answer and has no heir yet", evidence.slot))
            }
            _ => Ok(Some(close_or_return(open, strays, owner))),
        };
    }
    // Who takes from a former owner, and has nothing yet, takes no more.
    let asks = |taker: NodeId| keys(owner) > 0 && evidence.importing.contains(&(taker, owner));
    if open.is_empty() && strays.is_empty() {
        let deaf = evidence.deaf.clone();
        return Ok((!deaf.is_empty()).then_some(Cure::Tell { owner, deaf }));
    }
    match taker {
        // A third node with keys: bring those home first, the next look shows the rest.
        Some(taker) if strays.iter().any(|&stray| stray != taker) => {
            let at = strays.into_iter().filter(|&stray| stray != taker).collect();
            Ok(Some(Cure::Return { at, owner }))
        }
        Some(taker) if way == Way::Back && taker != owner && giving.is_some() && keys(taker) > 0 => {
            Ok(Some(Cure::ThereAndBack { from: owner, to: taker }))
        }
        Some(taker) if way == Way::On && taker != owner && (giving.is_some() || keys(taker) > 0 || asks(taker)) => {
            Ok(Some(Cure::Finish { from: owner, to: taker }))
        }
        _ => Ok(Some(close_or_return(open, strays, owner))),
    }
}

fn close_or_return(open: Vec<NodeId>, strays: Vec<NodeId>, owner: NodeId) -> Cure {
    if strays.is_empty() { Cure::Close { at: open, owner } } else { Cure::Return { at: strays, owner } }
}

/// A dead taker without slots has lost them to its replica; who came later does not know which one that was. But only one
/// other has keys of the slot.
fn unnamed_heir(model: &Model, dead: NodeId, strays: &[NodeId]) -> Option<NodeId> {
    let deposed = model.node(dead).is_some_and(|node| !node.health.serves() && node.slot_count == 0);
    match strays {
        [only] if deposed => heir(model, *only),
        _ => None,
    }
}

/// This node if it is a master that answers, else the master of its shard that does.
pub fn heir(model: &Model, id: NodeId) -> Option<NodeId> {
    let well = |id: NodeId| model.node(id).filter(|node| node.role == Role::Master && is_up(node) && node.health.serves());
    if well(id).is_some() {
        return Some(id);
    }
    // It may be known as a replica of whoever took its place, or as the former master of its shard.
    let node = model.node(id)?;
    let above = node.master.filter(|_| node.is_replica());
    above.or_else(|| model.topology().shard_of(id)?.master).filter(|&heir| heir != id && well(heir).is_some())
}
