//! PURE. Rules about replication: is the link up, does the replica keep up. CLUSTER NODES says neither.

use std::time::Duration;

use super::super::look::Look;
use super::super::{Finding, Rule, Severity};
use crate::cluster::Health;
use crate::quantity::{age, bytes};

pub(super) const LINK_DOWN: Rule = Rule {
    id: "replica.link_down",
    title: "replication link down",
    holds: "every replica is connected to its master",
    says: "A replica is not connected to its living master: promoted now, it would lose every write since.",
    for_: Duration::from_secs(10),
    clear: Duration::from_secs(2),
    severity: Severity::Warning,
    remedy: "Fix masteruser, masterauth, TLS or the network between the two; do not fail over to it meanwhile.",
    find: link_down,
};

fn link_down(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for (node, info) in look.figures().filter(|(node, _)| node.is_replica()) {
        // While it is copied in full again and again its link is up for a moment, and no better for that.
        if let Some(copies) = super::resync::copied_in_vain(look, node) {
            let name = node.master.map_or_else(String::new, |master| look.model.label(master));
            let message = format!("its link to {name} breaks again and again: {}", copies.says());
            found.push(rule.on_node(node, Severity::Warning, message, "see replica.resync of its master; do not promote it"));
            continue;
        }
        if info.master_link_up != Some(false) {
            continue;
        }
        // A dead master is the cause, and has its own finding.
        let master = node.master.and_then(|id| look.node(id));
        if master.is_none_or(|master| master.is_down()) {
            continue;
        }
        let name = master.map_or_else(String::new, |master| master.address.to_string());
        if info.master_sync_in_progress {
            let message = format!("is copying everything from {name}, and cannot take over until that is done");
            found.push(rule.on_node(node, Severity::Info, message, "wait for it; `INFO replication` there shows how far it is"));
            continue;
        }
        let down = info
            .master_link_down_seconds
            .filter(|seconds| *seconds >= 0)
            .map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
        let mut message = match down {
            Some(down) => {
                let lost = node
                    .lag_bytes
                    .filter(|lost| *lost > 0)
                    .map_or_else(String::new, |lost| format!("; {} written since are lost if {name} dies now", bytes(lost)));
                format!("its link to {name} is down for {}{lost}", age(down))
            }
            None => format!("has not reached its master {name} yet"),
        };
        if node.health == Health::MasterDown {
            message += ", and it serves no reads meanwhile";
        }
        let remedy =
            format!("see the log of {}: masterauth, TLS or network towards {name}; until then do not promote it", node.address);
        let since = down.and_then(|down| Some(node.info_at? - chrono::TimeDelta::from_std(down).ok()?));
        found.push(rule.on_node(node, Severity::Warning, message, remedy).dated(since));
    }
}

pub(super) const LAG: Rule = Rule {
    id: "replica.lag",
    title: "replica lags",
    holds: "every replica keeps up",
    says: "A replica has yet to apply more than 10 MB and 5 s of its master's writes, or has not acknowledged for 5 s.",
    for_: Duration::from_secs(10),
    clear: Duration::from_secs(10),
    severity: Severity::Warning,
    remedy: "Look for load or a slow network on the replica; what lags is lost when the master fails now.",
    find: lag,
};

const TOLERATED_BYTES: f64 = 10.0 * 1024.0 * 1024.0;
const TOLERATED_SECONDS: f64 = 5.0;

fn lag(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for (node, info) in look.figures().filter(|(node, info)| node.is_replica() && info.master_link_up == Some(true)) {
        let Some(master) = node.master.and_then(|id| look.node(id)).filter(|master| !master.is_down()) else { continue };
        let rate = master.rates.replication_bytes_per_sec.unwrap_or(0.0);
        let behind = node.lag_bytes.unwrap_or(0);
        let tolerated = TOLERATED_BYTES.max(rate * TOLERATED_SECONDS);
        // Compared by port: the master may know its replica under another host name than the cluster does.
        let silent = master.info.as_ref().and_then(|info| {
            let mut lines = info.replicas.iter().filter(|line| line.port == node.address.port);
            let line = lines.next().filter(|line| line.host == node.address.host || lines.next().is_none())?;
            line.lag_seconds.filter(|seconds| *seconds as f64 >= TOLERATED_SECONDS && &*line.state == "online")
        });
        let message = if behind as f64 > tolerated {
            let seconds =
                if rate > 0.0 { format!(", {:.0} s of its master's writes", behind as f64 / rate) } else { String::new() };
            format!("is {} behind {}{seconds}", bytes(behind), master.address)
        } else if let Some(seconds) = silent.filter(|_| info.master_last_io_seconds.is_some()) {
            format!("has not acknowledged {} for {}", master.address, age(Duration::from_secs(seconds)))
        } else {
            continue;
        };
        let remedy = format!("look at load and network of {}; a failover now would lose that much", node.address);
        found.push(rule.on_node(node, Severity::Warning, message, remedy));
    }
}
