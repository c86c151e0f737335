//! IO. Slots put right: the facts are read, the repair is looked up, carried out for all slots that need the same, and read
//! again.

pub(crate) mod after_stop;
pub(crate) mod carry;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::sleep;

use crate::cluster::{Model, NodeId, NodeRole, SlotSet, View};
use crate::exec::context::OperationContext;
use crate::exec::read;
use crate::exec::read::agree;
use crate::exec::read::survey;
use crate::exec::repair::carry::{Carried, carry, named, steps};
use crate::exec::slots::interpret::Halt;
use crate::exec::slots::meter::Meter;
use crate::exec::slots::node_timeout;
use crate::plan::protocol::{Direction, Repair, fence};
use crate::plan::{self, Code, Figure, GoneOver, OPEN, Outcome, Plan, Reason, Report, StepKind};

const AGREE_WITHIN: Duration = Duration::from_secs(15);

/// What has become of slots that were to be put right.
#[derive(Debug, Default)]
struct Righted {
    /// What was done, and for which slots.
    done: BTreeMap<String, SlotSet>,
    /// Why it was not, and for which slots.
    troubles: BTreeMap<Reason, SlotSet>,
    /// What could not be brought to its owner and stays where it was.
    remarks: Vec<String>,
    at_risk: SlotSet,
    /// What is with its target whole, and is to come back.
    gone: Vec<GoneOver>,
}

/// What to do with slots, and what was seen of them a fence ago or longer.
struct Order<'a> {
    way: Direction,
    /// This repair has been agreed to, and is all that is done.
    once: Option<&'a Repair>,
    seen: BTreeMap<u16, Repair>,
    /// Somebody else's move may be why ours stopped: the ends of both are kept apart.
    strict: bool,
}

/// What one look at a slot came to.
struct SlotLook {
    repair: Result<Option<Repair>, Reason>,
    /// Some node holds keys of it.
    has_keys: bool,
}

impl Righted {
    fn failed(&mut self, why: Reason, slots: impl IntoIterator<Item = u16>) {
        self.troubles.entry(why).or_default().extend(slots);
    }

    /// Slots that two looks saw differently.
    fn moving(&mut self, slots: &SlotSet) {
        if !slots.is_empty() {
            let why = "somebody is moving it: what it needs changed between two looks, and nothing was sent";
            self.failed(Code::SlotsContested.because(why), slots.iter());
        }
    }

    fn left(&self) -> SlotSet {
        self.troubles.values().flat_map(SlotSet::iter).collect()
    }
}

/// What may have happened to keys, as a reason.
pub(crate) fn may_be_lost(slots: &SlotSet) -> Option<Reason> {
    (!slots.is_empty()).then(|| Code::KeysMayBeLost.because(format!("{} may have lost keys", named(slots))))
}

