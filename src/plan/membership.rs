//! PURE. Who belongs to the cluster: add, re-parent, drain, remove, forget.

use crate::cluster::{Address, Model, Node, NodeId, Role};

use super::fingerprint::Fingerprint;
use super::preflight::is_up;
use super::{Danger, Facts, Intent, Pace, Plan, Prediction, Refusal, Step, StepKind, blast, moves, rebalance, resolve, words};

/// What a server says that shall join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newcomer {
    pub id: Option<NodeId>,
    /// Why it could not be asked.
    pub trouble: Option<String>,
    pub cluster_mode: bool,
    /// Nodes it knows besides itself.
    pub knows: u32,
    pub keys: u64,
    pub slots: u16,
}

/// Memberships change what every node knows: who is master and who follows whom must be as it was.
fn fingerprint(intent: &Intent, model: &Model) -> u64 {
    let print = Fingerprint::of("membership").and(intent);
    model.nodes().filter(|node| node.id.is_member()).fold(print, |print, node| print.node(node)).value()
}

fn draw_up(intent: Intent, model: &Model, steps: Vec<Step>, says: String, touched: &Node) -> Plan {
    let mut steps = steps;
    steps.push(step(touched, Vec::new(), StepKind::Verify, says));
    let fingerprint = fingerprint(&intent, model);
    let mut blast = touched.shard.map(|shard| blast::of_shard(model, shard)).unwrap_or_default();
    blast.slots = touched.slots.iter().collect();
    Plan {
        intent,
        cluster: model.name.clone(),
        steps,
        moves: Vec::new(),
        engine: None,
        prediction: Prediction { bytes_at_risk: Some(0), ..Prediction::default() },
        blast,
        before: Vec::new(),
        after: Vec::new(),
        warnings: Vec::new(),
        danger: Danger::Normal,
        fingerprint,
    }
}

fn step(node: &Node, commands: Vec<String>, kind: StepKind, says: String) -> Step {
    Step { node: node.id, address: node.address.clone(), commands, kind, says }
}

pub(super) fn add(address: &Address, replica_of: Option<&str>, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    if let Some(node) =
        model.node_at(address).filter(|node| node.id.is_member() && model.views().any(|(_, view)| view.member(node.id).is_some()))
    {
        return Err(Refusal::because(format!("{address} is in the cluster already, as a {}", node.role)));
    }
    let master = replica_of.map(|name| resolve::master(model, name)).transpose()?;
    let fresh = facts.slots.and_then(|slots| slots.newcomer.as_ref());
    let fresh = fresh.ok_or_else(|| Refusal::because(format!("nothing is known of {address} yet")))?;
    let mut reasons = Vec::new();
    if let Some(trouble) = &fresh.trouble {
        reasons.push(format!("{address} cannot be asked: {trouble}"));
    } else {
        if !fresh.cluster_mode {
            reasons.push(format!("{address} does not run in cluster mode: start it with cluster-enabled yes"));
        }
        if fresh.knows > 0 {
            let others = words::count(u64::from(fresh.knows), "other node");
            reasons
                .push(format!("{address} knows {others}: it belongs to a cluster; CLUSTER RESET HARD on it makes it a new node"));
        }
        if fresh.keys > 0 {
            reasons.push(format!(
                "{address} holds {}: a new node must be empty, FLUSHALL on it first",
                words::count(fresh.keys, "key")
            ));
        }
        if fresh.slots > 0 {
            reasons
                .push(format!("{address} owns {}: CLUSTER RESET HARD on it first", words::count(u64::from(fresh.slots), "slot")));
        }
    }
    let host =
        model.nodes().filter(|node| node.is_master() && is_up(node) && node.health.is_well()).find(|node| is_ip(&node.address));
    if host.is_none() {
        reasons.push("no master with a plain IP address answers, and CLUSTER MEET takes nothing else".into());
    }
    let (Some(host), [], Some(id)) = (host, reasons.as_slice(), fresh.id) else {
        return Err(Refusal::all(reasons));
    };
    let newcomer = Node::new(id, address.clone(), host.first_seen);
    let bus = model.views().find_map(|(_, view)| view.member(host.id)).map_or(0, |member| member.bus_port);
    let bus = if bus == 0 || bus == host.address.port.saturating_add(10_000) { String::new() } else { format!(" {bus}") };
    let meet = format!("CLUSTER MEET {} {}{bus}", host.address.host, host.address.port);
    let mut steps = vec![step(&newcomer, vec![meet], StepKind::Command, format!("introduce {address} to {}", host.address))];
    let mut says = format!("every node knows {address}");
    if let Some(master) = master {
        let replicate = format!("CLUSTER REPLICATE {}", master.id);
        steps.push(step(&newcomer, vec![replicate], StepKind::Command, format!("make {address} a replica of {}", master.address)));
        says = format!("every node knows {address} as a replica of {}, and its link is up", master.address);
    }
    let intent = Intent::AddNode { address: address.clone(), replica_of: master.map(|master| master.address.to_string()) };
    let mut plan = draw_up(intent, model, steps, says, &newcomer);
    plan.blast.shards.extend(master.and_then(|master| master.shard));
    if master.is_none() {
        plan.prediction.notes.push("it joins as a master without slots: `rebalance --use-empty-masters` gives it its share".into());
    }
    Ok(plan)
}

