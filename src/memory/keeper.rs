//! IO. Writes down what a model remembers while it is watched, beside the tasks that watch: files block.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::Store;
use crate::cluster::{Address, Fact, Memory, Model, Observation, Remembered, Time};

/// Between two times that the same is written down again.
const ROUTINE: Duration = Duration::from_secs(30);
/// Between two looks at whether another program has written.
const LOOK: Duration = Duration::from_secs(2);
/// News that comes in quick succession is written down together.
const NEWS: Duration = Duration::from_millis(500);
/// For the last time, at the end.
const PARTING: Duration = Duration::from_secs(3);

/// Keeps the memory of one open cluster.
#[derive(Debug)]
pub struct Keeper {
    store: Arc<Store>,
    seeds: Vec<Address>,
    to: mpsc::Sender<Observation>,
    busy: Arc<AtomicBool>,
    revision: Option<u64>,
    wrote: Option<Instant>,
    looked: Instant,
    /// When the file was written that was last read or written here.
    read: Arc<Mutex<Option<SystemTime>>>,
}

impl Keeper {
    pub fn new(store: Arc<Store>, seeds: Vec<Address>, to: mpsc::Sender<Observation>) -> Self {
        let looked = Instant::now();
        Self { store, seeds, to, busy: Arc::default(), revision: None, wrote: None, looked, read: Arc::default() }
    }

    /// Looks whether there is something to write down, or to read; cheap when there is not. Never waits.
    pub fn look(&mut self, model: &Model, now: Time) {
        let news = self.revision != Some(model.history().revision());
        let waited = self.wrote.map(|at| at.elapsed());
        let due = waited.is_none_or(|waited| waited >= if news { NEWS } else { ROUTINE });
        if self.busy.load(Ordering::Relaxed) || !(due || self.looked.elapsed() >= LOOK) {
            return;
        }
        self.looked = Instant::now();
        let key = model.history().key().to_owned();
        let memory = due.then(|| model.history().memory(model, now)).flatten();
        if memory.is_none() && key.is_empty() {
            return;
        }
        if memory.is_some() {
            self.wrote = Some(self.looked);
            self.revision = Some(model.history().revision());
        }
        let (store, seeds, to, busy) = (self.store.clone(), self.seeds.clone(), self.to.clone(), self.busy.clone());
        let read = self.read.clone();
        busy.store(true, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || {
            let remembered = match memory {
                Some(memory) => write(&store, memory, &seeds, &read),
                None => read_again(&store, &key, &seeds, &read),
            };
            busy.store(false, Ordering::Relaxed);
            // A reader that is behind will be told the next time.
            if let Some(remembered) = remembered {
                let _ = to.try_send(said(&seeds, remembered, now));
            }
        });
    }

    /// Writes down what there is now, and waits until it is; not for ever, since a disk may not answer.
    pub async fn finish(&self, model: &Model, now: Time) {
        let Some(memory) = model.history().memory(model, now) else { return };
        let store = self.store.clone();
        match timeout(PARTING, tokio::task::spawn_blocking(move || store.write(memory))).await {
            Ok(Ok(Err(why))) => log::warn!("{why}"),
            Ok(_) => {}
            Err(_) => log::warn!("what is known of the cluster could not be written down within {} s", PARTING.as_secs()),
        }
    }
}

/// What was found, as a fact for the model.
pub(crate) fn said(seeds: &[Address], remembered: Remembered, at: Time) -> Observation {
    let source = seeds.first().cloned().unwrap_or_else(|| Address::new("nowhere", 1));
    Observation { source, at, fact: Fact::Remembered(Arc::new(remembered)) }
}

fn write(store: &Store, memory: Memory, seeds: &[Address], read: &Mutex<Option<SystemTime>>) -> Option<Remembered> {
    let written = store.write(memory);
    if let Ok(memory) = &written {
        *read.lock().unwrap_or_else(PoisonError::into_inner) = store.written(&memory.key);
    }
    match written {
        Ok(memory) => Some(Remembered { seeds: seeds.to_vec(), memories: vec![memory], notes: Vec::new() }),
        Err(why) => {
            log::warn!("{why}");
            None
        }
    }
}

fn read_again(store: &Store, key: &str, seeds: &[Address], read: &Mutex<Option<SystemTime>>) -> Option<Remembered> {
    let written = Some(store.written(key)?);
    let before = std::mem::replace(&mut *read.lock().unwrap_or_else(PoisonError::into_inner), written);
    (before != written).then(|| store.read(seeds))
}
