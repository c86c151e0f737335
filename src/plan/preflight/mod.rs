//! PURE. What is asked of the servers before anything is begun, and what their answers mean for a plan.

pub(crate) mod contradiction;
pub mod rights;
pub(crate) mod versions;

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::{Address, Model, Node, NodeId};
use crate::quantity;

use crate::plan::preflight::rights::{Right, RightSide};
use crate::plan::preflight::versions::{follows, named, reads, server};
use crate::plan::{Code, Danger, Engine, Intent, Libraries, Plan, Reason, Refusal, StepKind};

/// What one server of an operation answered.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub address: Option<Address>,
    /// Commands that it does not have: renamed away, or of a later version.
    pub absent: Vec<&'static str>,
    /// What our user may not call there.
    pub forbidden: Vec<&'static str>,
    /// Why the rights are not known.
    pub unknown: Option<String>,
}

/// Another console's operation on this cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Other {
    pub id: String,
    /// Who began it, on which host, with which process.
    pub who: String,
    pub what: String,
    /// As a clock there said it.
    pub since: String,
    /// Where it was seen.
    pub at: Address,
}

impl Other {
    pub fn says(&self) -> String {
        format!(
            "`{}`, begun by {} at {}, is under way on this cluster: wait for its end, or stop it there (if that console is gone, \
             its connection ends by itself within minutes; CLIENT LIST TYPE pubsub on {} shows it)",
            self.what, self.who, self.since, self.at
        )
    }
}

/// All answers that a plan rests on.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub user: String,
    pub rights: Vec<Answers>,
    pub libraries: BTreeMap<NodeId, Libraries>,
    pub others: Vec<Other>,
    /// Masters that do not say who else is at work, and why.
    pub unseen: Vec<String>,
}

/// The rights that an operation needs, on each of its servers.
pub fn wanted(plan: &Plan) -> BTreeMap<Address, Vec<&'static Right>> {
    let mut all: BTreeMap<Address, Vec<&'static Right>> = BTreeMap::new();
    let mut add = |at: Address, right: &'static Right| {
        let known = all.entry(at).or_default();
        if !known.iter().any(|other| other.command == right.command) {
            known.push(right);
        }
    };
    for (at, sides) in sides(plan) {
        let purposes = crate::plan::preflight::rights::purpose(plan);
        sides
            .iter()
            .flat_map(|side| purposes.into_iter().flat_map(|purpose| crate::plan::preflight::rights::needed(purpose, *side)))
            .for_each(|right| add(at.clone(), right));
    }
    // Steps that are literal commands need just these.
    for step in plan.steps.iter().filter(|step| matches!(step.kind, StepKind::Command | StepKind::CopyFunctions { .. })) {
        for (at, command) in step.sent() {
            crate::plan::preflight::rights::of_call(command).into_iter().for_each(|right| add(at.clone(), right));
        }
    }
    all
}

/// The servers that an operation needs rights on for what they are to it.
fn sides(plan: &Plan) -> BTreeMap<Address, BTreeSet<RightSide>> {
    let mut sides: BTreeMap<Address, BTreeSet<RightSide>> = BTreeMap::new();
    for part in &plan.moves {
        sides.entry(part.from_address.clone()).or_default().insert(RightSide::Source);
        sides.entry(part.to_address.clone()).or_default().insert(RightSide::Target);
    }
    if plan.moves.is_empty() {
        for step in plan.steps.iter().filter(|step| !step.commands.is_empty()) {
            let side = if matches!(plan.intent, Intent::Fix { .. }) { RightSide::Source } else { RightSide::Steps };
            sides.entry(step.address.clone()).or_default().insert(side);
        }
    }
    sides
}

/// The plan with what is worth knowing; or why it would fail.
pub fn foresee(mut plan: Plan, model: &Model, asked: &Asked) -> Result<Plan, Refusal> {
    let reasons = obstacles(&plan, model, asked);
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let moves_slots = !plan.moves.is_empty() || matches!(plan.intent, Intent::Fix { .. });
    if !moves_slots {
        plan.warnings.extend(asked.others.iter().map(Other::says));
    }
    if moves_slots && !asked.unseen.is_empty() {
        plan.prediction.notes.push(format!("whether another console is at work is not known: {}", asked.unseen.join("; ")));
    }
    for part in plan.moves.iter().filter(|_| plan.engine == Some(Engine::Keys)) {
        let at = model.node(part.to).and_then(|node| crate::plan::server_addresses(model, node).into_iter().next());
        if let Some(at) = at.filter(|at| *at != part.to_address) {
            plan.prediction.notes.push(format!("servers reach {} at {at}: MIGRATE is told that", part.to_address));
        }
    }
    let unknown: BTreeSet<&String> = asked.rights.iter().filter_map(|answers| answers.unknown.as_ref()).collect();
    if let Some(why) = unknown.first() {
        plan.prediction.notes.push(format!("whether user {} has every right for this is not known: {why}", asked.user));
    }
    functions(&mut plan, asked);
    versions(&mut plan, model);
    Ok(plan)
}

