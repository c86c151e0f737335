//! PURE. What changed between two settled pictures, one line each: the material of `watch` and of the timeline.

use std::fmt;

use crate::cluster::{Address, Health, NodeId, NodeRole, ShardName, SlotRange, Time};

/// One change of the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub at: Time,
    pub node: NodeId,
    pub address: Address,
    pub kind: ChangeKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    Joined(NodeRole),
    Left,
    Health {
        from: Health,
        to: Health,
        detail: String,
    },
    Role {
        from: NodeRole,
        to: NodeRole,
    },
    /// A replica follows another master.
    Reparented {
        shard: Option<ShardName>,
    },
    Moved {
        from: Address,
    },
    Slots {
        gained: Vec<SlotRange>,
        lost: Vec<SlotRange>,
    },
    Epoch {
        from: u64,
        to: u64,
    },
    /// The server process behind the node is a new one.
    Restarted,
}

impl ChangeKind {
    /// The stable name in JSON lines.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Joined(_) => "node.joined",
            Self::Left => "node.left",
            Self::Health { .. } => "node.health",
            Self::Role { .. } => "node.role",
            Self::Reparented { .. } => "node.reparented",
            Self::Moved { .. } => "node.address",
            Self::Slots { .. } => "node.slots",
            Self::Epoch { .. } => "node.epoch",
            Self::Restarted => "node.restarted",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined(role) => write!(f, "joined as {role}"),
            Self::Left => f.write_str("left the cluster"),
            Self::Health { from, to, detail } if detail.is_empty() => write!(f, "{from} → {to}"),
            Self::Health { from, to, detail } => write!(f, "{from} → {to} ({detail})"),
            Self::Role { from, to } => write!(f, "{from} → {to}"),
            Self::Reparented { shard: Some(shard) } => write!(f, "now replicates the master of shard {shard}"),
            Self::Reparented { shard: None } => f.write_str("now replicates another master"),
            Self::Moved { from } => write!(f, "moved here from {from}"),
            Self::Slots { gained, lost } => {
                let list = |ranges: &[SlotRange]| ranges.iter().map(SlotRange::to_string).collect::<Vec<_>>().join(" ");
                match (gained.is_empty(), lost.is_empty()) {
                    (false, true) => write!(f, "took over slots {}", list(gained)),
                    (true, false) => write!(f, "lost slots {}", list(lost)),
                    _ => write!(f, "took over slots {}, lost {}", list(gained), list(lost)),
                }
            }
            Self::Epoch { from, to } => write!(f, "epoch {from} → {to}"),
            Self::Restarted => f.write_str("restarted"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.kind)
    }
}
