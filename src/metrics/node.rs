//! PURE. Figures of a node. Those of INFO are left out once it does not answer: the last ones are not the present ones.

use super::{MetricSample, Reading};
use crate::cluster::{Health, Info, Node};

pub(super) fn labels(node: &Node) -> Vec<(&'static str, String)> {
    vec![("node", node.address.to_string()), ("shard", node.shard.map(|shard| shard.to_string()).unwrap_or_default())]
}

fn with(node: &Node, more: impl IntoIterator<Item = (&'static str, String)>) -> MetricSample {
    MetricSample { labels: labels(node).into_iter().chain(more).collect(), value: 1.0 }
}

fn info(node: &Node) -> Option<&Info> {
    node.info.as_deref().filter(|_| node.health.is_alive())
}

fn figure(node: &Node, field: fn(&Info) -> Option<u64>) -> Option<f64> {
    info(node).and_then(field).map(|value| value as f64)
}

pub(super) fn infos(reading: &Reading<'_>) -> Vec<MetricSample> {
    let sample = |node: &Node| {
        let server = node.info.as_ref().and_then(|info| info.server.as_ref());
        let id = if node.id.is_member() { node.id.to_string() } else { String::new() };
        let (name, version) = server.map(|server| (server.name.to_string(), server.version.to_string())).unwrap_or_default();
        with(node, [("id", id), ("role", node.role.word().to_owned()), ("server", name), ("version", version)])
    };
    reading.model.nodes().map(sample).collect()
}

pub(super) fn healths(reading: &Reading<'_>) -> Vec<MetricSample> {
    reading.model.nodes().map(|node| with(node, [("health", node.health.word().to_owned())])).collect()
}

pub(super) fn up(_: &Reading<'_>, node: &Node) -> Option<f64> {
    (node.health != Health::Unknown).then(|| f64::from(u8::from(node.serves())))
}

pub(super) fn slots(_: &Reading<'_>, node: &Node) -> Option<f64> {
    Some(f64::from(node.slot_count))
}

pub(super) fn answer_age(reading: &Reading<'_>, node: &Node) -> Option<f64> {
    node.silence(reading.now).map(|silence| silence.as_secs_f64())
}

pub(super) fn latency(_: &Reading<'_>, node: &Node) -> Option<f64> {
    node.latency.filter(|_| node.health.is_alive()).map(|rtt| rtt.as_secs_f64())
}

pub(super) fn memory(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.used_memory)
}

pub(super) fn memory_limit(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.maxmemory.filter(|limit| *limit > 0))
}

pub(super) fn clients(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.connected_clients)
}

pub(super) fn keys(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| Some(info.keys))
}

pub(super) fn uptime(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.uptime_seconds)
}

pub(super) fn lag(_: &Reading<'_>, node: &Node) -> Option<f64> {
    node.lag_bytes.map(|bytes| bytes as f64)
}

pub(super) fn commands(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.total_commands)
}

pub(super) fn errors(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.total_error_replies)
}

pub(super) fn cpu(_: &Reading<'_>, node: &Node) -> Option<f64> {
    info(node)?.cpu_seconds
}

pub(super) fn received(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.net_input_bytes)
}

pub(super) fn transmitted(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.net_output_bytes)
}

pub(super) fn hits(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.keyspace_hits)
}

pub(super) fn misses(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.keyspace_misses)
}

pub(super) fn evicted(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.evicted_keys)
}

pub(super) fn expired(_: &Reading<'_>, node: &Node) -> Option<f64> {
    figure(node, |info| info.expired_keys)
}