/// All repairs of a plan, one group of slots after the other; what cannot be repaired does not keep the others from it.
pub(crate) async fn run(context: &mut OperationContext, plan: &Plan, model: &Model, roll_back: bool) -> Report {
    let total = plan.steps.iter().map(|step| if let StepKind::Repair { slots, .. } = &step.kind { slots.len() } else { 0 });
    let meter = Meter::new(u32::try_from(total.sum::<usize>()).unwrap_or(u32::MAX));
    let mut now = model.clone();
    let (mut reasons, mut repaired, mut cancelled) = (Vec::new(), SlotSet::default(), false);
    let mut adopted = SlotSet::default();
    let mut at_risk = SlotSet::default();
    let mut owners: BTreeMap<u16, NodeId> = BTreeMap::new();
    let mut gone: Vec<GoneOver> = Vec::new();
    let seen = first_look(context, plan, &mut now, Direction::asked(roll_back)).await;
    for (index, step) in plan.steps.iter().enumerate() {
        let StepKind::Repair { slots, repairs } = &step.kind else { continue };
        let adopts = matches!(repairs.as_slice(), [Repair::Adopt { .. }, ..]);
        cancelled = context.safe_point().await;
        if cancelled {
            reasons.push(Code::Stopped.because(format!("stopped before {}: what was repaired stays so", named(slots))));
            break;
        }
        context.step(index, &step.says).await;
        if !adopts && !adopted.is_empty() {
            // Until they hear of its owner the others call the cluster down, and refuse every key.
            heard_of(context, &now, std::mem::take(&mut adopted)).await;
        }
        // What comes after an adoption is a step of its own: every slot has its owner before a key is moved.
        let once = repairs.first().filter(|_| adopts);
        let order = Order { way: Direction::asked(roll_back), once, seen: seen.clone(), strict: false };
        let mut righted = put_right(context, &meter, &mut now, slots, order).await;
        gone.append(&mut righted.gone);
        let left = righted.left();
        reasons.extend(righted.troubles.iter().map(|(why, slots)| why.code.because(format!("{}: {why}", named(slots)))));
        reasons.extend(Code::NotRepaired.each(righted.remarks));
        at_risk.extend(righted.at_risk.iter());
        for slot in slots.iter().filter(|slot| !left.contains(*slot)) {
            repaired.insert(slot);
            owners.extend(repairs.last().map(|repair| (slot, repair.owner_after())));
            if adopts {
                adopted.insert(slot);
            }
        }
        meter.slots(slots.len() - left.len());
        context.say(meter.progress()).await;
    }
    if let Some((index, step)) = plan.steps.iter().enumerate().next_back() {
        context.step(index, &step.says).await;
    }
    // Also after a stop: a move that is undone half-way is worse than one that is undone.
    let back = come_back(context, &meter, &mut now, &gone).await;
    reasons.extend(back.troubles.iter().map(|(why, slots)| why.code.because(format!("{} not back: {why}", named(slots)))));
    back.left().iter().for_each(|slot| {
        repaired.remove(slot);
        owners.remove(&slot);
    });
    at_risk.extend(back.at_risk.iter());
    read::refresh(&mut now, &context.links, context.clock).await;
    reasons.extend(may_be_lost(&at_risk));
    reasons.extend(Code::NodesDisagree.each(disagreement(context, &now, &repaired).await));
    reasons.extend(Code::SlotsContested.each(others_won(&now, &owners)));
    let figures = vec![(Figure::Slots, repaired.len() as f64)];
    let outcome = match (reasons.is_empty(), cancelled) {
        (true, _) => Outcome::Done,
        (false, true) => Outcome::Cancelled(reasons),
        (false, false) => Outcome::Failed(reasons),
    };
    context.report(outcome, figures)
}

/// Two masters that claim a slot are a race: the servers may settle it before anybody else does, and the loser's keys are
/// gone then.
fn others_won(now: &Model, expected: &BTreeMap<u16, NodeId>) -> Vec<String> {
    let shard = |id: NodeId| now.node(id).and_then(|node| node.shard);
    let mut found: BTreeMap<(NodeId, NodeId), SlotSet> = BTreeMap::new();
    for (&slot, &wanted) in expected {
        let owner = now.topology().owner(slot).filter(|&owner| owner != wanted && shard(owner) != shard(wanted));
        if let Some(owner) = owner {
            found.entry((wanted, owner)).or_default().insert(slot);
        }
    }
    let say = |((wanted, owner), slots): ((NodeId, NodeId), SlotSet)| {
        format!(
            "{}: expected owner {}, found {}: the servers or another console settled it first; keys may be lost, look for them with \
             `fix {slots} --dry-run`",
            named(&slots),
            now.label(wanted),
            now.label(owner)
        )
    };
    found.into_iter().map(say).collect()
}

/// What these slots need.
async fn look(
    context: &OperationContext,
    model: &mut Model,
    slots: &[u16],
    way: Direction,
) -> Result<BTreeMap<u16, SlotLook>, Reason> {
    read::refresh(model, &context.links, context.clock).await;
    let holders = survey::holders(&context.links, model, slots).await.map_err(|why| Code::NotCounted.because(why))?;
    let found = |&slot: &u16| {
        let evidence = plan::evidence(model, &holders, slot);
        let has_keys = evidence.holders.values().any(|keys| *keys > 0);
        (slot, SlotLook { repair: plan::repair(model, slot, &evidence, way), has_keys })
    };
    Ok(slots.iter().map(found).collect())
}

fn needed(found: &BTreeMap<u16, SlotLook>) -> BTreeMap<u16, Repair> {
    let repair = |(slot, found): (&u16, &SlotLook)| Some((*slot, found.repair.clone().ok()??));
    found.iter().filter_map(repair).collect()
}

