//! PURE. From the words of a command to an intent: the same spelling as the shell's, and shorter forms.

use std::collections::BTreeMap;

use crate::app::App;
use crate::app::command::commands::{Command, Verb};
use crate::app::command::names;
use crate::cluster::{SlotRange, SlotSet};
use crate::nearest::nearest;
use crate::plan::{Intent, Mode, Objective, Pace};

/// Words split into flags with values, flags alone, and the rest.
struct Words<'a> {
    plain: Vec<&'a str>,
    values: BTreeMap<&'a str, Vec<&'a str>>,
    switches: Vec<&'a str>,
}

const VALUED: &[&str] =
    &["--to", "--by", "--mode", "--weight", "--threshold", "--pace", "--master", "--replica-of", "--replaces", "--shard"];
const SWITCHES: &[&str] = &["--use-empty-masters", "--roll-back"];

/// The line ends with an option whose value has yet to be typed.
pub(crate) fn wants_value(line: &str) -> bool {
    line.strip_suffix(' ').and_then(|line| line.split_whitespace().last()).is_some_and(|word| VALUED.contains(&word))
}

impl<'a> Words<'a> {
    fn read(words: &[&'a str]) -> Result<Self, String> {
        let mut read = Words { plain: Vec::new(), values: BTreeMap::new(), switches: Vec::new() };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            if word == "--" {
                read.plain.extend(words.by_ref().copied());
                break;
            }
            let (flag, glued) = word.split_once('=').map_or((word, None), |(flag, value)| (flag, Some(value)));
            if VALUED.contains(&flag) {
                let value = glued.or_else(|| words.next().copied()).ok_or_else(|| format!("`{flag}` needs a value after it"))?;
                read.values.entry(flag).or_default().push(value);
            } else if SWITCHES.contains(&word) {
                read.switches.push(word);
            } else if word.starts_with("--") {
                let near = nearest(word, VALUED.iter().chain(SWITCHES).copied());
                let hint = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
                return Err(format!("there is no option `{word}`{hint}"));
            } else {
                read.plain.push(word);
            }
        }
        Ok(read)
    }

    fn value(&self, flag: &str) -> Option<&'a str> {
        self.values.get(flag).and_then(|values| values.last()).copied()
    }

    fn has(&self, switch: &str) -> bool {
        self.switches.contains(&switch)
    }

    /// The last plain word, when no flag gave it.
    fn value_or_last(&mut self, flag: &str) -> Option<&'a str> {
        self.value(flag).or_else(|| if self.plain.len() > 1 { self.plain.pop() } else { None })
    }
}

fn one_of<T: Copy>(what: &str, text: &str, all: &[T], word: impl Fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|one| word(*one) == text).ok_or_else(|| {
        let words: Vec<String> = all.iter().map(|one| word(*one).to_string()).collect();
        names::unknown(what, text, &words)
    })
}

/// The intent of an operation's command, with the nodes it names resolved to addresses.
pub(crate) fn parse(app: &App, command: &Command, words: &[&str]) -> Result<Intent, String> {
    let usage = || format!("usage: {} {}", command.name, command.usage);
    let mut words = Words::read(words)?;
    let address = |text: &str| names::node(app, text).map(|id| app.model.label(id));
    match command.verb {
        Verb::Failover => {
            let mode = match words.value_or_last("--mode") {
                Some(text) => one_of("mode", text, &Mode::ALL, Mode::word)?,
                None => Mode::Graceful,
            };
            let node = words.value("--shard").or(words.plain.first().copied()).ok_or_else(usage)?;
            // A shard stays a shard: the planner chooses among its replicas.
            let node = names::shard(app, node).map(|shard| shard.to_string()).or_else(|_| address(node))?;
            Ok(Intent::Failover { node, mode })
        }
        Verb::Rebalance => {
            let by = words.value("--by").or(words.plain.first().copied()).ok_or_else(usage)?;
            let by = one_of("objective", by, &Objective::ALL, Objective::word)?;
            let pace =
                words.value("--pace").map_or(Ok(Pace::Calm), |text| one_of("pace", text, &[Pace::Calm, Pace::Fast], Pace::word))?;
            let threshold = words.value("--threshold").map_or(Ok(by.threshold()), |text| number("--threshold", text))?;
            let (mut weights, mut given) = (BTreeMap::new(), BTreeMap::new());
            for &text in words.values.get("--weight").into_iter().flatten() {
                let (node, weight) = text.split_once('=').ok_or_else(|| format!("`--weight {text}`: expected NODE=W"))?;
                let node = address(node)?;
                if let Some(first) = given.insert(node.clone(), text) {
                    return Err(format!("`--weight {first}` and `--weight {text}`: give each master one weight"));
                }
                weights.insert(node, number("--weight", weight)?);
            }
            Ok(Intent::Rebalance { by, weights, use_empty: words.has("--use-empty-masters"), threshold_percent: threshold, pace })
        }
        Verb::MoveSlots => {
            let to = address(words.value_or_last("--to").ok_or_else(usage)?)?;
            let slots = slots(&words.plain)?;
            if slots.is_empty() { Err(usage()) } else { Ok(Intent::MoveSlots { slots, to }) }
        }
        Verb::Migrate => {
            let to = address(words.value_or_last("--to").ok_or_else(usage)?)?;
            if words.plain.is_empty() {
                return Err(usage());
            }
            Ok(Intent::MigrateRooms { codes: words.plain.iter().map(|code| crate::escape::typed(code)).collect(), to })
        }
        Verb::Fix => {
            let slots = if words.plain.is_empty() { None } else { Some(slots(&words.plain)?) };
            Ok(Intent::Fix { slots, roll_back: words.has("--roll-back") })
        }
        Verb::AddNode => {
            let address_text = words.plain.first().ok_or_else(usage)?;
            let replica_of = words.value("--replica-of").map(address).transpose()?;
            match (words.value("--replaces").map(address).transpose()?, replica_of) {
                (Some(_), Some(_)) => Err("`--replaces` finds the master by itself: leave `--replica-of` out".into()),
                (Some(node), None) => Ok(Intent::Replace { address: address_text.parse()?, node }),
                (None, replica_of) => Ok(Intent::AddNode { address: address_text.parse()?, replica_of }),
            }
        }
        Verb::Replicate => {
            let master = address(words.value_or_last("--master").ok_or_else(usage)?)?;
            Ok(Intent::Replicate { node: address(words.plain.first().ok_or_else(usage)?)?, master })
        }
        Verb::Drain => Ok(Intent::Drain { node: address(words.plain.first().ok_or_else(usage)?)? }),
        Verb::Remove => Ok(Intent::Remove { node: address(words.plain.first().ok_or_else(usage)?)? }),
        Verb::Forget => Ok(Intent::Forget { node: address(words.plain.first().ok_or_else(usage)?)? }),
        _ => Err(format!("`{}` changes nothing", command.name)),
    }
}

fn slots(words: &[&str]) -> Result<SlotSet, String> {
    let ranges: Vec<SlotRange> =
        words.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ranges.iter().collect())
}

fn number(flag: &str, text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| format!("`{flag} {text}`: expected a number of 0 or more"))
}
