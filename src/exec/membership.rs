//! IO. Membership carried out: command by command, then read back from everybody who answers.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::context::{OperationContext, said};
use super::read::agree::Agreement;
use crate::cluster::{Address, Model, NodeId, NodeRole, View};
use crate::exec::read;
use crate::exec::read::agree;
use crate::link::{Command, Failure, Lane, Reply};
use crate::plan::{self, Code, Intent, Outcome, Plan, Progress, Reason, Refusal, Report, Step, StepKind};
use crate::quantity;

const WITHIN: Duration = Duration::from_secs(5);
/// Gossip about a joining node, and a replica's first copy.
const KNOWN_WITHIN: Duration = Duration::from_secs(20);
const MET_WITHIN: Duration = Duration::from_secs(6);
const COPIED_WITHIN: Duration = Duration::from_secs(120);
/// A node that has not heard of another yet is asked again for this long.
const HEARD_WITHIN: Duration = Duration::from_secs(10);
/// A forgotten node must still be forgotten after this long: gossip that brings it back is quick.
const STILL: Duration = Duration::from_secs(2);

fn forgets(step: &Step) -> bool {
    step.commands.iter().any(|command| command.starts_with("CLUSTER FORGET"))
}

/// Carries out the steps from this one on: those before it have been done.
pub(super) async fn run(context: &mut OperationContext, plan: &Plan, model: &Model, first: usize) -> Report {
    let mut index = first;
    // Everybody forgets within the same minute, or gossip brings it back: all at once.
    for steps in plan.steps.get(first..).unwrap_or_default().chunk_by(|a, b| forgets(a) && forgets(b)) {
        let forgetting = steps.iter().all(forgets);
        if (index == first || forgetting) && context.safe_point().await {
            return context.report(Outcome::Cancelled(vec![Code::Stopped.because(stopped(&plan.intent, index))]), Vec::new());
        }
        let troubles = if forgetting {
            all_forget(context, plan, model, steps, index).await
        } else {
            let mut troubles = Vec::new();
            for (nth, step) in steps.iter().enumerate() {
                troubles.extend(one(context, plan, model, step, index + nth).await);
            }
            troubles
        };
        if !troubles.is_empty() {
            return context.report(Outcome::Failed(troubles), Vec::new());
        }
        index += steps.len();
    }
    context.report(Outcome::Done, Vec::new())
}

/// What is left when it was stopped before this step.
fn stopped(intent: &Intent, index: usize) -> String {
    match intent {
        Intent::Replace { address, node } if index > 0 => {
            format!("stopped: {address} has joined and stays; nobody was told to forget {node}, `node forget {node}` does that")
        }
        Intent::Remove { node } if index > 0 => format!("stopped: {node} has given its slots away, and is still a member"),
        _ => "stopped before anything was sent: nothing has changed".into(),
    }
}

async fn one(context: &OperationContext, plan: &Plan, model: &Model, step: &Step, index: usize) -> Vec<Reason> {
    if step.kind == StepKind::Verify {
        context.step(index, &step.says).await;
        return verify(context, plan, model, step).await;
    }
    let carried = match &step.kind {
        StepKind::CopyFunctions { from } => copy_functions(context, index, step, from).await,
        _ => carry(context, index, step).await,
    };
    if let Err(trouble) = carried {
        return vec![trouble];
    }
    if step.commands.iter().any(|command| command.starts_with("CLUSTER MEET")) {
        return met(context, model, step).await.err().into_iter().collect();
    }
    Vec::new()
}

async fn all_forget(context: &OperationContext, plan: &Plan, model: &Model, steps: &[Step], index: usize) -> Vec<Reason> {
    let Intent::Replace { address, node } = &plan.intent else {
        return told(context, steps, index).await;
    };
    let dead = match plan::resolve_node(model, node) {
        Ok(dead) => dead,
        Err(refusal) => return refusal.reasons,
    };
    // The copy may have taken minutes: one that has come back meanwhile is not thrown out.
    let limit = context.links.settings().timeout;
    let back = read::view(&context.links, &dead.address, limit).await;
    if back.is_ok_and(|view| view.myself().is_some_and(|me| me.id == dead.id)) {
        let why = format!("{node} answers again and was not forgotten; {address} has joined and stays");
        return vec![Code::NodeAlive.because(why)];
    }
    let mut troubles = told(context, steps, index).await;
    if !troubles.is_empty() {
        let nodes: Vec<(NodeId, Address)> = steps.iter().map(|step| (step.node, step.address.clone())).collect();
        let still = agree::reach(&context.links, &nodes, STILL, without(dead.id)).await.differing();
        let rest = format!("{address} has joined and stays; once that is put right, `node forget {node}` does the rest");
        troubles.extend(Code::NotForgotten.each(still.into_iter().chain([rest])));
    }
    troubles
}

async fn told(context: &OperationContext, steps: &[Step], index: usize) -> Vec<Reason> {
    let all = steps.iter().enumerate().map(|(nth, step)| carry(context, index + nth, step));
    join_all(all).await.into_iter().filter_map(Result::err).collect()
}

