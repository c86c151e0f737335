//! PURE. The one door: an intent and the facts in, a plan or a refusal out.

use crate::cluster::{Address, Model, SlotSet, Time, from_outside, outside, outsider, partition, without_cluster_mode};
use crate::quantity;

use super::slots::moves::Targets;
use crate::plan::failover;
use crate::plan::membership;
use crate::plan::membership::replace;
use crate::plan::preflight::contradiction;
use crate::plan::repair::fix;
use crate::plan::slots::move_slots;
use crate::plan::slots::rebalance;
use crate::plan::{Code, Facts, Intent, Plan, Refusal};

/// The steps that would do what the operator wants, or why it cannot be done. Changes nothing; asked again with newer
/// facts it gives a plan with the same fingerprint, or the world has changed.
pub fn plan(intent: &Intent, facts: &Facts<'_>, now: Time) -> Result<Plan, Refusal> {
    Ok(contradiction::weigh(draw_up(intent, facts, now)?, facts.model, now))
}

/// There is no cluster to change, or nobody tells of it.
fn no_cluster(intent: &Intent, model: &Model) -> Option<Refusal> {
    let alone: Vec<String> = without_cluster_mode(model).into_iter().map(|node| node.address.to_string()).collect();
    if !alone.is_empty() {
        let verb = if alone.len() == 1 { "runs" } else { "run" };
        let says = format!(
            "{} {verb} without cluster mode (cluster-enabled no): there are no slots and no members; name a node of a cluster with \
             --node HOST:PORT",
            quantity::list(&alone)
        );
        return Some(Refusal::because(Code::NotInClusterMode.because(says)));
    }
    let repairs = matches!(intent, Intent::Fix { .. } | Intent::Rebalance { .. } | Intent::MoveSlots { .. });
    let node = outsider(model).filter(|_| repairs)?;
    let says = format!("{}; {}", outside(model, node), from_outside(model, node));
    Some(Refusal::because(Code::ClusterUnknown.because(says)))
}

fn draw_up(intent: &Intent, facts: &Facts<'_>, now: Time) -> Result<Plan, Refusal> {
    if facts.model.nodes().next().is_none() {
        let says = format!("nothing is known of cluster {} yet: no node has answered", facts.model.name);
        return Err(Refusal::because(Code::ClusterUnknown.because(says)));
    }
    if let Some(refusal) = no_cluster(intent, facts.model) {
        return Err(refusal);
    }
    if !matches!(intent, Intent::Failover { .. })
        && let Some(partition) = partition(facts.model)
    {
        let says = format!(
            "partition: {}; what is changed on one side the other undoes when they meet, so wait until the network has healed",
            partition.says(facts.model)
        );
        return Err(Refusal::because(Code::Partitioned.because(says)));
    }
    match intent {
        Intent::Failover { node, mode } => failover::plan(node, *mode, facts, now),
        Intent::MoveSlots { slots, to } => move_slots::plan(slots, to, facts),
        Intent::MigrateRooms { codes, to } => move_slots::rooms(codes, to, facts),
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
        let gone =
            || Refusal::because(Code::ClusterChanged.because(format!("{to} is to take slots, and is not in the cluster any more")));
        let target = facts.model.node_at(to).ok_or_else(gone)?;
        targets.extend(slots.iter().map(|slot| (slot, target.id)));
    }
    rebalance::again(intent, &targets, facts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::Sample;
    use crate::plan::Mode;

    #[test]
    fn nothing_is_planned_across_a_partition() {
        let mut sample = Sample::new(3, 1);
        sample.split(&[2]);
        sample.doubt_the_other_side();
        sample.poll();
        let facts = Facts::of(&sample.model);
        for intent in [
            Intent::Fix { slots: None, roll_back: false },
            Intent::Drain { node: sample.address(0).to_string() },
            Intent::MoveSlots { slots: [7].into_iter().collect(), to: sample.address(1).to_string() },
        ] {
            let refused = plan(&intent, &facts, sample.now).unwrap_err();
            assert_eq!(refused.reasons[0].code, Code::Partitioned, "{refused:?}");
            assert!(refused.reasons[0].says.contains("} | {10.0.0.3:7002}; what is changed"), "{refused:?}");
        }
        // The master answers, and so nobody takes its place without overriding that.
        let forced = Intent::Failover { node: sample.address(5).to_string(), mode: Mode::Takeover };
        let plan = plan(&forced, &facts, sample.now).unwrap();
        assert!(matches!(plan.danger, crate::plan::Danger::Contradicted(_)), "{plan:?}");
    }
}
