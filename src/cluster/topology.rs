//! PURE. Who owns what: shards and slot owners, settled from what every node says on its own line.
//!
//! A live master's own line is the truth about its slots; the others' lines are opinions, asked only about nodes that
//! do not speak. Disagreements are kept beside the answer, never resolved away.

use std::collections::BTreeMap;

use super::view::OpenDirection;
use super::{NodeId, SLOTS, ShardName, SlotRange, SlotSet, Time};

/// How the servers are arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopologyKind {
    #[default]
    Cluster,
    Sentinel,
    Standalone,
}

impl TopologyKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Sentinel => "sentinel",
            Self::Standalone => "standalone",
        }
    }
}

/// A master and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub name: ShardName,
    /// The node that owns the slots, alive or not; None for replicas whose master nobody knows.
    pub master: Option<NodeId>,
    pub replicas: Vec<NodeId>,
    /// Failed nodes that were master here before, and own nothing now.
    pub former: Vec<NodeId>,
    pub slots: Vec<SlotRange>,
    pub slot_count: u16,
}

impl Shard {
    pub fn slot_set(&self) -> SlotSet {
        self.slots.iter().collect()
    }

    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.master.into_iter().chain(self.replicas.iter().copied()).chain(self.former.iter().copied())
    }
}

/// A slot that two live masters both call their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    pub slot: u16,
    pub claimants: Vec<NodeId>,
}

/// A slot that is open on some node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenSlot {
    pub slot: u16,
    /// The node that says so.
    pub node: NodeId,
    pub direction: OpenDirection,
    pub peer: NodeId,
}

/// The settled picture, rebuilt whenever a view or a health changes.
#[derive(Clone, Debug)]
pub struct Topology {
    /// In order of their names.
    pub shards: Vec<Shard>,
    /// For every slot the node that owns it, by its own word or by the others' while it does not speak.
    pub owners: Vec<Option<NodeId>>,
    /// Slots whose owner would take a write now.
    pub served: SlotSet,
    /// Slots that somebody owns.
    pub assigned: SlotSet,
    pub conflicts: Vec<Conflict>,
    pub open: Vec<OpenSlot>,
    /// Marks of replicas that their masters do not have: they come alive when the replica takes over.
    pub open_on_replicas: Vec<OpenSlot>,
    /// Slots whose owner is known by the others' word alone.
    pub(in crate::cluster) reported: SlotSet,
    /// Slots that were given to somebody who has not spoken since: to whom, and when the source said so.
    pub(in crate::cluster) handed: BTreeMap<u16, (NodeId, Time)>,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            shards: Vec::new(),
            owners: vec![None; usize::from(SLOTS)],
            served: SlotSet::default(),
            assigned: SlotSet::default(),
            conflicts: Vec::new(),
            open: Vec::new(),
            open_on_replicas: Vec::new(),
            reported: SlotSet::default(),
            handed: BTreeMap::new(),
        }
    }
}

impl Topology {
    pub fn owner(&self, slot: u16) -> Option<NodeId> {
        self.owners.get(usize::from(slot)).copied().flatten()
    }

    pub fn shard(&self, name: ShardName) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.name == name)
    }

    pub fn shard_of(&self, node: NodeId) -> Option<&Shard> {
        self.shards.iter().find(|shard| shard.nodes().any(|id| id == node))
    }

    /// Different open slots (a slot that both sides have open counts once).
    pub fn open_slots(&self) -> SlotSet {
        self.open.iter().map(|open| open.slot).collect()
    }

    /// Slots that nobody serves: without an owner, or with one that would not take a write now.
    pub fn unserved(&self) -> SlotSet {
        SlotSet::all().minus(&self.served)
    }
}
