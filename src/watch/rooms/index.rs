//! PURE. The bookkeeping of scans through one master: keys grouped by hash tag, tags that are rooms, keys by slot.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::budget;
use super::describe::ValueKind;
use super::memory::ScanMemory;
use super::template::Template;
use crate::cluster::{SlotRange, hash_tag, key_slot};
use crate::escape;

/// All keys with one hash tag.
#[derive(Clone, Debug, Default)]
pub(super) struct Tag {
    /// The room's code, once the key that makes a room was seen.
    pub(super) code: Option<Arc<str>>,
    /// Seen in this scan so far.
    keys: u32,
    bytes: u64,
    measured: bool,
    /// Of the last full scan.
    last: Option<(u32, u64)>,
    /// It grew or shrank without being measured.
    stale: bool,
    /// What was told of it in this scan.
    pub(super) said: Option<(u32, u64)>,
    pub(super) state: Option<ValueKind>,
    pub(super) companion: Option<ValueKind>,
}

impl Tag {
    /// Keys and bytes, as far as is known: of the last scan while this one has not seen more.
    pub(super) fn size(&self) -> (u32, u64) {
        match self.last {
            Some((keys, bytes)) => (keys.max(self.keys), if self.measured { bytes.max(self.bytes) } else { bytes }),
            None => (self.keys, self.bytes),
        }
    }

    /// Keys and bytes when the scan is over.
    fn total(&self) -> (u32, u64) {
        let bytes = if self.measured { self.bytes } else { self.last.map_or(0, |(_, bytes)| bytes) };
        (self.keys, bytes)
    }
}

/// What a batch of keys asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Keys to ask MEMORY USAGE of.
    pub(super) sizes: Vec<Vec<u8>>,
    /// Rooms whose key was in the batch.
    pub(super) rooms: Vec<Arc<str>>,
}

pub(super) struct ScanIndex {
    template: Template,
    memory: ScanMemory,
    tags: HashMap<Box<[u8]>, Tag>,
    /// Keys told apart from repetitions; those for which there is no memory count twice when SCAN repeats them.
    seen: HashSet<u64>,
    /// Of this scan there were more keys than could be told apart.
    crowded: bool,
    /// There was no memory for rooms of this scan: they are not known.
    partial: bool,
    hasher: RandomState,
    by_slot: Vec<u32>,
    told_by_slot: Vec<Option<u32>>,
    told_strays: Option<Vec<(u16, u32)>>,
    scans: u64,
    keys: u64,
    /// Keys of the last full scan.
    last_keys: u64,
}

impl ScanIndex {
    pub(super) fn new(template: Template, memory: ScanMemory) -> Self {
        let slots = usize::from(crate::cluster::SLOTS);
        Self {
            template,
            memory,
            tags: HashMap::new(),
            seen: HashSet::new(),
            crowded: false,
            partial: false,
            hasher: RandomState::new(),
            by_slot: vec![0; slots],
            told_by_slot: vec![None; slots],
            told_strays: None,
            scans: 0,
            keys: 0,
            last_keys: 0,
        }
    }

    pub(super) fn template(&self) -> &Template {
        &self.template
    }

    pub(super) fn is_first(&self) -> bool {
        self.scans == 0
    }

    pub(super) fn keys_seen(&self) -> u64 {
        self.keys
    }

    pub(super) fn tag_mut(&mut self, code: &str) -> Option<&mut Tag> {
        self.tags.get_mut(&*escape::bytes(code))
    }

    /// A scan begins, or begins again after a failure.
    pub(super) fn begin(&mut self) {
        self.let_go();
        (self.crowded, self.partial) = (false, false);
        self.by_slot.fill(0);
        self.keys = 0;
        for tag in self.tags.values_mut() {
            (tag.keys, tag.bytes, tag.measured, tag.said) = (0, 0, false, None);
        }
    }

    /// Takes a batch in.
    pub(super) fn take(&mut self, keys: Vec<Vec<u8>>) -> Wanted {
        let mut wanted = Wanted::default();
        let one_in = budget::measure_one_in(self.last_keys);
        for key in keys {
            let hash = self.hasher.hash_one(&key);
            if self.seen.contains(&hash) {
                continue;
            }
            if self.memory.take_key() {
                self.seen.insert(hash);
            } else {
                self.crowded = true;
            }
            self.keys += 1;
            if let Some(count) = self.by_slot.get_mut(usize::from(key_slot(&key))) {
                *count += 1;
            }
            let text = hash_tag(&key);
            if text.len() == key.len() {
                continue;
            }
            let code = self.template.code(&key);
            // Tags that are no rooms, or not yet known to be, leave memory to those that are; then they only count by slot.
            if !self.tags.contains_key(text) {
                if self.memory.take_tag(text, code.is_some()) {
                    self.tags.insert(text.into(), Tag::default());
                } else {
                    self.partial |= code.is_some();
                }
            }
            let turn = self.hasher.hash_one(text).wrapping_add(self.scans).is_multiple_of(one_in);
            let Some(tag) = self.tags.get_mut(text) else { continue };
            tag.keys += 1;
            if let Some(code) = code
                && tag.said.is_none()
            {
                let code = tag.code.get_or_insert_with(|| code.as_str().into());
                wanted.rooms.push(code.clone());
            }
            // New tags are measured whole, known rooms in turn, and what is no room not again.
            let due = (turn || tag.stale) && tag.code.is_some() && tag.keys == 1;
            if tag.last.is_none() || tag.measured || due {
                tag.measured = true;
                wanted.sizes.push(key);
            }
        }
        wanted
    }

