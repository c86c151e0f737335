//! IO. `config`: a sample to start from, everything that is wrong with a file, and what is in force.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::args::{ConfigVerb, Format, Global};
use super::context::exit::{CommandResult, Exit, Stop};
use crate::cli::context::in_force;
use crate::cli::context::out;
use crate::config::{ConfigError, load, sample};
use crate::plan::shell::word;

pub(super) fn run(verb: &ConfigVerb, global: &Global) -> CommandResult {
    match verb {
        ConfigVerb::Init { file } => init(file.as_deref()),
        ConfigVerb::Check { file } => check(file.as_ref(), global),
        ConfigVerb::Show { file } => show(file.as_deref(), global),
    }
}

fn init(file: Option<&Path>) -> CommandResult {
    let Some(path) = file else {
        out::own(&sample());
        return Ok(Exit::Done);
    };
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(sample().as_bytes()));
    match written {
        Ok(()) => {
            out::line(&format!(
                "{}: written; put your nodes in, then: rgc-tui --config {} status",
                path.display(),
                word(&path.display().to_string())
            ));
            Ok(Exit::Done)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Stop::new(Exit::Refused, format!("{}: there is a file already, and it is not overwritten", path.display())))
        }
        Err(error) => Err(Stop::new(Exit::Critical, format!("{}: cannot be written: {error}", path.display()))),
    }
}

fn check(file: Option<&PathBuf>, global: &Global) -> CommandResult {
    let found = file.or(global.config.as_ref()).cloned().or_else(|| load::find(global.cluster.as_deref()));
    let Some(path) = found else {
        let places = load::folder().map(|folder| format!(" and no {}", folder.join("config.toml").display()));
        let says = format!("nothing to check: there is no ./rgc-tui.toml{}; name a file", places.unwrap_or_default());
        return Err(Stop::usage(says));
    };
    let checked = load::read(&path);
    if global.format == Format::Json {
        out::json(&json!({
            "file": path.display().to_string(),
            "ok": checked.is_ok(),
            "problems": checked.as_ref().err().map(problems).unwrap_or_default(),
        }));
        return Ok(if checked.is_ok() { Exit::Done } else { Exit::Config });
    }
    let config = checked?;
    let seeds = config.cluster.nodes.len() + config.cluster.sentinels.len();
    let seeds = crate::quantity::count(seeds as u64, "seed");
    out::line(&format!("{}: ok: cluster `{}`, {}, {seeds}", path.display(), config.cluster.name, config.cluster.topology.word()));
    Ok(Exit::Done)
}

fn problems(error: &ConfigError) -> Vec<Json> {
    let each = error.problems.iter().map(|problem| {
        let (line, column) = problem.place.unzip();
        json!({"line": line, "column": column, "message": problem.message})
    });
    each.collect()
}

fn show(file: Option<&Path>, global: &Global) -> CommandResult {
    let config = match file {
        Some(path) => load::read(path)?,
        None => in_force::config(global, false)?,
    };
    if global.format == Format::Json {
        out::json(&config.to_json());
    } else {
        let from = config.path.as_ref().map_or_else(|| "the defaults: no file".to_owned(), |path| path.display().to_string());
        out::result(&format!("# from {from}\n{}", config.to_toml()));
    }
    Ok(Exit::Done)
}
