//! PURE. What a repair sends, step by step.

use super::Precondition::{Closed, HoldsNoKeys, KnowsOwner, Owns, OwnsNot};
use super::{
    KeyTransfer, MoveGroup, Precondition, SendPurpose, SlotAct, SlotCommand, SlotStep, begin, move_group, move_group_back,
};
use crate::cluster::NodeId;

/// How slots are put right that somebody has left half-way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Repair {
    /// Go on moving keys, then the target owns the slots. `unaware`: the target believes that another node than the source
    /// owns them, or has them open for another, and is told first.
    Finish { from: NodeId, to: NodeId, unaware: bool },
    /// The same, whole, and then the whole group all the way back: at no moment is a key out of sight.
    FinishAndBack { from: NodeId, to: NodeId, unaware: bool },
    /// Bring the keys that are at these nodes to the owner, then nobody has the slots open. Players do not see those keys
    /// meanwhile: only for what cannot be finished.
    Return { at: Vec<NodeId>, owner: NodeId },
    /// No keys are split: these nodes forget that they have the slots open.
    Close { at: Vec<NodeId>, owner: NodeId },
    /// Nobody owns them: this node takes them. `believes`: it takes another for the owner. `told`: who holds keys of them or
    /// has them open.
    Adopt { owner: NodeId, told: Vec<NodeId>, believes: bool },
    /// One owns them, and these masters have not heard.
    Tell { owner: NodeId, unaware: Vec<NodeId> },
    /// Several own them: the losers give them up, and their keys are brought to the owner.
    Settle { owner: NodeId, losers: Vec<NodeId> },
}

/// The slots of a repair, and who is around.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Surroundings {
    pub slots: Vec<u16>,
    /// Every master that answers.
    pub masters: Vec<NodeId>,
    /// Replicas of the nodes concerned.
    pub replicas: Vec<NodeId>,
    /// See [`MoveGroup::strict`]; a repair of what nobody is at finds marks everywhere.
    pub strict: bool,
    pub quiet: bool,
    /// A node may be marked as importing from itself: every server but Valkey 9 and later.
    pub may_import_from_itself: bool,
    /// The source's mark names a target that is no master any more: what that one had is with whoever took its place.
    pub reopens: bool,
}

impl Surroundings {
    pub fn group(&self, source: NodeId, target: NodeId) -> MoveGroup {
        MoveGroup {
            source,
            target,
            slots: self.slots.clone(),
            others: self.masters.iter().copied().filter(|&node| node != source && node != target).collect(),
            replicas: self.replicas.clone(),
            strict: self.strict,
            quiet: self.quiet,
        }
    }

    fn set(&self, command: impl Fn(u16) -> SlotCommand) -> Vec<SlotCommand> {
        self.slots.iter().map(|&slot| command(slot)).collect()
    }
}

/// All steps of a repair, in order.
pub fn repair_steps(repair: &Repair, around: &Surroundings) -> Vec<SlotStep> {
    let all = || around.slots.clone();
    let stable = |node: NodeId| SlotStep::send(SendPurpose::Close, node, around.set(|slot| SlotCommand::Stable { slot }));
    let owned = |owner: NodeId| Owns { node: owner, slots: all() };
    match repair {
        Repair::Finish { from, to, unaware } => {
            let there = before(*from, *to, *unaware, around).into_iter();
            there.chain(move_group(&around.group(*from, *to))).collect()
        }
        Repair::FinishAndBack { from, to, unaware } => {
            let group = around.group(*from, *to);
            let there = before(*from, *to, *unaware, around).into_iter().chain(move_group(&group));
            there.chain(move_group_back(&group)).collect()
        }
        Repair::Return { at, owner } => bring_home(at, *owner, around),
        Repair::Close { at, owner } => {
            // The others first: a claim that was checked before cannot come after the fence, and none can be checked after.
            let others: Vec<NodeId> = at.iter().copied().filter(|node| node != owner).collect();
            let mut steps: Vec<SlotStep> = others
                .iter()
                .map(|&node| {
                    let idle = vec![owned(*owner), OwnsNot { node, slots: all() }, HoldsNoKeys { node, slots: all() }];
                    stable(node).requires(idle).confirms(vec![Closed { node, slots: all() }])
                })
                .collect();
            if !at.contains(owner) {
                return steps;
            }
            steps.push(SlotStep::new(SendPurpose::Fence, SlotAct::Fence));
            let mut idle = vec![owned(*owner)];
            for &node in &others {
                idle.extend([OwnsNot { node, slots: all() }, HoldsNoKeys { node, slots: all() }, Closed { node, slots: all() }]);
            }
            steps.push(stable(*owner).requires(idle).confirms(vec![Closed { node: *owner, slots: all() }]));
            steps
        }
        Repair::Adopt { owner, believes, .. } => {
            let nobody = around.masters.iter().map(|&node| OwnsNot { node, slots: all() }).collect();
            let free = believes.then(|| around.set(|slot| SlotCommand::DelSlots { slot })).into_iter().flatten();
            let take = around.set(|slot| SlotCommand::AddSlots { slot });
            let adopt = SlotStep::send(SendPurpose::Adopt, *owner, free.chain(take).collect());
            let adopt = adopt.requires(nobody).confirms(vec![owned(*owner)]);
            std::iter::once(adopt).chain(tell(*owner, &around.masters, around)).collect()
        }
        Repair::Tell { owner, unaware } => tell(*owner, unaware, around),
        Repair::Settle { owner, losers } => settle(*owner, losers, around),
    }
}

