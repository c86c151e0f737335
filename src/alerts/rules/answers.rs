//! PURE. Rules about nodes that answer with an error: kept out, loading, busy, unable to save, full.

use std::time::Duration;

use super::super::look::{Look, clock};
use super::super::words::{lasting, people};
use super::super::{Finding, Remedy, Rule, Severity};
use crate::cluster::{Health, Node, WriteRefusal};
use crate::quantity::{age, count};

/// A finding for every node in one of these healths.
fn each(look: &Look<'_>, healths: &[Health], find: impl FnMut(&Node)) {
    look.nodes().filter(|node| healths.contains(&node.health)).for_each(find);
}

/// The server's own words, in brackets.
fn words(node: &Node) -> String {
    match node.trouble.as_ref().map(|trouble| trouble.detail.as_str()).filter(|detail| !detail.is_empty()) {
        Some(detail) => format!(" ({})", detail.chars().take(120).collect::<String>()),
        None => String::new(),
    }
}

pub(super) const AUTH: Rule = Rule {
    id: "node.auth",
    title: "this console is kept out",
    holds: "every node lets this console ask",
    says: "A node wants a password, refuses ours, or does not let our user ask. It may serve its clients well.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Set [cluster] username and password; the user needs +ping +info +cluster|nodes +cluster|info at least.",
    find: auth,
};

fn auth(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    each(look, &[Health::NoAuth, Health::WrongPass, Health::NoPerm], |node| {
        let message = format!("{}: {}{}", lasting(node.health, look.since(node.health_since)), node.health.says(), words(node));
        let remedy = match node.health {
            Health::NoPerm => {
                "on that node: `ACL SETUSER USER +ping +info +cluster|nodes +cluster|info +cluster|failover`; see `ACL LOG`"
            }
            _ => "set [cluster] username and password = { env = \"REDIS_PASSWORD\" } in the configuration; see `ACL LOG` there",
        };
        found.push(rule.on_node(node, Severity::Warning, message, remedy.to_string()));
    });
}

pub(super) const LOADING: Rule = Rule {
    id: "node.loading",
    title: "loading its data",
    holds: "no node is loading its data",
    says: "A node is reading its data from disk and serves nobody until it is done.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Wait; do not fail over to a replica that is about to be emptied: check DBSIZE of the master when it is done.",
    find: loading,
};

fn loading(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes().filter(|node| node.health.is_alive()) {
        let info = node.info.as_deref().filter(|info| info.loading);
        if node.health != Health::Loading && info.is_none() {
            continue;
        }
        let mut message = "is loading its data".to_string();
        if let Some(percent) = info.and_then(|info| info.loading_percent) {
            message += &format!(", {percent:.0} % done");
        }
        if let Some(eta) = info.and_then(|info| info.loading_eta_seconds) {
            message += &format!(", about {} to go", age(Duration::from_secs(eta)));
        }
        let remedy = "wait for it; `INFO persistence` there shows loading_eta_seconds".to_string();
        let outlook = info.and_then(|info| info.loading_eta_seconds).map(|eta| {
            let by = look.now + chrono::TimeDelta::seconds(i64::try_from(eta).unwrap_or(0));
            format!("{} is expected to have loaded by {}", node.address, clock(by))
        });
        found.push(rule.on_node(node, Severity::Warning, message, remedy).expecting(outlook));
    }
}

pub(super) const REFUSED: Rule = Rule {
    id: "writes.refused",
    title: "a master refuses writes",
    holds: "every master takes writes",
    says: "A master answers and refuses writes: too few replicas (NOREPLICAS), or no memory left (OOM).",
    for_: Duration::ZERO,
    clear: Duration::from_secs(2),
    severity: Severity::Critical,
    remedy: "NOREPLICAS: bring its replicas back. OOM: raise maxmemory if the host has room, or move slots away.",
    find: refused,
};

fn refused(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes().filter(|node| node.is_master() && node.slot_count > 0 && node.health.is_well()) {
        let remedy: Remedy = match node.refuses {
            Some(WriteRefusal::NoReplicas { .. }) => {
                let shard = look.shard_led_by(node);
                let away = shard.is_some_and(|shard| {
                    let mut others = shard.replicas.iter().chain(&shard.former).filter_map(|id| look.node(*id));
                    others
                        .any(|other| other.is_down() || other.info.as_ref().is_some_and(|info| info.master_link_up == Some(false)))
                });
                match away {
                    true => format!(
                        "bring the replicas of {} back: it takes writes again at once; min-replicas-to-write is what asks for them",
                        node.address
                    ),
                    false => format!(
                        "add a replica of {0}: `rgc-tui node add HOST:PORT --replica-of {0}`; or on it `CONFIG SET min-replicas-to-write` \
                         with no more than it has",
                        node.address
                    ),
                }
                .into()
            }
            Some(WriteRefusal::OutOfMemory) => {
                let (host, port) = (&node.address.host, node.address.port);
                format!(
                    "`redis-cli -h {host} -p {port} CONFIG SET maxmemory BYTES` if the host has room; else delete, or move slots \
                     away: `rgc-tui rebalance --by memory`"
                )
                .into()
            }
            _ => continue,
        };
        let Some(refusal) = node.refuses else { continue };
        let slots: crate::cluster::SlotSet = node.slots.iter().collect();
        let mut message = format!("{refusal}; {}", count(slots.len(), "slot"));
        if let Some(people) = people(&look.model.rooms().in_slots(&slots)) {
            message += &format!(", {people}");
        }
        found.push(rule.on_node(node, Severity::Critical, message, remedy));
    }
}

