//! PURE. If a shard's master is gone: who votes, who may stand, who wins, when, with what loss, or why nobody.
//!
//! The one answer to that question: alerts, plans, forecasts and screens ask here. What is not known stays unknown: a
//! replica that has not told its figures may stand, and nobody says what it has.

mod candidate;
mod timing;

use std::fmt;
use std::time::Duration;

use super::{Address, Model, Node, NodeId, Shard, Time, age};
use crate::quantity;

pub use candidate::{Candidate, CandidateObstacle, candidates};
pub use timing::{Timing, timing};

/// The servers' own default, assumed until a node has told its setting.
pub const DEFAULT_NODE_TIMEOUT: Duration = Duration::from_secs(15);

/// Masters with slots elect; how many of them can, and how many must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Votes {
    pub alive: u32,
    pub needed: u32,
    pub voters: u32,
}

impl Votes {
    pub fn suffice(self) -> bool {
        self.needed > 0 && self.alive >= self.needed
    }
}

/// Who votes when `without` are gone: masters that own slots. A dead one counts for the quorum until it owns none; one that
/// only this console cannot reach votes like any other.
pub fn votes(model: &Model, without: &[NodeId]) -> Votes {
    let voters: Vec<&Node> = model.nodes().filter(|node| node.is_master() && node.slot_count > 0).collect();
    let alive = voters.iter().filter(|node| !without.contains(&node.id) && can_take_part(node)).count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Votes { alive: count(alive), needed: count(voters.len() / 2 + 1), voters: count(voters.len()) }
}

/// The others can talk to it, as far as they and we can tell.
fn can_take_part(node: &Node) -> bool {
    !node.is_down() && !node.flags.failed
}

/// What the winner does not have of what its master had acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deficit {
    /// None when one of the two has never told how far it is.
    pub bytes: Option<u64>,
    /// Its replication link is, or was when the master fell silent, down for this long.
    pub link_down: Option<Duration>,
}

/// The election of a shard's next master: under way, or if the master died now.
#[derive(Clone, Debug, PartialEq)]
pub struct Election {
    pub master: Option<NodeId>,
    /// Best first: those that may stand by rank, then the others.
    pub candidates: Vec<Candidate>,
    /// Without the master in question.
    pub votes: Votes,
    /// Since when the master is gone; None while it lives.
    pub since: Option<Time>,
    /// From the master's last word until its successor is master: from, to. None when nobody would win.
    pub gap: Option<(Duration, Duration)>,
    /// No node has told its node timeout: the servers' default is assumed.
    pub assumed_timeout: bool,
}

/// What is to be expected of the election of a master that is gone.
#[derive(Clone, Debug, PartialEq)]
pub enum Outlook<'a> {
    /// It is under way and should be won by then.
    Expected { winner: &'a Candidate, by: Time },
    /// It should have been won and was not, in twice the time that it takes.
    Overdue { winner: &'a Candidate, by: Time },
    /// Nobody can win it.
    Nobody(Hopeless<'a>),
}

/// Why nobody takes over.
#[derive(Clone, Debug, PartialEq)]
pub enum Hopeless<'a> {
    NoReplica,
    /// Somebody would stand and is not given enough votes.
    NoMajority(Votes),
    /// The best of the replicas, and why it may not stand.
    Barred(&'a Candidate),
}

impl fmt::Display for Hopeless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReplica => f.write_str("it has no replica"),
            Self::NoMajority(votes) => write!(f, "{} of the {} votes needed", votes.alive, votes.needed),
            Self::Barred(candidate) => match &candidate.obstacle {
                Some(obstacle) => write!(f, "{} {obstacle}", candidate.address),
                None => write!(f, "{} does not stand", candidate.address),
            },
        }
    }
}

/// The election in this shard, as far as the model can tell.
pub fn election(model: &Model, shard: &Shard, now: Time) -> Election {
    let timeout = model.node_timeout();
    let node_timeout = timeout.unwrap_or(DEFAULT_NODE_TIMEOUT);
    let master = shard.master.and_then(|id| model.node(id));
    let candidates = candidates(model, shard, node_timeout, now);
    let votes = votes(model, shard.master.as_slice());
    let winner = candidates.iter().find(|candidate| candidate.obstacle.is_none()).filter(|_| votes.suffice());
    let server = winner.and_then(|winner| model.node(winner.node)?.info.as_ref()?.server.as_ref());
    Election {
        master: shard.master,
        gap: winner.map(|winner| timing(server, node_timeout).promoted(winner.rank)),
        since: master.filter(|node| !can_take_part(node)).map(|node| node.silent_since.unwrap_or(node.health_since)),
        assumed_timeout: timeout.is_none(),
        candidates,
        votes,
    }
}

impl Election {
    pub fn winner(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.obstacle.is_none()).filter(|_| self.votes.suffice())
    }

    /// How long the master has been gone.
    pub fn silent(&self, now: Time) -> Option<Duration> {
        self.since.map(|since| age(now, since))
    }

    /// Nobody wins, and why.
    pub fn hopeless(&self) -> Option<Hopeless<'_>> {
        if self.winner().is_some() {
            return None;
        }
        let stands = self.candidates.iter().any(|candidate| candidate.obstacle.is_none());
        Some(match self.candidates.first() {
            None => Hopeless::NoReplica,
            Some(_) if stands => Hopeless::NoMajority(self.votes),
            Some(first) => Hopeless::Barred(first),
        })
    }

    /// What comes of it; None while the master lives.
    pub fn outlook(&self, now: Time) -> Option<Outlook<'_>> {
        let since = self.since?;
        if let (Some(winner), Some((_, to))) = (self.winner(), self.gap) {
            let by = since + chrono::TimeDelta::from_std(to).unwrap_or_default();
            return Some(if age(now, since) < to * 2 { Outlook::Expected { winner, by } } else { Outlook::Overdue { winner, by } });
        }
        self.hopeless().map(Outlook::Nobody)
    }

    /// What the winner lacks.
    pub fn deficit(&self) -> Option<Deficit> {
        self.winner().map(|winner| winner.deficit)
    }

    /// The address of whoever wins.
    pub fn winner_address(&self) -> Option<&Address> {
        self.winner().map(|winner| &winner.address)
    }
}

impl Deficit {
    /// What is at risk, in words: `22 MB written in the last 15 s at risk`, `nothing known to be lost`.
    pub fn at_risk(self) -> String {
        match self {
            Self { bytes: Some(0), .. } => "nothing known to be lost".into(),
            Self { bytes: None, link_down: None } => "loss unknown".into(),
            known => format!("{} at risk", known.says()),
        }
    }

    /// What is missing, as the object of a sentence: `22 MB written in the last 15 s`.
    pub fn says(self) -> String {
        let bytes = self.bytes.map(quantity::bytes);
        match (bytes, self.link_down.map(quantity::age)) {
            (Some(bytes), Some(down)) => format!("{bytes} written in the last {down}"),
            (Some(bytes), None) => bytes,
            (None, Some(down)) => format!("all that was written in the last {down}"),
            (None, None) => "what it never got".into(),
        }
    }

    /// More than what is always on its way.
    pub fn is_large(self) -> bool {
        const ON_ITS_WAY: u64 = 1 << 20;
        self.bytes.is_some_and(|bytes| bytes > ON_ITS_WAY) || self.link_down.is_some_and(|down| down >= Duration::from_secs(5))
    }
}

#[cfg(test)]
mod tests;
