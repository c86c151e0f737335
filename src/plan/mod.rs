//! PURE. From what the operator wants (intent) to the steps that would do it (plan), or the reasons why not (refusal).
//!
//! [`plan()`] is the one door: `exec` asks again before the first step whether the answer has changed ([`drift()`]).

mod balance;
mod contradiction;
mod drift;
pub mod entry;
mod facts;
mod failover;
#[cfg(test)]
mod failover_tests;
mod figures;
mod fingerprint;
mod fix;
mod foresight;
mod impact;
mod intent;
pub mod json;
mod loss;
mod membership;
#[cfg(test)]
mod membership_tests;
mod moves;
mod planner;
mod preflight;
pub mod protocol;
mod reach;
mod reason;
mod rebalance;
mod repairs;
mod replace;
mod resolve;
pub mod rights;
pub mod shell;
mod shown;
mod slots;
mod steps;
#[cfg(test)]
mod testing;
mod unfinished;
mod versions;

pub use crate::cluster::election::{Candidate, Timing, Votes, timing};
pub use contradiction::{Contradiction, Objection};
pub use drift::drift;
pub use facts::{Facts, SlotFact, SlotFacts};
pub use failover::patience;
pub use figures::Figure;
pub use fix::in_need;
pub use foresight::{Answers, Asked, Other, foresee, obstacles, wanted};
pub use intent::{Intent, Mode, Objective, Pace};
pub use loss::{Loss, LostShard, Prospect, if_lost};
pub use membership::{JoiningNode, Libraries};
pub(crate) use moves::WORKERS;
pub use moves::{claims_quietly, migrate_patience, moves_atomically};
pub use planner::{plan, plan_again};
pub use preflight::{Preflight, preflight};
pub use reach::server_addresses;
pub use reason::{Code, Reason};
pub use repairs::{GoneOver, LOOKS, evidence, is_heard, repair, way_back};
pub use replace::successor;
pub use resolve::{master as resolve_master, node as resolve_node};
pub use rights::{CHANNELS, DRAINS, Right};
pub use shown::shown;
pub use steps::{Danger, Engine, Impact, Load, Move, Outcome, Plan, Prediction, Progress, Refusal, Report, Step, StepKind};
pub(crate) use steps::{LISTED, OPEN};
pub use unfinished::{Ended, Unfinished};
