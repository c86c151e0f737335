//! IO. One slot put right: the facts are read, the cure is looked up, carried out key by key, and read again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::command::must_be_ok;
use super::slots::keys::KeyEngine;
use super::slots::meter::Meter;
use super::slots::{Job, patience};
use super::telling::Telling;
use super::{agree, read, survey};
use crate::cluster::{Address, Model, NodeId, Role, SlotSet, View};
use crate::link::Command;
use crate::plan::{self, Cure, Figure, Outcome, Pace, Plan, Report, StepKind, Way};

const WITHIN: Duration = Duration::from_secs(5);
const AGREE_WITHIN: Duration = Duration::from_secs(15);
/// Between two looks at a cluster that is electing.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// All cures of a plan, one slot after the other; what cannot be cured does not keep the others from it.
pub(super) async fn run(telling: &mut Telling, plan: &Plan, model: &Model, roll_back: bool) -> Report {
    let meter = Meter::new(u32::try_from(plan.steps.len().saturating_sub(1)).unwrap_or(u32::MAX));
    let mut now = model.clone();
    let (mut reasons, mut cured, mut cancelled) = (Vec::new(), SlotSet::default(), false);
    let mut adopted = SlotSet::default();
    let mut heirs: BTreeMap<u16, NodeId> = BTreeMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let StepKind::Cure { slot, ref cures } = step.kind else { continue };
        let adopts = matches!(cures.as_slice(), [Cure::Adopt { .. }, ..]);
        cancelled = telling.safe_point().await;
        if cancelled {
            reasons.push(format!("stopped before slot {slot}: what was cured stays cured"));
            break;
        }
        telling.step(index, &step.says).await;
        if !adopts && !adopted.is_empty() {
            // Until they hear of its owner the others call the cluster down, and refuse every key.
            heard_of(telling, &now, std::mem::take(&mut adopted)).await;
        }
        let way = Way::asked(roll_back);
        // What comes after an adoption is a step of its own: every slot has its owner before a key is moved.
        let cured_now = match adopts {
            true => look(telling, &meter, &mut now, slot, way, true, cures.first())
                .await
                .map(|done| (String::new(), done.and_then(|(_, remark)| remark))),
            false => one(telling, &meter, &mut now, slot, way).await,
        };
        match cured_now {
            Ok((_, remark)) => {
                reasons.extend(remark.map(|remark| format!("slot {slot}: {remark}")));
                cured.insert(slot);
                heirs.extend(cures.last().map(|cure| (slot, cure.heir())));
                if adopts {
                    adopted.insert(slot);
                }
                meter.slots(1);
                telling.say(meter.progress()).await;
            }
            Err(reason) => reasons.push(format!("slot {slot}: {reason}")),
        }
    }
    if let Some((index, step)) = plan.steps.iter().enumerate().next_back() {
        telling.step(index, &step.says).await;
    }
    read::refresh(&mut now, &telling.links, telling.clock).await;
    reasons.extend(disagreement(telling, &now, &cured).await);
    reasons.extend(heirs.into_iter().filter_map(|(slot, heir)| another(&now, slot, heir)));
    let figures = vec![(Figure::Slots, cured.len() as f64)];
    let outcome = match (reasons.is_empty(), cancelled) {
        (true, _) => Outcome::Done,
        (false, true) => Outcome::Cancelled(reasons),
        (false, false) => Outcome::Failed(reasons),
    };
    telling.report(outcome, figures)
}

/// Two masters that claim a slot are a race: the servers may settle it before anybody else does, and the loser's keys are
/// gone then.
fn another(now: &Model, slot: u16, heir: NodeId) -> Option<String> {
    let shard = |id: NodeId| now.node(id).and_then(|node| node.shard);
    let owner = now.topology().owner(slot).filter(|&owner| owner != heir && shard(owner) != shard(heir))?;
    let (owner, heir) = (now.label(owner), now.label(heir));
    Some(format!(
        "slot {slot}: {heir} was to own it, and {owner} does; the servers settled it first, or somebody else was at it: look \
         whether its keys are there"
    ))
}

