//! PURE. What happened to data or to owners without a known cause: kept until somebody acknowledges it.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::cluster::{Address, NodeId, ShardName, SlotSet, Time};

/// Something that has happened, and does not stop having happened when the servers look well again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub at: Time,
    pub acknowledged: Option<Time>,
    pub what: IncidentKind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentKind {
    /// A master was started again and has not what it had before.
    CameBackEmpty {
        node: NodeId,
        shard: ShardName,
        run_id: String,
        lost: LostData,
        left: u64,
        #[serde(default)]
        gone: Option<GoneRooms>,
    },
    /// Another node owns a shard's slots now, and has not what the owner before it had.
    Vanished { shard: ShardName, from: Address, to: NodeId, epoch: u64, lost: LostData, left: u64 },
    /// Nodes joined that had slots of their own.
    Joined { joined: Vec<JoinedNode>, ours: Vec<Owner> },
    /// Slots have another owner although nobody was told to move them.
    Moved { slots: SlotSet, from: NodeId, to: NodeId },
    /// A replica took its master's place although that was well and nobody asked for it.
    Turned { shard: ShardName, from: NodeId, to: NodeId, epoch: u64 },
    /// Epochs grew although nothing changed that needs one.
    Epochs { from: u64, to: u64 },
}

/// What had been there, and when.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LostData {
    pub keys: u64,
    /// Where every key had been looked at.
    pub rooms: Option<u64>,
    pub players: Option<u64>,
    pub at: Time,
}

/// Rooms that had been known, and were not there when all keys had been looked at again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoneRooms {
    pub rooms: u64,
    pub players: u64,
    /// The first of them.
    pub codes: Vec<String>,
    /// The game may have ended as many itself: it has deleted keys in the meantime, or nobody has watched it.
    pub maybe_ended: bool,
}

/// A node that joined with slots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JoinedNode {
    pub id: NodeId,
    pub address: Address,
    pub slots: SlotSet,
    pub epoch: u64,
}

/// Who owned slots before that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    pub id: NodeId,
    pub address: Address,
    pub shard: ShardName,
    pub slots: SlotSet,
    pub epoch: u64,
    pub replicas: Vec<NodeId>,
    pub lost: LostData,
}

/// Nodes of one cluster do not all appear in the same moment, nor to every program that watches.
pub(super) const TOGETHER: TimeDelta = TimeDelta::minutes(1);

impl Incident {
    /// Both tell of the same incident, as two programs or two moments have seen it.
    pub fn is(&self, other: &Incident) -> bool {
        let both_joined = matches!((&self.what, &other.what), (IncidentKind::Joined { .. }, IncidentKind::Joined { .. }));
        self.what.is(&other.what) || (both_joined && (self.at - other.at).abs() <= TOGETHER)
    }

    /// Takes in what somebody else has seen of the same incident: what was acknowledged stays acknowledged, who was seen
    /// to join has joined.
    pub fn take_in(&mut self, other: &Incident) {
        self.acknowledged = self.acknowledged.or(other.acknowledged);
        let (IncidentKind::Joined { joined, ours }, IncidentKind::Joined { joined: more, ours: others }) =
            (&mut self.what, &other.what)
        else {
            return;
        };
        self.at = self.at.min(other.at);
        for node in more {
            if !joined.iter().any(|known| known.id == node.id) {
                joined.push(node.clone());
            }
        }
        joined.sort_by(|a, b| a.address.cmp(&b.address));
        for owner in others {
            if !ours.iter().any(|known| known.id == owner.id) {
                ours.push(owner.clone());
            }
        }
    }
}

impl IncidentKind {
    /// Both tell of the same incident, one perhaps with newer figures.
    pub fn is(&self, other: &IncidentKind) -> bool {
        match (self, other) {
            (Self::CameBackEmpty { run_id: a, .. }, Self::CameBackEmpty { run_id: b, .. }) => a == b,
            (Self::Vanished { to: a, epoch: x, .. }, Self::Vanished { to: b, epoch: y, .. })
            | (Self::Turned { to: a, epoch: x, .. }, Self::Turned { to: b, epoch: y, .. }) => (a, x) == (b, y),
            (Self::Joined { joined: a, .. }, Self::Joined { joined: b, .. }) => {
                a.iter().any(|node| b.iter().any(|other| other.id == node.id))
            }
            (Self::Moved { slots: a, from: f, to: t }, Self::Moved { slots: b, from: g, to: u }) => (f, t, a) == (g, u, b),
            (Self::Epochs { to: a, .. }, Self::Epochs { to: b, .. }) => a == b,
            _ => false,
        }
    }
}
