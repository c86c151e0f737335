//! PURE. Rules about whether a node is there: down (and how), out of our reach, silent, doubted by the others.

use std::time::Duration;

use super::super::look::Look;
use super::super::words::{lasting, list};
use super::super::{Finding, Remedy, Rule, Severity};
use crate::cluster::{Health, Node, PeerWord};
use crate::quantity::{age, count};

pub(super) const DOWN: Rule = Rule {
    id: "node.down",
    title: "node down",
    holds: "every node answers",
    says: "A node does not answer: refused, frozen, silent or out of the network, told apart.",
    for_: Duration::from_secs(1),
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Start or thaw its process, see its log; its shard's replica takes over by itself when it was the master.",
    find: down,
};

fn down(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes() {
        // A node without an address cannot be asked: then the others' word is all there is.
        let condemned = node.health == Health::Unknown && node.flags.failed;
        if !node.is_down() && !condemned {
            continue;
        }
        let downtime = look.since(node.silent_since.unwrap_or(node.health_since));
        let owner = node.is_master() && node.slot_count > 0;
        // A configured address that no member of the cluster goes by: nobody misses it.
        if !node.id.is_member() && look.nodes().any(|other| other.id.is_member()) {
            let message = format!("{}; configured in `nodes`, and no member of this cluster", lasting(node.health, downtime));
            let remedy = "take it out of `nodes` if it is not to come back".to_string();
            found.push(rule.on_node(node, Severity::Info, message, remedy));
            continue;
        }
        let mut message = match condemned {
            _ if node.has_no_address() => "has no address any more: the other nodes know its id alone".to_string(),
            true => "marked fail by the other nodes; this console has not reached it".to_string(),
            false => format!("{}: {}", lasting(node.health, downtime), why(node.health)),
        };
        message += &match (owner, node.shard) {
            (true, Some(shard)) => format!("; master of shard {shard}, {}", count(node.slot_count, "slot")),
            (false, Some(shard)) if node.is_replica() => format!("; replica of shard {shard}"),
            (false, Some(shard)) if look.model.topology().shard(shard).is_some_and(|shard| shard.slot_count > 0) => {
                format!("; owns no slots, was master of shard {shard}")
            }
            (false, Some(_)) if node.id.is_member() => "; owns no slots any more".into(),
            _ => String::new(),
        };
        if !condemned && downtime >= look.thresholds.node_down {
            message += &format!("; escalated after {}", age(look.thresholds.node_down));
        }
        // A master's slots are refused to players; without another node the next fault will be felt.
        let severity =
            if owner || condemned && look.model.topology().assigned.is_empty() { Severity::Critical } else { Severity::Warning };
        let shard = look.shard_led_by(node);
        let finding = rule.on_node(node, severity, message, remedy(look, node));
        found.push(
            finding.held_for(hold(look, node)).expecting(shard.and_then(|shard| look.outlook(shard))).proved_by(evidence(node)),
        );
    }
}

/// A port that accepts and does not answer may be a stall: it has to last for a moment, and for longer where it stalled before.
const BLINK: Duration = Duration::from_millis(250);
const STALLED_BEFORE: Duration = Duration::from_secs(2);

/// What its peers have missed too is certain; what only this console has noticed has to stand.
pub(super) fn hold(look: &Look<'_>, node: &Node) -> Duration {
    let alone = !look.nodes().any(|other| other.health.is_alive() && other.view.is_some());
    let may_stall = matches!(node.health, Health::Frozen | Health::Silent);
    let doubted = node.flags.failed || node.flags.suspected;
    // Nobody has seen it alive where it is announced: it may be at another place, which its peers will know in a moment.
    let elsewhere = node.reached.as_ref() != Some(&node.address) && node.peers == PeerWord::Gone;
    let stalled = node.stalls.last().is_some_and(|(ended, _)| look.since(*ended) <= STALLS_WITHIN);
    match () {
        () if elsewhere && !doubted && !alone => DOWN.for_,
        () if doubted || alone || node.peers == PeerWord::Gone && !may_stall => Duration::ZERO,
        () if may_stall && stalled => STALLED_BEFORE,
        () if may_stall => BLINK,
        () => DOWN.for_,
    }
}

fn evidence(node: &Node) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(trouble) = node.trouble.as_ref().filter(|trouble| !trouble.detail.is_empty()) {
        lines.push(format!("this console: {}", trouble.detail));
    }
    lines.push(
        match (node.flags.failed, node.flags.suspected, node.peers) {
            (true, _, _) => "the other nodes: fail, by a majority of masters",
            (_, true, _) => "the other nodes: fail?",
            (_, _, PeerWord::Heard) => "the other nodes hear it, and cannot connect to it",
            (_, _, PeerWord::Gone) => "the other nodes have lost their connections to it",
            (_, _, PeerWord::Undecided | PeerWord::Connected) => "the other nodes are still connected to it",
            (_, _, PeerWord::Unknown) => "no other node has been heard about it yet",
        }
        .into(),
    );
    lines
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

/// What brings a node back that is down: `on 10.0.0.3: start it again (…)`.
pub fn way_back(node: &Node) -> String {
    let info = node.info.as_deref();
    let valkey = info.and_then(|info| info.server.as_ref()).is_some_and(|server| server.is_valkey());
    let program = if valkey { "valkey-server" } else { "redis-server" };
    let host = &node.address.host;
    match node.health {
        _ if node.has_no_address() => format!(
            "the server was reset or replaced: let it meet the cluster again (`CLUSTER MEET`), or promote a replica of it and forget \
             {}",
            node.id
        ),
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
    }
}