/// One look at all slots of a plan, a fence before anything is done about any of them. What it does not see is looked at again.
async fn first_look(context: &OperationContext, plan: &Plan, now: &mut Model, way: Direction) -> BTreeMap<u16, Repair> {
    let slots =
        |step: &plan::Step| if let StepKind::Repair { slots, .. } = &step.kind { slots.clone() } else { SlotSet::default() };
    let slots: BTreeSet<u16> = plan.steps.iter().flat_map(|step| slots(step).iter().collect::<Vec<_>>()).collect();
    let slots: Vec<u16> = slots.into_iter().collect();
    let Ok(found) = look(context, now, &slots, way).await else { return BTreeMap::new() };
    sleep(fence(node_timeout(now))).await;
    needed(&found)
}

/// Looks at these slots, repairs those together that need the same, and looks again, until none needs anything. Nothing is
/// done but what two looks come to, a fence apart: what changes in between is somebody else's work.
async fn put_right(context: &OperationContext, meter: &Meter, model: &mut Model, slots: &SlotSet, order: Order<'_>) -> Righted {
    let Order { way, once, mut seen, strict } = order;
    let mut righted = Righted::default();
    let mut left: Vec<u16> = slots.iter().collect();
    let mut said: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    let mut moving = SlotSet::default();
    for round in 0..plan::LOOKS {
        // Who has not heard of the repair before hears by gossip.
        let tells_again = |repair: &Repair| round > 0 && matches!(repair, Repair::Tell { .. });
        let mut looked = look(context, model, &left, way).await;
        if let Ok(found) = &looked {
            let needs = needed(found);
            if needs.iter().any(|(slot, repair)| !tells_again(repair) && seen.get(slot) != Some(repair)) {
                seen = needs;
                sleep(fence(node_timeout(model))).await;
                looked = look(context, model, &left, way).await;
            }
        }
        let found = match looked {
            Ok(found) => found,
            Err(why) => {
                righted.failed(why, left);
                return told(righted, said);
            }
        };
        moving = SlotSet::default();
        let mut groups: Vec<(Repair, Vec<u16>)> = Vec::new();
        left.clear();
        for (&slot, SlotLook { repair, has_keys }) in &found {
            let repair = match repair {
                Err(why) => {
                    righted.failed(why.clone(), [slot]);
                    continue;
                }
                Ok(None) => {
                    said.entry(slot).or_default();
                    continue;
                }
                Ok(Some(repair)) if tells_again(repair) => continue,
                Ok(Some(repair)) if seen.get(&slot) != Some(repair) => {
                    moving.insert(slot);
                    left.push(slot);
                    continue;
                }
                Ok(Some(repair)) => repair,
            };
            // No node holds keys: the owner that the operator confirmed.
            let repair = match (once, repair) {
                (Some(agreed @ Repair::Adopt { .. }), Repair::Adopt { .. }) if !has_keys => agreed.clone(),
                (_, repair) => repair.clone(),
            };
            match groups.iter_mut().find(|(other, slots)| *other == repair && slots.len() < OPEN) {
                Some((_, slots)) => slots.push(slot),
                None => groups.push((repair, vec![slot])),
            }
        }
        seen = needed(&found);
        for (repair, slots) in groups {
            match carry(context, meter, model, &repair, &slots, strict).await {
                Ok(Carried { remarks, gone }) => {
                    righted.remarks.extend(remarks);
                    for &slot in &slots {
                        said.entry(slot).or_default().push(repair.done(model));
                    }
                    match gone {
                        Some(gone) => righted.gone.push(gone),
                        None => left.extend(slots),
                    }
                }
                Err(halt) => {
                    righted.at_risk.extend(halt.at_risk.iter());
                    righted.failed(halted(halt), slots);
                }
            }
        }
        // Keys that stay where they are look like work that is not done.
        if left.is_empty() || once.is_some() || !righted.remarks.is_empty() {
            righted.moving(&moving);
            return told(righted, said);
        }
        left.sort_unstable();
    }
    let still = match look(context, model, &left, way).await {
        Ok(found) => {
            let needs = |slot: &u16| match found.get(slot).map(|found| &found.repair) {
                Some(Ok(None | Some(Repair::Tell { .. }))) => false,
                Some(Ok(Some(_)) | Err(_)) | None => true,
            };
            left.into_iter().filter(needs).collect()
        }
        Err(_) => left,
    };
    let (moving, still): (SlotSet, SlotSet) = partitioned(still, &moving);
    righted.moving(&moving);
    if !still.is_empty() {
        let why = format!("still not well after {} repairs: run `fix` again", plan::LOOKS);
        righted.failed(Code::NotRepaired.because(why), still.iter());
    }
    told(righted, said)
}