async fn carry(context: &OperationContext, index: usize, step: &Step) -> Result<(), Reason> {
    context.step(index, &step.says).await;
    let deadline = Instant::now() + HEARD_WITHIN;
    for words in &step.commands {
        let command = Command::words(words);
        loop {
            match context.send(&step.address, &command, WITHIN).await {
                Ok(_) => break,
                // Forgotten already.
                Err(Failure::Server(error)) if words.contains("FORGET") && error.detail.contains("Unknown node") => break,
                // The news of the master has not come round yet.
                Err(Failure::Server(error))
                    if words.contains("REPLICATE") && error.detail.contains("Unknown node") && Instant::now() < deadline =>
                {
                    sleep(Duration::from_millis(100)).await;
                }
                Err(Failure::Unknown(trouble)) => {
                    let why = format!("{} gave no reply to {command} ({trouble}): it may have been done", step.address);
                    return Err(Code::NoReply.because(why));
                }
                Err(failure) => {
                    let why = format!("{} did not do {command}: {failure}", step.address);
                    return Err(Code::CommandRefused.because(why));
                }
            }
        }
    }
    Ok(())
}

/// The functions of a member, restored on a node that joins. What was there already makes it fail, and nothing is changed.
async fn copy_functions(context: &OperationContext, index: usize, step: &Step, from: &Address) -> Result<(), Reason> {
    context.step(index, &step.says).await;
    let dump = context.send(from, &Command::words("FUNCTION DUMP"), WITHIN).await;
    let Ok(Reply::Bytes(dump)) = dump else {
        let why = dump.err().map_or_else(|| "no dump".into(), |failure| failure.to_string());
        let why = format!("{from} did not give its functions (FUNCTION DUMP): {why}; nothing was changed");
        return Err(Code::CommandRefused.because(why));
    };
    let restore = Command::words("FUNCTION RESTORE").arg(&dump);
    let answer = context.links.get(&step.address, Lane::Work).call_within(&restore, WITHIN).await;
    let command = format!("FUNCTION RESTORE ({} bytes)", dump.len());
    let reply = answer.as_ref().map_or_else(ToString::to_string, said);
    context.say(Progress::Sent { address: step.address.clone(), command, reply }).await;
    match answer {
        Ok(_) => Ok(()),
        Err(Failure::Unknown(trouble)) => Err(Code::NoReply.because(format!(
            "{} gave no reply to FUNCTION RESTORE ({trouble}): it may have the functions now, and has not joined",
            step.address
        ))),
        Err(failure) => {
            let why = format!("{} did not take the functions: {failure}; it has not joined", step.address);
            Err(Code::CommandRefused.because(why))
        }
    }
}

