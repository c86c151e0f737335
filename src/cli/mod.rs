//! IO. The command line: one command a file; results to stdout, everything else to stderr, and an exit code.

mod args;
mod config;
mod console;
mod context;
mod demo;
mod docs;
mod operate;
mod show;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;

use args::{Cli, Global, ShellCommand};
use context::exit::{CommandResult, Exit, Stop};
use context::{in_force, out};
use show::{ack, metrics, tables, watch};

/// So long a program that has ended waits for what it is writing down.
const DISK: Duration = Duration::from_secs(2);

/// The whole program, from its arguments to its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(with_output(explained(&error)) as u8),
    };
    let exit = match dispatch(&cli) {
        Ok(exit) => exit,
        Err(Stop { exit, says }) => {
            // `prod.toml:12:7: …` stands alone, as editors and scripts expect it.
            out::tell(&if exit == Exit::Config { says } else { format!("rgc-tui: {says}") });
            exit
        }
    };
    ExitCode::from(with_output(exit) as u8)
}

/// The exit of a command, unless its results were lost: then nobody may take it for done.
fn with_output(exit: Exit) -> Exit {
    let Some(why) = out::lost() else { return exit };
    out::tell(&format!("rgc-tui: the output could not be written: {why}"));
    match exit {
        Exit::Done | Exit::Warning | Exit::Critical | Exit::Lost => Exit::Lost,
        Exit::Refused | Exit::Unreachable | Exit::Usage | Exit::Config => exit,
    }
}

/// Help and version are results; everything else clap says is a mistake on the command line.
fn explained(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = error.render();
            out::own(&if out::colours() { text.ansi().to_string() } else { text.to_string() });
            Exit::Done
        }
        _ => {
            out::tell(error.render().to_string().trim_end());
            Exit::Usage
        }
    }
}

fn dispatch(cli: &Cli) -> CommandResult {
    let global = &cli.global;
    if global.format == args::Format::Prometheus && !matches!(cli.command, Some(ShellCommand::Metrics(_))) {
        return Err(Stop::usage("--format prometheus is for `metrics`"));
    }
    match &cli.command {
        Some(ShellCommand::Config(verb)) => config::run(verb, global),
        Some(ShellCommand::Docs(verb)) => {
            out::own(&docs::text(verb, &in_force::config(global, false)?));
            Ok(Exit::Done)
        }
        verb => with_servers(verb.as_ref(), global),
    }
}

/// Everything that talks to servers: one thread is enough for thousands of small waits. It is not the one that writes to
/// the terminal: a connection to the operator that stalls must not leave slots open.
fn with_servers(verb: Option<&ShellCommand>, global: &Global) -> CommandResult {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Stop::new(Exit::Critical, format!("cannot start: {error}")))?;
    let ended = runtime.block_on(async {
        match verb {
            None => console::run(global).await,
            Some(ShellCommand::Demo(demo)) => demo::run(demo, global).await,
            Some(ShellCommand::Ack { rules }) => ack::run(rules, global).await,
            Some(ShellCommand::Metrics(how)) => metrics::run(how, global).await,
            Some(ShellCommand::Watch { duration }) => watch::run(*duration, global).await,
            Some(ShellCommand::Operation(operation)) => match operation.twice() {
                Some(says) => Err(Stop::usage(says)),
                None => {
                    let (intent, act) = operation.intent();
                    operate::run(intent, operation.is_bare(), act, global).await
                }
            },
            Some(verb) => tables::run(verb, global).await,
        }
    });
    // What is still being written down may end; a disk that does not answer keeps nobody.
    runtime.shutdown_timeout(DISK);
    ended
}