fn is_ip(address: &Address) -> bool {
    address.host.parse::<std::net::IpAddr>().is_ok()
}

pub(super) fn replicate(node: &str, master: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
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
        let slots = words::count(u64::from(node.slot_count), "slot");
        reasons.push(format!("{} is a master of {slots}: drain it first with `node drain {}`", node.address, node.address));
    }
    if node.is_master() && node.slot_count == 0 && node.info.as_ref().is_some_and(|info| info.keys > 0) {
        reasons.push(format!("{} is a master and holds keys: only an empty node can become a replica", node.address));
    }
    for (which, what) in [(node, "the replica"), (master, "the master")] {
        if !is_up(which) || !which.health.serves() {
            reasons.push(format!("{} ({what}) {}", which.address, which.health.says()));
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
    plan.blast.shards.extend(master.shard);
    let bytes = master.info.as_ref().and_then(|info| info.used_memory_dataset).unwrap_or(0);
    plan.warnings.push(format!("its data is dropped and {} are copied from {}", words::bytes(bytes), master.address));
    if let Some(old) = model.topology().shard_of(node.id).filter(|old| old.master != Some(node.id)) {
        let left = old.replicas.iter().filter(|id| **id != node.id).count();
        if left == 0 {
            plan.warnings.push(format!("shard {} is left without a replica", old.name));
        }
    }
    Ok(plan)
}

pub(super) fn drain(name: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let node = resolve::master(facts.model, name)?;
    if node.slot_count == 0 {
        return Err(Refusal::nothing(format!("{} owns no slots", node.address), Vec::new()));
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
fn ties(model: &Model, node: &Node) -> Vec<String> {
    let mut reasons = Vec::new();
    if node.slot_count > 0 {
        let slots = words::count(u64::from(node.slot_count), "slot");
        let what = if is_up(node) {
            format!("`node drain {}` first", node.address)
        } else {
            "its replica has to take over first, or its data come back".into()
        };
        reasons.push(format!("{} owns {slots}: {what}", node.address));
    }
    let followers: Vec<String> = model
        .nodes()
        .filter(|other| other.is_replica() && other.master == Some(node.id))
        .map(|other| other.address.to_string())
        .collect();
    if !followers.is_empty() {
        let first = followers.first().cloned().unwrap_or_default();
        reasons.push(format!(
            "{} replicate it: give them another master first, `node replicate {first} --master …`",
            words::list(&followers)
        ));
    }
    reasons
}

/// CLUSTER FORGET on everybody else who answers; those who do not will tell the others about it again.
fn forget_everywhere(model: &Model, node: &Node, warnings: &mut Vec<String>) -> Vec<Step> {
    let others: Vec<&Node> = model.nodes().filter(|other| other.id != node.id && other.id.is_member()).collect();
    let deaf: Vec<String> = others.iter().filter(|other| other.health.is_down()).map(|other| other.address.to_string()).collect();
    if !deaf.is_empty() {
        warnings
            .push(format!("{} cannot be told and would bring it back when they return: forget it again then", words::list(&deaf)));
    }
    let command = format!("CLUSTER FORGET {}", node.id);
    let told = others.into_iter().filter(|other| !other.health.is_down());
    told.map(|other| step(other, vec![command.clone()], StepKind::Command, format!("{} forgets {}", other.address, node.address)))
        .collect()
}

pub(super) fn remove(name: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    let node = resolve::node(model, name)?;
    let mut reasons = ties(model, node);
    if node.health.is_down() {
        reasons.push(format!(
            "{} {}: a node that is gone is forgotten with `node forget {}`",
            node.address,
            node.health.says(),
            node.address
        ));
    }
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
    if node.role == Role::Replica {
        warnings.push(format!("the copy of the data on {} is dropped", node.address));
        let left = model.topology().shard_of(node.id).map_or(0, |shard| shard.replicas.iter().filter(|id| **id != node.id).count());
        if left == 0 {
            warnings.push("its shard is left without a replica".into());
        }
    }
    plan.warnings = warnings;
    plan.danger = Danger::Typed;
    Ok(plan)
}

pub(super) fn forget(name: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    let node = resolve::node(model, name)?;
    let mut reasons = ties(model, node);
    if !node.health.is_down() {
        reasons.push(format!("{} is alive and would join again: `node remove {}` takes it out", node.address, node.address));
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
pub(super) fn unchanged(plan: &Plan, model: &Model) -> bool {
    fingerprint(&plan.intent, model) == plan.fingerprint
}
