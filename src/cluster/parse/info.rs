//! PURE. INFO: `key:value` lines in sections; unknown fields are passed over, a reply without any field is an error.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use super::ParseError;
use crate::cluster::NodeRole;
use crate::cluster::info::{Info, ReplicaLink, Server};

/// Reads an INFO reply of any of the supported servers.
pub fn info(text: &str) -> Result<Info, ParseError> {
    let mut raw: HashMap<&str, &str> = HashMap::with_capacity(256);
    let mut info = Info::default();
    let mut commands = BTreeMap::new();
    for line in text.lines() {
        let Some((key, value)) = line.trim_end().split_once(':') else { continue };
        if let Some(code) = key.strip_prefix("errorstat_") {
            if let Some(count) = field(value, "count") {
                info.errors.insert(code.into(), count);
            }
        } else if let Some(name) = key.strip_prefix("cmdstat_") {
            if let (Some(calls), Some(usec)) = (field(value, "calls"), field(value, "usec")) {
                commands.insert(name.into(), (calls, usec));
            }
        } else if key == "module" {
            info.modules.extend(field::<String>(value, "name").map(Arc::from));
        } else if is_numbered(key, "slave") {
            info.replicas.extend(replica(value));
        } else if is_numbered(key, "db") {
            info.keys += field::<u64>(value, "keys").unwrap_or(0);
        } else {
            raw.insert(key, value);
        }
    }
    if raw.is_empty() {
        return Err(ParseError::new("INFO", "no field", text));
    }
    info.commands = Arc::new(commands);
    fill(&mut info, &raw);
    Ok(info)
}

fn is_numbered(key: &str, stem: &str) -> bool {
    key.strip_prefix(stem).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

/// `a=1,b=2`: the value of one name.
fn field<T: FromStr>(text: &str, name: &str) -> Option<T> {
    text.split(',').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name)).and_then(|(_, value)| value.parse().ok())
}

fn replica(text: &str) -> Option<ReplicaLink> {
    Some(ReplicaLink {
        host: field::<String>(text, "ip")?.into(),
        port: field(text, "port")?,
        state: field::<String>(text, "state").unwrap_or_default().into(),
        offset: field(text, "offset").unwrap_or(0),
        lag_seconds: field(text, "lag"),
    })
}

fn fill(info: &mut Info, raw: &HashMap<&str, &str>) {
    fn read<T: FromStr>(raw: &HashMap<&str, &str>, key: &str) -> Option<T> {
        raw.get(key).and_then(|value| value.parse().ok())
    }
    let text = |key: &str| raw.get(key).filter(|value| !value.is_empty()).map(|&value| Arc::<str>::from(value));
    let number = |key: &str| read::<u64>(raw, key);
    let is_set = |key: &str| number(key).is_some_and(|value| value > 0);
    let says_ok = |key: &str| raw.get(key).map(|&value| value == "ok");

    info.server = server(raw);
    info.mode = text("redis_mode").or_else(|| text("server_mode"));
    info.run_id = text("run_id");
    info.process_id = number("process_id");
    info.uptime_seconds = number("uptime_in_seconds");
    info.server_time_usec = number("server_time_usec");
    info.config_file = text("config_file");

    info.connected_clients = number("connected_clients");
    info.cluster_connections = number("cluster_connections");
    info.maxclients = number("maxclients");
    info.blocked_clients = number("blocked_clients");

    info.used_memory = number("used_memory");
    info.used_memory_rss = number("used_memory_rss");
    info.used_memory_dataset = number("used_memory_dataset");
    info.maxmemory = number("maxmemory");
    info.maxmemory_policy = text("maxmemory_policy");
    info.total_system_memory = number("total_system_memory");
    info.mem_not_counted_for_evict = number("mem_not_counted_for_evict");
    info.mem_fragmentation_ratio = read(raw, "mem_fragmentation_ratio");

    info.loading = is_set("loading");
    info.loading_eta_seconds = number("loading_eta_seconds");
    info.loading_percent = read(raw, "loading_loaded_perc");
    info.rdb_bgsave_in_progress = is_set("rdb_bgsave_in_progress");
    info.rdb_last_save_ok = says_ok("rdb_last_bgsave_status");
    info.aof_last_write_ok = says_ok("aof_last_write_status");
    info.aof_enabled = number("aof_enabled").map(|value| value > 0);
    info.unsaved_changes = number("rdb_changes_since_last_save");

    info.total_commands = number("total_commands_processed");
    info.instantaneous_ops = number("instantaneous_ops_per_sec");
    info.net_input_bytes = number("total_net_input_bytes");
    info.net_output_bytes = number("total_net_output_bytes");
    info.rejected_connections = number("rejected_connections");
    info.sync_full = number("sync_full");
    info.sync_partial_err = number("sync_partial_err");
    info.output_buffer_drops = number("client_output_buffer_limit_disconnections");
    info.expired_keys = number("expired_keys");
    info.evicted_keys = number("evicted_keys");
    info.keyspace_hits = number("keyspace_hits");
    info.keyspace_misses = number("keyspace_misses");
    info.total_error_replies = number("total_error_replies");

    info.role = raw.get("role").and_then(|&role| match role {
        "master" | "primary" => Some(NodeRole::Master),
        "slave" | "replica" => Some(NodeRole::Replica),
        _ => None,
    });
    info.master_host = text("master_host");
    info.master_port = read(raw, "master_port");
    info.master_link_up = raw.get("master_link_status").map(|&status| status == "up");
    info.master_last_io_seconds = read(raw, "master_last_io_seconds_ago");
    info.master_link_down_seconds = read(raw, "master_link_down_since_seconds");
    info.master_sync_in_progress = is_set("master_sync_in_progress");
    info.replica_offset = number("slave_repl_offset");
    info.replica_priority = number("slave_priority");
    info.connected_replicas = number("connected_slaves");
    info.replid = text("master_replid");
    info.master_offset = number("master_repl_offset");
    info.replid_before = text("master_replid2").filter(|id| id.bytes().any(|byte| byte != b'0'));
    info.second_repl_offset = read(raw, "second_repl_offset");
    info.good_replicas = number("min_slaves_good_slaves").or_else(|| number("min_replicas_good_replicas"));
    info.backlog_bytes = number("repl_backlog_size");

    let seconds = |sys: &str, user: &str| Some(read::<f64>(raw, sys)? + read::<f64>(raw, user)?);
    info.cpu_seconds =
        seconds("used_cpu_sys_main_thread", "used_cpu_user_main_thread").or_else(|| seconds("used_cpu_sys", "used_cpu_user"));
}

