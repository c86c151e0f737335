//! IO. All moves of a plan: disjoint pairs at once, one stop for all, read back from every node at the end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::context::OperationContext;
use super::read::agree::{self, Agreement};
use super::record::journal::{Fuse, Journal};
use super::repair::after_stop::{self, Broken, after_stop};
use super::repair::may_be_lost;
use super::slots::atomic::AtomicEngine;
use super::slots::evictions::Evictions;
use super::slots::group::{Claimed, KeyEngine};
use super::slots::heard;
use super::slots::interpret::Interpreter;
use super::slots::keys::KeyMover;
use super::slots::meter::Meter;
use super::slots::{MoveJob, MoveStop, SlotEngine, node_timeout};
use crate::cluster::{Address, Model, Node, NodeId, NodeRole, SlotSet, View};
use crate::exec::read;
use crate::exec::read::survey;
use crate::link::{Command, Lane, Reply};
use crate::plan::{self, Code, Danger, Figure, Intent, Objection, Outcome, Pace, Plan, Reason, Report, StepKind, WORKERS};

/// How often the screen hears how far it is.
const TELL_EVERY: Duration = Duration::from_millis(200);
/// Gossip to everybody, after the last slot.
const AGREE_WITHIN: Duration = Duration::from_secs(15);
/// Jobs under way at a time; each has a group of open slots.
const AT_ONCE: usize = 16;
/// For one question after the last slot.
const SETTLES: Duration = Duration::from_secs(2);

/// Where the servers know each other: MIGRATE is dialled by the source, not by us.
pub(super) fn jobs(plan: &Plan) -> Vec<MoveJob> {
    let job = |part: &crate::plan::Move| MoveJob {
        from: part.from,
        from_at: part.from_address.clone(),
        to: part.to,
        to_at: part.to_address.clone(),
        slots: part.slots.iter().collect(),
    };
    plan.moves.iter().map(job).collect()
}

