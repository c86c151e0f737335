//! PURE. The commented sample that `config init` writes: it says what the defaults are by being them.

use std::fmt::Write as _;

use super::{SECTIONS, Setting};

/// A configuration file with every setting: defaults in force, the others as comments. Only the seeds are made up.
pub fn sample() -> String {
    let mut text = String::from("# rgc-tui: one cluster. What is not in this file has the value shown here.\n");
    for (section, says) in SECTIONS {
        let _ = writeln!(text, "\n# {says}\n[{section}]");
        for setting in Setting::of(section) {
            let line = match (setting.key, setting.default) {
                ("nodes", _) => r#"nodes = ["127.0.0.1:7000"]"#.to_owned(),
                (key, Some(default)) if default == setting.example || key == "name" => format!("{key} = {default}"),
                (key, Some(default)) => format!("{key} = {default}    # or {}", setting.example),
                (key, None) => format!("# {key} = {}", setting.example),
            };
            let _ = writeln!(text, "# {}\n{line}", setting.says);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, SETTINGS};

    fn nothing(_: &crate::config::Reference) -> Result<String, String> {
        Err("is not set".into())
    }

    #[test]
    fn the_sample_is_the_defaults() {
        let sample = Config::parse(&sample(), Path::new("sample.toml"), &nothing).unwrap();
        let mut defaults = Config::default();
        defaults.cluster.nodes = vec!["127.0.0.1:7000".parse().unwrap()];
        assert_eq!(sample.to_json(), defaults.to_json());
    }

    #[test]
    fn every_example_is_valid_and_is_shown_as_it_was_written() {
        let lookup = |_: &crate::config::Reference| Ok("hunter2".to_owned());
        for setting in SETTINGS {
            let nodes = if setting.key == "nodes" { "" } else { "nodes = [\"a:1\"]\n" };
            let text = format!("[cluster]\n{nodes}[{}]\n{} = {}\n", setting.section, setting.key, setting.example);
            let text = text
                .replace("[cluster]\nnodes = [\"a:1\"]\n[cluster]", "[cluster]\nnodes = [\"a:1\"]")
                .replace("[cluster]\n[cluster]", "[cluster]");
            let config = Config::parse(&text, Path::new("x.toml"), &lookup).unwrap_or_else(|error| panic!("{text}\n{error}"));
            let shown = config.to_toml();
            assert!(!shown.contains("hunter2"));
            if setting.key != "password" {
                assert!(shown.contains(&format!("{} = {}\n", setting.key, setting.example)), "{text}\n{shown}");
            }
        }
    }
}
