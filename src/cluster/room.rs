//! PURE. Game rooms: all keys that share one hash tag, so one slot, so one shard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Address, RoomScan, SLOTS, SlotRange, SlotSet, Time};

/// One room as last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    pub code: Arc<str>,
    pub slot: u16,
    /// The `phase` of its state, empty when it has none.
    pub phase: Arc<str>,
    pub players: u32,
    pub keys: u32,
    /// MEMORY USAGE of its keys, summed.
    pub size_bytes: u64,
    /// Time to live of its state; None when it does not expire.
    pub ttl: Option<Duration>,
    pub seen: Time,
}

/// What the owner of its slot says of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomFound {
    There {
        phase: Arc<str>,
        /// None when neither its state nor the key beside it tells.
        players: Option<u32>,
    },
    NotThere,
}

/// A count of rooms and what is in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomTally {
    pub rooms: u64,
    pub players: u64,
    pub keys: u64,
    pub bytes: u64,
}

impl RoomTally {
    fn add(&mut self, room: &Room) {
        self.rooms += 1;
        self.players += u64::from(room.players);
        self.keys += u64::from(room.keys);
        self.bytes += room.size_bytes;
    }

    fn take(&mut self, room: &Room) {
        self.rooms = self.rooms.saturating_sub(1);
        self.players = self.players.saturating_sub(u64::from(room.players));
        self.keys = self.keys.saturating_sub(u64::from(room.keys));
        self.bytes = self.bytes.saturating_sub(room.size_bytes);
    }