/// The report, and the journal of what was begun.
pub(super) async fn run(
    context: &mut OperationContext,
    plan: &Plan,
    model: &Model,
    folder: &Path,
    fuse: Option<Fuse>,
) -> (Report, Option<Journal>) {
    if context.safe_point().await {
        let why = Code::Stopped.because("stopped before anything was sent: nothing has changed");
        let stopped = Outcome::Cancelled(vec![why]);
        return (context.report(stopped, Vec::new()), None);
    }
    let journal = match Journal::begin(folder, plan, context.clock.now(), fuse).await {
        Ok(journal) => journal,
        Err(why) => return (context.report(Outcome::Refused(vec![Code::StateFolder.because(why)]), Vec::new()), None),
    };
    for (index, step) in plan.steps.iter().enumerate().filter(|(_, step)| matches!(step.kind, StepKind::MoveSlots { .. })) {
        context.step(index, &step.says).await;
    }
    let jobs = jobs(plan);
    let total = jobs.iter().map(|job| job.slots.len()).sum::<usize>();
    let meter = Meter::new(u32::try_from(total).unwrap_or(u32::MAX));
    let halt = Arc::new(AtomicBool::new(false));
    let may_evict =
        matches!(&plan.danger, Danger::Contradicted(contradiction) if contradiction.objection == Objection::KeysEvicted);
    let stops_for = (!may_evict).then(|| halt.clone());
    let evictions = Evictions::begin(&context.links, jobs.iter().map(|job| job.to_at.clone()), stops_for).await;
    let (stops, claimed) = carry_all(context, plan, model, &jobs, &meter, &journal, &halt).await;
    let (evicted, unknown) = evictions.end().await;
    context.say(meter.progress()).await;

    let mut reasons = Vec::new();
    let (mut left, mut at_risk) = (SlotSet::default(), SlotSet::default());
    let mut now = model.clone();
    for sentence in unknown {
        context.note(sentence).await;
    }
    let mut evicted = Code::KeysEvicted.each(evicted);
    if may_evict {
        for reason in evicted.drain(..) {
            context.note(reason.says).await;
        }
    }
    reasons.extend(evicted.iter().cloned());
    reasons.extend(stops.iter().flat_map(|(_, stop)| code(stop).each(stop.reasons.iter().cloned())));
    left.extend(stops.iter().flat_map(|(_, stop)| stop.undecided.iter()));
    at_risk.extend(stops.iter().flat_map(|(_, stop)| stop.at_risk.iter()));
    let targets: BTreeMap<u16, NodeId> = jobs.iter().flat_map(|job| job.slots.iter().map(|slot| (*slot, job.to))).collect();
    let ends = jobs.iter().flat_map(|job| job.slots.iter().map(|slot| (*slot, [job.from, job.to]))).collect();
    let (until, was_asked) = (Instant::now() + after_stop::patience(model), context.is_aborted());
    for (race, roll_back) in [(false, false), (false, true), (true, false), (true, true)] {
        let stopped = stops.iter().filter(|(_, stop)| stop.race == race && stop.roll_back == roll_back);
        let open: SlotSet = stopped.flat_map(|(_, stop)| stop.open.iter()).collect();
        if !open.is_empty() {
            context.note(format!("{}; putting slots {open} right", reasons.join("; "))).await;
            let broken = Broken { slots: &open, roll_back, ends: &ends, race: race.then_some(&targets), until, was_asked };
            let (still, lost, said) = after_stop(context, &mut now, &broken).await;
            reasons.extend(Code::MoveBrokenOff.each(said));
            left.extend(still.iter());
            at_risk.extend(lost.iter());
        }
    }
    let cancelled = stops.iter().all(|(_, stop)| stop.cancelled) && !stops.is_empty() && evicted.is_empty();
    let mut figures = meter.figures();
    let outcome = if stops.is_empty() {
        match (verified(context, plan, model, &jobs, &claimed, &mut figures).await, evicted.is_empty()) {
            (outcome, true) => outcome,
            (outcome, false) => Outcome::Failed(evicted.into_iter().chain(outcome.reasons().iter().cloned()).collect()),
        }
    } else {
        let (done, astray) = arrived(context, &mut now, model, &jobs, &claimed).await;
        at_risk.extend(astray.iter());
        if let Some((_, slots)) = figures.iter_mut().find(|(figure, _)| *figure == Figure::Slots) {
            *slots = done as f64;
        }
        if cancelled && context.yields().await {
            reasons.push(Code::Stopped.because("stopped for a failover in one of its shards: ask again when that is over"));
        }
        reasons.push(Code::MoveBrokenOff.because(format!("{done} of {total} slots have moved and stay where they are")));
        reasons.extend(may_be_lost(&at_risk));
        if !left.is_empty() {
            reasons.push(Code::SlotsLeftOpen.because(format!("left open: {left}; `fix {left}` shows how to resume or roll back")));
        }
        let begun = done > 0 || stops.iter().any(|(_, stop)| stop.begun || !stop.open.is_empty());
        match (cancelled, begun) {
            (true, _) => Outcome::Cancelled(reasons),
            (false, true) => Outcome::Failed(reasons),
            (false, false) => Outcome::Refused(reasons),
        }
    };
    // Where more is to follow the end is not yet: who is killed before it finds the journal at the next start.
    if plan.after_moves().is_none() || outcome != Outcome::Done {
        end(context, &journal, &outcome, &left).await;
    }
    (context.report(outcome, figures), Some(journal))
}

/// How many slots are with their targets by now, or with a replica of theirs that took over: what was put right afterwards
/// counts, too. And those that a target had claimed and that belong to somebody else.
async fn arrived(
    context: &OperationContext,
    now: &mut Model,
    before: &Model,
    jobs: &[MoveJob],
    claimed: &SlotSet,
) -> (usize, SlotSet) {
    read::refresh(now, &context.links, context.clock).await;
    let (mut done, mut astray) = (0, SlotSet::default());
    for job in jobs {
        let shard = shard_of(before, job.to);
        for slot in &job.slots {
            match now.topology().owner(*slot) {
                Some(owner) if shard.contains(&owner) => done += 1,
                Some(_) if claimed.contains(*slot) => astray.extend([*slot]),
                _ => {}
            }
        }
    }
    (done, astray)
}

/// A master and those that were its replicas when the operation began: whoever of them is master later has taken over from it.
fn shard_of(before: &Model, master: NodeId) -> BTreeSet<NodeId> {
    let replicas = before.nodes().filter(|node| node.is_replica() && node.master == Some(master)).map(|node| node.id);
    replicas.chain([master]).collect()
}

