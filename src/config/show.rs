//! PURE. The configuration in force, as TOML text or JSON; secrets are hidden by the table of settings.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::{Config, SECTIONS, Setting};

impl Config {
    /// Every section and key with its value; what is not set is null.
    pub fn to_json(&self) -> Json {
        let sections = SECTIONS.iter().map(|(section, _)| {
            let keys: Map<String, Json> = if *section == "keys" {
                self.keys.iter().map(|(action, chord)| (action.clone(), json!(chord))).collect()
            } else {
                Setting::of(section).map(|setting| (setting.key.to_owned(), (setting.get)(self))).collect()
            };
            ((*section).to_owned(), Json::Object(keys))
        });
        Json::Object(sections.collect())
    }

    /// The same as a configuration file; what is not set is left out.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let Json::Object(sections) = self.to_json() else { return text };
        for (i, (section, keys)) in sections.iter().enumerate() {
            let _ = writeln!(text, "{}[{section}]", if i > 0 { "\n" } else { "" });
            for (key, value) in keys.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
                let _ = writeln!(text, "{} = {}", bare(key), toml(value));
            }
        }
        text
    }
}

fn bare(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if plain { key.to_owned() } else { quoted(key) }
}

/// JSON's escapes are TOML's.
fn quoted(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}

fn toml(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Json::Object(map) if map.is_empty() => "{}".into(),
        Json::Object(map) => {
            let entries: Vec<String> = map.iter().map(|(key, value)| format!("{} = {}", bare(key), toml(value))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Json::String(text) => quoted(text),
        other => other.to_string(),
    }
}
