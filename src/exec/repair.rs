//! IO. Slots put right: the facts are read, the repair is looked up, carried out for all slots that need the same, and read
//! again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::slots::heard::places;
use super::slots::interpret::{Halt, Interpreter};
use super::slots::keys::KeyMover;
use super::slots::meter::Meter;
use super::slots::node_timeout;
use super::telling::Telling;
use super::{agree, read, survey};
use crate::cluster::{Direction, Model, NodeId, Role, SlotSet, View};
use crate::plan::protocol::Repair;
use crate::plan::{self, Figure, OPEN, Outcome, Pace, Plan, Report, StepKind, Way};

const AGREE_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks at a cluster that is electing.
const LOOK_AGAIN: Duration = Duration::from_millis(300);
/// Another console that is at the same slots is given so long to end with them.
const OTHERS_WITHIN: Duration = Duration::from_secs(30);

/// What has become of slots that were to be put right.
#[derive(Debug, Default)]
struct Righted {
    /// What was done, and for which slots.
    done: BTreeMap<String, SlotSet>,
    /// Why it was not, and for which slots.
    troubles: BTreeMap<String, SlotSet>,
    /// What could not be brought to its owner and stays where it was.
    remarks: Vec<String>,
    at_risk: SlotSet,
}

impl Righted {
    fn failed(&mut self, why: String, slots: impl IntoIterator<Item = u16>) {
        self.troubles.entry(why).or_default().extend(slots);
    }

    fn left(&self) -> SlotSet {
        self.troubles.values().flat_map(SlotSet::iter).collect()
    }
}

fn named(slots: &SlotSet) -> String {
    format!("{} {slots}", if slots.len() == 1 { "slot" } else { "slots" })
}

/// What may have happened to keys, as a reason.
pub(super) fn may_be_lost(slots: &SlotSet) -> Option<String> {
    (!slots.is_empty()).then(|| format!("{} may have lost keys", named(slots)))
}

/// All repairs of a plan, one group of slots after the other; what cannot be repaired does not keep the others from it.
pub(super) async fn run(telling: &mut Telling, plan: &Plan, model: &Model, roll_back: bool) -> Report {
    let total = plan.steps.iter().map(|step| if let StepKind::Repair { slots, .. } = &step.kind { slots.len() } else { 0 });
    let meter = Meter::new(u32::try_from(total.sum::<usize>()).unwrap_or(u32::MAX));
    let mut now = model.clone();
    let (mut reasons, mut repaired, mut cancelled) = (Vec::new(), SlotSet::default(), false);
    let mut adopted = SlotSet::default();
    let mut at_risk = SlotSet::default();
    let mut owners: BTreeMap<u16, NodeId> = BTreeMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let StepKind::Repair { slots, repairs } = &step.kind else { continue };
        let adopts = matches!(repairs.as_slice(), [Repair::Adopt { .. }, ..]);
        cancelled = telling.safe_point().await;
        if cancelled {
            reasons.push(format!("stopped before {}: what was repaired stays so", named(slots)));
            break;
        }
        telling.step(index, &step.says).await;
        if !adopts && !adopted.is_empty() {
            // Until they hear of its owner the others call the cluster down, and refuse every key.
            heard_of(telling, &now, std::mem::take(&mut adopted)).await;
        }
        // What comes after an adoption is a step of its own: every slot has its owner before a key is moved.
        let once = repairs.first().filter(|_| adopts);
        let righted = put_right(telling, &meter, &mut now, slots, Way::asked(roll_back), once).await;
        let left = righted.left();
        reasons.extend(righted.troubles.iter().map(|(why, slots)| format!("{}: {why}", named(slots))));
        reasons.extend(righted.remarks);
        at_risk.extend(righted.at_risk.iter());
        for slot in slots.iter().filter(|slot| !left.contains(*slot)) {
            repaired.insert(slot);
            owners.extend(repairs.last().map(|repair| (slot, repair.owner_after())));
            if adopts {
                adopted.insert(slot);
            }
        }
        meter.slots(slots.len() - left.len());
        telling.say(meter.progress()).await;
    }
    if let Some((index, step)) = plan.steps.iter().enumerate().next_back() {
        telling.step(index, &step.says).await;
    }
    read::refresh(&mut now, &telling.links, telling.clock).await;
    reasons.extend(may_be_lost(&at_risk));
    reasons.extend(disagreement(telling, &now, &repaired).await);
    reasons.extend(others_won(&now, &owners));
    let figures = vec![(Figure::Slots, repaired.len() as f64)];
    let outcome = match (reasons.is_empty(), cancelled) {
        (true, _) => Outcome::Done,
        (false, true) => Outcome::Cancelled(reasons),
        (false, false) => Outcome::Failed(reasons),
    };
    telling.report(outcome, figures)
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

/// What a move that broke off has left.
pub(super) struct Broken<'a> {
    pub(super) slots: &'a SlotSet,
    /// A server refused to take keys: going back is the way, not going on.
    pub(super) roll_back: bool,
    /// Another console is at these slots; they were to go to these targets.
    pub(super) race: Option<&'a BTreeMap<u16, NodeId>>,
}

