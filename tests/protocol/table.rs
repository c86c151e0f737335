//! PURE. Every state that one slot can be in on three masters, and what the table of repairs says of it.

use std::collections::BTreeMap;

use crate::cluster::NodeId;
use crate::protocol::{Direction, Repair, RepairObstacle, SlotEvidence};

use super::console::id;
use super::server::NOBODY;

pub const MASTERS: usize = 3;
pub const DIRECTIONS: [Direction; 3] = [Direction::On, Direction::Back, Direction::BackAtOnce];

/// What is known of one master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing, and it owned nothing when it was last heard.
    Nothing,
    /// Nothing; it may hold keys, and was the slot's owner or not when it was last heard.
    Silent { owned: bool },
    /// Whom it takes for the owner, and its marks; keys: None where it takes none and cannot be asked for them.
    Words { owner: u8, migrating: u8, importing: u8, keys: Option<u8> },
}

/// All that may be known of master `me`: 147 ways in which it answers everything or nothing, and 48 in which it answers
/// and serves no keys.
pub fn all_said(me: u8) -> Vec<Said> {
    let mut all = vec![Said::Nothing, Said::Silent { owned: false }, Said::Silent { owned: true }];
    let nodes = || (0..MASTERS as u8).chain([NOBODY]);
    for owner in nodes() {
        for migrating in nodes().filter(|&to| to != me) {
            for importing in nodes() {
                all.extend([None, Some(0), Some(1), Some(2)].map(|keys| Said::Words { owner, migrating, importing, keys }));
            }
        }
    }
    all
}

/// The evidence that `plan::evidence` makes of that. `epochs`: of each; `replicas`: a bit for each master of which a replica
/// alone has the slot open.
pub fn evidence(said: [Said; MASTERS], epochs: [u64; MASTERS], replicas: u8) -> SlotEvidence {
    let mut found = SlotEvidence::default();
    for (me, said) in said.into_iter().enumerate() {
        let node = id(me);
        match said {
            Said::Nothing => {}
            Said::Silent { owned } => {
                found.silent.insert(node);
                if owned {
                    found.silent_owner = Some(node);
                }
            }
            Said::Words { owner, migrating, importing, keys } => {
                let peer = |peer: u8| (peer != NOBODY).then(|| id(peer as usize));
                if owner as usize == me {
                    found.owners.insert(node, epochs[me]);
                }
                found.named.insert(node, peer(owner));
                found.migrating.extend(peer(migrating).map(|to| (node, to)));
                found.importing.extend(peer(importing).map(|from| (node, from)));
                match keys {
                    None => drop(found.silent.insert(node)),
                    Some(keys) => {
                        found.serving.insert(node, u64::from(owner as usize == me) + 1);
                        if keys > 0 {
                            found.holders.insert(node, u64::from(keys));
                        }
                    }
                }
                if replicas & (1 << me) != 0 {
                    found.open_on_replica.push(node);
                }
            }
        }
    }
    found
}

