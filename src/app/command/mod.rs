//! PURE. What is typed after `:` or `/`: the table of commands, the line itself, and what it asks for.

pub(crate) mod advice;
pub mod commands;
pub(crate) mod intents;
pub(crate) mod names;
pub(crate) mod prompt;
pub(crate) mod run;
