//! PURE. The verdict line: cause, effect on rooms and players, what happens by itself and by when, next step.

use std::fmt;

use super::look::clock;
use super::rules::NOISE;
use super::words::{list, people};
use super::{Cause, Finding, Severity, Subject};
use crate::cluster::{Health, Model, SLOTS, Shard, ShardName, without_cluster_mode};
use crate::quantity::{bytes, count};

/// What the verdict line says, in its parts: the most important first, because a narrow screen cuts the rest off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headline {
    /// What is wrong with whom: `shard C has no master`. Never empty.
    pub cause: String,
    /// What it costs: `5461 slots unserved`, `61 rooms, 204 players`.
    pub effect: Vec<String>,
    /// What else is wrong, for another reason: `10.0.0.9:7008 its link to 10.0.0.2:7001 is down`.
    pub others: Vec<String>,
    /// What has happened by itself: who took over, when, with what missing.
    pub past: Option<String>,
    /// What happens by itself, and by when.
    pub outlook: Option<String>,
    /// What to do.
    pub next: Option<String>,
}

impl Headline {
    /// The first line: cause and effect.
    pub fn first(&self) -> String {
        let parts: Vec<&str> = std::iter::once(&self.cause).chain(&self.effect).map(String::as_str).collect();
        parts.join(" · ")
    }

    /// What else is wrong, in one line: `also: …`.
    pub fn also(&self) -> Option<String> {
        (!self.others.is_empty()).then(|| format!("also: {}", self.others.join(" · ")))
    }

    /// The second line: what has happened and what happens by itself, and the next step. None while all is well.
    pub fn second(&self) -> Option<String> {
        let parts: Vec<&str> = [&self.past, &self.outlook, &self.next].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(" · "))
    }
}

/// All of it in one line.
impl fmt::Display for Headline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first())?;
        if let Some(also) = self.also() {
            write!(f, " · {also}")?;
        }
        match self.second() {
            Some(second) => write!(f, " · {second}"),
            None => Ok(()),
        }
    }
}

impl From<String> for Headline {
    fn from(cause: String) -> Self {
        Self { cause, ..Self::default() }
    }
}

/// How the cluster is, from the findings that count. `lead` is what led before: the line keeps to it while it stands.
///
/// `shard C has no master · 5461 slots unserved · 61 rooms, 204 players · 10.0.0.6:7005 is being elected, expected by 14:02:20`
pub fn headline(model: &Model, findings: &[Finding], lead: Option<&Cause>) -> Headline {
    if model.nodes().next().is_none() {
        return "no node has been asked yet".to_string().into();
    }
    let Some(chosen) = leading(findings, lead) else {
        let line = unknown(model).map_or_else(|| healthy(model), Headline::from);
        return Headline { past: past(model), ..line };
    };
    let tree = tree(findings, chosen);
    let mut line = told(model, findings, chosen, &tree);
    line.effect.extend(effect(model, &tree));
    line.past = past(model);
    line.others = others(model, findings, chosen);
    let worst = tree.iter().copied().max_by_key(|finding| finding.severity);
    line.outlook = tree.iter().find_map(|finding| finding.outlook.clone());
    let remedy = [Some(chosen), worst].into_iter().flatten().find(|finding| !finding.remedy.is_empty());
    line.next = remedy.map(|finding| finding.remedy.says.clone());
    line
}

/// The cause that leads the verdict: what led before while it stands and nothing is worse, else the first of the worst.
pub fn leading<'a>(findings: &'a [Finding], lead: Option<&Cause>) -> Option<&'a Finding> {
    let roots = || findings.iter().filter(|finding| is_root(findings, finding));
    let severity = |root: &Finding| tree(findings, root).iter().map(|finding| finding.severity).max().unwrap_or(root.severity);
    let worst = roots().map(severity).max().filter(|worst| *worst > Severity::Info)?;
    let kept = lead.and_then(|lead| roots().find(|root| root.is(lead))).filter(|root| severity(root) == worst);
    kept.or_else(|| roots().find(|root| severity(root) == worst))
}

/// Nothing that counts explains it.
fn is_root(findings: &[Finding], finding: &Finding) -> bool {
    finding.caused_by.as_ref().is_none_or(|cause| !findings.iter().any(|other| other.is(cause)))
}

/// A cause and all that follows from it.
fn tree<'a>(findings: &'a [Finding], root: &'a Finding) -> Vec<&'a Finding> {
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(above) = tree.get(at).copied() {
        let below = findings.iter().filter(|finding| finding.caused_by.as_ref().is_some_and(|cause| above.is(cause)));
        let fresh: Vec<&Finding> = below.filter(|finding| !tree.iter().any(|known| std::ptr::eq(*known, *finding))).collect();
        tree.extend(fresh);
        at += 1;
    }
    tree
}

