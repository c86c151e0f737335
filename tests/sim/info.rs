//! IO. INFO and ROLE: a real reply as the mould, with this node's figures in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::keys::text;
use super::node::{Id, Link};
use super::resp::Value;
use super::world::World;

/// `INFO everything` of a real 7.0.15 server: which fields there are, in which order.
const MOULD: &str = include_str!("info-7.0.15.txt");
/// Sections of a plain INFO, or of `INFO default`.
const NOT_BY_DEFAULT: [&str; 2] = ["commandstats", "latencystats"];
const MAXMEMORY: u64 = 100_000_000;

impl World {
    pub fn info(&self, me: Id, words: &[Vec<u8>]) -> Value {
        let asked: Vec<String> = words[1..].iter().map(|word| text(word).to_lowercase()).collect();
        let wanted = |section: &str| {
            let all = asked.iter().any(|word| word == "everything" || word == "all");
            let default = asked.is_empty() || asked.iter().any(|word| word == "default");
            all || (default && !NOT_BY_DEFAULT.contains(&section)) || asked.iter().any(|word| word == section)
        };
        let figures = self.figures(me);
        let mut out = String::new();
        let mut shown = false;
        let mut fixed = true;
        for line in MOULD.lines() {
            if let Some(title) = line.strip_prefix("# ") {
                let section = title.to_lowercase();
                shown = wanted(&section);
                fixed = !["replication", "commandstats", "errorstats", "latencystats", "keyspace"].contains(&&*section);
                if shown {
                    let gap = if out.is_empty() { "" } else { "\r\n" };
                    let _ = write!(out, "{gap}# {title}\r\n");
                    self.own_section(me, &section, &mut out);
                    if section == "server" {
                        // Fields that the mould has not got.
                        let new = self.settings.kind.version().iter().filter(|(key, _)| *key != "redis_version");
                        new.for_each(|(key, value)| out.push_str(&format!("{key}:{value}\r\n")));
                    }
                }
                continue;
            }
            let Some((key, value)) = line.split_once(':') else { continue };
            if shown && fixed {
                let value = figures.get(key).map_or(value, |value| value);
                let _ = write!(out, "{key}:{value}\r\n");
            }
        }
        Value::Text(out)
    }

