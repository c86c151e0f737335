//! IO. A failover beside a move of slots: the move stops where nothing is open, and the candidate knows every claim before it
//! takes over. One that had not heard would claim slots that have gone, and whoever has them would delete their keys.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::context::OperationContext;
use crate::cluster::{Model, NodeId, SlotRange, View};
use crate::exec::preflight::turn;
use crate::exec::read;
use crate::exec::read::agree;
use crate::exec::record::off_thread;
use crate::plan::{self, Code, Facts, Intent, Mode, Plan, Reason, StepKind};

/// A group with a big key takes its time; a move that waits for an election does not end before it.
const STOPS_WITHIN: Duration = Duration::from_secs(15);
const HEARS_WITHIN: Duration = Duration::from_secs(10);
/// Where no move is under way only gossip is waited for, and an emergency not for long.
const SOON: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(50);

/// Before a failover: our own move in the same shards stops, and the candidate has heard what the masters own. Gives the plan
/// as it is after that: the same change of master, of other slots. The error is why not; an emergency goes on without.
pub(super) async fn before(context: &OperationContext, folder: &Path, plan: &Plan, model: &Model) -> Result<Option<Plan>, Reason> {
    let Intent::Failover { mode, .. } = &plan.intent else { return Ok(None) };
    let Some((replica, master)) = change(plan) else { return Ok(None) };
    let touched: BTreeSet<NodeId> = [Some(replica), master].into_iter().flatten().collect();
    let Some(asked) = turn::ask_to_yield(folder, model, touched).await else {
        // A move that ended a moment ago, whoever made it: its claims may still be on their way to the candidate.
        if let Some(why) = unheard(context, replica, model, SOON).await {
            context.note(format!("{why}: slots that have moved a moment ago may lose keys")).await;
        }
        return Ok(None);
    };
    context.note(format!("{}: it is asked to stop where nothing is open", asked.what)).await;
    let deadline = Instant::now() + STOPS_WITHIN;
    let mut held = asked.is_held().await;
    while held && Instant::now() < deadline {
        sleep(LOOK).await;
        held = asked.is_held().await;
    }
    let mut why = held.then(|| format!("{} and has not stopped within {} s", asked.what, STOPS_WITHIN.as_secs()));
    off_thread(move || drop(asked)).await;
    if why.is_none() {
        why = unheard(context, replica, model, HEARS_WITHIN).await;
    }
    let mut now = model.clone();
    read::refresh(&mut now, &context.links, context.clock).await;
    let again = plan::plan(&plan.intent, &Facts::of(&now), context.clock.now()).ok();
    let again = again.filter(|again| change(again) == change(plan));
    match (why, mode) {
        (None, _) => Ok(again),
        (Some(why), Mode::Graceful) => {
            let says = format!("{why}: nothing was sent, since keys of the slots that have moved could be lost");
            Err(Code::OperationRunning.because(says))
        }
        (Some(why), _) => {
            context.note(format!("{why}: slots that have moved a moment ago may lose keys")).await;
            Ok(again)
        }
    }
}

/// Who takes over from whom.
fn change(plan: &Plan) -> Option<(NodeId, Option<NodeId>)> {
    plan.steps.iter().find_map(|step| match &step.kind {
        StepKind::Promote { replica, master, .. } => Some((*replica, *master)),
        _ => None,
    })
}

/// What the candidate has not heard of what the masters own.
async fn unheard(context: &OperationContext, replica: NodeId, model: &Model, within: Duration) -> Option<String> {
    let mut now = model.clone();
    read::refresh(&mut now, &context.links, context.clock).await;
    let address = now.node(replica)?.address.clone();
    let own: Vec<(NodeId, Vec<SlotRange>)> =
        now.nodes().filter(|node| node.is_master() && node.health.serves()).map(|node| (node.id, node.slots.clone())).collect();
    let check = move |_: NodeId, view: &View| {
        for (master, slots) in &own {
            if view.member(*master).is_none_or(|member| member.slots != *slots) {
                return Err("it has not heard of all slots that have moved".to_owned());
            }
        }
        Ok(())
    };
    let heard = agree::reach(&context.links, &[(replica, address)], within, check).await;
    let why = || heard.differing().into_iter().chain(heard.silent()).collect::<Vec<_>>().join("; ");
    (!heard.is_reached()).then(why)
}
