//! PURE. The one table of what a user needs for which operation: preflights ask for it, and the README's lists come from it.

use crate::plan::{Engine, Intent, Plan};

/// What the rights are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RightPurpose {
    /// Every screen, `status`, `check`, `rooms`.
    Look,
    /// Slots key by key, and repairs.
    MoveByKeys,
    /// Slots that servers move by themselves.
    MoveByServer,
    Failover,
    /// Members that come and go.
    Membership,
    /// Knowing beforehand what would be refused, and seeing other consoles. Without them that stays unknown, and is said.
    Foresee,
}

/// On which servers of an operation a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RightSide {
    Source,
    Target,
    /// Those that the steps go to.
    Steps,
}

/// One right.
#[derive(Clone, Copy, Debug)]
pub struct Right {
    /// As ACL rules name it: `migrate`, `cluster|setslot`.
    pub command: &'static str,
    /// A call of it as ACL DRYRUN takes it, with a key where it has one.
    pub call: &'static str,
    pub purposes: &'static [RightPurpose],
    pub sides: &'static [RightSide],
}

use RightPurpose::{Failover, Foresee, Look, Membership, MoveByKeys, MoveByServer};
use RightSide::{Source, Steps, Target};

const BOTH: &[RightSide] = &[Source, Target];

const fn right(command: &'static str, call: &'static str, purposes: &'static [RightPurpose], sides: &'static [RightSide]) -> Right {
    Right { command, call, purposes, sides }
}

/// In the order in which the lists are printed. Names of `cluster` are there one by one for preflights; the list of
/// operations has them as one.
pub const TABLE: &[Right] = &[
    right("ping", "PING", &[Look], BOTH),
    right("info", "INFO", &[Look], BOTH),
    right("cluster|nodes", "CLUSTER NODES", &[Look], BOTH),
    right("cluster|info", "CLUSTER INFO", &[Look], BOTH),
    right("cluster|links", "CLUSTER LINKS", &[Look], BOTH),
    right("config|get", "CONFIG GET cluster-*", &[Look], BOTH),
    right("client|setname", "CLIENT SETNAME rgc-tui", &[Look], BOTH),
    right("scan", "SCAN 0", &[Look], BOTH),
    right("type", "TYPE k", &[Look], BOTH),
    right("get", "GET k", &[Look], BOTH),
    right("hmget", "HMGET k f", &[Look], BOTH),
    right("hlen", "HLEN k", &[Look], BOTH),
    right("scard", "SCARD k", &[Look], BOTH),
    right("zcard", "ZCARD k", &[Look], BOTH),
    right("llen", "LLEN k", &[Look], BOTH),
    right("memory|usage", "MEMORY USAGE k", &[Look], BOTH),
    right("pttl", "PTTL k", &[Look], BOTH),
    right("cluster|failover", "CLUSTER FAILOVER", &[Failover], &[Steps]),
    right("cluster|setslot", "CLUSTER SETSLOT 0 STABLE", &[MoveByKeys], BOTH),
    right("cluster|getkeysinslot", "CLUSTER GETKEYSINSLOT 0 1", &[MoveByKeys], BOTH),
    right("cluster|countkeysinslot", "CLUSTER COUNTKEYSINSLOT 0", &[MoveByKeys, MoveByServer], BOTH),
    right("cluster|migrateslots", "CLUSTER MIGRATESLOTS SLOTSRANGE 0 0 NODE x", &[MoveByServer], &[Source]),
    right("cluster|getslotmigrations", "CLUSTER GETSLOTMIGRATIONS", &[MoveByServer], &[Source]),
    right("cluster|meet", "CLUSTER MEET 127.0.0.1 1", &[Membership], &[]),
    right("cluster|replicate", "CLUSTER REPLICATE x", &[Membership], &[]),
    right("cluster|forget", "CLUSTER FORGET x", &[Membership], &[]),
    right("cluster|reset", "CLUSTER RESET HARD", &[Membership], &[]),
    right("migrate", "MIGRATE h 1 k 0 1", &[MoveByKeys], &[Source]),
    right("multi", "MULTI", &[MoveByKeys], &[Target]),
    right("exec", "EXEC", &[MoveByKeys], &[Target]),
    right("role", "ROLE", &[Failover], &[]),
    right("select", "SELECT 0", &[MoveByKeys], &[Target]),
    right("asking", "ASKING", &[MoveByKeys], &[Target]),
    right("dump", "DUMP k", &[MoveByKeys], BOTH),
    right("restore-asking", "RESTORE-ASKING k 0 x", &[MoveByKeys], &[Target]),
    right("del", "DEL k", &[MoveByKeys], &[]),
    // Copies of a key are compared by what is in them.
    right("@read", "GET k", &[MoveByKeys], &[]),
    right("function|dump", "FUNCTION DUMP", &[Membership], &[]),
    right("function|restore", "FUNCTION RESTORE x", &[Membership], &[]),
    right("function|list", "FUNCTION LIST", &[Foresee], &[]),
    right("acl|dryrun", "ACL DRYRUN x PING", &[Foresee], &[]),
    right("command|info", "COMMAND INFO ping", &[Foresee], &[]),
    right("pubsub|channels", "PUBSUB CHANNELS", &[Foresee], &[]),
    right("subscribe", "SUBSCRIBE rgc-tui:x", &[Foresee], &[]),
    right("publish", "PUBLISH rgc-tui:x y", &[Foresee], &[]),
];

