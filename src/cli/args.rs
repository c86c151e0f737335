//! PURE. The command line: every command but operations, every option and word of help. Operations are in `grammar`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cluster::Address;
use crate::grammar::{OperationCommand, duration};
use crate::plan::Objection;

const AFTER: &str = "\
Exit codes: 0 done or healthy, 1 warnings found, 2 critical found or operation failed, 3 refused,
4 no server answered, 64 wrong command line, 74 results could not be written, 78 wrong configuration.
Without --config and --node the file ./rgc-tui.toml is used, else config.toml in the user's
configuration folder for rgc-tui (with --cluster NAME, NAME.toml there comes first).";

/// A terminal console for Redis and Valkey clusters that hold game rooms.
#[derive(Debug, Parser)]
#[command(name = "rgc-tui", version, after_help = AFTER, max_term_width = 100)]
#[command(override_usage = "rgc-tui [OPTIONS] [COMMAND]")]
pub(super) struct Cli {
    #[command(flatten)]
    pub global: Global,
    /// Without a command: the console.
    #[command(subcommand)]
    pub command: Option<ShellCommand>,
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "General options")]
pub(super) struct Global {
    /// Configuration file of the cluster
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A node to start from; several with commas or by repeating. Any one alive is enough
    #[arg(long, global = true, value_name = "HOST:PORT", value_delimiter = ',')]
    pub node: Vec<Address>,
    /// ACL user for --node; the password is read from RGC_TUI_PASSWORD or REDISCLI_AUTH
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,
    /// The cluster's name: must be the one of the file, or names what --node finds
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Refuse every operation
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Theme of the console, by name or as a file
    #[arg(long, global = true, value_name = "NAME")]
    pub theme: Option<String>,
    /// How results are printed
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
}

/// What a look measures beside one sample of every node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct Measure {
    /// Measure for a second, too: CPU, errors, evictions; they count for the verdict
    #[arg(long)]
    pub rates: bool,
    /// Go through every key, too: rooms, players, keys in the wrong place; they count for the verdict
    #[arg(long)]
    pub rooms: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct Metrics {
    /// Print them every so often
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub every: Option<Duration>,
    /// Answer at http://ADDR/metrics; a port alone is one of this machine only
    #[arg(long, value_name = "ADDR", value_parser = listen_at)]
    pub listen: Option<SocketAddr>,
    /// Go through every key first, when they are printed once
    #[arg(long)]
    pub rooms: bool,
}

/// `9121`, `:9121`, `localhost:9121`, `0.0.0.0:9121`.
fn listen_at(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost").unwrap_or(text);
    let port = port.strip_prefix(':').unwrap_or(port);
    match port.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Err(_) => text.parse().map_err(|_error| "a port, or ADDRESS:PORT with an IP address".to_owned()),
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
    /// Tables only
    Csv,
    /// `metrics` only
    Prometheus,
}

#[derive(Debug, Subcommand)]
pub(super) enum ShellCommand {
    /// Start a local cluster of real servers, play rooms on it, open the console on it
    #[command(after_help = "Example: rgc-tui demo --masters 3 --replicas 1")]
    Demo(Demo),
    /// The verdict, one table and the findings
    #[command(after_help = "Example: rgc-tui status --rates")]
    Status(Measure),
    /// Every rule: whether it holds, and what to do where it does not
    #[command(after_help = "Example: rgc-tui check --rooms --format json")]
    Check(Measure),
    /// Acknowledge what has happened: data lost, another cluster that joined, changes without a cause
    #[command(after_help = "Example: rgc-tui ack data.emptied")]
    Ack {
        /// Only what these rules tell of, as `status` names them [default: all]
        #[arg(value_name = "RULE")]
        rules: Vec<String>,
    },
    /// One line a node
    #[command(after_help = "Example: rgc-tui nodes --rates")]
    Nodes {
        /// Measure CPU and operations for a second, too
        #[arg(long)]
        rates: bool,
    },
    /// One line a range of slots; open, unowned and contested slots
    #[command(after_help = "Example: rgc-tui slots --rooms")]
    Slots {
        /// Go through every key, too: rooms, players and keys of each range
        #[arg(long)]
        rooms: bool,
    },
    /// One line a room
    #[command(after_help = "Example: rgc-tui rooms --format csv")]
    Rooms,
    /// Where rooms or keys live: slot, shard, master, replicas
    #[command(after_help = "Example: rgc-tui locate KX9Q2")]
    Locate {
        /// Room codes, or keys
        #[arg(required = true, value_name = "CODE", value_parser = NonEmptyStringValueParser::new())]
        codes: Vec<String>,
    },
    /// Changes and alerts as they happen, one line each
    #[command(after_help = "Example: rgc-tui watch --for 10m")]
    Watch {
        /// Stop after this long
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        duration: Option<Duration>,
    },
    /// Figures for other programs: Prometheus, JSON or CSV; once, again and again, or over HTTP
    #[command(after_help = "Example: rgc-tui metrics --listen 9121")]
    Metrics(Metrics),
    #[command(flatten)]
    Operation(OperationCommand<OperationOptions>),
    /// Write a sample configuration, check one, show the one in force
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Texts derived from the program itself
    #[command(subcommand)]
    Docs(DocsVerb),
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Print a commented sample with every default, or write it to a file that does not exist yet
    #[command(after_help = "Example: rgc-tui config init rgc-tui.toml")]
    Init { file: Option<PathBuf> },
    /// Report everything that is wrong with a file
    #[command(after_help = "Example: rgc-tui config check rgc-tui.toml")]
    Check { file: Option<PathBuf> },
    /// The configuration in force, or what a file would put in force; secrets are hidden
    #[command(after_help = "Example: rgc-tui config show")]
    Show { file: Option<PathBuf> },
}

