//! PURE. The one table of commands typed after `:`: views of the console, and the operations as the grammar has them.

use std::sync::LazyLock;

use crate::app::App;
use crate::app::command::names;
use crate::app::screen::filter::complete;
use crate::grammar::{self, Choice};
use crate::nearest::nearest;

/// What a command does, before its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandVerb {
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
    /// Whatever the grammar has; never run again by `[` and `]`.
    Operation,
    Unlock,
    SaveScreen,
    Quit,
}

/// One command.
#[derive(Clone, Debug)]
pub struct TypedCommand {
    pub verb: CommandVerb,
    /// Its words: `rooms`, `node drain`.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// Arguments as the help shows them.
    pub usage: String,
    pub says: &'static str,
}

macro_rules! commands {
    ($($verb:ident $name:literal [$($alias:literal)*] $usage:literal $says:literal;)+) => {
        /// Every command, in the order of the help page. An operation's arguments are the grammar's.
        pub static COMMANDS: LazyLock<Vec<TypedCommand>> = LazyLock::new(|| vec![$(TypedCommand {
            verb: CommandVerb::$verb, name: $name, aliases: &[$($alias),*], usage: usage(CommandVerb::$verb, $name, $usage), says: $says,
        }),+]);
    };
}

fn usage(verb: CommandVerb, name: &str, usage: &str) -> String {
    let words: Vec<&str> = name.split(' ').collect();
    let whole = if verb == CommandVerb::Operation { grammar::usage(&words) } else { return usage.to_string() };
    whole.strip_prefix(name).unwrap_or(&whole).trim_start().to_string()
}

commands! {
    Home       "home"           ["h" "pulse"]         ""      "the five widgets on one screen";
    Topology   "topology"       ["t" "topo"]          ""      "shards, their masters and replicas";
    Nodes      "nodes"          ["n" "no"]            ""      "all nodes with their curves";
    Slots      "slots"          ["s"]                 ""      "the slot map";
    Rooms      "rooms"          ["r"]                 ""      "all rooms";
    Alerts     "alerts"         ["a" "alert"]         ""      "the alert log";
    Node       "node"           []                    "NODE"  "one node: all it says of itself";
    Shard      "shard"          ["sh"]                "SHARD" "one shard, and what happens if its master dies";
    Slot       "slot"           []                    "N"     "one slot: owner, keys, rooms";
    Room       "room"           []                    "CODE"  "one room";
    Operations "ops"            ["operations"]        ""      "running and past operations";
    Ledger     "ledger"         []                    ""      "every act on this cluster, who and when";
    Views      "views"          ["disagree"]          ""      "which nodes disagree on the owners of slots, and which reach which";
    Log        "log"            ["logs"]              ""      "this program's own log";
    Help       "help"           ["?"]                 ""      "keys and commands";
    Theme      "theme"          ["skin"]              "NAME"  "another theme";
    Operation  "failover"       ["f"]                 ""      "make this node the master of its shard";
    Operation  "rebalance"      ["balance" "b"]       ""      "spread slots evenly over the masters";
    Operation  "move-slots"     ["mv"]                ""      "move slots to another master";
    Operation  "migrate-room"   ["migrate" "m"]       ""      "move rooms, with the slots they are in, to another master";
    Operation  "fix"            []                    ""      "finish or roll back open slots, give unowned slots an owner";
    Operation  "node add"       ["add"]               ""      "let a new node join, also in a dead one's place";
    Operation  "node replicate" ["replicate"]         ""      "give a replica another master";
    Operation  "node drain"     ["drain"]             ""      "move all slots off a master";
    Operation  "node remove"    ["remove"]            ""      "drain a node and forget it everywhere";
    Operation  "node forget"    ["forget"]            ""      "make every node forget a dead node";
    Unlock     "unlock"         []                    ""      "unlock a read-only cluster by typing its name";
    SaveScreen "save"           ["sd" "screen"]       ""      "save the screen as a text file";
    Quit       "quit"           ["q" "q!" "exit"]     ""      "quit";
}

impl TypedCommand {
    /// Takes nothing after its name.
    pub fn is_bare(&self) -> bool {
        self.usage.is_empty()
    }

    /// The name that is a single word.
    fn short(&self) -> &'static str {
        if self.name.contains(' ') { self.aliases.first().copied().unwrap_or(self.name) } else { self.name }
    }

    /// The words of a typed line as the grammar has them.
    pub(crate) fn spelled<'w>(&self, after: &[&'w str]) -> Vec<&'w str>
    where
        'static: 'w,
    {
        self.name.split(' ').chain(after.iter().copied()).collect()
    }
}

/// The command meant by a word: its name, a short form, or the only name that begins so.
pub fn find(word: &str) -> Result<&'static TypedCommand, String> {
    let exact = COMMANDS.iter().find(|command| command.name == word || command.aliases.contains(&word));
    if let Some(command) = exact {
        return Ok(command);
    }
    let mut begin = COMMANDS.iter().filter(|command| command.short().starts_with(word));
    if let (Some(command), None) = (begin.next(), begin.next()) {
        return Ok(command);
    }
    let names = COMMANDS.iter().flat_map(|command| command.aliases.iter().chain([&command.name])).filter(|name| name.len() > 2);
    Err(match nearest(word, names.copied()) {
        Some(near) => format!("there is no command `{word}`: did you mean `{near}`?"),
        None => format!("there is no command `{word}`: the help page lists them"),
    })
}

