//! PURE. If this master dies now: who takes over, when, what is lost, who notices.

use std::time::Duration;

use crate::cluster::{Address, Model, Node, NodeId, Shard, ShardName, Time, age};

use super::{Blast, blast, election};
use crate::quantity;

/// The servers' own default, assumed until a node has told its setting.
pub(super) const DEFAULT_NODE_TIMEOUT: Duration = Duration::from_secs(15);
const DEFAULT_VALIDITY_FACTOR: u64 = 10;
/// repl-ping-replica-period, which nobody changes.
const PING_PERIOD: Duration = Duration::from_secs(10);

/// A replica, and whether it would stand for election.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub node: NodeId,
    pub address: Address,
    /// Why it would not stand; None when it would.
    pub obstacle: Option<String>,
    /// Bytes of its master's stream that it has not applied.
    pub lag_bytes: Option<u64>,
    /// Siblings that have more of the data and would stand earlier.
    pub rank: u32,
}

/// Masters with slots elect; how many of them answer, and how many must agree.
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

/// The outcome that is to be expected when a shard's master dies now, or has just died.
#[derive(Clone, Debug, PartialEq)]
pub struct Preflight {
    pub shard: ShardName,
    pub master: Option<NodeId>,
    /// Best first: those that stand by rank, then the others.
    pub candidates: Vec<Candidate>,
    pub winner: Option<NodeId>,
    pub winner_address: Option<Address>,
    /// Without the master in question.
    pub votes: Votes,
    /// How long nobody can write to the shard: from, to. None when nobody would take over.
    pub gap: Option<(Duration, Duration)>,
    /// Acknowledged bytes that the winner does not have. None when unknown or when nobody would take over.
    pub bytes_at_risk: Option<u64>,
    pub blast: Blast,
    /// How long the master has been silent already.
    pub silent: Option<Duration>,
    /// The node timeout is the servers' default, since no node has told its own.
    pub assumed_timeout: bool,
}

impl Preflight {
    /// From now until the winner is master, when the master is silent already: from, to.
    pub fn remaining(&self) -> Option<(Duration, Duration)> {
        let (gap, silent) = (self.gap?, self.silent?);
        Some((gap.0.saturating_sub(silent), gap.1.saturating_sub(silent)))
    }

    /// One short line for a topology row.
    pub fn sentence(&self) -> String {
        let Some(winner) = &self.winner_address else { return self.hopeless() };
        match (self.remaining(), self.gap) {
            (Some((_, to)), _) if to.is_zero() => format!("election: {winner} should have won by now"),
            (Some((from, to)), _) => format!("election: {winner} wins in about {}", quantity::span((from + to) / 2)),
            (None, Some(gap)) => {
                let lost = match self.bytes_at_risk {
                    Some(0) => "nothing known to be lost".into(),
                    Some(bytes) => format!("{} at risk", quantity::bytes(bytes)),
                    None => "loss unknown".into(),
                };
                format!("if it dies: {winner} takes over in {}, {lost}", quantity::range(gap))
            }
            (None, None) => self.hopeless(),
        }
    }

    /// Why nobody would take over.
    fn hopeless(&self) -> String {
        let when = if self.silent.is_some() { "nobody takes over" } else { "if it dies nobody takes over" };
        if !self.votes.suffice() && self.candidates.iter().any(|candidate| candidate.obstacle.is_none()) {
            return format!("{when}: {} of the {} votes needed", self.votes.alive, self.votes.needed);
        }
        match self.candidates.first() {
            None => format!("{when}: it has no replica"),
            Some(Candidate { address, obstacle, .. }) => {
                format!("{when}: {address} {}", obstacle.as_deref().unwrap_or("does not stand"))
            }
        }
    }
}

/// What happens if the master of this shard dies now; None when there is no such shard.
pub fn preflight(model: &Model, shard: ShardName, now: Time) -> Option<Preflight> {
    let shard = model.topology().shard(shard)?;
    let master = shard.master.and_then(|id| model.node(id));
    let timeout = model.node_timeout();
    let node_timeout = timeout.unwrap_or(DEFAULT_NODE_TIMEOUT);
    let candidates = candidates(model, shard, node_timeout, now);
    let votes = votes(model, shard.master.as_slice());
    let winner = candidates.iter().find(|candidate| candidate.obstacle.is_none()).filter(|_| votes.suffice());
    let server = winner.and_then(|winner| model.node(winner.node)?.info.as_ref()?.server.as_ref());
    let silent = master.filter(|node| !is_up(node)).map(|node| age(now, node.health_since));
    Some(Preflight {
        shard: shard.name,
        master: shard.master,
        winner: winner.map(|winner| winner.node),
        winner_address: winner.map(|winner| winner.address.clone()),
        votes,
        gap: winner.map(|winner| election::timing(server, node_timeout).promoted(winner.rank)),
        bytes_at_risk: winner.and_then(|winner| winner.lag_bytes),
        blast: blast::of_shard(model, shard.name),
        silent,
        assumed_timeout: timeout.is_none(),
        candidates,
    })
}

/// A node that others can talk to, as far as we and they can tell.
pub(super) fn is_up(node: &Node) -> bool {
    !node.health.is_down() && !node.flags.failed
}

/// Who votes when `without` are gone: masters that own slots. A dead one counts for the quorum until it owns none.
pub(super) fn votes(model: &Model, without: &[NodeId]) -> Votes {
    let voters: Vec<&Node> = model.nodes().filter(|node| node.is_master() && node.slot_count > 0).collect();
    let alive = voters.iter().filter(|node| !without.contains(&node.id) && is_up(node)).count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Votes { alive: count(alive), needed: count(voters.len() / 2 + 1), voters: count(voters.len()) }
}