#[derive(Debug, Subcommand)]
pub(super) enum DocsVerb {
    /// The key table, as Markdown
    #[command(after_help = "Example: rgc-tui docs keys")]
    Keys,
    /// What an ACL user needs, as the README lists it
    #[command(after_help = "Example: rgc-tui docs rights")]
    Rights,
    /// The table of metrics, as Markdown
    #[command(after_help = "Example: rgc-tui docs metrics")]
    Metrics,
    /// What the codes in JSON mean, one a line
    #[command(after_help = "Example: rgc-tui docs codes")]
    Codes,
    /// Every rule: its id, its usual severity, what it finds and what to do
    #[command(after_help = "Example: rgc-tui docs rules")]
    Rules,
    /// The names of the built-in themes, one a line
    #[command(after_help = "Example: rgc-tui docs themes")]
    Themes,
    /// The manual page
    #[command(after_help = "Example: rgc-tui docs man")]
    Man,
    /// Completions for a shell
    #[command(after_help = "Example: rgc-tui docs completions bash")]
    Completions { shell: clap_complete::Shell },
}

/// Options of everything that changes the cluster.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Plan and consent")]
pub(super) struct OperationOptions {
    /// Print the plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(long)]
    pub yes: bool,
    /// Do not ask where data may be lost or somebody cut off: the cluster's name
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
    /// Go on against what a reachable node says: the code that the refusal names
    #[arg(long = "override", value_name = "CODE", value_parser = objection)]
    pub overridden: Option<Objection>,
    /// Unlock a protected cluster by its name
    #[arg(long, value_name = "NAME")]
    pub unlock: Option<String>,
    /// Write the plan to this file and change nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "yes", "confirm", "overridden"])]
    pub save_plan: Option<PathBuf>,
    /// Carry out the plan in this file if it still holds; with --dry-run show it
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub masters: u16,
    /// Replicas of each master
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=5))]
    pub replicas: u16,
    /// Game rooms to fill it with
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub rooms: u32,
    /// Writes a second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub rate: u32,
    /// The redis-server or valkey-server to run; else the one in PATH
    #[arg(long, value_name = "PATH")]
    pub server_bin: Option<PathBuf>,
    /// First port; else free ones are found
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1024..=55_000))]
    pub base_port: Option<u16>,
    /// Where the servers keep their files; else a temporary folder
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Leave the servers running and their files in place
    #[arg(long)]
    pub keep: bool,
    /// cluster-node-timeout of the servers
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub node_timeout: Duration,
    /// No console: verdict and changes as lines until stopped
    #[arg(long)]
    pub headless: bool,
}

fn objection(text: &str) -> Result<Objection, String> {
    let codes = || Objection::ALL.map(Objection::code).join(", ");
    Objection::ALL
        .into_iter()
        .find(|one| one.code() == text)
        .ok_or_else(|| format!("there is no such code; there are: {}", codes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        // A global option and a command's own argument of one name are only told apart when they are read.
        for verb in ["failover", "node drain", "node remove", "node forget"] {
            let words = ["rgc-tui", "--node", "a:1"].into_iter().chain(verb.split(' ')).chain(["b:2"]);
            assert_eq!(Cli::try_parse_from(words).unwrap().global.node.len(), 1);
        }
    }

    #[test]
    fn every_command_has_an_example_that_parses() {
        let mut open = vec![(Cli::command(), String::new())];
        let mut seen = 0;
        while let Some((command, path)) = open.pop() {
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
                open.push((sub.clone(), format!("{path} {}", sub.get_name())));
            }
            if command.has_subcommands() {
                continue;
            }
            let help = command.get_after_help().unwrap_or_else(|| panic!("`rgc-tui{path}` has no example")).to_string();
            let example = help.strip_prefix("Example: ").unwrap();
            assert!(example.starts_with(&format!("rgc-tui{path}")), "{path}: {example}");
            Cli::try_parse_from(example.split(' ')).unwrap_or_else(|error| panic!("{example}: {error}"));
            seen += 1;
        }
        assert!(seen > 20, "{seen}");
    }
}
