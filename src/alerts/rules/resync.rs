//! PURE. The rule about replicas that are given everything again and again, because the link breaks before they have caught up.

use std::time::Duration;

use super::super::look::Look;
use super::super::{Finding, Rule, Severity};
use crate::cluster::{Info, Node};
use crate::quantity::{age, bytes};

pub(super) const RESYNC: Rule = Rule {
    id: "replica.resync",
    title: "full copies again and again",
    holds: "no replica is copied in full again and again",
    says: "A master gives everything to a replica over and over: what is written meanwhile is more than it may keep for it, and the link breaks.",
    // The settings are read anew meanwhile.
    for_: Duration::from_secs(2),
    clear: Duration::from_secs(30),
    severity: Severity::Warning,
    remedy: "Raise client-output-buffer-limit of replicas and repl-backlog-size on the master, or write less meanwhile; no restart of the replica.",
    find: resync,
};

/// Copies within this are told together.
const WITHIN: Duration = Duration::from_secs(300);
/// Until this long after the last copy a link that is up may break again.
const QUIET: Duration = Duration::from_secs(20);
/// One copy for each replica is what joining costs, and one more may be bad luck.
const SPARE: usize = 2;
const FEWEST: u64 = 3;

/// So many full copies in so long.
#[derive(Clone, Copy)]
pub(super) struct Copies {
    count: u64,
    lasting: Duration,
}

impl Copies {
    /// `9 full copies in 31 s`.
    pub(super) fn says(self) -> String {
        format!("{} full copies in {}", self.count, age(self.lasting.max(Duration::from_secs(1))))
    }
}

fn resync(rule: &Rule, look: &Look<'_>, found: &mut Vec<Finding>) {
    for (master, info) in look.figures().filter(|(node, _)| node.is_master()) {
        let Some(copies) = copies(look, master, info) else { continue };
        let replicas: Vec<String> = troubled(look, master).map(|replica| replica.address.to_string()).collect();
        let limit = master.settings.as_ref().and_then(|says| says.replica_buffer.as_deref());
        let limit = limit.map_or_else(|| "unknown".to_string(), buffer);
        let backlog = info.backlog_bytes.map_or_else(|| "unknown".to_string(), bytes);
        let message = format!(
            "gives everything to {} again and again: {}, the link breaks before it has caught up; client-output-buffer-limit replica \
             is {limit}, repl-backlog-size is {backlog}",
            super::super::words::list(&replicas),
            copies.says()
        );
        let (host, port) = (&master.place().host, master.place().port);
        let remedy = format!(
            "`redis-cli -h {host} -p {port} CONFIG SET client-output-buffer-limit \"replica 536870912 268435456 60\"` and `CONFIG SET \
             repl-backlog-size {}`, or fewer writes until it has caught up; no restart of the replica, no failover to it",
            room(master)
        );
        let counted = |name: &str, count: Option<u64>| count.map(|count| format!("{}: {name} {count}", master.address));
        let proof = [
            counted("sync_full", info.sync_full),
            counted("sync_partial_err", info.sync_partial_err),
            counted("client_output_buffer_limit_disconnections", info.output_buffer_drops.filter(|drops| *drops > 0)),
        ];
        let copying = troubled(look, master).filter(|node| node.info.as_ref().is_some_and(|info| info.master_sync_in_progress));
        let copying: Vec<String> = copying.map(|node| format!("{}: master_sync_in_progress 1", node.address)).collect();
        let finding = rule.on_node(master, Severity::Warning, message, remedy);
        found.push(finding.proved_by(proof.into_iter().flatten()).proved_by(copying));
    }
}

/// The copies that this replica is given in vain, when it is among those.
pub(super) fn copied_in_vain(look: &Look<'_>, replica: &Node) -> Option<Copies> {
    let master = look.node(replica.master?).filter(|master| master.is_master() && master.health.is_alive())?;
    let copies = copies(look, master, master.info.as_deref()?)?;
    troubled(look, master).any(|node| node.id == replica.id).then_some(copies)
}

/// Replicas that may be the ones: all but those that have a link when others have none.
fn troubled<'a>(look: &'a Look<'_>, master: &'a Node) -> impl Iterator<Item = &'a Node> {
    let follows = |node: &&Node| node.is_replica() && node.master == Some(master.id) && node.health.is_alive();
    let unlinked = look.nodes().filter(follows).any(|node| node.link_up() == Some(false));
    look.nodes().filter(follows).filter(move |node| !unlinked || node.link_up() == Some(false))
}

fn copies(look: &Look<'_>, master: &Node, info: &Info) -> Option<Copies> {
    // Most masters have given few copies, and none lately: their replicas need not be looked for.
    if master.full_copies.is_empty() && info.sync_partial_err.is_none_or(|refused| refused < FEWEST) {
        return None;
    }
    let replicas = troubled(look, master).count();
    let enough = FEWEST.max(u64::try_from(replicas + SPARE).unwrap_or(u64::MAX));
    let unlinked = troubled(look, master).any(|node| node.link_up() == Some(false));
    let recent = || master.full_copies.iter().filter(|(at, _)| look.since(*at) <= WITHIN);
    let seen = recent().map(|(_, copies)| copies).sum::<u64>();
    // What a replica is given once it was started again is no loop.
    let as_old_as = |span: Duration| {
        let uptime = |node: &Node| node.info.as_ref().and_then(|info| info.uptime_seconds);
        troubled(look, master).any(|node| uptime(node).is_some_and(|uptime| uptime >= span.as_secs()))
    };
    if let (Some((first, _)), Some((last, _))) = (recent().next(), recent().next_back())
        && seen >= enough
    {
        let lasts = look.since(*last) <= QUIET || unlinked;
        let span = look.since(*first).saturating_sub(look.since(*last));
        return (lasts && as_old_as(look.since(*first))).then_some(Copies { count: seen, lasting: span });
    }
    // Who looks for the first time has the counters since the master's start alone: they have to be beyond doubt.
    let (count, refused, uptime) = (info.sync_full?, info.sync_partial_err?, Duration::from_secs(info.uptime_seconds?));
    let dropped = info.output_buffer_drops.is_some_and(|drops| drops >= FEWEST);
    let often = uptime < Duration::from_secs(30) * u32::try_from(count).unwrap_or(u32::MAX);
    let beyond_doubt = unlinked && count >= enough * 2 && refused >= enough && (dropped || often);
    (beyond_doubt && as_old_as(Duration::from_secs(5))).then_some(Copies { count, lasting: uptime })
}

/// `hard soft seconds`, as people say it.
fn buffer(limit: &str) -> String {
    let numbers: Vec<u64> = limit.split(' ').filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [0, 0, _] => "unlimited".into(),
        [hard, soft, seconds] => format!("{} ({} for {seconds} s)", bytes(*hard), bytes(*soft)),
        _ => limit.to_string(),
    }
}

/// A backlog that holds what is written in 20 s, in whole powers of two.
fn room(master: &Node) -> u64 {
    const LEAST: u64 = 64 << 20;
    const MOST: u64 = 512 << 20;
    let written = master.rates.replication_bytes_per_sec.map_or(LEAST, |rate| (rate * 20.0) as u64);
    written.clamp(LEAST, MOST).next_power_of_two()
}
