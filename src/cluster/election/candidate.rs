//! PURE. The replicas of a shard in an election: how much each has, and why one may not stand.

use std::fmt;
use std::time::Duration;

use super::{Deficit, can_take_part};
use crate::cluster::{Address, Health, Info, Model, Node, NodeId, Shard, Time, age};
use crate::quantity;

const DEFAULT_VALIDITY_FACTOR: u64 = 10;
/// repl-ping-replica-period, the servers' default.
const PING_PERIOD: Duration = Duration::from_secs(10);

/// A replica, and whether it would stand for election.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub node: NodeId,
    pub address: Address,
    /// Why it would not stand; None when it would.
    pub obstacle: Option<CandidateObstacle>,
    /// What it lacks of its master's data.
    pub deficit: Deficit,
    /// Siblings that have more of the data and would stand earlier.
    pub rank: u32,
}

/// Why a replica does not stand when its master fails. Prints as the rest of a sentence about it. `replica-priority` is
/// none of these: a cluster does not look at it.
#[derive(Clone, Debug, PartialEq)]
pub enum CandidateObstacle {
    Down {
        health: Health,
        lasting: Duration,
    },
    /// A majority of masters calls it failed.
    Failed,
    /// `cluster-replica-no-failover`.
    NoFailover,
    Loading,
    /// It copies its master's data and has nothing whole.
    Copying,
    /// It was started after its link broke and never reached its master: it does not know how old its data is.
    NeverLinked,
    /// Its data is older than it may stand with.
    Outdated {
        down: Duration,
        limit: Duration,
    },
}

impl CandidateObstacle {
    /// `CLUSTER FAILOVER FORCE` is not held up by it.
    pub fn yields_to_force(&self) -> bool {
        matches!(self, Self::NoFailover | Self::NeverLinked | Self::Outdated { .. })
    }
}

impl fmt::Display for CandidateObstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down { health, lasting } => write!(f, "{} (for {})", health.says(), quantity::span(*lasting)),
            Self::Failed => f.write_str("is marked as failed by the other masters"),
            Self::NoFailover => f.write_str("never stands (cluster-replica-no-failover is set)"),
            Self::Loading => f.write_str("is loading its data"),
            Self::Copying => f.write_str("is still copying its master's data"),
            Self::NeverLinked => f.write_str("has not reached its master since it was started, and may not stand"),
            Self::Outdated { down, limit } => write!(
                f,
                "has had no data from its master for {}, more than the {} it may stand with",
                quantity::age(*down),
                quantity::age(*limit)
            ),
        }
    }
}

/// The shard's replicas, best first: those that may stand by rank, then the others, those that force would promote first.
pub fn candidates(model: &Model, shard: &Shard, node_timeout: Duration, now: Time) -> Vec<Candidate> {
    let replicas: Vec<&Node> = shard.replicas.iter().filter_map(|id| model.node(*id)).collect();
    // A replica that has not told how far it is ranks behind those that have.
    let offset = |node: &Node| node.info.as_ref().and_then(|info| info.replica_offset);
    let mut candidates: Vec<Candidate> = replicas
        .iter()
        .map(|node| {
            let ahead = replicas.iter().filter(|other| can_take_part(other) && offset(other) > offset(node)).count();
            Candidate {
                node: node.id,
                address: node.address.clone(),
                obstacle: obstacle(node, node_timeout, now),
                deficit: deficit(model, node, now),
                rank: u32::try_from(ahead).unwrap_or(u32::MAX),
            }
        })
        .collect();
    let order = |obstacle: &Option<CandidateObstacle>| obstacle.as_ref().map(|obstacle| !obstacle.yields_to_force());
    candidates.sort_by_key(|candidate| (order(&candidate.obstacle), candidate.rank, candidate.address.clone()));
    candidates
}

fn deficit(model: &Model, replica: &Node, now: Time) -> Deficit {
    let bytes = replica.lag_bytes.or_else(|| lag_at_silence(model, replica));
    let Some(down) = link_down(replica, now) else { return Deficit { bytes, link_down: None } };
    // While the master is gone the link is down for that reason: what counts is how long it was before.
    let silent = replica.master.and_then(|id| model.node(id)?.silent_since);
    let down = silent.map_or(down, |since| down.saturating_sub(age(now, since)));
    // Servers count whole seconds, and the two are not heard at the same moment.
    Deficit { bytes, link_down: Some(down).filter(|down| *down >= Duration::from_secs(2)) }
}

/// How long the replication link has been down by now, when the server has told when it broke.
fn link_down(replica: &Node, now: Time) -> Option<Duration> {
    let info = replica.info.as_ref().filter(|info| info.master_link_up == Some(false))?;
    let told = u64::try_from(info.master_link_down_seconds?).ok()?;
    Some(Duration::from_secs(told) + replica.info_at.map_or(Duration::ZERO, |at| age(now, at)))
}

/// The distance to a master that is silent: between the last words of both.
fn lag_at_silence(model: &Model, replica: &Node) -> Option<u64> {
    let master = model.node(replica.master?).filter(|master| !can_take_part(master))?;
    let (ours, theirs) = (replica.info.as_ref()?, master.info.as_ref()?);
    Some(theirs.master_offset?.saturating_sub(ours.replica_offset?))
}

fn obstacle(node: &Node, node_timeout: Duration, now: Time) -> Option<CandidateObstacle> {
    if node.is_down() {
        return Some(CandidateObstacle::Down { health: node.health, lasting: age(now, node.health_since) });
    }
    if node.flags.failed {
        return Some(CandidateObstacle::Failed);
    }
    if node.flags.nofailover {
        return Some(CandidateObstacle::NoFailover);
    }
    let info = node.info.as_ref()?;
    if info.loading || node.health == Health::Loading {
        return Some(CandidateObstacle::Loading);
    }
    if info.master_sync_in_progress {
        return Some(CandidateObstacle::Copying);
    }
    too_old(node, info, node_timeout, now)
}

/// A replica whose link has been down for longer than node timeout × validity factor, its ping period and once more the node
/// timeout does not stand. With a factor of 0 it always does.
fn too_old(node: &Node, info: &Info, node_timeout: Duration, now: Time) -> Option<CandidateObstacle> {
    let settings = node.settings.as_deref();
    let factor = settings.and_then(|settings| settings.validity_factor).unwrap_or(DEFAULT_VALIDITY_FACTOR);
    if factor == 0 || info.master_link_up != Some(false) {
        return None;
    }
    if info.master_link_down_seconds.is_some_and(|seconds| seconds < 0) {
        return Some(CandidateObstacle::NeverLinked);
    }
    let down = link_down(node, now)?;
    let ping = settings.and_then(|settings| settings.replication_ping).unwrap_or(PING_PERIOD);
    let limit = ping + node_timeout * u32::try_from(factor).unwrap_or(u32::MAX) + node_timeout;
    (down > limit).then_some(CandidateObstacle::Outdated { down, limit })
}
