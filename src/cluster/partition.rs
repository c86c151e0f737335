//! PURE. Whether the nodes that answer this console fall into groups that do not see each other: a partition.

use std::collections::BTreeSet;
use std::time::Duration;

use super::standing::{newest, waits_since};
use super::{Model, Node, NodeId, View, age};

/// Views that are this much older than the newest one say nothing about now.
const MOMENT: Duration = Duration::from_secs(10);
/// A few dozen witnesses are enough, also of a thousand: masters first, who judge and vote.
const WITNESSES: usize = 64;
/// cluster-node-timeout, where nobody has told it.
const NODE_TIMEOUT: Duration = Duration::from_secs(15);

/// Two or more groups of nodes; nobody of one sees anybody of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The one with the majority first, then the larger ones.
    pub sides: Vec<PartitionSide>,
    /// On every side somebody has missed the other for the node timeout: no blink.
    pub certain: bool,
}

/// Nodes that see each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionSide {
    /// In order.
    pub nodes: Vec<NodeId>,
    /// Masters with slots that this side is in touch with, of how many it knows.
    pub masters: (usize, usize),
    /// Its masters with slots that answer `cluster_state:ok`, and so take writes.
    pub serving: Vec<NodeId>,
}

impl PartitionSide {
    /// It can elect, and goes on serving.
    pub fn has_majority(&self) -> bool {
        self.masters.0 * 2 > self.masters.1
    }
}

impl Partition {
    /// The sides without a majority.
    pub fn minorities(&self) -> impl Iterator<Item = &PartitionSide> {
        self.sides.iter().filter(|side| !side.has_majority())
    }

    /// `{a, b} | {c}`.
    pub fn says(&self, model: &Model) -> String {
        const SHOWN: usize = 6;
        let side = |side: &PartitionSide| {
            let mut addresses: Vec<_> = side.nodes.iter().filter_map(|id| model.node(*id)).map(|node| &node.address).collect();
            addresses.sort();
            let more = addresses.len().saturating_sub(SHOWN);
            let mut names: Vec<String> = addresses.into_iter().take(SHOWN).map(ToString::to_string).collect();
            names.extend((more > 0).then(|| format!("{more} more")));
            format!("{{{}}}", names.join(", "))
        };
        self.sides.iter().map(side).collect::<Vec<_>>().join(" | ")
    }
}

/// What one witness says of the others.
struct Witness<'a> {
    node: &'a Node,
    view: &'a View,
    /// Members that it does not see.
    blind: BTreeSet<NodeId>,
    /// Those of them that it suspects or calls failed.
    suspects: BTreeSet<NodeId>,
}

/// The groups of nodes that do not see each other, by the words of all who answer; None while all of them are in touch. A node
/// that only one side's words are about is on that side.
pub fn partition(model: &Model) -> Option<Partition> {
    let witnesses = witnesses(model);
    if witnesses.iter().all(|witness| witness.blind.is_empty()) {
        return None;
    }
    let apart = |a: &Witness<'_>, b: &Witness<'_>| a.blind.contains(&b.node.id) && b.blind.contains(&a.node.id);
    let mut groups: Vec<Vec<&Witness<'_>>> = Vec::new();
    for witness in &witnesses {
        let (touched, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|other| !apart(witness, other)));
        groups = others;
        groups.push(touched.into_iter().flatten().chain([witness]).collect());
    }
    if groups.len() < 2 {
        return None;
    }
    let doubts = |group: &Vec<&Witness<'_>>| group.iter().any(|one| witnesses.iter().any(|of| one.suspects.contains(&of.node.id)));
    let certain = groups.iter().all(doubts);
    let mut members: Vec<BTreeSet<NodeId>> = groups.iter().map(|group| group.iter().map(|one| one.node.id).collect()).collect();
    let told: BTreeSet<NodeId> = members.iter().flatten().copied().collect();
    for id in model.nodes().map(|node| node.id).filter(|id| !told.contains(id)) {
        let sees = |group: &&Vec<&Witness<'_>>| group.iter().any(|one| !one.blind.contains(&id) && one.view.member(id).is_some());
        let mut seen = groups.iter().enumerate().filter(|(_, group)| sees(group)).map(|(at, _)| at);
        if let (Some(at), None) = (seen.next(), seen.next()) {
            members.get_mut(at).into_iter().for_each(|side| side.extend([id]));
        }
    }
    let mut sides: Vec<PartitionSide> =
        groups.iter().zip(members).map(|(group, nodes)| side(group, nodes.into_iter().collect())).collect();
    sides.sort_by_key(|side| (!side.has_majority(), std::cmp::Reverse(side.nodes.len()), side.nodes.first().copied()));
    Some(Partition { sides, certain })
}