/// What would keep the operation from its end, by the servers' own word; each a sentence.
pub fn obstacles(plan: &Plan, model: &Model, asked: &Asked) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !plan.moves.is_empty() || matches!(plan.intent, Intent::Fix { .. }) {
        reasons.extend(Code::OperationRunning.each(asked.others.iter().map(Other::says)));
    }
    reasons.extend(asked.rights.iter().flat_map(|answers| lacking(answers, &asked.user)));
    let targets: BTreeSet<NodeId> = plan.moves.iter().map(|part| part.to).collect();
    reasons.extend(targets.iter().filter_map(|id| model.node(*id)).filter_map(|node| unsaved(node, plan.engine)));
    for part in &plan.moves {
        let (Some(from), Some(to)) = (model.node(part.from).and_then(server), model.node(part.to).and_then(server)) else {
            continue;
        };
        if reads(to, from) == Some(false) {
            reasons.push(Code::VersionTooOld.because(format!(
                "{} runs {} and cannot read the keys of {}, which runs {}: upgrade it first",
                part.to_address,
                named(to),
                part.from_address,
                named(from)
            )));
        }
    }
    reasons
}

fn lacking(answers: &Answers, user: &str) -> Vec<Reason> {
    let Some(at) = &answers.address else { return Vec::new() };
    let mut reasons = Vec::new();
    if !answers.absent.is_empty() {
        let names: Vec<String> = answers.absent.iter().map(|name| name.to_uppercase()).collect();
        reasons.push(Code::CommandMissing.because(format!(
            "{at} has no {}: renamed or disabled there (rename-command), and this needs it under its own name",
            quantity::list(&names)
        )));
    }
    if !answers.forbidden.is_empty() {
        let rules: Vec<String> = answers.forbidden.iter().map(|command| format!("+{command}")).collect();
        let says = format!("user {user} may not do this on {at}: `ACL SETUSER {user} {}` there gives the rights", rules.join(" "));
        reasons.push(Code::NotAllowed.because(says));
    }
    reasons
}

/// A target that could not save refuses writes; one that takes slots from its peer by itself dies of them.
fn unsaved(node: &Node, engine: Option<Engine>) -> Option<Reason> {
    let info = node.info.as_ref()?;
    let what = match (info.rdb_last_save_ok, info.aof_last_write_ok) {
        (Some(false), _) => "its last save failed (rdb_last_bgsave_status:err)",
        (_, Some(false)) => "it cannot write its append-only file (aof_last_write_status:err)",
        _ => return None,
    };
    let then = match engine {
        Some(Engine::ValkeyAtomic) => "taking slots it would end itself",
        _ => "it would refuse every key",
    };
    Some(Code::CannotSave.because(format!(
        "{} cannot save: {what}, and {then}; look at its disk and its log, and let a BGSAVE succeed there first",
        node.address
    )))
}

/// Rooms whose calls run functions that the target does not have fail there.
fn functions(plan: &mut Plan, asked: &Asked) {
    for part in &plan.moves {
        let (Some(from), Some(to)) = (asked.libraries.get(&part.from), asked.libraries.get(&part.to)) else { continue };
        let differ: Vec<String> =
            from.iter().filter(|(name, code)| to.get(*name) != Some(*code)).map(|(name, _)| name.clone()).collect();
        if !differ.is_empty() {
            plan.danger = Danger::Typed;
            plan.warnings.push(format!(
                "{} does not have the functions {} as {} has them: FCALL would fail for what moves; load them there first \
                 (FUNCTION DUMP on the one, FUNCTION RESTORE with REPLACE on the other)",
                part.to_address,
                quantity::list(&differ),
                part.from_address
            ));
        }
    }
}

/// Who cannot follow after a failover, and what is not known of a move.
fn versions(plan: &mut Plan, model: &Model) {
    for part in &plan.moves {
        let (from, to) = (model.node(part.from).and_then(server), model.node(part.to).and_then(server));
        let known = from.zip(to).and_then(|(from, to)| reads(to, from));
        if known.is_none() {
            let name = |server: Option<&crate::cluster::Server>| server.map_or_else(|| "an unknown version".into(), named);
            plan.warnings.push(format!(
                "{} runs {} and {} {}: whether keys of the one can be read by the other is not known, try one slot first",
                part.from_address,
                name(from),
                part.to_address,
                name(to)
            ));
        }
    }
    let Intent::Failover { .. } = plan.intent else { return };
    let Some(winner) = plan.prediction.winner.and_then(|id| model.node(id)) else { return };
    let Some(own) = server(winner) else { return };
    let shard = winner.shard.and_then(|name| model.topology().shards.iter().find(|shard| shard.name == name));
    let Some(shard) = shard else { return };
    let stay: Vec<&Node> =
        shard.master.iter().chain(&shard.replicas).filter(|id| **id != winner.id).filter_map(|id| model.node(*id)).collect();
    let behind: Vec<String> = stay
        .iter()
        .filter_map(|node| Some((node, server(node)?)))
        .filter(|(_, theirs)| follows(theirs, own) == Some(false))
        .map(|(node, theirs)| format!("{} ({})", node.address, named(theirs)))
        .collect();
    if behind.is_empty() {
        return;
    }
    let alone = behind.len() == stay.len();
    if alone {
        plan.danger = Danger::Typed;
    }
    let left = if alone { ", and the shard has no replica until they are upgraded" } else { "" };
    plan.warnings.push(format!(
        "{} runs {}, and {} cannot read its data: they cannot follow it{left}; upgrade them right after, or first",
        winner.address,
        named(own),
        quantity::list(&behind)
    ));
}
