//! PURE. Operations as an operator spells them: one grammar for the shell and for the line typed after `:`.

mod line;
mod values;

use std::collections::BTreeMap;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};

pub use line::{Choice, choices, parse, usage, wants_value};
pub use values::{duration, one_of};

use crate::cluster::{Address, SlotRange, SlotSet};
use crate::escape;
use crate::plan::{Intent, Mode, Objective, Pace};

/// Every operation. `A`: the options that each of them takes besides its own, where it is typed.
#[derive(Debug, Subcommand)]
pub enum OperationCommand<A: Args> {
    /// Make a replica the master of its shard; a node that is the master already has nothing to do
    #[command(after_help = "Example: rgc-tui failover 10.0.0.4:7003 --dry-run")]
    Failover {
        /// The replica that shall be master (a shard's letter means --shard)
        #[arg(id = "target", value_name = "NODE", required_unless_present = "shard")]
        node: Option<String>,
        /// Give this shard another master: the best of its replicas, each time it is asked
        #[arg(long, value_name = "SHARD", conflicts_with = "target")]
        shard: Option<String>,
        /// How much of the old master's help it waits for
        #[arg(long, value_name = "MODE", default_value = "graceful", value_parser = values::mode())]
        mode: Mode,
        #[command(flatten)]
        also: A,
    },
    /// Spread slots over the masters so that they carry their share
    #[command(after_help = "Example: rgc-tui rebalance --by memory --weight 10.0.0.1:7000=2 --dry-run")]
    Rebalance {
        /// What is made equal [default: slots]
        #[arg(long, value_name = "WHAT", value_parser = one_of(&Objective::ALL, Objective::word))]
        by: Option<Objective>,
        /// A master's share relative to the others', 0 to empty it
        #[arg(long, value_name = "MASTER=W", value_parser = values::weight)]
        weight: Vec<(String, f64)>,
        /// Give slots to masters that have none
        #[arg(long)]
        use_empty_masters: bool,
        /// Imbalance in percent that is left alone [default: 2, by ops 10]
        #[arg(long, value_name = "PERCENT", value_parser = values::percent)]
        threshold: Option<f64>,
        /// Calm: players do not feel it. Fast: done sooner [default: calm]
        #[arg(long, value_name = "PACE", value_parser = one_of(&Pace::ALL, Pace::word))]
        pace: Option<Pace>,
        #[command(flatten)]
        also: A,
    },
    /// Give slots with their keys to another master
    #[command(after_help = "Example: rgc-tui move-slots 0-99 200 --to 10.0.0.2:7001 --dry-run")]
    MoveSlots {
        /// Slots: N or N-M, several with blanks or commas
        #[arg(required = true, value_name = "RANGE", value_delimiter = ',')]
        ranges: Vec<SlotRange>,
        /// The master that gets them
        #[arg(long, value_name = "MASTER")]
        to: String,
        #[command(flatten)]
        also: A,
    },
    /// Move rooms (their slots) to another master
    #[command(after_help = "Example: rgc-tui migrate-room KX9Q2 --to 10.0.0.2:7001 --dry-run")]
    MigrateRoom {
        /// Room codes
        #[arg(required = true, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
        codes: Vec<String>,
        /// The master that gets them
        #[arg(long, value_name = "MASTER")]
        to: String,
        #[command(flatten)]
        also: A,
    },
    /// Repair open slots, slots without an owner, keys in the wrong place
    #[command(after_help = "Example: rgc-tui fix --dry-run")]
    Fix {
        /// Only these slots
        #[arg(value_name = "RANGE", value_delimiter = ',')]
        ranges: Vec<SlotRange>,
        /// Take half-done moves back instead of finishing them
        #[arg(long)]
        roll_back: bool,
        #[command(flatten)]
        also: A,
    },
    /// Who is in the cluster: add, replicate, drain, remove, forget
    #[command(subcommand)]
    Node(NodeCommand<A>),
}

