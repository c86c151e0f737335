//! PURE. Every repair of the table carried out where servers do as the model says, to the end.

use std::collections::HashSet;

use crate::protocol::Direction;

use super::console::{Console, Phase, Task, evidence, id};
use super::server::{A, A1, B, C, Cluster, NOBODY, NODES, Rules, SLOTS, other_copy};

/// How a copy of each of two keys can be on three masters: who has it, and whether the first that has it has another one.
type Copies = (u8, bool);

/// A start, by number: the slot on three masters in every way in which commands and accidents can leave it.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    owners: [u8; 3],
    importing: [u8; 3],
    migrating: [u8; 3],
    keys: [Copies; 2],
    replica_marked: bool,
    /// a is there; or it is dead; or its replica has taken over.
    fate: u8,
}

/// So many of them.
pub fn starts(rules: Rules) -> u64 {
    let replicas = if rules == Rules::Valkey8 { 2 } else { 1 };
    4_u64.pow(3) * 4_u64.pow(3) * 3_u64.pow(3) * 12 * 12 * replicas * 3
}

impl Start {
    pub fn nth(mut nth: u64, rules: Rules) -> Self {
        let mut next = |of: u64| {
            let digit = nth % of;
            nth /= of;
            digit as u8
        };
        let node = |digit: u8| if digit == 3 { NOBODY } else { digit };
        let owners = [0; 3].map(|_: u8| node(next(4)));
        // Nothing makes a node import what it owns.
        let mut imports = |me: usize| Some(node(next(4))).filter(|_| owners[me] as usize != me).unwrap_or(NOBODY);
        let importing = [imports(A), imports(B), imports(C)];
        let migrating = [A, B, C].map(|me| [(me as u8 + 1) % 3, (me as u8 + 2) % 3, NOBODY][next(3) as usize]);
        let keys = [0; 2].map(|_: u8| {
            // Eight ways to be there; four of them on several, and then equal or not.
            let digit = next(12);
            if digit < 8 { (digit, false) } else { ([0b011, 0b101, 0b110, 0b111][digit as usize - 8], true) }
        });
        Self { owners, importing, migrating, keys, replica_marked: rules == Rules::Valkey8 && next(2) == 1, fate: next(3) }
    }

    /// The second slot is a's, whole and closed.
    pub fn cluster(self) -> Cluster {
        let mut cluster = Cluster::new([3, 2, 1]);
        for me in [A, B, C] {
            let node = &mut cluster.nodes[me];
            (node.owner[0], node.importing[0], node.migrating[0], node.keys[0]) =
                (self.owners[me], self.importing[me], self.migrating[me], 0);
            for (nth, (holders, differ)) in self.keys.into_iter().enumerate() {
                let key = 1 << nth;
                if holders & (1 << me) != 0 {
                    let first = holders.trailing_zeros() as usize == me;
                    node.keys[0] |= if differ && first { key | other_copy(key) } else { key };
                }
            }
        }
        // A replica hears from its master what is open, and whose the slot is.
        let (head, replica) = (cluster.nodes[A].clone(), &mut cluster.nodes[A1]);
        replica.owner[0] = head.owner[0];
        if self.replica_marked {
            replica.importing[0] = B as u8;
        }
        if self.fate > 0 {
            cluster.kill();
        }
        if self.fate > 1 {
            cluster.take_over();
        }
        cluster
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Closed, one owner, which holds all keys.
    Whole,
    /// Somebody has to choose between copies that differ; nothing is lost.
    Asked,
    /// A master has to be brought back first; nothing is lost.
    Obstacle,
}

/// Carries `fix` out. The servers have heard each other before, and do all the while.
pub fn fix(rules: Rules, cluster: &mut Cluster, direction: Direction) -> Result<End, String> {
    let before = copies(cluster);
    let task = Task::Fix(direction);
    let mut console = Console::new(&task);
    for _ in 0..300 {
        if console.is_over() {
            break;
        }
        console.act(&task, rules, cluster);
        if copies(cluster) != before {
            return Err(format!("a key is gone: {before:?}, {:?}", copies(cluster)));
        }
        cluster.settle(rules);
        if copies(cluster) != before {
            return Err(format!("a key is gone with what was heard: {before:?}, {:?}", copies(cluster)));
        }
    }
    let differ = before.iter().any(|copies| copies.len() > 1);
    if !matches!(console.phase, Phase::Done | Phase::Stopped(_)) {
        return Err(format!("it does not end: {console:?}"));
    }
    let masters = || (0..NODES).filter(|&node| cluster.nodes[node].alive && cluster.nodes[node].is_master());
    let found = evidence(cluster, 0);
    if console.phase == Phase::Done && !console.asks() && found.repair(direction).is_err() {
        return if found.silent.is_empty() { Err(format!("nobody is silent: {found:?}")) } else { Ok(End::Obstacle) };
    }
    if console.asks() && differ {
        return Ok(End::Asked);
    }
    if console.phase != Phase::Done {
        return Err(format!("it stopped: {console:?}"));
    }
    let home = cluster.nodes[masters().next().ok_or("no master")?].owner[0];
    let is_closed = found.owners.len() == 1 && found.migrating.is_empty() && found.importing.is_empty();
    if !is_closed || masters().any(|node| cluster.nodes[node].owner[0] != home) {
        return Err(format!("not closed: {found:?}"));
    }
    // What a dead master has, and did not own, comes with it.
    if found.holders.keys().any(|&node| node != id(home as usize)) {
        return Err(format!("the owner does not hold all keys: {found:?}"));
    }
    Ok(End::Whole)
}

/// The different copies that there are of each key.
fn copies(cluster: &Cluster) -> [HashSet<bool>; 2] {
    [1, 2].map(|key| {
        let nodes = cluster.nodes.iter().filter(|node| node.is_master() && node.keys[0] & key != 0);
        nodes.map(|node| node.keys[0] & other_copy(key) != 0).collect()
    })
}

/// A start after which the servers have heard each other.
pub fn settled(nth: u64, rules: Rules) -> Cluster {
    let mut cluster = Start::nth(nth, rules).cluster();
    cluster.settle(rules);
    const { assert!(SLOTS == 2) };
    cluster
}
