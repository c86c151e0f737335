//! PURE. Who belongs to the cluster: add, re-parent, drain, remove, forget.

pub(crate) mod reach;
pub(crate) mod replace;

use std::collections::BTreeMap;

use crate::cluster::{Address, Health, Model, Node, NodeId, NodeRole, Server, Trouble};

use crate::plan::failover::succession::is_up;
use crate::plan::fingerprint::Fingerprint;
use crate::plan::slots::moves;
use crate::plan::slots::rebalance;
use crate::plan::{Code, Danger, Facts, Intent, Pace, Plan, Prediction, Reason, Refusal, Step, StepKind, impact, resolve};
use crate::quantity;

/// What a server says that shall join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoiningNode {
    pub id: Option<NodeId>,
    /// Why it could not be asked.
    pub trouble: Option<Trouble>,
    pub cluster_mode: bool,
    /// Nodes it knows besides itself.
    pub knows: u32,
    pub keys: u64,
    pub slots: u16,
    /// Its function libraries; None where it does not tell, or has no functions.
    pub libraries: Option<Libraries>,
    /// Those of the masters that tell.
    pub masters: BTreeMap<NodeId, Libraries>,
    pub server: Option<Server>,
}

/// Function libraries by name, each with a hash of its code.
pub type Libraries = BTreeMap<String, u64>;

/// Why a server that shall join cannot be asked, each kind with its own next step.
fn unheard(address: &Address, trouble: &Trouble) -> String {
    let next = match trouble.health {
        Health::NoAuth => "it wants a password, and this console has none for it: a new node needs the cluster's user and password",
        Health::WrongPass => "it refuses the cluster's user or password: give it the same users and passwords as its future peers",
        Health::NoPerm => "it does not let this user ask: give the user the rights that the README lists there, too",
        Health::Loading => "it loads its data: a new node must be empty, look what it loads",
        Health::Busy => "it runs a script: wait for its end, or SCRIPT KILL there",
        Health::Tls => "look whether both sides speak TLS, and whether its certificate is signed by the configured authority",
        Health::Refused => "start it first, or look whether the port is right",
        Health::Silent | Health::Unreachable => "look at the address, the host and the firewall between",
        Health::Unresolved => "look at the name, or give its IP address",
        Health::Full => "it has no free client slot: raise its maxclients",
        _ => "look at its log",
    };
    format!("{address} cannot be asked: {trouble}; {next}")
}

/// Memberships change what every node knows: who is master and who follows whom must be as it was. A server that stands
/// alone, such as one that waits at a dead node's address, is no part of that.
fn fingerprint(intent: &Intent, model: &Model) -> u64 {
    let print = Fingerprint::of("membership").and(intent);
    let members = model.nodes().filter(|node| node.id.is_member() && known_to_others(model, node));
    members.fold(print, |print, node| print.node(node)).value()
}

pub(crate) fn draw_up(intent: Intent, model: &Model, steps: Vec<Step>, says: String, touched: &Node) -> Plan {
    let mut steps = steps;
    steps.push(step(touched, Vec::new(), StepKind::Verify, says));
    let fingerprint = fingerprint(&intent, model);
    let mut impact = touched.shard.map(|shard| impact::of_shard(model, shard)).unwrap_or_default();
    impact.slots = touched.slots.iter().collect();
    Plan {
        intent,
        cluster: model.name.clone(),
        steps,
        moves: Vec::new(),
        engine: None,
        prediction: Prediction { bytes_at_risk: Some(0), ..Prediction::default() },
        impact,
        before: Vec::new(),
        after: Vec::new(),
        warnings: Vec::new(),
        danger: Danger::Normal,
        fingerprint,
    }
}

pub(crate) fn step(node: &Node, commands: Vec<String>, kind: StepKind, says: String) -> Step {
    Step { node: node.id, address: node.address.clone(), commands, kind, says }
}