/// Operations on who is in the cluster.
#[derive(Debug, Subcommand)]
pub enum NodeCommand<A: Args> {
    /// Let an empty server join, as a master, as a replica, or in a dead node's place
    #[command(after_help = "Example: rgc-tui node add 10.0.0.7:7006 --replica-of 10.0.0.1:7000 --dry-run")]
    Add {
        /// Where the server listens
        #[arg(value_name = "HOST:PORT")]
        address: Address,
        /// Join as a replica of this master
        #[arg(long, value_name = "MASTER")]
        replica_of: Option<String>,
        /// Take the place of this dead node: join as a replica of its shard's master, then everybody forgets it
        #[arg(long, value_name = "NODE", conflicts_with = "replica_of")]
        replaces: Option<String>,
        #[command(flatten)]
        also: A,
    },
    /// Make a node the replica of another master
    #[command(after_help = "Example: rgc-tui node replicate 10.0.0.4:7003 --master 10.0.0.1:7000 --dry-run")]
    Replicate {
        /// The replica
        #[arg(id = "target", value_name = "NODE")]
        node: String,
        /// The master it shall follow
        #[arg(long, value_name = "MASTER")]
        master: String,
        #[command(flatten)]
        also: A,
    },
    /// Move all slots off a master
    #[command(after_help = "Example: rgc-tui node drain 10.0.0.3:7002 --dry-run")]
    Drain {
        /// The master
        #[arg(id = "target", value_name = "NODE")]
        node: String,
        #[command(flatten)]
        also: A,
    },
    /// Drain a node, then make everybody forget it
    #[command(after_help = "Example: rgc-tui node remove 10.0.0.4:7003 --dry-run")]
    Remove {
        /// The node
        #[arg(id = "target", value_name = "NODE")]
        node: String,
        #[command(flatten)]
        also: A,
    },
    /// Make everybody forget a node that is gone
    #[command(after_help = "Example: rgc-tui node forget 10.0.0.6:7005 --dry-run")]
    Forget {
        /// The node
        #[arg(id = "target", value_name = "NODE")]
        node: String,
        #[command(flatten)]
        also: A,
    },
}

impl<A: Args> OperationCommand<A> {
    /// What the operator wants, and the other options that were typed with it.
    pub fn intent(&self) -> (Intent, &A) {
        match self {
            Self::Failover { node, shard, mode, also } => {
                let node = node.as_ref().or(shard.as_ref()).cloned().unwrap_or_default();
                (Intent::Failover { node, mode: *mode }, also)
            }
            Self::Rebalance { by, weight, use_empty_masters, threshold, pace, also } => {
                let by = by.unwrap_or(Objective::Slots);
                let intent = Intent::Rebalance {
                    by,
                    weights: weight.iter().cloned().collect(),
                    use_empty: *use_empty_masters,
                    threshold_percent: threshold.unwrap_or(by.threshold()),
                    pace: pace.unwrap_or_default(),
                };
                (intent, also)
            }
            Self::MoveSlots { ranges, to, also } => (Intent::MoveSlots { slots: ranges.iter().collect(), to: to.clone() }, also),
            Self::MigrateRoom { codes, to, also } => {
                let codes = codes.iter().map(|code| escape::typed(code)).collect();
                (Intent::MigrateRooms { codes, to: to.clone() }, also)
            }
            Self::Fix { ranges, roll_back, also } => {
                let slots = (!ranges.is_empty()).then(|| ranges.iter().collect());
                (Intent::Fix { slots, roll_back: *roll_back }, also)
            }
            Self::Node(operation) => operation.intent(),
        }
    }

    /// A rebalance that says nothing about how: a saved plan knows.
    pub fn is_bare(&self) -> bool {
        match self {
            Self::Rebalance { by, weight, use_empty_masters, threshold, pace, .. } => {
                by.is_none() && weight.is_empty() && !use_empty_masters && threshold.is_none() && pace.is_none()
            }
            _ => false,
        }
    }

    /// What names a thing twice is a slip of the pen, and asked about rather than guessed at.
    pub fn twice(&self) -> Option<String> {
        match self {
            Self::MoveSlots { ranges, .. } | Self::Fix { ranges, .. } => {
                let mut seen = SlotSet::default();
                let slot = ranges.iter().flat_map(|range| range.iter()).find(|&slot| !seen.insert(slot))?;
                Some(format!("slot {slot} is in two of the ranges: name each slot once"))
            }
            Self::Rebalance { weight, .. } => {
                let mut given: BTreeMap<String, (&str, f64)> = BTreeMap::new();
                weight.iter().find_map(|(node, value)| {
                    // The letter of a shard and a host are the same in either case.
                    let (name, first) = given.insert(node.to_ascii_lowercase(), (node.as_str(), *value))?;
                    Some(format!("--weight {name}={first} and --weight {node}={value}: give each master one weight"))
                })
            }
            _ => None,
        }
    }
}

impl<A: Args> NodeCommand<A> {
    fn intent(&self) -> (Intent, &A) {
        match self {
            Self::Add { address, replaces: Some(node), also, .. } => {
                (Intent::Replace { address: address.clone(), node: node.clone() }, also)
            }
            Self::Add { address, replica_of, also, .. } => {
                (Intent::AddNode { address: address.clone(), replica_of: replica_of.clone() }, also)
            }
            Self::Replicate { node, master, also } => (Intent::Replicate { node: node.clone(), master: master.clone() }, also),
            Self::Drain { node, also } => (Intent::Drain { node: node.clone() }, also),
            Self::Remove { node, also } => (Intent::Remove { node: node.clone() }, also),
            Self::Forget { node, also } => (Intent::Forget { node: node.clone() }, also),
        }
    }
}
