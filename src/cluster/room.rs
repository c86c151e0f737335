//! PURE. Game rooms: all keys that share one hash tag, so one slot, so one shard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Address, RoomSweep, SLOTS, SlotSet, Time};

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

    fn sum(self, other: Self) -> Self {
        Self {
            rooms: self.rooms + other.rooms,
            players: self.players + other.players,
            keys: self.keys + other.keys,
            bytes: self.bytes + other.bytes,
        }
    }
}

/// How far one master's sweep has come.
#[derive(Clone, Copy, Debug, Default)]
struct Sweep {
    number: u64,
    completed: u64,
}

/// Every room known, with running totals by slot.
#[derive(Clone, Debug)]
pub struct Rooms {
    by_code: BTreeMap<Arc<str>, (Room, Address, u64)>,
    by_slot: Vec<RoomTally>,
    total: RoomTally,
    sweeps: BTreeMap<Address, Sweep>,
    /// Changes whenever a room does: lists built from this index are valid as long as it stays.
    revision: u64,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            by_code: BTreeMap::new(),
            by_slot: vec![RoomTally::default(); usize::from(SLOTS)],
            total: RoomTally::default(),
            sweeps: BTreeMap::new(),
            revision: 0,
        }
    }
}

impl Rooms {
    pub fn get(&self, code: &str) -> Option<&Room> {
        self.by_code.get(code).map(|(room, ..)| room)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Room> {
        self.by_code.values().map(|(room, ..)| room)
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
        self.by_slot.get(usize::from(slot)).copied().unwrap_or_default()
    }

    /// The same over a set of slots.
    pub fn in_slots(&self, slots: &SlotSet) -> RoomTally {
        slots.iter().map(|slot| self.in_slot(slot)).fold(RoomTally::default(), RoomTally::sum)
    }

    /// Every one of these masters has been swept through at least once.
    pub fn complete<'a>(&self, masters: impl IntoIterator<Item = &'a Address>) -> bool {
        masters.into_iter().all(|address| self.sweeps.get(address).is_some_and(|sweep| sweep.completed > 0))
    }

    pub fn apply(&mut self, source: &Address, batch: &RoomSweep) {
        let sweep = self.sweeps.entry(source.clone()).or_default();
        sweep.number = batch.sweep;
        for room in &batch.rooms {
            self.put(room.clone(), source.clone(), batch.sweep);
        }
        for code in &batch.gone {
            self.remove(code);
        }
        if batch.done {
            if let Some(sweep) = self.sweeps.get_mut(source) {
                sweep.completed += 1;
            }
            let stale: Vec<Arc<str>> = self
                .by_code
                .values()
                .filter(|(_, from, number)| from == source && *number != batch.sweep)
                .map(|(room, ..)| room.code.clone())
                .collect();
            for code in stale {
                self.remove(&code);
            }
        }
    }

    fn put(&mut self, room: Room, source: Address, sweep: u64) {
        self.remove(&room.code);
        if let Some(tally) = self.by_slot.get_mut(usize::from(room.slot)) {
            tally.add(&room);
        }
        self.total.add(&room);
        self.by_code.insert(room.code.clone(), (room, source, sweep));
        self.revision += 1;
    }

    fn remove(&mut self, code: &str) {
        if let Some((room, ..)) = self.by_code.remove(code) {
            if let Some(tally) = self.by_slot.get_mut(usize::from(room.slot)) {
                tally.take(&room);
            }
            self.total.take(&room);
            self.revision += 1;
        }
    }
}
