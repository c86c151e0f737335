//! PURE. An operation as a line of words: what it asks for, how it is spelled, and what may follow.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Args, Command, CommandFactory, Parser};

use super::OperationCommand;
use crate::plan::Intent;

/// Where nothing but the operation itself is typed.
#[derive(Debug, Args)]
struct Nothing {}

#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
struct TypedLine {
    #[command(subcommand)]
    operation: OperationCommand<Nothing>,
}

/// What these words ask for; else one line that says what is wrong with them.
pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Intent, String> {
    let typed: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let line = TypedLine::try_parse_from(&typed).map_err(|error| says(&error, &typed))?;
    match line.operation.twice() {
        Some(twice) => Err(twice),
        None => Ok(line.operation.intent().0),
    }
}

fn says(error: &clap::Error, words: &[&str]) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    match error.kind() {
        ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            format!("usage: {}", usage(words))
        }
        ErrorKind::UnknownArgument => {
            let wrong = context(ContextKind::InvalidArg).unwrap_or_default();
            match context(ContextKind::SuggestedArg) {
                Some(near) => format!("there is no option `{wrong}`: did you mean `{near}`?"),
                None => format!("there is no `{wrong}` here: usage: {}", usage(words)),
            }
        }
        // The first paragraph is the sentence; what follows are hints for a shell.
        _ => {
            let text = error.render().to_string();
            let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
            lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_string()
        }
    }
}

/// The definition of the operation that these words begin with, and how many of them name it.
fn definition<'c>(root: &'c Command, words: &[&str]) -> (&'c Command, usize) {
    let (mut at, mut depth) = (root, 0);
    while let Some(next) = words.get(depth).and_then(|word| at.find_subcommand(word)) {
        (at, depth) = (next, depth + 1);
    }
    (at, depth)
}

/// How the operation is spelled whose name these words begin with: `node replicate NODE --master MASTER`.
pub fn usage(words: &[&str]) -> String {
    let root = TypedLine::command();
    let (command, depth) = definition(&root, words);
    let mut spelled: Vec<String> = words.iter().take(depth).map(|word| (*word).to_string()).collect();
    if command.has_subcommands() {
        let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        spelled.push(names.join("|"));
    }
    // What is needed comes first, as it is read.
    let (needed, free): (Vec<&Arg>, Vec<&Arg>) = command.get_arguments().partition(|arg| is_needed(arg));
    spelled.extend(needed.into_iter().map(word));
    spelled.extend(free.into_iter().map(|arg| format!("[{}]", word(arg))));
    spelled.join(" ")
}

fn is_needed(arg: &Arg) -> bool {
    arg.is_required_set() || (arg.is_positional() && arg.get_num_args().is_none_or(|range| range.max_values() == 1))
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn value_name(arg: &Arg) -> String {
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_string()).collect();
    match arg.get_value_names() {
        _ if !values.is_empty() => values.join("|"),
        Some([name, ..]) => name.to_string(),
        _ => arg.get_id().to_string(),
    }
}

fn word(arg: &Arg) -> String {
    let many = if matches!(arg.get_action(), clap::ArgAction::Append) && arg.is_positional() { "…" } else { "" };
    match arg.get_long() {
        Some(long) if takes_value(arg) => format!("--{long} {}", value_name(arg)),
        Some(long) => format!("--{long}"),
        None => format!("{}{many}", value_name(arg)),
    }
}

/// What may be typed after the words of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This word itself.
    Word(String),
    /// Something of this kind, as the usage calls it: `NODE`, `MASTER`, `CODE`.
    Kind(String),
}

/// What may follow these whole words.
pub fn choices(words: &[&str]) -> Vec<Choice> {
    let root = TypedLine::command();
    let (command, depth) = definition(&root, words);
    let after = words.get(depth..).unwrap_or_default();
    if let Some(option) = after.last().and_then(|last| option(command, last)).filter(|option| takes_value(option)) {
        return values(option);
    }
    let subcommands = command.get_subcommands().map(|sub| Choice::Word(sub.get_name().to_string()));
    let mut found: Vec<Choice> = subcommands.collect();
    // Words that stand for themselves: not options, and not the value of one.
    let plain = (0..after.len()).filter(|&at| {
        let value = at.checked_sub(1).and_then(|before| option(command, after.get(before)?)).is_some_and(takes_value);
        !value && after.get(at).is_some_and(|word| !word.starts_with("--"))
    });
    let plain = plain.count();
    for arg in command.get_arguments() {
        let again = matches!(arg.get_action(), clap::ArgAction::Append);
        match arg.get_long() {
            None if plain == 0 || again => found.extend(values(arg)),
            Some(long) if again || !after.contains(&format!("--{long}").as_str()) => found.push(Choice::Word(format!("--{long}"))),
            _ => {}
        }
    }
    found
}

fn values(arg: &Arg) -> Vec<Choice> {
    let words = arg.get_possible_values();
    if words.is_empty() {
        return vec![Choice::Kind(value_name(arg))];
    }
    words.iter().map(|value| Choice::Word(value.get_name().to_string())).collect()
}

fn option<'c>(command: &'c Command, word: &str) -> Option<&'c Arg> {
    let name = word.strip_prefix("--")?;
    command.get_arguments().find(|arg| arg.get_long() == Some(name))
}

/// The line ends with an option whose value has yet to be typed.
pub fn wants_value(words: &[&str]) -> bool {
    let root = TypedLine::command();
    let (command, depth) = definition(&root, words);
    let last = words.get(depth..).and_then(<[&str]>::last);
    last.and_then(|last| option(command, last)).is_some_and(takes_value)
}
