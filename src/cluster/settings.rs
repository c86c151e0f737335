//! PURE. What a server's own configuration says about elections, coverage and writes (CONFIG GET).

use std::sync::Arc;
use std::time::Duration;

/// The settings that predictions rest on; None where the server does not know the name or does not let us ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    pub node_timeout: Option<Duration>,
    /// A replica whose link has been down for longer than this many node timeouts does not stand; 0: it always does.
    pub validity_factor: Option<u64>,
    /// How long a graceful failover may take (Valkey 8.1 and later; elsewhere five seconds).
    pub manual_failover_timeout: Option<Duration>,
    pub require_full_coverage: Option<bool>,
    /// A master that gives its last slot away becomes a replica of the target.
    pub replica_migration: Option<bool>,
    /// How often a master pings its replicas through the replication link.
    pub replication_ping: Option<Duration>,
    /// Replicas with a working link without which a master takes no write; 0 for none.
    pub min_replicas: Option<u64>,
    /// Where it tells the others and their clients that it is; empty: where they see it.
    pub announced_host: Option<Arc<str>>,
    /// 0: the port that it listens on.
    pub announced_port: Option<u16>,
    pub announced_bus_port: Option<u16>,
    /// `client-output-buffer-limit` of replicas: `268435456 67108864 60`.
    pub replica_buffer: Option<Arc<str>>,
}

impl ServerSettings {
    /// What is asked for, one pattern a CONFIG GET: only newer servers take several. Names differ between versions.
    pub const PATTERNS: [&'static str; 4] = ["cluster-*", "min-*-to-write", "repl-ping-*-period", "client-output-buffer-limit"];
    /// The pattern of what elections rest on.
    pub const PATTERN: &'static str = "cluster-*";

    /// Reads the name and value pairs of a CONFIG GET reply; names that are not known are passed over.
    pub fn read<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut settings = Self::default();
        for (name, value) in pairs {
            let millis = || value.parse().ok().map(Duration::from_millis);
            let is_yes = || Some(value == "yes");
            match name {
                "cluster-node-timeout" => settings.node_timeout = millis(),
                "cluster-replica-validity-factor" => settings.validity_factor = value.parse().ok(),
                "cluster-manual-failover-timeout" => settings.manual_failover_timeout = millis(),
                "cluster-require-full-coverage" => settings.require_full_coverage = is_yes(),
                "cluster-allow-replica-migration" => settings.replica_migration = is_yes(),
                "min-replicas-to-write" | "min-slaves-to-write" => settings.min_replicas = value.parse().ok(),
                "cluster-announce-ip" => settings.announced_host = Some(value.into()),
                "cluster-announce-port" => settings.announced_port = value.parse().ok(),
                "cluster-announce-bus-port" => settings.announced_bus_port = value.parse().ok(),
                "client-output-buffer-limit" => settings.replica_buffer = replica_buffer(value),
                "repl-ping-replica-period" | "repl-ping-slave-period" => {
                    settings.replication_ping = value.parse().ok().map(Duration::from_secs);
                }
                _ => {}
            }
        }
        settings
    }
}

/// `normal 0 0 0 slave 268435456 67108864 60 pubsub …`: the three numbers of replicas.
fn replica_buffer(value: &str) -> Option<Arc<str>> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let class = words.chunks_exact(4).find(|class| matches!(class.first(), Some(&("slave" | "replica"))))?;
    Some(class.get(1..)?.join(" ").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_by_name() {
        let settings = ServerSettings::read([
            ("cluster-node-timeout", "2000"),
            ("cluster-port", "0"),
            ("cluster-replica-validity-factor", "10"),
            ("cluster-require-full-coverage", "no"),
        ]);
        assert_eq!(settings.node_timeout, Some(Duration::from_secs(2)));
        assert_eq!((settings.validity_factor, settings.require_full_coverage), (Some(10), Some(false)));
        assert_eq!(settings.manual_failover_timeout, None);
        let limits = "normal 0 0 0 slave 65536 65536 0 pubsub 33554432 8388608 60";
        let settings = ServerSettings::read([("client-output-buffer-limit", limits), ("cluster-announce-ip", "")]);
        assert_eq!((settings.replica_buffer.as_deref(), settings.announced_host.as_deref()), (Some("65536 65536 0"), Some("")));
    }
}
