//! PURE. What the operator wants: the only way an operation starts, whether from a key or from the shell.

use std::collections::BTreeMap;
use std::fmt;

use super::report::shell::word;
use crate::cluster::{Address, SlotSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    Graceful,
    Force,
    Takeover,
}

impl Mode {
    pub const ALL: [Mode; 3] = [Mode::Graceful, Mode::Force, Mode::Takeover];

    pub fn word(self) -> &'static str {
        match self {
            Self::Graceful => "graceful",
            Self::Force => "force",
            Self::Takeover => "takeover",
        }
    }

    /// What it does without.
    pub fn says(self) -> &'static str {
        match self {
            Self::Graceful => "With the master's help: nothing is lost",
            Self::Force => "Without the master: what it had not replicated is lost",
            Self::Takeover => "Without the other masters' votes",
        }
    }
}

/// What a rebalance makes equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Objective {
    Slots,
    Keys,
    Memory,
    Ops,
    Rooms,
}

impl Objective {
    pub const ALL: [Objective; 5] = [Self::Slots, Self::Keys, Self::Memory, Self::Ops, Self::Rooms];

    pub fn word(self) -> &'static str {
        match self {
            Self::Slots => "slots",
            Self::Keys => "keys",
            Self::Memory => "memory",
            Self::Ops => "ops",
            Self::Rooms => "rooms",
        }
    }

    /// Its loads in words. Servers count the time that each slot takes them, which is what commands cost.
    pub fn measure(self) -> &'static str {
        match self {
            Self::Ops => "commands, in µs of CPU a second",
            other => other.word(),
        }
    }

    /// How far from its share, in percent, a master may be unless the operator says otherwise. Traffic differs from second
    /// to second by more than what is stored.
    pub fn threshold(self) -> f64 {
        if self == Self::Ops { 10.0 } else { 2.0 }
    }

    /// What it counts are bytes.
    pub fn is_bytes(self) -> bool {
        self == Self::Memory
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Pace {
    /// Speed that players do not feel.
    #[default]
    Calm,
    Fast,
}

impl Pace {
    pub const ALL: [Pace; 2] = [Self::Calm, Self::Fast];

    pub fn word(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Fast => "fast",
        }
    }
}

/// What the operator wants. Nodes are named as the operator named them (address, id or the start of an id, shard
/// letter where a shard makes sense); the planner resolves them. Prints as the equivalent shell command's arguments,
/// quoted where a shell needs it.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Make `node` the master of its shard; given a master (or a shard), the planner chooses the replica.
    Failover {
        node: String,
        mode: Mode,
    },
    MoveSlots {
        slots: SlotSet,
        to: String,
    },
    MigrateRooms {
        codes: Vec<String>,
        to: String,
    },
    Rebalance {
        by: Objective,
        weights: BTreeMap<String, f64>,
        use_empty: bool,
        threshold_percent: f64,
        pace: Pace,
    },
    /// Resume or roll back open slots, give unowned slots an owner, bring strays home. None: every slot that needs it.
    Fix {
        slots: Option<SlotSet>,
        roll_back: bool,
    },
    AddNode {
        address: Address,
        replica_of: Option<String>,
    },
    /// Let an empty server join in the place of a dead node, then forget that node.
    Replace {
        address: Address,
        node: String,
    },
    Replicate {
        node: String,
        master: String,
    },
    Drain {
        node: String,
    },
    Remove {
        node: String,
    },
    Forget {
        node: String,
    },
}

impl Intent {
    /// The name of its subcommand, stable in JSON (`"operation"`).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Failover { .. } => "failover",
            Self::MoveSlots { .. } => "move-slots",
            Self::MigrateRooms { .. } => "migrate-room",
            Self::Rebalance { .. } => "rebalance",
            Self::Fix { .. } => "fix",
            Self::AddNode { .. } | Self::Replace { .. } => "node add",
            Self::Replicate { .. } => "node replicate",
            Self::Drain { .. } => "node drain",
            Self::Remove { .. } => "node remove",
            Self::Forget { .. } => "node forget",
        }
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Failover { node, mode: Mode::Graceful } => write!(f, " {}", word(node)),
            Self::Failover { node, mode } => write!(f, " {} --mode {}", word(node), mode.word()),
            Self::MoveSlots { slots, to } => write!(f, " {slots} --to {}", word(to)),
            Self::MigrateRooms { codes, to } => {
                let words: Vec<_> = codes.iter().map(|code| word(code)).collect();
                // What begins as an option does is a code all the same.
                if codes.iter().any(|code| code.starts_with('-')) {
                    write!(f, " --to {} -- {}", word(to), words.join(" "))
                } else {
                    write!(f, " {} --to {}", words.join(" "), word(to))
                }
            }
            Self::Rebalance { by, weights, use_empty, threshold_percent, pace } => {
                write!(f, " --by {}", by.word())?;
                weights.iter().try_for_each(|(node, weight)| write!(f, " --weight {}={weight}", word(node)))?;
                if *use_empty {
                    f.write_str(" --use-empty-masters")?;
                }
                if (*threshold_percent - by.threshold()).abs() > f64::EPSILON {
                    write!(f, " --threshold {threshold_percent}")?;
                }
                if *pace == Pace::Fast {
                    f.write_str(" --pace fast")?;
                }
                Ok(())
            }
            Self::Fix { slots, roll_back } => {
                if let Some(slots) = slots {
                    write!(f, " {slots}")?;
                }
                if *roll_back { f.write_str(" --roll-back") } else { Ok(()) }
            }
            Self::AddNode { address, replica_of: None } => write!(f, " {address}"),
            Self::AddNode { address, replica_of: Some(master) } => write!(f, " {address} --replica-of {}", word(master)),
            Self::Replace { address, node } => write!(f, " {address} --replaces {}", word(node)),
            Self::Replicate { node, master } => write!(f, " {} --master {}", word(node), word(master)),
            Self::Drain { node } | Self::Remove { node } | Self::Forget { node } => write!(f, " {}", word(node)),
        }
    }
}