/// What must be so of every line of the table. The error says what is not.
pub fn check(found: &SlotEvidence, direction: Direction) -> Result<Option<Repair>, String> {
    let said = found.repair(direction);
    let keys = |node: &NodeId| found.holders.get(node).copied().unwrap_or(0);
    let owners: Vec<NodeId> = found.owners.keys().copied().collect();
    let only = |node: &NodeId| owners.as_slice() == [*node];
    let strays: Vec<NodeId> = found.holders.keys().copied().filter(|node| !owners.contains(node)).collect();
    let open: Vec<NodeId> = found.migrating.iter().chain(&found.importing).map(|(node, _)| *node).collect();
    let needs = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{what}: {said:?}")) };
    match &said {
        Err(RepairObstacle::OwnerSilent(node)) => {
            let owned = if owners.is_empty() { found.silent_owner == Some(*node) } else { owners.contains(node) };
            needs(owned && !found.serving.contains_key(node), "the owner is silent")?;
        }
        Err(RepairObstacle::HolderSilent(node)) => needs(owners.is_empty() && found.silent.contains(node), "a holder is silent")?,
        Err(RepairObstacle::OpenSilent(node)) => {
            needs(open.contains(node) && !found.serving.contains_key(node), "whoever has it open is silent")?;
        }
        Err(RepairObstacle::TargetSilent(node)) => {
            needs(found.silent.contains(node), "a target is silent")?;
            needs(found.migrating.iter().any(|(_, to)| to == node), "it is on its way there")?;
        }
        Err(RepairObstacle::NobodyServes) => needs(found.serving.is_empty(), "nobody serves")?,
        Ok(None) => {
            needs(owners.len() == 1 && open.is_empty() && strays.is_empty(), "whole, closed, and one owner")?;
            needs(found.named.values().all(|named| *named == owners.first().copied()), "everybody knows it")?;
            needs(found.open_on_replica.is_empty(), "nor is it open on a replica")?;
        }
        Ok(Some(Repair::Finish { from, to, .. } | Repair::FinishAndBack { from, to, .. })) => {
            needs(only(from), "from its only owner")?;
            needs(found.serving.contains_key(to) && to != from, "to another that takes keys")?;
            needs(strays.iter().all(|stray| stray == to), "all other keys are at the target")?;
            needs(open.iter().all(|node| node == from || node == to), "nobody else has it open")?;
            needs(direction != Direction::BackAtOnce, "a target that takes no more gets no more")?;
            let back = matches!(said, Ok(Some(Repair::FinishAndBack { .. })));
            needs(back == (direction == Direction::Back), "it comes back when that is asked for")?;
        }
        Ok(Some(Repair::Return { at, owner })) => {
            needs(only(owner) && !at.contains(owner), "to the only owner")?;
            needs(!at.is_empty() && at.iter().all(|node| keys(node) > 0), "from who holds keys")?;
        }
        Ok(Some(Repair::Close { at, owner })) => {
            needs(only(owner), "the owner is known")?;
            needs(!at.is_empty(), "somebody has it open")?;
            needs(at.iter().all(|node| node == owner || keys(node) == 0), "no mark is taken off where it shows keys")?;
            needs(!at.contains(owner) || strays.is_empty(), "the owner sends players to keys elsewhere")?;
            let marked = |node: &NodeId| open.contains(node) || found.open_on_replica.contains(node);
            needs(at.iter().all(marked), "who closes has a mark")?;
        }
        Ok(Some(Repair::Adopt { owner, told, believes })) => {
            needs(
                owners.is_empty() && found.silent_owner.is_none() && found.silent.is_empty(),
                "nobody owns it, everybody is heard",
            )?;
            needs(found.serving.contains_key(owner), "it takes keys")?;
            needs(found.holders.values().all(|other| *other <= keys(owner)), "it has the most keys")?;
            needs(found.holders.keys().all(|node| node == owner || told.contains(node)), "other holders are told")?;
            needs(!told.contains(owner), "it need not be told")?;
            needs(*believes == found.named.get(owner).is_some_and(Option::is_some), "whom it believes")?;
        }
        Ok(Some(Repair::Tell { owner, unaware })) => {
            needs(only(owner) && open.is_empty() && strays.is_empty(), "whole and closed")?;
            needs(unaware.iter().all(|node| found.named.get(node) != Some(&Some(*owner))), "who is told does not know")?;
            needs(!unaware.is_empty() && !unaware.contains(owner), "somebody is told")?;
        }
        Ok(Some(Repair::Settle { owner, losers })) => {
            needs(owners.contains(owner) && owners.len() > 1, "one of several")?;
            needs(owners.iter().all(|node| keys(node) <= keys(owner)), "the one with the most keys")?;
            let others: Vec<NodeId> = owners.iter().copied().filter(|node| node != owner).collect();
            needs(*losers == others, "all others give it up")?;
        }
    }
    // Nobody who answers everything is between the operator and a repair.
    needs(said.is_ok() || !found.silent.is_empty() || found.silent_owner.is_some() || found.serving.is_empty(), "a way out")?;
    Ok(said.ok().flatten())
}

/// How often each repair is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub cases: u64,
    pub said: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn count(&mut self, repair: Option<&Repair>, is_obstacle: bool) {
        self.cases += 1;
        let word = match repair {
            None if is_obstacle => "asked of the operator",
            None => "nothing",
            Some(Repair::Finish { .. }) => "finish",
            Some(Repair::FinishAndBack { .. }) => "finish and back",
            Some(Repair::Return { .. }) => "return",
            Some(Repair::Close { .. }) => "close",
            Some(Repair::Adopt { .. }) => "adopt",
            Some(Repair::Tell { .. }) => "tell",
            Some(Repair::Settle { .. }) => "settle",
        };
        *self.said.entry(word).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        other.said.iter().for_each(|(word, count)| *self.said.entry(word).or_default() += count);
    }
}

/// Goes through the part of the table in which the first master says this.
pub fn check_all(first: Said) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let (second, third) = (all_said(1), all_said(2));
    for &two in &second {
        for &three in &third {
            for epochs in [[3, 2, 1], [1, 2, 3]] {
                let found = evidence([first, two, three], epochs, 0);
                for direction in DIRECTIONS {
                    let repair = check(&found, direction).map_err(|why| format!("{why}\n{direction:?} of {found:?}"))?;
                    tally.count(repair.as_ref(), repair.is_none() && found.repair(direction).is_err());
                }
                if found.owners.len() < 2 {
                    break;
                }
            }
            // Marks of replicas alone: as the masters' own word is that nothing is open.
            for replicas in 1..1 << MASTERS {
                let found = evidence([first, two, three], [3, 2, 1], replicas);
                if found.open_on_replica.len() != u8::count_ones(replicas) as usize
                    || !found.migrating.is_empty()
                    || !found.importing.is_empty()
                {
                    continue;
                }
                let repair = check(&found, Direction::On).map_err(|why| format!("{why}\n{found:?}"))?;
                tally.count(repair.as_ref(), repair.is_none() && found.repair(Direction::On).is_err());
            }
        }
    }
    Ok(tally)
}
