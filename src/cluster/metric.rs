//! PURE. The one table of metrics: what is sampled for each node, in which unit, under which name.

/// A quantity sampled once a poll for each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    Ops,
    Latency,
    Memory,
    Cpu,
    NetIn,
    NetOut,
    Clients,
    HitRate,
    Evictions,
    Lag,
}

/// How a metric is named and shown.
#[derive(Clone, Copy, Debug)]
pub struct MetricSpec {
    pub metric: Metric,
    /// Short column title.
    pub title: &'static str,
    /// Stable name in JSON and exports, with its unit.
    pub name: &'static str,
    pub unit: &'static str,
    pub help: &'static str,
}

pub const METRICS: [MetricSpec; 10] = [
    spec(Metric::Ops, "ops/s", "ops_per_sec", "/s", "commands processed a second, replication included"),
    spec(Metric::Latency, "latency", "latency_ms", "ms", "round trip of this console's own PING"),
    spec(Metric::Memory, "memory", "memory_percent", "%", "of maxmemory, or of the host's RAM without a limit"),
    spec(Metric::Cpu, "cpu", "cpu_percent", "%", "main thread, of one core"),
    spec(Metric::NetIn, "net in", "net_in_bytes_per_sec", "B/s", "bytes received a second"),
    spec(Metric::NetOut, "net out", "net_out_bytes_per_sec", "B/s", "bytes sent a second"),
    spec(Metric::Clients, "clients", "clients", "", "connected clients"),
    spec(Metric::HitRate, "hit rate", "hit_percent", "%", "keyspace hits of all look-ups in the interval"),
    spec(Metric::Evictions, "evicted", "evicted_per_sec", "/s", "keys evicted a second"),
    spec(Metric::Lag, "lag", "replication_lag_bytes", "B", "bytes of the master's stream not yet applied"),
];

const fn spec(metric: Metric, title: &'static str, name: &'static str, unit: &'static str, help: &'static str) -> MetricSpec {
    MetricSpec { metric, title, name, unit, help }
}

impl Metric {
    pub const COUNT: usize = METRICS.len();

    pub fn index(self) -> usize {
        self as usize
    }

    pub fn spec(self) -> &'static MetricSpec {
        METRICS.get(self.index()).unwrap_or(&METRICS[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (i, spec) in METRICS.iter().enumerate() {
            assert_eq!(spec.metric.index(), i);
            assert_eq!(spec.metric.spec().name, spec.name);
        }
    }
}
