//! PURE. From what every master says of a slot to the repair that puts it right: the table of repairs.
//!
//! Keys decide. A node that loses a slot it holds keys of deletes them, so nobody is made an owner before the keys have
//! been brought to it, and no slot is closed while its keys are in two places. Forward comes before back: while keys are
//! split, only the node that has the slot open on its way out sends players to all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::Repair;
use crate::cluster::NodeId;

/// What is known of one slot. Every list holds masters that answer; who does not answer is named as such.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotEvidence {
    /// Masters that own it by their own word, each with its config epoch.
    pub owners: BTreeMap<NodeId, u64>,
    /// A master that does not answer and is the last known owner.
    pub silent_owner: Option<NodeId>,
    /// Who migrates it to whom, by its own word.
    pub migrating: Vec<(NodeId, NodeId)>,
    /// Who imports it from whom, by its own word.
    pub importing: Vec<(NodeId, NodeId)>,
    /// Keys of it, all databases, on every master that holds any.
    pub holders: BTreeMap<NodeId, u64>,
    /// Whom each master that answers takes for the owner.
    pub named: BTreeMap<NodeId, Option<NodeId>>,
    /// Masters that answer and take keys, each with how many slots it owns.
    pub serving: BTreeMap<NodeId, u64>,
    /// Masters that do not answer, or not for their keys, and may hold some.
    pub silent: BTreeSet<NodeId>,
    /// Who is the master in place of a node that is none any more, or does not answer.
    pub successors: BTreeMap<NodeId, NodeId>,
    /// Masters of which a replica alone has it open: Valkey's replicas are told by their masters.
    pub open_on_replica: Vec<NodeId>,
}

/// What becomes of a move that somebody has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    On,
    /// Undone without a moment in which players do not see their keys: by going on, and then coming back.
    Back,
    /// The target takes no more: what it has comes back at once, and for that moment its keys cannot be seen.
    BackAtOnce,
}

/// Why a slot cannot be repaired now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepairObstacle {
    /// Its owner, or one of several, does not answer, or takes no keys.
    OwnerSilent(NodeId),
    /// Nobody owns it, and this master cannot be asked whether it holds keys of it.
    HolderSilent(NodeId),
    /// It is on its way to this node, which does not answer and has no successor yet.
    TargetSilent(NodeId),
    /// This node has it open, and cannot be asked whether it holds keys of it.
    OpenSilent(NodeId),
    /// Nobody owns it, and no master takes keys.
    NobodyServes,
}

impl SlotEvidence {
    fn keys(&self, node: NodeId) -> u64 {
        self.holders.get(&node).copied().unwrap_or(0)
    }

    /// This node if it is a master that takes keys, else the one that is in its place.
    fn as_it_is_now(&self, node: NodeId) -> Option<NodeId> {
        [Some(node), self.successors.get(&node).copied()].into_iter().flatten().find(|node| self.serving.contains_key(node))
    }

    /// The next repair of this slot; None when it needs none.
    pub fn repair(&self, direction: Direction) -> Result<Option<Repair>, RepairObstacle> {
        match self.owners.keys().copied().collect::<Vec<_>>().as_slice() {
            [] => match self.silent_owner {
                Some(silent) => Err(RepairObstacle::OwnerSilent(silent)),
                None => self.adopt().map(Some),
            },
            owners if owners.iter().any(|owner| !self.serving.contains_key(owner)) => {
                let silent = owners.iter().find(|owner| !self.serving.contains_key(owner));
                silent.map_or(Ok(None), |&silent| Err(RepairObstacle::OwnerSilent(silent)))
            }
            [owner] => self.owned(*owner, direction),
            _ => {
                let best = self.owners.iter().max_by_key(|&(&id, &epoch)| (self.keys(id), epoch)).map(|(&id, _)| id);
                let losers = self.owners.keys().copied().filter(|id| Some(*id) != best).collect();
                Ok(best.map(|owner| Repair::Settle { owner, losers }))
            }
        }
    }

