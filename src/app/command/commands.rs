//! PURE. The one table of commands typed after `:`, with short forms, usage, and completion.

use crate::app::App;
use crate::app::command::names;
use crate::app::screen::filter::complete;
use crate::nearest::nearest;
use crate::plan::{Mode, Objective, Pace};

/// What a command does, before its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Home,
    Topology,
    Nodes,
    Slots,
    Rooms,
    Alerts,
    Node,
    Shard,
    Slot,
    Room,
    Operations,
    Ledger,
    Views,
    Log,
    Help,
    Theme,
    Failover,
    Rebalance,
    MoveSlots,
    Migrate,
    Fix,
    AddNode,
    Replicate,
    Drain,
    Remove,
    Forget,
    Unlock,
    SaveScreen,
    Quit,
}

/// One command.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    pub verb: Verb,
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// Arguments as the help shows them.
    pub usage: &'static str,
    pub says: &'static str,
    /// It starts an operation; never run again by `[` and `]`.
    pub operation: bool,
}

macro_rules! commands {
    ($($verb:ident $name:literal [$($alias:literal)*] $usage:literal $operation:literal $says:literal;)+) => {
        /// Every command, in the order of the help page.
        pub const COMMANDS: &[Command] = &[$(Command {
            verb: Verb::$verb, name: $name, aliases: &[$($alias),*], usage: $usage, says: $says, operation: $operation,
        }),+];
    };
}

commands! {
    Home       "home"       ["h" "pulse"]     ""                         false "the five widgets on one screen";
    Topology   "topology"   ["t" "topo"]      ""                         false "shards, their masters and replicas";
    Nodes      "nodes"      ["n" "no"]        ""                         false "all nodes with their curves";
    Slots      "slots"      ["s"]             ""                         false "the slot map";
    Rooms      "rooms"      ["r"]             ""                         false "all rooms";
    Alerts     "alerts"     ["a" "alert"]     ""                         false "the alert log";
    Node       "node"       []                "NODE"                     false "one node: all it says of itself";
    Shard      "shard"      ["sh"]            "SHARD"                    false "one shard, and what happens if its master dies";
    Slot       "slot"       []                "N"                        false "one slot: owner, keys, rooms";
    Room       "room"       []                "CODE"                     false "one room";
    Operations "ops"        ["operations"]    ""                         false "running and past operations";
    Ledger     "ledger"     []                ""                         false "every act on this cluster, who and when";
    Views      "views"      ["disagree"]         ""                         false "which nodes disagree on the owners of slots, and which reach which";
    Log        "log"        ["logs"]          ""                         false "this program's own log";
    Help       "help"       ["?"]             ""                         false "keys and commands";
    Theme      "theme"      ["skin"]          "NAME"                     false "another theme";
    Failover   "failover"   ["f"]             "NODE [graceful|force|takeover]" true "make this node the master of its shard";
    Rebalance  "rebalance"  ["balance" "b"]   "--by slots|keys|memory|ops|rooms [--weight NODE=W] [--threshold PERCENT] [--use-empty-masters] [--pace calm|fast]" true "spread slots evenly over the masters";
    MoveSlots  "move-slots" ["mv"]            "RANGE… --to NODE"         true  "move slots to another master";
    Migrate    "migrate"    ["migrate-room" "m"] "CODE… --to NODE"       true  "move rooms, with the slots they are in, to another master";
    Fix        "fix"        []                "[RANGE…] [--roll-back]"   true  "finish or roll back open slots, give unowned slots an owner";
    AddNode    "add"        []                "HOST:PORT [--replica-of|--replaces NODE]" true "let a new node join, also in a dead one's place";
    Replicate  "replicate"  []                "NODE --master NODE"       true  "give a replica another master";
    Drain      "drain"      []                "NODE"                     true  "move all slots off a master";
    Remove     "remove"     []                "NODE"                     true  "drain a node and forget it everywhere";
    Forget     "forget"     []                "NODE"                     true  "make every node forget a dead node";
    Unlock     "unlock"     []                ""                         false "unlock a read-only cluster by typing its name";
    SaveScreen "save"       ["sd" "screen"]   ""                         false "save the screen as a text file";
    Quit       "quit"       ["q" "q!" "exit"] ""                         false "quit";
}

impl Command {
    /// Takes nothing after its name.
    pub fn is_bare(&self) -> bool {
        self.usage.is_empty()
    }
}

/// The command meant by a word: its name, a short form, or the only name that begins so.
pub fn find(word: &str) -> Result<&'static Command, String> {
    let exact = COMMANDS.iter().find(|command| command.name == word || command.aliases.contains(&word));
    if let Some(command) = exact {
        return Ok(command);
    }
    let mut begin = COMMANDS.iter().filter(|command| command.name.starts_with(word));
    if let (Some(command), None) = (begin.next(), begin.next()) {
        return Ok(command);
    }
    let names = COMMANDS.iter().flat_map(|command| command.aliases.iter().chain([&command.name])).filter(|name| name.len() > 2);
    Err(match nearest(word, names.copied()) {
        Some(near) => format!("there is no command `{word}`: did you mean `{near}`?"),
        None => format!("there is no command `{word}`: the help page lists them"),
    })
}

/// What may follow `node` as it does in the shell, where it is the operation of that name and not the view of a node.
const NODE_OPERATIONS: [&str; 5] = ["add", "replicate", "drain", "remove", "forget"];

