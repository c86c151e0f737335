//! PURE. Rules over the model: what does not hold (findings), and findings over time (alerts).

mod finding;
mod log;

pub use finding::{Finding, Severity, Subject, Thresholds, Verdict};
pub use log::{Alert, AlertEvent, AlertLog, Phase};