/// The operation on who is in the cluster that `node` and this word name, as in the shell.
fn of_node(word: &str) -> Option<&'static TypedCommand> {
    COMMANDS.iter().find(|command| command.name.strip_prefix("node ") == Some(word))
}

/// The command that these words begin with, and the words after it.
pub(crate) fn split<'a, 'w>(words: &'a [&'w str]) -> Result<(&'static TypedCommand, &'a [&'w str]), String> {
    let (first, rest) = words.split_first().ok_or("no command was typed")?;
    let command = find(first)?;
    match rest.split_first() {
        Some((word, after)) if command.verb == CommandVerb::Node => {
            Ok(of_node(word).map_or((command, rest), |named| (named, after)))
        }
        _ => Ok((command, rest)),
    }
}

/// How what has been typed could go on, best first: whole lines to put into the prompt.
pub(crate) fn completions(app: &App, typed: &str) -> Vec<String> {
    const SHOWN: usize = 24;
    let Some((before, word)) = typed.rsplit_once(' ') else {
        let aliased = COMMANDS.iter().filter(|command| command.aliases.contains(&typed)).map(|command| command.short().to_string());
        let mut found: Vec<String> = aliased.collect();
        for name in complete(typed, COMMANDS.iter().map(|command| command.short().to_string())) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
        return found;
    };
    let words: Vec<&str> = before.split_whitespace().collect();
    let Ok((command, after)) = split(&words) else { return Vec::new() };
    let found = complete(word, arguments(app, command, after));
    found.into_iter().take(SHOWN).map(|name| format!("{before} {name}")).collect()
}

/// What may stand after these words of a command.
fn arguments(app: &App, command: &TypedCommand, words: &[&str]) -> Vec<String> {
    match command.verb {
        CommandVerb::Operation if words.last() == Some(&"--replaces") => {
            app.model.nodes().filter(|node| node.health.is_down()).map(|node| app.model.label(node.id)).collect()
        }
        CommandVerb::Operation => {
            grammar::choices(&command.spelled(words)).into_iter().flat_map(|choice| offered(app, choice)).collect()
        }
        CommandVerb::Node if words.is_empty() => {
            let operations = COMMANDS.iter().filter_map(|command| command.name.strip_prefix("node "));
            names::node_names(app).into_iter().chain(operations.map(String::from)).collect()
        }
        CommandVerb::Shard => names::shard_names(app),
        CommandVerb::Room => codes(app),
        CommandVerb::Theme => app.settings.themes.clone(),
        _ => Vec::new(),
    }
}

fn codes(app: &App) -> Vec<String> {
    app.model.rooms().iter().map(|room| room.code.to_string()).take(20_000).collect()
}

/// What the operator may choose from where the grammar takes something of a kind.
fn offered(app: &App, choice: Choice) -> Vec<String> {
    let masters = || -> Vec<String> {
        let shards = app.model.topology().shards.iter();
        shards.filter_map(|shard| shard.master).map(|id| app.model.label(id)).collect()
    };
    match choice {
        Choice::Word(word) => vec![word],
        Choice::Kind(kind) => match kind.as_str() {
            "NODE" => [names::node_names(app), names::shard_names(app)].concat(),
            "SHARD" => names::shard_names(app),
            "MASTER" => masters(),
            "MASTER=W" => masters().into_iter().map(|master| format!("{master}=")).collect(),
            "CODE" => codes(app),
            _ => Vec::new(),
        },
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
    fn operations_on_nodes_are_spelled_as_in_the_shell_too() {
        let verb = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            split(&words).map(|(command, after)| (command.name, after.join(" ")))
        };
        assert_eq!(verb("node drain B"), Ok(("node drain", "B".into())));
        assert_eq!(verb("node add h:1 --replaces B"), Ok(("node add", "h:1 --replaces B".into())));
        assert_eq!(verb("drain B"), Ok(("node drain", "B".into())));
        assert_eq!(verb("node B"), Ok(("node", "B".into())));
    }

    #[test]
    fn commands_are_found_by_name_short_form_and_beginning() {
        let verb = |word| find(word).map(|command| command.name);
        assert_eq!(verb("nodes"), Ok("nodes"));
        assert_eq!(verb("q"), Ok("quit"));
        assert_eq!(verb("fail"), Ok("failover"));
        assert!(verb("re").is_err(), "rebalance, replicate and remove all begin so");
        assert!(verb("romos").is_err_and(|error| error.contains("did you mean `rooms`")));
        assert!(verb("xyzzy").is_err_and(|error| error.contains("the help page lists them")));
    }

    #[test]
    fn every_operation_of_the_grammar_can_be_typed() {
        let listed = |words: &[&str]| {
            grammar::choices(words)
                .into_iter()
                .filter_map(|choice| match choice {
                    Choice::Word(word) => Some(word),
                    Choice::Kind(_) => None,
                })
                .collect::<Vec<_>>()
        };
        let mut all: Vec<String> = listed(&[]).into_iter().filter(|word| word != "node").collect();
        all.extend(listed(&["node"]).into_iter().map(|word| format!("node {word}")));
        let ours: Vec<&str> =
            COMMANDS.iter().filter(|command| command.verb == CommandVerb::Operation).map(|command| command.name).collect();
        assert_eq!(ours, all);
    }
}