/// The journal says how it ended.
pub(super) async fn end(context: &OperationContext, journal: &Journal, outcome: &Outcome, left: &SlotSet) {
    if let Err(error) = journal.end(outcome, left).await {
        context.note(error).await;
    }
}

/// Each job for several workers.
fn split(jobs: &[MoveJob], workers: u32) -> VecDeque<MoveJob> {
    let split = |job: &MoveJob| {
        let share = job.slots.len().div_ceil(workers as usize).max(1);
        job.slots.chunks(share).map(|slots| MoveJob { slots: slots.to_vec(), ..job.clone() }).collect::<Vec<_>>()
    };
    jobs.iter().flat_map(split).collect()
}

/// The engine that the plan has chosen.
enum Chosen {
    Keys(Box<KeyEngine>),
    Atomic(Box<AtomicEngine>),
}

impl SlotEngine for Chosen {
    async fn carry(&mut self, job: &MoveJob) -> Result<(), MoveStop> {
        match self {
            Self::Keys(engine) => engine.carry(job).await,
            Self::Atomic(engine) => engine.carry(job).await,
        }
    }
}

/// From whom to whom a job under way goes, and on which hosts they are.
#[derive(Clone, Debug, PartialEq)]
struct Route {
    from: NodeId,
    to: NodeId,
    hosts: [Arc<str>; 2],
}

impl Route {
    fn of(job: &MoveJob) -> Self {
        Self { from: job.from, to: job.to, hosts: [job.from_at.host.clone(), job.to_at.host.clone()] }
    }

    /// Whether it may begin beside those under way.
    fn is_free(&self, under_way: &[Self], by_server: bool, pace: Pace) -> bool {
        let giving = under_way.iter().filter(|other| other.from == self.from).count();
        match (by_server, pace) {
            // Servers that move slots by themselves do one group of a source at a time.
            (true, _) => giving == 0,
            // Servers of one host share its processors: players of all of them feel what two moves take there.
            (false, Pace::Calm) => !under_way.iter().any(|other| other.hosts.iter().any(|host| self.hosts.contains(host))),
            // Who gives and takes at once could claim a slot under an epoch that its source has just left behind.
            (false, Pace::Fast) => {
                giving < WORKERS as usize && !under_way.iter().any(|other| other.from == self.to || other.to == self.from)
            }
        }
    }
}

/// Bytes of a key of this node, on average.
fn key_bytes(model: &Model, id: NodeId) -> f64 {
    let info = model.node(id).and_then(|node| node.info.as_ref());
    info.map_or(0.0, |info| info.used_memory.unwrap_or(0) as f64 / info.keys.max(1) as f64)
}

/// Carries all jobs out, so many at a time. The first stop lets the others end their group and stop. Gives the stops, and the
/// slots that were claimed for their targets.
async fn carry_all(
    context: &OperationContext,
    plan: &Plan,
    model: &Model,
    jobs: &[MoveJob],
    meter: &Meter,
    journal: &Journal,
    halt: &Arc<AtomicBool>,
) -> (Vec<(MoveJob, MoveStop)>, SlotSet) {
    let pace = match &plan.intent {
        Intent::Rebalance { pace, .. } => *pace,
        _ => Pace::Calm,
    };
    let by_server = plan.engine == Some(plan::Engine::ValkeyAtomic);
    let workers = if by_server || pace == Pace::Calm { 1 } else { WORKERS };
    let (places, claimed) = (heard::places(model), Claimed::default());
    let serving: Vec<&Node> = model.nodes().filter(|node| node.health.serves()).collect();
    let engine = |job: &MoveJob| match by_server {
        true => Chosen::Atomic(Box::new(AtomicEngine {
            context: context.clone(),
            meter: meter.clone(),
            journal: journal.clone(),
            halt: halt.clone(),
            pace,
            key_bytes: key_bytes(model, job.from),
        })),
        false => {
            let keys = KeyMover::new(context.clone(), meter.clone(), pace, plan::migrate_patience(model, pace));
            let replica_of = |node: &&&Node| node.is_replica() && (node.master == Some(job.from) || node.master == Some(job.to));
            Chosen::Keys(Box::new(KeyEngine {
                interpreter: Interpreter::new(context.clone(), places.clone(), keys, node_timeout(model)),
                meter: meter.clone(),
                journal: journal.clone(),
                halt: halt.clone(),
                quiet: plan::claims_quietly(model, job.to),
                masters: serving.iter().filter(|node| node.is_master()).map(|node| node.id).collect(),
                replicas: serving.iter().filter(replica_of).map(|node| node.id).collect(),
                claimed: claimed.clone(),
            }))
        }
    };
    let mut waiting = split(jobs, workers);
    let mut under_way: Vec<Route> = Vec::new();
    let mut running = FuturesUnordered::new();
    let mut stops = Vec::new();
    let mut ticks = interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        if !halt.load(Ordering::Relaxed) {
            let is_free = |job: &MoveJob, under_way: &[Route]| Route::of(job).is_free(under_way, by_server, pace);
            while running.len() < AT_ONCE
                && let Some(job) = waiting.iter().position(|job| is_free(job, &under_way)).and_then(|at| waiting.remove(at))
            {
                under_way.push(Route::of(&job));
                let mut engine = engine(&job);
                running.push(async move {
                    let carried = engine.carry(&job).await;
                    (job, carried)
                });
            }
        }
        tokio::select! {
            ended = running.next() => match ended {
                None => return (stops, claimed.slots()),
                Some((job, result)) => {
                    if let Some(at) = under_way.iter().position(|route| *route == Route::of(&job)) {
                        under_way.swap_remove(at);
                    }
                    if let Err(stop) = result {
                        halt.store(true, Ordering::Relaxed);
                        stops.push((job, stop));
                    }
                }
            },
            _ = ticks.tick() => context.say(meter.progress()).await,
        }
    }
}

