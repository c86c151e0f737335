//! IO. What an operation says while it runs, and the calls it makes: every command sent is told with its reply.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use super::record::ledger::Transcript;
use super::record::off_thread;
use crate::cluster::{Address, NodeId};
use crate::link::{Clock, Command, Failure, Lane, Links, Reply};
use crate::plan::{Control, Figure, Outcome, Progress, Report};

/// While paused, between two looks whether somebody asks it to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Places in the queue to the reader for what must not be missed.
const KEPT_FREE: usize = 64;

/// The operation's side of [`super::Running`]. Clones speak for the same operation.
#[derive(Clone, Debug)]
pub(super) struct OperationContext {
    pub(super) links: Links,
    pub(super) clock: Clock,
    progress: mpsc::Sender<Progress>,
    control: watch::Receiver<Control>,
    began: Instant,
    pub(super) transcript: Transcript,
    /// Where servers reach each other, by the address that we know them by.
    reached: Arc<Mutex<BTreeMap<Address, Address>>>,
    /// Nodes of which everything has been heard by waiting, and that have claimed nothing in this operation since.
    waited_for: Arc<Mutex<BTreeSet<NodeId>>>,
    /// A file that is there when somebody asks this operation to stop at its safe point.
    pub(super) yields_at: Option<PathBuf>,
}

impl OperationContext {
    pub(super) fn new(links: Links, clock: Clock, progress: mpsc::Sender<Progress>, control: watch::Receiver<Control>) -> Self {
        Self {
            links,
            clock,
            progress,
            control,
            began: Instant::now(),
            transcript: Transcript::default(),
            reached: Arc::default(),
            waited_for: Arc::default(),
            yields_at: None,
        }
    }

    /// Other servers reach this one there.
    pub(super) fn reaches(&self, known_as: &Address, at: Address) {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner).insert(known_as.clone(), at);
    }

    /// What a server is told when it shall dial this one: what it reaches, not what clients or we do.
    pub(super) fn as_servers_reach(&self, known_as: &Address) -> Address {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.get(known_as).unwrap_or(known_as).clone()
    }

    fn waited(&self) -> MutexGuard<'_, BTreeSet<NodeId>> {
        self.waited_for.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What these have said has been heard, for as long as they claim nothing.
    pub(super) fn waited_for(&self, nodes: &[NodeId]) {
        self.waited().extend(nodes);
    }

    pub(super) fn has_waited_for(&self, nodes: &[NodeId]) -> bool {
        let waited = self.waited();
        nodes.iter().all(|node| waited.contains(node))
    }

    pub(super) fn claims(&self, node: NodeId) {
        self.waited().remove(&node);
    }

    /// Nobody listening is no reason to stop half-way.
    pub(super) async fn say(&self, progress: Progress) {
        if let Progress::Sent { address, command, reply } = &progress {
            self.transcript.add(address, command, reply);
        }
        match progress {
            Progress::Ended(_) => drop(self.progress.send(progress).await),
            // A reader that is far behind misses some, rather than that slots stay open while it catches up. Not where the
            // operation is: what would be wrong until the end has places of its own.
            Progress::Step { .. } | Progress::Paused(_) => drop(self.progress.try_send(progress)),
            progress if self.progress.capacity() > KEPT_FREE => drop(self.progress.try_send(progress)),
            _ => {}
        }
    }

    pub(super) async fn note(&self, text: impl Into<String>) {
        self.say(Progress::Note(text.into())).await;
    }

    pub(super) async fn step(&self, index: usize, says: &str) {
        self.say(Progress::Step { index, says: says.into() }).await;
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn report(&self, outcome: Outcome, figures: Vec<(Figure, f64)>) -> Report {
        Report { outcome, elapsed: self.elapsed(), figures }
    }

    /// It is asked to stop at its next safe point.
    pub(super) fn is_aborted(&self) -> bool {
        *self.control.borrow() == Control::Abort
    }

    /// Somebody asks for a failover that this operation is in the way of.
    pub(super) async fn yields(&self) -> bool {
        let Some(path) = self.yields_at.clone() else { return false };
        off_thread(move || path.exists()).await
    }

    /// Sends a command over the lane for work and tells what came of it.
    pub(super) async fn send(&self, address: &Address, command: &Command, limit: Duration) -> Result<Reply, Failure> {
        let answer = self.links.get(address, Lane::Work).call_within(command, limit).await;
        let reply = match &answer {
            Ok(reply) => said(reply),
            Err(failure) => failure.to_string(),
        };
        self.say(Progress::Sent { address: address.clone(), command: command.to_string(), reply }).await;
        answer
    }

    /// The place between two steps where an operation may stop: waits while paused; true when it shall stop.
    pub(super) async fn safe_point(&mut self) -> bool {
        let mut paused = false;
        loop {
            let now = *self.control.borrow_and_update();
            if now == Control::Abort || self.yields().await {
                return true;
            }
            match now {
                Control::Abort | Control::Run => {
                    if paused {
                        self.say(Progress::Paused(false)).await;
                    }
                    return false;
                }
                Control::Pause => {
                    if !paused {
                        paused = true;
                        self.say(Progress::Paused(true)).await;
                    }
                    // All controls gone while paused: nobody can ever resume, so stop where it is safe.
                    if matches!(timeout(LOOK, self.control.changed()).await, Ok(Err(_))) {
                        return true;
                    }
                }
            }
        }
    }
}

/// A reply in a few words.
pub(in crate::exec) fn said(reply: &Reply) -> String {
    match reply {
        Reply::Nil => "(nil)".into(),
        Reply::Int(number) => number.to_string(),
        Reply::Double(number) => number.to_string(),
        Reply::Bytes(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let short: String = text.chars().take(80).collect();
            if short.len() < text.len() { format!("{short}…") } else { short }
        }
        Reply::Array(items) => format!("({} items)", items.len()),
        Reply::Error(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::running::Controls;
    use crate::link::LinkSettings;

    #[tokio::test]
    async fn a_reader_that_is_behind_misses_notes_and_not_where_the_operation_is() {
        let (clock, (progress, mut told)) = (Clock::start(), mpsc::channel(KEPT_FREE + 10));
        let context = OperationContext::new(Links::new(LinkSettings::default(), clock), clock, progress, Controls::new().1);
        for nth in 0..100 {
            context.note(format!("note {nth}")).await;
        }
        context.say(Progress::Paused(true)).await;
        context.step(3, "verify").await;
        drop(context);
        let mut all = Vec::new();
        while let Some(progress) = told.recv().await {
            all.push(progress);
        }
        assert_eq!(all.iter().filter(|progress| matches!(progress, Progress::Note(_))).count(), 10);
        assert!(matches!(&all[10..], [Progress::Paused(true), Progress::Step { index: 3, .. }]), "{all:?}");
    }
}
