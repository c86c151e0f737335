//! IO. Hands on an open cluster: plans with fresh facts, operations carried out, faults where the demo gives the means.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Answers, Hands};
use crate::app::{Control, Event, Fault, OperationId};
use crate::cluster::{Address, Model};
use crate::exec::{Controls, Executor};
use crate::plan::{Intent, Plan, Progress};

/// How the demo does things to its servers; an error is a sentence.
pub type Faults = Arc<dyn Fn(Address, Fault) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Lines of the ledger that are shown.
const LEDGER_LINES: usize = 5000;

pub struct ClusterHands {
    executor: Executor,
    faults: Option<Faults>,
    /// The file of the ledger, when there is one.
    ledger: Option<PathBuf>,
    controls: HashMap<OperationId, Controls>,
}

impl ClusterHands {
    pub fn new(executor: Executor, faults: Option<Faults>, ledger: Option<PathBuf>) -> Self {
        Self { executor, faults, ledger, controls: HashMap::new() }
    }
}

impl Hands for ClusterHands {
    fn survey(&mut self, intent: Intent, model: &Model, to: &Answers) {
        let (executor, model, to) = (self.executor.clone(), model.clone(), to.clone());
        tokio::spawn(async move {
            let result = executor.plan(&intent, &model).await;
            if matches!(intent, Intent::Fix { .. }) && result.as_ref().is_err_and(|refusal| refusal.fulfilled) {
                executor.put_away_cured(&model).await;
            }
            to.planned(intent, result);
        });
    }

    fn execute(&mut self, id: OperationId, plan: Plan, model: &Model, to: &Answers) {
        let mut running = self.executor.execute(plan, Arc::new(model.clone()));
        self.controls.insert(id, running.control.clone());
        let to = to.clone();
        tokio::spawn(async move {
            let mut ended = false;
            while let Some(progress) = running.progress.recv().await {
                ended |= matches!(progress, Progress::Ended(_));
                to.progress(id, progress).await;
            }
            if !ended {
                let report = running.report().await;
                to.progress(id, Progress::Ended(report)).await;
            }
        });
    }

    fn control(&mut self, id: OperationId, control: Control) {
        let Some(controls) = self.controls.get(&id) else { return };
        match control {
            Control::Pause => controls.pause(),
            Control::Resume => controls.resume(),
            Control::Abort => controls.abort(),
        }
    }

    fn inject(&mut self, node: Address, fault: Fault, to: &Answers) {
        let Some(faults) = self.faults.clone() else {
            return to.tell("faults are for the demo only", true);
        };
        let to = to.clone();
        tokio::spawn(async move {
            match faults(node.clone(), fault).await {
                Ok(()) => to.tell(format!("{} {node}: done", fault.word()), false),
                Err(error) => to.tell(format!("{} {node}: {error}", fault.word()), true),
            }
        });
    }

    fn ledger(&mut self, to: &Answers) {
        let (path, to) = (self.ledger.clone(), to.clone());
        tokio::spawn(async move {
            let text = match &path {
                Some(path) => tokio::fs::read_to_string(path).await.unwrap_or_default(),
                None => String::new(),
            };
            let lines: Vec<String> = text.lines().map(str::to_string).collect();
            let skip = lines.len().saturating_sub(LEDGER_LINES);
            to.send(Event::Ledger(lines.into_iter().skip(skip).collect())).await;
        });
    }

    fn begin(&mut self, cluster: &str, to: &Answers) {
        let (executor, cluster, to) = (self.executor.clone(), cluster.to_string(), to.clone());
        tokio::task::spawn_blocking(move || {
            let unfinished = executor.unfinished(&cluster);
            if !unfinished.is_empty() {
                to.post(Event::Unfinished(unfinished));
            }
        });
    }

    fn unlock(&mut self) {
        self.executor.lock(false);
    }
}
