//! IO. Nodes that belong together are introduced to each other, all at once, until everybody knows everybody.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::context::OperationContext;
use crate::cluster::{Model, NodeId, SlotSet, View};
use crate::exec::read::{self, agree};
use crate::link::{Command, Failure};
use crate::plan::{self, Code, Outcome, Plan, Reason, Report, Step};
use crate::quantity;

const WITHIN: Duration = Duration::from_secs(5);
/// Gossip takes a few rounds, and a handshake that is not answered a node timeout.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Sends every CLUSTER MEET of the plan, and waits until all know each other and agree on slots.
pub(super) async fn run(context: &mut OperationContext, plan: &Plan, model: &Model) -> Report {
    if context.safe_point().await {
        let why = "stopped before anything was sent: nothing has changed";
        return context.report(Outcome::Cancelled(vec![Code::Stopped.because(why)]), Vec::new());
    }
    let told = plan.steps.iter().enumerate().map(|(index, step)| tell(context, index, step));
    let troubles: Vec<Reason> = join_all(told).await.into_iter().filter_map(Result::err).collect();
    if !troubles.is_empty() {
        return context.report(Outcome::Failed(troubles), Vec::new());
    }
    let speakers: Vec<NodeId> = model.views().map(|(id, _)| id).filter(NodeId::is_member).collect();
    let all: BTreeSet<NodeId> = speakers.iter().copied().collect();
    let mut nodes = read::places(model);
    nodes.retain(|(id, _)| all.contains(id));
    let names: std::collections::BTreeMap<NodeId, String> = all.iter().map(|id| (*id, model.label(*id))).collect();
    let knows_all = move |_: NodeId, view: &View| {
        let known = |id: &NodeId| view.member(*id).is_some_and(|member| !member.flags.handshake);
        match names.iter().find(|(id, _)| !known(id)) {
            Some((_, name)) => Err(format!("it does not know {name}")),
            None => Ok(()),
        }
    };
    let agreement = agree::reach(&context.links, &nodes, KNOWN_WITHIN, knows_all).await;
    if !agreement.is_reached() {
        let mut heard = agreement.differing();
        heard.extend(agreement.silent().into_iter().map(|who| format!("{who} could not be asked")));
        let why = format!(
            "introduced, and after {} they have not met: {}; look whether each reaches the other's cluster bus (its port plus 10000, or \
             cluster-port) at the address that it announces (cluster-announce-ip)",
            quantity::span(KNOWN_WITHIN),
            heard.join("; ")
        );
        return context.report(Outcome::Failed(vec![Code::NotJoined.because(why)]), Vec::new());
    }
    let mut now = model.clone();
    let deadline = Instant::now() + KNOWN_WITHIN / 2;
    let needy = loop {
        read::refresh(&mut now, &context.links, context.clock).await;
        let needy = plan::in_need(&plan::Facts::of(&now));
        let over = if needy.is_empty() { now.agrees() } else { settled(&now, &needy) };
        if over || Instant::now() >= deadline {
            break needy;
        }
        sleep(LOOK_AGAIN).await;
    };
    if !needy.is_empty() {
        context.note(format!("all know each other; {needy} still need a repair: run `fix` again")).await;
    }
    context.report(Outcome::Done, Vec::new())
}

/// Nothing that gossip would still put right: nobody owns these slots, or they are open.
fn settled(now: &Model, needy: &SlotSet) -> bool {
    let topology = now.topology();
    let open = topology.open_slots();
    needy.iter().all(|slot| topology.owner(slot).is_none() || open.contains(slot))
}

async fn tell(context: &OperationContext, index: usize, step: &Step) -> Result<(), Reason> {
    context.step(index, &step.says).await;
    for words in &step.commands {
        let command = Command::words(words);
        match context.send(&step.address, &command, WITHIN).await {
            Ok(_) => {}
            Err(Failure::Unknown(trouble)) => {
                let why = format!("{} gave no reply to {command} ({trouble}): it may have been done", step.address);
                return Err(Code::NoReply.because(why));
            }
            Err(failure) => {
                return Err(Code::CommandRefused.because(format!("{} did not do {command}: {failure}", step.address)));
            }
        }
    }
    Ok(())
}
