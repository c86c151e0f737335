//! PURE. From what the operator wants (intent) to the steps that would do it (plan), or the reasons why not (refusal).
//!
//! [`plan()`] is the one door: `exec` asks again before the first step whether the answer has changed ([`drift()`]).

mod drift;
mod facts;
mod failover;
mod fingerprint;
mod impact;
mod intent;
mod membership;
mod planner;
mod preflight;
pub mod protocol;
mod repair;
mod report;
mod resolve;
mod slots;
#[cfg(test)]
mod testing;

pub use crate::cluster::election::{Candidate, Timing, Votes, timing};
pub use drift::drift;
pub use facts::{Facts, SlotFact, SlotFacts};
pub use failover::loss::{Loss, LostShard, Prospect, if_lost};
pub use failover::patience;
pub use failover::succession::{Succession, succession};
pub use intent::{Intent, Mode, Objective, Pace};
pub use membership::reach::server_addresses;
pub use membership::replace::successor;
pub use membership::{JoiningNode, Libraries};
pub use planner::{plan, plan_again};
pub use preflight::contradiction::{Contradiction, Objection};
pub use preflight::rights;
pub use preflight::rights::{CHANNELS, DRAINS, Right};
pub use preflight::{Answers, Asked, Other, foresee, obstacles, wanted};
pub use repair::fix::in_need;
pub use repair::lookup::{GoneOver, LOOKS, evidence, is_heard, repair, way_back};
pub use report::figures::Figure;
pub use report::plan::{
    Control, Danger, Engine, Impact, Load, Move, Outcome, Plan, Prediction, Progress, Refusal, Report, Step, StepKind,
};
pub(crate) use report::plan::{LISTED, OPEN};
pub use report::reason::{Code, Reason};
pub use report::shown::shown;
pub use report::unfinished::{Ended, Unfinished};
pub use report::{entry, json, shell};
pub use resolve::{master as resolve_master, node as resolve_node};
pub(crate) use slots::moves::WORKERS;
pub use slots::moves::{claims_quietly, migrate_patience, moves_atomically};