/// After a move that broke off: every slot it left open is finished or rolled back, waiting for an election where one
/// is due. Gives the slots that stay open, those whose keys may be lost, and sentences on what became of them.
pub(super) async fn after_stop(telling: &Telling, model: &mut Model, broken: &Broken<'_>) -> (SlotSet, SlotSet, Vec<String>) {
    if let Some(targets) = broken.race {
        others_end(telling, model, broken.slots, targets).await;
    }
    let timeout = model.node_timeout().unwrap_or(Duration::from_secs(15));
    let deadline = Instant::now() + (timeout * 3 + Duration::from_secs(10)).min(Duration::from_secs(70));
    let meter = Meter::new(0);
    let mut all = Righted::default();
    let mut left = broken.slots.clone();
    let mut attempt = 0;
    while !left.is_empty() && (attempt == 0 || Instant::now() < deadline) {
        // What was tried one way and did not work is tried the other way.
        let way = if broken.roll_back ^ (attempt % 4 == 3) { Way::BackAtOnce } else { Way::On };
        let (ours, theirs) = match broken.race {
            None => (left.clone(), SlotSet::default()),
            Some(targets) => sides(model, &left, targets),
        };
        all.troubles.clear();
        for (slots, way) in [(ours, way), (theirs, Way::BackAtOnce)].into_iter().filter(|(slots, _)| !slots.is_empty()) {
            let righted = put_right(telling, &meter, model, &slots, way, None).await;
            for (what, slots) in righted.done {
                all.done.entry(what).or_default().extend(slots.iter());
            }
            righted.troubles.into_iter().for_each(|(why, slots)| all.failed(why, slots.iter()));
            all.remarks.extend(righted.remarks);
            all.at_risk.extend(righted.at_risk.iter());
        }
        left = all.left();
        attempt += 1;
        if !left.is_empty() {
            sleep(LOOK_AGAIN).await;
        }
    }
    let mut said: Vec<String> = all.done.iter().map(|(what, slots)| format!("{}: {what}", named(slots))).collect();
    all.remarks.dedup();
    said.extend(all.remarks);
    said.extend(all.troubles.iter().map(|(why, slots)| format!("{} left open: {why}", named(slots))));
    (left, all.at_risk, said)
}

/// Slots that their owners give to our targets, and those that go, or went, somewhere else.
fn sides(model: &Model, slots: &SlotSet, targets: &BTreeMap<u16, NodeId>) -> (SlotSet, SlotSet) {
    let open = &model.topology().open;
    let ours = |slot: &u16| {
        let marks = open.iter().filter(|open| open.slot == *slot && open.direction == Direction::Migrating);
        marks.clone().count() > 0 && marks.clone().all(|open| Some(&open.peer) == targets.get(slot))
    };
    let (ours, theirs): (Vec<u16>, Vec<u16>) = slots.iter().partition(ours);
    (ours.into_iter().collect(), theirs.into_iter().collect())
}

/// Waits, for a while, until no master gives any of these slots to somebody else than our targets: whoever does that is not
/// worked against.
async fn others_end(telling: &Telling, model: &mut Model, slots: &SlotSet, targets: &BTreeMap<u16, NodeId>) {
    let deadline = Instant::now() + OTHERS_WITHIN;
    loop {
        read::refresh(model, &telling.links, telling.clock).await;
        let open = &model.topology().open;
        let given = open.iter().filter(|open| open.direction == Direction::Migrating && slots.contains(open.slot));
        if !given.clone().any(|open| targets.get(&open.slot) != Some(&open.peer)) || Instant::now() >= deadline {
            return;
        }
        sleep(LOOK_AGAIN / 3).await;
    }
}

