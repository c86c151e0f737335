//! PURE. One command about slots, as it is sent.

use std::fmt;

use crate::cluster::NodeId;

/// What a node is told about a slot. Prints as the command itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlotCommand {
    /// To the target: keys of this slot may be brought from there.
    Importing {
        slot: u16,
        from: NodeId,
    },
    /// To the source: what is not here is over there. Overwrites whatever mark there was.
    Migrating {
        slot: u16,
        to: NodeId,
    },
    /// Takes both marks off.
    Stable {
        slot: u16,
    },
    /// To the new owner it is a claim; to everybody else, what to believe.
    Node {
        slot: u16,
        owner: NodeId,
    },
    AddSlots {
        slot: u16,
    },
    /// The node owns it no more, and keeps its keys.
    DelSlots {
        slot: u16,
    },
    /// Makes every claim of this node win everywhere, also one that it has lost and not heard of: no sequence sends it.
    BumpEpoch,
}

impl SlotCommand {
    pub fn slot(&self) -> Option<u16> {
        match *self {
            Self::Importing { slot, .. }
            | Self::Migrating { slot, .. }
            | Self::Stable { slot }
            | Self::Node { slot, .. }
            | Self::AddSlots { slot }
            | Self::DelSlots { slot } => Some(slot),
            Self::BumpEpoch => None,
        }
    }
}

impl fmt::Display for SlotCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Importing { slot, from } => write!(f, "CLUSTER SETSLOT {slot} IMPORTING {from}"),
            Self::Migrating { slot, to } => write!(f, "CLUSTER SETSLOT {slot} MIGRATING {to}"),
            Self::Stable { slot } => write!(f, "CLUSTER SETSLOT {slot} STABLE"),
            Self::Node { slot, owner } => write!(f, "CLUSTER SETSLOT {slot} NODE {owner}"),
            Self::AddSlots { slot } => write!(f, "CLUSTER ADDSLOTS {slot}"),
            Self::DelSlots { slot } => write!(f, "CLUSTER DELSLOTS {slot}"),
            Self::BumpEpoch => write!(f, "CLUSTER BUMPEPOCH"),
        }
    }
}
