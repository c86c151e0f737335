//! PURE. Exit codes: the part of the contract that scripts branch on.

use crate::alerts::Verdict;
use crate::plan::{Code, Outcome};

/// Why the program ended, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or healthy.
    Done = 0,
    /// Warnings were found.
    Warning = 1,
    /// Something critical was found, or an operation failed.
    Critical = 2,
    /// The operation was refused; nothing was changed.
    Refused = 3,
    /// No server answered.
    Unreachable = 4,
    /// The command line was wrong.
    Usage = 64,
    /// Results could not be written.
    Lost = 74,
    /// The configuration was wrong.
    Config = 78,
}

impl Exit {
    /// For the README and the man page.
    pub(crate) const TABLE: [(Exit, &'static str); 8] = [
        (Exit::Done, "done, or healthy"),
        (Exit::Warning, "warnings were found"),
        (Exit::Critical, "something critical was found, or an operation failed"),
        (Exit::Refused, "refused: nothing was changed"),
        (Exit::Unreachable, "no server answered"),
        (Exit::Usage, "the command line is wrong"),
        (Exit::Lost, "results could not be written (a full disk; a reader that has gone away is no error)"),
        (Exit::Config, "the configuration is wrong"),
    ];

    pub(crate) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Done,
            Verdict::Warning => Self::Warning,
            Verdict::Critical => Self::Critical,
            Verdict::Unknown => Self::Unreachable,
        }
    }

    pub(crate) fn after(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::Done,
            Outcome::Refused(_) => Self::Refused,
            Outcome::Failed(_) | Outcome::Cancelled(_) => Self::Critical,
        }
    }
}

/// Why a command ended early: one sentence or more for stderr, and the exit code.
#[derive(Debug)]
pub(crate) struct Stop {
    pub exit: Exit,
    pub says: String,
}

impl Stop {
    pub(crate) fn new(exit: Exit, says: impl Into<String>) -> Self {
        Self { exit, says: says.into() }
    }

    pub(crate) fn usage(says: impl Into<String>) -> Self {
        Self::new(Exit::Usage, says)
    }
}

impl Stop {
    /// What scripts branch on, where the exit code stands for several things.
    pub(crate) fn code(&self) -> Code {
        match self.exit {
            Exit::Unreachable => Code::Unreachable,
            Exit::Config => Code::BadConfiguration,
            Exit::Refused | Exit::Lost => Code::FileUnwritable,
            Exit::Usage | Exit::Done | Exit::Warning | Exit::Critical => Code::BadRequest,
        }
    }
}

impl From<crate::config::ConfigError> for Stop {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::new(Exit::Config, error.to_string())
    }
}

/// How every command ends.
pub(crate) type CommandResult = Result<Exit, Stop>;
