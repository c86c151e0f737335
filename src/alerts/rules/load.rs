//! PURE. Rules about load: memory, evictions, latency, CPU, errors, clients, each against its threshold.

use std::time::Duration;

use super::super::look::Look;
use super::super::{Finding, Rule, Severity};
use crate::quantity::bytes;

const SOON: Duration = Duration::from_secs(10);

pub(super) const MEMORY: Rule = Rule {
    id: "memory.high",
    title: "memory",
    holds: "memory is below its threshold",
    says: "A node uses more than memory_percent of its maxmemory, or of the host's RAM when it has no limit.",
    for_: Duration::from_secs(3),
    clear: SOON,
    severity: Severity::Warning,
    remedy: "Raise maxmemory if the host has room, expire or delete, or move slots: `rgc-tui rebalance --by memory`.",
    find: memory,
};

fn memory(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let limit = look.thresholds.memory_percent;
    for (node, info) in look.figures() {
        let Some((percent, of_host)) = info.memory_percent().filter(|(percent, _)| *percent > limit) else { continue };
        let (of, whole) = match of_host {
            true => ("the host's RAM (no maxmemory is set)", info.total_system_memory),
            false => ("maxmemory", info.maxmemory),
        };
        let message = format!("{percent:.0} % > {limit:.0} % of {of}, {}", bytes(whole.unwrap_or(0)));
        let remedy = match (of_host, node.is_replica()) {
            (true, _) => "set a limit there: `CONFIG SET maxmemory BYTES`, or move slots: `rgc-tui rebalance --by memory`",
            (false, true) => "it holds what its master holds: move slots away from that shard, `rgc-tui rebalance --by memory`",
            (false, false) => {
                "move slots away: `rgc-tui rebalance --by memory`; or `CONFIG SET maxmemory BYTES` if the host has room"
            }
        };
        found.push(rule.on_node(node, Severity::Warning, message, remedy));
    }
}

pub(super) const EVICTING: Rule = Rule {
    id: "memory.evicting",
    title: "evicting keys",
    holds: "no node evicts keys",
    says: "A node throws keys away to stay below maxmemory: rooms and sessions vanish.",
    for_: Duration::from_secs(5),
    clear: SOON,
    severity: Severity::Warning,
    remedy: "Give it memory or move slots away; a store of rooms wants maxmemory-policy noeviction.",
    find: evicting,
};

fn evicting(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for (node, info) in look.figures() {
        let Some(rate) = node.rates.evicted_per_sec.filter(|rate| *rate > 0.0) else { continue };
        let policy = info.maxmemory_policy.as_deref().unwrap_or("unknown policy");
        let message = format!("evicts {rate:.0} keys a second ({policy})");
        let remedy = "move slots away: `rgc-tui rebalance --by memory`; or `CONFIG SET maxmemory BYTES` if the host has room";
        // Where rooms are kept, data is going.
        let severity = if look.model.rooms().total().rooms > 0 { Severity::Critical } else { Severity::Warning };
        found.push(rule.on_node(node, severity, message, remedy));
    }
}

pub(super) const LATENCY: Rule = Rule {
    id: "latency.high",
    title: "latency",
    holds: "latency is below its threshold",
    says: "A node answers this console's PING later than latency_ms; five times that is critical.",
    for_: Duration::from_secs(5),
    clear: SOON,
    severity: Severity::Warning,
    remedy: "`SLOWLOG GET` there for long commands; a fork, swap or the network for the rest.",
    find: latency,
};

const LATENCY_CRITICAL: u32 = 5;

fn latency(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let limit = look.thresholds.latency;
    for node in look.nodes().filter(|node| node.health.is_well()) {
        let Some(rtt) = node.latency.filter(|rtt| *rtt > limit) else { continue };
        let severity = if rtt >= limit * LATENCY_CRITICAL { Severity::Critical } else { Severity::Warning };
        let message = format!("{} ms > {} ms", rtt.as_millis(), limit.as_millis());
        let (host, port) = (&node.address.host, node.address.port);
        let remedy =
            format!("long commands: `redis-cli -h {host} -p {port} SLOWLOG GET 10`; else fork, swap or the network between");
        found.push(rule.on_node(node, severity, message, remedy));
    }
}

pub(super) const CPU: Rule = Rule {
    id: "cpu.high",
    title: "CPU",
    holds: "CPU is below its threshold",
    says: "A node's main thread uses more than cpu_percent of one core; at 100 every command queues.",
    for_: SOON,
    clear: SOON,
    severity: Severity::Warning,
    remedy: "Move slots away: `rgc-tui rebalance --by ops`; `SLOWLOG GET` for expensive commands.",
    find: cpu,
};

