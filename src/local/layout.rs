//! PURE. Who is who in a new cluster, and the nodes.conf that makes a node start as a member of it.

use std::fmt::Write as _;

use super::ports::BUS;
use crate::cluster::SLOTS;

/// A node to be: masters first, then the first replica of each, then the second, …
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlannedNode {
    pub(super) port: u16,
    pub(super) id: String,
    pub(super) shard_id: String,
    /// Index of its master; None for a master.
    pub(super) master: Option<usize>,
    /// First and last slot.
    pub(super) slots: Option<(u16, u16)>,
}

/// Seats for `masters * (1 + replicas)` ports; `token` is called for each id, of which it makes a part.
pub(super) fn nodes(masters: u16, ports: &[u16], mut token: impl FnMut() -> u64) -> Vec<PlannedNode> {
    let mut id = move || format!("{:016x}{:016x}{:08x}", token(), token(), token() & 0xffff_ffff);
    let shards: Vec<String> = (0..masters).map(|_| id()).collect();
    let bound = |n: usize| u16::try_from(n * usize::from(SLOTS) / usize::from(masters.max(1))).unwrap_or(SLOTS);
    ports
        .iter()
        .enumerate()
        .map(|(i, &port)| {
            let rank = i % usize::from(masters.max(1));
            let is_master = i < usize::from(masters);
            PlannedNode {
                port,
                id: id(),
                shard_id: shards.get(rank).cloned().unwrap_or_default(),
                master: (!is_master).then_some(rank),
                slots: is_master.then(|| (bound(rank), bound(rank + 1).saturating_sub(1))),
            }
        })
        .collect()
}

/// The `nodes.conf` of the node at `me`: every node is known from the first moment, nobody has to be introduced.
pub(super) fn nodes_conf(nodes: &[PlannedNode], me: usize, with_shard_ids: bool) -> String {
    let masters = nodes.iter().filter(|node| node.master.is_none()).count();
    let mut text = String::new();
    for (i, node) in nodes.iter().enumerate() {
        let shard = if with_shard_ids { format!(",,shard-id={}", node.shard_id) } else { String::new() };
        let role = if node.master.is_some() { "slave" } else { "master" };
        let flags = if i == me { format!("myself,{role}") } else { role.into() };
        let master = node.master.and_then(|at| nodes.get(at)).map_or("-", |master| &master.id);
        let epoch = node.master.unwrap_or(i) + 1;
        let slots = node.slots.map(|(first, last)| format!(" {first}-{last}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{} 127.0.0.1:{}@{}{shard} {flags} {master} 0 0 {epoch} connected{slots}",
            node.id,
            node.port,
            node.port + BUS
        );
    }
    let _ = writeln!(text, "vars currentEpoch {masters} lastVoteEpoch 0");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Address, NodeRole, parse};

    #[test]
    fn the_cluster_s_own_parser_reads_what_is_written() {
        let mut n = 0;
        let nodes = nodes(3, &[7000, 7001, 7002, 7003, 7004, 7005], || {
            n += 1;
            n
        });
        let text = nodes_conf(&nodes, 4, true);
        let (members, vars) = text.rsplit_once("vars").unwrap();
        assert_eq!(vars, " currentEpoch 3 lastVoteEpoch 0\n");
        let view = parse::nodes(members, &Address::new("127.0.0.1", 7004)).unwrap();
        let me = view.myself().unwrap();
        assert_eq!((me.address.port, me.role, me.master), (7004, NodeRole::Replica, Some(view.members[1].id)));
        let slots: Vec<String> = view.members.iter().flat_map(|member| &member.slots).map(ToString::to_string).collect();
        assert_eq!(slots, ["0-5460", "5461-10921", "10922-16383"]);
        assert_eq!(nodes[1].shard_id, nodes[4].shard_id);
        assert!(!nodes_conf(&nodes, 0, false).contains("shard-id"));
    }
}
