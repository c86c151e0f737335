//! PURE. A group of slots goes from one master to another.

use super::Precondition::{
    EpochAbove, GivesNothing, HoldsForMaster, HoldsNoKeys, ImportsFrom, ImportsFromNobodyElse, KnowsEpoch, KnowsOwner, MigratesTo,
    MigratesToNobodyElse, NobodyElseIsAtIt, Owns, OwnsNot, TakesNothing,
};
use super::{KeyTransfer, Precondition, SendPurpose, SlotAct, SlotCommand, SlotStep};
use crate::cluster::NodeId;

/// Slots that go together, and who is around.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MoveGroup {
    pub source: NodeId,
    pub target: NodeId,
    pub slots: Vec<u16>,
    /// Every other master that may own or import slots.
    pub others: Vec<NodeId>,
    /// Replicas of the source and of the target that may take over.
    pub replicas: Vec<NodeId>,
    /// Others may be at other slots of the two: a source whose epoch rises before it has heard of the claim would win the
    /// slots back, and the target would delete their keys. So the source takes nothing, and the target gives nothing, from
    /// before the marks until the claim: of two who begin at once, the second sees the first's mark.
    pub strict: bool,
    /// The target's claims may be one transaction: not where a command in it waits for replicas.
    pub quiet: bool,
}

/// The whole way, also of a move that somebody has begun: what is done already is done again without harm.
pub fn move_group(group: &MoveGroup) -> Vec<SlotStep> {
    let all = [give(group), vec![alone(group)], take(group), vec![release(group)], heard(group)];
    all.into_iter().flatten().collect()
}

/// One group after another of the same move: the source believes the group before when this one is open already. What it has
/// to hear for that comes meanwhile; and what is not there any more it sends players to, either way. The last one's
/// [`release`] comes by itself.
pub fn move_next(group: &MoveGroup, before: Option<&MoveGroup>) -> Vec<SlotStep> {
    let released = before.map(release).into_iter().collect();
    let all = [give(group), released, vec![alone(group)], take(group), heard(group)];
    all.into_iter().flatten().collect()
}

/// The slots are open on both sides.
fn give(group: &MoveGroup) -> Vec<SlotStep> {
    let MoveGroup { source, target, slots, .. } = group;
    let (source, target, all) = (*source, *target, || slots.clone());
    let set = |command: fn(u16, NodeId) -> SlotCommand, node: NodeId| slots.iter().map(|&slot| command(slot, node)).collect();
    let importing: Vec<SlotCommand> = set(|slot, from| SlotCommand::Importing { slot, from }, source);
    let migrating = set(|slot, to| SlotCommand::Migrating { slot, to }, target);
    vec![
        SlotStep::send(SendPurpose::Announce, target, importing)
            .requires(
                [
                    Owns { node: source, slots: all() },
                    MigratesToNobodyElse { node: source, slots: all(), to: target },
                    OwnsNot { node: target, slots: all() },
                    ImportsFromNobodyElse { node: target, slots: all(), from: source },
                ]
                .into_iter()
                .chain(apart(group))
                .collect(),
            )
            .confirms(vec![ImportsFrom { node: target, slots: all(), from: source }]),
        SlotStep::send(SendPurpose::Open, source, migrating)
            .requires(vec![Owns { node: source, slots: all() }, MigratesToNobodyElse { node: source, slots: all(), to: target }])
            .confirms(vec![Owns { node: source, slots: all() }, MigratesTo { node: source, slots: all(), to: target }]),
    ]
}

/// Nobody else's claim raises the source's epoch, and ours none under which slots are being given away.
fn apart(group: &MoveGroup) -> impl Iterator<Item = Precondition> + use<> {
    let apart = [TakesNothing { node: group.source }, GivesNothing { node: group.target }];
    apart.into_iter().filter({
        let strict = group.strict;
        move |_| strict
    })
}

fn alone(group: &MoveGroup) -> SlotStep {
    let nobody = NobodyElseIsAtIt { others: group.others.clone(), slots: group.slots.clone() };
    SlotStep { beside: true, ..SlotStep::new(SendPurpose::Alone, SlotAct::Look).requires(vec![nobody]) }
}

