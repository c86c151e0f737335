//! PURE. `docs`: texts derived from the tables and the command line, so that they cannot be out of date.

use clap::CommandFactory;

use super::args::{Cli, DocsVerb};
use super::context::exit::Exit;
use crate::config::Config;

/// The text that was asked for.
pub(super) fn text(verb: &DocsVerb, config: &Config) -> String {
    match verb {
        DocsVerb::Keys => config.keymap.markdown(),
        DocsVerb::Rights => crate::plan::rights::markdown(),
        DocsVerb::Metrics => crate::metrics::markdown(),
        DocsVerb::Codes => crate::plan::Code::table(),
        DocsVerb::Rules => rules(),
        DocsVerb::Themes => crate::theme::Theme::names().map(|name| format!("{name}\n")).collect(),
        DocsVerb::Man => man(),
        DocsVerb::Completions { shell } => {
            let mut bytes = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "rgc-tui", &mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }
}

/// The table of rules, as Markdown.
fn rules() -> String {
    let row = |rule: &crate::alerts::Rule| {
        let cell = |text: &str| text.replace('|', "\\|");
        format!("| `{}` | {} | {} | {} |\n", rule.id, rule.severity.word(), cell(rule.says), cell(rule.remedy))
    };
    let head = "| rule | usually | says | what to do |\n| --- | --- | --- | --- |\n";
    head.to_string() + &crate::alerts::RULES.iter().map(row).collect::<String>()
}

/// One page for the program, with a section for each command.
fn man() -> String {
    let mut command = Cli::command();
    command.build();
    let mut bytes = Vec::new();
    // A Vec takes everything, so that these cannot fail.
    let _ = clap_mangen::Man::new(command.clone()).render(&mut bytes);
    let mut page = String::from_utf8_lossy(&bytes).into_owned();
    page.push_str(".SH COMMANDS IN FULL\n");
    section(&command, "rgc\\-tui", &mut page);
    page.push_str(".SH EXIT STATUS\n");
    for (exit, says) in Exit::TABLE {
        page.push_str(&format!(".TP\n{}\n{says}\n", exit as u8));
    }
    page
}

fn section(command: &clap::Command, above: &str, page: &mut String) {
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        let name = format!("{above} {}", roff(verb.get_name()));
        if verb.has_subcommands() {
            section(verb, &name, page);
            continue;
        }
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        page.push_str(&format!(".SS {name}\n{}\n", roff(&about)));
        for arg in verb.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help") {
            let value = arg.get_value_names().and_then(|names| names.first()).map(|name| format!(" {name}"));
            let flag = arg.get_long().map(|long| format!("--{long}"));
            let title = match (flag, arg.get_action().takes_values()) {
                (Some(flag), true) => format!("{flag}{}", value.unwrap_or_default()),
                (Some(flag), false) => flag,
                (None, _) => value.unwrap_or_default().trim().to_owned(),
            };
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            page.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", roff(&title), roff(&help)));
        }
    }
}

fn roff(text: &str) -> String {
    text.replace('\\', "\\\\").replace('-', "\\-")
}