/// After a move that broke off: every slot it left open is finished or rolled back, waiting for an election where one
/// is due. Gives the slots that stay open, with the reasons, and sentences on what became of the others.
pub(super) async fn after_stop(telling: &Telling, model: &mut Model, slots: &SlotSet, roll_back: bool) -> (SlotSet, Vec<String>) {
    let timeout = model.node_timeout().unwrap_or(Duration::from_secs(15));
    let deadline = Instant::now() + (timeout * 3 + Duration::from_secs(10)).min(Duration::from_secs(70));
    let meter = Meter::new(0);
    let mut queue: VecDeque<(u16, u32)> = slots.iter().map(|slot| (slot, 0)).collect();
    let mut done: BTreeMap<String, SlotSet> = BTreeMap::new();
    let mut troubles: BTreeMap<u16, String> = BTreeMap::new();
    // With a silent node every look takes its time: nobody is given up before each has been tried since the last success.
    let mut in_vain = 0;
    while (in_vain < queue.len() || Instant::now() < deadline)
        && let Some((slot, attempt)) = queue.pop_front()
    {
        // What was tried one way and did not work is tried the other way.
        let way = if roll_back ^ (attempt % 4 == 3) { Way::BackAtOnce } else { Way::On };
        match one(telling, &meter, model, slot, way).await {
            Ok((said, remark)) => {
                in_vain = 0;
                troubles.remove(&slot);
                let said = match remark {
                    None => said,
                    Some(remark) => format!("{said}; {remark}"),
                };
                done.entry(said).or_default().insert(slot);
            }
            Err(reason) => {
                in_vain += 1;
                troubles.insert(slot, reason);
                queue.push_back((slot, attempt + 1));
                sleep(LOOK_AGAIN).await;
            }
        }
    }
    let left = queue.iter().map(|(slot, _)| *slot).collect();
    let mut why: BTreeMap<String, SlotSet> = BTreeMap::new();
    for (slot, reason) in troubles {
        why.entry(reason).or_default().insert(slot);
    }
    let name = |slots: &SlotSet| format!("{} {slots}", if slots.len() == 1 { "slot" } else { "slots" });
    let mut said: Vec<String> = done.iter().map(|(what, slots)| format!("{}: {what}", name(slots))).collect();
    said.extend(why.iter().map(|(why, slots)| format!("{} left open: {why}", name(slots))));
    (left, said)
}

/// Cures one slot, look after look, until nothing ails it. Says what was done, and what had to be left as it was.
async fn one(telling: &Telling, meter: &Meter, model: &mut Model, slot: u16, way: Way) -> Result<(String, Option<String>), String> {
    let mut said: Vec<String> = Vec::new();
    for _ in 0..plan::LOOKS {
        match look(telling, meter, model, slot, way, said.is_empty(), None).await? {
            None if said.is_empty() => return Ok(("nothing ails it".into(), None)),
            None => return Ok((said.join(", then "), None)),
            Some((done, remark)) => {
                said.push(done);
                // What had to be left will be found again by every look.
                if remark.is_some() {
                    return Ok((said.join(", then "), remark));
                }
            }
        }
    }
    Err(format!("{}, and still it is not well", said.join(", then ")))
}

/// One cure by what is true now; None when none is needed. `first`: no cure came before it; `planned`: what was agreed to.
async fn look(
    telling: &Telling,
    meter: &Meter,
    model: &mut Model,
    slot: u16,
    way: Way,
    first: bool,
    planned: Option<&Cure>,
) -> Result<Option<(String, Option<String>)>, String> {
    read::refresh(model, &telling.links, telling.clock).await;
    let holders = survey::holders(&telling.links, model, &[slot]).await?;
    let evidence = plan::evidence(model, &holders, slot);
    let Some(cure) = plan::cure(model, &evidence, way)? else { return Ok(None) };
    // Without keys anybody will do, and one was agreed to.
    let cure = match (planned, cure) {
        (Some(planned @ Cure::Adopt { .. }), Cure::Adopt { .. }) if evidence.holders.values().all(|keys| *keys == 0) => {
            planned.clone()
        }
        (_, cure) => cure,
    };
    // Who has not heard of the cure before hears by gossip.
    if !first && matches!(cure, Cure::Tell { .. }) {
        return Ok(None);
    }
    let mender = Mender { telling, meter, model, slot };
    let remark = mender.apply(&cure).await?;
    let said = match &cure {
        Cure::Finish { to, .. } => format!("the move to {} was finished", model.label(*to)),
        Cure::ThereAndBack { from, .. } => format!("rolled back, all keys are at {}", model.label(*from)),
        Cure::Return { owner, .. } => format!("rolled back, all keys are at {}", model.label(*owner)),
        Cure::Close { owner, .. } => format!("closed, at {}", model.label(*owner)),
        Cure::Adopt { owner, .. } => format!("given to {}", model.label(*owner)),
        Cure::Tell { owner, .. } => format!("everybody knows that {} owns it", model.label(*owner)),
        Cure::Settle { owner, .. } => format!("kept by {}", model.label(*owner)),
    };
    Ok(Some((said, remark)))
}

struct Mender<'a> {
    telling: &'a Telling,
    meter: &'a Meter,
    model: &'a Model,
    slot: u16,
}