/// The keys go over, and the target owns the slots.
fn take(group: &MoveGroup) -> Vec<SlotStep> {
    let MoveGroup { source, target, slots, quiet, .. } = group;
    let (source, target, all) = (*source, *target, || slots.clone());
    let ready = [
        Owns { node: source, slots: all() },
        MigratesTo { node: source, slots: all(), to: target },
        HoldsNoKeys { node: source, slots: all() },
        ImportsFrom { node: target, slots: all(), from: source },
        KnowsEpoch { at: target, of: source },
        HoldsForMaster { at: target, of: source },
    ];
    let ready = ready.into_iter().chain(apart(group)).collect();
    let moves = SlotAct::MoveKeys { from: source, to: target, slots: all(), transfer: KeyTransfer::Open };
    let mut steps = vec![SlotStep::new(SendPurpose::Move, moves)];
    match slots.as_slice() {
        [first, rest @ ..] if !quiet && !rest.is_empty() => {
            steps.push(claim(group, SendPurpose::ClaimFirst, &[*first]).requires(ready));
            let rest_ready = [
                Owns { node: source, slots: rest.to_vec() },
                MigratesTo { node: source, slots: rest.to_vec(), to: target },
                HoldsNoKeys { node: source, slots: rest.to_vec() },
                ImportsFrom { node: target, slots: rest.to_vec(), from: source },
            ];
            steps.push(claim(group, SendPurpose::ClaimRest, rest).requires(rest_ready.into_iter().chain(apart(group)).collect()));
        }
        all => steps.push(claim(group, SendPurpose::ClaimFirst, all).requires(ready)),
    }
    steps
}

/// The source believes it. Only when it has it from the target itself: one that was told, and then hears an older word of the
/// target, notes on Redis 7 that nobody claims the slot, and would lose it to anybody if it were to own it again.
pub fn release(group: &MoveGroup) -> SlotStep {
    let MoveGroup { source, target, ref slots, .. } = *group;
    let released = slots.iter().map(|&slot| SlotCommand::Node { slot, owner: target }).collect();
    SlotStep::send(SendPurpose::Release, source, released)
        .requires(vec![KnowsOwner { at: source, slots: slots.clone(), owner: target }])
        .confirms(vec![OwnsNot { node: source, slots: slots.clone() }])
}

/// Everybody who has to has heard of it.
fn heard(group: &MoveGroup) -> Vec<SlotStep> {
    let MoveGroup { target, slots, others, replicas, .. } = group;
    let knows =
        |nodes: &[NodeId]| nodes.iter().map(|&at| KnowsOwner { at, slots: slots.clone(), owner: *target }).collect::<Vec<_>>();
    let mut steps = Vec::new();
    if !replicas.is_empty() {
        steps.push(SlotStep { lag: 2, ..SlotStep::new(SendPurpose::Heard, SlotAct::Look).requires(knows(replicas)) });
    }
    if !others.is_empty() {
        steps.push(SlotStep { lag: usize::MAX, ..SlotStep::new(SendPurpose::Agreed, SlotAct::Look).requires(knows(others)) });
    }
    steps
}

/// The target's claims. Each mark is set again in the same breath: whoever took it off since it was read would make of this a
/// claim without a new epoch. Where they are one transaction, all but the last are without a word to anybody, and the last
/// tells everybody of all: the bus carries one message that is the whole truth.
fn claim(group: &MoveGroup, purpose: SendPurpose, slots: &[u16]) -> SlotStep {
    let MoveGroup { source, target, quiet, .. } = *group;
    let last = slots.len().saturating_sub(1);
    let commands = slots.iter().enumerate().flat_map(|(nth, &slot)| {
        let silently = quiet && nth < last;
        let mark = if silently { SlotCommand::Stable { slot } } else { SlotCommand::Importing { slot, from: source } };
        [mark, SlotCommand::Node { slot, owner: target }]
    });
    SlotStep::new(purpose, SlotAct::Send { to: target, commands: commands.collect(), atomic: quiet })
        .confirms(vec![Owns { node: target, slots: slots.to_vec() }, EpochAbove { node: target, of: source }])
}

