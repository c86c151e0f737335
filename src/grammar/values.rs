//! PURE. The values of options: words of a vocabulary, weights, percentages, spans of time.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::plan::Mode;

/// One of a vocabulary's words.
pub fn one_of<T: Copy + Send + Sync + 'static>(all: &'static [T], word: fn(T) -> &'static str) -> impl TypedValueParser<Value = T> {
    from_words(all, word, all.iter().map(|&one| PossibleValue::new(word(one))).collect())
}

/// The modes of a failover, with what each does without.
pub(super) fn mode() -> impl TypedValueParser<Value = Mode> {
    let values = Mode::ALL.map(|mode| PossibleValue::new(mode.word()).help(mode.says()));
    from_words(&Mode::ALL, Mode::word, values.to_vec())
}

fn from_words<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    word: fn(T) -> &'static str,
    values: Vec<PossibleValue>,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(values)
        .try_map(move |typed| all.iter().copied().find(|&one| word(one) == typed).ok_or_else(|| format!("there is no `{typed}`")))
}

/// `500ms`, `30s`, `5m`; never nothing.
pub fn duration(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).ok().filter(|span| !span.is_zero());
    span.ok_or_else(|| "expected a duration such as 500ms, 30s or 5m".to_owned())
}

pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 100".to_owned())
}

pub(super) fn weight(text: &str) -> Result<(String, f64), String> {
    let wrong = || "expected MASTER=W, for example 10.0.0.1:7000=2".to_owned();
    let (node, weight) = text.rsplit_once('=').ok_or_else(wrong)?;
    let weight = weight.parse::<f64>().ok().filter(|weight| weight.is_finite() && *weight >= 0.0).ok_or_else(wrong)?;
    if node.is_empty() { Err(wrong()) } else { Ok((node.to_owned(), weight)) }
}
