//! IO. A failover carried out: sent to the replica, then read back from every node until roles, slots and epoch agree.
//!
//! The servers answer OK at once and tell nobody how it ends, so the end is told apart here: finished, timed out, or
//! accepted without effect, with the reason as far as the nodes show it.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::context::OperationContext;
use super::read;
use super::read::agree::{self, Agreement};
use crate::cluster::{Address, Model, NodeId, NodeRole, SlotSet, View};
use crate::link::{Command, Failure, Lane, Reply};
use crate::plan::{Code, Figure, Intent, Mode, Outcome, Plan, Report, Step, StepKind, patience};

/// Between two questions to the replica.
const PACE: Duration = Duration::from_millis(4);
/// On top of the servers' own patience.
const MARGIN: Duration = Duration::from_secs(1);
/// Gossip to everybody, after the promotion.
const AGREE_WITHIN: Duration = Duration::from_secs(10);
/// Until the old master is seen as a replica in sync; a full copy takes longer and is told instead.
const RESYNC_WITHIN: Duration = Duration::from_secs(8);

/// Who takes whose place.
#[derive(Clone, Debug)]
struct Promotion {
    mode: Mode,
    replica: NodeId,
    at: Address,
    master: Option<NodeId>,
    slots: SlotSet,
    /// The highest epoch before: the new master's must be above.
    epoch: u64,
}

pub(super) async fn run(context: &mut OperationContext, plan: &Plan, model: &Model) -> Report {
    let Some((change, command)) = plan.steps.first().and_then(|step| change(plan, step, model)) else {
        let why = Code::BadRequest.because("the plan has no promotion: nothing was sent");
        return context.report(Outcome::Failed(vec![why]), Vec::new());
    };
    if context.safe_point().await {
        let why = Code::Stopped.because("stopped before anything was sent: nothing has changed");
        return context.report(Outcome::Cancelled(vec![why]), Vec::new());
    }
    if let Some(step) = plan.steps.first() {
        context.step(0, &step.says).await;
    }
    let sent = Instant::now();
    let mut figures = Vec::new();
    match context.send(&change.at, &command, context.links.settings().timeout).await {
        Ok(_) => figures.push((Figure::Accepted, millis(sent))),
        // Whether it arrived is read back like everything else.
        Err(Failure::Unknown(trouble)) => {
            context.note(format!("no reply from {} ({trouble}): reading back what it did", change.at)).await
        }
        Err(failure) => {
            let left = format!("{} refused {command}: {failure}; nothing has changed", change.at);
            return context.report(Outcome::Failed(vec![Code::CommandRefused.because(left)]), figures);
        }
    }
    let limit = model.node(change.replica).map_or(Duration::from_secs(5), patience) + MARGIN;
    if !promoted(context, &change, limit).await {
        let reasons = explain(context, &change, model, sent.elapsed()).await;
        return context.report(Outcome::Failed(Code::NotElected.each(reasons)), figures);
    }
    figures.push((Figure::Promoted, millis(sent)));
    verify(context, plan, model, change, sent, figures).await
}

fn change(plan: &Plan, step: &Step, model: &Model) -> Option<(Promotion, Command)> {
    let StepKind::Promote { replica, master, slots } = &step.kind else { return None };
    let Intent::Failover { mode, .. } = &plan.intent else { return None };
    let command = Command::words(step.commands.first()?);
    let (at, epoch) = (step.address.clone(), model.current_epoch());
    Some((Promotion { mode: *mode, replica: *replica, at, master: *master, slots: slots.clone(), epoch }, command))
}

/// Asks the replica for its role until it is master; false when the time is up.
async fn promoted(context: &OperationContext, change: &Promotion, limit: Duration) -> bool {
    let link = context.links.get(&change.at, Lane::Probe);
    let deadline = Instant::now() + limit;
    let role = Command::words("ROLE");
    while Instant::now() < deadline {
        match link.call(&role).await {
            Ok(reply) if reply.array().and_then(|words| words.first()).and_then(Reply::text).as_deref() == Some("master") => {
                return true;
            }
            // A user who may not ask for ROLE may ask for the whole view.
            Err(Failure::Server(_)) => {
                let view = read::view(&context.links, &change.at, limit).await;
                if view.is_ok_and(|view| view.myself().is_some_and(|me| me.role == NodeRole::Master)) {
                    return true;
                }
            }
            _ => {}
        }
        sleep(PACE).await;
    }
    false
}

