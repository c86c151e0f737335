//! PURE. From the servers' words to typed facts. Bad input is an error with the line that was bad, never a panic.

mod cluster_info;
mod info;
mod nodes;

pub use cluster_info::cluster_info;
pub use info::info;
pub use nodes::nodes;

/// What could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {what}: {why} in `{excerpt}`")]
pub struct ParseError {
    pub what: &'static str,
    pub why: &'static str,
    /// The beginning of the offending line.
    pub excerpt: String,
}

impl ParseError {
    fn new(what: &'static str, why: &'static str, line: &str) -> Self {
        Self { what, why, excerpt: line.chars().take(80).collect() }
    }
}
