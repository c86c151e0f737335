//! PURE. Whether somebody asked for a change: servers count the commands that move slots and roles.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::{Info, Model, Node, NodeId};

/// Commands after which slots or roles change, as INFO commandstats spells them.
const ORDERS: [&str; 15] = [
    "cluster|addslots",
    "cluster|addslotsrange",
    "cluster|bumpepoch",
    "cluster|delslots",
    "cluster|delslotsrange",
    "cluster|failover",
    "cluster|flushslots",
    "cluster|forget",
    "cluster|migrateslots",
    "cluster|migration",
    "cluster|replicate",
    "cluster|reset",
    "cluster|set-config-epoch",
    "cluster|setslot",
    "cluster|syncslots",
];
/// Commands that empty a server because somebody wants that.
const FLUSHES: [&str; 2] = ["flushall", "flushdb"];

/// Commands that end single keys.
const DELETIONS: [&str; 3] = ["del", "getdel", "unlink"];

/// Calls and microseconds by command.
pub(super) type Commands = Arc<BTreeMap<Arc<str>, (u64, u64)>>;

fn calls(info: &Info, names: &[&str]) -> Option<u64> {
    // A server that does not tell its commands has not told that there were none.
    (!info.commands.is_empty()).then(|| names.iter().filter_map(|name| info.commands.get(*name)).map(|(calls, _)| calls).sum())
}

/// How many such commands this node has carried out since it was started, as far as it has told.
pub(super) fn orders(node: &Node) -> Option<u64> {
    calls(node.info.as_deref()?, &ORDERS)
}

/// How many commands that delete keys its process has carried out, as far as it has told.
pub(super) fn deletions(info: &Info) -> Option<u64> {
    calls(info, &DELETIONS)
}

/// Whether it was emptied by a command since its start.
pub(super) fn was_flushed(info: &Info) -> bool {
    calls(info, &FLUSHES).is_some_and(|calls| calls > 0)
}

/// Slots were given to it by command.
pub(super) fn was_given_slots(node: &Node) -> Option<bool> {
    let given = ["cluster|setslot", "cluster|migration", "cluster|syncslots", "cluster|migrateslots"];
    calls(node.info.as_deref()?, &given).map(|calls| calls > 0)
}

/// The counts that these nodes had told when the question arose.
pub(super) fn counts(model: &Model, nodes: impl IntoIterator<Item = NodeId>) -> BTreeMap<NodeId, Option<Commands>> {
    let commands = |id: NodeId| model.node(id).and_then(|node| node.info.as_ref()).map(|info| info.commands.clone());
    nodes.into_iter().map(|id| (id, commands(id))).collect()
}

/// It has counted anew since: counts are asked for less often than the rest.
pub(super) fn has_counted_since(model: &Model, id: NodeId, then: Option<&Commands>) -> bool {
    let now = model.node(id).and_then(|node| node.info.as_ref()).map(|info| &info.commands);
    match (now, then) {
        (Some(now), Some(then)) => !Arc::ptr_eq(now, then),
        (Some(_), None) => true,
        (None, _) => false,
    }
}