/// Valkey reports a fixed `redis_version` for old clients; its own version is `valkey_version`.
fn server(raw: &HashMap<&str, &str>) -> Option<Server> {
    let text = |key: &str| raw.get(key).map(|&value| Arc::<str>::from(value));
    match text("valkey_version") {
        Some(version) => Some(Server { name: "valkey".into(), version }),
        None => Some(Server { name: text("server_name").unwrap_or_else(|| "redis".into()), version: text("redis_version")? }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valkey_is_told_from_the_version_it_pretends_to_be() {
        let info = info("# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.0\r\nserver_mode:cluster\r\n")
            .unwrap();
        let server = info.server.unwrap();
        assert_eq!((&*server.name, &*server.version, server.release()), ("valkey", "9.1.0", (9, 1)));
        assert_eq!(info.mode.as_deref(), Some("cluster"));
    }

    #[test]
    fn sections_of_every_kind_are_read() {
        let info = info(
            "redis_version:7.0.15\r\nmaxmemory:200\r\nused_memory:120\r\nmem_not_counted_for_evict:20\r\nrole:master\r\n\
             slave0:ip=10.0.0.4,port=7003,state=online,offset=84,lag=1,type=replica\r\nslave_priority:100\r\n\
             used_cpu_sys:9\r\nused_cpu_user:9\r\nused_cpu_sys_main_thread:1.5\r\nused_cpu_user_main_thread:2.25\r\n\
             cmdstat_cluster|nodes:calls=2,usec=26,usec_per_call=13.00\r\nerrorstat_MOVED:count=7\r\n\
             module:name=ReJSON,ver=20000\r\ndb0:keys=12,expires=0,avg_ttl=0\r\n",
        )
        .unwrap();
        assert_eq!(info.memory_percent(), Some((50.0, false)));
        assert_eq!((info.replicas[0].port, info.replicas[0].lag_seconds), (7003, Some(1)));
        assert_eq!(info.cpu_seconds, Some(3.75));
        assert_eq!(info.commands["cluster|nodes"], (2, 26));
        assert_eq!((info.errors["MOVED"], info.keys, &*info.modules[0]), (7, 12, "ReJSON"));
        assert_eq!(info.replica_priority, Some(100));
    }

    #[test]
    fn what_is_no_info_is_an_error() {
        assert!(super::info("+PONG").is_err());
        assert!(super::info("").is_err());
    }
}