    /// Both together.
    pub(crate) fn sum(self, other: Self) -> Self {
        Self {
            rooms: self.rooms + other.rooms,
            players: self.players + other.players,
            keys: self.keys + other.keys,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// A room, who told of it, and in which of its scans.
#[derive(Clone, Debug)]
struct RoomEntry {
    room: Room,
    source: Address,
    scan: u64,
}

/// Every room known, with running totals by slot.
#[derive(Clone, Debug)]
pub struct Rooms {
    by_code: BTreeMap<Arc<str>, RoomEntry>,
    by_slot: Vec<(RoomTally, BTreeSet<Arc<str>>)>,
    total: RoomTally,
    /// When each master was last scanned through.
    scanned: BTreeMap<Address, Time>,
    /// When the last scan that is through began.
    begun: BTreeMap<Address, Time>,
    denied: BTreeSet<Address>,
    /// Masters whose last scan found more rooms than are known here.
    partial: BTreeSet<Address>,
    /// Changes whenever a room does: lists built from this index are valid as long as it stays.
    revision: u64,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            by_code: BTreeMap::new(),
            by_slot: vec![Default::default(); usize::from(SLOTS)],
            total: RoomTally::default(),
            scanned: BTreeMap::new(),
            begun: BTreeMap::new(),
            denied: BTreeSet::new(),
            partial: BTreeSet::new(),
            revision: 0,
        }
    }
}

impl Rooms {
    pub fn get(&self, code: &str) -> Option<&Room> {
        self.by_code.get(code).map(|entry| &entry.room)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Room> {
        self.by_code.values().map(|entry| &entry.room)
    }

    pub fn len(&self) -> usize {
        self.by_code.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_code.is_empty()
    }

    pub fn total(&self) -> RoomTally {
        self.total
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Rooms, players, keys and bytes in one slot.
    pub fn in_slot(&self, slot: u16) -> RoomTally {
        self.by_slot.get(usize::from(slot)).map(|(tally, _)| *tally).unwrap_or_default()
    }

    /// The same over a set of slots.
    pub fn in_slots(&self, slots: &SlotSet) -> RoomTally {
        slots.iter().map(|slot| self.in_slot(slot)).fold(RoomTally::default(), RoomTally::sum)
    }

    /// Every one of these masters has been scanned through at least once, and all its rooms are known.
    pub fn complete<'a>(&self, masters: impl IntoIterator<Item = &'a Address>) -> bool {
        masters.into_iter().all(|address| self.scanned.contains_key(address) && !self.partial.contains(address))
    }

    /// Some master has more rooms than are known here.
    pub fn is_partial(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Masters whose keys this user may not go through.
    pub fn denied(&self) -> impl Iterator<Item = &Address> {
        self.denied.iter()
    }

    /// There is nothing to wait for: each of these masters has been scanned through, or does not let this user.
    pub fn ended<'a>(&self, masters: impl IntoIterator<Item = &'a Address>) -> bool {
        masters.into_iter().all(|address| self.scanned.contains_key(address) || self.denied.contains(address))
    }

    /// This master has been scanned through from the first key to the last since then.
    pub fn scanned_since(&self, master: &Address, then: Time) -> bool {
        self.begun.get(master).is_some_and(|began| *began >= then)
    }

    /// Takes one batch in. `slots` are those the source owns, None outside of a cluster: when it has been scanned through,
    /// rooms in them that it did not show are gone, even if it was another one that told of them before a failover.
    pub fn apply(&mut self, source: &Address, batch: &RoomScan, slots: Option<&[SlotRange]>, at: Time) {
        if batch.denied {
            self.denied.insert(source.clone());
            return;
        }
        self.denied.remove(source);
        for room in &batch.rooms {
            self.put(RoomEntry { room: room.clone(), source: source.clone(), scan: batch.scan });
        }
        for code in &batch.gone {
            self.remove(code);
        }
        if batch.done {
            let before = self.scanned.insert(source.clone(), at);
            if let Some(began) = batch.began {
                self.begun.insert(source.clone(), began);
            }
            // Rooms that were not kept in mind were not looked at either: what is known of them stays.
            if batch.partial {
                self.partial.insert(source.clone());
                return;
            }
            self.partial.remove(source);
            // A room that another one has told of since our last scan is on its way there: its slot is being moved.
            let is_gone = |entry: &RoomEntry| match entry.source == *source {
                true => entry.scan != batch.scan,
                false => slots.is_some() && before.is_some_and(|before| entry.room.seen < before),
            };
            let codes: Vec<Arc<str>> = match slots {
                Some(ranges) => {
                    let places =
                        ranges.iter().flat_map(|range| range.iter()).filter_map(|slot| self.by_slot.get(usize::from(slot)));
                    places.flat_map(|(_, codes)| codes.iter().cloned()).collect()
                }
                None => self.by_code.keys().cloned().collect(),
            };
            for code in codes {
                if self.by_code.get(&code).is_some_and(is_gone) {
                    self.remove(&code);
                }
            }
        }
    }

    fn put(&mut self, entry: RoomEntry) {
        let room = &entry.room;
        // Seen again as it was: nothing that a list is made from has changed.
        if let Some(old) = self.by_code.get_mut(&room.code)
            && *room == (Room { ttl: room.ttl, seen: room.seen, ..old.room.clone() })
        {
            *old = entry;
            return;
        }
        self.remove(&entry.room.code);
        if let Some((tally, codes)) = self.by_slot.get_mut(usize::from(entry.room.slot)) {
            tally.add(&entry.room);
            codes.insert(entry.room.code.clone());
        }
        self.total.add(&entry.room);
        self.by_code.insert(entry.room.code.clone(), entry);
        self.revision += 1;
    }

    fn remove(&mut self, code: &str) {
        if let Some(RoomEntry { room, .. }) = self.by_code.remove(code) {
            if let Some((tally, codes)) = self.by_slot.get_mut(usize::from(room.slot)) {
                tally.take(&room);
                codes.remove(code);
            }
            self.total.take(&room);
            self.revision += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::key_slot;
    use crate::cluster::sample::noon;

    fn at(second: i64) -> Time {
        noon() + chrono::TimeDelta::seconds(second)
    }

    fn scan(number: u64, codes: &[&str], second: i64) -> RoomScan {
        let room = |code: &&str| Room {
            code: (*code).into(),
            slot: key_slot(code.as_bytes()),
            phase: "playing".into(),
            players: 4,
            keys: 3,
            size_bytes: 100,
            ttl: Some(Duration::from_secs(u64::try_from(1000 - second).unwrap_or(0))),
            seen: at(second),
        };
        RoomScan {
            scan: number,
            rooms: codes.iter().map(room).collect(),
            done: true,
            began: Some(at(second)),
            ..RoomScan::default()
        }
    }

    #[test]
    fn a_scan_that_is_through_removes_what_it_did_not_find() {
        let all = [SlotRange::new(0, SLOTS - 1)];
        let mut rooms = Rooms::default();
        let a = Address::new("a", 1);
        rooms.apply(&a, &scan(1, &["X", "Y"], 0), Some(&all), at(0));
        let revision = rooms.revision();
        rooms.apply(&a, &scan(2, &["X", "Y"], 5), Some(&all), at(5));
        assert_eq!(rooms.revision(), revision, "a shorter time to live alone changes no list");
        assert_eq!(rooms.get("X").map(|room| room.seen), Some(at(5)));
        rooms.apply(&a, &scan(3, &["Y"], 9), Some(&all), at(9));
        assert_eq!((rooms.len(), rooms.total().players, rooms.in_slot(key_slot(b"X"))), (1, 4, RoomTally::default()));
    }

    #[test]
    fn rooms_that_died_with_their_master_are_gone_after_its_successor_was_scanned() {
        let all = [SlotRange::new(0, SLOTS - 1)];
        let mut rooms = Rooms::default();
        let (a, b) = (Address::new("a", 1), Address::new("b", 1));
        rooms.apply(&a, &scan(1, &["X", "Y"], 0), Some(&all), at(0));
        // The successor is scanned twice: the first time cannot tell what is still on its way.
        rooms.apply(&b, &scan(1, &["Y"], 10), Some(&all), at(10));
        assert_eq!(rooms.len(), 2);
        rooms.apply(&b, &scan(2, &["Y"], 20), Some(&all), at(20));
        assert_eq!(rooms.iter().map(|room| &*room.code).collect::<Vec<_>>(), ["Y"]);
    }

    #[test]
    fn a_scan_that_could_not_keep_all_in_mind_is_not_complete_and_removes_nothing() {
        let all = [SlotRange::new(0, SLOTS - 1)];
        let mut rooms = Rooms::default();
        let a = Address::new("a", 1);
        rooms.apply(&a, &scan(1, &["X", "Y"], 0), Some(&all), at(0));
        assert!(rooms.complete([&a]));
        rooms.apply(&a, &RoomScan { partial: true, ..scan(2, &["X"], 5) }, Some(&all), at(5));
        assert!(rooms.ended([&a]) && rooms.is_partial() && !rooms.complete([&a]) && rooms.get("Y").is_some());
        rooms.apply(&a, &scan(3, &["X"], 9), Some(&all), at(9));
        assert!(rooms.complete([&a]) && !rooms.is_partial() && rooms.get("Y").is_none());
    }

    #[test]
    fn without_cluster_mode_every_server_speaks_for_its_own_rooms() {
        let mut rooms = Rooms::default();
        let (a, b) = (Address::new("a", 1), Address::new("b", 1));
        rooms.apply(&a, &scan(1, &["X"], 0), None, at(0));
        rooms.apply(&b, &scan(1, &["Y"], 0), None, at(0));
        rooms.apply(&b, &scan(2, &[], 5), None, at(5));
        assert_eq!(rooms.iter().map(|room| &*room.code).collect::<Vec<_>>(), ["X"]);
    }
}
