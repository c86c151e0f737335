//! IO. From the command line to the configuration in force: file, flags and environment together.

use std::path::PathBuf;

use crate::cli::args::Global;
use crate::cli::context::exit::{Exit, Stop};
use crate::config::{Cluster, Config, Reference, load, theme};
use crate::plan::shell::word;

/// The configuration in force. `needs_cluster` is false for commands that talk to nobody.
pub(crate) fn config(global: &Global, needs_cluster: bool) -> Result<Config, Stop> {
    let file = match (&global.config, global.node.is_empty()) {
        (Some(path), _) => Some(path.clone()),
        // --node describes a cluster of its own: no file that happens to lie about says otherwise.
        (None, false) => None,
        (None, true) => load::find(global.cluster.as_deref()),
    };
    let mut config = match &file {
        Some(path) => load::read(path)?,
        None => Config::default(),
    };
    if let (Some(name), Some(path)) = (&global.cluster, &file)
        && *name != config.cluster.name
    {
        let says = format!("{}: this file is for cluster `{}`, not for `{name}`", path.display(), config.cluster.name);
        return Err(Stop::new(Exit::Config, says));
    }
    if !global.node.is_empty() {
        config.cluster.nodes = global.node.clone();
    }
    if file.is_none() {
        config.cluster.name = global.cluster.clone().unwrap_or(config.cluster.name);
        config.cluster.password = ["RGC_TUI_PASSWORD", "REDISCLI_AUTH"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|secret| !secret.is_empty()))
            .map(Into::into);
    }
    if let Some(user) = &global.user {
        config.cluster.username = Some(user.clone());
    }
    if let Some(name) = &global.theme {
        let read = |reference: &Reference| match reference {
            Reference::File(path) => std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}")),
            Reference::Env(_) => Err("is not set".to_owned()),
        };
        config.ui.look = theme(name, &read).map_err(|why| Stop::usage(format!("--theme: {why}")))?;
        config.ui.theme.clone_from(name);
    }
    if needs_cluster && config.cluster.nodes.is_empty() {
        let says = "no cluster to connect to: name a node with --node HOST:PORT or a file with --config FILE \
                    (`rgc-tui config init FILE` writes one, `rgc-tui demo` starts a cluster to play with)";
        return Err(Stop::usage(says));
    }
    Ok(config)
}

/// How this cluster is named on a command line, for "same as" sentences: `rgc-tui --config prod.toml`.
pub(crate) fn invocation(global: &Global) -> String {
    let mut words = vec!["rgc-tui".to_owned()];
    if let Some(path) = &global.config {
        words.push(format!("--config {}", word(&path.display().to_string())));
    }
    if !global.node.is_empty() {
        let nodes: Vec<String> = global.node.iter().map(|node| word(&node.to_string()).into_owned()).collect();
        words.push(format!("--node {}", nodes.join(",")));
    }
    if let Some(user) = &global.user {
        words.push(format!("--user {}", word(user)));
    }
    if let Some(name) = &global.cluster {
        words.push(format!("--cluster {}", word(name)));
    }
    words.join(" ")
}

/// How a second shell names the demo's cluster: by this many of its nodes, and by its name, which its journals and its
/// ledger are found by.
pub(crate) fn to_demo(cluster: &Cluster, seeds: usize) -> String {
    let nodes = cluster.nodes.iter().take(seeds).cloned().collect();
    // Without a name it would be the one that every cluster has.
    let name = Some(cluster.name.clone()).filter(|name| *name != Config::default().cluster.name);
    invocation(&Global { node: nodes, cluster: name, ..Global::default() })
}

/// Where all that outlives a run is kept.
fn state() -> PathBuf {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy().ok().and_then(|base| base.state_dir());
    base.unwrap_or_else(std::env::temp_dir).join("rgc-tui")
}

/// Where what is known of clusters is kept, whatever they are called: no name of a cluster leads to such a folder.
pub(crate) fn memory_dir() -> PathBuf {
    state().join(".clusters")
}

/// Where this cluster's journals and ledger are kept: `~/.local/state/rgc-tui/NAME`, or where `XDG_STATE_HOME` says.
pub(crate) fn state_dir(cluster: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = cluster.chars().map(plain).collect();
    state().join(if name.starts_with('.') { format!("_{name}") } else { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_shell_names_the_demo_so_that_it_finds_its_ledger() {
        let nodes = vec!["127.0.0.1:7000".parse().unwrap(), "127.0.0.1:7001".parse().unwrap()];
        let mut cluster = Cluster { name: "demo".into(), nodes, ..Config::default().cluster };
        assert_eq!(to_demo(&cluster, 1), "rgc-tui --node 127.0.0.1:7000 --cluster demo");
        assert_eq!(to_demo(&cluster, 2), "rgc-tui --node 127.0.0.1:7000,127.0.0.1:7001 --cluster demo");
        cluster.name = Config::default().cluster.name;
        assert_eq!(to_demo(&cluster, 1), "rgc-tui --node 127.0.0.1:7000");
    }
}
