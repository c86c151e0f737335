//! PURE. Replace: an empty server joins in the place of a dead node, and the dead node is forgotten.

use std::collections::BTreeSet;

use crate::cluster::{Address, Health, Model, Node};

use crate::plan::failover::succession::is_up;
use crate::plan::membership::{Joining, all_of, called, draw_up, forget_everywhere, join, known_to_others, step, ties};
use crate::plan::{Code, Danger, Facts, Impact, Intent, Plan, Refusal, StepKind, resolve};
use crate::quantity;

pub(crate) fn plan(address: &Address, name: &str, facts: &Facts<'_>) -> Result<Plan, Refusal> {
    let model = facts.model;
    let dead = dead_node(model, name)?;
    let mut warnings = Vec::new();
    let master = living_master(model, dead, Some(&mut warnings))?;
    let reasons = ties(model, dead);
    if !reasons.is_empty() {
        return Err(Refusal::all(reasons));
    }
    let Joining { joining, mut steps, says } = join(address, Some(master), Some(dead), facts)?;
    steps.push(step(&joining, Vec::new(), StepKind::Verify, says));
    let forgets = forget_everywhere(model, dead, &mut warnings);
    // At the dead node's own address the joining node may be among the model's nodes already.
    steps.extend(forgets.into_iter().filter(|step| step.node != joining.id));
    // It has learnt of the dead node when it joined, and would tell the others of it again.
    let forget = format!("CLUSTER FORGET {}", dead.id);
    steps.push(step(&joining, vec![forget], StepKind::Command, format!("{address} forgets {}", called(dead))));
    // An address that the joining node has now stands for it, and an id stays the dead node's.
    let named = if dead.address == *address { dead.id.to_string() } else { called(dead) };
    let intent = Intent::Replace { address: address.clone(), node: named };
    let mut plan = draw_up(intent, model, steps, format!("nobody remembers {}", called(dead)), dead);
    let shards = BTreeSet::from_iter(master.shard.into_iter().chain(dead.shard));
    plan.impact = Impact { shards: shards.into_iter().collect(), ..Impact::default() };
    plan.prediction.notes.push(format!("{} copied from {} to {address} first", all_of(master), master.address));
    if dead.address != *address {
        let again = "stop it for good, or reset it";
        warnings.push(format!("if {} comes back within reach it joins again by itself: {again}", called(dead)));
    }
    plan.warnings = warnings;
    plan.danger = Danger::Typed;
    Ok(plan)
}

/// The node that is meant, which must be dead. Where a server that is no member answers at its address, it is the member
/// that was there before.
fn dead_node<'a>(model: &'a Model, name: &str) -> Result<&'a Node, Refusal> {
    let named = resolve::node(model, name)?;
    let stranger = !known_to_others(model, named);
    let before = model.nodes().find(|node| node.id != named.id && node.address == named.address && known_to_others(model, node));
    let node = before.filter(|_| stranger).unwrap_or(named);
    // That others reach it is weighed with the whole plan.
    if node.health.is_down() || (node.health == Health::Unknown && (node.flags.noaddr || node.flags.failed)) {
        return Ok(node);
    }
    let at = called(node);
    let says = if node.health.is_alive() { "still answers" } else { node.health.says() };
    Err(Refusal::because(Code::NodeAlive.because(format!(
        "{at} {says}, and only a dead node is replaced: `node add … --replica-of` and `node remove {at}` do it alive"
    ))))
}

/// The living master of a dead node's shard, as plans of [`Intent::Replace`] choose it.
pub fn successor<'a>(model: &'a Model, dead: &'a Node) -> Result<&'a Node, Refusal> {
    living_master(model, dead, None)
}