    fn adopt(&self) -> Result<Repair, RepairObstacle> {
        // Keys may be on a master that cannot be asked: giving the slot away now would orphan them.
        if let Some(&silent) = self.silent.first() {
            return Err(RepairObstacle::HolderSilent(silent));
        }
        let holders = || self.holders.iter().filter(|(_, count)| **count > 0);
        let richest = holders().max_by_key(|(_, count)| **count).map(|(id, _)| *id);
        // A move that had got as far as leaving the slot without an owner ends at its target.
        let target = self.importing.iter().map(|(id, _)| *id).find(|id| self.serving.contains_key(id));
        // One that was reset does not know that it is theirs to all others: they have not to be told.
        let named = self.named.values().flatten().copied().find(|id| self.serving.contains_key(id));
        let idle = self.serving.iter().min_by_key(|(_, slots)| (**slots == 0, **slots)).map(|(id, _)| *id);
        let owner = richest.or(target).or(named).or(idle).ok_or(RepairObstacle::NobodyServes)?;
        let open = self.migrating.iter().chain(&self.importing).map(|(id, _)| *id);
        let mut told: Vec<NodeId> = holders().map(|(id, _)| *id).chain(open).filter(|id| *id != owner).collect();
        told.sort_unstable();
        told.dedup();
        Ok(Repair::Adopt { owner, told, believes: self.named.get(&owner).is_some_and(Option::is_some) })
    }

    fn owned(&self, owner: NodeId, direction: Direction) -> Result<Option<Repair>, RepairObstacle> {
        let strays: Vec<NodeId> =
            self.holders.iter().filter(|(id, count)| **id != owner && **count > 0).map(|(id, _)| *id).collect();
        let mut open: Vec<NodeId> = self.migrating.iter().chain(&self.importing).map(|(node, _)| *node).collect();
        open.sort_unstable();
        open.dedup();
        if open.is_empty() && strays.is_empty() && !self.open_on_replica.is_empty() {
            return Ok(Some(Repair::Close { at: self.open_on_replica.clone(), owner }));
        }
        if open.is_empty() && strays.is_empty() {
            let unaware: Vec<NodeId> = self.named.iter().filter(|(_, named)| **named != Some(owner)).map(|(id, _)| *id).collect();
            return Ok((!unaware.is_empty()).then_some(Repair::Tell { owner, unaware }));
        }
        if let Some(&silent) = open.iter().find(|node| !self.serving.contains_key(node)) {
            return Err(RepairObstacle::OpenSilent(silent));
        }
        let giving = self.migrating.iter().find(|(node, _)| *node == owner).map(|(_, to)| *to);
        // Without a source that says so, one that imports is told by nothing but that it is the only one.
        let importers: Vec<NodeId> = self.importing.iter().map(|(node, _)| *node).filter(|node| *node != owner).collect();
        let only = match importers.as_slice() {
            [node] => Some(*node),
            _ => None,
        };
        let stray = match strays.as_slice() {
            [node] => Some(*node),
            _ => None,
        };
        if let Some(to) = giving
            && self.as_it_is_now(to).is_none()
            && self.silent.contains(&to)
        {
            // What it had taken is there, or nowhere else: closing the slot would hide it, and another target miss it.
            return Err(RepairObstacle::TargetSilent(to));
        }
        // The target as it is now: after a failover its replica holds what had been moved.
        let target = match giving {
            Some(to) => self.as_it_is_now(to).or(only).or(stray),
            None => only,
        }
        .filter(|target| *target != owner);
        let Some(target) = target else { return Ok(Some(close_or_return(open, strays, owner))) };
        // Others with keys first, then others with marks: the next look shows the rest.
        let at: Vec<NodeId> = strays.iter().copied().filter(|&stray| stray != target).collect();
        if !at.is_empty() {
            return Ok(Some(Repair::Return { at, owner }));
        }
        let at: Vec<NodeId> = open.iter().copied().filter(|&node| node != target && node != owner).collect();
        if !at.is_empty() {
            return Ok(Some(Repair::Close { at, owner }));
        }
        let elsewhere = self.importing.iter().any(|(node, from)| *node == target && *from != owner)
            || self.migrating.iter().any(|(node, _)| *node == target);
        let unaware = elsewhere || self.named.get(&target).is_some_and(|named| *named != Some(owner));
        let split = self.keys(target) > 0;
        // It imports from this owner, and has nothing yet: somebody wanted it there. From a former owner it takes no more.
        let asks = self.keys(owner) > 0 && self.importing.contains(&(target, owner));
        Ok(Some(match direction {
            Direction::On if giving.is_some() || split || asks => Repair::Finish { from: owner, to: target, unaware },
            Direction::Back if split => Repair::FinishAndBack { from: owner, to: target, unaware },
            _ => close_or_return(open, strays, owner),
        }))
    }
}

fn close_or_return(open: Vec<NodeId>, strays: Vec<NodeId>, owner: NodeId) -> Repair {
    if strays.is_empty() { Repair::Close { at: open, owner } } else { Repair::Return { at: strays, owner } }
}
