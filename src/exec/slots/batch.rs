//! IO. How much to move in one go: as much as the source's players do not feel, found by watching how long it takes.

use std::time::Duration;

use crate::cluster::hash_tag;
use crate::plan::Pace;

/// A key and its size in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::exec) struct Key {
    pub(in crate::exec) name: Vec<u8>,
    pub(in crate::exec) bytes: u64,
    /// Above 0 where a server has several in cluster mode.
    pub(in crate::exec) database: u32,
}

/// Below this a batch costs more in round trips than it spares in waiting: a slow answer then has another cause.
const FEWEST: f64 = 32.0;
const SMALLEST: f64 = 64.0 * 1024.0;
/// How long a batch may hold its servers up.
const BLOCK: Duration = Duration::from_millis(8);
/// A room may have this many times the keys of a batch before it is moved in parts.
const ROOM: usize = 2;

/// In the order of their rooms, one database after the other.
pub(super) fn by_room(mut keys: Vec<Key>) -> Vec<Key> {
    let order = |key: &Key| key.database;
    keys.sort_unstable_by(|a, b| {
        let rooms = || hash_tag(&a.name).cmp(hash_tag(&b.name));
        order(a).cmp(&order(b)).then_with(rooms).then_with(|| a.name.cmp(&b.name))
    });
    keys
}

/// The limits of one batch, adapted after each.
#[derive(Clone, Copy, Debug)]
pub(in crate::exec) struct Pacer {
    keys: f64,
    bytes: f64,
    most_keys: f64,
    most_bytes: f64,
}

impl Pacer {
    pub(in crate::exec) fn new(pace: Pace) -> Self {
        let (most_keys, most_bytes) = match pace {
            Pace::Calm => (100.0, 512.0 * 1024.0),
            Pace::Fast => (300.0, 4.0 * 1024.0 * 1024.0),
        };
        Self { keys: most_keys, bytes: most_bytes, most_keys, most_bytes }
    }

    /// A batch of so much took so long: the next is made to take no longer than wanted. How long to rest before it.
    pub(super) fn learn(&mut self, keys: usize, bytes: u64, took: Duration) -> Duration {
        let ratio = BLOCK.as_secs_f64() / took.as_secs_f64().max(1e-6);
        if ratio < 1.0 {
            // What was moved is what the time tells about.
            self.keys = (keys as f64 * ratio).max(FEWEST).min(self.keys);
            self.bytes = (bytes as f64 * ratio).max(SMALLEST).min(self.bytes);
        } else {
            self.keys = (self.keys * 1.3).min(self.most_keys);
            self.bytes = (self.bytes * 1.3).min(self.most_bytes);
        }
        // A stall far beyond what was wanted: let the players' queue drain before the next.
        if ratio < 0.1 { took.mul_f64(0.5).min(Duration::from_millis(200)) } else { Duration::ZERO }
    }

    /// A key of up to this many bytes needs no place of its own: a batch of its like is not too big.
    pub(super) fn small(&self) -> u64 {
        (self.bytes / self.keys) as u64
    }

    /// Cuts keys that are in the order of their rooms into batches of about the same number: rooms stay together where they fit, big keys go alone.
    pub(super) fn cut(&self, keys: Vec<Key>) -> Vec<Vec<Key>> {
        let most = (self.keys as usize).max(1);
        let share = keys.len().div_ceil(keys.len().div_ceil(most).max(1));
        let mut batches: Vec<Vec<Key>> = Vec::new();
        let mut size = 0.0;
        for key in keys {
            let bytes = key.bytes as f64;
            let fits = |batch: &Vec<Key>| {
                if batch.last().is_some_and(|last| last.database != key.database) {
                    return false;
                }
                let same_room = batch.last().is_some_and(|last| hash_tag(&last.name) == hash_tag(&key.name));
                size + bytes <= self.bytes && batch.len() < if same_room { most * ROOM } else { share }
            };
            match batches.last_mut().filter(|batch| fits(batch)) {
                Some(batch) => {
                    size += bytes;
                    batch.push(key);
                }
                None => {
                    size = bytes;
                    batches.push(vec![key]);
                }
            }
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, bytes: u64) -> Key {
        Key { name: name.into(), bytes, database: 0 }
    }

    #[test]
    fn rooms_stay_together_and_big_keys_go_alone() {
        let pacer = Pacer::new(Pace::Calm);
        let batches = pacer.cut(by_room(vec![key("b:{X}", 10), key("a:{Y}", 10), key("a:{X}", 10), key("big:{A}", 9 << 20)]));
        let names: Vec<Vec<&str>> =
            batches.iter().map(|batch| batch.iter().map(|key| std::str::from_utf8(&key.name).unwrap()).collect()).collect();
        assert_eq!(names, [vec!["big:{A}"], vec!["a:{X}", "b:{X}", "a:{Y}"]]);
    }

    #[test]
    fn every_key_is_in_exactly_one_batch() {
        let pacer = Pacer::new(Pace::Calm);
        let keys: Vec<Key> = (0..1000).map(|n| key(&format!("k{n}"), n * 37 % 90_000)).collect();
        let mut cut: Vec<Key> = pacer.cut(by_room(keys.clone())).into_iter().flatten().collect();
        let mut keys = keys;
        cut.sort_by(|a, b| a.name.cmp(&b.name));
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(cut, keys);
    }

    #[test]
    fn batches_are_even_and_rooms_whole() {
        let pacer = Pacer::new(Pace::Calm);
        let sizes = |keys: Vec<Key>| pacer.cut(by_room(keys)).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes((0..101).map(|n| key(&format!("k{n}"), 90)).collect()), [51, 50]);
        assert_eq!(sizes((0..60).map(|n| key(&format!("k{n}:{{KX9Q2}}"), 90)).collect()), [60]);
        assert_eq!(sizes((0..250).map(|n| key(&format!("k{n}:{{KX9Q2}}"), 90)).collect()), [200, 50]);
        assert_eq!(sizes(Vec::new()), [0; 0]);
    }

    #[test]
    fn no_batch_is_of_two_databases() {
        let keys = [0, 3, 0, 1].map(|database| Key { database, ..key("k", 1) });
        let batches = Pacer::new(Pace::Calm).cut(by_room(keys.to_vec()));
        let databases: Vec<Vec<u32>> = batches.iter().map(|batch| batch.iter().map(|key| key.database).collect()).collect();
        assert_eq!(databases, [vec![0, 0], vec![1], vec![3]]);
    }

    #[test]
    fn a_stall_is_followed_by_a_rest() {
        let rest = |took| Pacer::new(Pace::Calm).learn(64, 6000, Duration::from_millis(took));
        assert_eq!((rest(2), rest(50), rest(100)), (Duration::ZERO, Duration::ZERO, Duration::from_millis(50)));
    }

    #[test]
    fn a_slow_batch_makes_the_next_smaller_and_quick_ones_grow_again() {
        let mut pacer = Pacer::new(Pace::Calm);
        pacer.learn(100, 500_000, Duration::from_millis(32));
        assert!(pacer.keys <= 32.0 && pacer.bytes < 130_000.0, "{pacer:?}");
        for _ in 0..40 {
            pacer.learn(8, 1000, Duration::from_micros(100));
        }
        assert_eq!((pacer.keys, pacer.bytes), (100.0, 524_288.0));
    }
}
