//! IO. The console's hands on a real cluster: plans, operations, faults of the demo, the ledger.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::app::{Control, Event, Fault, OperationId};
use crate::cluster::{Address, Model};
use crate::exec::{Controls, Executor};
use crate::local::{LocalCluster, LocalFault};
use crate::plan::{Intent, Plan, Progress};
use crate::tui::{Answers, Hands};

/// So many lines of the ledger are shown.
const LEDGER_LINES: usize = 1000;

/// Does what the console asks for, in tasks of its own.
pub struct ClusterHands {
    pub executor: Executor,
    /// The demo's servers, which can be harmed.
    pub local: Option<Arc<LocalCluster>>,
    pub ledger: PathBuf,
    pub running: Arc<Mutex<BTreeMap<OperationId, Controls>>>,
}

impl Hands for ClusterHands {
    fn survey(&mut self, intent: Intent, model: &Model, to: &Answers) {
        let (executor, model, to) = (self.executor.clone(), model.clone(), to.clone());
        tokio::spawn(async move {
            let planned = executor.plan(&intent, &model).await;
            to.planned(intent, planned);
        });
    }

    fn execute(&mut self, id: OperationId, plan: Plan, model: &Model, to: &Answers) {
        // The console lets no deed through while it is locked, and this one came through.
        self.executor.lock(false);
        let mut running = self.executor.execute(plan, Arc::new(model.clone()));
        let operations = self.running.clone();
        lock(&operations).insert(id, running.control.clone());
        let to = to.clone();
        tokio::spawn(async move {
            let mut ended = false;
            while let Some(progress) = running.progress.recv().await {
                ended |= matches!(progress, Progress::Ended(_));
                to.progress(id, progress).await;
            }
            if !ended {
                to.progress(id, Progress::Ended(running.report().await)).await;
            }
            lock(&operations).remove(&id);
        });
    }

    fn control(&mut self, id: OperationId, control: Control) {
        if let Some(operation) = lock(&self.running).get(&id) {
            match control {
                Control::Pause => operation.pause(),
                Control::Resume => operation.resume(),
                Control::Abort => operation.abort(),
            }
        }
    }

    fn inject(&mut self, node: Address, fault: Fault, to: &Answers) {
        let Some(local) = self.local.clone() else {
            to.tell("only the demo's servers can be harmed from here", true);
            return;
        };
        let to = to.clone();
        tokio::spawn(async move {
            let kind = match fault {
                Fault::Kill => LocalFault::Kill,
                Fault::Freeze => LocalFault::Freeze,
                Fault::Thaw => LocalFault::Thaw,
                Fault::Restart => LocalFault::Restart,
            };
            match local.fault(&node, kind).await {
                Ok(()) => to.tell(format!("{}: {node}", fault.word()), false),
                Err(error) => to.tell(error.to_string(), true),
            }
        });
    }

    fn ledger(&mut self, to: &Answers) {
        let (path, to) = (self.ledger.clone(), to.clone());
        tokio::spawn(async move {
            let text = tokio::fs::read_to_string(&path).await.unwrap_or_default();
            let lines: Vec<String> = text.lines().map(str::to_owned).collect();
            let skip = lines.len().saturating_sub(LEDGER_LINES);
            to.send(Event::Ledger(lines.into_iter().skip(skip).collect())).await;
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
