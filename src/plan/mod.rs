//! PURE. From what the operator wants (intent) to the steps that would do it (plan), or the reasons why not (refusal).

mod balance;
mod intent;
mod steps;

pub use intent::{Intent, Mode, Objective, Pace};
pub use steps::{Blast, Danger, Engine, Load, Move, Outcome, Plan, Prediction, Progress, Refusal, Report, Step, StepKind};
