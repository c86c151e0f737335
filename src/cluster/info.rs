//! PURE. What INFO and CLUSTER INFO say, as typed fields; what a server does not say stays None.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::NodeRole;

/// Which program answers, and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `redis` or `valkey`.
    pub name: Arc<str>,
    pub version: Arc<str>,
}

impl Server {
    pub fn is_valkey(&self) -> bool {
        &*self.name == "valkey"
    }

    /// Major and minor version, (0, 0) when it cannot be read.
    pub fn release(&self) -> (u32, u32) {
        let mut parts = self.version.split('.').map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    }

    /// Whether CLIENT NO-TOUCH exists and may be used. From 8.0 on servers crash when such a client asks for a key of a
    /// slot that is being moved (valkey pull request 2347, redis pull request 14415): only releases seen to be free of
    /// that are trusted.
    pub fn reads_untouched(&self) -> bool {
        self.release() == (7, 2) || (self.is_valkey() && self.release() >= (9, 0))
    }
}

/// One `slaveN:` line: a replica as its master sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaLink {
    pub host: Arc<str>,
    pub port: u16,
    /// `online`, `wait_bgsave`, `send_bulk`.
    pub state: Arc<str>,
    pub offset: u64,
    /// Seconds since its last acknowledgement.
    pub lag_seconds: Option<u64>,
}

/// One INFO reply (`INFO everything`). Counters are since the server's start; bytes are bytes, times as named.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Info {
    pub server: Option<Server>,
    /// `cluster`, `standalone` or `sentinel`.
    pub mode: Option<Arc<str>>,
    pub run_id: Option<Arc<str>>,
    pub process_id: Option<u64>,
    pub uptime_seconds: Option<u64>,
    pub server_time_usec: Option<u64>,
    pub config_file: Option<Arc<str>>,

    pub connected_clients: Option<u64>,
    pub cluster_connections: Option<u64>,
    pub maxclients: Option<u64>,
    pub blocked_clients: Option<u64>,

    pub used_memory: Option<u64>,
    pub used_memory_rss: Option<u64>,
    pub used_memory_dataset: Option<u64>,
    pub maxmemory: Option<u64>,
    pub maxmemory_policy: Option<Arc<str>>,
    pub total_system_memory: Option<u64>,
    pub mem_not_counted_for_evict: Option<u64>,
    pub mem_fragmentation_ratio: Option<f64>,

    pub loading: bool,
    pub loading_eta_seconds: Option<u64>,
    pub loading_percent: Option<f64>,
    pub rdb_bgsave_in_progress: bool,
    pub rdb_last_save_ok: Option<bool>,
    pub aof_last_write_ok: Option<bool>,
    pub aof_enabled: Option<bool>,
    /// Writes that the last snapshot does not have.
    pub unsaved_changes: Option<u64>,

    pub total_commands: Option<u64>,
    pub instantaneous_ops: Option<u64>,
    pub net_input_bytes: Option<u64>,
    pub net_output_bytes: Option<u64>,
    pub rejected_connections: Option<u64>,
    /// Times that a replica was given everything.
    pub sync_full: Option<u64>,
    /// Times that a replica asked to go on where it was, and could not.
    pub sync_partial_err: Option<u64>,
    /// Clients, replicas among them, that were dropped because too much waited for them (not told by every version).
    pub output_buffer_drops: Option<u64>,
    pub expired_keys: Option<u64>,
    pub evicted_keys: Option<u64>,
    pub keyspace_hits: Option<u64>,
    pub keyspace_misses: Option<u64>,
    pub total_error_replies: Option<u64>,

    pub role: Option<NodeRole>,
    pub master_host: Option<Arc<str>>,
    pub master_port: Option<u16>,
    pub master_link_up: Option<bool>,
    pub master_last_io_seconds: Option<i64>,
    pub master_link_down_seconds: Option<i64>,
    pub master_sync_in_progress: bool,
    /// What this replica has applied of its master's stream.
    pub replica_offset: Option<u64>,
    pub replica_priority: Option<u64>,
    pub connected_replicas: Option<u64>,
    pub replicas: Vec<ReplicaLink>,
    pub replid: Option<Arc<str>>,
    /// What this server has written into its stream.
    pub master_offset: Option<u64>,
    /// Its stream before the last promotion: that of the master it took over from.
    pub replid_before: Option<Arc<str>>,
    /// The first byte that it did not share with that stream.
    pub second_repl_offset: Option<i64>,
    /// Replicas good enough for min-replicas-to-write; told only while that is set.
    pub good_replicas: Option<u64>,
    pub backlog_bytes: Option<u64>,

    /// Main thread's seconds of CPU, system and user; of the whole process where the server does not tell them apart.
    pub cpu_seconds: Option<f64>,
    /// Error replies by code: `MOVED`, `OOM`, …
    pub errors: BTreeMap<Arc<str>, u64>,
    /// Commands called, by name: calls and microseconds. Asked for less often than the rest.
    pub commands: Arc<BTreeMap<Arc<str>, (u64, u64)>>,
    pub keys: u64,
    pub modules: Vec<Arc<str>>,
}