fn witnesses(model: &Model) -> Vec<Witness<'_>> {
    let told = |node: &Node| node.view_at.filter(|_| node.health.is_alive());
    let Some(newest_view) = model.nodes().filter_map(told).max() else { return Vec::new() };
    let patience = model.node_timeout().unwrap_or(NODE_TIMEOUT) / 2;
    let mut speakers: Vec<&Node> =
        model.nodes().filter(|node| told(node).is_some_and(|at| age(newest_view, at) <= MOMENT)).collect();
    speakers.sort_by_key(|node| !(node.is_master() && node.slot_count > 0));
    speakers.into_iter().take(WITNESSES).filter_map(|node| witness(node, patience)).collect()
}

fn witness(node: &Node, patience: Duration) -> Option<Witness<'_>> {
    let view = node.view.as_deref()?;
    let (mut blind, mut suspects) = (BTreeSet::new(), BTreeSet::new());
    let now = newest(view);
    let others = view.members.iter().enumerate().filter(|(at, member)| *at != view.me && !member.flags.handshake);
    for (_, member) in others {
        let doubted = member.flags.suspected || member.flags.failed;
        if doubted || !member.link_up || waits_since(now, member, patience) {
            blind.insert(member.id);
        }
        if doubted {
            suspects.insert(member.id);
        }
    }
    Some(Witness { node, view, blind, suspects })
}

fn side(group: &[&Witness<'_>], nodes: Vec<NodeId>) -> PartitionSide {
    let touch = |one: &&Witness<'_>| {
        let voters = || one.view.members.iter().filter(|member| !member.slots.is_empty());
        (voters().filter(|member| !one.blind.contains(&member.id)).count(), voters().count())
    };
    let masters = group.iter().map(touch).max_by_key(|(reached, _)| *reached).unwrap_or_default();
    let own = |one: &&&Witness<'_>| one.view.myself().is_some_and(|me| !me.slots.is_empty());
    let serves = |one: &&&Witness<'_>| one.node.cluster_info.as_ref().is_none_or(|info| info.ok);
    let serving = group.iter().filter(own).filter(serves).map(|one| one.node.id).collect::<BTreeSet<_>>();
    PartitionSide { nodes, masters, serving: serving.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sample::Sample;

    fn numbers(sample: &Sample, side: &PartitionSide) -> Vec<usize> {
        (0..sample.servers.len()).filter(|number| side.nodes.contains(&sample.id(*number))).collect()
    }

    fn sides(sample: &Sample) -> Vec<Vec<usize>> {
        let found = partition(&sample.model);
        found.map(|found| found.sides.iter().map(|side| numbers(sample, side)).collect()).unwrap_or_default()
    }

    #[test]
    fn two_groups_that_do_not_see_each_other_are_a_partition() {
        let mut sample = Sample::new(3, 1);
        assert_eq!(partition(&sample.model), None);
        sample.split(&[2]);
        sample.poll();
        let found = partition(&sample.model).unwrap();
        assert_eq!((sides(&sample), found.certain), (vec![vec![0, 1, 3, 4, 5], vec![2]], false));
        assert_eq!(
            found.sides.iter().map(|side| (side.masters, side.has_majority())).collect::<Vec<_>>(),
            [((2, 3), true), ((1, 3), false)]
        );
        assert_eq!(found.minorities().flat_map(|side| side.serving.clone()).collect::<Vec<_>>(), [sample.id(2)]);
        sample.doubt_the_other_side();
        sample.poll();
        assert!(partition(&sample.model).unwrap().certain);
        // A master and a replica of another on the smaller side.
        sample.split(&[0, 4]);
        sample.poll();
        assert_eq!(sides(&sample), [vec![1, 2, 3, 5], vec![0, 4]]);
        sample.split(&[]);
        sample.poll();
        assert_eq!(partition(&sample.model), None);
    }

    #[test]
    fn who_does_not_answer_or_is_only_misplaced_parts_nobody() {
        let mut sample = Sample::new(3, 1);
        sample.kill(2);
        sample.fail(2);
        sample.poll();
        assert_eq!(partition(&sample.model), None);
        let mut sample = Sample::new(3, 1);
        sample.servers[2].announces = Some(crate::cluster::Address::new("10.9.9.9", 7002));
        sample.poll();
        assert_eq!(partition(&sample.model), None, "it sees the others");
    }

    #[test]
    fn whom_one_side_alone_sees_is_on_that_side() {
        let mut sample = Sample::new(3, 1);
        sample.split(&[2, 5]);
        sample.cut_off(5);
        sample.poll();
        assert_eq!(sides(&sample), [vec![0, 1, 3, 4], vec![2, 5]]);
    }
}
