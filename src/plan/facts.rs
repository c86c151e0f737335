//! PURE. What a planner may rely on: the model, and what was surveyed about slots when the intent needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cluster::{Model, NodeId};

use super::JoiningNode;

/// The facts behind a plan. `slots` is None for intents that do not need them.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub model: &'a Model,
    pub slots: Option<&'a SlotFacts>,
}

impl<'a> Facts<'a> {
    pub fn of(model: &'a Model) -> Self {
        Self { model, slots: None }
    }

    pub fn with(model: &'a Model, slots: &'a SlotFacts) -> Self {
        Self { model, slots: Some(slots) }
    }
}

/// What one slot holds on its owner, in every database.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SlotFact {
    pub keys: u64,
    /// MEMORY USAGE, summed over all keys or scaled up from a sample.
    pub bytes: u64,
    /// Keys that `bytes` stands for.
    pub sized: u64,
    /// The biggest key seen, in bytes.
    pub biggest_bytes: u64,
    /// Commands a second, where the server counts them by slot.
    pub ops: Option<f64>,
}

/// A survey of slots, made for one plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlotFacts {
    pub by_slot: BTreeMap<u16, SlotFact>,
    /// Keys of a slot on every master that holds any, owners and others: the evidence for repairs.
    pub holders: BTreeMap<u16, BTreeMap<NodeId, u64>>,
    /// Why what slots hold is not known: without that no repair and no move is safe.
    pub trouble: Option<String>,
    /// Hash tags found in a slot: the rooms in it, when it was looked through key by key.
    pub tags: BTreeMap<u16, BTreeSet<Arc<str>>>,
    /// Bytes were scaled up from samples.
    pub sampled: bool,
    /// Every server to be touched can CLUSTER MIGRATESLOTS.
    pub atomic: bool,
    /// Why the atomic engine cannot be used although the servers are new enough.
    pub atomic_obstacle: Option<String>,
    /// The server that shall join.
    pub joining: Option<JoiningNode>,
    /// Databases above 0 hold keys on these nodes.
    pub numbered_databases: Vec<NodeId>,
}

impl SlotFacts {
    pub fn slot(&self, slot: u16) -> SlotFact {
        self.by_slot.get(&slot).copied().unwrap_or_default()
    }
}
