//! IO. Finds the rooms of one master: SCAN through its keys within a budget of its time, again and again.

mod budget;
mod describe;
mod index;
mod lookup;
mod memory;
mod scan;
mod template;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::{Address, Observation, SlotRange};
use crate::link::{Lane, Links};

pub use lookup::look_up;
pub(super) use memory::ScanMemory;
pub(super) use template::Template;

/// Keeps a scan going on a node as long as it is a master.
#[derive(Debug)]
pub(super) struct Scans {
    links: Links,
    template: Template,
    memory: ScanMemory,
    to: mpsc::Sender<Observation>,
    owned: Arc<Mutex<Option<Vec<SlotRange>>>>,
    /// The process that is being scanned.
    run_id: Option<Arc<str>>,
    task: Option<AbortOnDropHandle<()>>,
}

impl Scans {
    pub(super) fn new(links: Links, template: Template, memory: ScanMemory, to: mpsc::Sender<Observation>) -> Self {
        Self { links, template, memory, to, owned: Arc::default(), run_id: None, task: None }
    }

    /// The node is a master, with these slots (None without cluster mode). What another process has is not known at all: it is
    /// scanned as quickly as one that was never seen.
    pub(super) fn run(&mut self, node: &Address, slots: Option<Vec<SlotRange>>, no_touch: bool, run_id: Option<Arc<str>>) {
        if run_id.is_some() && std::mem::replace(&mut self.run_id, run_id.clone()) != run_id {
            self.task = None;
        }
        *self.owned.lock().unwrap_or_else(PoisonError::into_inner) = slots;
        if self.task.is_none() {
            let place = scan::ScanPlace {
                link: self.links.get(node, Lane::Work),
                clock: self.links.clock(),
                to: self.to.clone(),
                owned: self.owned.clone(),
                no_touch,
            };
            self.task = Some(AbortOnDropHandle::new(tokio::spawn(scan::scan(place, self.template.clone(), self.memory.clone()))));
        }
    }

    /// The node is no master, or another link speaks for it.
    pub(super) fn stop(&mut self) {
        self.task = None;
    }
}
