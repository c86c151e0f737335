//! PURE. The one door: an intent and the facts in, a plan or a refusal out.

use crate::cluster::{Address, SlotSet, Time};

use super::moves::Targets;
use super::{Code, Facts, Intent, Plan, Refusal, contradiction, failover, fix, membership, rebalance, replace, slots};

/// The steps that would do what the operator wants, or why it cannot be done. Changes nothing; asked again with newer
/// facts it gives a plan with the same fingerprint, or the world has changed.
pub fn plan(intent: &Intent, facts: &Facts<'_>, now: Time) -> Result<Plan, Refusal> {
    Ok(contradiction::weigh(draw_up(intent, facts, now)?, facts.model, now))
}

fn draw_up(intent: &Intent, facts: &Facts<'_>, now: Time) -> Result<Plan, Refusal> {
    if facts.model.nodes().next().is_none() {
        let says = format!("nothing is known of cluster {} yet: no node has answered", facts.model.name);
        return Err(Refusal::because(Code::ClusterUnknown.because(says)));
    }
    match intent {
        Intent::Failover { node, mode } => failover::plan(node, *mode, facts, now),
        Intent::MoveSlots { slots, to } => slots::plan(slots, to, facts),
        Intent::MigrateRooms { codes, to } => slots::rooms(codes, to, facts),
        Intent::Fix { slots, roll_back } => fix::plan(slots.as_ref(), *roll_back, facts),
        Intent::Rebalance { .. } => rebalance::plan(intent, facts),
        Intent::AddNode { address, replica_of } => membership::add(address, replica_of.as_deref(), facts),
        Intent::Replace { address, node } => replace::plan(address, node, facts),
        Intent::Replicate { node, master } => membership::replicate(node, master, facts),
        Intent::Drain { node } => membership::drain(node, facts),
        Intent::Remove { node } => membership::remove(node, facts),
        Intent::Forget { node } => membership::forget(node, facts),
    }
}

/// The plan of moves that were planned and agreed to earlier. A rebalance chooses by what slots hold, which changes with
/// every write: it is not asked to choose again. Every other intent means the same moves by itself.
pub fn plan_again(intent: &Intent, agreed: &[(SlotSet, Address)], facts: &Facts<'_>, now: Time) -> Result<Plan, Refusal> {
    if !matches!(intent, Intent::Rebalance { .. }) || agreed.is_empty() {
        return plan(intent, facts, now);
    }
    let mut targets = Targets::new();
    for (slots, to) in agreed {
        let gone = || Refusal::because(format!("{to} is to take slots, and is not in the cluster any more"));
        let taker = facts.model.node_at(to).ok_or_else(gone)?;
        targets.extend(slots.iter().map(|slot| (slot, taker.id)));
    }
    rebalance::again(intent, &targets, facts)
}
