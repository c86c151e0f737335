//! PURE. What conditions of actions may look at: a few bools, so that the table does not know the console.

/// What holds right now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Something is selected, under the cursor or shown in detail.
    pub selection: bool,
    pub node: bool,
    pub shard: bool,
    /// A room is selected, or rooms are marked.
    pub room: bool,
    /// The slot map has the cursor, or one slot is shown.
    pub slots: bool,
    pub alert: bool,
    /// The focus is on a list.
    pub list: bool,
    /// The list has columns to sort by.
    pub columns: bool,
    pub marks: bool,
    /// Something is advised that can be begun here.
    pub advice: bool,
    /// An operation is running.
    pub running: bool,
    /// It is paused.
    pub paused: bool,
    /// The cluster is read-only and not unlocked.
    pub locked: bool,
    /// What is shown is a frozen screen.
    pub snapshot: bool,
    /// Commands have been typed.
    pub history: bool,
}

/// A condition with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCondition {
    Selection,
    Node,
    NodeOrShard,
    RoomOrSlots,
    Alert,
    Advice,
    Running,
    Locked,
    Marks,
    Columns,
    History,
}

impl KeyCondition {
    pub fn holds(self, context: &Context) -> bool {
        match self {
            Self::Selection => context.selection,
            Self::Node => context.node,
            Self::NodeOrShard => context.node || context.shard,
            Self::RoomOrSlots => context.room || context.slots,
            Self::Alert => context.alert,
            Self::Advice => context.advice,
            Self::Running => context.running,
            Self::Locked => context.locked,
            Self::Marks => context.marks,
            Self::Columns => context.columns,
            Self::History => context.history,
        }
    }

    pub fn why(self) -> &'static str {
        match self {
            Self::Selection => "nothing is selected",
            Self::Node => "select a node first",
            Self::NodeOrShard => "select a node or a shard first",
            Self::RoomOrSlots => "select a room, or slots on the slot map, first",
            Self::Alert => "select an alert first",
            Self::Advice => "nothing is advised that a key could begin",
            Self::Running => "no operation is running",
            Self::Locked => "the cluster is not locked",
            Self::Marks => "nothing is marked",
            Self::Columns => "this list has no columns to sort by",
            Self::History => "no command has been typed yet",
        }
    }
}

/// Where a chord means this action. Narrow scopes are asked before wide ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Everywhere,
    /// Any list: topology, nodes, rooms, alerts, operations.
    List,
    /// The slot map.
    Slots,
}

impl Scope {
    pub fn word(self) -> &'static str {
        match self {
            Self::Everywhere => "everywhere",
            Self::List => "in lists",
            Self::Slots => "on the slot map",
        }
    }
}
