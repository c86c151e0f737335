//! PURE. A hash of the facts a plan relies on: stable across runs and builds, since saved plans carry it.

use std::fmt::Display;

use crate::cluster::{Node, SlotSet};

/// FNV-1a over words, each closed by a separator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(what: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).and(what)
    }

    pub(super) fn and(self, fact: impl Display) -> Self {
        let word = fact.to_string();
        Self(word.bytes().chain([0]).fold(self.0, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)))
    }

    /// Who a node is, what it is, and what it owns.
    pub(super) fn node(self, node: &Node) -> Self {
        let master = node.master.map(|id| id.to_string()).unwrap_or_default();
        self.and(node.id).and(node.role).and(master).and(node.slots.iter().collect::<SlotSet>())
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }
}