pub(crate) fn add(address: &Address, replica_of: Option<&str>, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    let master = replica_of.map(|name| resolve::master(model, name)).transpose()?;
    let Joining { joining, steps, says } = join(address, master, None, facts)?;
    let intent = Intent::AddNode { address: address.clone(), replica_of: master.map(|master| master.address.to_string()) };
    let mut plan = draw_up(intent, model, steps, says, &joining);
    plan.impact.shards.extend(master.and_then(|master| master.shard));
    if master.is_none() {
        let fresh = facts.slots.and_then(|slots| slots.joining.as_ref());
        functions_notes(fresh, &mut plan.prediction.notes, &mut plan.warnings);
        plan.prediction.notes.push("it joins as a master without slots: `rebalance --use-empty-masters` gives it its share".into());
    }
    Ok(plan)
}

/// How a server comes to be a member.
pub(crate) struct Joining {
    pub(crate) joining: Node,
    pub(crate) steps: Vec<Step>,
    /// What is true when they have been done.
    pub(crate) says: String,
}

/// The steps that make an empty server a member, as a replica of `master` or as a master; or why it must not join.
/// The address may be the one that a dead member had.
pub(crate) fn join(address: &Address, master: Option<&Node>, dead: Option<&Node>, facts: &Facts<'_>) -> Result<Joining, Refusal> {
    let model = facts.model;
    let fresh = facts.slots.and_then(|slots| slots.joining.as_ref());
    let is_it = |node: &&Node| fresh.is_some_and(|fresh| fresh.id == Some(node.id)) || node.address == *address;
    let members = model.nodes().filter(|node| node.id.is_member() && dead.is_none_or(|dead| dead.id != node.id));
    if let Some(node) = members.filter(is_it).find(|node| known_to_others(model, node)) {
        let what = format!("{address} is in the cluster already, as a {}", node.role);
        let as_asked = match master {
            _ if dead.is_some() => false,
            Some(master) => node.master == Some(master.id) && node.is_replica(),
            None => node.is_master(),
        };
        return Err(if as_asked {
            Refusal::nothing(what, Vec::new())
        } else {
            Refusal::because(Code::AlreadyMember.because(what))
        });
    }
    let unasked = || Refusal::because(Code::NoReply.because(format!("nothing is known of {address} yet")));
    let fresh = fresh.ok_or_else(unasked)?;
    let mut reasons = Vec::new();
    if let Some(trouble) = &fresh.trouble {
        reasons.push(Code::NoReply.because(unheard(address, trouble)));
    } else {
        if !fresh.cluster_mode {
            let says = format!("{address} does not run in cluster mode: start it with cluster-enabled yes");
            reasons.push(Code::NotInClusterMode.because(says));
        }
        if fresh.knows > 0 {
            let others = quantity::count(fresh.knows, "other node");
            let says = format!("{address} belongs to another cluster, it knows {others}: is the address right?");
            reasons.push(Code::OtherCluster.because(says));
        }
        if fresh.keys > 0 {
            reasons.push(Code::NodeNotEmpty.because(format!(
                "{address} holds {}, and a new node must be empty: look what they are before you empty it",
                quantity::count(fresh.keys, "key")
            )));
        }
        if fresh.slots > 0 {
            let says = format!("{address} owns {}, and a new node owns none", quantity::count(fresh.slots, "slot"));
            reasons.push(Code::NodeNotEmpty.because(says));
        }
    }
    let able = |node: &&Node| node.is_master() && is_up(node) && node.health.is_well() && Some(node.id) != fresh.id;
    // Servers are told where servers reach each other: clients may be told of other addresses.
    let reached = |node: &Node| crate::plan::server_addresses(model, node).into_iter().find(is_ip);
    let host = model.nodes().filter(able).find_map(|node| Some((node, reached(node)?)));
    if host.is_none() {
        let says = "no master with a plain IP address answers, and CLUSTER MEET takes nothing else";
        reasons.push(Code::NoPlainAddress.because(says));
    }
    let copied =
        if master.is_none() { functions(fresh, host.as_ref().map(|(host, _)| *host), address, &mut reasons) } else { None };
    let (Some((host, at)), [], Some(id)) = (host, reasons.as_slice(), fresh.id) else {
        return Err(Refusal::all(reasons));
    };
    let joining = Node::new(id, address.clone(), host.first_seen);
    let bus = model.views().find_map(|(_, view)| view.member(host.id)).map_or(0, |member| member.bus_port);
    let bus = if bus == 0 || bus == at.port.saturating_add(10_000) { String::new() } else { format!(" {bus}") };
    let meet = format!("CLUSTER MEET {} {}{bus}", at.host, at.port);
    let mut steps = Vec::new();
    if let Some(says) = copied {
        let commands = vec![format!("{}: FUNCTION DUMP", host.address), "FUNCTION RESTORE (that dump)".into()];
        steps.push(step(&joining, commands, StepKind::CopyFunctions { from: host.address.clone() }, says));
    }
    steps.push(step(&joining, vec![meet], StepKind::Command, format!("introduce {address} to {}", host.address)));
    let mut says = format!("every node knows {address}");
    if let Some(master) = master {
        let replicate = format!("CLUSTER REPLICATE {}", master.id);
        steps.push(step(&joining, vec![replicate], StepKind::Command, format!("make {address} a replica of {}", master.address)));
        says = format!("every node knows {address} as a replica of {}, and its link is up", master.address);
    }
    Ok(Joining { joining, steps, says })
}