/// The command that these words begin with, and the words after it.
pub(crate) fn split<'a, 'w>(words: &'a [&'w str]) -> Result<(&'static Command, &'a [&'w str]), String> {
    let (first, rest) = words.split_first().ok_or("no command was typed")?;
    let command = find(first)?;
    match rest.split_first() {
        Some((operation, after)) if command.verb == Verb::Node && NODE_OPERATIONS.contains(operation) => {
            Ok((find(operation)?, after))
        }
        _ => Ok((command, rest)),
    }
}

/// How what has been typed could go on, best first: whole lines to put into the prompt.
pub(crate) fn completions(app: &App, typed: &str) -> Vec<String> {
    const SHOWN: usize = 24;
    let Some((before, word)) = typed.rsplit_once(' ') else {
        let aliased = COMMANDS.iter().filter(|command| command.aliases.contains(&typed)).map(|command| command.name.to_string());
        let mut found: Vec<String> = aliased.collect();
        for name in complete(typed, COMMANDS.iter().map(|command| command.name.to_string())) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        return found;
    };
    let words: Vec<&str> = before.split_whitespace().collect();
    let Ok((command, after)) = split(&words) else { return Vec::new() };
    let found = complete(word, arguments(app, command.verb, after));
    found.into_iter().take(SHOWN).map(|name| format!("{before} {name}")).collect()
}

/// What may stand after these words of a command.
fn arguments(app: &App, verb: Verb, words: &[&str]) -> Vec<String> {
    let masters = || -> Vec<String> {
        let shards = app.model.topology().shards.iter();
        shards.filter_map(|shard| shard.master).map(|id| app.model.label(id)).collect()
    };
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect::<Vec<_>>();
    let last = words.last().copied().unwrap_or_default();
    match (verb, last) {
        (_, "--to" | "--master" | "--replica-of") => masters(),
        (Verb::Rebalance, "--by") => list(&Objective::ALL.map(Objective::word)),
        (Verb::Rebalance, "--pace") => list(&[Pace::Calm, Pace::Fast].map(Pace::word)),
        (Verb::Rebalance, "--weight") => masters().into_iter().map(|master| format!("{master}=")).collect(),
        (Verb::Rebalance, "--threshold") => Vec::new(),
        (Verb::Rebalance, _) => {
            let once = ["--by", "--pace", "--use-empty-masters", "--threshold"];
            let left: Vec<&str> = once.into_iter().filter(|option| !words.contains(option)).chain(["--weight"]).collect();
            list(&left)
        }
        (Verb::Failover, _) if !words.is_empty() => list(&Mode::ALL.map(Mode::word)),
        (Verb::Failover, _) => [names::node_names(app), names::shard_names(app)].concat(),
        (Verb::Node, _) if words.is_empty() => [names::node_names(app), list(&NODE_OPERATIONS)].concat(),
        (Verb::Replicate | Verb::Drain | Verb::Remove | Verb::Forget, _) if words.is_empty() => names::node_names(app),
        (Verb::Replicate, _) => list(&["--master"]),
        (_, "--replaces") => app.model.nodes().filter(|node| node.health.is_down()).map(|node| app.model.label(node.id)).collect(),
        (Verb::AddNode, _) if words.len() == 1 => list(&["--replica-of", "--replaces"]),
        (Verb::Shard, _) => names::shard_names(app),
        (Verb::Room, _) => app.model.rooms().iter().map(|room| room.code.to_string()).take(20_000).collect(),
        (Verb::Migrate, _) => {
            let rooms = app.model.rooms().iter().map(|room| room.code.to_string()).take(20_000);
            rooms.chain((!words.is_empty()).then(|| "--to".to_string())).collect()
        }
        (Verb::MoveSlots, _) if !words.is_empty() => list(&["--to"]),
        (Verb::Fix, _) => list(&["--roll-back"]),
        (Verb::Theme, _) => app.settings.themes.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_commands_share_a_name() {
        let mut names: Vec<&str> =
            COMMANDS.iter().flat_map(|command| command.aliases.iter().chain([&command.name])).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn deeds_on_nodes_are_spelled_as_in_the_shell_too() {
        let verb = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            split(&words).map(|(command, after)| (command.verb, after.join(" ")))
        };
        assert_eq!(verb("node drain B"), Ok((Verb::Drain, "B".into())));
        assert_eq!(verb("node add h:1 --replaces B"), Ok((Verb::AddNode, "h:1 --replaces B".into())));
        assert_eq!(verb("drain B"), Ok((Verb::Drain, "B".into())));
        assert_eq!(verb("node B"), Ok((Verb::Node, "B".into())));
        assert!(
            NODE_OPERATIONS
                .iter()
                .all(|operation| find(operation).is_ok_and(|command| command.operation && command.name == *operation))
        );
    }

    #[test]
    fn commands_are_found_by_name_short_form_and_beginning() {
        let verb = |word| find(word).map(|command| command.verb);
        assert_eq!(verb("nodes"), Ok(Verb::Nodes));
        assert_eq!(verb("q"), Ok(Verb::Quit));
        assert_eq!(verb("fail"), Ok(Verb::Failover));
        assert!(verb("re").is_err(), "rebalance, replicate and remove all begin so");
        assert!(verb("romos").is_err_and(|error| error.contains("did you mean `rooms`")));
        assert!(verb("xyzzy").is_err_and(|error| error.contains("the help page lists them")));
    }
}