impl Info {
    /// Bytes below `maxmemory`; no limit is room for everything. None: it does not tell.
    pub fn free_below_limit(&self) -> Option<u64> {
        match self.maxmemory? {
            0 => Some(u64::MAX),
            limit => Some(limit.saturating_sub(self.used_memory?)),
        }
    }

    /// The policy by which it drops keys when it is full; None: it refuses, or does not tell.
    pub fn evicts(&self) -> Option<&str> {
        self.maxmemory_policy.as_deref().filter(|policy| *policy != "noeviction")
    }

    /// Nothing but figures differs.
    /// Bytes of its stream that it had written by this word of it, and that whoever took its place does not have; None where
    /// that is not known, as when the other's stream is not its own.
    pub fn not_had_by(&self, successor: &Self) -> Option<u64> {
        if self.replid.is_none() || self.replid != successor.replid_before {
            return None;
        }
        let parted = u64::try_from(successor.second_repl_offset?).ok()?;
        Some(self.master_offset?.saturating_sub(parted.saturating_sub(1)))
    }

    pub(super) fn stands_like(&self, other: &Self) -> bool {
        let standing = |info: &Self| {
            let state = (info.loading, info.rdb_last_save_ok, info.aof_last_write_ok);
            (info.role, info.master_port, info.master_link_up, info.master_sync_in_progress, state)
        };
        let links = |info: &Self| info.replicas.iter().map(|link| (link.port, link.state.clone())).collect::<Vec<_>>();
        self.run_id == other.run_id
            && self.master_host == other.master_host
            && standing(self) == standing(other)
            && links(self) == links(other)
    }

    /// Percent of `maxmemory` as eviction counts it; without a limit, percent of the host's RAM and true.
    pub fn memory_percent(&self) -> Option<(f64, bool)> {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 * 100.0 / whole as f64);
        match self.maxmemory {
            Some(limit) if limit > 0 => {
                let used = self.used_memory?.saturating_sub(self.mem_not_counted_for_evict.unwrap_or(0));
                share(used, limit).map(|percent| (percent, false))
            }
            _ => share(self.used_memory_rss?, self.total_system_memory?).map(|percent| (percent, true)),
        }
    }
}

/// One CLUSTER INFO reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterInfo {
    /// `cluster_state:ok`, by this node's own word.
    pub ok: bool,
    pub slots_assigned: u16,
    pub slots_ok: u16,
    pub slots_pfail: u16,
    pub slots_fail: u16,
    pub known_nodes: u32,
    /// Masters with at least one slot: those that vote.
    pub size: u32,
    pub current_epoch: u64,
    pub my_epoch: u64,
}

impl ClusterInfo {
    /// Masters that must agree that a node has failed, or to elect its replica.
    pub fn quorum(&self) -> u32 {
        self.size / 2 + 1
    }
}
