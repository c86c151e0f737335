//! IO. A console in the storm: its state folder, what it is doing, and its death.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rgc_tui::cluster::Model;
use rgc_tui::exec::{Controls, Executor, ExecutorSettings, Lock};
use rgc_tui::link::{Clock, Links};
use rgc_tui::plan::{Intent, Outcome, Report};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, timeout};

use crate::sim::{Host, Sim};
use crate::truth::{self, Truth};

/// How long an operation may take, however sick the cluster is.
const PATIENCE: Duration = Duration::from_secs(600);

/// An operation of one console, as it went.
pub(crate) struct Done {
    pub(crate) console: usize,
    pub(crate) intent: Intent,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) report: Report,
    /// For moves that were called done: slots that were not there when it was said.
    pub(crate) untrue: Vec<u16>,
}

struct Busy {
    task: JoinHandle<Option<Done>>,
    control: Controls,
    operation: AbortHandle,
    intent: Intent,
}

pub(crate) struct Console {
    number: usize,
    pub(crate) host: Host,
    pub(crate) executor: Executor,
    folder: tempfile::TempDir,
    blind: bool,
    busy: Option<Busy>,
    /// Failovers beside it.
    beside: Vec<Busy>,
    pub(crate) done: Vec<Done>,
    pub(crate) never_ended: Vec<String>,
    /// Records that the disk takes in the next operation.
    disk: Option<u32>,
    pub(crate) was_killed: bool,
}

fn executor(sim: &Sim, host: Host, folder: &Path, blind: bool) -> Executor {
    let clock = Clock::start();
    let settings = ExecutorSettings { journal_dir: folder.to_path_buf(), cluster: "test".into(), lock: Lock::Open };
    let executor = Executor::new(Links::new(sim.link_from(host), clock), clock, settings);
    if blind { executor.unannounced() } else { executor }
}

impl Console {
    pub(crate) fn open(sim: &Sim, number: usize, blind: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = number as Host;
        let executor = executor(sim, host, folder.path(), blind);
        Self {
            number,
            host,
            executor,
            folder,
            blind,
            busy: None,
            beside: Vec::new(),
            done: Vec::new(),
            never_ended: Vec::new(),
            disk: None,
            was_killed: false,
        }
    }

    /// What has ended is put down.
    async fn collect(&mut self) {
        if self.busy.as_ref().is_some_and(|busy| busy.task.is_finished()) {
            self.wait().await;
        }
    }

    pub(crate) async fn wait(&mut self) {
        for busy in self.busy.take().into_iter().chain(self.beside.drain(..)) {
            match busy.task.await.unwrap() {
                Some(done) => self.done.push(done),
                None => self.never_ended.push(busy.intent.to_string()),
            }
        }
    }

    /// Plans, and carries out what may be carried out.
    pub(crate) async fn begin(&mut self, sim: &Sim, intent: Intent) {
        self.collect().await;
        let failover = matches!(intent, Intent::Failover { .. });
        if self.busy.is_some() && !(failover && self.beside.is_empty()) {
            return;
        }
        let executor = match self.disk.take() {
            Some(records) => self.executor.clone().with_full_disk(records),
            None => self.executor.clone(),
        };
        let mut model = Model::new("prod".to_string());
        executor.look(&mut model, &truth::seeds(sim)).await;
        let began = Instant::now();
        let Ok(plan) = executor.plan(&intent, &model).await else { return };
        let running = executor.execute(plan, Arc::new(model));
        let (control, operation) = (running.control.clone(), running.abort_handle());
        let (sim, number, wanted) = (sim.clone(), self.number, intent.clone());
        let task = tokio::spawn(async move {
            let report = timeout(PATIENCE, running.report()).await.ok()?;
            let untrue = match (&wanted, &report.outcome) {
                (Intent::MoveSlots { slots, to }, Outcome::Done) => Truth::not_with(&sim, slots, to),
                _ => Vec::new(),
            };
            Some(Done { console: number, intent: wanted, began, ended: Instant::now(), report, untrue })
        });
        let busy = Busy { task, control, operation, intent };
        if self.busy.is_some() { self.beside.push(busy) } else { self.busy = Some(busy) }
    }

    pub(crate) fn abort(&self) {
        if let Some(busy) = &self.busy {
            busy.control.abort();
        }
    }

    pub(crate) fn fill_disk(&mut self, after: u32) {
        self.disk = Some(after);
    }

    /// The process ends in the middle of whatever it does; what it has sent is on its way. Another one is started.
    pub(crate) async fn kill(&mut self, sim: &Sim) {
        self.collect().await;
        for busy in self.busy.take().into_iter().chain(self.beside.drain(..)) {
            busy.operation.abort();
            busy.task.abort();
            self.was_killed = true;
        }
        self.executor = executor(sim, self.host, self.folder.path(), self.blind);
    }
}