/// The cause in a few words, in terms of shards where it is about them: those are what players feel.
fn told(model: &Model, findings: &[Finding], chosen: &Finding, tree: &[&Finding]) -> Headline {
    let headless = headless(model);
    if chosen.rule == "quorum.lost" || chosen.rule == "node.down" && owns(model, chosen) {
        let mut parts = Vec::new();
        if findings.iter().any(|finding| finding.rule == "quorum.lost") {
            parts.push("no majority".to_string());
        }
        if !headless.is_empty() {
            parts.push(lack(&headless, "no master"));
        }
        if !parts.is_empty() {
            return parts.join(" · ").into();
        }
    }
    // What players feel comes before what it comes from.
    if let Some(refused) = tree.iter().find(|finding| finding.rule == "writes.refused") {
        let what = refused.message.split(';').next().unwrap_or_default();
        return format!("{} {what}", refused.label).into();
    }
    let mut bare: Vec<ShardName> =
        findings.iter().filter(|finding| finding.rule == "shard.no_replica").filter_map(shard_of).collect();
    bare.sort_unstable();
    if let Some(refusing) = tree.iter().find(|finding| finding.rule == "cluster.down" && chosen.rule == "node.down") {
        let who = refusing.message.split(':').next().unwrap_or_default();
        let led = |shard: &&Shard| shard.former.iter().any(|id| chosen.subject == Subject::Node(*id));
        let mut renewed: Vec<ShardName> = model.topology().shards.iter().filter(led).map(|shard| shard.name).collect();
        if renewed.is_empty() {
            renewed
                .extend(tree.iter().filter(|finding| finding.rule == "shard.no_replica").filter_map(|finding| shard_of(finding)));
        }
        let cause = if renewed.is_empty() { "a master was replaced".to_string() } else { lack(&renewed, "a new master") };
        return Headline { cause, effect: vec![who.to_string()], ..Headline::default() };
    }
    if tree.iter().any(|finding| finding.rule == "shard.no_replica") && chosen.severity < Severity::Critical {
        let down = findings.iter().filter(|finding| finding.rule == "node.down").collect::<Vec<_>>();
        let mut line = Headline::from(lack(&bare, "no replica"));
        match down.as_slice() {
            [only] => {
                let node = model.nodes().find(|node| only.subject == Subject::Node(node.id));
                line.effect.extend(node.map(|node| format!("{} is {}", node.address, node.health)));
            }
            [] => {}
            more => line.effect.push(format!("{} nodes are down", more.len())),
        }
        return line;
    }
    // A node and what it is are one sentence; the cluster's name stands before it all already.
    let sentence = match chosen.subject {
        Subject::Node(_) => format!("{} {}", chosen.label, chosen.message),
        _ if chosen.label == model.name => chosen.message.clone(),
        _ => format!("{}: {}", chosen.label, chosen.message),
    };
    sentence.into()
}

/// Other causes, each in a few words; what the first line names itself is left out.
fn others(model: &Model, findings: &[Finding], chosen: &Finding) -> Vec<String> {
    let of_shards = match chosen.rule {
        "cluster.unreachable" => return Vec::new(),
        "quorum.lost" | "node.down" if owns(model, chosen) || chosen.rule == "quorum.lost" => |model: &Model, other: &Finding| {
            matches!(other.rule, "quorum.lost" | "shard.no_master" | "slots.unserved") || owns(model, other)
        },
        _ => |_: &Model, _: &Finding| false,
    };
    let bare = chosen.rule == "shard.no_replica" || tree(findings, chosen).iter().any(|finding| finding.rule == "shard.no_replica");
    let said = |other: &Finding| {
        of_shards(model, other)
            || bare && chosen.severity < Severity::Critical && matches!(other.rule, "shard.no_replica" | "node.down")
    };
    let roots = findings
        .iter()
        .filter(|other| other.severity > Severity::Info && is_root(findings, other) && !other.is(&chosen.as_cause()));
    roots.filter(|other| !said(other)).map(|other| short(model, other)).collect()
}

/// A finding up to its first pause.
fn short(model: &Model, finding: &Finding) -> String {
    let pause = [": ", "; ", " ("].into_iter().filter_map(|sign| finding.message.find(sign)).min();
    let says = pause.and_then(|at| finding.message.get(..at)).unwrap_or(&finding.message);
    match finding.subject {
        Subject::Cluster if finding.label == model.name => says.to_string(),
        Subject::Node(_) => format!("{} {says}", finding.label),
        _ => format!("{}: {says}", finding.label),
    }
}

/// `10.0.0.6:7005 took over from 10.0.0.3:7002 at 12:01:20Z, no write is known to be missing`
fn past(model: &Model) -> Option<String> {
    let mut takeovers = model.history().takeovers();
    let last = takeovers.next()?;
    let when = match last.after {
        Some(after) => format!("after {}Z", clock(after)),
        None => format!("at {}Z", clock(last.at)),
    };
    let missing = match last.behind {
        Some(behind) if behind > NOISE => format!(", at least {} behind", bytes(behind)),
        Some(_) => ", no write is known to be missing".to_string(),
        None => String::new(),
    };
    let more = takeovers.count();
    let others = if more > 0 { format!("; {} before", count(more, "more failover")) } else { String::new() };
    Some(format!("{} took over from {} {when}{missing}{others}", last.to_address, last.from_address))
}

