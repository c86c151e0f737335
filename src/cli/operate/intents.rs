//! PURE. From a command to its intent: the only way an operation starts from the shell.

use std::collections::BTreeMap;

use clap::Parser;

use crate::cli::args::{Act, ByArg, Cli, ModeArg, NodeVerb, PaceArg, Verb};
use crate::cluster::{SlotRange, SlotSet};
use crate::escape;
use crate::plan::shell;
use crate::plan::{Intent, Mode, Objective, Pace};

/// The intent of a command that changes the cluster, and its options; None for all others.
pub(crate) fn intent(verb: &Verb) -> Option<(Intent, &Act)> {
    Some(match verb {
        Verb::Failover { node, shard, mode, act } => {
            let mode = match mode {
                ModeArg::Graceful => Mode::Graceful,
                ModeArg::Force => Mode::Force,
                ModeArg::Takeover => Mode::Takeover,
            };
            (Intent::Failover { node: node.as_ref().or(shard.as_ref())?.clone(), mode }, act)
        }
        Verb::Rebalance { by, weight, use_empty_masters, threshold, pace, act } => {
            let by = match by.unwrap_or(ByArg::Slots) {
                ByArg::Slots => Objective::Slots,
                ByArg::Keys => Objective::Keys,
                ByArg::Memory => Objective::Memory,
                ByArg::Ops => Objective::Ops,
                ByArg::Rooms => Objective::Rooms,
            };
            let pace = match pace.unwrap_or(PaceArg::Calm) {
                PaceArg::Calm => Pace::Calm,
                PaceArg::Fast => Pace::Fast,
            };
            let weights: BTreeMap<String, f64> = weight.iter().cloned().collect();
            let threshold_percent = threshold.unwrap_or(by.threshold());
            (Intent::Rebalance { by, weights, use_empty: *use_empty_masters, threshold_percent, pace }, act)
        }
        Verb::MoveSlots { ranges, to, act } => (Intent::MoveSlots { slots: set(ranges), to: to.clone() }, act),
        Verb::MigrateRoom { codes, to, act } => {
            let codes = codes.iter().map(|code| escape::typed(code)).collect();
            (Intent::MigrateRooms { codes, to: to.clone() }, act)
        }
        Verb::Fix { ranges, roll_back, act } => {
            let slots = (!ranges.is_empty()).then(|| set(ranges));
            (Intent::Fix { slots, roll_back: *roll_back }, act)
        }
        Verb::Node(NodeVerb::Add { address, replaces: Some(node), act, .. }) => {
            (Intent::Replace { address: address.clone(), node: node.clone() }, act)
        }
        Verb::Node(NodeVerb::Add { address, replica_of, act, .. }) => {
            (Intent::AddNode { address: address.clone(), replica_of: replica_of.clone() }, act)
        }
        Verb::Node(NodeVerb::Replicate { node, master, act }) => {
            (Intent::Replicate { node: node.clone(), master: master.clone() }, act)
        }
        Verb::Node(NodeVerb::Drain { node, act }) => (Intent::Drain { node: node.clone() }, act),
        Verb::Node(NodeVerb::Remove { node, act }) => (Intent::Remove { node: node.clone() }, act),
        Verb::Node(NodeVerb::Forget { node, act }) => (Intent::Forget { node: node.clone() }, act),
        _ => return None,
    })
}

/// A rebalance that says nothing about how: a saved plan knows.
pub(crate) fn is_bare(verb: &Verb) -> bool {
    match verb {
        Verb::Rebalance { by, weight, use_empty_masters, threshold, pace, .. } => {
            by.is_none() && weight.is_empty() && !use_empty_masters && threshold.is_none() && pace.is_none()
        }
        _ => false,
    }
}

/// The intent of a line as a plan's `intent` has it.
pub(crate) fn read(line: &str) -> Option<Intent> {
    let words = shell::split(line)?;
    let cli = Cli::try_parse_from(std::iter::once("rgc-tui".to_owned()).chain(words)).ok()?;
    intent(cli.command.as_ref()?).map(|(intent, _)| intent)
}

fn set(ranges: &[SlotRange]) -> SlotSet {
    ranges.iter().collect()
}

/// What names a thing twice is a slip of the pen, and asked about rather than guessed at.
pub(crate) fn twice(verb: &Verb) -> Option<String> {
    match verb {
        Verb::MoveSlots { ranges, .. } | Verb::Fix { ranges, .. } => {
            let mut seen = SlotSet::default();
            let slot = ranges.iter().flat_map(|range| range.iter()).find(|&slot| !seen.insert(slot))?;
            Some(format!("slot {slot} is in two of the ranges: name each slot once"))
        }
        Verb::Rebalance { weight, .. } => {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Intent {
        super::read(line).unwrap_or_else(|| panic!("{line}"))
    }

    #[test]
    fn every_intent_prints_as_the_command_that_makes_it() {
        for line in [
            "failover 10.0.0.4:7003",
            "failover C --mode force",
            "failover C --mode takeover",
            "move-slots 0-99 200 --to 10.0.0.1:7000",
            "migrate-room KX9Q2 P3M7T --to 10.0.0.1:7000",
            "rebalance --by memory",
            "rebalance --by ops",
            "rebalance --by ops --threshold 2",
            "rebalance --by slots --weight a:1=0 --weight b:2=2.5 --use-empty-masters --threshold 5 --pace fast",
            "fix",
            "fix 7 10-20 --roll-back",
            "migrate-room --to 10.0.0.1:7000 -- -rf",
            "migrate-room 'a$(touch)' \"it's\" 'a{b,c}!' --to 10.0.0.1:7000",
            r#"migrate-room "\\x1b[2J" --to 10.0.0.1:7000"#,
            "node add 10.0.0.7:7006",
            "node add 10.0.0.7:7006 --replica-of 10.0.0.1:7000",
            "node add 10.0.0.7:7006 --replaces 10.0.0.3:7002",
            "node replicate 10.0.0.4:7003 --master 10.0.0.1:7000",
            "node drain A",
            "node remove 10.0.0.4:7003",
            "node forget 0123abcd",
        ] {
            assert_eq!(read(line).to_string(), line);
        }
        assert_eq!(read("rebalance").to_string(), "rebalance --by slots");
        assert_eq!(read("move-slots 0-99,200 --to x").to_string(), "move-slots 0-99 200 --to x");
    }

    #[test]
    fn a_newcomer_has_one_place() {
        let line = "rgc-tui node add 10.0.0.7:7006 --replaces 10.0.0.3:7002 --replica-of 10.0.0.1:7000";
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
    }

    #[test]
    fn a_slot_named_twice_is_noticed() {
        let cli = Cli::try_parse_from(["rgc-tui", "move-slots", "0-99", "50", "--to", "x"]).unwrap();
        assert!(twice(&cli.command.unwrap()).unwrap().contains("slot 50"));
    }

    #[test]
    fn a_master_has_one_weight() {
        let said = |line: &str| twice(&Cli::try_parse_from(line.split(' ')).unwrap().command.unwrap());
        assert_eq!(said("rgc-tui rebalance --weight A=2 --weight B=3"), None);
        let says = "--weight A=2 and --weight a=3: give each master one weight";
        assert_eq!(said("rgc-tui rebalance --weight A=2 --weight B=1 --weight a=3").as_deref(), Some(says));
    }
}