    /// Between two scans: others may have what only a scan under way needs.
    pub(super) fn let_go(&mut self) {
        self.memory.give_keys(self.seen.len());
        self.seen = HashSet::new();
    }

    /// Not all rooms of this scan were kept in mind.
    pub(super) fn is_partial(&self) -> bool {
        self.partial
    }

    /// Keys may have been counted twice.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded
    }

    pub(super) fn measured(&mut self, key: &[u8], bytes: u64) {
        if let Some(tag) = self.tags.get_mut(hash_tag(key)) {
            tag.bytes += bytes;
        }
    }

    /// Nothing is left of the room.
    pub(super) fn gone(&mut self, code: &str) {
        if let Some(tag) = self.tags.get_mut(&*escape::bytes(code)) {
            (tag.code, tag.said, tag.state, tag.companion) = (None, None, None, None);
        }
    }

    /// The scan has been through every key. Gives the rooms whose size is not what was told of them.
    pub(super) fn end(&mut self) -> Vec<Arc<str>> {
        self.scans += 1;
        self.last_keys = self.keys;
        let memory = &self.memory;
        self.tags.retain(|name, tag| {
            if tag.keys == 0 {
                memory.give_tag(name);
            }
            tag.keys > 0
        });
        if self.tags.capacity() > 4 * self.tags.len() + 1024 {
            self.tags.shrink_to(2 * self.tags.len());
        }
        let mut wrong = Vec::new();
        for tag in self.tags.values_mut() {
            let total = tag.total();
            tag.stale = !tag.measured && (tag.stale || tag.last.is_some_and(|(keys, _)| keys != total.0));
            tag.last = Some(total);
            if let (Some(code), Some(said)) = (&tag.code, tag.said)
                && said != total
            {
                tag.keys = total.0;
                tag.bytes = total.1;
                wrong.push(code.clone());
            }
        }
        wrong
    }

    /// Keys of the slots this master owns, where they are not what was told last.
    pub(super) fn slot_keys(&mut self, owned: &[SlotRange]) -> Vec<(u16, u32)> {
        let mut news = Vec::new();
        for slot in owned.iter().flat_map(|range| range.iter()) {
            let count = self.by_slot.get(usize::from(slot)).copied().unwrap_or(0);
            if let Some(told) = self.told_by_slot.get_mut(usize::from(slot))
                && *told != Some(count)
            {
                *told = Some(count);
                news.push((slot, count));
            }
        }
        news
    }

    /// Keys in slots that this master owned neither when the scan began nor now; None when that was told last.
    pub(super) fn strays(&mut self, then: &[SlotRange], now: &[SlotRange]) -> Option<Vec<(u16, u32)>> {
        let owned = |slot: u16| then.iter().chain(now).any(|range| range.contains(slot));
        let found: Vec<(u16, u32)> =
            (0..).zip(&self.by_slot).filter(|(slot, keys)| **keys > 0 && !owned(*slot)).map(|(slot, keys)| (slot, *keys)).collect();
        if self.told_strays.as_ref() == Some(&found) {
            return None;
        }
        self.told_strays = Some(found.clone());
        Some(found)
    }
}

