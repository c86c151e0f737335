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
    /// What each target was to get.
    pub wanted: Vec<(NodeId, SlotSet)>,
    /// How it ended, when it came to say that; None when its console died before.
    pub ended: Option<Ended>,
    /// Sources and targets.
    pub nodes: Vec<NodeId>,
}

/// How an operation ended, as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub outcome: String,
    /// None in journals of before there were codes.
    pub code: Option<String>,
    pub reasons: Vec<String>,
}

impl Unfinished {
    /// With what the servers say now: those that move slots by themselves go on when the console is dead.
    pub fn seen_in(mut self, model: &Model) -> Self {
        let topology = model.topology();
        let open = topology.open_slots();
        for (to, slots) in &self.wanted {
            // The target may have had a failover since.
            let owner = topology.shard_of(*to).and_then(|shard| shard.master).unwrap_or(*to);
            let has = |&slot: &u16| topology.owner(slot) == Some(owner) && !open.contains(slot);
            self.closed = self.closed.plus(&slots.iter().filter(has).collect());
        }
        self
    }

    /// One sentence for the operator, by what the servers say now.
    pub fn says(&self, model: &Model) -> String {
        let seen = self.clone().seen_in(model);
        let begun = format!("`{}`, begun {}, did not end: {}", self.intent, self.began, seen.progress());
        let flight = seen.in_flight.minus(&seen.closed);
        if flight.both(&model.topology().open_slots()).is_empty() {
            format!(
                "{begun}, no slot is open as far as is known; the slots that have moved stay where they are; `fix` makes sure \
                 that nothing is left, the request can be repeated after it"
            )
        } else {
            format!("{begun}, in flight: {flight}; `fix` resumes or rolls back, the request can be repeated after it")
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::SlotRange;
    use crate::cluster::sample::Sample;

    #[test]
    fn what_the_servers_have_moved_without_a_console_is_counted() {
        let mut sample = Sample::new(3, 1);
        let owner = |model: &Model, slot| model.topology().owner(slot).unwrap();
        let [a, b] = [0, 16000].map(|slot| owner(&sample.model, slot));
        let range = |start, end| [SlotRange::new(start, end)].iter().collect::<SlotSet>();
        // A has 0-9 already; B is to get ten more of A's, of which the journal knows none.
        let one = Unfinished {
            path: "x.journal".into(),
            intent: "move-slots".into(),
            who: "ann".into(),
            began: "then".into(),
            in_flight: range(0, 19),
            closed: SlotSet::default(),
            total: 20,
            wanted: vec![(a, range(0, 9)), (b, range(10, 19))],
            ended: None,
            nodes: vec![a, b],
        };
        assert_eq!(one.clone().seen_in(&sample.model).progress(), "10 of 20 slots have moved");
        let says = one.says(&sample.model);
        assert!(says.contains("10 of 20 slots have moved, no slot is open") && says.contains("stay where they are"), "{says}");
        // A journal of an earlier version, whose moves do not say.
        assert_eq!(Unfinished { wanted: Vec::new(), ..one.clone() }.seen_in(&sample.model).progress(), "0 of 20 slots have moved");
        sample.open_slot(5, 0, 2);
        sample.open_slot(12, 0, 2);
        sample.poll();
        let says = one.says(&sample.model);
        assert!(says.contains("9 of 20 slots have moved, in flight: 5 10-19; `fix` resumes or rolls back"), "{says}");
    }
}