impl Mender<'_> {
    /// Some: what could not be brought home and stays where it was.
    async fn apply(&self, cure: &Cure) -> Result<Option<String>, String> {
        match cure {
            Cure::Finish { from, to } => self.finish(*from, *to).await.map(|()| None),
            Cure::ThereAndBack { from, to } => {
                if let Err(why) = self.finish(*from, *to).await {
                    self.telling.note(format!("{why}; what is over there is brought home at once")).await;
                    return self.bring_home(&[*to], *from).await;
                }
                let back = self.job(*to, *from)?;
                let places = read::places(self.model);
                let known = agree::on_epochs(&self.telling.links, &places, &[(*to, self.place(*to)?)], AGREE_WITHIN).await;
                if !known.is_reached() || !known.has_said(&self.place(*from)?) {
                    let why = known.differing().into_iter().chain(known.silent()).collect::<Vec<_>>().join("; ");
                    return Err(format!("it has moved to {}, and does not come back yet: {why}", self.model.label(*to)));
                }
                let moved = self.engine(false).group(&back, &[self.slot]).await;
                moved.map(|()| None).map_err(|stop| stop.reasons.join("; "))
            }
            Cure::Return { at, owner } => self.bring_home(at, *owner).await,
            Cure::Close { at, owner } => {
                // The owner first, so that no player is sent on; what one has written over there meanwhile comes home.
                self.set(*owner, "STABLE").await?;
                let others: Vec<NodeId> = at.iter().copied().filter(|node| node != owner).collect();
                self.bring_home(&others, *owner).await
            }
            Cure::Adopt { owner, told, taken } => {
                if *taken {
                    self.command(*owner, &format!("CLUSTER DELSLOTS {}", self.slot)).await?;
                }
                self.command(*owner, &format!("CLUSTER ADDSLOTS {}", self.slot)).await?;
                self.bump(*owner).await;
                for other in told {
                    self.set(*other, &format!("NODE {owner}")).await?;
                }
                Ok(None)
            }
            Cure::Tell { owner, deaf } => {
                self.bump(*owner).await;
                for node in deaf {
                    self.set(*node, &format!("NODE {owner}")).await?;
                }
                Ok(None)
            }
            Cure::Settle { owner, losers } => {
                for loser in losers {
                    // An owner no more, it keeps its keys whatever it learns; then they can be brought home.
                    self.command(*loser, &format!("CLUSTER DELSLOTS {}", self.slot)).await?;
                }
                let remark = self.bring_home(losers, *owner).await?;
                self.bump(*owner).await;
                Ok(remark)
            }
        }
    }

    fn engine(&self, tolerant: bool) -> KeyEngine {
        let engine = KeyEngine::new(self.telling.clone(), self.meter.clone(), Pace::Calm, patience(self.model));
        KeyEngine { tolerant, ..engine }
    }

    fn job(&self, from: NodeId, to: NodeId) -> Result<Job, String> {
        Ok(Job { from, from_at: self.place(from)?, to, to_at: self.place(to)?, slots: vec![self.slot] })
    }

    fn place(&self, id: NodeId) -> Result<Address, String> {
        let known = self.model.node(id).map(|node| node.address.clone());
        known.ok_or_else(|| format!("node {} is not in the cluster any more", id.short()))
    }

    async fn finish(&self, from: NodeId, to: NodeId) -> Result<(), String> {
        // A taker that still takes the slot for a dead master's would call the whole cluster failed.
        let believes = self.model.node(to).and_then(|node| node.view.as_ref()?.member(from).map(|m| m.slots.clone()));
        if !believes.is_some_and(|slots| slots.iter().any(|range| range.contains(self.slot))) {
            self.set(to, &format!("NODE {from}")).await?;
        }
        let mut engine = self.engine(false);
        engine.group(&self.job(from, to)?, &[self.slot]).await.map_err(|stop| stop.reasons.join("; "))
    }

    async fn bring_home(&self, strays: &[NodeId], owner: NodeId) -> Result<Option<String>, String> {
        let mut differing = Vec::new();
        for stray in strays {
            let job = self.job(*stray, owner)?;
            // A slot that is on its way out refuses what comes in, and a closed one does not let go.
            self.set(owner, "STABLE").await?;
            // Who takes a slot, or holds what is not its own, may not have heard whose it is.
            self.set(*stray, &format!("NODE {owner}")).await?;
            self.set(*stray, &format!("IMPORTING {owner}")).await?;
            let mut engine = self.engine(true);
            engine.empty(&job, &[self.slot]).await?;
            differing.extend(engine.differing.into_values());
            self.set(*stray, "STABLE").await?;
        }
        Ok((!differing.is_empty()).then(|| format!("not all keys are home: {}", differing.join("; "))))
    }

    async fn set(&self, node: NodeId, what: &str) -> Result<(), String> {
        self.command(node, &format!("CLUSTER SETSLOT {} {what}", self.slot)).await
    }

    async fn command(&self, node: NodeId, words: &str) -> Result<(), String> {
        must_be_ok(self.telling, &self.place(node)?, &Command::words(words), WITHIN).await
    }

    /// Makes the claim win everywhere. It answers BUMPED or STILL; without it gossip takes longer, no more.
    async fn bump(&self, node: NodeId) {
        if let Ok(address) = self.place(node) {
            drop(self.telling.send(&address, &Command::words("CLUSTER BUMPEPOCH"), WITHIN).await);
        }
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
                return Err(format!("slot {slot} belongs to somebody else"));
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
