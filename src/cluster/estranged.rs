//! PURE. Nodes that answer, and that the others do not know any more, or that do not know the others: forgotten, or reset.

use std::collections::{BTreeMap, BTreeSet};

use super::{Address, Model, Node, NodeId, SlotSet};

/// A node that answers and is no member to all others that answer, although it belongs to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Estranged {
    pub node: NodeId,
    /// Others that answer and do not know it.
    pub unknown_to: Vec<NodeId>,
    /// Of the others that answer it knows so few that it is the one who has forgotten.
    pub lost: bool,
    /// How many of them it knows.
    pub knows: usize,
    pub others: usize,
    /// Slots that it owns by its own word, or that others take it for the owner of.
    pub slots: SlotSet,
    /// It owns them by its own word.
    pub owns: bool,
    /// Nodes that it alone knows: it may belong to another cluster by now.
    pub foreign: Vec<NodeId>,
}

struct Speaker {
    id: NodeId,
    /// Its place in the list of what is known.
    knows: usize,
}

/// Who is known one way only: by what either says, or by what is remembered of the cluster when all was well.
pub fn estranged(model: &Model) -> Vec<Estranged> {
    // In a settled cluster all nodes say the same.
    let mut known: Vec<BTreeSet<NodeId>> = Vec::new();
    let mut by_content: BTreeMap<u64, usize> = BTreeMap::new();
    let mut speakers: Vec<Speaker> = Vec::new();
    for node in model.nodes().filter(|node| node.id.is_member() && node.health.is_alive()) {
        let Some(view) = &node.view else { continue };
        let knows = *by_content.entry(node.digest.content).or_insert_with(|| {
            known.push(view.members.iter().filter(|member| !member.flags.handshake).map(|member| member.id).collect());
            known.len() - 1
        });
        speakers.push(Speaker { id: node.id, knows });
    }
    let is_known = |to: &Speaker, id: NodeId| known.get(to.knows).is_some_and(|known| known.contains(&id));
    if known.iter().all(|known| speakers.iter().all(|speaker| known.contains(&speaker.id))) {
        return Vec::new();
    }
    let others = speakers.len() - 1;
    let counted: Vec<usize> =
        speakers.iter().map(|one| speakers.iter().filter(|two| two.id != one.id && is_known(one, two.id)).count()).collect();
    let is_lost = |at: usize| counted.get(at).is_some_and(|knows| (others - knows) * 2 > others);
    let picture = model.history().picture();
    let remembered = |id: NodeId| picture.is_some_and(|picture| picture.nodes.contains(&id));
    let mut found = Vec::new();
    for (at, one) in speakers.iter().enumerate() {
        let strangers = speakers.iter().enumerate().filter(|(_, two)| two.id != one.id && !is_known(two, one.id));
        let unknown_to: Vec<NodeId> = strangers.filter(|(other, _)| !is_lost(*other)).map(|(_, two)| two.id).collect();
        let (lost, knows) = (is_lost(at), counted.get(at).copied().unwrap_or(0));
        if unknown_to.is_empty() && !lost {
            continue;
        }
        let own: SlotSet = model
            .node(one.id)
            .and_then(|node| node.view.as_ref()?.myself())
            .map(|me| me.slots.iter().collect())
            .unwrap_or_default();
        let owns = !own.is_empty();
        let slots = if owns { own } else { given(model, one.id) };
        let acquainted = knows > 0 || speakers.iter().any(|two| two.id != one.id && is_known(two, one.id));
        let ours = || remembered(one.id) && speakers.iter().any(|two| two.id != one.id && remembered(two.id));
        if !acquainted && (slots.is_empty() || !ours()) {
            continue;
        }
        let alone = |id: &NodeId| {
            *id != one.id && !remembered(*id) && !speakers.iter().any(|two| two.id == *id || two.id != one.id && is_known(two, *id))
        };
        let foreign = known.get(one.knows).into_iter().flatten().copied().filter(alone).collect();
        found.push(Estranged { node: one.id, unknown_to, lost, knows, others, slots, owns, foreign });
    }
    found
}

