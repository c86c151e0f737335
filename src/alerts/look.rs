//! PURE. What every rule asks of the model, answered once: who works, who is down, who could take over.

use std::time::Duration;

use super::Thresholds;
use crate::cluster::{Info, Model, Node, NodeId, Shard, SlotSet, Time, age};

/// Figures of a node that has not told them for this long say nothing about now.
const FRESH: Duration = Duration::from_secs(15);

pub(super) struct Look<'a> {
    pub(super) model: &'a Model,
    pub(super) thresholds: &'a Thresholds,
    pub(super) now: Time,
    /// Slots that a running operation of ours has open.
    pub(super) moving: &'a SlotSet,
    /// In order of address: lists read the same from one check to the next.
    nodes: Vec<&'a Node>,
}

impl<'a> Look<'a> {
    pub(super) fn new(model: &'a Model, thresholds: &'a Thresholds, now: Time, moving: &'a SlotSet) -> Self {
        let mut nodes: Vec<&Node> = model.nodes().collect();
        nodes.sort_by(|a, b| a.address.cmp(&b.address));
        Self { model, thresholds, now, moving, nodes }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &'a Node> + '_ {
        self.nodes.iter().copied()
    }

    pub(super) fn all_down(&self) -> bool {
        self.nodes.iter().all(|node| node.is_down())
    }

    /// The addresses of these nodes, in order.
    pub(super) fn labels(&self, ids: &[NodeId]) -> Vec<String> {
        let mut addresses: Vec<_> = ids.iter().filter_map(|id| self.node(*id)).map(|node| &node.address).collect();
        addresses.sort();
        addresses.into_iter().map(ToString::to_string).collect()
    }

    pub(super) fn since(&self, then: Time) -> Duration {
        age(self.now, then)
    }

    /// Nodes that answer, with what they said lately of themselves. Whoever is down, or has said nothing for long, has no
    /// figures: nothing is concluded from old ones.
    pub(super) fn figures(&self) -> impl Iterator<Item = (&'a Node, &'a Info)> + '_ {
        self.nodes().filter(|node| node.health.is_alive()).filter_map(|node| {
            let fresh = node.info_at.is_some_and(|at| self.since(at) <= FRESH.max(self.model.stale));
            fresh.then(|| node.info.as_deref().map(|info| (node, info))).flatten()
        })
    }

    pub(super) fn node(&self, id: NodeId) -> Option<&'a Node> {
        self.model.node(id)
    }

    /// Shards that own slots.
    pub(super) fn owning(&self) -> impl Iterator<Item = &'a Shard> + '_ {
        self.model.topology().shards.iter().filter(|shard| shard.slot_count > 0)
    }

    pub(super) fn master(&self, shard: &Shard) -> Option<&'a Node> {
        shard.master.and_then(|id| self.node(id))
    }

    pub(super) fn replicas(&self, shard: &'a Shard) -> impl Iterator<Item = &'a Node> + '_ {
        shard.replicas.iter().filter_map(|id| self.node(*id))
    }

    /// Replicas that answer and could be promoted, the one with the most data first.
    pub(super) fn heirs(&self, shard: &'a Shard) -> Vec<&'a Node> {
        let mut heirs: Vec<&Node> = self.replicas(shard).filter(|node| node.serves() && !node.flags.nofailover).collect();
        heirs.retain(|node| node.info.as_ref().is_none_or(|info| info.replica_priority != Some(0) && !info.loading));
        heirs.sort_by_key(|node| std::cmp::Reverse(node.info.as_ref().and_then(|info| info.replica_offset)));
        heirs
    }

    /// Masters with slots: how many answer, how many there are. A majority of them elects and condemns.
    pub(super) fn quorum(&self) -> (usize, usize) {
        let voters = self.nodes().filter(|node| node.is_master() && node.slot_count > 0);
        voters.fold((0, 0), |(answering, all), node| (answering + usize::from(!node.is_down()), all + 1))
    }

    pub(super) fn has_majority(&self) -> bool {
        let (answering, all) = self.quorum();
        answering > all / 2
    }

    /// How this replica comes to take its dead master's place.
    pub(super) fn succession(&self, heir: &Node) -> String {
        let heir = &heir.address;
        if self.has_majority() {
            format!("{heir} takes over by itself; at once, with what it has: `rgc-tui failover {heir} --mode force` [F]")
        } else {
            format!("no majority is left to elect {heir}: bring masters back, else `rgc-tui failover {heir} --mode takeover` [F]")
        }
    }
}
