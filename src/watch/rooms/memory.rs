//! PURE. The memory that the scans of all masters share: a cluster of a hundred may take no more of it than one of three.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Keys of scans under way that are told apart from repetitions, of all masters together: 16 bytes each.
const KEYS: usize = 4_000_000;
/// Bytes for tags, which stay from one scan to the next: some 800,000 of them.
const TAGS: usize = 192 << 20;
/// What a tag takes beside its name.
const TAG: usize = 224;

/// Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ScanMemory {
    keys: Arc<AtomicUsize>,
    tags: Arc<AtomicUsize>,
    /// What is left to rooms when other tags have had their share.
    for_rooms: usize,
}

impl Default for ScanMemory {
    fn default() -> Self {
        Self::new(KEYS, TAGS)
    }
}

impl ScanMemory {
    pub(super) fn new(keys: usize, tags: usize) -> Self {
        Self { keys: Arc::new(keys.into()), tags: Arc::new(tags.into()), for_rooms: tags / 2 }
    }

    pub(super) fn take_key(&self) -> bool {
        take(&self.keys, 1, 0)
    }

    pub(super) fn give_keys(&self, count: usize) {
        self.keys.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn take_tag(&self, name: &[u8], is_room: bool) -> bool {
        take(&self.tags, TAG + name.len(), if is_room { 0 } else { self.for_rooms })
    }

    pub(super) fn give_tag(&self, name: &[u8]) {
        self.tags.fetch_add(TAG + name.len(), Ordering::Relaxed);
    }
}

/// Takes so much if at least `rest` is left.
fn take(from: &AtomicUsize, much: usize, rest: usize) -> bool {
    let left = |now: usize| now.checked_sub(much).filter(|left| *left >= rest);
    from.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok()
}