/// Every node that answers must say that the targets own their slots, none may be open, and no key be left behind.
async fn verified(
    context: &OperationContext,
    plan: &Plan,
    model: &Model,
    jobs: &[MoveJob],
    claimed: &SlotSet,
    figures: &mut Vec<(Figure, f64)>,
) -> Outcome {
    if let Some((index, step)) = plan.steps.iter().enumerate().find(|(_, step)| step.kind == StepKind::Verify) {
        context.step(index, &step.says).await;
    }
    let wanted: Arc<Vec<(NodeId, SlotSet)>> =
        Arc::new(jobs.iter().map(|job| (job.to, job.slots.iter().copied().collect())).collect());
    let agreement = agree::reach(&context.links, &read::places(model), AGREE_WITHIN, move |_, view| against(&wanted, view)).await;
    figures.push((Figure::NodesAgreed, agreement.agreeing() as f64));
    figures.push((Figure::NodesSilent, agreement.silent().len() as f64));
    if !agreement.silent().is_empty() {
        context.note(format!("could not be asked: {}", agreement.silent().join(", "))).await;
    }
    if !agreement.is_reached() {
        let mut now = model.clone();
        let (_, astray) = arrived(context, &mut now, model, jobs, claimed).await;
        return Outcome::Failed(disagreement(&agreement).into_iter().chain(may_be_lost(&astray)).collect());
    }
    // Others' word is not enough: the two that the slots went between know whether they are open.
    let unsaid: BTreeSet<&Address> =
        jobs.iter().flat_map(|job| [&job.from_at, &job.to_at]).filter(|address| !agreement.has_said(address)).collect();
    if !unsaid.is_empty() {
        let unsaid: Vec<String> = unsaid.iter().map(ToString::to_string).collect();
        let why = format!("the slots have moved, but {} could not be asked about them", unsaid.join(", "));
        return Outcome::Failed(vec![Code::NotReadBack.because(why)]);
    }
    let targets: BTreeMap<NodeId, Address> = jobs.iter().map(|job| (job.to, job.to_at.clone())).collect();
    let known =
        agree::on_epochs(&context.links, &read::places(model), &targets.into_iter().collect::<Vec<_>>(), AGREE_WITHIN).await;
    if !known.is_reached() {
        return Outcome::Failed(disagreement(&known));
    }
    let behind: Vec<Reason> = join_all(jobs.iter().map(|job| left_behind(context, job))).await.into_iter().flatten().collect();
    if behind.is_empty() { Outcome::Done } else { Outcome::Failed(behind) }
}

