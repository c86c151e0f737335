//! PURE. Names of shards: what their letters derive from, and how they last.
//!
//! A letter belongs to the nodes that have been in the shard, by their ids: whoever is its master after a failover, a move
//! of slots, a join or a restart, the shard keeps its letter as long as one of its nodes is in it. Shards without a letter
//! get the next free one in the order of their smallest addresses (masters and replicas alike), so that two programs that
//! see a cluster for the first time say the same, whatever has been moved before. What was given is remembered in the state
//! folder and outlives the program; the first to write a letter down decides. A letter under which slots have been served
//! is not given to another shard while it is remembered, which is for [`KEPT_FOR`] after it was last seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

use super::{NodeId, Time};

/// A letter that no shard has had for this long may be given again.
const KEPT_FOR: TimeDelta = TimeDelta::days(30);
/// Nodes whose letters are remembered, those of shards that are there first.
const NODES: usize = 2000;

/// The letter (or letters) of a shard; the number is its place in the order A, B, … Z, AA, AB, …
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardName(pub u16);

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut letters = Vec::new();
        let mut rest = u32::from(self.0) + 1;
        while rest > 0 {
            rest -= 1;
            letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or_default()));
            rest /= 26;
        }
        f.pad(&letters.iter().rev().collect::<String>())
    }
}

impl FromStr for ShardName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not the letter of a shard");
        let mut number = 0u32;
        for letter in text.bytes() {
            if !letter.is_ascii_uppercase() || number > u32::from(u16::MAX) {
                return Err(wrong());
            }
            number = number * 26 + u32::from(letter - b'A') + 1;
        }
        number.checked_sub(1).and_then(|number| u16::try_from(number).ok()).map(Self).ok_or_else(wrong)
    }
}

/// Who has which letter, and which letters are not free.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Letters {
    of: BTreeMap<NodeId, ShardName>,
    /// Letters under which slots have been served, and when that was last seen.
    seen: BTreeMap<ShardName, Time>,
}

impl Letters {
    pub fn get(&self, node: NodeId) -> Option<ShardName> {
        self.of.get(&node).copied()
    }

    /// What is remembered of cluster members: what is written down.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, ShardName)> + '_ {
        self.of.iter().filter(|(id, _)| id.is_member()).map(|(id, name)| (*id, *name))
    }

    pub fn seen(&self) -> impl Iterator<Item = (ShardName, Time)> + '_ {
        self.seen.iter().map(|(name, at)| (*name, *at))
    }

    /// Letters that a shard without one must not get.
    pub(super) fn reserved(&self, now: Time) -> BTreeSet<ShardName> {
        self.seen.iter().filter(|(_, at)| now - **at <= KEPT_FOR).map(|(name, _)| *name).collect()
    }

    pub(super) fn set(&mut self, node: NodeId, name: ShardName) {
        self.of.insert(node, name);
    }

    /// Slots are served under this name.
    pub(super) fn serves(&mut self, name: ShardName, now: Time) {
        self.seen.insert(name, now);
    }

    /// A server that is known by its place only has no name to be remembered.
    pub(super) fn drop_place(&mut self, node: NodeId) {
        if !node.is_member() {
            self.of.remove(&node);
        }
    }

    /// Takes in what was written down before: it decides.
    pub fn adopt(&mut self, written: &Letters) {
        self.of.extend(written.members());
        for (name, at) in written.seen() {
            let known = self.seen.entry(name).or_insert(at);
            *known = at.max(*known);
        }
    }

    /// As read from a file; more than can be true of one cluster is cut off.
    pub fn from_parts(
        of: impl IntoIterator<Item = (NodeId, ShardName)>,
        seen: impl IntoIterator<Item = (ShardName, Time)>,
    ) -> Self {
        Self { of: of.into_iter().take(NODES).collect(), seen: seen.into_iter().take(NODES).collect() }
    }

    /// Forgets nodes that have gone when there are too many of them, and letters whose time is over.
    pub(super) fn trim(&mut self, stays: impl Fn(NodeId) -> bool, now: Time) {
        self.seen.retain(|_, at| now - *at <= KEPT_FOR);
        let surplus = self.of.len().saturating_sub(NODES);
        let gone: Vec<NodeId> = self.of.keys().copied().filter(|id| !stays(*id)).take(surplus).collect();
        for id in gone {
            self.of.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_count_as_spreadsheets_do_and_are_read_back() {
        let name = |n: u16| ShardName(n).to_string();
        assert_eq!([name(0), name(25), name(26), name(27), name(701), name(702)], ["A", "Z", "AA", "AB", "ZZ", "AAA"]);
        for number in [0, 25, 26, 701, 702, u16::MAX] {
            assert_eq!(name(number).parse(), Ok(ShardName(number)));
        }
        for text in ["", "a", "A1", "ZZZZZZZZ", "é"] {
            assert!(text.parse::<ShardName>().is_err(), "{text}");
        }
    }
}
