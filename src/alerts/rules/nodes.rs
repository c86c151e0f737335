//! PURE. Rules about whether a node is there: down (and how), out of our reach, silent, doubted by the others.

use std::time::Duration;

use super::super::look::Look;
use super::super::words::{lasting, list};
use super::super::{Finding, Rule, Severity};
use crate::cluster::{Health, Node};
use crate::quantity::{age, count};

pub(super) const DOWN: Rule = Rule {
    id: "node.down",
    title: "node down",
    says: "A node does not answer: refused, frozen, silent or out of the network, told apart.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Start or thaw its process, see its log; its shard's replica takes over by itself when it was the master.",
    find: down,
};

/// A node without slots may miss a poll before it is critical.
const BLINK: Duration = Duration::from_secs(1);

fn down(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes() {
        // A node without an address cannot be asked: then the others' word is all there is.
        let condemned = node.health == Health::Unknown && node.flags.failed;
        if !node.is_down() && !condemned {
            continue;
        }
        let downtime = look.since(node.health_since);
        let owner = node.is_master() && node.slot_count > 0;
        // A configured address that no member of the cluster goes by: nobody misses it.
        if !node.id.is_member() && look.nodes().any(|other| other.id.is_member()) {
            let message = format!("{}; a seed that no member of the cluster goes by", lasting(node.health, downtime));
            let remedy = "take it out of `nodes` if it is not to come back".to_string();
            found.push(rule.on_node(node, Severity::Info, message, remedy));
            continue;
        }
        let severity = if owner || downtime >= BLINK { Severity::Critical } else { Severity::Warning };
        let mut message = match condemned {
            true => "failed by the others' word, this console has not reached it".to_string(),
            false => format!("{}: {}", lasting(node.health, downtime), why(node.health)),
        };
        message += &match (owner, node.shard) {
            (true, Some(shard)) => format!("; master of shard {shard}, {}", count(node.slot_count, "slot")),
            (false, Some(shard)) if node.is_replica() => format!("; replica of shard {shard}"),
            (false, Some(shard)) if look.model.topology().shard(shard).is_some_and(|shard| shard.slot_count > 0) => {
                format!("; owns no slots, was master of shard {shard}")
            }
            (false, Some(_)) => "; owns no slots any more".into(),
            _ => String::new(),
        };
        if !condemned && downtime >= look.thresholds.node_down {
            message += &format!("; escalated after {}", age(look.thresholds.node_down));
        }
        found.push(rule.on_node(node, severity, message, cure(look, node)));
    }
}

fn why(health: Health) -> &'static str {
    match health {
        Health::Refused => "no process listens there",
        Health::Frozen => "accepts connections and does not answer (stopped, swapping or in a long command)",
        Health::Silent => "nothing comes back (host down or packets dropped)",
        Health::Unreachable => "the network has no route to it",
        Health::Unresolved => "its name does not resolve",
        Health::Closed => "it closes every connection",
        Health::Tls => "the TLS handshake fails",
        Health::Garbage => "what it speaks is not the Redis protocol",
        other => other.says(),
    }
}

fn cure(look: &Look<'_>, node: &Node) -> String {
    let info = node.info.as_deref();
    let valkey = info.and_then(|info| info.server.as_ref()).is_some_and(|server| server.is_valkey());
    let program = if valkey { "valkey-server" } else { "redis-server" };
    let host = &node.address.host;
    let mut cure = match node.health {
        Health::Frozen => match info.and_then(|info| info.process_id) {
            Some(pid) => format!("on {host}: see what process {pid} does, `kill -CONT {pid}` if it was stopped"),
            None => {
                format!("on {host}: see what the process of port {} does, `kill -CONT PID` if it was stopped", node.address.port)
            }
        },
        Health::Refused | Health::Closed => match info.and_then(|info| info.config_file.as_deref()).filter(|file| !file.is_empty())
        {
            Some(file) => format!("on {host}: `{program} {file}`"),
            None => format!("on {host}: start it again (`{program} redis.conf` of port {})", node.address.port),
        },
        Health::Tls | Health::Garbage => format!("compare [cluster] tls with what port {} of {host} speaks", node.address.port),
        Health::Unresolved => format!("`getent hosts {host}`; a [cluster] address_map entry can stand in"),
        _ => format!("see whether {host} is up: `ping {host}`, firewall, tunnel, [cluster] address_map"),
    };
    let shard = node.shard.and_then(|name| look.model.topology().shard(name)).filter(|shard| shard.master == Some(node.id));
    if let Some(heir) = shard.and_then(|shard| look.heirs(shard).first().copied())
        && node.slot_count > 0
    {
        cure += &format!("; {}", look.succession(heir));
    }
    cure
}

pub(super) const UNREACHED: Rule = Rule {
    id: "node.unreached",
    title: "out of this console's reach",
    says: "A node has never answered this console, while the other nodes are connected to it.",
    for_: Duration::from_secs(3),
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Its announced address is not one that this machine reaches: map it with [cluster] address_map, or fix tls.",
    find: unreached,
};

fn unreached(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes().filter(|node| node.is_out_of_reach()) {
        let message = format!("{} from here ({}), while the others are connected to it", node.health, why(node.health));
        let remedy = format!("map its address: [cluster] address_map = {{ \"{}\" = \"HOST:PORT\" }}, or compare tls", node.address);
        found.push(rule.on_node(node, Severity::Warning, message, remedy));
    }
}

pub(super) const STALE: Rule = Rule {
    id: "node.stale",
    title: "no news from a node",
    says: "A node that was well has said nothing for long, and no attempt to ask it has failed.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "This console may be overloaded or its recording has a gap: see its own log.",
    find: stale,
};

fn stale(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes().filter(|node| node.health.is_well()) {
        let Some(silence) = node.silence(look.now).filter(|silence| *silence > look.model.stale) else { continue };
        let message = format!("has said nothing for {}: what is shown of it is that old", age(silence));
        found.push(rule.on_node(node, Severity::Warning, message, "see this console's own log (`:log`)".to_string()));
    }
}

pub(super) const SUSPECTED: Rule = Rule {
    id: "node.suspected",
    title: "doubted by other nodes",
    says: "A node answers this console, while other nodes call it fail? or fail.",
    for_: Duration::from_secs(10),
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Look for a partition: the cluster bus (port + 10000) between these nodes, and cluster-announce-ip of the doubted one.",
    find: suspected,
};

fn suspected(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes().filter(|node| node.health.is_alive() && (node.flags.suspected || node.flags.failed)) {
        let says = |flag: fn(crate::cluster::Flags) -> bool| {
            // A few dozen witnesses are enough, also of a thousand.
            let doubters = look.model.views().filter(|(speaker, _)| *speaker != node.id).take(50);
            let doubters = doubters.filter(|(_, view)| view.member(node.id).is_some_and(|member| flag(member.flags)));
            look.labels(&doubters.map(|(speaker, _)| speaker).collect::<Vec<_>>())
        };
        let (failed, doubted) = (says(|flags| flags.failed), says(|flags| flags.suspected));
        let message = match (failed.is_empty(), doubted.is_empty()) {
            (false, _) => format!("called fail by {}, while it answers here", list(&failed)),
            (true, false) => format!("called fail? by {}, while it answers here", list(&doubted)),
            (true, true) => continue,
        };
        let bus = u32::from(node.address.port) + 10_000;
        let remedy =
            format!("from those nodes' hosts: does port {bus} of {} answer? see also cluster-announce-ip", node.address.host);
        found.push(rule.on_node(node, Severity::Warning, message, remedy));
    }
}