fn owns(model: &Model, finding: &Finding) -> bool {
    model.nodes().any(|node| finding.subject == Subject::Node(node.id) && node.is_master() && node.slot_count > 0)
}

fn shard_of(finding: &Finding) -> Option<ShardName> {
    match finding.subject {
        Subject::Shard(name) => Some(name),
        _ => None,
    }
}

/// Shards with slots whose master is gone.
fn headless(model: &Model) -> Vec<ShardName> {
    let gone =
        |shard: &&Shard| shard.slot_count > 0 && shard.master.and_then(|id| model.node(id)).is_none_or(|master| master.is_down());
    model.topology().shards.iter().filter(gone).map(|shard| shard.name).collect()
}

/// What it costs: slots, rooms and players whose writes are refused, or that none is.
fn effect(model: &Model, tree: &[&Finding]) -> Vec<String> {
    const SAID_ALREADY: [&str; 5] = ["cluster.unreachable", "console.minority", "node.unreached", "slots.open", "slots.unserved"];
    let root = tree.first().map_or("", |finding| finding.rule);
    if model.topology().assigned.is_empty() || root == "cluster.unreachable" {
        return Vec::new();
    }
    let (slots, tally) = model.unserved();
    let mut parts = match slots.len() {
        0 if root == "node.down" || root.starts_with("shard.") || root.starts_with("replica.") || root == "console.minority" => {
            return vec![format!("all {SLOTS} slots served")];
        }
        0 => return Vec::new(),
        all if all == usize::from(SLOTS) => vec!["no slot is served".to_string()],
        // Slots without an owner are the cause; a master that has lost them may refuse all of its own, too.
        all if root == "slots.unserved" && all > usize::from(SLOTS) - model.topology().assigned.len() && ownerless(tree) => {
            let mut parts = vec![format!("{} unserved in all", count(all, "slot"))];
            parts.extend(people(&tally));
            return parts;
        }
        _ if root == "slots.unserved" => Vec::new(),
        some => vec![format!("{} unserved", count(some, "slot"))],
    };
    if !SAID_ALREADY.contains(&root) || slots.len() == usize::from(SLOTS) {
        parts.extend(people(&tally));
    }
    parts
}

fn ownerless(tree: &[&Finding]) -> bool {
    tree.first().is_some_and(|root| root.subject == Subject::Cluster) && tree.iter().any(|finding| finding.rule == "cluster.down")
}

/// `shard C has no master`, `shards A B have no replica`, `12 shards have no replica`.
fn lack(shards: &[ShardName], what: &str) -> String {
    let names = || shards.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    match shards.len() {
        1 => format!("shard {} has {what}", names()),
        2..=6 => format!("shards {} have {what}", names()),
        many => format!("{many} shards have {what}"),
    }
}

/// Somebody has not been heard yet.
fn unknown(model: &Model) -> Option<String> {
    let mut waiting: Vec<String> = model
        .nodes()
        .filter(|node| node.health == Health::Unknown && !node.flags.noaddr)
        .map(|node| node.address.to_string())
        .collect();
    waiting.sort();
    (!waiting.is_empty()).then(|| format!("asking {} …", list(&waiting)))
}

fn healthy(model: &Model) -> Headline {
    let nodes = model.nodes().count();
    let topology = model.topology();
    if topology.assigned.is_empty() {
        let alone = without_cluster_mode(model).len();
        if alone > 0 {
            let verb = if alone == 1 { "answers and runs" } else { "answer and run" };
            return format!("{} {verb} without cluster mode (cluster-enabled no)", count(alone, "server")).into();
        }
        return format!("{} answer{}", count(nodes, "node"), if nodes == 1 { "s" } else { "" }).into();
    }
    let owning: Vec<&Shard> = topology.shards.iter().filter(|shard| shard.slot_count > 0).collect();
    let mut line = Headline::from(if model.unserved().0.is_empty() {
        format!("all {SLOTS} slots served")
    } else {
        // What is wrong has not stood for long enough to count.
        format!("{} of {SLOTS} slots served", topology.served.len())
    });
    let backed = match owning.len() {
        _ if owning.iter().any(|shard| shard.replicas.is_empty()) => "",
        1 => ", it has a replica",
        _ => ", every one with a replica",
    };
    line.effect.push(format!("{}{backed}", count(owning.len(), "shard")));
    let total = model.rooms().total();
    if let Some(people) = people(&total) {
        let masters = owning.iter().filter_map(|shard| Some(&model.node(shard.master?)?.address));
        let about = if model.rooms().complete(masters) { "" } else { "at least " };
        line.effect.push(format!("{about}{people}"));
    }
    line
}
