//! PURE. From the line of a saved plan back to its intent.

use clap::Parser;

use crate::cli::args::{Cli, ShellCommand};
use crate::plan::{Intent, shell};

/// The intent of a line as a plan's `intent` has it.
pub(crate) fn read(line: &str) -> Option<Intent> {
    let words = shell::split(line)?;
    let cli = Cli::try_parse_from(std::iter::once("rgc-tui".to_owned()).chain(words)).ok()?;
    match cli.command? {
        ShellCommand::Operation(operation) => Some(operation.intent().0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::OperationOptions;
    use crate::grammar::OperationCommand;

    fn read(line: &str) -> Intent {
        super::read(line).unwrap_or_else(|| panic!("{line}"))
    }

    fn verb(line: &str) -> OperationCommand<OperationOptions> {
        match Cli::try_parse_from(line.split(' ')).unwrap().command.unwrap() {
            ShellCommand::Operation(operation) => operation,
            other => panic!("{other:?}"),
        }
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
    fn a_joining_node_has_one_place() {
        let line = "rgc-tui node add 10.0.0.7:7006 --replaces 10.0.0.3:7002 --replica-of 10.0.0.1:7000";
        let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
    }

    #[test]
    fn a_slot_named_twice_is_noticed() {
        assert!(verb("rgc-tui move-slots 0-99 50 --to x").twice().unwrap().contains("slot 50"));
    }

    #[test]
    fn a_master_has_one_weight() {
        let said = |line: &str| verb(line).twice();
        assert_eq!(said("rgc-tui rebalance --weight A=2 --weight B=3"), None);
        let says = "--weight A=2 and --weight a=3: give each master one weight";
        assert_eq!(said("rgc-tui rebalance --weight A=2 --weight B=1 --weight a=3").as_deref(), Some(says));
    }
}