/// A new master needs the functions that players call on the others; a replica has its master's. What would be copied, as a
/// sentence, unless it has them already.
fn functions(fresh: &JoiningNode, host: Option<&Node>, address: &Address, reasons: &mut Vec<Reason>) -> Option<String> {
    let theirs = fresh.masters.get(&host?.id)?;
    let own = fresh.libraries.as_ref()?;
    let other: Vec<&str> =
        own.iter().filter(|(name, code)| theirs.get(*name) != Some(*code)).map(|(name, _)| name.as_str()).collect();
    if !other.is_empty() {
        reasons.push(Code::NodeNotEmpty.because(format!(
            "{address} has functions that the cluster has not, or has otherwise ({}): a new node must be empty, see FUNCTION LIST there",
            other.join(", ")
        )));
    }
    let missing: Vec<&str> = theirs.keys().filter(|name| !own.contains_key(*name)).map(String::as_str).collect();
    if missing.is_empty() || !other.is_empty() {
        return None;
    }
    let what = if missing.len() == 1 { "1 function library".into() } else { format!("{} function libraries", missing.len()) };
    Some(format!("copy {what} ({}) to {address}", missing.join(", ")))
}

/// What is worth knowing of the masters' functions before a new one joins.
fn functions_notes(fresh: Option<&JoiningNode>, notes: &mut Vec<String>, warnings: &mut Vec<String>) {
    let Some(fresh) = fresh else { return };
    let mut all = fresh.masters.values();
    if let Some(first) = all.next()
        && all.any(|other| other != first)
    {
        warnings.push("the masters have different functions (FUNCTION LIST): calls fail on some; load the same on all".into());
    }
    if fresh.masters.is_empty() || fresh.libraries.is_none() {
        notes.push(
            "whether functions have to be copied is not known: the servers have none, or FUNCTION LIST was not allowed".into(),
        );
    }
}

/// Another node counts it as a member: a server that stands alone knows only itself.
pub(crate) fn known_to_others(model: &Model, node: &Node) -> bool {
    model.views().any(|(speaker, view)| speaker != node.id && view.member(node.id).is_some())
}

fn is_ip(address: &Address) -> bool {
    address.host.parse::<std::net::IpAddr>().is_ok()
}

pub(crate) fn replicate(node: &str, master: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    let (node, master) = (resolve::node(model, node)?, resolve::master(model, master)?);
    let mut reasons = Vec::new();
    if node.id == master.id {
        return Err(Refusal::usage(format!("{} cannot replicate itself", node.address)));
    }
    if node.master == Some(master.id) && node.is_replica() {
        let what = format!("{} is a replica of {} already", node.address, master.address);
        return Err(Refusal::nothing(what, Vec::new()));
    }
    if node.is_master() && node.slot_count > 0 {
        let slots = quantity::count(node.slot_count, "slot");
        let says = format!("{} is a master of {slots}: drain it first with `node drain {}`", node.address, node.address);
        reasons.push(Code::NodeOwnsSlots.because(says));
    }
    if node.is_master() && node.slot_count == 0 && node.info.as_ref().is_some_and(|info| info.keys > 0) {
        let says = format!("{} is a master and holds keys: only an empty node can become a replica", node.address);
        reasons.push(Code::NodeNotEmpty.because(says));
    }
    reasons.extend(last_copy(model, node));
    for (which, what) in [(node, "the replica"), (master, "the master")] {
        if !is_up(which) || !which.health.serves() {
            let code = if which.id == master.id { Code::MasterDown } else { Code::NodeDown };
            reasons.push(code.because(format!("{} ({what}) {}", which.address, which.health.says())));
        }
    }
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let says = format!("make {} a replica of {}", node.address, master.address);
    let steps = vec![step(node, vec![format!("CLUSTER REPLICATE {}", master.id)], StepKind::Command, says)];
    let intent = Intent::Replicate { node: node.address.to_string(), master: master.address.to_string() };
    let verify = format!("every node knows {} as a replica of {}, and its link is up", node.address, master.address);
    let mut plan = draw_up(intent, model, steps, verify, node);
    plan.impact.shards.extend(master.shard);
    plan.warnings.push(format!("its data is dropped and {} copied from {}", all_of(master), master.address));
    if let Some(old) = model.topology().shard_of(node.id).filter(|old| old.master != Some(node.id)) {
        let left = old.replicas.iter().filter(|id| **id != node.id).count();
        if left == 0 {
            plan.warnings.push(format!("shard {} is left without a replica", old.name));
        }
    }
    Ok(plan)
}