/// A dead replica's master, or whoever took a dead master's place. Once nobody says any more who that was, it is
/// concluded, and `warnings` says from what.
fn living_master<'a>(model: &'a Model, dead: &'a Node, warnings: Option<&mut Vec<String>>) -> Result<&'a Node, Refusal> {
    let mut at = dead;
    // A former master that came back as a replica leads to the one above it.
    for _ in 0..4 {
        match at.master.filter(|_| at.is_replica()).and_then(|id| model.node(id)) {
            Some(above) => at = above,
            None => break,
        }
        if at.is_master() && is_up(at) {
            return Ok(at);
        }
    }
    if at.slot_count > 0 {
        return Err(masterless(model, at));
    }
    let living = |node: &&Node| node.is_master() && node.slot_count > 0 && is_up(node);
    let remembered = model.topology().shards.iter().find(|shard| shard.former.contains(&at.id)).and_then(|shard| shard.master);
    if let Some(master) = remembered.and_then(|id| model.node(id)) {
        return if is_up(master) { Ok(master) } else { Err(masterless(model, master)) };
    }
    // An election gives the winner the highest epoch, and leaves its shard one replica short.
    let replicas = |master: &Node| model.nodes().filter(|node| node.master == Some(master.id) && is_up(node)).count();
    let later: Vec<&Node> = model.nodes().filter(living).filter(|node| node.epoch > at.epoch).collect();
    let fewest = later.iter().map(|node| replicas(node)).min().unwrap_or(0);
    let short: Vec<&Node> = later.into_iter().filter(|node| replicas(node) == fewest).collect();
    match short.as_slice() {
        [master] => {
            let has = if fewest == 0 { "no replica".into() } else { format!("only {}", quantity::count(fewest, "replica")) };
            let why = format!("its epoch is younger, and it has {has}");
            warnings.into_iter().for_each(|all| {
                all.push(format!("nobody says who took the place of {}: it must be {} ({why})", called(at), master.address));
            });
            Ok(master)
        }
        [] => Err(Refusal::because(Code::MasterUnknown.because(match model.unserved().0.len() {
            0 => format!("no living master took the place of {}: `node forget {}` takes it out", called(at), called(at)),
            unserved => format!(
                "no living master took the place of {}, and {} are not served: `fix` gives slots without an owner a master first",
                called(at),
                quantity::count(unserved, "slot")
            ),
        }))),
        several => {
            let mut all: Vec<String> = several.iter().map(|node| node.address.to_string()).collect();
            all.sort();
            Err(Refusal::because(Code::MasterUnknown.because(format!(
                "{} may all have taken the place of {}: say which with `node add … --replica-of`, then `node forget {}`",
                quantity::list(&all),
                called(at),
                called(at)
            ))))
        }
    }
}

/// A dead master that still owns its slots: its replica comes first, if it has one that lives.
fn masterless(model: &Model, master: &Node) -> Refusal {
    let slots = quantity::count(master.slot_count, "slot");
    let at = called(master);
    let successor = model.nodes().find(|node| node.is_replica() && node.master == Some(master.id) && is_up(node));
    Refusal::because(Code::MasterDown.because(match successor {
        Some(successor) => format!(
            "the shard of {at} has no living master: `failover {} --mode force` first, or `--mode takeover` without a majority",
            successor.address
        ),
        None => format!("{at} owns {slots} and has no living replica: start its server again, nobody else has the data"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::Sample;

    fn found(sample: &Sample, dead: usize) -> Result<Address, String> {
        let node = sample.model.node(sample.id(dead)).unwrap();
        successor(&sample.model, node).map(|master| master.address.clone()).map_err(|refusal| refusal.to_string())
    }

    /// The first master dies and its replica takes over, as does the only replica of the second.
    fn happens(sample: &mut Sample) {
        sample.kill(0);
        sample.promote(3);
        sample.kill(4);
        sample.seconds(3);
    }

    #[test]
    fn who_was_seen_to_take_over_is_known() {
        let mut sample = Sample::new(3, 1);
        happens(&mut sample);
        assert_eq!(found(&sample, 0), Ok(sample.address(3)));
        assert_eq!(found(&sample, 4), Ok(sample.address(1)), "a dead replica has its master");
    }

    #[test]
    fn who_comes_later_concludes_it_where_it_can_be_concluded() {
        let mut sample = Sample::unasked(3, 2);
        sample.kill(2);
        sample.promote(5);
        sample.seconds(3);
        assert_eq!(found(&sample, 2), Ok(sample.address(5)), "its shard is the one with a replica less");
        let mut sample = Sample::unasked(3, 1);
        happens(&mut sample);
        let refusal = found(&sample, 0).unwrap_err();
        assert!(refusal.contains("10.0.0.2:7001 and 10.0.0.4:7003 may all have taken the place of 10.0.0.1:7000"), "{refusal}");
        assert!(refusal.contains("--replica-of"), "{refusal}");
    }

    #[test]
    fn a_shard_without_a_master_is_helped_first() {
        let mut sample = Sample::new(3, 1);
        sample.kill(1);
        sample.poll();
        let refusal = found(&sample, 1).unwrap_err();
        assert!(refusal.contains("`failover 10.0.0.5:7004 --mode force` first"), "{refusal}");
        sample.kill(4);
        sample.poll();
        let refusal = found(&sample, 1).unwrap_err();
        assert!(refusal.contains("start its server again"), "{refusal}");
        assert_eq!(found(&sample, 4).unwrap_err(), refusal, "its dead replica is no better off");
    }
}