impl Drop for ScanIndex {
    fn drop(&mut self) {
        self.let_go();
        self.tags.keys().for_each(|name| self.memory.give_tag(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> ScanIndex {
        with(&ScanMemory::default())
    }

    fn with(memory: &ScanMemory) -> ScanIndex {
        ScanIndex::new(Template::read("room:{CODE}:state").unwrap(), memory.clone())
    }

    #[test]
    fn all_masters_share_one_memory_and_what_finds_no_place_is_said() {
        // Four tags of which two are for rooms alone, and six keys.
        let memory = ScanMemory::new(6, 4 * 225);
        let (mut a, mut b) = (with(&memory), with(&memory));
        a.begin();
        run(&mut a, &["x:{N}", "x:{O}", "x:{P}", "room:{A}:state"]);
        assert!(!a.is_partial() && !a.is_crowded(), "what is no room needs no place");
        b.begin();
        assert_eq!(codes(&run(&mut b, &["room:{B}:state", "room:{C}:state", "room:{C}:state"]).rooms), ["B"]);
        assert!(b.is_partial() && !b.is_crowded());
        run(&mut b, &["plain", "plain"]);
        assert!(b.is_crowded());
        a.end();
        a.let_go();
        // What a scan does not find any more makes room for others.
        a.begin();
        run(&mut a, &["room:{A}:state"]);
        a.end();
        b.begin();
        assert_eq!(codes(&run(&mut b, &["room:{B}:state", "room:{C}:state", "plain", "plain"]).rooms), ["B", "C"]);
        assert!(!b.is_partial() && !b.is_crowded() && b.keys_seen() == 3);
        drop((a, b));
        let mut c = with(&memory);
        c.begin();
        run(&mut c, &["room:{A}:state", "room:{B}:state", "room:{C}:state", "room:{D}:state", "plain", "another"]);
        assert!(!c.is_partial() && !c.is_crowded());
    }

    fn keys(names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }

    /// Takes a batch as the scan does: every key is 100 bytes, every room is told.
    fn run(index: &mut ScanIndex, names: &[&str]) -> Wanted {
        let wanted = index.take(keys(names));
        for key in &wanted.sizes {
            index.measured(key, 100);
        }
        for code in &wanted.rooms {
            let tag = index.tag_mut(code).unwrap();
            tag.said = Some(tag.size());
        }
        wanted
    }

    fn codes(rooms: &[Arc<str>]) -> Vec<&str> {
        let mut codes: Vec<&str> = rooms.iter().map(|code| &**code).collect();
        codes.sort_unstable();
        codes
    }

    #[test]
    fn keys_with_one_tag_are_one_room_however_they_come() {
        let mut index = index();
        index.begin();
        run(&mut index, &["session:{A}:1", "plain", "room:{B}:state", "other:{C}"]);
        let wanted = run(&mut index, &["room:{A}:state", "session:{A}:1", "room:{A}:players", "room:{B}:moves"]);
        assert_eq!(codes(&wanted.rooms), ["A"]);
        assert_eq!(index.keys_seen(), 7, "a repeated key counts once");
        assert_eq!(index.tag_mut("A").unwrap().size(), (3, 300));
        // B was told with one key, and turned out to have two.
        assert_eq!(codes(&index.end()), ["B"]);
        assert_eq!(index.tag_mut("B").unwrap().size(), (2, 200));
    }

    #[test]
    fn later_scans_measure_what_is_new_and_tell_old_sizes_meanwhile() {
        let mut index = index();
        let all = ["room:{A}:state", "room:{A}:players", "x:{A}", "y:{N}"];
        index.begin();
        run(&mut index, &all);
        index.end();
        let mut measured = 0;
        for _ in 0..8 {
            index.begin();
            let wanted = run(&mut index, &["room:{A}:state"]);
            assert_eq!(index.tag_mut("A").unwrap().said, Some((3, 300)), "not one key, only because one was seen so far");
            measured += wanted.sizes.len();
            run(&mut index, &["room:{A}:players", "x:{A}", "y:{N}"]);
            assert!(index.end().is_empty());
        }
        assert_eq!(measured, 2, "one room is measured every fourth scan, what is no room never");
        index.begin();
        let wanted = run(&mut index, &["room:{D}:state"]);
        assert_eq!(wanted.sizes, keys(&["room:{D}:state"]));
    }

    #[test]
    fn a_room_that_grew_is_told_and_measured_and_a_lost_one_forgotten() {
        let mut index = index();
        index.begin();
        run(&mut index, &["room:{A}:state", "room:{B}:state"]);
        index.end();
        index.begin();
        run(&mut index, &["room:{A}:state"]);
        run(&mut index, &["x:{A}", "y:{A}"]);
        assert_eq!(codes(&index.end()), ["A"]);
        assert!(index.tag_mut("B").is_none());
        index.begin();
        run(&mut index, &["room:{A}:state", "x:{A}", "y:{A}"]);
        index.end();
        assert_eq!(index.tag_mut("A").unwrap().size(), (3, 300));
        index.gone("A");
        assert!(index.tag_mut("A").unwrap().code.is_none());
    }

    #[test]
    fn slots_are_told_once_and_when_they_change() {
        let mut index = index();
        let slot = key_slot(b"room:{A}:state");
        let owned = [SlotRange::new(slot, slot + 1)];
        index.begin();
        run(&mut index, &["room:{A}:state", "x:{A}"]);
        index.end();
        assert_eq!(index.slot_keys(&owned), [(slot, 2), (slot + 1, 0)]);
        assert!(index.slot_keys(&owned).is_empty());
        index.begin();
        run(&mut index, &["x:{A}"]);
        index.end();
        assert_eq!(index.slot_keys(&owned), [(slot, 1)]);
    }

    #[test]
    fn keys_in_slots_of_others_are_told_unless_the_slots_have_just_come_or_gone() {
        let mut index = index();
        let slot = key_slot(b"room:{A}:state");
        let (own, others) = ([SlotRange::new(slot, slot)], [SlotRange::new(0, 0)]);
        index.begin();
        run(&mut index, &["room:{A}:state", "x:{A}"]);
        index.end();
        assert_eq!(index.strays(&own, &others), Some(Vec::new()));
        assert_eq!(index.strays(&others, &own), None);
        assert_eq!(index.strays(&others, &others), Some(vec![(slot, 2)]));
        assert_eq!(index.strays(&others, &others), None);
        index.begin();
        assert_eq!(index.strays(&others, &others), Some(Vec::new()), "they have come home");
    }
}