/// What a copy of a master has to bring over.
pub(crate) fn all_of(master: &Node) -> String {
    let bytes = master.info.as_ref().and_then(|info| info.used_memory_dataset);
    bytes.map_or_else(|| "an unknown number of bytes is".into(), |bytes| format!("{} are", quantity::bytes(bytes)))
}

pub(crate) fn drain(name: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let node = resolve::node(facts.model, name)?;
    if node.slot_count == 0 {
        // One that has been drained is often a replica of the target by now.
        return Err(Refusal::nothing(format!("{} is a {} and owns no slots", node.address, node.role), Vec::new()));
    }
    // The others are not levelled on this occasion: only what leaves this node is moved.
    let targets = rebalance::shed(facts, node)?;
    let reasons = moves::obstacles(facts, &targets);
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let intent = Intent::Drain { node: node.address.to_string() };
    let plan = moves::draw_up(intent, facts, moves::group(facts, &targets), Pace::Calm)?;
    Ok(plan)
}

/// What keeps a node from being taken out: slots, replicas, or being the last of its kind.
pub(crate) fn ties(model: &Model, node: &Node) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if node.slot_count > 0 {
        let slots = quantity::count(node.slot_count, "slot");
        let what = if is_up(node) {
            format!("`node drain {}` first", node.address)
        } else {
            "its replica has to take over first, or its data come back".into()
        };
        reasons.push(Code::NodeOwnsSlots.because(format!("{} owns {slots}: {what}", node.address)));
    }
    reasons.extend(followed(model, node));
    reasons
}

/// It has replicas.
fn followed(model: &Model, node: &Node) -> Option<Reason> {
    let followers = || model.nodes().filter(|other| other.is_replica() && other.master == Some(node.id));
    let first = called(followers().next()?);
    let all: Vec<String> = followers().map(called).collect();
    let what = if all.len() == 1 { "replicates" } else { "replicate" };
    let all = quantity::list(&all);
    Some(Code::NodeHasReplicas.because(match followers().find(|other| is_up(other)) {
        Some(living) => {
            format!("{all} {what} it: give them another master first, `node replicate {} --master …`", living.address)
        }
        None => format!("{all} {what} it and are gone too: they go first, `node forget {first}`"),
    }))
}

/// CLUSTER FORGET on everybody else who answers; those who do not will tell the others about it again.
pub(crate) fn forget_everywhere(model: &Model, node: &Node, warnings: &mut Vec<String>) -> Vec<Step> {
    let others: Vec<&Node> = model.nodes().filter(|other| other.id != node.id && other.id.is_member()).collect();
    let is_deaf = |other: &Node| other.health.is_down() || other.flags.noaddr;
    let deaf: Vec<String> = others.iter().filter(|other| is_deaf(other)).map(|other| called(other)).collect();
    if !deaf.is_empty() {
        warnings.push(format!(
            "{} cannot be told and would bring it back when they return: forget it again then",
            quantity::list(&deaf)
        ));
    }
    let command = format!("CLUSTER FORGET {}", node.id);
    let told = others.into_iter().filter(|other| !is_deaf(other));
    let says = |other: &Node| format!("{} forgets {}", other.address, called(node));
    told.map(|other| step(other, vec![command.clone()], StepKind::Command, says(other))).collect()
}