/// Waits until everybody knows the joining node, past the handshake, and it serves.
async fn met(context: &OperationContext, model: &Model, step: &Step) -> Result<(), Reason> {
    let (id, address) = (step.node, step.address.clone());
    let mut nodes = read::places(model);
    // At a dead node's address the joining node itself answers.
    nodes.retain(|(known, at)| known.is_member() && *at != address);
    nodes.push((id, address.clone()));
    let count = nodes.len();
    // A handshake that has not come to its end after a node timeout is given up by the servers.
    let within = model.node_timeout().map_or(KNOWN_WITHIN, |timeout| (timeout * 3).clamp(MET_WITHIN, KNOWN_WITHIN));
    let agreement = agree::reach(&context.links, &nodes, within, move |_, view| {
        let known = view.members.iter().filter(|member| !member.flags.handshake).count();
        match view.member(id) {
            Some(member) if member.flags.handshake => Err("it is still shaking hands with it".into()),
            Some(_) if known + 1 < count => Err(format!("it knows {known} nodes")),
            Some(_) => Ok(()),
            None => Err("it does not know it".into()),
        }
    })
    .await;
    let meet = step.commands.iter().find_map(|command| command.strip_prefix("CLUSTER MEET ")).unwrap_or_default();
    if !agreement.is_reached() || !agreement.has_said(&address) {
        let met = meet.split(' ').take(2).collect::<Vec<_>>().join(":");
        let heard = if agreement.is_reached() { agreement.silent() } else { agreement.differing() };
        return Err(Code::NotJoined.because(format!(
            "{address} was introduced to {met}, and after {} they have not met: {}; look whether each reaches the other's cluster bus \
             (its port plus 10000, or cluster-port) at the address that it announces (cluster-announce-ip)",
            quantity::span(within),
            heard.join("; ")
        )));
    }
    let deadline = Instant::now() + KNOWN_WITHIN;
    // Where slots are not served every node says so, and the joining node will not say anything else.
    let down = model.nodes().any(|node| node.cluster_info.as_ref().is_some_and(|info| !info.ok) && !node.health.is_down());
    // Just joined, a node says for some seconds that the cluster is down, and takes nothing.
    loop {
        let reply = context.links.get(&address, Lane::Probe).call_within(&Command::words("CLUSTER INFO"), WITHIN).await;
        let said = match reply.map(|reply| reply.text()) {
            Ok(Some(text)) if text.contains("cluster_state:ok") => return Ok(()),
            Ok(Some(_)) if down => {
                context.note(format!("{address} has joined, and says cluster_state:fail like others do")).await;
                return Ok(());
            }
            Ok(_) => "says cluster_state:fail".to_owned(),
            Err(failure) => format!("does not say whether it serves ({failure})"),
        };
        if Instant::now() >= deadline {
            let after = quantity::span(KNOWN_WITHIN);
            let why = format!("{address} has joined, and after {after} it {said}: look at `check` before it is given slots");
            return Err(Code::NotJoined.because(why));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn verify(context: &OperationContext, plan: &Plan, model: &Model, step: &Step) -> Vec<Reason> {
    match &plan.intent {
        Intent::AddNode { replica_of: Some(master), .. } | Intent::Replicate { master, .. } => {
            let master = match plan::resolve_node(model, master) {
                Ok(master) => master,
                Err(refusal) => return unverified(refusal),
            };
            follows(context, model, step.node, &step.address, master.id).await
        }
        Intent::Replace { node, .. } => {
            let dead = match plan::resolve_node(model, node) {
                Ok(dead) => dead,
                Err(refusal) => return unverified(refusal),
            };
            if step.node != dead.id {
                return match plan::successor(model, dead) {
                    Ok(master) => follows(context, model, step.node, &step.address, master.id).await,
                    Err(refusal) => unverified(refusal),
                };
            }
            let nodes = plan.steps.iter().filter(|step| forgets(step)).map(|step| (step.node, step.address.clone()));
            forgotten(context, nodes.collect(), dead.id, node).await
        }
        Intent::Remove { node } | Intent::Forget { node } => {
            let gone = match plan::resolve_node(model, node) {
                Ok(gone) => gone,
                Err(refusal) => return unverified(refusal),
            };
            let nodes = read::places(model).into_iter().filter(|(known, _)| *known != gone.id).collect();
            forgotten(context, nodes, gone.id, node).await
        }
        _ => Vec::new(),
    }
}

/// Everything was sent, and what came of it could not be looked up: that is no success.
fn unverified(refusal: Refusal) -> Vec<Reason> {
    let why = "everything was sent, and what came of it could not be read back";
    std::iter::once(Code::NotReadBack.because(why)).chain(refusal.reasons).collect()
}

async fn follows(context: &OperationContext, model: &Model, id: NodeId, address: &Address, master: NodeId) -> Vec<Reason> {
    let at = address.clone();
    let check = move |_: NodeId, view: &View| match view.member(id) {
        Some(member) if member.role == NodeRole::Replica && member.master == Some(master) => Ok(()),
        Some(member) => Err(format!("{at} is a {} of somebody else", member.role)),
        None => Err(format!("it does not know {at}")),
    };
    let agreement = agree::reach(&context.links, &read::places(model), KNOWN_WITHIN, check).await;
    if !agreement.is_reached() {
        return unheard(&agreement);
    }
    let deadline = Instant::now() + COPIED_WITHIN;
    while Instant::now() < deadline {
        let info = read::info(&context.links, address, "replication").await;
        if info.is_ok_and(|info| info.master_link_up == Some(true) && !info.master_sync_in_progress) {
            return Vec::new();
        }
        sleep(Duration::from_millis(100)).await;
    }
    let why = format!("{address} is a replica, but its replication link is not up after {} s", COPIED_WITHIN.as_secs());
    vec![Code::NotInSync.because(why)]
}

/// Why a reading back has not come to its end; never empty.
fn unheard(agreement: &Agreement) -> Vec<Reason> {
    let mut reasons = Code::NodesDisagree.each(agreement.differing());
    if agreement.agreeing() == 0 {
        let why = format!("nobody answered the question what came of it: {}", agreement.silent().join(", "));
        reasons.push(Code::NotReadBack.because(why));
    }
    reasons
}

fn without(id: NodeId) -> impl Fn(NodeId, &View) -> Result<(), String> + Clone + Send + 'static {
    move |_, view| if view.member(id).is_some() { Err("it remembers it".to_owned()) } else { Ok(()) }
}

async fn forgotten(context: &OperationContext, nodes: Vec<(NodeId, Address)>, id: NodeId, name: &str) -> Vec<Reason> {
    let deadline = Instant::now() + KNOWN_WITHIN;
    for wait in [Duration::ZERO, STILL] {
        sleep(wait).await;
        loop {
            let agreement = agree::reach(&context.links, &nodes, STILL, without(id)).await;
            if agreement.is_reached() {
                break;
            }
            if Instant::now() >= deadline {
                let mut troubles = vec![Code::NotForgotten.because(format!("{name} is not forgotten"))];
                troubles.extend(unheard(&agreement));
                return troubles;
            }
            // News of it crossed the command: told again while the others still refuse it.
            let command = Command::words("CLUSTER FORGET").arg(id.to_string());
            let again = agreement.seen.iter().filter(|(_, seen)| matches!(seen, agree::LastWord::Differs(_)));
            join_all(again.map(|(address, _)| context.send(address, &command, WITHIN))).await;
        }
    }
    context.note(format!("the nodes refuse to learn of {name} again for a minute; after that only it can bring itself back")).await;
    Vec::new()
}
