//! IO. Whose turn it is: a MIGRATE holds up its giver and its taker, so a node takes part in one at a time, and its players
//! are served between two. What else a group of slots needs is done by the others meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Job;
use crate::cluster::NodeId;
use crate::plan::Pace;

/// The nodes that are taken care of, each with its one turn. Empty where nobody competes.
#[derive(Clone, Debug, Default)]
pub(in crate::exec) struct Turns(Arc<BTreeMap<NodeId, Arc<Semaphore>>>);

impl Turns {
    /// In a hurry a taker may be filled by several givers at once.
    pub(super) fn of(jobs: &[Job], pace: Pace) -> Self {
        let takers = jobs.iter().filter(|_| pace == Pace::Calm).map(|job| job.to);
        let nodes = jobs.iter().map(|job| job.from).chain(takers);
        Self(Arc::new(nodes.map(|node| (node, Arc::new(Semaphore::new(1)))).collect()))
    }

    /// Waits for both; the turn is over when what is returned is dropped.
    pub(super) async fn take(&self, job: &Job) -> Vec<OwnedSemaphorePermit> {
        // In one order for all, or two could wait for each other for ever.
        let nodes = [job.from.min(job.to), job.from.max(job.to)];
        let mut taken = Vec::with_capacity(nodes.len());
        for semaphore in nodes.iter().filter_map(|node| self.0.get(node)) {
            // Never closed, so never an error.
            taken.extend(semaphore.clone().acquire_owned().await);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Address;

    fn job(from: u8, to: u8) -> Job {
        let at = |id: u8| (NodeId([id; 20]), Address::new("h", u16::from(id)));
        let ((from, from_at), (to, to_at)) = (at(from), at(to));
        Job { from, from_at, to, to_at, slots: vec![1] }
    }

    #[tokio::test]
    async fn a_node_takes_part_in_one_transfer_at_a_time() {
        let jobs = [job(1, 9), job(2, 9), job(3, 8)];
        let calm = Turns::of(&jobs, Pace::Calm);
        let first = calm.take(&jobs[0]).await;
        let other_pair = calm.take(&jobs[2]).await;
        assert_eq!((first.len(), other_pair.len()), (2, 2));
        assert_eq!(calm.0[&jobs[1].to].available_permits(), 0, "the same taker has to wait");
        drop(first);
        assert_eq!(calm.take(&jobs[1]).await.len(), 2);

        let fast = Turns::of(&jobs, Pace::Fast);
        let both = (fast.take(&jobs[0]).await, fast.take(&jobs[1]).await);
        assert_eq!((both.0.len(), both.1.len()), (1, 1), "only givers are taken care of");
    }
}
