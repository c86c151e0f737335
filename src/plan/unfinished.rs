//! PURE. An operation that did not come to its end, as its journal tells it: what was wanted, and how far it came.

use std::path::PathBuf;

use crate::cluster::{Model, NodeId, SlotSet};

#[derive(Clone, Debug, PartialEq)]
pub struct Unfinished {
    /// Its journal.
    pub path: PathBuf,
    /// What was wanted, as a command line.
    pub intent: String,
    pub who: String,
    pub began: String,
    /// Slots that were being moved when it stopped; they may be open.
    pub in_flight: SlotSet,
    /// Slots that have their new owner.
    pub closed: SlotSet,
    pub total: usize,
    /// Its outcome and the reasons, when it came to say them; None when its console died before.
    pub ended: Option<(String, Vec<String>)>,
    /// Givers and takers.
    pub nodes: Vec<NodeId>,
}

impl Unfinished {
    /// One sentence for the operator.
    pub fn says(&self) -> String {
        let flight = if self.in_flight.is_empty() { "none".into() } else { self.in_flight.to_string() };
        format!(
            "`{}`, begun {}, did not end: {}, in flight: {flight}; `fix` resumes or rolls back, the request can be repeated after it",
            self.intent,
            self.began,
            self.progress()
        )
    }

    /// Nothing is left to be done about it, except to tell.
    pub fn is_over(&self) -> bool {
        self.ended.is_some() && self.in_flight.is_empty()
    }

    /// How far it came.
    pub fn progress(&self) -> String {
        format!("{} of {} slots have moved", self.closed.len(), self.total)
    }

    /// Two clusters may have been given the same name: this one's nodes are the ones it was about.
    pub fn concerns(&self, model: &Model) -> bool {
        self.nodes.iter().any(|id| model.node(*id).is_some())
    }
}