/// Channels that consoles of one cluster see each other by.
pub const CHANNELS: &str = "rgc-tui:*";
/// Those by which it is seen that nodes have heard each other.
pub const DRAINS: &str = "rgc-tui:heard:";

/// The rules of one of the README's three lists, in one line: to look, to change something, to know beforehand.
pub fn rules(list: usize) -> String {
    let of = |wanted: &[RightPurpose]| {
        let mut all: Vec<String> = Vec::new();
        for right in TABLE.iter().filter(|right| right.purposes.iter().any(|purpose| wanted.contains(purpose))) {
            let looks = right.purposes.contains(&Look);
            // Whoever changes something needs most of CLUSTER.
            let rule = match right.command.split_once('|') {
                Some(("cluster", _)) if !looks => "+cluster".to_owned(),
                _ => format!("+{}", right.command),
            };
            if !all.contains(&rule) {
                all.push(rule);
            }
        }
        all.join(" ")
    };
    match list {
        0 => format!("~* {}", of(&[Look])),
        1 => of(&[MoveByKeys, MoveByServer, Failover, Membership]),
        _ => format!("&{CHANNELS} {}", of(&[Foresee])),
    }
}

/// What the lists are for, each with its line: as `docs rights` prints them.
pub fn markdown() -> String {
    let title = |list: usize| match list {
        0 => "An ACL user that may look, and find rooms, needs",
        1 => "to change something also",
        _ => {
            "and so that what would be refused is known beforehand, and other consoles are seen (else that is unknown, and said), and\n\
             that nothing waits before it begins (else slots are given when a node timeout is over in which what was said of them before\n\
             has been heard)"
        }
    };
    (0..3).map(|list| format!("{}\n\n```text\n{}\n```\n", title(list), rules(list))).collect::<Vec<_>>().join("\n")
}

/// What a plan needs.
pub fn purpose(plan: &Plan) -> Option<RightPurpose> {
    match (&plan.intent, plan.engine) {
        (Intent::Failover { .. }, _) => Some(Failover),
        (Intent::Fix { .. }, _) if plan.introduces() => None,
        (Intent::Fix { .. }, _) => Some(MoveByKeys),
        (_, Some(Engine::Keys)) => Some(MoveByKeys),
        (_, Some(Engine::ValkeyAtomic)) => Some(MoveByServer),
        _ => None,
    }
}

/// The right that a literal command needs.
pub fn of_call(command: &str) -> Option<&'static Right> {
    let mut words = command.split(' ').map(str::to_lowercase);
    let (first, second) = (words.next()?, words.next().unwrap_or_default());
    let both = format!("{first}|{second}");
    TABLE.iter().find(|right| right.command == both || right.command == first)
}

/// The rights for a purpose on one side of an operation.
pub fn needed(purpose: RightPurpose, side: RightSide) -> impl Iterator<Item = &'static Right> {
    TABLE.iter().filter(move |right| right.purposes.contains(&purpose) && right.sides.contains(&side))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_these_lists() {
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&markdown()), "`docs rights` prints what the README should have:\n{}", markdown());
    }

    #[test]
    fn what_looking_needs_changes_nothing() {
        assert!(rules(0).starts_with("~* +ping +info +cluster|nodes") && !rules(0).contains("migrate"), "{}", rules(0));
        assert!(rules(1).starts_with("+cluster +migrate +multi"), "{}", rules(1));
        assert_eq!(needed(RightPurpose::Failover, RightSide::Steps).count(), 1);
        assert_eq!(of_call("CLUSTER FORGET abc").map(|right| right.command), Some("cluster|forget"));
        assert_eq!(of_call("CLUSTER NOSUCH").map(|right| right.command), None);
    }
}