fn against(wanted: &[(NodeId, SlotSet)], view: &View) -> Result<(), String> {
    for (to, slots) in wanted {
        let Some(member) = view.member(*to) else { return Err("it does not know the new owner".into()) };
        let owned: SlotSet = member.slots.iter().collect();
        let missing: SlotSet = slots.iter().filter(|&slot| !owned.contains(slot)).collect();
        if !missing.is_empty() {
            return Err(format!("{} does not own {missing}", member.address));
        }
        let open =
            view.myself().map(|me| me.open.iter().map(|open| open.slot).filter(|&slot| slots.contains(slot)).collect::<SlotSet>());
        if let Some(open) = open.filter(|open| !open.is_empty()) {
            return Err(format!("{open} still open"));
        }
    }
    Ok(())
}

/// Keys that the source still has although it owns none of the slots.
async fn left_behind(context: &OperationContext, job: &MoveJob) -> Option<Reason> {
    let link = context.links.get(&job.from_at, Lane::Work);
    // One that has lost its last slot is a replica of the target, and holds the target's keys.
    if matches!(read::view(&context.links, &job.from_at, SETTLES).await, Ok(view) if view.myself().is_some_and(|me| me.role == NodeRole::Replica))
    {
        return None;
    }
    let counts =
        survey::pipelined(&link, job.slots.iter().map(|slot| Command::words(&format!("CLUSTER COUNTKEYSINSLOT {slot}")))).await;
    let behind: SlotSet = job
        .slots
        .iter()
        .zip(&counts)
        .filter(|(_, reply)| Reply::int(reply).is_some_and(|count| count > 0))
        .map(|(slot, _)| *slot)
        .collect();
    if counts.len() < job.slots.len() || counts.iter().any(|count| count.int().is_none()) {
        let why = format!("{} could not be asked whether it still holds keys of what it gave", job.from_at);
        return Some(Code::NotReadBack.because(why));
    }
    let why = format!("{} still holds keys of {behind}, which it does not own", job.from_at);
    (!behind.is_empty()).then(|| Code::KeysLeftBehind.because(why))
}

fn disagreement(agreement: &Agreement) -> Vec<Reason> {
    let first = "the slots have moved, but not every node says so".to_owned();
    Code::NodesDisagree.each(std::iter::once(first).chain(agreement.differing()))
}

/// What kind of stop it was.
fn code(stop: &MoveStop) -> Code {
    match () {
        () if stop.cancelled => Code::Stopped,
        () if stop.race => Code::SlotsContested,
        () if stop.roll_back => Code::TargetRefuses,
        () => Code::MoveBrokenOff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(from: &str, to: &str) -> Route {
        let at = |text: &str| text.parse::<Address>().unwrap();
        Route { from: NodeId::place(&at(from)), to: NodeId::place(&at(to)), hosts: [at(from).host, at(to).host] }
    }

    #[test]
    fn calm_is_one_move_a_host_and_fast_two_a_source() {
        let one = route("a:1", "b:1");
        let free = |route: &Route, under_way: &[Route], pace| route.is_free(under_way, false, pace);
        for (other, calm) in [(route("c:1", "d:1"), true), (route("c:1", "b:2"), false), (route("b:2", "c:1"), false)] {
            assert_eq!(free(&other, std::slice::from_ref(&one), Pace::Calm), calm, "{other:?}");
            assert!(free(&other, std::slice::from_ref(&one), Pace::Fast));
        }
        for both in [route("b:1", "c:1"), route("c:1", "a:1")] {
            assert!(!free(&both, std::slice::from_ref(&one), Pace::Fast), "a source must not take: {both:?}");
        }
        let twice = [one.clone(), route("a:1", "c:1")];
        assert!(free(&one, &twice[..1], Pace::Fast) && !free(&one, &twice, Pace::Fast));
        // Those that the servers do by themselves: one a source, whatever the pace.
        assert!(!one.is_free(&twice[..1], true, Pace::Fast) && route("d:1", "b:1").is_free(&twice, true, Pace::Calm));
    }

    #[test]
    fn workers_share_a_job() {
        let at: Address = "a:1".parse().unwrap();
        let job =
            MoveJob { from: NodeId::place(&at), from_at: at.clone(), to: NodeId::place(&at), to_at: at, slots: vec![1, 2, 3] };
        let slots = |workers| split(std::slice::from_ref(&job), workers).into_iter().map(|job| job.slots).collect::<Vec<_>>();
        assert_eq!((slots(1), slots(2)), (vec![vec![1, 2, 3]], vec![vec![1, 2], vec![3]]));
    }
}
