//! PURE. Who took over from a master that was down, when, and what it did not have: told until the old master is back, and for
//! some minutes in any case.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{History, Picture};
use crate::cluster::{Address, Model, NodeId, ShardName, Time};

/// It is told for this long, also when all is well again.
const TOLD: TimeDelta = TimeDelta::minutes(5);
/// Kept at most.
const MOST: usize = 32;

/// A replica has taken the place of its master, which was down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Takeover {
    pub shard: ShardName,
    pub from: NodeId,
    pub from_address: Address,
    pub to: NodeId,
    pub to_address: Address,
    /// When it was seen.
    pub at: Time,
    /// It happened after this, where nobody watched it happen.
    pub after: Option<Time>,
    /// Bytes that the old master had written by its last word and the new one does not have; None where that is not known.
    pub behind: Option<u64>,
}

impl Takeover {
    /// Both tell of the same one, as two programs have seen it.
    pub(super) fn is(&self, other: &Self) -> bool {
        const TOGETHER: TimeDelta = TimeDelta::minutes(2);
        (self.from, self.to) == (other.from, other.to) && (self.at - other.at).abs() <= TOGETHER
    }
}

impl History {
    /// Those that are to be told, newest first.
    pub fn takeovers(&self) -> impl Iterator<Item = &Takeover> {
        self.takeovers.iter().rev().filter(|takeover| self.told.contains(&(takeover.from, takeover.at)))
    }

    /// Notes replicas that have taken over since the picture, and which of them are to be told still.
    pub(super) fn take_note(&mut self, model: &Model, picture: &Picture, now: Time) {
        for shard in &picture.shards {
            let Some(to) = shard.slots.iter().next().and_then(|slot| model.topology().owner(slot)).and_then(|id| model.node(id))
            else {
                continue;
            };
            let down = self.tracks.get(&shard.owner).is_some_and(|track| track.was_down_since(picture.at));
            if to.id == shard.owner || !shard.replicas.contains(&to.id) || !down {
                continue;
            }
            let is_known = |takeover: &Takeover| takeover.from == shard.owner && takeover.to == to.id && takeover.at >= picture.at;
            if self.takeovers.iter().any(is_known) {
                continue;
            }
            self.takeovers.push(Takeover {
                shard: shard.name,
                from: shard.owner,
                from_address: shard.address.clone(),
                to: to.id,
                to_address: to.address.clone(),
                at: now,
                after: (!self.watched).then_some(picture.at),
                behind: None,
            });
            self.revision += 1;
        }
        let surplus = self.takeovers.len().saturating_sub(MOST);
        self.takeovers.drain(..surplus);
    }

    /// What another program has seen of them.
    pub(super) fn adopt_takeovers(&mut self, seen: &[Takeover]) {
        for takeover in seen {
            let same = |known: &&mut Takeover| known.is(takeover);
            match self.takeovers.iter_mut().find(same) {
                // Whoever watched knows when it was, and what the old master had written.
                Some(known) if known.after.is_some() && takeover.after.is_none() => known.clone_from(takeover),
                Some(known) => known.behind = known.behind.or(takeover.behind),
                None => self.takeovers.push(takeover.clone()),
            }
        }
        self.takeovers.sort_by_key(|takeover| takeover.at);
        let surplus = self.takeovers.len().saturating_sub(MOST);
        self.takeovers.drain(..surplus);
    }

    /// What the servers have told since, and who is back.
    pub(super) fn follow_takeovers(&mut self, model: &Model, now: Time) {
        let stands =
            |takeover: &Takeover| model.topology().shard_of(takeover.to).is_some_and(|shard| shard.master == Some(takeover.to));
        let is_back = |takeover: &Takeover| model.node(takeover.from).is_none_or(|node| !node.is_down());
        for takeover in self.takeovers.iter_mut().filter(|takeover| takeover.behind.is_none()) {
            let info = |id: NodeId| model.node(id).and_then(|node| node.info.as_deref());
            if is_back(takeover) {
                continue;
            }
            if let (Some(old), Some(new)) = (info(takeover.from), info(takeover.to)) {
                takeover.behind = old.not_had_by(new);
                self.revision += u64::from(takeover.behind.is_some());
            }
        }
        let told = self.takeovers.iter().filter(|takeover| stands(takeover) && (now - takeover.at <= TOLD || !is_back(takeover)));
        self.told = told.map(|takeover| (takeover.from, takeover.at)).collect();
    }
}