/// The shard's replicas, best first.
pub(super) fn candidates(model: &Model, shard: &Shard, node_timeout: Duration, now: Time) -> Vec<Candidate> {
    let replicas: Vec<&Node> = shard.replicas.iter().filter_map(|id| model.node(*id)).collect();
    let offset = |node: &Node| node.info.as_ref().and_then(|info| info.replica_offset).unwrap_or(0);
    let mut candidates: Vec<Candidate> = replicas
        .iter()
        .map(|node| {
            let ahead = replicas.iter().filter(|other| is_up(other) && offset(other) > offset(node)).count();
            Candidate {
                node: node.id,
                address: node.address.clone(),
                obstacle: obstacle(node, node_timeout, now),
                lag_bytes: node.lag_bytes.or_else(|| last_lag(model, node)),
                rank: u32::try_from(ahead).unwrap_or(u32::MAX),
            }
        })
        .collect();
    candidates.sort_by_key(|candidate| (candidate.obstacle.is_some(), candidate.rank, candidate.address.clone()));
    candidates
}

/// The distance to a master that is silent: between the last words of both.
fn last_lag(model: &Model, replica: &Node) -> Option<u64> {
    let master = model.node(replica.master?)?;
    let (ours, theirs) = (replica.info.as_ref()?, master.info.as_ref()?);
    (!is_up(master)).then(|| theirs.master_offset.unwrap_or(0).saturating_sub(ours.replica_offset.unwrap_or(0)))
}

/// Why a replica does not stand when its master fails, as the rest of a sentence about it.
fn obstacle(node: &Node, node_timeout: Duration, now: Time) -> Option<String> {
    if node.health.is_down() {
        let since = quantity::span(age(now, node.health_since));
        return Some(format!("{} (for {since})", node.health.says()));
    }
    if node.flags.failed {
        return Some("is marked as failed by the other masters".into());
    }
    if node.flags.nofailover {
        return Some("never stands (cluster-replica-no-failover is set)".into());
    }
    let info = node.info.as_ref()?;
    if info.loading {
        return Some("is loading its data".into());
    }
    if info.master_sync_in_progress {
        return Some("is still copying its master's data".into());
    }
    let factor = node.settings.as_ref().and_then(|settings| settings.validity_factor).unwrap_or(DEFAULT_VALIDITY_FACTOR);
    let down = Duration::from_secs(u64::try_from(info.master_link_down_seconds.unwrap_or(0)).unwrap_or(0));
    let limit = PING_PERIOD + node_timeout * u32::try_from(factor).unwrap_or(u32::MAX);
    if info.master_link_up == Some(false) && factor > 0 && down.saturating_sub(node_timeout) > limit {
        let (down, limit) = (quantity::span(down), quantity::span(limit + node_timeout));
        return Some(format!("has had no data from its master for {down}, more than the {limit} it may stand with"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{Fact, Health, Observation, Trouble};
    use crate::plan::testing::{address, at, three_shards};

    fn down(model: &mut Model, node: &str, seconds: i64) {
        let fact = Fact::Trouble(Trouble::new(Health::Refused, ""));
        model.apply(&Observation { source: address(node), at: at(seconds), fact });
        model.settle(at(seconds));
    }

    #[test]
    fn the_only_replica_wins_and_two_of_three_vote() {
        let model = three_shards();
        let flight = preflight(&model, ShardName(0), at(0)).unwrap();
        assert_eq!(flight.winner_address, Some(address("10.0.0.4:7003")));
        assert_eq!(flight.votes, Votes { alive: 2, needed: 2, voters: 3 });
        assert_eq!(flight.bytes_at_risk, Some(100));
        assert_eq!(flight.gap, Some((Duration::from_millis(2500), Duration::from_millis(5100))));
        assert!(flight.sentence().contains("10.0.0.4:7003 takes over in 2.5 s to 5.1 s, 100 B at risk"), "{}", flight.sentence());
    }

    #[test]
    fn after_the_death_the_wait_counts_down() {
        let mut model = three_shards();
        down(&mut model, "10.0.0.1:7000", 1);
        let flight = preflight(&model, ShardName(0), at(2)).unwrap();
        assert_eq!(flight.remaining(), Some((Duration::from_millis(1500), Duration::from_millis(4100))));
        assert!(flight.sentence().contains("10.0.0.4:7003 wins in about 2.8 s"), "{}", flight.sentence());
        assert!(preflight(&model, ShardName(0), at(30)).unwrap().sentence().contains("should have won by now"));
    }

    #[test]
    fn without_quorum_or_replica_nobody_wins_and_it_says_so() {
        let mut model = three_shards();
        down(&mut model, "10.0.0.2:7001", 1);
        let flight = preflight(&model, ShardName(0), at(2)).unwrap();
        assert_eq!((flight.winner, flight.votes.alive), (None, 1));
        assert!(flight.sentence().contains("1 of the 2 votes needed"), "{}", flight.sentence());

        let mut model = three_shards();
        down(&mut model, "10.0.0.4:7003", 1);
        let sentence = preflight(&model, ShardName(0), at(2)).unwrap().sentence();
        assert!(sentence.contains("nobody takes over: 10.0.0.4:7003 refuses connections"), "{sentence}");
    }
}