/// Its address; or its id, where nobody knows an address of it any more.
pub(crate) fn called(node: &Node) -> String {
    if node.flags.noaddr { node.id.to_string() } else { node.address.to_string() }
}

/// Its master does not answer, or is marked as failing, and no other replica of it works: what is on this node may be on no
/// other.
fn last_copy(model: &Model, node: &Node) -> Option<Reason> {
    let master = model.node(node.master.filter(|_| node.is_replica())?)?;
    let well = |node: &Node| is_up(node) && node.health.is_alive() && !node.flags.suspected;
    let another = |other: &Node| other.id != node.id && other.is_replica() && other.master == Some(master.id) && well(other);
    let needed = !well(master) && !model.nodes().any(another);
    needed.then(|| {
        Code::MasterDown.because(format!(
            "{} replicates {}, which {}, and no other replica of it works: what is on {} may be on no other node",
            node.address,
            master.address,
            if master.health.is_alive() { "the cluster takes for failed" } else { master.health.says() },
            node.address
        ))
    })
}

pub(crate) fn remove(name: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    let node = resolve::node(model, name)?;
    let gives = node.is_master() && node.slot_count > 0 && is_up(node);
    let mut reasons = if gives { followed(model, node).into_iter().collect() } else { ties(model, node) };
    if node.health.is_down() {
        reasons.push(Code::NodeDown.because(format!(
            "{} {}: a node that is gone is forgotten with `node forget {}`",
            node.address,
            node.health.says(),
            node.address
        )));
    }
    reasons.extend(last_copy(model, node));
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let mut warnings = Vec::new();
    let mut steps = forget_everywhere(model, node, &mut warnings);
    // Told to forget it within the same minute, nobody learns of it again; reset, it does not knock either.
    steps.push(step(
        node,
        vec!["CLUSTER RESET HARD".into()],
        StepKind::Command,
        format!("{} forgets everybody, and gets a new id", node.address),
    ));
    let intent = Intent::Remove { node: node.address.to_string() };
    let mut plan = draw_up(intent, model, steps, format!("nobody remembers {}", node.address), node);
    if node.role == NodeRole::Replica {
        warnings.push(format!("the copy of the data on {} is dropped", node.address));
        let left = model.topology().shard_of(node.id).map_or(0, |shard| shard.replicas.iter().filter(|id| **id != node.id).count());
        if left == 0 {
            warnings.push("its shard is left without a replica".into());
        }
    }
    plan.warnings = warnings;
    plan.danger = Danger::Typed;
    if !gives {
        return Ok(plan);
    }
    // A master gives its slots first; the rest is done when every node says that they have gone.
    let mut given = drain(name, facts)?;
    given.steps.append(&mut plan.steps);
    given.warnings.append(&mut plan.warnings);
    Ok(Plan { intent: plan.intent, danger: plan.danger, ..given })
}

pub(crate) fn forget(name: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    let node = resolve::node(model, name)?;
    let mut reasons = ties(model, node);
    if !node.health.is_down() {
        let says = format!("{} is alive and would join again: `node remove {}` takes it out", node.address, node.address);
        reasons.push(Code::NodeAlive.because(says));
    }
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let mut warnings = Vec::new();
    let steps = forget_everywhere(model, node, &mut warnings);
    warnings.push(format!("if {} comes back within reach it joins again by itself: stop it for good, or reset it", node.address));
    let intent = Intent::Forget { node: node.address.to_string() };
    let mut plan = draw_up(intent, model, steps, format!("nobody remembers {}", node.address), node);
    plan.warnings = warnings;
    plan.danger = Danger::Typed;
    Ok(plan)
}

/// Membership plans rest on who is who: made again, they must come out the same.
pub(crate) fn unchanged(plan: &Plan, model: &Model) -> bool {
    let drops_data = match &plan.intent {
        Intent::Remove { node } | Intent::Replicate { node, .. } => resolve::node(model, node).ok(),
        _ => None,
    };
    fingerprint(&plan.intent, model) == plan.fingerprint && drops_data.is_none_or(|node| last_copy(model, node).is_none())
}

#[cfg(test)]
mod tests;
