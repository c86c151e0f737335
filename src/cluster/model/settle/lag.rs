//! PURE. Replication lag of every replica: its master's offset less its own, the master's read brought to the replica's time.

use std::collections::HashMap;
use std::sync::Arc;

use super::Model;
use crate::cluster::{Node, NodeId, NodeRole, Time, age};

/// A master's place in its stream.
struct Stream {
    written: u64,
    at: Time,
    bytes_per_sec: f64,
    replid: Option<Arc<str>>,
}

pub(in crate::cluster::model) fn lags(model: &mut Model) {
    let stream = |node: &Node| {
        let info = node.info.as_ref()?;
        let stream = Stream {
            written: info.master_offset?,
            at: node.info_at?,
            bytes_per_sec: node.rates.replication_bytes_per_sec.unwrap_or(0.0),
            replid: info.replid.clone(),
        };
        Some((node.id, stream))
    };
    let streams: HashMap<NodeId, Stream> =
        model.nodes.values().filter(|node| node.is_master() && node.health.is_alive()).filter_map(stream).collect();
    for node in model.nodes.values_mut().filter(|node| node.role == NodeRole::Replica) {
        node.lag_bytes = lag(node, &streams);
    }
}

fn lag(node: &Node, streams: &HashMap<NodeId, Stream>) -> Option<u64> {
    let stream = streams.get(&node.master?)?;
    let info = node.info.as_ref()?;
    if info.replid != stream.replid || !node.health.is_alive() {
        return None;
    }
    let read = node.info_at?;
    let skew = age(stream.at, read).as_secs_f64() - age(read, stream.at).as_secs_f64();
    let written = stream.written as f64 - stream.bytes_per_sec * skew;
    Some((written - info.replica_offset? as f64).max(0.0) as u64)
}
