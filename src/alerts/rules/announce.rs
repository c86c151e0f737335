//! PURE. The rule about nodes that live and are not where they say they are: peers and clients are sent to the wrong place.

use std::time::Duration;

use super::super::look::Look;
use super::super::words::{list, people};
use super::super::{Finding, Rule, Severity};
use crate::cluster::{Address, Health, Node, NodeId, PeerWord, ServerSettings};
use crate::quantity::count;

pub(super) const ANNOUNCED: Rule = Rule {
    id: "node.announced",
    title: "announces a wrong address",
    holds: "every node is where it says it is",
    says: "A node lives, and announces an address where nobody reaches it: clients are sent there, and its peers cannot connect to it.",
    for_: Duration::from_secs(2),
    clear: Duration::from_secs(2),
    severity: Severity::Critical,
    remedy: "On that node: `CONFIG SET cluster-announce-ip ''` or its right address (cluster-announce-port likewise), and in its redis.conf. No failover.",
    find: announced,
};

/// What of its address is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Host,
    Port,
    /// The port of the cluster bus: clients do not use it.
    BusPort,
}

impl Wrong {
    /// The setting, and its value for "as it is".
    fn setting(self) -> (&'static str, &'static str) {
        match self {
            Self::Host => ("cluster-announce-ip", "''"),
            Self::Port => ("cluster-announce-port", "0"),
            Self::BusPort => ("cluster-announce-bus-port", "0"),
        }
    }
}

/// By then it has been looked for at other places.
const LOOKED_FOR: Duration = Duration::from_millis(300);

fn announced(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for node in look.nodes() {
        let Some(misplaced) = misplaced(look, node) else { continue };
        let at = &node.address;
        let mut message = match misplaced.wrong {
            Wrong::BusPort => {
                let port =
                    settings(node).and_then(|says| says.announced_bus_port).map_or_else(String::new, |port| format!(" {port}"));
                format!("announces bus port{port} where no other node reaches it")
            }
            _ => format!("announces {at} where nobody reaches it: clients are sent there"),
        };
        let owner = look.shard_led_by(node);
        if let Some(shard) = owner {
            message += &format!("; master of shard {}, {}", shard.name, count(node.slot_count, "slot"));
            if let Some(people) = people(&look.model.rooms().in_slots(&node.slots.iter().collect())) {
                message += &format!(", {people}");
            }
        } else if let Some(shard) = node.shard.filter(|_| node.is_replica()) {
            message += &format!("; replica of shard {shard}, which cannot be elected");
        }
        let (setting, as_it_is) = misplaced.wrong.setting();
        let on = match &misplaced.place {
            Some(place) => format!("it: `redis-cli -h {} -p {} CONFIG SET {setting} {as_it_is}`", place.host, place.port),
            None => format!("its host: `CONFIG SET {setting} {as_it_is}`"),
        };
        let remedy = format!("set {setting} on {on}, or the right one, in its redis.conf too; it lives: no failover, no restart");
        let severity = match misplaced.wrong {
            Wrong::BusPort => Severity::Warning,
            _ if owner.is_some() => Severity::Critical,
            _ => Severity::Warning,
        };
        let finding = rule.on_node(node, severity, message, remedy);
        let hold = match &misplaced.place {
            Some(_) if misplaced.certain => Duration::ZERO,
            None if misplaced.certain => LOOKED_FOR,
            _ => rule.for_,
        };
        found.push(finding.held_for(hold).proved_by(misplaced.evidence));
    }
}

/// It lives, at another place than it says.
pub(super) fn is_misplaced(look: &Look<'_>, node: &Node) -> bool {
    misplaced(look, node).is_some()
}

struct Misplaced {
    wrong: Wrong,
    /// Where this console reaches it.
    place: Option<Address>,
    certain: bool,
    evidence: Vec<String>,
}

