//! PURE. From the words of an operation to its intent, with the nodes that it names found in the cluster.

use std::collections::BTreeMap;

use crate::app::App;
use crate::app::command::commands::{self, CommandVerb, TypedCommand};
use crate::app::command::names;
use crate::grammar;
use crate::plan::Intent;

/// The line ends with an option whose value has yet to be typed.
pub(crate) fn wants_value(line: &str) -> bool {
    let Some(line) = line.strip_suffix(' ') else { return false };
    let words: Vec<&str> = line.split_whitespace().collect();
    commands::split(&words)
        .is_ok_and(|(command, after)| command.verb == CommandVerb::Operation && grammar::wants_value(&command.spelled(after)))
}

/// The intent of an operation's command.
pub(crate) fn parse(app: &App, command: &TypedCommand, words: &[&str]) -> Result<Intent, String> {
    addressed(app, grammar::parse(&command.spelled(words))?)
}

/// The same with addresses for all names, so that it means the same node when it is carried out.
fn addressed(app: &App, intent: Intent) -> Result<Intent, String> {
    let address = |name: String| names::node(app, &name).map(|id| app.model.label(id));
    Ok(match intent {
        // A shard stays a shard: the planner chooses among its replicas.
        Intent::Failover { node, mode } => {
            let node = names::shard(app, &node).map(|shard| shard.to_string()).or_else(|_| address(node))?;
            Intent::Failover { node, mode }
        }
        Intent::MoveSlots { slots, to } => Intent::MoveSlots { slots, to: address(to)? },
        Intent::MigrateRooms { codes, to } => Intent::MigrateRooms { codes, to: address(to)? },
        Intent::Rebalance { by, weights, use_empty, threshold_percent, pace } => {
            let (mut found, mut given) = (BTreeMap::new(), BTreeMap::new());
            for (name, weight) in weights {
                let (node, typed) = (address(name.clone())?, format!("--weight {name}={weight}"));
                if let Some(first) = given.insert(node.clone(), typed.clone()) {
                    return Err(format!("{first} and {typed}: give each master one weight"));
                }
                found.insert(node, weight);
            }
            Intent::Rebalance { by, weights: found, use_empty, threshold_percent, pace }
        }
        Intent::AddNode { address: at, replica_of } => {
            Intent::AddNode { address: at, replica_of: replica_of.map(address).transpose()? }
        }
        Intent::Replace { address: at, node } => Intent::Replace { address: at, node: address(node)? },
        Intent::Replicate { node, master } => Intent::Replicate { node: address(node)?, master: address(master)? },
        Intent::Drain { node } => Intent::Drain { node: address(node)? },
        Intent::Remove { node } => Intent::Remove { node: address(node)? },
        Intent::Forget { node } => Intent::Forget { node: address(node)? },
        fix @ Intent::Fix { .. } => fix,
    })
}