fn remedy(look: &Look<'_>, node: &Node) -> Remedy {
    let mut says = way_back(node);
    if super::loss::lost_by(look, node).is_some_and(|lost| lost.is_large()) {
        says = format!("first save its data, which the others do not have (see shard.lost_writes); then {says}");
    }
    match look.shard_led_by(node) {
        Some(shard) => {
            let relief = look.relief(shard);
            Remedy { says: format!("{}; {says}", relief.says), intent: relief.intent }
        }
        None => says.into(),
    }
}

pub(super) const UNREACHED: Rule = Rule {
    id: "node.unreached",
    title: "out of this console's reach",
    holds: "this console reaches every node that the others reach",
    says: "A node does not answer this console, while the other nodes are in touch with it.",
    for_: Duration::from_secs(3),
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Leave the node alone; see what is between it and this console: route, tunnel, firewall, [cluster] address_map, tls.",
    find: unreached,
};

fn unreached(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes().filter(|node| node.is_out_of_reach() && !super::announce::is_misplaced(look, node)) {
        let silence = look.since(node.silent_since.unwrap_or(node.health_since));
        let message = format!(
            "{} ({}), while the others are in touch with it",
            lasting(format!("{} from here", node.health), silence),
            why(node.health)
        );
        let remedy = match node.last_answer {
            None => format!("map its address: [cluster] address_map = {{ \"{}\" = \"HOST:PORT\" }}, or compare tls", node.address),
            Some(_) => {
                format!("see the way from here to {}: tunnel, route, firewall, address_map; leave the node alone", node.address)
            }
        };
        // Nobody waits to believe the others.
        let hold = if node.peers == PeerWord::Connected { Duration::ZERO } else { rule.for_ };
        found.push(rule.on_node(node, Severity::Warning, message, remedy).held_for(hold).proved_by(evidence(node)));
    }
}

pub(super) const STALLED: Rule = Rule {
    id: "node.stalled",
    title: "node stalls",
    holds: "no node stalls",
    says: "A node has fallen silent for a moment, again and again: every command on it waited that long.",
    for_: Duration::ZERO,
    clear: Duration::from_secs(5),
    severity: Severity::Warning,
    remedy: "`SLOWLOG GET` and `LATENCY DOCTOR` there for long commands and forks; else the host: swap, disk, neighbours.",
    find: stalled,
};

/// Stalls within this are told together.
const STALLS_WITHIN: Duration = Duration::from_secs(10);

fn stalled(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes() {
        let recent: Vec<Duration> =
            node.stalls.iter().filter(|(ended, _)| look.since(*ended) <= STALLS_WITHIN).map(|(_, lasted)| *lasted).collect();
        if recent.len() < 2 {
            continue;
        }
        let message = format!("stalled {} times in {}", recent.len(), age(STALLS_WITHIN));
        let (host, port) = (&node.address.host, node.address.port);
        let remedy = format!(
            "long commands: `redis-cli -h {host} -p {port} SLOWLOG GET 10`; else fork, swap, disk or the host's neighbours"
        );
        // Players of its slots feel each of them.
        let severity = if node.is_master() && node.slot_count > 0 { Severity::Critical } else { Severity::Warning };
        found.push(rule.on_node(node, severity, message, remedy));
    }
}

pub(super) const STALE: Rule = Rule {
    id: "node.stale",
    title: "no news from a node",
    holds: "every node has been heard lately",
    says: "A node that was well has said nothing for long, and no attempt to ask it has failed.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "This console may be overloaded: see its own log.",
    find: stale,
};

fn stale(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes().filter(|node| node.health.is_well()) {
        let Some(silence) = node.silence(look.now).filter(|silence| *silence > look.model.stale) else { continue };
        let message = format!("has said nothing for {}: what is shown of it is that old", age(silence));
        found.push(rule.on_node(
            node,
            Severity::Warning,
            message,
            "this console may be overloaded or was stopped: see its own log",
        ));
    }
}

pub(super) const SUSPECTED: Rule = Rule {
    id: "node.suspected",
    title: "doubted by other nodes",
    holds: "no node doubts another",
    says: "A node answers this console, while other nodes call it fail? or fail.",
    for_: Duration::from_secs(10),
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Look for a partition: the cluster bus (port + 10000) between these nodes, and cluster-announce-ip of the doubted one.",
    find: suspected,
};

/// By then everybody has told a view again.
const UNTIL_TOLD: Duration = Duration::from_millis(1500);

fn suspected(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    // Whom the other side of a partition doubts is told with the partition.
    if look.partition.is_some() {
        return;
    }
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
        let told = look.model.views().find_map(|(_, view)| view.member(node.id)).map(|member| u32::from(member.bus_port));
        let bus = told.unwrap_or_else(|| u32::from(node.address.port) + 10_000);
        let remedy =
            format!("from those nodes' hosts: does port {bus} of {} answer? see also cluster-announce-ip", node.address.host);
        // A majority's word has been long in coming: it is no blip. What the doubted one says of them shows a moment later, and
        // may make it a partition.
        let hold = if failed.is_empty() { rule.for_ } else { UNTIL_TOLD };
        found.push(rule.on_node(node, Severity::Warning, message, remedy).held_for(hold));
    }
}