/// Who owned slots that nobody owns now, when all was well, and is no member any more: the slots, and where it was.
pub fn former_owners(model: &Model) -> Vec<(NodeId, Address, SlotSet)> {
    let unowned = SlotSet::all().minus(&model.topology().assigned);
    let shards = model.history().picture().into_iter().flat_map(|picture| &picture.shards);
    let gone = shards.filter(|shard| model.node(shard.owner).is_none_or(|node| node.view.is_none()));
    let left = gone.map(|shard| (shard.owner, shard.address.clone(), shard.slots.both(&unowned)));
    left.filter(|(_, _, slots)| !slots.is_empty()).collect()
}

/// The one node that tells anything, when it knows no other and owns no slot: it is in no cluster.
pub fn outsider(model: &Model) -> Option<&Node> {
    let mut speakers = model.views();
    let (id, view) = speakers.next().filter(|_| speakers.next().is_none())?;
    let known = view.members.iter().filter(|member| !member.flags.handshake).count();
    let owns = view.myself().is_some_and(|me| !me.slots.is_empty());
    model.node(id).filter(|_| known <= 1 && !owns)
}

/// In words: that it is, and whether it was in one when all was well.
pub fn outside(model: &Model, node: &Node) -> String {
    let says = format!("{} answers, knows no other node and owns no slot (CLUSTER NODES): it is in no cluster", node.address);
    match model.history().picture().filter(|picture| picture.nodes.len() > 1 && picture.nodes.contains(&node.id)) {
        Some(picture) => format!(
            "{says} any more; at {} it was one of {} nodes (CLUSTER RESET there?)",
            picture.at.format("%Y-%m-%d %H:%M:%S UTC"),
            picture.nodes.len()
        ),
        None => says,
    }
}

/// Where to go on from there.
pub fn from_outside(model: &Model, node: &Node) -> String {
    let picture = model.history().picture().filter(|picture| picture.nodes.contains(&node.id));
    let other = picture.into_iter().flat_map(|picture| &picture.shards).find(|shard| shard.owner != node.id);
    match other {
        Some(other) => {
            format!("`fix` introduces it again where the others answer; look from another of them: --node {}", other.address)
        }
        None => format!(
            "name a node of the cluster with --node HOST:PORT; `node add {}` from there makes this one a member",
            node.address
        ),
    }
}

/// Servers that answer, when all of them say that they run without cluster mode.
pub fn without_cluster_mode(model: &Model) -> Vec<&Node> {
    let answering = || model.nodes().filter(|node| node.health.is_alive());
    let alone = |node: &Node| node.view.is_none() && node.info.as_ref().and_then(|info| info.mode.as_deref()) == Some("standalone");
    if answering().all(alone) { answering().collect() } else { Vec::new() }
}

/// Slots that others take this node for the owner of, and that nobody calls its own.
fn given(model: &Model, id: NodeId) -> SlotSet {
    let others = model.views().filter(|(speaker, _)| *speaker != id);
    let lines = others.filter_map(|(_, view)| view.member(id));
    let named: SlotSet = lines.flat_map(|member| member.slots.iter()).flat_map(|range| range.iter()).collect();
    named.iter().filter(|slot| model.topology().owner(*slot).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::Sample;

    #[test]
    fn nobody_is_a_stranger_in_a_settled_cluster() {
        for (masters, replicas) in [(1, 0), (1, 1), (3, 1), (20, 2)] {
            let mut sample = Sample::new(masters, replicas);
            assert_eq!(estranged(&sample.model), []);
            if masters > 1 {
                sample.kill(0);
                sample.fail(0);
                sample.poll();
                assert_eq!(estranged(&sample.model), []);
            }
        }
    }
}
