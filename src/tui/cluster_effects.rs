//! IO. The handler of effects on an open cluster: plans from fresh facts, runs operations, injects faults in the demo.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{EffectHandler, EventSender};
use crate::app::{Control, Event, Fault, OperationId};
use crate::cluster::{Address, Model};
use crate::exec::{Controls, Executor};
use crate::plan::{Intent, Plan, Progress};

/// How the demo does things to its servers; an error is a sentence.
pub type Faults = Arc<dyn Fn(Address, Fault) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Entries of the ledger that are shown.
const ENTRIES: usize = 1000;

pub struct ClusterEffects {
    executor: Executor,
    faults: Option<Faults>,
    controls: HashMap<OperationId, Controls>,
}

impl ClusterEffects {
    pub fn new(executor: Executor, faults: Option<Faults>) -> Self {
        Self { executor, faults, controls: HashMap::new() }
    }
}

impl EffectHandler for ClusterEffects {
    fn plan(&mut self, intent: Intent, model: &Model, to: &EventSender) {
        let (executor, model, to) = (self.executor.clone(), model.clone(), to.clone());
        tokio::spawn(async move {
            let result = executor.plan(&intent, &model).await;
            if matches!(intent, Intent::Fix { .. }) && result.as_ref().is_err_and(|refusal| refusal.fulfilled) {
                executor.put_away_repaired(&model).await;
            }
            to.planned(intent, result);
        });
    }

    fn execute(&mut self, id: OperationId, plan: Plan, model: &Model, to: &EventSender) {
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
            Control::Run => controls.resume(),
            Control::Abort => controls.abort(),
        }
    }

    fn inject(&mut self, node: Address, fault: Fault, to: &EventSender) {
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

    fn ledger(&mut self, to: &EventSender) {
        let (executor, to) = (self.executor.clone(), to.clone());
        tokio::spawn(async move { to.send(Event::Ledger(executor.ledger(ENTRIES).await)).await });
    }

    fn begin(&mut self, cluster: &str, to: &EventSender) {
        let (executor, cluster, to) = (self.executor.clone(), cluster.to_string(), to.clone());
        tokio::spawn(async move {
            let unfinished = executor.unfinished(&cluster).await;
            if !unfinished.is_empty() {
                to.send(Event::Unfinished(unfinished)).await;
            }
        });
    }

    fn unlock(&mut self, name: &str) {
        if let Err(why) = self.executor.unlock(name) {
            log::warn!("{why}");
        }
    }
}
