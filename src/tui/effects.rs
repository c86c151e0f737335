//! IO. What the console can have done: plans made, operations carried out, faults injected, the ledger read.

use tokio::sync::mpsc;

use crate::app::{Control, Event, Fault, OperationId};
use crate::cluster::{Address, Model};
use crate::plan::{Intent, Plan, Progress, Refusal};

/// The way back into the loop, for tasks that have something to tell.
#[derive(Clone, Debug)]
pub struct EventSender(mpsc::Sender<Event>);

impl EventSender {
    pub fn new(to: mpsc::Sender<Event>) -> Self {
        Self(to)
    }

    /// Waits while the loop is behind; does nothing when it has ended.
    pub async fn send(&self, event: Event) {
        let _ = self.0.send(event).await;
    }

    /// The same without waiting, for a first and only answer.
    pub fn post(&self, event: Event) {
        let to = self.0.clone();
        if let Err(mpsc::error::TrySendError::Full(event)) = self.0.try_send(event) {
            tokio::spawn(async move { to.send(event).await });
        }
    }

    pub async fn progress(&self, id: OperationId, progress: Progress) {
        self.send(Event::Progress(id, progress)).await;
    }

    pub fn tell(&self, text: impl Into<String>, bad: bool) {
        self.post(Event::Told { text: text.into(), bad });
    }

    pub fn planned(&self, intent: Intent, result: Result<Plan, Refusal>) {
        self.post(Event::Planned(intent, Box::new(result)));
    }
}

/// Both ends of that way. It outlives the loop: operations under way when the console ends still have a last word.
#[derive(Debug)]
pub struct EventChannel {
    pub(super) to: EventSender,
    pub(super) answers: mpsc::Receiver<Event>,
}

impl EventChannel {
    pub fn new() -> Self {
        let (to, answers) = mpsc::channel(super::BATCH);
        Self { to: EventSender::new(to), answers }
    }
}

impl Default for EventChannel {
    fn default() -> Self {
        Self::new()
    }
}

/// None of these may wait: they start a task and answer later.
pub trait EffectHandler {
    /// Gather what the plan needs, plan, and answer with `Event::Planned`.
    fn plan(&mut self, intent: Intent, model: &Model, to: &EventSender);
    /// Carry the plan out; the answers are `Event::Progress`, the last one `ConsoleEnd`.
    fn execute(&mut self, id: OperationId, plan: Plan, model: &Model, to: &EventSender);
    fn control(&mut self, id: OperationId, control: Control);
    /// Do this to a server of the demo.
    fn inject(&mut self, node: Address, fault: Fault, to: &EventSender);
    /// Answer with `Event::Ledger`.
    fn ledger(&mut self, to: &EventSender);
    /// Before the first frame: what was left unfinished is looked for, and told with `Event::Unfinished`.
    fn begin(&mut self, _cluster: &str, _to: &EventSender) {}
    /// The operator has typed the cluster's name: operations may be done from now on.
    fn unlock(&mut self, _name: &str) {}
}