/// What comes before a move that somebody has begun is finished.
fn before(from: NodeId, to: NodeId, unaware: bool, around: &Surroundings) -> Vec<SlotStep> {
    let reopen = around.reopens.then(|| {
        let owner = || Owns { node: from, slots: around.slots.clone() };
        let gives = vec![owner(), Precondition::MigratesTo { node: from, slots: around.slots.clone(), to }];
        let migrating = around.set(|slot| SlotCommand::Migrating { slot, to });
        SlotStep::send(SendPurpose::Open, from, migrating).requires(vec![owner()]).confirms(gives)
    });
    begin(from, to, &around.masters).into_iter().chain(reopen).chain(inform(from, to, unaware, around)).collect()
}

/// A target that still takes the slots for a dead master's would call the whole cluster failed.
fn inform(from: NodeId, to: NodeId, unaware: bool, around: &Surroundings) -> Option<SlotStep> {
    let slots = || around.slots.clone();
    unaware.then(|| {
        // Its marks may still name the node that was the source before a failover, or be of a time when it owned them.
        let stable = around.set(|slot| SlotCommand::Stable { slot });
        let believe = around.set(|slot| SlotCommand::Node { slot, owner: from });
        let import = around.set(|slot| SlotCommand::Importing { slot, from });
        SlotStep::send(SendPurpose::Inform, to, stable.into_iter().chain(believe).chain(import).collect())
            .requires(vec![Owns { node: from, slots: slots() }, OwnsNot { node: to, slots: slots() }])
            .confirms(vec![KnowsOwner { at: to, slots: slots(), owner: from }])
    })
}

/// Each is told by itself. The owner's epoch is not raised for it: an owner that has lost the slots and has not heard would win
/// them back with that, and their new owner would delete their keys.
fn tell(owner: NodeId, nodes: &[NodeId], around: &Surroundings) -> Vec<SlotStep> {
    let slots = || around.slots.clone();
    let others = || around.masters.iter().copied().filter(|&node| node != owner);
    let say = |node: NodeId| {
        let alone = others().map(|node| OwnsNot { node, slots: slots() });
        SlotStep::send(SendPurpose::Tell, node, around.set(|slot| SlotCommand::Node { slot, owner }))
            .requires(std::iter::once(Owns { node: owner, slots: slots() }).chain(alone).collect())
            .confirms(vec![KnowsOwner { at: node, slots: slots(), owner }])
    };
    nodes.iter().copied().filter(|&node| node != owner).map(say).collect()
}

/// Keys of nodes that do not own the slots go to the one that does. First nobody imports any more, so that a claim that is
/// being checked fails; then, after the fence, no claim that was checked can come. While keys leave a stray, it is marked as
/// importing from itself: MIGRATE asks for a mark, and no claim is checked against this one. Servers that refuse that get the
/// owner's mark.
fn bring_home(strays: &[NodeId], owner: NodeId, around: &Surroundings) -> Vec<SlotStep> {
    let slots = || around.slots.clone();
    let owned = || Owns { node: owner, slots: slots() };
    let aside = |node: NodeId| OwnsNot { node, slots: slots() };
    let stable = |node: NodeId| SlotStep::send(SendPurpose::Close, node, around.set(|slot| SlotCommand::Stable { slot }));
    let closed = |&node: &NodeId| stable(node).requires(vec![owned(), aside(node)]).confirms(vec![Closed { node, slots: slots() }]);
    let mut steps: Vec<SlotStep> = strays.iter().map(closed).collect();
    steps.push(SlotStep::new(SendPurpose::Fence, SlotAct::Fence));
    // A slot that is on its way out refuses what comes in.
    let still = strays.iter().flat_map(|&node| [aside(node), Closed { node, slots: slots() }]);
    steps.push(stable(owner).requires(still.chain([owned()]).collect()).confirms(vec![Closed { node: owner, slots: slots() }]));
    for &stray in strays {
        // A closed slot does not let go, and who holds what is not its own may not have heard whose it is.
        let believe = around.set(|slot| SlotCommand::Node { slot, owner });
        let from = if around.may_import_from_itself { stray } else { owner };
        let import = around.set(|slot| SlotCommand::Importing { slot, from });
        let transfer = SlotAct::MoveKeys { from: stray, to: owner, slots: slots(), transfer: KeyTransfer::Home };
        steps.extend([
            SlotStep::send(SendPurpose::Inform, stray, believe.into_iter().chain(import).collect()).requires(vec![
                owned(),
                aside(stray),
                Closed { node: owner, slots: slots() },
            ]),
            SlotStep::new(SendPurpose::Move, transfer).requires(vec![owned(), aside(stray)]),
            stable(stray)
                .requires(vec![owned(), HoldsNoKeys { node: stray, slots: slots() }])
                .confirms(vec![Closed { node: stray, slots: slots() }]),
        ]);
    }
    steps
}

/// An owner no more, a loser keeps its keys whatever it learns; then everybody else is told, before one of them corrects the owner
/// with what it had heard from the loser. Whoever hears that the loser claims the slots no more takes the owner's word.
fn settle(owner: NodeId, losers: &[NodeId], around: &Surroundings) -> Vec<SlotStep> {
    let slots = || around.slots.clone();
    let give_up = |&loser: &NodeId| {
        SlotStep::send(SendPurpose::GiveUp, loser, around.set(|slot| SlotCommand::DelSlots { slot }))
            .requires(vec![Owns { node: owner, slots: slots() }, Owns { node: loser, slots: slots() }])
            .confirms(vec![OwnsNot { node: loser, slots: slots() }])
    };
    let mut steps: Vec<SlotStep> = losers.iter().map(give_up).collect();
    steps.extend(tell(owner, &around.masters, around));
    steps.extend(bring_home(losers, owner, around));
    steps
}