/// A repair that did not come to its end.
fn halted(halt: Halt) -> Reason {
    if halt.race { Code::SlotsContested } else { Code::NotRepaired }.because(halt.why)
}

/// Those among these slots, and the others.
fn partitioned(slots: Vec<u16>, among: &SlotSet) -> (SlotSet, SlotSet) {
    let (inside, outside): (Vec<u16>, Vec<u16>) = slots.into_iter().partition(|slot| among.contains(*slot));
    (inside.into_iter().collect(), outside.into_iter().collect())
}

/// What was done, by slots with the same story.
fn told(mut righted: Righted, said: BTreeMap<u16, Vec<String>>) -> Righted {
    let left = righted.left();
    for (slot, what) in said.into_iter().filter(|(slot, _)| !left.contains(*slot)) {
        let what = if what.is_empty() { "needs no repair".into() } else { what.join(", then ") };
        righted.done.entry(what).or_default().insert(slot);
    }
    righted
}

/// All that have gone over come back: one wait for all of them, then one group after the other.
async fn come_back(context: &OperationContext, meter: &Meter, model: &mut Model, gone: &[GoneOver]) -> Righted {
    let mut righted = Righted::default();
    if gone.is_empty() {
        return righted;
    }
    read::refresh(model, &context.links, context.clock).await;
    let (before, groups) = plan::way_back(gone, model);
    let all: Vec<u16> = gone.iter().flat_map(|gone| gone.slots.iter().copied()).collect();
    context
        .note(format!(
            "{} with their targets whole: the way back begins when everybody has heard that",
            crate::quantity::count(all.len() as u64, "slot")
        ))
        .await;
    if let Err((halt, _)) = steps(context, meter, model, &before, &all).await {
        righted.at_risk.extend(halt.at_risk.iter());
        righted.failed(halted(halt), all);
        return righted;
    }
    for (gone, back) in gone.iter().zip(&groups) {
        if let Err((halt, _)) = steps(context, meter, model, back, &gone.slots).await {
            righted.at_risk.extend(halt.at_risk.iter());
            righted.failed(halted(halt), gone.slots.iter().copied());
        }
    }
    righted
}

/// Waits until every node that answers names an owner for these slots. Those that never do refuse what comes next, and say so.
async fn heard_of(context: &OperationContext, model: &Model, slots: SlotSet) {
    let check = move |_: NodeId, view: &View| -> Result<(), String> {
        let owned: SlotSet = view.members.iter().flat_map(|member| member.slots.iter()).collect();
        if slots.iter().all(|slot| owned.contains(slot)) { Ok(()) } else { Err("it has not heard of the new owners".into()) }
    };
    drop(agree::reach(&context.links, &read::places(model), AGREE_WITHIN, check).await);
}

/// Every node must name one owner for each slot, the same, and have none open.
async fn disagreement(context: &OperationContext, model: &Model, slots: &SlotSet) -> Vec<String> {
    if slots.is_empty() {
        return Vec::new();
    }
    let owners: BTreeMap<u16, NodeId> = slots.iter().filter_map(|slot| Some((slot, model.topology().owner(slot)?))).collect();
    let asked = slots.clone();
    let check = move |_: NodeId, view: &View| -> Result<(), String> {
        for slot in asked.iter() {
            let claims = |member: &&crate::cluster::Member| member.slots.iter().any(|range| range.contains(slot));
            let named: Vec<NodeId> = view.members.iter().filter(claims).map(|member| member.id).collect();
            if named.first() != owners.get(&slot) || named.len() != 1 {
                return Err(format!("slot {slot} belongs to another node"));
            }
            // Replicas of Valkey keep what their master had open: it is the master's word that counts.
            let open = view.myself().filter(|me| me.role == NodeRole::Master).map(|me| &me.open);
            if open.is_some_and(|open| open.iter().any(|open| open.slot == slot)) {
                return Err(format!("slot {slot} is still open"));
            }
        }
        Ok(())
    };
    let agreement = agree::reach(&context.links, &read::places(model), AGREE_WITHIN, check).await;
    if !agreement.silent().is_empty() {
        context.note(format!("could not be asked: {}", agreement.silent().join(", "))).await;
    }
    agreement.differing()
}
