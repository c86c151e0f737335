//! PURE. What nodes were heard to say, and what must be true before a command is sent.

use crate::cluster::NodeId;

/// What nodes were heard to say last, each by its own `CLUSTER NODES` and its own counts. None: it has not been heard.
pub trait Heard {
    /// The node says of itself that it is a master.
    fn is_master(&self, at: NodeId) -> Option<bool>;
    /// The node's own line lists the slot.
    fn owns(&self, at: NodeId, slot: u16) -> Option<bool>;
    /// The node's own line shows `[slot->-…]`: to whom.
    fn migrating(&self, at: NodeId, slot: u16) -> Option<Option<NodeId>>;
    /// The node's own line shows `[slot-<-…]`: from whom.
    fn importing(&self, at: NodeId, slot: u16) -> Option<Option<NodeId>>;
    /// A slot that its own line shows as importing, whichever; None inside: it imports none.
    fn takes(&self, at: NodeId) -> Option<Option<u16>>;
    /// A slot that its own line shows as migrating, whichever.
    fn gives(&self, at: NodeId) -> Option<Option<u16>>;
    /// The config epoch that `at` shows for `of`; with `at == of`, the node's own.
    fn epoch(&self, at: NodeId, of: NodeId) -> Option<u64>;
    /// On whose line `at` lists the slot.
    fn owner(&self, at: NodeId, slot: u16) -> Option<Option<NodeId>>;
    /// `at` shows `of` as a master that is neither `fail` nor `fail?`.
    fn holds_for_master(&self, at: NodeId, of: NodeId) -> Option<bool>;
    /// Keys of the slot on the node, all databases together.
    fn keys(&self, at: NodeId, slot: u16) -> Option<u64>;
}

/// Something that must be true, by the word of the nodes it is asked of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Precondition {
    /// It owns all of them by its own word, and is a master.
    Owns { node: NodeId, slots: Vec<u16> },
    /// It owns none of them by its own word.
    OwnsNot { node: NodeId, slots: Vec<u16> },
    /// It is migrating each of them to this target.
    MigratesTo { node: NodeId, slots: Vec<u16>, to: NodeId },
    /// It is migrating none of them, or to this target.
    MigratesToNobodyElse { node: NodeId, slots: Vec<u16>, to: NodeId },
    /// It is importing each of them from this source.
    ImportsFrom { node: NodeId, slots: Vec<u16>, from: NodeId },
    /// It is importing none of them, or from this source.
    ImportsFromNobodyElse { node: NodeId, slots: Vec<u16>, from: NodeId },
    /// It imports no slot at all: no claim can raise its epoch.
    TakesNothing { node: NodeId },
    /// It migrates no slot at all: nobody claims what is its own while a claim raises its epoch.
    GivesNothing { node: NodeId },
    /// It has no mark on any of them.
    Closed { node: NodeId, slots: Vec<u16> },
    /// None of these nodes imports, migrates or owns any of the slots.
    NobodyElseIsAtIt { others: Vec<NodeId>, slots: Vec<u16> },
    /// It holds no keys of them, in any database.
    HoldsNoKeys { node: NodeId, slots: Vec<u16> },
    /// `at` knows an epoch of `of` that is at least the one `of` was last heard to have.
    KnowsEpoch { at: NodeId, of: NodeId },
    /// Its own epoch is above the one `of` was last heard to have.
    EpochAbove { node: NodeId, of: NodeId },
    /// `at` shows `of` as a master that has not failed.
    HoldsForMaster { at: NodeId, of: NodeId },
    /// `at` lists each of the slots on the owner's line.
    KnowsOwner { at: NodeId, slots: Vec<u16>, owner: NodeId },
}

/// How a precondition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreconditionState {
    Holds,
    /// It does not hold; where it is about slots, for this one.
    Fails(Option<u16>),
    /// This node has not been heard, so it does not hold.
    Unheard(NodeId),
}

impl Precondition {
    /// Whose `CLUSTER NODES` has to be read for it.
    pub fn asks(&self) -> Vec<NodeId> {
        match self {
            Self::Owns { node, .. }
            | Self::OwnsNot { node, .. }
            | Self::MigratesTo { node, .. }
            | Self::MigratesToNobodyElse { node, .. }
            | Self::ImportsFrom { node, .. }
            | Self::ImportsFromNobodyElse { node, .. }
            | Self::TakesNothing { node }
            | Self::GivesNothing { node }
            | Self::Closed { node, .. }
            | Self::EpochAbove { node, .. } => vec![*node],
            Self::NobodyElseIsAtIt { others, .. } => others.clone(),
            Self::HoldsNoKeys { .. } => Vec::new(),
            Self::KnowsEpoch { at, of } => vec![*at, *of],
            Self::HoldsForMaster { at, .. } | Self::KnowsOwner { at, .. } => vec![*at],
        }
    }