/// Looks at these slots, repairs those together that need the same, and looks again, until none needs anything. `once`: this
/// repair has been agreed to, and is all that is done.
async fn put_right(
    telling: &Telling,
    meter: &Meter,
    model: &mut Model,
    slots: &SlotSet,
    way: Way,
    once: Option<&Repair>,
) -> Righted {
    let mut righted = Righted::default();
    let mut left: Vec<u16> = slots.iter().collect();
    let mut said: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for look in 0..plan::LOOKS {
        read::refresh(model, &telling.links, telling.clock).await;
        let holders = match survey::holders(&telling.links, model, &left).await {
            Ok(holders) => holders,
            Err(why) => {
                righted.failed(why, left);
                return told(righted, said);
            }
        };
        let mut groups: Vec<(Repair, Vec<u16>)> = Vec::new();
        for slot in std::mem::take(&mut left) {
            let evidence = plan::evidence(model, &holders, slot);
            let repair = match plan::repair(model, &evidence, way) {
                Err(why) => {
                    righted.failed(why, [slot]);
                    continue;
                }
                Ok(None) => {
                    said.entry(slot).or_default();
                    continue;
                }
                // Who has not heard of the repair before hears by gossip.
                Ok(Some(Repair::Tell { .. })) if look > 0 => continue,
                Ok(Some(repair)) => repair,
            };
            // No node holds keys: the owner that the operator confirmed.
            let repair = match (once, repair) {
                (Some(agreed @ Repair::Adopt { .. }), Repair::Adopt { .. }) if evidence.holders.values().all(|keys| *keys == 0) => {
                    agreed.clone()
                }
                (_, repair) => repair,
            };
            match groups.iter_mut().find(|(other, slots)| *other == repair && slots.len() < OPEN) {
                Some((_, slots)) => slots.push(slot),
                None => groups.push((repair, vec![slot])),
            }
        }
        for (repair, slots) in groups {
            match carry(telling, meter, model, &repair, &slots).await {
                Ok(remarks) => {
                    righted.remarks.extend(remarks);
                    for &slot in &slots {
                        said.entry(slot).or_default().push(repair.done(model));
                    }
                    left.extend(slots);
                }
                Err(halt) => {
                    righted.at_risk.extend(halt.at_risk.iter());
                    righted.failed(halt.why, slots);
                }
            }
        }
        // Keys that stay where they are look like work that is not done.
        if left.is_empty() || once.is_some() || !righted.remarks.is_empty() {
            return told(righted, said);
        }
        left.sort_unstable();
    }
    read::refresh(model, &telling.links, telling.clock).await;
    let still = match survey::holders(&telling.links, model, &left).await {
        Ok(holders) => {
            let needs = |slot: &u16| match plan::repair(model, &plan::evidence(model, &holders, *slot), way) {
                Ok(None | Some(Repair::Tell { .. })) => false,
                Ok(Some(_)) | Err(_) => true,
            };
            left.into_iter().filter(needs).collect()
        }
        Err(_) => left,
    };
    if !still.is_empty() {
        righted.failed(format!("still not well after {} repairs: run `fix` again", plan::LOOKS), still);
    }
    told(righted, said)
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

/// One repair for these slots. Some: what could not be brought to its owner and stays where it was.
async fn carry(telling: &Telling, meter: &Meter, model: &Model, repair: &Repair, slots: &[u16]) -> Result<Vec<String>, Halt> {
    let carried = steps(telling, meter, model, repair, slots).await;
    match (repair, carried) {
        // The target takes no more: what it has is brought back at once.
        (Repair::FinishAndBack { from, to, .. }, Err((halt, true))) => {
            telling.note(format!("{}; what is over there is brought back at once", halt.why)).await;
            let back = Repair::Return { at: vec![*to], owner: *from };
            steps(telling, meter, model, &back, slots).await.map_err(|(halt, _)| halt)
        }
        (_, carried) => carried.map_err(|(halt, _)| halt),
    }
}

/// The error comes with whether a server refused to take a key.
async fn steps(
    telling: &Telling,
    meter: &Meter,
    model: &Model,
    repair: &Repair,
    slots: &[u16],
) -> Result<Vec<String>, (Halt, bool)> {
    let keys = KeyMover::new(telling.clone(), meter.clone(), Pace::Calm, plan::migrate_patience(model, Pace::Calm));
    let mut interpreter = Interpreter::new(telling.clone(), places(model), keys, node_timeout(model));
    let mut carried = interpreter.run(&repair.steps(slots, model), Vec::new()).await;
    if carried.is_ok() {
        carried = interpreter.finish().await;
    }
    let differing: Vec<String> = interpreter.keys.differing.values().cloned().collect();
    match carried {
        Ok(()) if differing.is_empty() => Ok(Vec::new()),
        Ok(()) => {
            let slots: SlotSet = slots.iter().copied().collect();
            Ok(vec![format!("{}: not all keys are with their owner: {}", named(&slots), differing.join("; "))])
        }
        Err(halt) => Err((halt, interpreter.keys.refused)),
    }
}

/// Waits until every node that answers names an owner for these slots. Those that never do refuse what comes next, and say so.
async fn heard_of(telling: &Telling, model: &Model, slots: SlotSet) {
    let check = move |_: NodeId, view: &View| -> Result<(), String> {
        let owned: SlotSet = view.members.iter().flat_map(|member| member.slots.iter()).collect();
        if slots.iter().all(|slot| owned.contains(slot)) { Ok(()) } else { Err("it has not heard of the new owners".into()) }
    };
    drop(agree::reach(&telling.links, &read::places(model), AGREE_WITHIN, check).await);
}

/// Every node must name one owner for each slot, the same, and have none open.
async fn disagreement(telling: &Telling, model: &Model, slots: &SlotSet) -> Vec<String> {
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
            let open = view.myself().filter(|me| me.role == Role::Master).map(|me| &me.open);
            if open.is_some_and(|open| open.iter().any(|open| open.slot == slot)) {
                return Err(format!("slot {slot} is still open"));
            }
        }
        Ok(())
    };
    let agreement = agree::reach(&telling.links, &read::places(model), AGREE_WITHIN, check).await;
    if !agreement.silent().is_empty() {
        telling.note(format!("could not be asked: {}", agreement.silent().join(", "))).await;
    }
    agreement.differing()
}
