//! IO. What the console can have done: plans made, operations carried out, faults injected, the ledger read.

use tokio::sync::mpsc;

use crate::app::{Control, Event, Fault, OperationId};
use crate::cluster::{Address, Model};
use crate::plan::{Intent, Plan, Progress, Refusal};

/// The way back into the loop, for tasks that have something to tell.
#[derive(Clone, Debug)]
pub struct Answers(mpsc::Sender<Event>);

impl Answers {
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
pub struct Mailbox {
    pub(super) to: Answers,
    pub(super) answers: mpsc::Receiver<Event>,
}

impl Mailbox {
    pub fn new() -> Self {
        let (to, answers) = mpsc::channel(super::BATCH);
        Self { to: Answers::new(to), answers }
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

/// None of these may wait: they start a task and answer later.
pub trait Hands {
    /// Gather what the plan needs, plan, and answer with `Event::Planned`.
    fn survey(&mut self, intent: Intent, model: &Model, to: &Answers);
    /// Carry the plan out; the answers are `Event::Progress`, the last one `Ended`.
    fn execute(&mut self, id: OperationId, plan: Plan, model: &Model, to: &Answers);
    fn control(&mut self, id: OperationId, control: Control);
    /// Do this to a server of the demo.
    fn inject(&mut self, node: Address, fault: Fault, to: &Answers);
    /// Answer with `Event::Ledger`.
    fn ledger(&mut self, to: &Answers);
    /// Before the first frame: what was left unfinished is looked for, and told with `Event::Unfinished`.
    fn begin(&mut self, _cluster: &str, _to: &Answers) {}
    /// The operator has typed the cluster's name: deeds may be done from now on.
    fn unlock(&mut self) {}
}

/// Hands that can do nothing, for a console that only looks on.
#[derive(Debug)]
pub struct NoHands;

impl Hands for NoHands {
    fn survey(&mut self, intent: Intent, _model: &Model, to: &Answers) {
        to.planned(intent, Err(Refusal::because("this console only looks on")));
    }

    fn execute(&mut self, _id: OperationId, _plan: Plan, _model: &Model, to: &Answers) {
        to.tell("this console only looks on", true);
    }

    fn control(&mut self, _id: OperationId, _control: Control) {}

    fn inject(&mut self, _node: Address, _fault: Fault, to: &Answers) {
        to.tell("this console only looks on", true);
    }

    fn ledger(&mut self, to: &Answers) {
        to.post(Event::Ledger(Vec::new()));
    }
}
