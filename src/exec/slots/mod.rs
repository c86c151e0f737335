//! IO. Slots on their way from master to master. Two engines behind one trait; what they have in common is here.

pub(super) mod atomic;
pub(super) mod batch;
mod content;
mod copies;
pub(super) mod databases;
mod drain;
pub(super) mod evictions;
pub(super) mod group;
pub(super) mod heard;
pub(super) mod interpret;
pub(super) mod keys;
mod listing;
pub(super) mod meter;
pub(super) mod migrate;
mod migrations;
mod why;

pub(super) use atomic::on_their_way;

use std::time::Duration;

use crate::cluster::{Address, Model, NodeId, SlotSet};

const DEFAULT_NODE_TIMEOUT: Duration = Duration::from_secs(15);

/// The servers' own patience with each other; the default is a long one.
pub(super) fn node_timeout(model: &Model) -> Duration {
    model.node_timeout().unwrap_or(DEFAULT_NODE_TIMEOUT)
}

/// Slots to go from one master to another.
#[derive(Clone, Debug)]
pub(super) struct MoveJob {
    pub(super) from: NodeId,
    pub(super) from_at: Address,
    pub(super) to: NodeId,
    pub(super) to_at: Address,
    pub(super) slots: Vec<u16>,
}

/// Why an engine stopped before the end of its job, and what it leaves.
#[derive(Clone, Debug, Default)]
pub(super) struct MoveStop {
    /// Each a sentence: step, command, node, the server's text.
    pub(super) reasons: Vec<String>,
    /// Slots of the job that are neither where they were nor where they shall be.
    pub(super) open: SlotSet,
    /// A server refused to take keys: going back is the way, not going on.
    pub(super) roll_back: bool,
    /// The operator asked for it.
    pub(super) cancelled: bool,
    /// A server was asked to change something, so that this is no refusal.
    pub(super) begun: bool,
    /// Slots that servers may go on moving by themselves: nobody said how that ended.
    pub(super) undecided: SlotSet,
    /// Another console is at these slots: it is not worked against.
    pub(super) race: bool,
    /// Slots whose keys may be lost.
    pub(super) at_risk: SlotSet,
}

impl MoveStop {
    pub(super) fn because(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], ..Self::default() }
    }
}

/// Carries out one job. The slots of a job that ended well belong to the target; after a stop, those in `MoveStop::open` have
/// to be settled, all others are as they were or where they shall be.
pub(super) trait SlotEngine {
    async fn carry(&mut self, job: &MoveJob) -> Result<(), MoveStop>;
}
