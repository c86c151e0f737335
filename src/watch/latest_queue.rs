//! IO. What waits for a slow reader: of each node the latest of each kind, in the order they came.

use std::collections::{BTreeMap, HashMap};
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::cluster::{Address, Fact, Observation};

/// Takes observations at any speed. Clones share the queue.
#[derive(Clone, Debug)]
pub(super) struct LatestQueue {
    shared: Arc<QueueState>,
}

#[derive(Debug, Default)]
struct QueueState {
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Observation>,
    latest: HashMap<(Address, Discriminant<Fact>), u64>,
}

impl Queue {
    fn push(&mut self, observation: Observation) {
        let kind = (observation.source.clone(), discriminant(&observation.fact));
        if let Some(older) = self.latest.insert(kind, self.next) {
            self.waiting.remove(&older);
        }
        self.waiting.insert(self.next, observation);
        self.next += 1;
    }

    fn pop(&mut self) -> Option<Observation> {
        let (number, observation) = self.waiting.pop_first()?;
        let kind = (observation.source.clone(), discriminant(&observation.fact));
        if self.latest.get(&kind) == Some(&number) {
            self.latest.remove(&kind);
        }
        Some(observation)
    }
}

impl LatestQueue {
    /// Never waits. Not for facts that add up, such as pieces of a scan.
    pub(super) fn push(&self, observation: Observation) {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).push(observation);
        self.shared.filled.notify_one();
    }

    fn pop(&self) -> Option<Observation> {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}

/// A queue, and the task that empties it into a channel as fast as its reader goes.
pub(super) fn channel(to: mpsc::Sender<Observation>) -> (LatestQueue, impl Future<Output = ()> + Send) {
    let queue = LatestQueue { shared: Arc::default() };
    let mine = queue.clone();
    let forward = async move {
        loop {
            while let Some(observation) = mine.pop() {
                if to.send(observation).await.is_err() {
                    return;
                }
            }
            mine.shared.filled.notified().await;
        }
    };
    (queue, forward)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cluster::{Health, Trouble};

    fn observation(port: u16, fact: Fact) -> Observation {
        Observation { source: Address::new("h", port), at: chrono::DateTime::UNIX_EPOCH, fact }
    }

    fn pong(port: u16, millis: u64) -> Observation {
        observation(port, Fact::Pong(Duration::from_millis(millis)))
    }

    fn shown(observation: &Observation) -> String {
        match &observation.fact {
            Fact::Pong(rtt) => format!("{} {}", observation.source.port, rtt.as_millis()),
            Fact::Trouble(trouble) => format!("{} {trouble}", observation.source.port),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_latest_of_a_kind_wins_and_takes_the_latest_place() {
        let mut queue = Queue::default();
        queue.push(pong(1, 1));
        queue.push(observation(1, Fact::Trouble(Trouble::new(Health::Refused, ""))));
        queue.push(pong(2, 2));
        queue.push(pong(1, 3));
        let all: Vec<String> = std::iter::from_fn(|| queue.pop()).map(|observation| shown(&observation)).collect();
        assert_eq!(all, ["1 refused", "2 2", "1 3"]);
        assert!(queue.latest.is_empty());
    }

    #[tokio::test]
    async fn a_reader_that_stands_still_costs_one_of_each_kind() {
        let (to, mut from) = mpsc::channel(1);
        let (queue, forward) = channel(to);
        let task = tokio::spawn(forward);
        for round in 0..10_000 {
            queue.push(pong(round % 3, u64::from(round)));
            if round % 1000 == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert!(queue.shared.queue.lock().unwrap().waiting.len() <= 3);
        let mut last = String::new();
        for _ in 0..5 {
            last = shown(&from.recv().await.unwrap());
        }
        assert_eq!(last, "0 9999", "the newest of every node came, the newest last");
        drop(from);
        queue.push(pong(1, 0));
        queue.push(pong(2, 0));
        task.await.unwrap();
    }
}