/// Back to where a group came from: it has been moved whole before this.
pub fn move_group_back(group: &MoveGroup) -> Vec<SlotStep> {
    let back = MoveGroup { source: group.target, target: group.source, ..group.clone() };
    turn(group).into_iter().chain(move_group(&back)).collect()
}

/// Before slots that have just been moved move again. Every master knows the epoch that they were claimed under; and what the
/// target said before it claimed them has been heard: a node that imports a slot again would take the word of the past for the
/// present (on Valkey it takes a slot whose owner seems to have given it up; on Redis 7 it would lose it to that owner).
pub fn turn(group: &MoveGroup) -> Vec<SlotStep> {
    let masters: Vec<NodeId> = [group.source].into_iter().chain(group.others.iter().copied()).collect();
    let knows = masters.iter().map(|&at| KnowsOwner { at, slots: group.slots.clone(), owner: group.target }).collect();
    let drain = SlotAct::Drain { of: vec![group.target], by: masters.clone() };
    vec![everybody_knows(group.target, masters), SlotStep::new(SendPurpose::Drain, drain).requires(knows)]
}

/// Before a node gives slots, and before the last group of several. The source may have taken them a moment ago, in an
/// operation that nobody here knows of: every master knows its epoch, and what it said before it took them has been heard.
/// So has what the target has said until now: an old word of it that comes after its last claim is noted on Redis 7 as that
/// nobody claims the slot, for as long as it says nothing new; and whoever takes the slot then loses it to anybody.
pub fn begin(source: NodeId, target: NodeId, masters: &[NodeId]) -> Vec<SlotStep> {
    let others = masters.iter().copied().filter(|&node| node != source);
    let drain = SlotAct::Drain { of: vec![source, target], by: masters.to_vec() };
    vec![everybody_knows(source, others), SlotStep::new(SendPurpose::Drain, drain)]
}

/// A node that took slots gives some only after every master knows its epoch: put before what it gives.
fn everybody_knows(node: NodeId, others: impl IntoIterator<Item = NodeId>) -> SlotStep {
    let knows = others.into_iter().map(|at| KnowsEpoch { at, of: node });
    SlotStep::new(SendPurpose::Heard, SlotAct::Look).requires(knows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_goes_over_whole_before_it_is_claimed() {
        let id = |byte: u8| NodeId::Member([byte; 20]);
        let (source, target) = (id(0xaa), id(0xbb));
        let group = MoveGroup {
            source,
            target,
            slots: vec![7, 8, 9],
            others: vec![id(0xcc)],
            replicas: vec![id(0xa1)],
            strict: true,
            quiet: true,
        };
        let (a, b) = (source.to_string(), target.to_string());
        let sent: Vec<String> = move_group(&group).iter().flat_map(SlotStep::commands).map(|(_, words)| words).collect();
        let sent: Vec<String> = sent.iter().map(|words| words.replace(&a, "a").replace(&b, "b")).collect();
        let expected = [
            "7 IMPORTING a",
            "8 IMPORTING a",
            "9 IMPORTING a",
            "7 MIGRATING b",
            "8 MIGRATING b",
            "9 MIGRATING b",
            "7 STABLE",
            "7 NODE b",
            "8 STABLE",
            "8 NODE b",
            "9 IMPORTING a",
            "9 NODE b",
            "7 NODE b",
            "8 NODE b",
            "9 NODE b",
        ];
        assert_eq!(sent, expected.map(|words| format!("CLUSTER SETSLOT {words}")));
        let purposes: Vec<SendPurpose> = move_group(&group).iter().map(|step| step.purpose).collect();
        use SendPurpose::{Agreed, Alone, Announce, ClaimFirst, Heard, Move, Open, Release};
        assert_eq!(purposes, [Announce, Open, Alone, Move, ClaimFirst, Release, Heard, Agreed]);
        assert_eq!(move_group_back(&group).first().map(|step| step.purpose), Some(Heard));
    }
}
