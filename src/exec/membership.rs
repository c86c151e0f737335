//! IO. Membership carried out: command by command, then read back from everybody who answers.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::telling::Telling;
use super::{agree, read};
use crate::cluster::{Address, Model, NodeId, Role, View};
use crate::link::{Command, Failure, Lane};
use crate::plan::{self, Intent, Outcome, Plan, Report, Step, StepKind};

const WITHIN: Duration = Duration::from_secs(5);
/// Gossip about a newcomer, and a replica's first copy.
const KNOWN_WITHIN: Duration = Duration::from_secs(20);
const COPIED_WITHIN: Duration = Duration::from_secs(120);
/// A node that has not heard of another yet is asked again for this long.
const HEARD_WITHIN: Duration = Duration::from_secs(10);
/// A forgotten node must still be forgotten after this long: gossip that brings it back is quick.
const STILL: Duration = Duration::from_secs(2);

pub(super) async fn run(telling: &mut Telling, plan: &Plan, model: &Model) -> Report {
    let forgets = |step: &&Step| step.commands.iter().any(|command| command.starts_with("CLUSTER FORGET"));
    let commands: Vec<(usize, &Step)> = plan.steps.iter().enumerate().filter(|(_, step)| step.kind == StepKind::Command).collect();
    if telling.safe_point().await {
        return telling
            .report(Outcome::Cancelled(vec!["stopped before anything was sent: nothing has changed".into()]), Vec::new());
    }
    // Everybody within the same minute, or gossip brings it back: all at once.
    let told = commands.iter().filter(|(_, step)| forgets(step));
    let troubles: Vec<String> =
        join_all(told.map(|(index, step)| carry(telling, *index, step))).await.into_iter().filter_map(Result::err).collect();
    if !troubles.is_empty() {
        return telling.report(Outcome::Failed(troubles), Vec::new());
    }
    for (index, step) in commands.iter().filter(|(_, step)| !forgets(step)) {
        if let Err(trouble) = carry(telling, *index, step).await {
            return telling.report(Outcome::Failed(vec![trouble]), Vec::new());
        }
        if step.commands.iter().any(|command| command.starts_with("CLUSTER MEET"))
            && let Err(trouble) = met(telling, model, step).await
        {
            return telling.report(Outcome::Failed(vec![trouble]), Vec::new());
        }
    }
    if let Some((index, step)) = plan.steps.iter().enumerate().next_back() {
        telling.step(index, &step.says).await;
    }
    let troubles = verify(telling, plan, model).await;
    let outcome = if troubles.is_empty() { Outcome::Done } else { Outcome::Failed(troubles) };
    telling.report(outcome, Vec::new())
}

async fn carry(telling: &Telling, index: usize, step: &Step) -> Result<(), String> {
    telling.step(index, &step.says).await;
    let deadline = Instant::now() + HEARD_WITHIN;
    for words in &step.commands {
        let command = Command::words(words);
        loop {
            match telling.send(&step.address, &command, WITHIN).await {
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
                    return Err(format!("{} gave no reply to {command} ({trouble}): it may have been done", step.address));
                }
                Err(failure) => return Err(format!("{} did not do {command}: {failure}", step.address)),
            }
        }
    }
    Ok(())
}

/// Waits until everybody knows the newcomer, past the handshake.
async fn met(telling: &Telling, model: &Model, step: &Step) -> Result<(), String> {
    let (id, address) = (step.node, step.address.clone());
    let mut nodes = read::places(model);
    nodes.retain(|(known, _)| known.is_member());
    nodes.push((id, address.clone()));
    let count = nodes.len();
    let agreement = agree::reach(&telling.links, &nodes, KNOWN_WITHIN, move |_, view| {
        let known = view.members.iter().filter(|member| !member.flags.handshake).count();
        match view.member(id) {
            Some(member) if member.flags.handshake => Err("it is still shaking hands with it".into()),
            Some(_) if known + 1 < count => Err(format!("it knows {known} nodes")),
            Some(_) => Ok(()),
            None => Err("it does not know it".into()),
        }
    })
    .await;
    let deadline = Instant::now() + KNOWN_WITHIN;
    // Just joined, a node says for some seconds that the cluster is down, and takes nothing.
    while agreement.is_reached() && Instant::now() < deadline {
        let reply = telling.links.get(&address, Lane::Probe).call(&Command::words("CLUSTER INFO")).await;
        if reply.ok().and_then(|reply| reply.text()).is_some_and(|text| text.contains("cluster_state:ok")) {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    if agreement.is_reached() {
        Ok(())
    } else {
        Err(format!("{address} was introduced, but: {}", agreement.differing().join("; ")))
    }
}

async fn verify(telling: &Telling, plan: &Plan, model: &Model) -> Vec<String> {
    match &plan.intent {
        Intent::AddNode { replica_of: None, .. } => Vec::new(),
        Intent::AddNode { replica_of: Some(master), .. } | Intent::Replicate { master, .. } => {
            let Some(step) = plan.steps.first() else { return Vec::new() };
            let Ok(master) = plan::resolve_node(model, master) else { return Vec::new() };
            follows(telling, model, step.node, &step.address, master.id).await
        }
        Intent::Remove { node } | Intent::Forget { node } => {
            let Ok(node) = plan::resolve_node(model, node) else { return Vec::new() };
            forgotten(telling, model, node.id, &node.address).await
        }
        _ => Vec::new(),
    }
}

async fn follows(telling: &Telling, model: &Model, id: NodeId, address: &Address, master: NodeId) -> Vec<String> {
    let at = address.clone();
    let check = move |_: NodeId, view: &View| match view.member(id) {
        Some(member) if member.role == Role::Replica && member.master == Some(master) => Ok(()),
        Some(member) => Err(format!("{at} is a {} of somebody else", member.role)),
        None => Err(format!("it does not know {at}")),
    };
    let agreement = agree::reach(&telling.links, &read::places(model), KNOWN_WITHIN, check).await;
    if !agreement.is_reached() {
        return agreement.differing();
    }
    let deadline = Instant::now() + COPIED_WITHIN;
    while Instant::now() < deadline {
        let info = read::info(&telling.links, address, "replication").await;
        if info.is_ok_and(|info| info.master_link_up == Some(true) && !info.master_sync_in_progress) {
            return Vec::new();
        }
        sleep(Duration::from_millis(100)).await;
    }
    vec![format!("{address} is a replica, but its replication link is not up after {} s", COPIED_WITHIN.as_secs())]
}

async fn forgotten(telling: &Telling, model: &Model, id: NodeId, address: &Address) -> Vec<String> {
    let nodes: Vec<(NodeId, Address)> = read::places(model).into_iter().filter(|(known, _)| *known != id).collect();
    for wait in [Duration::ZERO, STILL] {
        sleep(wait).await;
        let check =
            move |_: NodeId, view: &View| if view.member(id).is_some() { Err("it remembers it".to_owned()) } else { Ok(()) };
        let agreement = agree::reach(&telling.links, &nodes, KNOWN_WITHIN, check).await;
        if !agreement.is_reached() {
            let mut troubles = vec![format!("{address} is not forgotten")];
            troubles.extend(agreement.differing());
            return troubles;
        }
    }
    telling
        .note(format!("the nodes refuse to learn of {address} again for a minute; after that only it can bring itself back"))
        .await;
    Vec::new()
}
