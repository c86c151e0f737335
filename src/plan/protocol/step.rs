//! PURE. One step of a sequence: what it needs, what it does, what is read to know that it worked.

use std::time::Duration;

use super::{Precondition, SlotCommand};
use crate::cluster::NodeId;

/// What was read before a claim is good for this long at most; then it is read again.
pub const CHECK_LASTS: Duration = Duration::from_millis(500);

/// How long what was read before a command may be acted on.
pub fn check_lasts(node_timeout: Duration) -> Duration {
    CHECK_LASTS.min(node_timeout / 4)
}

/// How long a [`SlotAct::Fence`] waits: whoever has read the slots before it acts on that no more.
pub fn fence(node_timeout: Duration) -> Duration {
    check_lasts(node_timeout) * 2
}

/// How long an [`SlotAct::Drain`] waits where nodes cannot be asked what they have heard: each pings each within half the node
/// timeout, and drops a link that is silent for the other half.
pub fn drain(node_timeout: Duration) -> Duration {
    node_timeout
}

/// What a step is for; the words of progress and of failures hang on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SendPurpose {
    /// The target learns whose the slots are, where it believes otherwise.
    Inform,
    /// The target imports: it takes keys, and every other console sees it.
    Announce,
    /// The source migrates: players are sent on for what is not there any more.
    Open,
    /// Nobody else is at these slots.
    Alone,
    /// Keys go over.
    Move,
    /// The target owns the slots, under an epoch that is above the source's: all in one transaction, or the first one.
    ClaimFirst,
    /// It owns the others, under the same epoch.
    ClaimRest,
    /// The source believes it.
    Release,
    /// Replicas that may take over have heard of it.
    Heard,
    /// So has every other master: none of them can take the slots on an older word any more.
    Agreed,
    /// Marks are taken off.
    Close,
    /// Whoever has read the slots before this acts on it no more.
    Fence,
    /// What was said on the bus before this has been heard.
    Drain,
    /// A node without right to a slot stops claiming it.
    GiveUp,
    /// A slot without an owner gets one.
    Adopt,
    /// Those who have not heard are told.
    Tell,
}

/// How keys are brought over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyTransfer {
    /// The slot is open on both sides: players see every key at every moment, and the source's copy counts.
    Open,
    /// To the owner, from a node that is not: until they are there, players do not see them. The owner's copy counts.
    Home,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SlotAct {
    /// These commands to one node, in one go and in this order. `atomic`: as one transaction, where the server allows it.
    Send { to: NodeId, commands: Vec<SlotCommand>, atomic: bool },
    /// Lists and moves keys until the first node has none of these slots, in any database.
    MoveKeys { from: NodeId, to: NodeId, slots: Vec<u16>, transfer: KeyTransfer },
    /// Nothing is sent; time passes until every earlier check of anybody has run out ([`fence`]).
    Fence,
    /// Nothing is told about slots; it ends when the others have heard whatever these nodes have said to them on the bus.
    Drain { of: Vec<NodeId>, by: Vec<NodeId> },
    /// Nothing but reading.
    Look,
}

/// One step of a sequence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlotStep {
    pub purpose: SendPurpose,
    /// Read anew, then acted on within [`check_lasts`]. What may come by gossip is waited for; anything else ends the
    /// sequence before this step does anything.
    pub requires: Vec<Precondition>,
    pub act: SlotAct,
    /// Read after the commands, in the same pipeline where it is the same node. What may come is waited for.
    pub confirms: Vec<Precondition>,
    /// Its `requires` may be read beside the steps that follow, up to the next one that is not `beside`.
    pub beside: bool,
    /// It may be waited for while the next groups move, up to this many of them; 0: before
    /// anything else; `usize::MAX`: before the operation ends.
    pub lag: usize,
}

impl SlotStep {
    pub fn new(purpose: SendPurpose, act: SlotAct) -> Self {
        Self { purpose, requires: Vec::new(), act, confirms: Vec::new(), beside: false, lag: 0 }
    }

    pub fn send(purpose: SendPurpose, to: NodeId, commands: Vec<SlotCommand>) -> Self {
        Self::new(purpose, SlotAct::Send { to, commands, atomic: false })
    }

    pub fn requires(mut self, requires: Vec<Precondition>) -> Self {
        self.requires = requires;
        self
    }

    pub fn confirms(mut self, confirms: Vec<Precondition>) -> Self {
        self.confirms = confirms;
        self
    }

    /// The literal commands with the node they go to; keys stand for themselves.
    pub fn commands(&self) -> Vec<(NodeId, String)> {
        match &self.act {
            SlotAct::Send { to, commands, .. } => commands.iter().map(|command| (*to, command.to_string())).collect(),
            SlotAct::MoveKeys { .. } | SlotAct::Fence | SlotAct::Drain { .. } | SlotAct::Look => Vec::new(),
        }
    }
}
