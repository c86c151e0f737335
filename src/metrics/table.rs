//! PURE. The table of metrics: name, kind, what it says, and where its figures come from.

use super::{Forecasts, MetricSample, Reading, cluster, node, shard};
use crate::cluster::{Node, Shard};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    Gauge,
    /// Only grows while its source lives.
    Counter,
}

impl MetricKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// One row: a figure of the cluster, of each shard or of each node, or several with labels of their own.
#[derive(Debug)]
pub struct MetricRow {
    pub name: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
    of: Of,
}

#[derive(Debug)]
enum Of {
    Cluster(fn(&Reading<'_>) -> Option<f64>),
    Shard(fn(&Reading<'_>, &Shard, &Forecasts) -> Option<f64>),
    Node(fn(&Reading<'_>, &Node) -> Option<f64>),
    /// Labels that every row of it has, for the documentation.
    Many(&'static str, fn(&Reading<'_>) -> Vec<MetricSample>),
}

impl MetricRow {
    pub(super) fn samples(&self, reading: &Reading<'_>, forecasts: &Forecasts) -> Vec<MetricSample> {
        match self.of {
            Of::Cluster(figure) => figure(reading).map(|value| MetricSample { labels: Vec::new(), value }).into_iter().collect(),
            Of::Shard(figure) => {
                let shards = reading.model.topology().shards.iter();
                let sample = |shard: &Shard| {
                    let value = figure(reading, shard, forecasts)?;
                    Some(MetricSample { labels: vec![("shard", shard.name.to_string())], value })
                };
                shards.filter_map(sample).collect()
            }
            Of::Node(figure) => {
                let sample = |node: &Node| Some(MetricSample { labels: node::labels(node), value: figure(reading, node)? });
                reading.model.nodes().filter_map(sample).collect()
            }
            Of::Many(_, samples) => samples(reading),
        }
    }

    /// The labels of its samples.
    pub fn labels(&self) -> &'static str {
        match self.of {
            Of::Cluster(_) => "",
            Of::Shard(_) => "shard",
            Of::Node(_) => "node, shard",
            Of::Many(labels, _) => labels,
        }
    }
}

const fn gauge(name: &'static str, of: Of, help: &'static str) -> MetricRow {
    MetricRow { name, kind: MetricKind::Gauge, help, of }
}

const fn counter(name: &'static str, of: Of, help: &'static str) -> MetricRow {
    MetricRow { name, kind: MetricKind::Counter, help, of }
}

/// Every metric there is.
pub const METRICS: &[MetricRow] = &[
    gauge("rgc_verdict", Of::Many("verdict", cluster::verdict), "1 for the verdict that stands: ok, warning, critical or unknown."),
    gauge(
        "rgc_findings",
        Of::Many("rule", cluster::findings),
        "Findings of each rule that count for the verdict; a rule that is not measured has no sample.",
    ),
    gauge(
        "rgc_finding",
        Of::Many("rule, severity, phase, subject", cluster::each_finding),
        "1 for each finding, pending ones too.",
    ),
    gauge("rgc_nodes", Of::Many("health", cluster::healths), "Known nodes by health."),
    gauge("rgc_slots_assigned", Of::Cluster(cluster::slots_assigned), "Slots that somebody owns."),
    gauge("rgc_slots_served", Of::Cluster(cluster::slots_served), "Slots whose owner would take a write now."),
    gauge(
        "rgc_slots_refused",
        Of::Cluster(cluster::slots_refused),
        "Slots whose writes are refused: nobody owns them, or their owner would take none.",
    ),
    gauge("rgc_slots_open", Of::Cluster(cluster::slots_open), "Slots that are migrating or importing on some node."),
    gauge("rgc_rooms", Of::Cluster(cluster::rooms), "Rooms, once every key has been gone through."),
    gauge("rgc_players", Of::Cluster(cluster::players), "Players in rooms, once every key has been gone through."),
    gauge("rgc_rooms_refused", Of::Cluster(cluster::rooms_refused), "Known rooms in slots whose writes are refused."),
    gauge("rgc_players_refused", Of::Cluster(cluster::players_refused), "Known players in slots whose writes are refused."),
    gauge("rgc_votes_alive", Of::Cluster(cluster::votes_alive), "Masters with slots that can vote."),
    gauge("rgc_votes_needed", Of::Cluster(cluster::votes_needed), "Votes that an election needs."),
    gauge(
        "rgc_views_agree",
        Of::Cluster(cluster::views_agree),
        "1 when everybody who answers calls the same nodes the owners of the same slots.",
    ),
    gauge("rgc_epoch", Of::Cluster(cluster::epoch), "The highest config epoch anybody speaks of."),
    gauge("rgc_shard_slots", Of::Shard(shard::slots), "Slots of the shard."),
    gauge("rgc_shard_slots_served", Of::Shard(shard::served), "Slots of the shard whose owner would take a write now."),
    gauge("rgc_shard_replicas", Of::Shard(shard::replicas), "Replicas of the shard that answer."),
    gauge("rgc_shard_rooms", Of::Shard(shard::rooms), "Rooms of the shard, once every key has been gone through."),
    gauge("rgc_shard_players", Of::Shard(shard::players), "Players of the shard, once every key has been gone through."),
    gauge("rgc_shard_failover_possible", Of::Shard(shard::possible), "1 when a replica would be elected if the master died now."),
    gauge(
        "rgc_shard_failover_loss_bytes",
        Of::Shard(shard::loss),
        "Acknowledged bytes that would be lost if the master died now and its best replica took over.",
    ),
    gauge(
        "rgc_shard_failover_gap_seconds",
        Of::Shard(shard::gap),
        "How long nobody could write to the shard if its master died now, at most.",
    ),
    gauge("rgc_node_info", Of::Many("node, shard, id, role, server, version", node::infos), "1 for each node, with what it is."),
    gauge("rgc_node_up", Of::Node(node::up), "1 when its clients get answers, as far as is known."),
    gauge("rgc_node_health", Of::Many("node, shard, health", node::healths), "1 for the health of each node."),
    gauge("rgc_node_slots", Of::Node(node::slots), "Slots that the node owns."),
    gauge("rgc_node_answer_age_seconds", Of::Node(node::answer_age), "Since its last good answer."),
    gauge("rgc_node_latency_seconds", Of::Node(node::latency), "Round trip of the last PING."),
    gauge("rgc_node_memory_bytes", Of::Node(node::memory), "used_memory."),
    gauge("rgc_node_memory_limit_bytes", Of::Node(node::memory_limit), "maxmemory; no sample without a limit."),
    gauge("rgc_node_clients", Of::Node(node::clients), "connected_clients."),
    gauge("rgc_node_keys", Of::Node(node::keys), "Keys in all its databases."),
    gauge("rgc_node_uptime_seconds", Of::Node(node::uptime), "Since the server's start."),
    gauge("rgc_node_replication_lag_bytes", Of::Node(node::lag), "Bytes of its master's stream that a replica has not applied."),
    counter("rgc_node_commands_total", Of::Node(node::commands), "total_commands_processed."),
    counter("rgc_node_errors_total", Of::Node(node::errors), "total_error_replies, MOVED and ASK among them."),
    counter(
        "rgc_node_cpu_seconds_total",
        Of::Node(node::cpu),
        "CPU time of its main thread, of the whole process where the server does not tell them apart.",
    ),
    counter("rgc_node_network_received_bytes_total", Of::Node(node::received), "total_net_input_bytes."),
    counter("rgc_node_network_transmitted_bytes_total", Of::Node(node::transmitted), "total_net_output_bytes."),
    counter("rgc_node_keyspace_hits_total", Of::Node(node::hits), "keyspace_hits."),
    counter("rgc_node_keyspace_misses_total", Of::Node(node::misses), "keyspace_misses."),
    counter("rgc_node_evicted_keys_total", Of::Node(node::evicted), "evicted_keys."),
    counter("rgc_node_expired_keys_total", Of::Node(node::expired), "expired_keys."),
    counter("rgc_observations_total", Of::Cluster(cluster::observations), "Facts that this program has taken in."),
    counter("process_cpu_seconds_total", Of::Cluster(cluster::own_cpu), "CPU time of this program."),
    gauge("process_resident_memory_bytes", Of::Cluster(cluster::own_memory), "Resident memory of this program."),
];

/// The table of the README.
pub fn markdown() -> String {
    let mut text = "| metric | labels | |\n| --- | --- | --- |\n".to_owned();
    for metric in METRICS {
        text.push_str(&format!("| `{}` | {} | {} |\n", metric.name, metric.labels(), metric.help));
    }
    text
}