async fn verify(
    context: &OperationContext,
    plan: &Plan,
    model: &Model,
    change: Promotion,
    sent: Instant,
    mut figures: Vec<(Figure, f64)>,
) -> Report {
    if let Some(step) = plan.steps.get(1) {
        context.step(1, &step.says).await;
    }
    let check = change.clone();
    let agreement =
        agree::reach(&context.links, &read::places(model), AGREE_WITHIN, move |id, view| against(&check, id, view)).await;
    figures.push((Figure::Agreed, millis(sent)));
    figures.push((Figure::NodesAgreed, agreement.agreeing() as f64));
    figures.push((Figure::NodesSilent, agreement.silent().len() as f64));
    if !agreement.silent().is_empty() {
        context.note(format!("could not be asked: {}", agreement.silent().join(", "))).await;
    }
    if !agreement.is_reached() {
        return context.report(Outcome::Failed(Code::NodesDisagree.each(disagreement(&change, &agreement))), figures);
    }
    let old = change.master.and_then(|id| model.node(id)).map(|node| node.address.clone());
    if let Some(old) = old.filter(|old| matches!(agreement.seen.get(old), Some(agree::LastWord::Agrees))) {
        let check = change.clone();
        let settled = agree::reach(&context.links, &read::places(model), AGREE_WITHIN, move |_, view| settled(&check, view)).await;
        if !settled.is_reached() {
            return context.report(Outcome::Failed(Code::NodesDisagree.each(disagreement(&change, &settled))), figures);
        }
        figures.push((Figure::Settled, millis(sent)));
        match in_sync(context, &old).await {
            Ok(()) => figures.push((Figure::Resynced, millis(sent))),
            Err(why) => context.note(format!("{old} is a replica now, and {why}: the shard has no copy until that is over")).await,
        }
    }
    context.report(Outcome::Done, figures)
}

/// What is wrong with a node's view, in its words.
fn against(change: &Promotion, speaker: NodeId, view: &View) -> Result<(), String> {
    let at = &change.at;
    let Some(new) = view.member(change.replica) else { return Err(format!("it does not know {at}")) };
    if new.role != NodeRole::Master {
        return Err(format!("{at} is a {}", new.role));
    }
    let owned: SlotSet = new.slots.iter().collect();
    let missing = change.slots.iter().filter(|slot| !owned.contains(*slot)).count();
    if missing > 0 {
        return Err(format!("{at} does not own {missing} of the {} slots", change.slots.len()));
    }
    if new.epoch <= change.epoch && change.mode != Mode::Takeover {
        return Err(format!("the epoch of {at} is {} and not above {}", new.epoch, change.epoch));
    }
    if change.master == Some(speaker)
        && let Some(me) = view.myself()
        && (me.role != NodeRole::Replica || me.master != Some(change.replica))
    {
        return Err(format!("it is still a {}", me.role));
    }
    Ok(())
}

/// The old master has to be known as a replica too, or it could not be voted back.
fn settled(change: &Promotion, view: &View) -> Result<(), String> {
    let Some(old) = change.master.and_then(|id| view.member(id)) else { return Ok(()) };
    if old.master == Some(change.replica) || old.flags.failed {
        return Ok(());
    }
    Err(format!("{} is still a {}", old.address, old.role))
}

/// Waits until a node's replication link is up; the error is why it is not.
async fn in_sync(context: &OperationContext, address: &Address) -> Result<(), String> {
    let deadline = Instant::now() + RESYNC_WITHIN;
    loop {
        let why = match read::info(&context.links, address, "replication").await {
            Ok(info) if info.master_link_up == Some(true) && !info.master_sync_in_progress => return Ok(()),
            Ok(info) if info.master_sync_in_progress => "is copying the data".to_owned(),
            Ok(_) => "its replication link is not up yet".to_owned(),
            Err(trouble) => format!("it does not answer ({trouble})"),
        };
        if Instant::now() > deadline {
            return Err(why);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The replica is still a replica: what the nodes show of the reason.
async fn explain(context: &OperationContext, change: &Promotion, model: &Model, waited: Duration) -> Vec<String> {
    let at = &change.at;
    let mut now = model.clone();
    read::refresh(&mut now, &context.links, context.clock).await;
    let seconds = waited.as_secs_f64();
    let mut reasons = vec![format!("{at} accepted the command and is still a replica {seconds:.1} s later")];
    let Some(node) = now.node(change.replica).filter(|node| !node.health.is_down()) else {
        reasons.push(format!("{at} does not answer any more: what it did will be seen when it does"));
        return reasons;
    };
    let info = node.info.as_deref();
    if change.mode == Mode::Graceful {
        if info.is_some_and(|info| info.master_link_up != Some(true)) {
            reasons
                .push("its replication link is down, so it never reached its master's offset; writes stood still for 5 s".into());
        } else if node.lag_bytes.is_some_and(|lag| lag > 0) {
            let lag = node.lag_bytes.unwrap_or(0);
            reasons.push(format!("it is {lag} B behind its master, so it did not reach its master's offset in time"));
        }
    }
    if now.current_epoch() > change.epoch {
        reasons.push(format!(
            "the epoch went from {} to {}: it stood for election and was not given the votes (masters vote once about one master in \
             two node timeouts, and a majority of them must answer)",
            change.epoch,
            now.current_epoch()
        ));
    } else if reasons.len() == 1 {
        reasons.push("it never stood for election; its log says why".into());
    }
    let stays =
        change.master.and_then(|master| now.node(master)).is_some_and(|master| master.is_master() && master.health.serves());
    if stays {
        reasons.push("the old master has its role and its slots; it is safe to plan again".into());
    }
    reasons
}

fn disagreement(change: &Promotion, agreement: &Agreement) -> Vec<String> {
    let mut reasons = vec![format!("{} is master, but not every node says so", change.at)];
    reasons.extend(agreement.differing());
    reasons.push("nothing has to be undone; look at the views again in some seconds".into());
    reasons
}

fn millis(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 10_000.0).round() / 10.0
}
