//! IO. How far a move of slots has come, shared by all its jobs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::plan::{Figure, Progress};

/// The last waits of the source's players that are kept.
const WAITS: usize = 512;

#[derive(Debug)]
struct Counts {
    slots: u32,
    total: u32,
    keys: u64,
    bytes: u64,
    began: Instant,
    batches: Vec<Duration>,
    next: usize,
    longest: Duration,
}

#[derive(Clone, Debug)]
pub(in crate::exec) struct Meter(Arc<Mutex<Counts>>);

impl Meter {
    pub(in crate::exec) fn new(total: u32) -> Self {
        Self(Arc::new(Mutex::new(Counts {
            slots: 0,
            total,
            keys: 0,
            bytes: 0,
            began: Instant::now(),
            batches: Vec::new(),
            next: 0,
            longest: Duration::ZERO,
        })))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::exec) fn slots(&self, done: usize) {
        self.counts().slots += u32::try_from(done).unwrap_or(u32::MAX);
    }

    pub(in crate::exec) fn keys(&self, keys: u64, bytes: u64) {
        let mut counts = self.counts();
        counts.keys += keys;
        counts.bytes += bytes;
    }

    /// A batch held its servers up for so long.
    pub(in crate::exec) fn batch(&self, keys: u64, bytes: u64, took: Duration) {
        self.keys(keys, bytes);
        let mut counts = self.counts();
        counts.longest = counts.longest.max(took);
        if counts.batches.len() < WAITS {
            counts.batches.push(took);
        } else {
            let next = counts.next;
            if let Some(place) = counts.batches.get_mut(next) {
                *place = took;
            }
            counts.next = (next + 1) % WAITS;
        }
    }

    fn p99(counts: &Counts) -> Option<f64> {
        let mut sorted = counts.batches.clone();
        sorted.sort_unstable();
        let at = (sorted.len().checked_sub(1)? * 99) / 100;
        sorted.get(at).map(|wait| wait.as_secs_f64() * 1000.0)
    }

    pub(in crate::exec) fn progress(&self) -> Progress {
        let counts = self.counts();
        let seconds = counts.began.elapsed().as_secs_f64().max(0.001);
        let left = counts.total.saturating_sub(counts.slots);
        let eta = (counts.slots > 0).then(|| Duration::from_secs_f64(seconds * f64::from(left) / f64::from(counts.slots)));
        Progress::Moved {
            slots_done: counts.slots,
            slots_total: counts.total,
            keys: counts.keys,
            bytes: counts.bytes,
            keys_per_sec: counts.keys as f64 / seconds,
            eta,
            p99_ms: Self::p99(&counts),
        }
    }

    pub(in crate::exec) fn figures(&self) -> Vec<(Figure, f64)> {
        let counts = self.counts();
        let seconds = counts.began.elapsed().as_secs_f64().max(0.001);
        let mut figures = vec![
            (Figure::Slots, f64::from(counts.slots)),
            (Figure::Keys, counts.keys as f64),
            (Figure::Bytes, counts.bytes as f64),
            (Figure::Moved, seconds),
            (Figure::SlotsPerSec, f64::from(counts.slots) / seconds),
            (Figure::KeysPerSec, counts.keys as f64 / seconds),
        ];
        figures.extend(Self::p99(&counts).map(|p99| (Figure::BatchP99, p99)));
        figures.push((Figure::BatchMax, counts.longest.as_secs_f64() * 1000.0));
        figures
    }
}