pub(super) const BUSY: Rule = Rule {
    id: "node.busy",
    title: "busy in a script",
    holds: "no node is busy in a script",
    says: "A script or function runs for longer than busy-reply-threshold and blocks everybody else on that node.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "`SCRIPT KILL` or `FUNCTION KILL`; when it has written already, wait or fail over with force.",
    find: busy,
};

fn busy(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    each(look, &[Health::Busy], |node| {
        let message =
            format!("{}: {}, every other command waits", lasting("busy", look.since(node.health_since)), node.health.says());
        let (host, port) = (&node.address.host, node.address.port);
        let remedy = format!(
            "`redis-cli -h {host} -p {port} SCRIPT KILL` (or FUNCTION KILL); UNKILLABLE means it has written: wait, or force a failover"
        );
        found.push(rule.on_node(node, Severity::Critical, message, remedy));
    });
}

pub(super) const MISCONF: Rule = Rule {
    id: "node.misconf",
    title: "cannot save",
    holds: "every node can save",
    says: "A node cannot write its data to disk; with save points configured it refuses every write (MISCONF).",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "Free disk, inodes or permissions, then `BGSAVE` again; do not restart it: that loses everything since the last save.",
    find: misconf,
};

fn misconf(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes().filter(|node| node.health.is_alive()) {
        let failed = |ok: Option<bool>| ok == Some(false);
        let info = node.info.as_deref();
        let (severity, message) = if node.health == Health::Misconf {
            (Severity::Critical, format!("refuses every write because it cannot save{}", words(node)))
        } else if info.is_some_and(|info| failed(info.aof_last_write_ok)) {
            (Severity::Critical, "cannot write its append-only file".to_string())
        } else if info.is_some_and(|info| failed(info.rdb_last_save_ok)) {
            (Severity::Warning, "its last background save failed: with save points it refuses writes next".to_string())
        } else {
            continue;
        };
        let remedy = format!(
            "on {}: `df -h`, `df -i`, rights of its dir, vm.overcommit_memory; then `BGSAVE`; do not restart it before that works",
            node.address.host
        );
        found.push(rule.on_node(node, severity, message, remedy));
    }
}

pub(super) const FULL: Rule = Rule {
    id: "node.full",
    title: "no free client slot",
    holds: "every node takes new clients",
    says: "A node has reached maxclients: it turns new clients away, this console among them.",
    for_: Duration::ZERO,
    clear: Duration::ZERO,
    severity: Severity::Critical,
    remedy: "`CONFIG SET maxclients N`, or find who holds so many: `CLIENT LIST`.",
    find: full,
};

fn full(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    each(look, &[Health::Full], |node| {
        let limit = node.info.as_ref().and_then(|info| info.maxclients);
        let limit = limit.map_or_else(String::new, |limit| format!(", {}", count(usize::try_from(limit).unwrap_or(0), "client")));
        let message = format!("has reached maxclients{limit}: new clients are turned away");
        let remedy =
            "there: `CONFIG SET maxclients N` (ulimit -n permitting), or `CLIENT LIST` and `CLIENT KILL ADDR …` for whoever leaks";
        found.push(rule.on_node(node, Severity::Critical, message, remedy.to_string()));
    });
}

pub(super) const ERROR: Rule = Rule {
    id: "node.error",
    title: "answers with an error",
    holds: "no node answers with an error",
    says: "A node answers PING with an error that has no rule of its own.",
    for_: Duration::from_secs(2),
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "Read the error; the node's log says more.",
    find: error,
};

fn error(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    each(look, &[Health::Error], |node| {
        let message = format!("{}{}", lasting("answers with an error", look.since(node.health_since)), words(node));
        found.push(rule.on_node(node, Severity::Warning, message, format!("see the log of {}", node.address)));
    });
}

pub(super) const UNTOLD: Rule = Rule {
    id: "node.untold",
    title: "a node tells too little",
    holds: "somebody tells who is in the cluster",
    says: "A node answers PING and does not answer CLUSTER NODES, and nobody else does: who is in the cluster is not known.",
    // It is asked for both in one go, and the larger reply comes a moment later.
    for_: Duration::from_millis(1500),
    clear: Duration::ZERO,
    severity: Severity::Warning,
    remedy: "See whether the commands are renamed there (rename-command), or something in between does not pass them on.",
    find: untold,
};

fn untold(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    // Of a large cluster not everybody is asked for all of it at once: as long as somebody tells, it is known.
    if look.model.views().next().is_some() {
        return;
    }
    for node in look.nodes().filter(|node| node.health.is_well()) {
        let message = match &node.info {
            Some(info) if info.mode.as_deref().is_some_and(|mode| mode != "cluster") => continue,
            Some(_) => "answers PING and INFO and not CLUSTER NODES: what is in its cluster is not known",
            None => "answers PING and neither CLUSTER NODES nor INFO: nothing more is known of it",
        };
        let remedy = format!(
            "see whether CLUSTER and INFO are renamed there (rename-command), or what stands between here and {} and does not pass them on",
            node.address
        );
        found.push(rule.on_node(node, Severity::Warning, message.to_string(), remedy));
    }
}
