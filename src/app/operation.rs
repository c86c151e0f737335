//! PURE. An operation as the console sees it: a plan being carried out, and how it ended.

use crate::cluster::{Address, Time};
use crate::plan::{Plan, Progress, Report};

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
}