fn misplaced(look: &Look<'_>, node: &Node) -> Option<Misplaced> {
    if !node.id.is_member() || node.flags.noaddr {
        return None;
    }
    if node.peers == PeerWord::Heard && node.health.is_down() {
        let wrong = if settings(node).and_then(|says| says.announced_port).is_some_and(|port| port == node.address.port) {
            Wrong::Port
        } else {
            Wrong::Host
        };
        let evidence = vec![
            format!("this console: {} is {}", node.address, node.health),
            "the other nodes hear it, and cannot connect to it".to_string(),
        ];
        return Some(Misplaced { wrong, place: None, certain: true, evidence });
    }
    let followers = || -> Vec<&Node> { look.nodes().filter(|other| is_sent_astray(other, node)).collect() };
    if node.is_out_of_reach() && node.health == Health::Refused {
        let followers = followers();
        if followers.is_empty() {
            return None;
        }
        // Its peers are with it, over the bus; neither this console nor its replicas find it where clients look for it.
        let mut evidence = vec![format!("this console: {} is {}", node.address, node.health)];
        evidence.extend(lost(&followers, node));
        return Some(Misplaced { wrong: Wrong::Port, place: None, certain: false, evidence });
    }
    if !node.health.is_alive() {
        return None;
    }
    let place = node.reached.clone()?;
    let elsewhere = place != node.address;
    let told = settings(node);
    let set = |port: Option<u16>| port.is_some_and(|port| port != 0);
    let bus = told.is_some_and(|says| set(says.announced_bus_port));
    // What the others say of it is gone through only where something may be wrong: there may be a thousand of them.
    if !elsewhere && !bus {
        return None;
    }
    let (unlinked, followers) = (unlinked(look, node), followers());
    let refused = node.announced.is_some_and(|health| health.is_down());
    let port = told.and_then(|says| says.announced_port).is_some_and(|port| port != 0 && port == node.address.port);
    let wrong = match () {
        () if elsewhere && refused && port && place.host == node.address.host => Wrong::Port,
        () if elsewhere && (!unlinked.is_empty() || refused && !followers.is_empty()) => {
            if place.host == node.address.host {
                Wrong::Port
            } else {
                Wrong::Host
            }
        }
        () if !elsewhere && bus && !unlinked.is_empty() => Wrong::BusPort,
        () => return None,
    };
    let mut evidence = vec![format!("this console reaches it at {place}")];
    if let Some(health) = node.announced.filter(|_| elsewhere) {
        evidence.push(format!("this console: {} is {}", node.address, health));
    }
    if !unlinked.is_empty() {
        evidence.push(format!("{} cannot connect to it", list(&look.labels(&unlinked))));
    }
    evidence.extend(lost(&followers, node));
    let certain = refused && (wrong == Wrong::Port || !unlinked.is_empty() || !followers.is_empty());
    Some(Misplaced { wrong, place: Some(place), certain, evidence })
}

fn lost(followers: &[&Node], master: &Node) -> Vec<String> {
    followers.iter().map(|other| format!("{} has no replication link to {}", other.address, master.address)).collect()
}

fn settings(node: &Node) -> Option<&ServerSettings> {
    node.settings.as_deref()
}

/// At least half of those who could be connected to it and are not, without calling it dead.
fn unlinked(look: &Look<'_>, node: &Node) -> Vec<NodeId> {
    const WITNESSES: usize = 30;
    let views = look.model.views().filter(|(speaker, _)| *speaker != node.id).take(WITNESSES);
    let told: Vec<(NodeId, bool)> = views
        .filter_map(|(speaker, view)| {
            let member = view.member(node.id)?;
            Some((speaker, !member.link_up && !member.flags.failed && member.address == node.address))
        })
        .collect();
    let missing: Vec<NodeId> = told.iter().filter(|(_, misses)| *misses).map(|(speaker, _)| *speaker).collect();
    if missing.len() * 2 >= told.len() { missing } else { Vec::new() }
}

/// A replica of this master that looks for it at the announced address, in vain.
fn is_sent_astray(replica: &Node, master: &Node) -> bool {
    let Some(info) = replica.info.as_deref().filter(|_| replica.master == Some(master.id) && replica.health.is_alive()) else {
        return false;
    };
    info.master_link_up == Some(false)
        && !info.master_sync_in_progress
        && info.master_port == Some(master.address.port)
        && info.master_host.as_deref() == Some(&*master.address.host)
        && replica.health != Health::Loading
}
