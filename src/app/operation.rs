//! PURE. An operation as the console sees it: a plan being carried out, and how it ended.

use crate::cluster::{Address, Time};
use crate::plan::{Outcome, Plan, Progress, Report, StepKind};

/// Counts operations of this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u32);

#[derive(Clone, Debug)]
pub struct Operation {
    pub id: OperationId,
    pub plan: Plan,
    pub started: Time,
    /// Index of the step under way.
    pub step: usize,
    /// The newest `Progress::Moved`, if slots are moving.
    pub moved: Option<Progress>,
    /// Commands sent and their replies, oldest first, bounded.
    pub sent: Vec<(Address, String, String)>,
    pub notes: Vec<String>,
    pub paused: bool,
    pub report: Option<Report>,
}

impl Operation {
    pub fn is_running(&self) -> bool {
        self.report.is_none()
    }

    /// How far the step with this index has come.
    pub fn stage(&self, at: usize) -> StepStage {
        let moves = |at: usize| matches!(self.plan.steps.get(at).map(|step| &step.kind), Some(StepKind::MoveSlots { .. }));
        // All moves of slots go on at the same time: none is known to be done before what comes after them has begun.
        let together = at < self.step && moves(at) && moves(self.step);
        match self.report.as_ref().map(|report| &report.outcome) {
            Some(Outcome::Done) => StepStage::Done,
            _ if at > self.step => StepStage::Later,
            _ if at < self.step && !together => StepStage::Done,
            None => StepStage::Running,
            Some(_) if moves(at) => StepStage::Halfway,
            Some(_) => StepStage::Stopped,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepStage {
    Later,
    Running,
    Done,
    /// The operation ended in this step, and not well.
    Stopped,
    /// The operation ended while slots were moving: some may have moved.
    Halfway,
}
