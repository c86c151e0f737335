//! PURE. What is wrong with a configuration file, and where: `prod.toml:12:7: …`.

use std::fmt;
use std::path::PathBuf;

/// One thing wrong, with its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1, both; None when the whole file is meant. Columns count characters.
    pub place: Option<(usize, usize)>,
    pub message: String,
}

/// Everything wrong with one file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as the operator named it; None when no file is to blame.
    pub path: Option<PathBuf>,
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// A problem with the file as a whole.
    pub fn whole(path: Option<PathBuf>, message: impl Into<String>) -> Self {
        Self { path, problems: vec![Problem { place: None, message: message.into() }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            if let Some(path) = &self.path {
                write!(f, "{}:", path.display())?;
            }
            if let Some((line, column)) = problem.place {
                write!(f, "{line}:{column}:")?;
            }
            let space = if self.path.is_some() || problem.place.is_some() { " " } else { "" };
            write!(f, "{space}{}", problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Line and column of a byte of the text.
pub(super) fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
