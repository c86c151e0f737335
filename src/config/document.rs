//! PURE. Walks the whole file against the table of settings and reports everything that is wrong, in order.

use std::path::Path;

use toml::de::DeTable;

use super::problem::place;
use super::value::{ValueReader, found, spanned, unknown};
use super::{Config, ConfigError, Outside, Problem, SECTIONS, SETTINGS, Setting};
use crate::cluster::TopologyKind;
use crate::nearest::nearest;

impl Config {
    /// Reads the text of a configuration file. `path` is what messages call it; `outside` looks up `{ env = … }` and
    /// `{ file = … }`.
    pub fn parse(text: &str, path: &Path, outside: Outside<'_>) -> Result<Config, ConfigError> {
        let (document, syntax) = DeTable::parse_recoverable(text);
        let mut reader = ValueReader { outside, problems: Vec::new() };
        // Behind the first break of the syntax everything may be misread: one true message is better than ten guesses.
        if let Some(error) = syntax.first() {
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            let named = error.span().and_then(|span| text.get(span)).filter(|_| message == "duplicate key");
            let message = named.map_or_else(|| message.clone(), |key| format!("`{key}` is set twice"));
            reader.wrong(error.span().map_or(0, |span| span.start), message);
        }
        let mut config = Config { path: Some(path.to_owned()), ..Config::default() };
        if reader.problems.is_empty() {
            sections(&mut reader, document.get_ref(), &mut config);
            whole(&mut reader, document.get_ref(), &config);
            #[cfg(feature = "console")]
            super::console::complete(&mut reader, document.get_ref(), &mut config);
        }
        if reader.problems.is_empty() {
            return Ok(config);
        }
        reader.problems.sort_by_key(|(at, _)| *at);
        let problems = reader.problems.into_iter().map(|(at, message)| Problem { place: Some(place(text, at)), message }).collect();
        Err(ConfigError { path: Some(path.to_owned()), problems })
    }
}

fn sections(reader: &mut ValueReader<'_>, document: &DeTable<'_>, config: &mut Config) {
    for (name, value) in document {
        let (section, at) = (name.get_ref().as_ref(), name.span().start);
        let Some(table) = value.get_ref().as_table() else {
            let home = SETTINGS.iter().find(|setting| setting.key == section).map(|setting| setting.section);
            let message = match (home, SECTIONS.iter().any(|(known, _)| *known == section)) {
                (_, true) => format!("[{section}] is a section, found {}", found(value.get_ref())),
                (Some(home), _) => format!("`{section}` stands outside of any section; it belongs in [{home}]"),
                (None, _) => format!("`{section}` stands outside of any section"),
            };
            reader.wrong(at, message);
            continue;
        };
        if section == "keys" {
            keys(reader, table, config);
        } else if SECTIONS.iter().any(|(known, _)| *known == section) {
            settings(reader, section, table, config);
        } else {
            let known = SECTIONS.map(|(known, _)| known);
            let message = match nearest(section, known) {
                Some(meant) => format!("unknown section [{section}]; did you mean [{meant}]?"),
                None => format!("unknown section [{section}]; there are [{}]", known.join("], [")),
            };
            reader.wrong(at, message);
        }
    }
}

fn settings(reader: &mut ValueReader<'_>, section: &str, table: &DeTable<'_>, config: &mut Config) {
    for (key, value) in table {
        match Setting::find(section, key.get_ref()) {
            Some(setting) => {
                if let Some(value) = reader.read(setting.key, setting.shape, value) {
                    (setting.put)(config, value);
                }
            }
            None => {
                let known = Setting::of(section).map(|setting| setting.key);
                let says = format!("unknown key `{}` in [{section}]", key.get_ref());
                let elsewhere = SETTINGS.iter().find(|setting| setting.key == key.get_ref().as_ref());
                reader.wrong(
                    key.span().start,
                    match elsewhere {
                        Some(setting) => format!("{says}; it belongs in [{}]", setting.section),
                        None => unknown(&says, key.get_ref(), known),
                    },
                );
            }
        }
    }
}

fn keys(reader: &mut ValueReader<'_>, table: &DeTable<'_>, config: &mut Config) {
    for (action, chord) in table {
        match chord.get_ref().as_str() {
            Some(chord) => {
                config.keys.insert(action.get_ref().to_string(), chord.to_owned());
            }
            None => {
                let message = format!("`{}`: expected a key such as \"F\", found {}", action.get_ref(), found(chord.get_ref()));
                reader.wrong(chord.span().start, message);
            }
        }
    }
}

/// What only shows when the sections are looked at together.
fn whole(reader: &mut ValueReader<'_>, document: &DeTable<'_>, config: &Config) {
    let section = document.get("cluster");
    let at = section.map_or(0, |section| section.span().start);
    let given = |key: &str| section.and_then(|section| section.get_ref().as_table()).and_then(|table| spanned(table, key));
    if let Some(tls) = given("tls").filter(|_| config.cluster.topology == TopologyKind::Sentinel && config.cluster.tls.is_some()) {
        reader.wrong(tls, "`tls`: not supported with topology = \"sentinel\"");
    }
    let (key, missing) = match config.cluster.topology {
        TopologyKind::Sentinel => ("sentinels", config.cluster.sentinels.is_empty()),
        TopologyKind::Cluster | TopologyKind::Standalone => ("nodes", config.cluster.nodes.is_empty()),
    };
    // A list that is there and did not fit has been complained about already; so has a misspelt [cluster].
    let noted = (section.is_none() && !reader.problems.is_empty())
        || given(key).is_some_and(|at| reader.problems.iter().any(|(problem, _)| *problem >= at));
    if missing && !noted {
        let example = Setting::find("cluster", key).map_or("", |setting| setting.example);
        let message = format!("[cluster] needs `{key}`, for example {key} = {example}");
        reader.wrong(given(key).unwrap_or(at), message);
    }
}
