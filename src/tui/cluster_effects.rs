//! IO. The handler of effects on an open cluster: plans from fresh facts, runs operations, injects faults in the demo.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{EffectHandler, EventSender};
use crate::app::{Control, Event, Fault, OperationId};
use crate::cluster::{Address, Model};
use crate::exec::{Controls, Executor};
use crate::plan::entry::Entry;
use crate::plan::{Intent, Plan, Progress};

/// How the demo does things to its servers; an error is a sentence.
pub type Faults = Arc<dyn Fn(Address, Fault) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Entries of the ledger that are shown, and how much of its end is read for them.
const ENTRIES: usize = 1000;
const ENTRIES_BYTES: u64 = 8 << 20;

pub struct ClusterEffects {
    executor: Executor,
    faults: Option<Faults>,
    /// The file of the ledger, when there is one.
    ledger: Option<PathBuf>,
    controls: HashMap<OperationId, Controls>,
}

impl ClusterEffects {
    pub fn new(executor: Executor, faults: Option<Faults>, ledger: Option<PathBuf>) -> Self {
        Self { executor, faults, ledger, controls: HashMap::new() }
    }
}

/// The last whole lines of a file, at most so many bytes of them.
fn end_of(path: &Path, most: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let skip = file.metadata()?.len().saturating_sub(most);
    file.seek(SeekFrom::Start(skip))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let whole = if skip > 0 { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
    Ok(whole.to_owned())
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
        let (path, to) = (self.ledger.clone(), to.clone());
        tokio::task::spawn_blocking(move || {
            let text = path.and_then(|path| end_of(&path, ENTRIES_BYTES).ok()).unwrap_or_default();
            let torn = |line: &str| Entry { intent: line.chars().take(200).collect(), ..Entry::default() };
            let newest = text.lines().rev().take(ENTRIES);
            to.post(Event::Ledger(newest.map(|line| Entry::read(line).unwrap_or_else(|| torn(line))).collect()));
        });
    }

    fn begin(&mut self, cluster: &str, to: &EventSender) {
        let (executor, cluster, to) = (self.executor.clone(), cluster.to_string(), to.clone());
        tokio::task::spawn_blocking(move || {
            let unfinished = executor.unfinished(&cluster);
            if !unfinished.is_empty() {
                to.post(Event::Unfinished(unfinished));
            }
        });
    }

    fn unlock(&mut self, name: &str) {
        if let Err(why) = self.executor.unlock(name) {
            log::warn!("{why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_ledger_is_read() {
        let file = std::env::temp_dir().join(format!("rgc-tui-end-{}", std::process::id()));
        std::fs::write(&file, "first\nsecond\nthird\n").unwrap();
        let end = |most| end_of(&file, most).unwrap();
        assert_eq!((end(100), end(9), end(3)), ("first\nsecond\nthird\n".into(), "third\n".into(), String::new()));
        std::fs::remove_file(&file).unwrap();
    }
}
