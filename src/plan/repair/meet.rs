//! PURE. What comes before every repair of slots: nodes that belong together and do not know each other are introduced. Slots
//! of a node that is no member are given to nobody: it has their keys.

use std::net::IpAddr;

use crate::cluster::{Address, Estranged, Model, Node, NodeId, SlotSet, estranged};
use crate::plan::fingerprint::Fingerprint;
use crate::plan::membership::reach::server_addresses;
use crate::plan::{Code, Danger, Facts, Intent, Plan, Prediction, Reason, Refusal, Step, StepKind, impact};
use crate::quantity::{self, count};

/// The plan that introduces them; None when everybody knows everybody.
pub(super) fn plan(named: Option<&SlotSet>, roll_back: bool, facts: &Facts<'_>) -> Result<Option<Plan>, Refusal> {
    let model = facts.model;
    let strangers = estranged(model);
    if strangers.is_empty() {
        return Ok(None);
    }
    let mut reasons: Vec<Reason> = strangers.iter().filter_map(|one| foreign(model, one)).collect();
    reasons.extend(strangers.iter().flat_map(|one| disputed(facts, one)));
    let mut pairs: Vec<(NodeId, NodeId)> = Vec::new();
    for one in &strangers {
        // Who has forgotten the others meets one of them, and hears of the rest; everybody else has been told to forget it, and
        // does not believe what others say of it for a minute.
        let met = if one.lost { host(model, &strangers, one.node) } else { None };
        pairs.extend(met.map(|host| (one.node, host)));
        pairs.extend(one.unknown_to.iter().map(|teller| (*teller, one.node)));
    }
    let mut steps = Vec::new();
    for (teller, met) in pairs {
        let (Some(at), Some(node)) = (model.node(teller), model.node(met)) else { continue };
        let Some(words) = meet(model, node) else {
            let says = format!("{} has no plain IP address, and CLUSTER MEET takes nothing else", node.address);
            reasons.push(Code::NoPlainAddress.because(says));
            continue;
        };
        steps.push(Step {
            node: teller,
            address: at.address.clone(),
            commands: vec![words],
            kind: StepKind::Command,
            says: format!("introduce {} to {}", node.address, at.address),
        });
    }
    reasons.dedup();
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let Some(last) = steps.last().cloned() else { return Ok(None) };
    let says = "read back from every node that it knows every other".into();
    steps.push(Step { commands: Vec::new(), kind: StepKind::Verify, says, ..last });
    let slots: SlotSet = strangers.iter().flat_map(|one| one.slots.iter()).collect();
    let notes = vec![
        format!("first of all {} to the others again: nobody takes slots of a node that can be met", introduced(model, &strangers)),
        "what slots need after that is planned anew: run `fix` again".into(),
    ];
    Ok(Some(Plan {
        intent: Intent::Fix { slots: named.cloned(), roll_back },
        cluster: model.name.clone(),
        fingerprint: fingerprint(model),
        steps,
        moves: Vec::new(),
        engine: None,
        prediction: Prediction { bytes_at_risk: Some(0), notes, ..Prediction::default() },
        impact: impact::of_slots(model, &slots, facts.slots),
        before: Vec::new(),
        after: Vec::new(),
        warnings: Vec::new(),
        danger: Danger::Normal,
    }))
}

fn introduced(model: &Model, strangers: &[Estranged]) -> String {
    let names: Vec<String> = strangers.iter().map(|one| model.label(one.node)).collect();
    format!("{} {} introduced", quantity::list(&names), if names.len() == 1 { "is" } else { "are" })
}

/// Who does not know whom.
pub(crate) fn fingerprint(model: &Model) -> u64 {
    let all = estranged(model);
    let one = |print: Fingerprint, one: &Estranged| {
        let print = print.and(one.node).and(one.lost).and(one.owns).and(&one.slots);
        one.unknown_to.iter().fold(print, |print, teller| print.and(teller))
    };
    all.iter().fold(Fingerprint::of("meet"), one).value()
}

/// It knows nodes that nobody else does.
fn foreign(model: &Model, one: &Estranged) -> Option<Reason> {
    (!one.foreign.is_empty()).then(|| {
        Code::OtherCluster.because(format!(
            "{} knows {} that this cluster does not know: it may belong to another one by now, and two clusters that meet become one; \
             look at CLUSTER NODES there",
            model.label(one.node),
            count(one.foreign.len(), "node")
        ))
    })
}

/// Two that own a slot, and do not know each other: the one with the lower epoch deletes its keys when they meet.
fn disputed(facts: &Facts<'_>, one: &Estranged) -> Vec<Reason> {
    let model = facts.model;
    let epoch = |id: NodeId| model.node(id).map_or(0, |node| node.epoch);
    let mut reasons = Vec::new();
    for conflict in model.topology().conflicts.iter().filter(|conflict| one.owns && conflict.claimants.contains(&one.node)) {
        // Of equal epochs one is raised when they meet: either may be the loser.
        let winner = conflict.claimants.iter().map(|id| epoch(*id)).max().unwrap_or(0);
        let sure = conflict.claimants.iter().filter(|id| epoch(**id) == winner).count() == 1;
        let held = facts.slots.and_then(|slots| slots.holders.get(&conflict.slot));
        let keys = |id: &NodeId| held.and_then(|held| held.get(id)).copied().unwrap_or(0);
        let loses = conflict.claimants.iter().find(|id| (!sure || epoch(**id) < winner) && keys(id) > 0);
        let Some(loser) = loses else { continue };
        reasons.push(Code::SlotsDisputed.because(format!(
            "slot {} and perhaps others: {} and another master that does not know it both own them, and {} would delete its keys when they \
             meet; save them first (stop nothing: BGSAVE there, or MIGRATE … COPY)",
            conflict.slot,
            model.label(one.node),
            model.label(*loser)
        )));
        break;
    }
    reasons
}

/// Whom it is introduced to: a master that is no stranger itself, or any other.
fn host(model: &Model, strangers: &[Estranged], stranger: NodeId) -> Option<NodeId> {
    let speakers: Vec<NodeId> = model.views().map(|(id, _)| id).filter(|id| *id != stranger && id.is_member()).collect();
    let rank = |id: &NodeId| {
        let node = model.node(*id);
        let strange = strangers.iter().any(|one| one.node == *id);
        (strange, !node.is_some_and(Node::is_master), node.map(|node| node.address.clone()))
    };
    speakers.into_iter().min_by_key(rank)
}

fn meet(model: &Model, node: &Node) -> Option<String> {
    let is_ip = |address: &Address| address.host.parse::<IpAddr>().is_ok();
    let at = server_addresses(model, node).into_iter().find(is_ip)?;
    let own = node.view.as_ref().and_then(|view| view.myself()).map_or(0, |me| me.bus_port);
    let bus = if own == 0 || own == at.port.saturating_add(10_000) { String::new() } else { format!(" {own}") };
    Some(format!("CLUSTER MEET {} {}{bus}", at.host, at.port))
}