const CPU_CRITICAL: f64 = 95.0;

fn cpu(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let limit = look.thresholds.cpu_percent;
    for (node, _) in look.figures() {
        let Some(percent) = node.rates.cpu_percent.filter(|percent| *percent > limit) else { continue };
        let severity = if percent >= CPU_CRITICAL.max(limit) { Severity::Critical } else { Severity::Warning };
        let message = format!("{percent:.0} % > {limit:.0} % of one core");
        let remedy = "move slots away: `rgc-tui rebalance --by ops`; `SLOWLOG GET 10` there for expensive commands";
        found.push(rule.on_node(node, severity, message, remedy.to_string()));
    }
}

pub(super) const ERRORS: Rule = Rule {
    id: "errors.high",
    title: "errors",
    holds: "errors are below their threshold",
    says: "More than error_rate_percent of a node's commands end in an error; MOVED and ASK are not counted.",
    for_: Duration::from_secs(5),
    clear: SOON,
    severity: Severity::Warning,
    remedy: "`INFO errorstats` there tells which error it is.",
    find: errors,
};

const ERRORS_CRITICAL: f64 = 20.0;

fn errors(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    let limit = look.thresholds.error_rate_percent;
    for (node, info) in look.figures() {
        let Some(percent) = node.rates.error_percent.filter(|percent| *percent > limit) else { continue };
        let severity = if percent >= ERRORS_CRITICAL.max(limit) { Severity::Critical } else { Severity::Warning };
        let most = info.errors.iter().filter(|(code, _)| !matches!(&***code, "MOVED" | "ASK")).max_by_key(|(_, count)| **count);
        let most = most.map_or_else(String::new, |(code, _)| format!(", most since its start: {code}"));
        let message = format!("{percent:.0} % > {limit:.0} % of its commands fail{most}");
        let (host, port) = (&node.address.host, node.address.port);
        found.push(rule.on_node(node, severity, message, format!("`redis-cli -h {host} -p {port} INFO errorstats` tells which")));
    }
}

pub(super) const REDIRECTED: Rule = Rule {
    id: "clients.redirected",
    title: "clients go by an old map",
    holds: "clients know who owns the slots",
    says: "More than a quarter of a node's commands are answered with MOVED, for longer than clients need to hear of a change: they go by an old map of slots, and every such command takes two trips.",
    for_: Duration::from_secs(10),
    clear: SOON,
    severity: Severity::Warning,
    remedy: "`CLIENT LIST` there names them: restart those that do not follow MOVED, or that speak to the cluster as to one server.",
    find: redirected,
};

const REDIRECTED_WARN: f64 = 25.0;

fn redirected(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for (node, _) in look.figures() {
        let Some(percent) = node.rates.moved_percent.filter(|percent| *percent > REDIRECTED_WARN) else { continue };
        let message = format!("{percent:.0} % of its commands are answered with MOVED: clients go by an old map of slots");
        let (host, port) = (&node.address.host, node.address.port);
        let remedy = format!("`redis-cli -h {host} -p {port} CLIENT LIST` names them: restart those that do not follow MOVED");
        found.push(rule.on_node(node, Severity::Warning, message, remedy));
    }
}

pub(super) const CLIENTS: Rule = Rule {
    id: "clients.high",
    title: "client slots",
    holds: "client slots are left",
    says: "A node has used more than 80 % of maxclients, cluster bus included.",
    for_: SOON,
    clear: SOON,
    severity: Severity::Warning,
    remedy: "`CONFIG SET maxclients N`, or find who holds so many: `CLIENT LIST`.",
    find: clients,
};

const CLIENTS_WARN: f64 = 80.0;

fn clients(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for (node, info) in look.figures() {
        let (Some(used), Some(limit)) = (info.connected_clients, info.maxclients.filter(|limit| *limit > 0)) else { continue };
        let used = used + info.cluster_connections.unwrap_or(0);
        let percent = used as f64 * 100.0 / limit as f64;
        if percent <= CLIENTS_WARN {
            continue;
        }
        let message = format!("{percent:.0} % of maxclients, {used} of {limit}");
        found.push(rule.on_node(
            node,
            Severity::Warning,
            message,
            "there: `CONFIG SET maxclients N`, or `CLIENT LIST` for who holds so many",
        ));
    }
}