    /// Where keys have to be counted for it, and of which slots.
    pub fn counts(&self) -> Option<(NodeId, &[u16])> {
        match self {
            Self::HoldsNoKeys { node, slots } => Some((*node, slots)),
            _ => None,
        }
    }

    /// Time brings it: gossip is on its way. Everything else that does not hold is a reason to stop.
    pub fn may_come(&self) -> bool {
        matches!(self, Self::KnowsEpoch { .. } | Self::KnowsOwner { .. })
    }

    pub fn verdict(&self, heard: &impl Heard) -> PreconditionState {
        match self {
            Self::Owns { node, slots } => match heard.is_master(*node) {
                None => PreconditionState::Unheard(*node),
                Some(false) => PreconditionState::Fails(None),
                Some(true) => each(*node, slots, |slot| heard.owns(*node, slot)),
            },
            Self::OwnsNot { node, slots } => each(*node, slots, |slot| heard.owns(*node, slot).map(|owns| !owns)),
            Self::MigratesTo { node, slots, to } => {
                each(*node, slots, |slot| heard.migrating(*node, slot).map(|peer| peer == Some(*to)))
            }
            Self::MigratesToNobodyElse { node, slots, to } => {
                each(*node, slots, |slot| heard.migrating(*node, slot).map(|peer| peer.is_none_or(|peer| peer == *to)))
            }
            Self::ImportsFrom { node, slots, from } => {
                each(*node, slots, |slot| heard.importing(*node, slot).map(|peer| peer == Some(*from)))
            }
            Self::ImportsFromNobodyElse { node, slots, from } => {
                each(*node, slots, |slot| heard.importing(*node, slot).map(|peer| peer.is_none_or(|peer| peer == *from)))
            }
            Self::TakesNothing { node } => none(*node, heard.takes(*node)),
            Self::GivesNothing { node } => none(*node, heard.gives(*node)),
            Self::Closed { node, slots } => each(*node, slots, |slot| is_idle(heard, *node, slot)),
            Self::NobodyElseIsAtIt { others, slots } => first_not_holding(others.iter().map(|&other| {
                each(other, slots, |slot| {
                    let owns = heard.owns(other, slot)?;
                    Some(!owns && is_idle(heard, other, slot)?)
                })
            })),
            Self::HoldsNoKeys { node, slots } => each(*node, slots, |slot| heard.keys(*node, slot).map(|keys| keys == 0)),
            Self::KnowsEpoch { at, of } => match (heard.epoch(*at, *of), heard.epoch(*of, *of)) {
                (_, None) => PreconditionState::Unheard(*of),
                (None, _) => PreconditionState::Unheard(*at),
                (Some(known), Some(own)) => holds(known >= own),
            },
            Self::EpochAbove { node, of } => match (heard.epoch(*node, *node), heard.epoch(*of, *of)) {
                (_, None) => PreconditionState::Unheard(*of),
                (None, _) => PreconditionState::Unheard(*node),
                (Some(own), Some(other)) => holds(own > other),
            },
            Self::HoldsForMaster { at, of } => match heard.holds_for_master(*at, *of) {
                None => PreconditionState::Unheard(*at),
                Some(does) => holds(does),
            },
            Self::KnowsOwner { at, slots, owner } => {
                each(*at, slots, |slot| heard.owner(*at, slot).map(|named| named == Some(*owner)))
            }
        }
    }
}

fn is_idle(heard: &impl Heard, at: NodeId, slot: u16) -> Option<bool> {
    Some(heard.importing(at, slot)?.is_none() && heard.migrating(at, slot)?.is_none())
}

fn none(at: NodeId, found: Option<Option<u16>>) -> PreconditionState {
    match found {
        None => PreconditionState::Unheard(at),
        Some(None) => PreconditionState::Holds,
        Some(slot) => PreconditionState::Fails(slot),
    }
}

fn holds(does: bool) -> PreconditionState {
    if does { PreconditionState::Holds } else { PreconditionState::Fails(None) }
}

fn each(at: NodeId, slots: &[u16], is_so: impl Fn(u16) -> Option<bool>) -> PreconditionState {
    first_not_holding(slots.iter().map(|&slot| match is_so(slot) {
        Some(true) => PreconditionState::Holds,
        Some(false) => PreconditionState::Fails(Some(slot)),
        None => PreconditionState::Unheard(at),
    }))
}

fn first_not_holding(mut verdicts: impl Iterator<Item = PreconditionState>) -> PreconditionState {
    verdicts.find(|verdict| *verdict != PreconditionState::Holds).unwrap_or(PreconditionState::Holds)
}