    fn figures(&self, me: Id) -> BTreeMap<&'static str, String> {
        let node = &self.nodes[me];
        let uptime = (self.now() - node.started) / 1000;
        let data: usize = node.keys.len_everywhere() * 200;
        let used = match node.faults.memory_percent {
            Some(percent) => MAXMEMORY / 100 * percent,
            None => 1_400_000 + data as u64,
        };
        let commands: u64 = node.stats.commands.values().map(|(calls, _)| calls).sum::<u64>() + node.stats.background;
        let cpu = format!("{:.6}", commands as f64 * 0.00001);
        let version = self.settings.kind.version().iter().map(|(key, value)| (*key, (*value).to_string()));
        BTreeMap::from([
            ("run_id", node.run_id.clone()),
            ("process_id", (1000 + me).to_string()),
            ("tcp_port", node.port.to_string()),
            ("server_time_usec", (self.unix_ms() * 1000).to_string()),
            ("uptime_in_seconds", uptime.to_string()),
            ("connected_clients", node.stats.clients.to_string()),
            ("cluster_connections", (2 * (node.mind.members.len() - 1)).to_string()),
            ("maxclients", "10000".into()),
            ("used_memory", used.to_string()),
            ("used_memory_dataset", data.to_string()),
            ("maxmemory", node.faults.memory_percent.map_or(0, |_| MAXMEMORY).to_string()),
            ("loading", u8::from(node.faults.loading).to_string()),
            ("total_connections_received", node.stats.connections.to_string()),
            ("total_commands_processed", commands.to_string()),
            ("instantaneous_ops_per_sec", (node.write_rate / 100).to_string()),
            ("sync_full", node.stats.sync_full.to_string()),
            ("sync_partial_ok", node.stats.sync_partial.to_string()),
            ("keyspace_hits", node.stats.hits.to_string()),
            ("keyspace_misses", node.stats.misses.to_string()),
            ("total_error_replies", node.stats.errors.values().sum::<u64>().to_string()),
            ("used_cpu_sys", cpu.clone()),
            ("used_cpu_sys_main_thread", cpu),
        ])
        .into_iter()
        .chain(version)
        .collect()
    }

    fn own_section(&self, me: Id, section: &str, out: &mut String) {
        let node = &self.nodes[me];
        let _ = match section {
            "replication" => return self.replication(me, out),
            "commandstats" => node.stats.commands.iter().try_for_each(|(name, (calls, usec))| {
                let each = *usec as f64 / *calls as f64;
                write!(out, "cmdstat_{name}:calls={calls},usec={usec},usec_per_call={each:.2},rejected_calls=0,failed_calls=0\r\n")
            }),
            "errorstats" => {
                node.stats.errors.iter().try_for_each(|(code, count)| write!(out, "errorstat_{code}:count={count}\r\n"))
            }
            "latencystats" => node
                .stats
                .commands
                .keys()
                .try_for_each(|name| write!(out, "latency_percentiles_usec_{name}:p50=10.001,p99=10.001,p99.9=10.001\r\n")),
            "keyspace" => node.keys.databases().filter(|(_, keys)| keys.len() > 0).try_for_each(|(number, keys)| {
                write!(out, "db{number}:keys={},expires={},avg_ttl=0\r\n", keys.len(), keys.expiring())
            }),
            _ => Ok(()),
        };
    }

    fn replication(&self, me: Id, out: &mut String) {
        let (node, now) = (&self.nodes[me], self.now());
        let master = self.me(me).master.filter(|_| self.me(me).is_replica);
        let mut put = |key: &str, value: String| {
            let _ = write!(out, "{key}:{value}\r\n");
        };
        put("role", if master.is_some() { "slave" } else { "master" }.into());
        if let Some(master) = master {
            put("master_host", self.host.clone());
            put("master_port", self.nodes[master].port.to_string());
            let up = node.link == Link::Up;
            put("master_link_status", if up { "up" } else { "down" }.into());
            put("master_last_io_seconds_ago", if up { ((now - node.link_heard) / 1000).to_string() } else { "-1".into() });
            let syncing = matches!(node.link, Link::Syncing { .. });
            put("master_sync_in_progress", u8::from(syncing).to_string());
            put("slave_read_repl_offset", node.offset.to_string());
            put("slave_repl_offset", node.offset.to_string());
            if syncing {
                for field in ["total_bytes", "read_bytes", "left_bytes"] {
                    put(&format!("master_sync_{field}"), "0".into());
                }
                put("master_sync_perc", "0.00".into());
                put("master_sync_last_io_seconds_ago", "0".into());
            }
            if let Link::Down { since } = node.link {
                put("master_link_down_since_seconds", ((now - since) / 1000).to_string());
            }
            put("slave_priority", "100".into());
            put("slave_read_only", "1".into());
            put("replica_announced", "1".into());
        }
        let replicas = self.replicas_connected(me);
        put("connected_slaves", replicas.len().to_string());
        for (index, id) in replicas.into_iter().enumerate() {
            let replica = &self.nodes[id];
            let (state, offset) = match replica.link {
                Link::Up => ("online", replica.offset),
                _ => ("wait_bgsave", 0),
            };
            let lag = (now - replica.link_heard) / 1000;
            let line = format!("ip={},port={},state={state},offset={offset},lag={lag}", self.host, replica.port);
            put(&format!("slave{index}"), line);
        }
        put("master_failover_state", "no-failover".into());
        put("master_replid", node.replid.clone());
        let (old, upto) = node.replid2.clone().map_or(("0".repeat(40), -1), |(id, upto)| (id, upto as i64));
        put("master_replid2", old);
        put("master_repl_offset", node.offset.to_string());
        put("second_repl_offset", upto.to_string());
        put("repl_backlog_active", "1".into());
        put("repl_backlog_size", "1048576".into());
        put("repl_backlog_first_byte_offset", "1".into());
        put("repl_backlog_histlen", node.offset.min(1_048_576).to_string());
    }

    /// Replicas whose stream this node feeds, whatever it believes of their roles.
    fn replicas_connected(&self, me: Id) -> Vec<Id> {
        let fed = |id: &Id| {
            let theirs = self.me(*id);
            theirs.is_replica && theirs.master == Some(me) && !matches!(self.nodes[*id].link, Link::Down { .. })
        };
        (0..self.nodes.len()).filter(fed).collect()
    }

    pub fn role(&self, me: Id) -> Value {
        let node = &self.nodes[me];
        match self.me(me).master.filter(|_| self.me(me).is_replica) {
            Some(master) => Value::Array(vec![
                Value::bulk("slave"),
                Value::bulk(&self.host),
                Value::Int(self.nodes[master].port.into()),
                Value::bulk(match node.link {
                    Link::Up => "connected",
                    Link::Down { .. } => "connect",
                    Link::Syncing { .. } => "sync",
                }),
                Value::Int(node.offset as i64),
            ]),
            None => {
                let replicas = self.replicas_connected(me).into_iter().map(|id| {
                    let replica = &self.nodes[id];
                    Value::bulks([self.host.clone(), replica.port.to_string(), replica.offset.to_string()])
                });
                Value::Array(vec![Value::bulk("master"), Value::Int(node.offset as i64), Value::Array(replicas.collect())])
            }
        }
    }
}
